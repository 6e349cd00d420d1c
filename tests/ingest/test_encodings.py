"""Chinese text and pages in the encodings they come in, with and without a mark or a declaration."""

from __future__ import annotations

import pytest

from ingest.parsers import parse
from ingest.parsers.encoding import encoding_of

SIMPLIFIED = "公司2022年营业收入同比增长5.3%，净利润为1,234万元。患者每日服用阿司匹林100毫克。"
TRADITIONAL = "公司2022年營業收入較去年增長5.3%，淨利為1,234萬元。病患每日服用阿斯匹靈100毫克。"
ENGLISH = "Revenue rose 5.3% to $1,234 million; café, naïve — 5 €."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "gbk"),
        (SIMPLIFIED, "gb2312"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "utf-16-le"),
        (SIMPLIFIED, "utf-16-be"),
        (TRADITIONAL, "utf-8"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "gb18030"),
        (TRADITIONAL, "utf-16-le"),
        (ENGLISH, "utf-8"),
        (ENGLISH, "cp1252"),
        (ENGLISH, "utf-16"),
        (ENGLISH, "utf-16-le"),
        (ENGLISH, "utf-16-be"),
    ],
)
def test_text_and_pages(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert parse(data, "a.txt")[0].text == text
    assert parse(f"item,note\nx,{text.replace(',', ' ')}\n".encode(encoding), "a.csv")[0].text.count("?") == 0
    page = f"<html><head><title>t</title></head><body><p>{text}</p></body></html>"
    assert parse(page.encode(encoding), "a.html")[0].text == text
    declared = page.replace("<title>", f'<meta charset="{encoding.removesuffix("-sig")}"><title>')
    assert parse(declared.encode(encoding), "a.html")[0].text == text
    wrong = page.replace("<title>", '<meta http-equiv="Content-Type" content="text/html; charset=utf-8"><title>')
    assert parse(wrong.encode(encoding), "a.html")[0].text == text


@pytest.mark.parametrize("word", ["中文", "报告", "高血压", "营业收入"])
def test_a_few_characters_are_enough(word: str) -> None:
    assert encoding_of(f"{word}: 5".encode("gb18030")) == "gb18030"


@pytest.mark.parametrize("text", ["Bush hid the facts", "naïve", "5 €", "Müller, François, Ångström", "a\x00b\x00"])
def test_what_is_not_chinese_is_not_taken_for_it(text: str) -> None:
    assert encoding_of(text.encode("cp1252")) in ("utf-8", "cp1252", "utf-16-le")
