"""Answers, passages and reports as HTML: meaning kept, text from documents harmless."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from html.parser import HTMLParser
from string import Formatter

import pytest

from app.render import place
from app.web.answer_html import answer_html, sentences_of
from app.web.documents_html import chunks_html, document_html, report_html
from app.web.escape import Mark, as_markdown, inline
from app.web.notes_html import fault_html, live_html, question_html, stopped_html
from app.web.passage_html import passage_html
from app.web.suggestions import suggestions
from app.web.table_html import blocks, read_row
from app.web.words import ALL, EN, ZH
from rag.schema import Answer, Chunk, Citation, Claim, Document, Figure, Passage, Verdict

HOSTILE = (
    '<script>alert(1)</script> "quoted" <img src=x onerror=alert(2)> [x](javascript:alert(3)) costs $5 and $6 & more'
)
VOID = {"br", "img"}


class Page(HTMLParser):
    """What a browser would see: elements with attributes, text, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.marked = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data
        if "mark" in self.open and self.open[-1] == "mark":
            self.marked += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.elements if name in (attrs.get("class") or "").split()]


def seen(html: str) -> Page:
    page = Page(html)
    assert not page.open, f"left open: {page.open}"
    return page


def passage(text: str, rank: int = 1, **chunk: object) -> Passage:
    document = Document.of(text, "guide.pdf", title="Guide", page_starts=(0,))
    return Passage(Chunk.of(document, 0, len(text), **chunk), 0.9, rank, "hybrid", source="guide.pdf", title="Guide")


DOSE = "Start with 5 mg once daily. Do not exceed 40 mg."


def dose_answer() -> tuple[Answer, Verdict]:
    text = "Start with 5 mg once daily. Do not exceed 80 mg."
    answer = Answer(
        "What is the dose?",
        text,
        (passage(DOSE),),
        (Citation(0, 27, 1, 0, 27), Citation(28, 48, 1, 28, 48)),
        (
            Figure("5 mg", 11, 15, Decimal(5), "mg", rank=1, quote_start=11, quote_end=15, provenance="span of [1]"),
            Figure("80 mg", 42, 47, Decimal(80), "mg"),
        ),
        model="extractive",
        timings={"total": 0.125},
    )
    verdict = Verdict((Claim(0, 27, "supported", 0.93, (1,)), Claim(28, 48, "contradicted", 0.8, (1,))), "test")
    return answer, verdict


def test_each_sentence_has_its_marker_and_its_verdict() -> None:
    page = seen(answer_html(*dose_answer(), EN, "a0"))
    said = page.text.split("Checked")[0]
    assert said.index("once daily.") < said.index("✓") < said.index("Do not exceed") < said.index("✗")
    assert "contradicted" in said
    assert [b["popovertarget"] for b in page.of_class("con-cite")] == ["a0-1-0-27", "a0-1-28-48"]
    assert "Checked: 1 of 2 sentences supported" in page.text
    assert "0.12 s" in page.text or "0.13 s" in page.text


def test_every_marker_opens_a_passage_that_is_there_and_highlights_the_quote() -> None:
    page = seen(answer_html(*dose_answer(), EN, "a0"))
    ids = [attrs["id"] for attrs in page.of_class("con-popover")]
    assert len(ids) == len(set(ids))
    targets = {attrs["popovertarget"] for tag, attrs in page.elements if tag == "button"}
    assert targets == set(ids)
    assert "Start with 5 mg once daily." in page.marked and "Do not exceed 40 mg." in page.marked
    assert "page 1" in page.text and "guide.pdf" in page.text


def test_two_answers_on_a_page_share_no_id() -> None:
    first, second = (seen(answer_html(*dose_answer(), EN, name)) for name in ("a0", "a1"))
    assert not {a["id"] for a in first.of_class("con-popover")} & {a["id"] for a in second.of_class("con-popover")}


def test_a_figure_without_a_source_is_flagged_and_one_with_a_source_is_not() -> None:
    page = seen(answer_html(*dose_answer(), EN, "a0"))
    assert len(page.of_class("con-unsourced")) == 1
    assert "80 mg" + EN.not_in_sources in page.text
    assert [attrs["title"] for attrs in page.of_class("con-figure")] == ["From span of [1]"]


def test_verdicts_are_said_in_words_not_by_colour_alone() -> None:
    for label in ("supported", "contradicted", "not_enough_info"):
        answer, _ = dose_answer()
        page = seen(answer_html(answer, Verdict((Claim(0, 27, label, 0.5),), "test"), ZH, "a0"))
        assert getattr(ZH, label) in page.text


def test_the_notice_stands_under_the_answer() -> None:
    page = seen(answer_html(*dose_answer(), EN, "a0", notice="Not a substitute for judgement."))
    assert page.text.index("Not a substitute") > page.text.index("Do not exceed")


