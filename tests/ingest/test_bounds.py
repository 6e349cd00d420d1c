"""Files made to take for ever are refused by name, or read within bounds that do not grow with their claims."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingest.parsers import parse
from ingest.parsers.grid import Grid
from ingest.parsers.html import MAX_CELLS, html_blocks
from ingest.parsers.markup import MAX_NESTED
from rag.errors import DocumentError


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<div>" * (MAX_NESTED + 2) + "x", "nest in each other"),
        ("<b>" * 100_000 + "x", "nest in each other"),
        ("<p " + " ".join(f"a{i}=1" for i in range(5_000)) + ">x</p>", "5,001 attributes"),
    ],
    ids=["div", "b", "attributes"],
)
def test_a_page_beyond_all_use(page: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as caught:
        parse(page.encode(), "a.html")
    assert str(caught.value).startswith("a.html: ")


def test_styles_beyond_all_use(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = "".join(f"div .x:not(.y{i}){{color:red}}" for i in range(100))
    page = f"<style>{rules}</style><div>{'<p class=x>a</p>' * 100}</div>".encode()
    assert parse(page, "a.html")[0].text.count("a") == 100
    monkeypatch.setattr("ingest.parsers.css.MAX_WORK", 100_000)
    with pytest.raises(DocumentError, match=r"a\.html: the style sheets of the page take too long"):
        parse(page, "a.html")


@pytest.mark.parametrize("opening", ["<div>", "<b>", "<table><tr><td>", "<ul><li>", "<div style='color:#123'><p>"])
def test_a_page_within_bounds_keeps_its_words(opening: str) -> None:
    page = opening * 2_000 + "底 bottom"
    assert parse(page.encode(), "a.html")[0].text == "底 bottom"


def test_spans_claim_no_more_than_a_table_can_be() -> None:
    row = "<tr>" + "<td colspan=200 rowspan=200>a</td>" * 300 + "</tr>"
    (grid,) = html_blocks(f"<table>{row * 20}</table>")
    assert isinstance(grid, Grid)
    assert sum(len(line) for line in grid.rows) < 2 * MAX_CELLS


def test_a_sheet_with_far_corners_is_small() -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["XFD1"], sheet["A2"], sheet["XFD2"], sheet["XFD1048576"] = "项目", "2022", "收入", 5, 7
    out = io.BytesIO()
    book.save(out)
    (document,) = parse(out.getvalue(), "a.xlsx")
    assert document.text.splitlines()[0] == "收入 | 2022: 5"
    assert document.tables[0].rows[1][1].name == "Sheet!XFD2"


def test_markdown_is_read_in_pieces_and_loses_no_word() -> None:
    words = " ".join(f"word{number} **剂量{number}** [label{number}](http://a.b/{number})" for number in range(600))
    (document,) = parse(f"# Title\n\n{words}\n".encode(), "a.md")
    assert document.text.count("word") == 600
    for number in range(600):
        assert f"word{number} " in document.text and f"剂量{number}" in document.text
    assert document.text.count("http") <= len(words) // 4_000  # a link that is cut is printed as it is written


@pytest.mark.parametrize("mark", ["[", "![", "<", "增长"])
def test_markdown_of_one_endless_line(mark: str) -> None:
    (document,) = parse((mark * 9_001).encode(), "a.md")
    assert document.text.strip() == mark * 9_001


def test_lists_deep_in_lists_are_read() -> None:
    text = "".join(f"{'  ' * level}- item {level} 项\n" for level in range(40))
    (document,) = parse(text.encode(), "a.md")
    assert [f"item {level} 项" in document.text for level in range(40)] == [True] * 40


def test_rows_between_hidden_and_missing_ones() -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row, label, value in (
        (1, "Item", 2022),
        (2, "Net sales", 5),
        (3, "Secret", 6),
        (4, "收入", 0.125),
        (7, "Tax", 8),
    ):
        sheet.cell(row, 1, label)
        sheet.cell(row, 3, value)
    sheet["C4"].number_format = "0.0%"
    sheet.row_dimensions[3].hidden = True
    out = io.BytesIO()
    book.save(out)
    (document,) = parse(out.getvalue(), "a.xlsx")
    first, second = document.tables
    assert [[cell.text for cell in row] for row in first.rows[-2:]] == [["Net sales", "5"], ["收入", "12.5%"]]
    assert second.rows[-1][1].name == "Sheet!C7"
    assert "Secret" not in document.text


@pytest.mark.parametrize("name", ["word/document.xml", "xl/workbook.xml", "ppt/presentation.xml", "OPS/a.xhtml"])
def test_archives_that_unpack_to_absurd_sizes(name: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(name, b" " * 60_000_000)
    with pytest.raises(DocumentError, match="would unpack to"):
        parse(out.getvalue(), {"w": "a.docx", "x": "a.xlsx", "p": "a.pptx", "O": "a.epub"}[name[0]])
