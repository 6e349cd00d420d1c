"""Every format becomes text by the canon: one line a paragraph, heading, list item or table row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ingest.chunk import chunk
from ingest.parsers import parse, read
from ingest.parsers.html import html_blocks
from ingest.parsers.text import encoding_of

NAMES = ["notes.txt", "guide.md", "page.html", "rates.csv", "records.jsonl", "report.pdf", "note.docx", "book.xlsx"]


@pytest.mark.parametrize("name", NAMES)
def test_spans_of_every_format_are_exact(files: Path, name: str) -> None:
    for parsed in read(files / name):
        document = parsed.document
        assert document.source.startswith(name)
        assert not any(str(files) in str(value) for value in document.metadata.values())
        for heading in parsed.headings:
            assert document.text[heading.start : heading.end] == heading.text
        for table in document.tables:
            assert document.text[table.start : table.end].count("\n") == len(table.rows) - table.header_rows - 1
            for row in table.rows[table.header_rows :]:
                assert all(document.text[cell.start : cell.end] == cell.text for cell in row)
        chunks = chunk(document, max_tokens=60, headings=parsed.headings)
        assert chunks
        assert all(document.text[c.start : c.end] == c.text for c in chunks)


def test_text(files: Path) -> None:
    (document,) = parse(files / "notes.txt")
    assert document.text == "A first paragraph about aspirin.\nA second one, 100 mg a day."
    assert (document.title, document.language, document.page_starts) == ("notes", "en", ())


def test_wrapped_text_is_joined_and_verse_is_not(tmp_path: Path) -> None:
    wrapped = "This line is wrapped by hand at about sixty characters or so\nand goes on in the second line of it.\n"
    (tmp_path / "a.txt").write_text(wrapped + "\nshort\nlines\n", "utf-8")
    (document,) = parse(tmp_path / "a.txt")
    assert document.text.splitlines() == [wrapped.replace("\n", " ").strip(), "short", "lines"]


def test_markdown(files: Path) -> None:
    (parsed,) = read(files / "guide.md")
    assert parsed.document.title == "Dosing"
    assert [h.text for h in parsed.headings] == ["Dosing"]
    assert parsed.document.text.splitlines()[-2:] == [
        "Dosing | Aspirin | Dose: 100 mg",
        "Dosing | Warfarin | Dose: 5 mg",
    ]


def test_html(files: Path) -> None:
    (parsed,) = read(files / "page.html")
    text = parsed.document.text
    assert text.splitlines() == [
        "Sales",
        "Up 3%.",
        "Sales (USD, in millions) | Net sales | 2022: $ 1,234",
        "one",
        "two",
    ]
    cell = parsed.document.tables[0].rows[1][1]
    assert (cell.value, cell.scale, cell.currency, cell.period) == (1234, 10**6, "USD", "2022")


def test_html_hides_what_is_hidden_and_unwraps_layout_tables() -> None:
    found = html_blocks(
        "<div style='display:none'>secret</div><nav>menu</nav><p hidden>no</p>"
        "<table><tr><td><p>Outer</p><table><tr><td>A</td><td>1</td></tr><tr><td>B</td><td>2</td></tr></table></td></tr></table>"
    )
    assert [type(block).__name__ for block in found] == ["Prose", "Grid"]


def test_html_spans(tmp_path: Path) -> None:
    page = (
        "<table><tr><th rowspan=2>Item</th><th colspan=2>Year ended</th></tr><tr><th>2022</th><th>2021</th></tr>"
        "<tr><td>Sales</td><td>$</td><td>5</td></tr></table>"
    )
    edgar = (
        "<table><tr><td></td><td colspan=2>2022</td><td colspan=2>2021</td></tr>"
        "<tr><td>Sales (in thousands)</td><td>$</td><td>12</td><td>$</td><td>10</td></tr>"
        "<tr><td>Loss</td><td></td><td>(3</td><td></td><td>(2</td></tr></table>"
    )
    (tmp_path / "a.html").write_text(page, "utf-8")
    (tmp_path / "b.html").write_text(edgar, "utf-8")
    assert parse(tmp_path / "a.html")[0].text.startswith("Year ended")
    assert parse(tmp_path / "b.html")[0].text.splitlines()[0].endswith("| 2022: $12 | 2021: $10")


def test_docx_keeps_the_order_of_paragraphs_and_tables(files: Path) -> None:
    (parsed,) = read(files / "note.docx")
    assert parsed.document.text.splitlines() == ["Annual note", "Income rose.", "Income rose | Income | 2022: 7"]
    assert [(h.text, h.level) for h in parsed.headings] == [("Annual note", 1)]


def test_xlsx_shows_percent_and_takes_the_scale_from_its_title(files: Path) -> None:
    (document,) = parse(files / "book.xlsx")
    lines = document.text.splitlines()
    assert lines[-2:] == [
        "Income statement (in thousands) | Revenue | 2022: 1234 | 2021: 1100",
        "Income statement | Margin | 2022: 12.5% | 2021: 10.0%",
    ]
    revenue, margin = document.tables[0].rows[-2:]
    assert (revenue[1].value, revenue[1].scale) == (1234, 1000)
    assert (margin[1].unit, margin[1].scale) == ("percent", 1)
    assert (revenue[0].name, revenue[1].name, margin[2].name) == (None, "Income!B3", "Income!C4")


def test_csv_guesses_its_delimiter(tmp_path: Path, files: Path) -> None:
    assert parse(files / "rates.csv")[0].text.splitlines()[0] == "rates | Revenue | 2022: 10 | 2021: 9"
    (tmp_path / "semi.csv").write_text("Land;Wert\nA;1,5\nB;2,5\n", "utf-8")
    assert parse(tmp_path / "semi.csv")[0].text.splitlines()[0].endswith("Wert: 1,5")


def test_a_large_csv_comes_in_parts(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_text("id,value\n" + "".join(f"r{i},{i}\n" for i in range(12_000)), "utf-8")
    documents = parse(tmp_path / "big.csv")
    assert [d.source for d in documents] == ["big.csv", "big.csv#2", "big.csv#3"]
    assert all("value: " in d.text.splitlines()[0] for d in documents)
    assert sum(len(d.text.splitlines()) for d in documents) == 12_000


def test_jsonl_gives_a_document_a_record(files: Path, tmp_path: Path) -> None:
    first, second = parse(files / "records.jsonl")
    assert (first.source, first.title, first.text) == ("records.jsonl#a", "First", "Alpha beta.")
    assert first.metadata["year"] == 2020
    assert second.source == "records.jsonl#b"
    with gzip.open(tmp_path / "r.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write(
            json.dumps({"text": "无编号"}) + "\n" + json.dumps({"id": 1, "text": "x"}) + "\n" + '{"id":1,"text":"y"}\n'
        )
    assert [d.source for d in parse(tmp_path / "r.jsonl.gz")] == ["r.jsonl.gz#1", "r.jsonl.gz#1.2", "r.jsonl.gz#1.3"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Café, naïve résumé — 5 €", "cp1252"),
        ("营业收入同比增长百分之五，净利润下降。", "gb18030"),
        ("plain", "utf-8"),
        ("高血压 café 👩‍⚕️", "utf-8"),
        ("高血压 mark", "utf-16"),
    ],
)
def test_encodings(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert encoding_of(text.encode(encoding)) == encoding
    assert parse(tmp_path / "a.txt")[0].text == text.replace("\ufeff", "")


def test_right_to_left_and_emoji_survive(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("مرحبا بالعالم\n\n👩‍⚕️ עברית\x00", "utf-8")
    assert parse(tmp_path / "a.txt")[0].text == "مرحبا بالعالم\n👩‍⚕️ עברית"


def test_content_wins_over_the_name(files: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes((files / "report.pdf").read_bytes())
    (tmp_path / "b.txt").write_bytes((files / "page.html").read_bytes())
    assert parse(tmp_path / "a.txt")[0].metadata["format"] == "pdf"
    assert parse(tmp_path / "b.txt")[0].metadata["format"] == "html"


@pytest.mark.parametrize(
    ("name", "year", "organisation"),
    [
        ("3M_2018_10K.pdf", 2018, "3M"),
        ("PEPSICO_2023_8K_dated-2023-05-30.pdf", 2023, "PEPSICO"),
        ("2020-04-16__四方科技集团股份有限公司__603339__2019年__年度报告.pdf", 2019, "四方科技集团股份有限公司"),
        ("notes-2022.pdf", 2022, None),
        ("notes.pdf", None, None),
    ],
)
def test_year_and_organisation_of_a_file_name(
    files: Path, name: str, year: int | None, organisation: str | None
) -> None:
    (document,) = parse((files / "report.pdf").read_bytes(), name)
    assert document.metadata.get("year") == year
    assert document.metadata.get("organisation") == organisation