def test_an_abstention_is_a_refusal_with_its_reason_and_what_was_found() -> None:
    answer = Answer("q", "Nothing says so.", (passage(DOSE),), abstained=True, reason="Nothing says so.")
    html = answer_html(answer, Verdict((), "none"), EN, "a0")
    page = seen(html)
    assert page.of_class("con-refusal") and not page.of_class("con-fault")
    assert EN.no_answer in page.text and "Nothing says so." in page.text
    assert "details" in page.tags() and DOSE in page.text
    assert not page.of_class("con-cite")


def test_an_abstention_without_passages_says_so() -> None:
    answer = Answer("q", "No.", abstained=True, reason="No.")
    assert EN.nothing_found in seen(answer_html(answer, Verdict((), "none"), EN, "a0")).text


def test_a_citation_over_two_claims_stands_behind_the_last() -> None:
    answer, verdict = dose_answer()
    answer = replace(answer, citations=(Citation(0, 48, 1, 0, 48),))
    assert [len(s.citations) for s in sentences_of(answer, verdict)] == [0, 1]


def test_an_unchecked_answer_keeps_its_citations_and_says_it_is_unchecked() -> None:
    answer, _ = dose_answer()
    page = seen(answer_html(answer, Verdict((), "none"), EN, "a0"))
    assert len(page.of_class("con-cite")) == 2
    assert EN.unchecked in page.text


@pytest.mark.parametrize("kind", ["prose", "table", "row"])
def test_documents_cannot_put_anything_into_the_page(kind: str) -> None:
    text = f"{HOSTILE} | Net sales {HOSTILE} | 2022 {HOSTILE}: 5 {HOSTILE}" if kind != "prose" else HOSTILE
    chunk = Chunk("c", "d", text, 0, len(text), headings=(HOSTILE,), kind=kind)  # type: ignore[arg-type]
    hostile = Passage(chunk, 1.0, 1, "hybrid", source=HOSTILE, title=HOSTILE)
    answer = Answer(HOSTILE, text, (hostile,), (Citation(0, len(text), 1, 0, len(text)),), model=HOSTILE)
    refused = replace(answer, text=HOSTILE, citations=(), abstained=True, reason=HOSTILE)
    figure = Figure("5", 0, 1, Decimal(5), rank=1, provenance=HOSTILE)
    row = {"title": HOSTILE, "source": HOSTILE, "language": HOSTILE, "pages": 1, "chunks": 1, "added_at": 1.7e9}
    report = {"documents": 0, "updated": 0, "unchanged": 0, "seconds": 1.0}
    for html in (
        answer_html(replace(answer, figures=(figure,)), Verdict((), "none"), EN, "a0", notice=HOSTILE),
        answer_html(refused, Verdict((), "none"), EN, "a0"),
        document_html(row, EN),
        report_html({**report, "failed": [{"source": HOSTILE, "reason": HOSTILE}]}, EN),
        chunks_html([chunk], EN),
        fault_html(HOSTILE, HOSTILE),
        question_html(HOSTILE),
        live_html(HOSTILE),
        stopped_html(HOSTILE, HOSTILE),
    ):
        page = seen(html)
        assert not page.tags() & {"script", "img", "a", "iframe", "style"}
        assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
        assert "<script>alert(1)</script>" in page.text, "shown as it is written"
        assert "costs $5 and $6" in page.text


def test_markdown_labels_show_text_as_it_is() -> None:
    assert as_markdown("**a** [x](javascript:1)\n$5 to $6 :smile:") == (
        r"\*\*a\*\* \[x\]\(javascript\:1\) \$5 to \$6 \:smile\:"
    )


ROWS = (
    "Consolidated statements of income (USD, in millions) | Net sales | 2022: 394,328 | 2021: 365,817\n"
    "Consolidated statements of income (USD, in millions) | Cost of sales | 2022: 223,546 | 2021: 212,981"
)


def test_row_lines_become_one_table_with_caption_columns_and_the_quoted_row_marked() -> None:
    rows = passage(ROWS, kind="row", metadata={"columns": "2022 | 2021"})
    page = seen(passage_html(rows, EN, [(ROWS.index("\n") + 1, len(ROWS))]))
    assert [tag for tag, _ in page.elements].count("table") == 1
    assert page.text.count("Consolidated statements of income (USD, in millions)") == 1
    assert [tag for tag, _ in page.elements].count("tr") == 3
    assert "Cost of sales" in page.marked and "223,546" in page.marked and "394,328" not in page.marked


def test_an_answer_that_is_a_table_row_is_shown_as_a_table_with_its_marker() -> None:
    rows = passage(ROWS, kind="row", metadata={"columns": "2022 | 2021"})
    line = ROWS.split("\n")[0]
    answer = Answer("q", line, (rows,), (Citation(0, len(line), 1, 0, len(line)),))
    page = seen(answer_html(answer, Verdict((Claim(0, len(line), "supported", 0.9, (1,)),), "t"), EN, "a0"))
    body = page.text.split("Checked")[0]
    assert "Net sales" in body and "394,328" in body and " | " not in body
    assert body.index("365,817") < body.index("✓")


