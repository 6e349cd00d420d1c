from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.boilerplate import boilerplate, boilerplate_spans, without_boilerplate
from ingest.chunk import chunk
from ingest.dedupe import Deduper, Signature, likeness, signature, version
from rag.schema import Document, Table

NOUNS = ["dose", "liver", "bank", "loan", "ratio", "nurse", "fund", "tablet", "claim", "pulse", "asset", "ward", "bond"]
HAN = "血压心率医院药物治疗银行贷款利率基金保险风险资产负债收入患者检查诊断手术"


def english(seed: int, n: int = 300) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(NOUNS) + rng.choice(("", "s", "ed", "ing")) for _ in range(n))


def chinese(seed: int, n: int = 500) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(HAN) for _ in range(n))


def document(text: str, source: str, **fields: object) -> Document:
    return Document.of(text, source, **fields)


def changed(text: str, share: float, seed: int = 1) -> str:
    rng = random.Random(seed)
    parts = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|\W+", text)
    words = [part for part in parts if part[0].isalnum()]
    return "".join(rng.choice(words) if part[0].isalnum() and rng.random() < share else part for part in parts)


@pytest.mark.parametrize("text", [english(1), chinese(1)], ids=["en", "zh"])
def test_exact_whatever_the_spaces_case_and_width(text: str) -> None:
    deduper = Deduper()
    assert deduper.add(document(text, "a")) is None
    wide = "\u3000".join(text.upper().split(" ")) + "\n"
    found = deduper.add(document(wide, "b"))
    assert found and (found.of, found.similarity, found.kind) == ("a", 1.0, "exact")
    assert len(deduper) == 1


@pytest.mark.parametrize("text", [english(4), chinese(4)], ids=["en", "zh"])
@pytest.mark.parametrize("share", [0.02, 0.05])
def test_near_after_some_words_have_changed(text: str, share: float) -> None:
    deduper = Deduper()
    deduper.add(document(text, "a"))
    deduper.add(document(english(3) + chinese(3), "c"))
    found = deduper.add(document(changed(text, share), "b"))
    assert found and found.of == "a" and found.kind == "near"
    assert abs(found.similarity - (1 - share)) < 0.04


def test_likeness_is_the_share_of_words_in_place() -> None:
    text = english(5, 4000)
    for share in (0.0, 0.03, 0.1, 0.25):
        other = changed(text, share, seed=9)
        kept = sum(a == b for a, b in zip(text.split(), other.split(), strict=True)) / 4000
        assert abs(likeness(signature(document(text, "a")), signature(document(other, "b"))) - kept) < 0.04


@pytest.mark.parametrize("make", [english, chinese])
def test_other_texts_of_the_same_words_are_none(make: object) -> None:
    deduper = Deduper()
    assert [deduper.add(document(make(seed), str(seed))) for seed in range(20)] == [None] * 20  # type: ignore[operator]


FILING = "The registrant reported net sales of {a} million for fiscal {y}. " + english(7, 400)


def test_versions_of_one_filing_are_no_duplicates() -> None:
    deduper = Deduper()
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
    deduper = Deduper(0.5)
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
    deduper = Deduper()
    assert [deduper.add(document(page.format(name), name)) for name in names] == [None, None]
    found = deduper.add(document("Printed copy. " + page.format(names[0]), "copy"))
    assert found and found.of == names[0]


def test_the_title_tells_pages_apart() -> None:
    page = "What is {0}? {0} is rare. " + english(9, 250) + " See {0}."
    deduper = Deduper()
    assert deduper.add(document(page.format("Patella"), "a", title="Patella")) is None
    assert deduper.add(document(page.format("Ceruloplasmin"), "b", title="Ceruloplasmin")) is None


def test_numbers_in_the_title_tell_pages_apart() -> None:
    page, deduper = "Types 1, 2 and 3 of it: 1, 2, 3. " + english(9, 250), Deduper()
    assert deduper.add(document(page, "a", title="Syndrome type 1")) is None
    assert deduper.add(document(page + " more", "b", title="Syndrome type 2")) is None
    assert deduper.add(document(page + " or", "c", title="Syndrome type 1")) is not None


def test_short_texts_are_compared_word_for_word() -> None:
    deduper = Deduper(0.5)
    assert deduper.add(document("Give 5 mg twice a day.", "a")) is None
    assert deduper.add(document("Give 6 mg twice a day.", "b")) is None
    assert deduper.add(document("give 5 mg twice a day", "c")) is not None


