from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.boilerplate import Repeats, page_making, without_page_making
from ingest.chunk import chunk
from ingest.dedupe import CROWD, Deduper, Duplicate, InMemory
from ingest.differs import TURNS
from ingest.facts import find_facts
from ingest.signature import Signature, likeness, signature, version
from rag.schema import Document, Table

NOUNS = ["dose", "liver", "bank", "loan", "ratio", "nurse", "fund", "tablet", "claim", "pulse", "asset", "ward", "bond"]
HAN = "血压心率医院药物治疗银行贷款利率基金保险风险资产债券收入患者检查诊断手术"


def english(seed: int, n: int = 300) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(NOUNS) + rng.choice(("", "s", "ed", "ing")) for _ in range(n))


def chinese(seed: int, n: int = 500) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(HAN) for _ in range(n))


def document(text: str, source: str, **fields: object) -> Document:
    return Document.of(text, source, **fields)


class Batch:
    """Documents that come in one after the other; what repeats another one is not held."""

    def __init__(self, threshold: float = 0.9) -> None:
        self.held = InMemory()
        self.texts: dict[str, Document] = {}
        self.deduper = Deduper(self.held, self.texts.get, threshold)

    def find(self, coming: Document) -> Duplicate | None:
        return self.deduper.find(coming)

    def add(self, coming: Document) -> Duplicate | None:
        found = self.find(coming)
        if found is None:
            self.texts[coming.source] = coming
            self.deduper.keep(coming.source, signature(coming))
        return found


def changed(text: str, share: float, seed: int = 1, *, thin: bool = False) -> str:
    """Put other words for some on which nothing turns, or none."""
    rng = random.Random(seed)
    parts = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|\W+", text)
    plain = {part for part in parts if part.isalpha() and not TURNS.fullmatch(part.casefold())}
    words = sorted(plain)
    return "".join(
        ("" if thin else rng.choice(words)) if part in plain and rng.random() < share else part for part in parts
    )


@pytest.mark.parametrize("text", [english(1), chinese(1)], ids=["en", "zh"])
def test_exact_whatever_the_spaces_case_and_width(text: str) -> None:
    deduper = Batch()
    assert deduper.add(document(text, "a")) is None
    wide = "\u3000".join(text.upper().split(" ")) + "\n"
    found = deduper.add(document(wide, "b"))
    assert found and (found.of, found.similarity, found.kind) == ("a", 1.0, "exact")
    assert len(deduper.held) == 1


@pytest.mark.parametrize("text", [english(4), chinese(4)], ids=["en", "zh"])
@pytest.mark.parametrize("share", [0.01, 0.02])
def test_near_less_some_words(text: str, share: float) -> None:
    deduper = Batch()
    deduper.add(document(text, "a"))
    deduper.add(document(english(3) + chinese(3), "c"))
    found = deduper.add(document(changed(text, share, thin=True), "b"))
    assert found and found.of == "a" and found.kind == "near"
    assert abs(found.similarity - (1 - share)) < 0.04
    assert deduper.add(document(changed(text, share), "d")) is None  # words for other words


def test_likeness_is_the_share_of_words_in_place() -> None:
    text = english(5, 4000)
    for share in (0.0, 0.03, 0.1, 0.25):
        other = changed(text, share, seed=9)
        kept = sum(a == b for a, b in zip(text.split(), other.split(), strict=True)) / 4000
        found = likeness(signature(document(text, "a")), signature(document(other, "b")))
        assert abs(found - kept) < (0.04 if share < 0.2 else 0.08)


@pytest.mark.parametrize("make", [english, chinese])
def test_other_texts_of_the_same_words_are_none(make: object) -> None:
    deduper = Batch()
    assert [deduper.add(document(make(seed), str(seed))) for seed in range(20)] == [None] * 20  # type: ignore[operator]


FILING = "The registrant reported net sales of {a} million for fiscal {y}. " + english(7, 400)


def test_versions_of_one_filing_are_no_duplicates() -> None:
    deduper = Batch()
    for year in (2021, 2022):
        text = FILING.format(a=year * 3, y=year) + f" In {year} and again in {year} all was well in {year}."
        assert deduper.add(document(text, f"{year}.pdf")) is None
    same_words = FILING.format(a=1, y="the year")
    assert deduper.add(document(same_words, "x", metadata={"year": 2019})) is None
    assert deduper.add(document(same_words + " end", "y", metadata={"year": 2020})) is None
    again = deduper.add(document(same_words + " end", "z", metadata={"year": 2019}))
    assert again and again.of in ("x", "y")


