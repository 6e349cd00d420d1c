from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from rag.cite import marked, parse, quote, trace
from rag.schema import Answer, Cell, Chunk, Document, Passage


def _passages(*texts: str) -> tuple[Passage, ...]:
    found = []
    for rank, text in enumerate(texts, 1):
        document = Document.of(text, f"doc{rank}.txt")
        found.append(Passage(Chunk.of(document, 0, len(text)), 1.0 / rank, rank, "test", source=document.source))
    return tuple(found)


PASSAGES = _passages("Aspirin lowers risk. Dose is 100 mg daily.", "Avoid it under 16 years.", "无关内容。")


def test_markers_go_and_citations_point_at_their_sentence() -> None:
    text, citations = parse("Dose is 100 mg daily [1]. Avoid it under 16 years.[2][7]", PASSAGES)
    assert text == "Dose is 100 mg daily. Avoid it under 16 years."
    assert [(text[c.start : c.end], c.rank) for c in citations] == [
        ("Dose is 100 mg daily.", 1),
        ("Avoid it under 16 years.", 2),
    ]
    first = citations[0]
    assert PASSAGES[0].chunk.text[first.quote_start : first.quote_end] == "Dose is 100 mg daily."


def test_lists_ranges_and_chinese_brackets() -> None:
    text, citations = parse("剂量为100毫克【1，2】。其他内容[1-3]。", PASSAGES)
    assert text == "剂量为100毫克。其他内容。"
    assert [c.rank for c in citations] == [1, 2, 1, 2, 3]


def test_a_sentence_without_marker_is_attributed_only_to_what_holds_its_words() -> None:
    text, citations = parse("The dose is 100 mg daily. Bananas are yellow.", PASSAGES)
    assert [(text[c.start : c.end], c.rank) for c in citations] == [("The dose is 100 mg daily.", 1)]


def test_a_marker_before_any_sentence_or_without_passage_is_dropped() -> None:
    text, citations = parse("Sure [9].", PASSAGES)
    assert (text, citations) == ("Sure.", ())
    assert parse("[1]", PASSAGES) == ("", ())


@given(st.text(alphabet="ab .[]1239,-\n。", max_size=80))
def test_every_citation_resolves_whatever_the_model_writes(reply: str) -> None:
    text, citations = parse(reply, PASSAGES)
    answer = Answer("q", text, PASSAGES, citations)
    for citation in answer.citations:
        assert text[citation.start : citation.end].strip()
        chunk = PASSAGES[citation.rank - 1].chunk.text
        assert 0 <= citation.quote_start < citation.quote_end <= len(chunk)


def test_quotes_are_verbatim_and_marked_for_people() -> None:
    text, citations = quote([(1, 21, 42), (2, 0, 24)], PASSAGES)
    assert text == "Dose is 100 mg daily. Avoid it under 16 years."
    answer = Answer("q", text, PASSAGES, citations)
    assert marked(answer) == "Dose is 100 mg daily. [1] Avoid it under 16 years. [2]"
    for c in citations:
        assert text[c.start : c.end] == PASSAGES[c.rank - 1].chunk.text[c.quote_start : c.quote_end]


def test_a_figure_takes_value_scale_and_period_from_its_cell() -> None:
    row = "Income (USD, in millions) | Net sales | 2022: 394,328 | 2021: 365,817"
    (passage,) = _passages(row)
    at = row.index("394,328")
    cell = Cell("394,328", Decimal(394328), None, 1_000_000, "USD", "2022", at, at + 7)
    text, citations = quote([(1, 0, len(row))], (passage,))
    figures = trace(text, citations, (passage,), lambda _, offset: cell if cell.start <= offset < cell.end else None)
    sales = next(f for f in figures if f.text == "394,328")
    assert (sales.value, sales.scale, sales.unit, sales.rank) == (Decimal(394328), 1_000_000, "USD", 1)
    assert sales.provenance == "cell of [1] doc1.txt, 2022"


def test_a_number_no_cited_passage_carries_is_flagged() -> None:
    text, citations = parse("Dose is 200 mg daily [1].", PASSAGES)
    (figure,) = trace(text, citations, PASSAGES, lambda *_: None)
    assert figure.rank is None and figure.provenance == ""


def test_quotes_that_end_in_half_a_stop_stay_sentences_of_their_own() -> None:
    passages = _passages("Two of them: everolimus;", "Temsirolimus is one.")
    text, citations = quote([(1, 0, 24), (2, 0, 20)], passages)
    assert text == "Two of them: everolimus;\nTemsirolimus is one."
    assert [text[c.start : c.end] for c in citations] == ["Two of them: everolimus;", "Temsirolimus is one."]
