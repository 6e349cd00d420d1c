"""Characters made plain without losing meaning."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clean import clean_line, close_han_gaps, is_page_number, join_wrapped, running_key, running_lines


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x00b\x07c", "abc"),
        ("of\ufb01ce \ufb02ow", "office flow"),
        ("a\u00a0\u2003b\tc", "a b c"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\ufeffmark", "mark"),
        ("１２ｋｇ", "12kg"),
        ("（中文），。", "（中文），。"),
        ("⼀⼆", "一二"),
        ("10² ½ µg ™", "10² ½ µg ™"),
        ("\uf0b7 item", "• item"),
        ("👩\u200d⚕️ ok", "👩\u200d⚕️ ok"),
        ("شكرا", "شكرا"),
    ],
)
def test_one_line(dirty: str, clean: str) -> None:
    assert clean_line(dirty) == clean


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_line_can_be_stored_and_is_stable(text: str) -> None:
    once = clean_line(text)
    once.encode("utf-8")
    assert "\x00" not in once and "\n" not in once
    assert clean_line(once) == once


def test_wrapped_lines_are_joined() -> None:
    words = Counter(["information", "long-term"])
    assert join_wrapped(["the infor-", "mation is"], words) == "the information is"
    assert join_wrapped(["our long-", "term debt"], words) == "our long-term debt"
    assert join_wrapped(["北京", "大学"]) == "北京大学"
    assert join_wrapped(["soft\x02", "ware"]) == "software"
    assert join_wrapped(["one", "two"]) == "one two"
    assert close_han_gaps("营 业 收 入 2022 年") == "营业收入 2022 年"


def test_running_lines_recur_at_the_edges() -> None:
    pages = [[f"ACME Corp {i}", "Body text", f"unique {'abcdefgh'[i]}", f"Page {i} of 8"] for i in range(8)]
    found = running_lines(pages, edge=1)
    assert running_key("ACME Corp 3") in found
    assert running_key("Page 7 of 8") in found
    assert running_key("Body text") not in found


@pytest.mark.parametrize("line", ["12", "- 12 -", "Page 3 of 10", "F-12", "iv", "第 3 页", "6 / 156"])
def test_page_numbers(line: str) -> None:
    assert is_page_number(line)


@pytest.mark.parametrize("line", ["2022 results", "Net sales 12", "1,234.5"])
def test_not_page_numbers(line: str) -> None:
    assert not is_page_number(line)


def test_windows_characters_that_came_as_control_characters_are_read() -> None:
    assert clean_line("advantages \x97 for \x93example\x94\x85 \x81") == "advantages — for “example”…"
    assert clean_line("竞争优势\x97例如") == "竞争优势—例如"
