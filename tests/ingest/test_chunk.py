"""Chunks are exact spans, whole where they can be, within budget, and leave nothing out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import ROWS, chunk, estimate_tokens
from ingest.parsers.blocks import Block, Heading, Parsed, Prose, Title, compose
from ingest.parsers.grid import Grid
from rag.schema import Document

LINES = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("abc .。,，中文病 é\u202e\u200d👩‍⚕️\x00\x0b\x1c\u2028\t")),
    max_size=80,
)


def cut(document: Document, size: int = 20, headings: tuple[Heading, ...] = ()) -> list[str]:
    return [c.text for c in chunk(document, max_tokens=size, headings=headings)]


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=12), st.integers(1, 60), st.data())
def test_spans_are_exact_in_order_apart_and_complete(lines: list[str], size: int, data: st.DataObject) -> None:
    text = "\n".join(lines)
    document = Document.of(text, "x", language=data.draw(st.sampled_from(["en", "zh"])))
    headings = []
    at = 0
    for line in lines:
        if line and "\n" not in line and data.draw(st.booleans()):
            headings.append(Heading(at, at + len(line), data.draw(st.integers(1, 6)), line))
        at += len(line) + 1
    covered = end = 0
    for piece in chunk(document, max_tokens=size, headings=headings):
        assert document.text[piece.start : piece.end] == piece.text
        assert piece.text.strip() == piece.text != ""
        assert end <= piece.start
        assert not text[end : piece.start].strip()
        end = piece.end
        covered += sum(not char.isspace() for char in piece.text)
        assert estimate_tokens(piece.text) <= max(size, 1) or len(piece.text) == 1
    assert covered == sum(not char.isspace() for char in text)


def test_sentences_stay_whole_and_are_packed() -> None:
    sentences = [f"This is sentence number {i} of the text." for i in range(12)]
    parts = cut(Document.of(" ".join(sentences), "x"), 40)
    assert 2 < len(parts) < 12
    assert all(part.endswith("text.") and part.startswith("This is") for part in parts)


def test_chinese_sentences_stay_whole() -> None:
    parts = cut(Document.of("高血压患者应当限盐。每日食盐不超过五克。" * 6, "x", language="zh"), 30)
    assert len(parts) > 2
    assert all(part.endswith("。") for part in parts)


def test_a_long_sentence_is_cut_behind_a_clause() -> None:
    parts = cut(Document.of("one two three four five, " * 20, "x"), 20)
    assert all(part.endswith(",") for part in parts)


def test_a_heading_begins_a_chunk_and_is_carried_beside_the_next() -> None:
    blocks = [Title("Risks", 1), Title("Credit", 2), Prose("Some text here. " * 20), Title("Market", 2), Prose("More.")]
    parsed = compose(blocks, "x", kind="text")
    chunks = chunk(parsed.document, max_tokens=40, headings=parsed.headings)
    assert chunks[0].text.startswith("Risks\nCredit\nSome text")
    assert chunks[0].headings == ()
    assert chunks[1].headings == ("Risks", "Credit")
    assert chunks[-1].text == "Market\nMore."
    assert chunks[-1].headings == ("Risks",)
    assert chunks[1].indexed_text.startswith("Risks > Credit\n")


def test_rows_are_packed_within_their_table_and_know_it() -> None:
    rows = [["", "2022", "2021"], *([f"Item {i}", str(i), str(i + 1)] for i in range(10))]
    blocks: list[Block] = [Prose("Before."), Grid(rows, caption="Sales (in millions)"), Prose("After.")]
    parsed: Parsed = compose(blocks, "x", kind="text")
    chunks = chunk(parsed.document, max_tokens=200)
    rowed = [c for c in chunks if c.kind == "row"]
    assert [len(c.text.splitlines()) for c in rowed] == [ROWS, ROWS, 10 - 2 * ROWS]
    assert rowed[0].metadata["scale"] == 10**6
    assert rowed[0].metadata["columns"] == "2022 | 2021"
    assert rowed[0].metadata["table"] == 0
    assert all(line.startswith("Sales (in millions) | Item") for c in rowed for line in c.text.splitlines())
    assert [c.text for c in chunks if c.kind == "prose"] == ["Before.", "After."]


def test_an_embedders_own_count_is_respected() -> None:
    document = Document.of("word " * 100, "x")
    chunks = chunk(document, max_tokens=10, count_tokens=lambda text: len(text.split()))
    assert all(len(c.text.split()) <= 10 for c in chunks)
    assert len(chunks) <= 12


def test_every_chunk_stands_under_the_title() -> None:
    document = Document.of("Net revenue rose. " * 40, "x", title="PepsiCo 2022")
    chunks = chunk(document, max_tokens=40)
    assert len(chunks) > 2 and all(c.headings == ("PepsiCo 2022",) for c in chunks)
    opening = Document.of("PepsiCo 2022\nNet revenue rose.", "x", title="PepsiCo 2022")
    assert chunk(opening, max_tokens=40)[0].headings == ()


def test_endless_lines_are_cut_and_no_text_is_counted_over_and_over() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text.split())  # a word of any length counts as one

    for line in ("word " * 40_000, "增长" * 100_000, "x" * 200_000, "增长。" * 60_000, "a | " * 50_000):
        counted = 0
        document = Document.of(line, "x", language="en" if line.isascii() else "zh")
        pieces = chunk(document, max_tokens=50, count_tokens=count)
        assert "".join("".join(piece.text for piece in pieces).split()) == "".join(line.split())
        assert max(len(piece.text) for piece in pieces) <= 16 * 50
        assert counted < 6 * len(line)