def test_other_figures_are_another_matter() -> None:
    rows = "Rate sheet of the branch " + english(8, 200) + " {}"
    a, b = (" ".join(str(1000 + i * step) for i in range(30)) for step in (7, 11))
    deduper = Batch(0.5)
    assert deduper.add(document(rows.format(a), "a")) is None
    assert deduper.add(document(rows.format(b), "b")) is None
    found = deduper.add(document(rows.format(a) + " copy", "c"))
    assert found and found.of == "a"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("{0} is rare. " + english(9, 250) + " {0} is treated. {0} runs on. {0}?", ("Patella", "Ceruloplasmin")),
        (chinese(9) + "{0}公告。{0}处罚。{0}决定。{0}说明。", ("重庆某支行", "山东某公司")),
    ],
)
def test_pages_after_one_pattern_are_no_duplicates(page: str, names: tuple[str, str]) -> None:
    deduper = Batch()
    assert [deduper.add(document(page.format(name), name)) for name in names] == [None, None]
    found = deduper.add(document("Printed copy. " + page.format(names[0]), "copy"))
    assert found and found.of == names[0]


def test_the_title_tells_pages_apart() -> None:
    page = "What is {0}? {0} is rare. " + english(9, 250) + " See {0}."
    deduper = Batch()
    assert deduper.add(document(page.format("Patella"), "a", title="Patella")) is None
    assert deduper.add(document(page.format("Ceruloplasmin"), "b", title="Ceruloplasmin")) is None


def test_numbers_in_the_title_tell_pages_apart() -> None:
    page, deduper = "Types 1, 2 and 3 of it: 1, 2, 3. " + english(9, 250), Batch()
    assert deduper.add(document(page, "a", title="Syndrome type 1")) is None
    assert deduper.add(document(page + " also", "b", title="Syndrome type 2")) is None
    assert deduper.add(document(page + " or", "c", title="Syndrome type 1")) is not None
    assert deduper.add(document(page + " or", "d", title="Syndrome")) is None
    assert deduper.add(document(page + " or", "e")) is not None


def test_short_texts_are_compared_word_for_word() -> None:
    deduper = Batch(0.5)
    assert deduper.add(document("Give 5 mg twice a day.", "a")) is None
    assert deduper.add(document("Give 6 mg twice a day.", "b")) is None
    assert deduper.add(document("give 5 mg twice a day", "c")) is not None


def test_a_newer_text_of_one_source_is_no_duplicate_of_itself() -> None:
    deduper = Batch()
    text = english(11)
    deduper.add(document(text, "a"))
    assert deduper.add(document(text + " also", "a")) is None
    assert deduper.add(document(text + " also", "b")) is not None
    deduper.held.remove("a")
    assert len(deduper.held) == 0
    assert deduper.add(document(text + " also", "b")) is None


def test_a_kept_signature_is_as_good_as_the_text() -> None:
    text = english(12) + " 12 34 56 78 90 11 22 33"
    packed = signature(document(text, "a")).pack()
    assert len(packed) <= 650
    back = Signature.unpack(packed)
    assert back.pack() == packed
    deduper = Batch()
    deduper.texts["a"] = document(text, "a")
    deduper.deduper.keep("a", back)
    found = deduper.add(document(changed(text, 0.02, thin=True), "b"))
    assert found and found.of == "a"
    for broken in (b"", packed[:-1], packed[:20]):
        with pytest.raises(ValueError, match="Compute it anew"):
            Signature.unpack(broken)
    assert version().startswith("4|4|128|")


EDITIONS = {
    "version": ("Infusion Pump Operator Handbook\nVersion {0}\n\n" + english(31, 400), ("2.0", "2.1")),
    "one word": ("Handbook\nVersion {0}\n\n" + english(32, 400), ("2.0", "2.1")),
    "edition": ("急诊科护理操作手册\n第{0}版\n\n" + chinese(33, 600), ("三", "四")),
    "guideline": (
        "高血压防治指南（{0}年修订版）\n\n中国医师协会高血压分会\n\n" + chinese(34, 600),
        ("2018", "2023"),
    ),
    "published": ("Notice of the deposit rates\nPublished: {0}\n\n" + english(35, 400), ("2023-03-01", "2023-04-01")),
    "insurance": (
        "{0}财产保险股份有限公司\n强制保险条款\n\n第一条 保险合同的构成\n\n" + chinese(36, 600),
        ("平安", "太平洋"),
    ),
}


