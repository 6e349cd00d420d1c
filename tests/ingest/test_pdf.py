"""PDF: reading order, paragraphs, running lines, and tables without lines; known figures of real filings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from ingest.parsers import read
from ingest.parsers.blocks import Parsed
from ingest.parsers.pdf_grid import to_grid
from ingest.parsers.pdf_lines import Line, Piece
from ingest.parsers.pdf_rows import Region, read_row
from rag.schema import Cell, Document

MakePdf = Callable[..., bytes]


def parsed(data: bytes) -> Parsed:
    (found,) = read(data, "a.pdf")
    return found


def test_a_statement_without_lines(make_pdf: MakePdf, statement: list[tuple[float, float, str]]) -> None:
    document = parsed(make_pdf([statement])).document
    name = "Consolidated Statements of Income"
    assert document.text.splitlines()[-4:] == [
        f"{name} (USD, in millions) | Revenue – Products | 2022: $1,234 | 2021: $1,100",
        f"{name} (USD, in millions) | Revenue – Services | 2022: 2,000 | 2021: (30)",
        f"{name} (USD, in millions) | Net income | 2022: 3,234 | 2021: 1,070",
        f"{name} (USD, per share) | Diluted net income per share | 2022: $5.12 | 2021: $4.90",
    ]
    (table,) = document.tables
    assert (table.page, table.periods) == (1, (None, "2022", "2021"))
    loss = table.rows[table.header_rows + 1][2]
    assert (loss.value, loss.scale, loss.currency, loss.period) == (Decimal(-30), 10**6, "USD", "2021")


def test_paragraphs_pages_and_running_lines(make_pdf: MakePdf) -> None:
    def page(number: int) -> list[tuple[float, float, str]]:
        body = [
            (50.0, 700.0, f"Paragraph {number} runs over two lines of the page and it fills the first of them com-"),
            (50.0, 688.0, "pletely before it ends."),
            (50.0, 650.0, "Another paragraph."),
        ]
        return [(50.0, 760.0, "ACME Corporation Annual Report"), *body, (300.0, 30.0, f"Page {number} of 4")]

    document = parsed(make_pdf([page(n) for n in range(1, 5)])).document
    assert "ACME" not in document.text
    assert "Page 3" not in document.text
    assert document.text.splitlines()[1] == "Another paragraph."
    assert len(document.text.splitlines()) == 8
    assert [document.page_at(document.text.index(f"Paragraph {n}")) for n in range(1, 5)] == [1, 2, 3, 4]


def test_a_sentence_goes_on_over_a_page_break(make_pdf: MakePdf) -> None:
    first = [
        (50.0, 700.0 - 12 * i, "This is a full line of text that reaches the right margin of the page,")
        for i in range(4)
    ]
    document = parsed(make_pdf([first, [(50.0, 700.0, "and ends over the page.")]])).document
    assert document.text.endswith("of the page, and ends over the page.")
    assert document.page_at(document.text.index("and ends")) == 2


def test_two_columns_are_read_one_after_the_other(make_pdf: MakePdf) -> None:
    left = [(50.0, 700.0 - 12 * i, f"Left column line {i} has many words in it") for i in range(14)]
    right = [(320.0, 700.0 - 12 * i, f"right column line {i} has many words too") for i in range(14)]
    mixed = [piece for pair in zip(left, right, strict=True) for piece in pair]
    text = parsed(make_pdf([mixed])).document.text
    assert text.index("Left column line 13") < text.index("right column line 0")


def test_a_table_goes_on_over_a_page_break(make_pdf: MakePdf, statement: list[tuple[float, float, str]]) -> None:
    more = [(50.0, 740.0, "Other income"), (405.0, 740.0, "1,111"), (505.0, 740.0, "1,010")]
    more += [(50.0, 726.0, "Total"), (405.0, 726.0, "4,345"), (505.0, 726.0, "2,080")]
    last = parsed(make_pdf([statement, more])).document.text.splitlines()[-1]
    assert last == "Consolidated Statements of Income (USD, in millions) | Total | 2022: 4,345 | 2021: 2,080"


def test_a_table_of_contents_is_no_table(make_pdf: MakePdf) -> None:
    lines = [("Business", "4"), ("Risk Factors", "11"), ("Properties", "25"), ("Legal Proceedings", "26")]
    page = [(50.0, 700.0 - 14 * i, text) for i, (text, _) in enumerate(lines)]
    page += [(500.0, 700.0 - 14 * i, number) for i, (_, number) in enumerate(lines)]
    assert parsed(make_pdf([page])).document.tables == ()


FIGURES = [
    # file, caption, row, period, value, scale, currency, unit
    ("3M_2018_10K", "statement of incom", "net sales", "2018", "32765", 10**6, "USD", None),
    (
        "3M_2018_10K",
        "statement of incom",
        "earnings per share attributable to 3m common shareholders — diluted",
        "2016",
        "8.16",
        1,
        "USD",
        "per_share",
    ),
    ("3M_2018_10K", "balance shee", "total assets", "2017", "37987", 10**6, "USD", None),
    ("3M_2018_10K", "cash flows", "purchases of property", "2018", "-1577", 10**6, "USD", None),
    ("ADOBE_2022_10K", "statements of income", "total revenue", "2022", "17606", 10**6, "USD", None),
    ("ADOBE_2022_10K", "statements of income", "basic net income per share", "2021", "10.10", 1, "USD", "per_share"),
    ("ADOBE_2022_10K", "statements of income", "shares used to compute diluted", "2020", "485", 10**6, None, "share"),
    ("ADOBE_2022_10K", "balance sheets", "total assets", "2022", "27165", 10**6, "USD", None),
    ("AMAZON_2017_10K", "statements of operations", "total net sales", "2015", "107006", 10**6, "USD", None),
    ("AMAZON_2017_10K", "statements of operations", "interest expense", "2017", "-848", 10**6, "USD", None),
    ("AMAZON_2017_10K", "cash flows", "net cash provided by (used in) operating", "2017", "18434", 10**6, "USD", None),
    ("PEPSICO_2022_10K", "statement of income", "net revenue", "2022", "86392", 10**6, "USD", None),
    ("PEPSICO_2022_10K", "balance sheet", "total assets", "2021", "92377", 10**6, "USD", None),
    ("PEPSICO_2022_10K", "statement of income", "gain associated", "2022", "-3321", 10**6, "USD", None),
    ("PEPSICO_2022_10K", "statement of income", "diluted", "2020", "1392", 10**6, None, "share"),
]


@cache
def filing(path: Path) -> Document:
    (found,) = read(path)
    return found.document


def cells(document: Document, caption: str, row: str, period: str) -> Iterator[Cell]:
    for table in document.tables:
        if caption not in table.caption.lower():
            continue
        for line in table.rows[table.header_rows :]:
            said = document.text[line[0].start - 120 : line[0].end].rsplit("\n", 1)[-1].lower()
            label = said.rsplit(" | ", 1)[-1] if line[0].text else said
            if label.startswith(row) or f"– {row}" in label:
                yield from (cell for cell in line[1:] if period in (cell.period or ""))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "caption", "row", "period", "value", "scale", "currency", "unit"), FIGURES)
def test_known_figures_of_filings(
    shared_data: Path,
    name: str,
    caption: str,
    row: str,
    period: str,
    value: str,
    scale: int,
    currency: str | None,
    unit: str | None,
) -> None:
    document = filing(shared_data / "pdf" / "financebench" / f"{name}.pdf")
    found = [(cell.value, cell.scale, cell.currency, cell.unit) for cell in cells(document, caption, row, period)]
    assert (Decimal(value), scale, currency, unit) in found


def test_a_table_of_words(make_pdf: MakePdf) -> None:
    rows = [
        ("Population", "Route", "Single dose"),
        ("Adults", "by mouth", "325 to 1,000 mg"),
        ("Children", "by mouth", ""),
    ]
    page = [(50.0 + 150 * j, 700.0 - 16 * i, cell) for i, row in enumerate(rows) for j, cell in enumerate(row) if cell]
    page += [
        (350.0, 668.0, "10 to 15 mg/kg"),
        (50.0, 652.0, "Infants"),
        (200.0, 652.0, "rectal"),
        (350.0, 652.0, "ask"),
    ]
    assert parsed(make_pdf([page])).document.text.splitlines() == [
        "Adults | Route: by mouth | Single dose: 325 to 1,000 mg",
        "Children | Route: by mouth | Single dose: 10 to 15 mg/kg",
        "Infants | Route: rectal | Single dose: ask",
    ]


def rows_of(document: Document) -> list[list[str]]:
    return [[cell.text for cell in row] for table in document.tables for row in table.rows]


def test_wrapped_labels_are_joined_where_the_next_word_had_no_room(make_pdf: MakePdf) -> None:
    page = [(410.0, 710.0, "2022"), (510.0, 710.0, "2021")]
    lines = [
        (694.0, "Total service and other", ""),
        (684.0, "Revenues", "12"),
        (668.0, "Tax at the rate of 19% (2021:", ""),
        (658.0, "18%)", "13"),
        (642.0, "Gain on sale of a plant, net", "14"),
    ]
    for y, label, value in lines:
        page.append((50.0, y, label))
        page += [(x, y, value) for x in (410.0, 510.0) if value]
    found = rows_of(parsed(make_pdf([page])).document)
    assert [row[0] for row in found[1:]] == [
        "Total service and other Revenues",
        "Tax at the rate of 19% (2021: 18%)",
        "Gain on sale of a plant, net",
    ]


def test_a_note_may_stand_for_a_figure_and_basis_points_are_figures(make_pdf: MakePdf) -> None:
    page = [(310.0, 710.0, "2022"), (410.0, 710.0, "2021"), (510.0, 710.0, "Change")]
    for y, label, *values in [(694.0, "Loans", "149", "14", "(b)"), (680.0, "Cards", "27", "(c)", "20"),
                              (666.0, "Margin", "22.9", "23.1", "(16) bps")]:  # fmt: skip
        page.append((50.0, y, label))
        page += [(x, y, value) for x, value in zip((310.0, 410.0, 510.0), values, strict=True)]
    assert rows_of(parsed(make_pdf([page])).document)[1:] == [
        ["Loans", "149", "14", "(b)"],
        ["Cards", "27", "(c)", "20"],
        ["Margin", "22.9", "23.1", "(16) bps"],
    ]


def test_a_sentence_that_leads_to_a_table_is_no_heading_of_it(
    make_pdf: MakePdf, statement: list[tuple[float, float, str]]
) -> None:
    page = [line for line in statement if line[1] < 720]
    page.append((50.0, 714.0, "The following table presents the income of the year as printed (in millions):"))
    document = parsed(make_pdf([page])).document
    assert "The following table presents the income of the year as printed (in millions):" in document.text
    (table,) = document.tables
    assert (table.scale, [cell.text for cell in table.rows[0]]) == (10**6, ["", "2022", "2021"])


def test_page_numbers_far_from_the_edge_are_dropped(make_pdf: MakePdf) -> None:
    pages = [[(50.0, 700.0, f"Page about {word}."), (300.0, 400.0, str(7 + i))] for i, word in enumerate("abcd")]
    pages.append([(50.0, 700.0, "The answer is"), (300.0, 400.0, "42")])
    assert parsed(make_pdf(pages)).document.text.split("\n\n")[-1].endswith("42")
    assert not any(number in parsed(make_pdf(pages)).document.text for number in ("7", "8", "9", "10"))


def test_marks_of_footnotes_and_words_behind_the_figures_take_no_figure_away(make_pdf: MakePdf) -> None:
    page = [(310.0, 710.0, "2022"), (380.0, 710.0, "2021"), (440.0, 710.0, "Location")]
    for y, label, first, second, words in [(694.0, "Loss on hedges", "149", "(14)", "Cost of sales"),
                                           (680.0, "Tax effect", "27", "20", "Income taxes")]:  # fmt: skip
        page += [(50.0, y, label), (310.0, y, first), (380.0, y, second), (440.0, y, words)]
    assert rows_of(parsed(make_pdf([page])).document)[1:] == [
        ["Loss on hedges", "149", "(14)", "Cost of sales"],
        ["Tax effect", "27", "20", "Income taxes"],
    ]
    row = read_row(Line([Piece("Benefit", 50, 90), Piece("(90)", 300, 314), Piece("(a)", 318, 324),
                         Piece("12", 400, 410)], 0, 10))  # fmt: skip
    assert [(cell.text, cell.x1) for cell in row.cells] == [("(90) (a)", 314), ("12", 410)]


def test_a_heading_stands_over_the_columns_that_it_is_underlined_over() -> None:
    columns = [[248.0, 271.0], [322.0, 337.0], [406.0, 421.0], [466.0, 488.0]]
    label = Piece("Year 2022", 43, 85)
    figures = [Piece(str(n), x0, x1) for n, (x0, x1) in enumerate(columns, start=1)]
    additions = Line([Piece("Additions", 335, 377)], 675, 685, under=((286, 426),))
    words = [("Balance", 244, 272), ("Expenses", 296, 338), ("Other", 380, 422), ("Deductions", 433, 489)]
    names = [Piece(name, x0, x1) for name, x0, x1 in words]
    below = Line([Piece("Description", 43, 93), *names], 643, 654)
    rows = [read_row(Line([label, *figures], y, y + 10)) for y in (617.0, 605.0)]
    region = Region(rows, columns, [additions, below])
    assert to_grid(region, caption="", notes=[], page=1).rows[0] == ["", "", "Additions", "Additions", ""]
    wrapped = Line([Piece("Fair value", 440, 486)], 675, 685)
    below.under = tuple((x0 - 20, x1 + 5) for x0, x1 in columns)
    names[-1] = Piece("of units", 445, 488)
    region = Region(rows, columns, [wrapped, Line([*names], 643, 654, under=below.under)])
    assert to_grid(region, caption="", notes=[], page=1).rows[0] == ["", "", "", "", "Fair value"]