def test_a_newer_text_of_one_source_is_no_duplicate_of_itself() -> None:
    deduper = Deduper()
    text = english(11)
    deduper.add(document(text, "a"))
    assert deduper.add(document(text + " more", "a")) is None
    assert deduper.add(document(text + " more", "b")) is not None
    deduper.remove("a")
    assert len(deduper) == 0
    assert deduper.add(document(text + " more", "b")) is None


def test_a_kept_signature_is_as_good_as_the_text() -> None:
    text = english(12) + " 12 34 56 78 90 11 22 33"
    packed = signature(document(text, "a")).pack()
    assert len(packed) <= 1400
    back = Signature.unpack(packed)
    assert back.pack() == packed
    deduper = Deduper()
    deduper.keep("a", back)
    found = deduper.add(document(changed(text, 0.02), "b"))
    assert found and found.of == "a"
    for broken in (b"", packed[:-1], packed[:20]):
        with pytest.raises(ValueError, match="Compute it anew"):
            Signature.unpack(broken)
    assert version().startswith("1|4|128|64|")


def test_threshold() -> None:
    with pytest.raises(ValueError, match=r"\[0.5, 1\]"):
        Deduper(0.4)
    exact = Deduper(1)
    exact.add(document(english(13), "a"))
    assert exact.add(document(changed(english(13), 0.01), "b")) is None
    assert exact.add(document(english(13), "c")) is not None


@pytest.mark.parametrize("corpus", ["medquad_documents", "zh_crud_news_fin"])
def test_planted_in_real_corpora(shared_data: Path, corpus: str) -> None:
    with gzip.open(shared_data / f"corpora/{corpus}.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(next(lines)) for _ in range(150)]
    deduper = Deduper()
    own = [r for r in records if deduper.add(document(r["text"], r["_id"], title=r["title"])) is not None]
    assert len(own) <= 6  # read: two news items of one press release, two pages on types of one disease
    gone = {record["_id"] for record in own}
    held = [record for record in records if record["_id"] not in gone]
    found = [
        deduper.find(signature(document(changed(r["text"], 0.02, seed=i), "p", title=r["title"])))
        for i, r in enumerate(held)
    ]
    right = sum(f is not None and f.of == r["_id"] for f, r in zip(found, held, strict=True))
    wrong = sum(f is not None and f.of != r["_id"] for f, r in zip(found, held, strict=True))
    assert right / len(held) > 0.95 and wrong <= 1


# Boilerplate.

FOOTER = "This document is confidential and may not be copied without the leave of the bank."
FOOTER_ZH = "本报告仅供参考，不构成任何投资建议，转载请注明出处。"


def batch() -> list[Document]:
    texts = [
        f"Risk factors\n{english(20 + i, 40)}.\n{FOOTER} Copy {i} of 40.\n{chinese(20 + i, 60)}。\n{FOOTER_ZH}"
        for i in range(10)
    ]
    return [document(text, f"{i}.txt") for i, text in enumerate(texts)]


def test_lines_that_many_documents_repeat() -> None:
    found = boilerplate(batch())
    assert sorted(found.values()) == [10, 10]
    assert {re.sub(r" Copy.*", "", line) for line in found} == {FOOTER, FOOTER_ZH}
    assert boilerplate(batch()[:4]) == {}  # four documents are no batch
    assert boilerplate(batch(), least=11) == {}


def test_lines_of_tables_and_twice_in_one_document_do_not_count() -> None:
    docs = batch()
    tabled = [replace(d, tables=(Table("t", (), start=0, end=len(d.text)),)) for d in docs]
    assert boilerplate(tabled) == {}
    assert boilerplate([document("\n".join([FOOTER] * 30), "a"), document(english(1), "b")]) == {}


def test_chunks_leave_boilerplate_out_and_offsets_hold() -> None:
    docs = batch()
    lines = boilerplate(docs)
    first = docs[0]
    assert len(boilerplate_spans(first, lines)) == 2
    for budget in (15, 60, 1000):
        chunks = chunk(first, max_tokens=budget)
        kept = without_boilerplate(first, chunks, lines)
        assert kept and len(kept) <= len(chunks)
        for piece in kept:
            assert first.text[piece.start : piece.end] == piece.text.strip() == piece.text
            assert FOOTER_ZH not in piece.text
        words = {w for c in kept for w in re.findall(r"\w+", c.text)}
        assert set(english(20, 40).split()) <= words  # nothing else went
    assert without_boilerplate(first, chunk(first, max_tokens=60), []) == chunk(first, max_tokens=60)