def with_facts(text: str, source: str, **declared: object) -> Document:
    title, language = text.split("\n", 1)[0], "zh" if "\u4e00" <= text[0] <= "\u9fff" else "en"
    facts = {**declared, **find_facts(text, source, title, language, declared)}
    return document(text, source, title=title, language=language, metadata=facts)


@pytest.mark.parametrize("name", EDITIONS)
def test_editions_are_no_duplicates_and_copies_of_each_are(name: str) -> None:
    text, editions = EDITIONS[name]
    batch = Batch()
    assert [batch.add(with_facts(text.format(edition), edition)) for edition in editions] == [None, None]
    for edition in editions:
        copy = batch.add(with_facts(text.format(edition) + "\n\nEnd.", "copy"))
        assert copy and (copy.of, copy.kind) == (edition, "near")


COVER = """UNITED STATES
SECURITIES AND EXCHANGE COMMISSION
Washington, D.C. 20549
FORM {form}
ANNUAL REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934
For the fiscal year ended December 31, {year}
Acme Health, Inc.
(Exact name of registrant as specified in its charter)

"""


def test_a_filing_its_amendment_and_that_of_another_year_are_all_kept() -> None:
    body = english(37, 600)
    batch = Batch()
    named = [("10-K", 2021), ("10-K/A", 2021), ("10-K", 2022)]
    filings = [with_facts(COVER.format(form=form, year=year) + body, f"{form}{year}") for form, year in named]
    assert len({str(sorted(filing.metadata.items())) for filing in filings}) == 3
    assert [batch.add(filing) for filing in filings] == [None] * 3
    again = batch.add(replace(filings[1], source="again", text=filings[1].text + " x"))
    assert again and again.of == "10-K/A2021"


def test_a_declared_version_is_believed_even_of_the_same_words() -> None:
    batch = Batch()
    text = english(38, 200)
    assert batch.add(with_facts(text, "a", version="Version 1.0", document_type="guideline")) is None
    assert batch.add(with_facts(text, "b", version="Version 1.1", document_type="guideline")) is None
    found = batch.add(with_facts(text, "c"))
    assert found and found.kind == "exact"


@pytest.mark.parametrize("text", ["Ask your doctor or pharmacist.", "请咨询医生或药师。"])
def test_one_short_answer_to_two_questions_is_kept_twice(text: str) -> None:
    batch = Batch()
    assert batch.add(document(text, "r#1", title="May I drive?")) is None
    assert batch.add(document(text, "r#2", title="May I swim?")) is None
    assert batch.add(document(text, "r#3", title="May I drive?")) is not None


EN = english(42, 80) + ". Give {0} of it twice a day, not at night. " + english(43, 80)
ZH = chinese(42, 120) + "。每日{0}，不得空腹服用。" + chinese(43, 120)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (EN, "5 mg", "50 mg"),
        (EN, "5 mg", "5 g"),
        (EN, "twice", "once"),
        (EN, "not at", "and at"),
        (EN, "Give", "Withdrawn: give"),
        (EN, "of it", "(20) of it"),
        (EN, "at night", "at noon"),
        (EN, "of it", "> 3 of it"),
        (EN, "at night.", "at night. " + english(44, 15) + "."),
        (ZH, "5 mg", "3 mg"),
        (ZH, "不得", "宜"),
        (ZH, "每日", "每周"),
        (ZH, "服用。", "服用。" + chinese(44, 30) + "。"),
    ],
)
def test_a_figure_a_turn_or_a_sentence_makes_another_text(text: str, old: str, new: str) -> None:
    batch, first = Batch(), text.format("5 mg")
    changed_ = first.replace(old, new, 1)
    assert changed_ != first
    assert batch.add(document(first, "a")) is None
    assert batch.add(document(changed_, "b")) is None
    assert batch.find(document("Printed from the intranet, 17/44\n" + first, "c")) is not None
    assert batch.find(document(first.replace(" of it", "").replace("空腹服用", "服用"), "d")) is not None