def test_text_behind_a_table_row_starts_without_an_empty_line() -> None:
    rows = passage(ROWS, kind="row", metadata={"columns": "2022 | 2021"})
    line = ROWS.split("\n")[0]
    answer = Answer("q", f"{line}\nAs above.", (rows,), (Citation(0, len(line), 1, 0, len(line)),))
    claims = (Claim(0, len(line), "supported", 0.9, (1,)), Claim(len(line) + 1, len(line) + 10, "supported", 0.9))
    assert '</div><span class="con-sentence">As above.' in answer_html(answer, Verdict(claims, "t"), EN, "a0")


def test_a_row_is_taken_apart_with_spans_that_hold() -> None:
    line = "合并利润表（人民币，万元） | 营业收入 | 2022年: 1,234 | 2021年: 1,100"
    row = read_row(line)
    assert row is not None
    assert (row.caption, row.columns) == ("合并利润表（人民币，万元）", ("2022年", "2021年"))
    assert [line[a:b] for a, b in (row.label, *row.cells)] == ["营业收入", "1,234", "1,100"]


def test_a_known_column_may_hold_a_colon() -> None:
    row = read_row("Doses | Adults | Route: oral: 5 mg", columns=["Route: oral"])
    assert row is not None and row.columns == ("Route: oral",)


@pytest.mark.parametrize("line", ["No bars here: none", "a | b", "", "Warning: see | below"])
def test_prose_is_no_row(line: str) -> None:
    assert read_row(line) is None


def test_lines_between_rows_stay_text() -> None:
    found = blocks("A note.\n\nT | a | x: 1")
    assert len(found) == 2 and found[0] == (0, 7)


def test_marks_are_clipped_and_the_first_wins() -> None:
    render = inline("abcdef", [Mark(1, 4, "<b>", "</b>"), Mark(3, 6, "<i>", "</i>")])
    assert render(0, 6) == "a<b>bcd</b><i>ef</i>"
    assert render(2, 5) == "<b>cd</b><i>e</i>"


def test_words_are_complete_and_hold_the_same_blanks() -> None:
    blanks = {}
    for language, words in ALL.items():
        assert words.language == language
        texts = {f.name: getattr(words, f.name) for f in fields(words)}
        blanks[language] = {
            name: {blank for _, blank, _, _ in Formatter().parse(text) if blank}
            for name, text in texts.items()
            if isinstance(text, str)
        }
        assert all(texts.values())
    assert blanks["en"] == blanks["zh"]
    for name in ("fields", "languages", "passage_kinds"):
        assert getattr(EN, name).keys() == getattr(ZH, name).keys()


def listed(source: str, title: str = "", language: str = "en") -> dict[str, object]:
    return {"id": source, "source": source, "title": title, "language": language}


def test_suggestions_are_made_from_the_documents_those_of_the_page_first() -> None:
    text = "x"
    chunks = {
        "a.md": [Chunk("1", "a.md", text, 0, 1, headings=("Guide", "Dosing"))],
        "b.md": [Chunk("2", "b.md", text, 0, 1, headings=("Who should not take it?",))],
        "c.zh.md": [],
    }
    rows = [listed("c.zh.md", "指南", "zh"), listed("a.md", "Guide"), listed("b.md")]
    asked = suggestions(rows, chunks.__getitem__, EN)
    assert asked[:2] == ("What does “Guide” say about “Dosing”?", "Who should not take it?")
    assert suggestions(rows, chunks.__getitem__, ZH)[0] == "《指南》说了什么？"


def test_the_sample_documents_have_questions_of_their_own() -> None:
    rows = [listed("examples/medical/metformin.pdf"), listed("examples/medical/diabetes.zh.md")]
    assert suggestions(rows, {}.__getitem__, EN) == EN.samples


def test_a_newer_version_and_a_retraction_are_said_with_the_passage() -> None:
    document = Document.of("Take 5 mg.", "old.md", title="Dosing 2019")
    marks = {"superseded_by": "new.md", "superseded_by_title": "Dosing <2023>", "superseded_by_date": "2023-05-01"}
    passage = Passage(Chunk.of(document, 0, 10), 1.0, 1, "test", source="old.md", metadata={**marks, "retracted": True})
    shown = passage_html(passage, ALL["en"])
    assert "Superseded by Dosing &lt;2023&gt; (2023-05-01)" in shown
    assert "Retracted" in shown
    assert "已被《Dosing &lt;2023&gt; (2023-05-01)》取代" in passage_html(passage, ALL["zh"])
    assert "SUPERSEDED by Dosing <2023>, RETRACTED" in place(passage)
