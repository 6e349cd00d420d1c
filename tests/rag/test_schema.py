import dataclasses

import pytest

from rag.schema import Answer, Chunk, Citation, Claim, Document, Passage, Verdict, content_id


def test_ids_are_content_hashes() -> None:
    one = Document.of("text", "a.txt", title="T", metadata={"year": 2022})
    assert one.id == Document.of("text", "elsewhere.txt", title="T", metadata={"year": 2022}).id
    assert one.id != Document.of("text", "a.txt", title="T", metadata={"year": 2021}).id
    assert content_id("ab", "c") != content_id("a", "bc")
    assert len(one.id) == 32


def test_chunk_is_a_span_of_its_document() -> None:
    document = Document.of("页一。\nsecond page", "a.pdf", page_starts=(0, 4))
    chunk = Chunk.of(document, 4, 10, headings=("A", "B"))
    assert chunk.text == "second" == document.text[chunk.start : chunk.end]
    assert chunk.page == 2 and chunk.indexed_text == "A > B\nsecond"
    with pytest.raises(ValueError, match="end - start"):
        Chunk("id", "doc", "second", 4, 9)
    with pytest.raises(ValueError, match="got start=5, end=4"):
        Chunk("id", "doc", "", 5, 4)


def test_rows_are_embedded_by_their_words_and_read_whole_by_the_lexical_leg() -> None:
    lead = "Income (USD, in millions)"
    text = f"{lead} | Net sales | 2022: 34,229 | 2021: $ (35)\n{lead} | Dose | Adults: 5 mg"
    document = Document.of(text, "a.xlsx")
    chunk = Chunk.of(document, 0, len(text), headings=("3M",), kind="row", metadata={"columns": "2022 | 2021"})
    assert chunk.embedded_text == "3M\nIncome (USD, in millions)\n2022 | 2021\nNet sales; Dose Adults: 5 mg"
    assert "34,229" in chunk.indexed_text
    assert Chunk.of(document, 0, 6).embedded_text == "Income"


def test_pages() -> None:
    document = Document.of("abcdef", "a.pdf", page_starts=(0, 2, 2, 4))
    assert [document.page_at(i) for i in range(6)] == [1, 1, 3, 3, 4, 4]
    assert Document.of("abc", "a.txt").page_at(1) is None


def test_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Document.of("a", "b").text = "c"  # type: ignore[misc]


def test_every_citation_of_an_answer_resolves() -> None:
    passage = Passage(Chunk.of(Document.of("abc", "a"), 0, 3), 1.0, 1, "test")
    Answer("q", "abc", (passage,), (Citation(0, 3, 1, 0, 3),))
    with pytest.raises(ValueError, match="does not resolve"):
        Answer("q", "abc", (passage,), (Citation(0, 3, 2, 0, 3),))
    with pytest.raises(ValueError, match="does not resolve"):
        Answer("q", "abc", (passage,), (Citation(0, 4, 1, 0, 3),))
    with pytest.raises(ValueError, match="rank starts at 1"):
        dataclasses.replace(passage, rank=0)


def test_faithfulness_is_none_without_claims() -> None:
    assert Verdict((), "v").faithfulness is None
    claims = (Claim(0, 1, "supported", 0.9), Claim(1, 2, "contradicted", 0.8))
    assert Verdict(claims, "v").faithfulness == 0.5
    with pytest.raises(ValueError, match=r"got 1\.5"):
        Claim(0, 1, "supported", 1.5)