def test_a_word_for_another_is_seen_where_the_sentence_stands_twice() -> None:
    sentence = "Do not take it with alcohol or on an empty stomach. "
    text = english(45, 80) + ". " + sentence + english(46, 80) + ". " + sentence + english(47, 80)
    for old, new in (("not take", "also take"), ("alcohol", "water")):
        for changed_ in (text.replace(old, new, 1), new.join(text.rsplit(old, 1))):
            batch = Batch()
            batch.add(document(text, "a"))
            assert batch.find(document(changed_, "b")) is None
    assert batch.find(document("For internal use only, copy 7 of 12.\n" + text, "c")) is not None


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [(" hemophilia, ".join(map(english, range(60, 66))), "hemophilia", "hemophilia A"),
     ("肝炎，".join(chinese(i, 60) for i in range(60, 66)), "肝炎", "肝炎甲")],
)  # fmt: skip
def test_a_word_more_all_through_makes_another_text(text: str, old: str, new: str) -> None:
    less, more = text, text.replace(old, new)
    for kept, coming in ((less, more), (more, less)):
        batch = Batch()
        batch.add(document(kept, "a"))
        assert batch.find(document(coming, "b")) is None
    batch = Batch()
    batch.add(document(less, "a"))
    assert batch.find(document(text.replace(old, new.replace("A", "also"), 1), "b")) is not None


def test_texts_without_words_are_the_same_only_sign_for_sign() -> None:
    batch = Batch()
    assert batch.add(document("[[[[", "a")) is None
    assert batch.add(document("🙂🙂", "b")) is None
    assert batch.find(document("🙂🙂", "c")) is not None


def test_the_name_of_a_file_is_no_title() -> None:
    batch, text = Batch(), english(39, 200)
    assert batch.add(document(text, "note-1.txt", title="note-1")) is None
    assert batch.add(document(text, "note-2.txt", title="note-2")) is not None


def test_what_a_crowd_shares_is_no_sign_but_its_copies_are_found() -> None:
    batch = Batch()
    crowd = [signature(document(english(40, 200), str(i), metadata={"version": f"Version {i}"})) for i in range(300)]
    for i, of in enumerate(crowd):
        batch.deduper.keep(str(i), of)
    assert len(batch.held) > CROWD
    found = batch.find(document(english(40, 200), "copy"))
    assert found and found.kind == "exact"


def test_what_is_about_to_go_does_not_count() -> None:
    batch, text = Batch(), english(41)
    batch.add(document(text, "a"))
    coming = document(text + " also", "b")
    assert batch.deduper.find(coming, gone={"a"}) is None
    assert batch.deduper.find(coming) is not None


def test_threshold() -> None:
    with pytest.raises(ValueError, match=r"\[0.5, 1\]"):
        Batch(0.4)
    exact = Batch(1)
    exact.add(document(english(13), "a"))
    assert exact.add(document(changed(english(13), 0.01), "b")) is None
    assert exact.add(document(english(13), "c")) is not None


@pytest.mark.parametrize("corpus", ["medquad_documents", "zh_crud_news_fin"])
def test_planted_in_real_corpora(shared_data: Path, corpus: str) -> None:
    with gzip.open(shared_data / f"corpora/{corpus}.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(next(lines)) for _ in range(150)]
    deduper = Batch()
    own = [r for r in records if deduper.add(document(r["text"], r["_id"], title=r["title"])) is not None]
    assert len(own) <= 6  # read: two news items of one press release, two pages on types of one disease
    gone = {record["_id"] for record in own}
    held = [record for record in records if record["_id"] not in gone]
    short = [record for record in held if len(record["text"]) < 3000]
    plants = [changed(r["text"], 0.01, seed=i, thin=True) for i, r in enumerate(short)]
    found = [deduper.find(document(text, "p", title=r["title"])) for text, r in zip(plants, short, strict=True)]
    right = sum(f is not None and f.of == r["_id"] for f, r in zip(found, short, strict=True))
    wrong = sum(f is not None and f.of != r["_id"] for f, r in zip(found, short, strict=True))
    assert right / len(short) > 0.85 and wrong == 0  # in long pages words that fall out near one another look replaced


# Boilerplate.

FOOTER = "This document is confidential and may not be copied without the leave of the bank."
FOOTER_ZH = "本报告仅供参考，不构成任何投资建议，转载请注明出处。"


def batch() -> list[Document]:
    texts = [
        f"Risk factors\n{english(20 + i, 40)}.\n{FOOTER} Copy {i} of 40.\n{chinese(20 + i, 60)}。\n{FOOTER_ZH}"
        for i in range(10)
    ]
    return [document(text, f"{i}.txt") for i, text in enumerate(texts)]


def repeats(documents: list[Document]) -> dict[str, int]:
    found = Repeats()
    for each in documents:
        found.add(each)
    return found.found()


def test_lines_that_many_documents_repeat() -> None:
    found = repeats(batch())
    assert sorted(found.values()) == [10, 10]
    assert {re.sub(r" Copy.*", "", line) for line in found} == {FOOTER, FOOTER_ZH}
    assert repeats(batch()[::-1]).keys() | found.keys() == {*found, f"{FOOTER} Copy 9 of 40."}  # by the first met
    assert repeats(batch()[:4]) == {}  # four documents are no batch
    apart = [document(english(i, 60), f"x{i}") for i in range(50)]
    assert repeats([*batch(), *apart]) == {}  # ten of sixty are no fifth


@pytest.mark.parametrize("mark", ["[", "x ", "增 "])
def test_a_line_without_end_is_no_line_that_repeats(mark: str) -> None:
    repeats = Repeats()
    for number in range(6):
        repeats.add(document(mark * 60_000 + "\nFor use by health care professionals only.", str(number)))
    assert repeats.found() == {"For use by health care professionals only.": 6}


def test_lines_of_tables_and_twice_in_one_document_do_not_count() -> None:
    docs = batch()
    tabled = [replace(d, tables=(Table("t", (), start=0, end=len(d.text)),)) for d in docs]
    assert repeats(tabled) == {}
    assert repeats([document("\n".join([FOOTER] * 30), "a"), document(english(1), "b")]) == {}


def test_counting_lines_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.boilerplate.MOST_LINES", 50)
    counted = Repeats()
    for i in range(200):
        counted.add(document(f"{english(i, 12)}\n{FOOTER}\n{english(1000 + i, 12)}", str(i)))
        assert len(counted._seen) <= 52
    assert counted.found() == {FOOTER: 200}


@pytest.mark.parametrize(
    "line",
    [
        "© 2023 Acme Bank plc. All rights reserved.",
        "Printed from the intranet on 3 May 2023 at 10:21 am",
        "Downloaded from https://www.example.org/guide on 2023-05-01",
        "Page 3 of 44",
        "No part of this publication may be reproduced or transmitted in any form without permission.",
        "版权所有 © 2023 某某医院",
        "未经书面许可，不得转载。",
        "打印时间：2023年5月1日 10:21",
        "第 3 页，共 44 页",
        "返回搜狐，查看更多",
    ],
)
def test_what_only_tells_how_a_page_was_made(line: str) -> None:
    assert page_making(line)


@pytest.mark.parametrize(
    "line",
    [
        FOOTER_ZH,
        "This is not investment advice.",
        "Past performance is no guarantee of future results.",
        "Keep out of the reach of children.",
        "Printed from the chart: warfarin 5 mg daily",
        "Copyright fees of $ 3,000 were paid.",
        "© Acme. All rights reserved. Do not give to children under 2.",
        "Page 3 of 44 lists the doses.",
        "本品不良反应包括恶心、呕吐。",
        "投资有风险，入市需谨慎。",
        "下载日期起每日5毫克",
        "请遵医嘱，未经医生许可不得停药。",
    ],
)
def test_what_a_reader_needs_is_never_page_making(line: str) -> None:
    assert not page_making(line)


@pytest.mark.parametrize("making", ["© 2023 Acme. All rights reserved.", "版权所有，未经许可不得转载。"])
def test_chunks_leave_page_making_out_and_offsets_hold(making: str) -> None:
    body = f"Risk factors\n\n{english(20, 40)}.\n\n{FOOTER}"
    first = document(f"{making}\n\n{body}\n\n{making}\n\n{chinese(20, 60)}。\n\n{making}", "a")
    for budget in (15, 60, 1000):
        chunks = chunk(first, max_tokens=budget)
        kept = without_page_making(first, chunks)
        assert kept and len(kept) <= len(chunks)
        assert sum(c.text.count(making) for c in kept) < sum(c.text.count(making) for c in chunks)
        for piece in kept:
            assert first.text[piece.start : piece.end] == piece.text.strip() == piece.text
        words = {w for c in kept for w in re.findall(r"\w+", c.text)}
        assert set(re.findall(r"\w+", body)) <= words  # nothing else went
    plain = document(body, "b")
    assert without_page_making(plain, chunk(plain, max_tokens=60)) == chunk(plain, max_tokens=60)
    alone = document(making, "c")
    assert without_page_making(alone, chunk(alone, max_tokens=60)) == chunk(alone, max_tokens=60)
