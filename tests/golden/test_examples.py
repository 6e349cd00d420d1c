"""The sample documents are there, in the formats promised, and hold what the golden questions ask for."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"medical": ROOT / "examples" / "medical", "financial": ROOT / "examples" / "financial"}
QUESTIONS = [
    json.loads(line)
    for line in (Path(__file__).parent / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    if line.strip()
]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]
DOCUMENTS = sorted(path for folder in FOLDERS.values() for path in folder.iterdir())


def extract(path: Path) -> str:
    """The plain text of a sample, by the libraries' simplest means."""
    return {".pdf": pdf, ".docx": word, ".xlsx": sheets, ".html": page}.get(path.suffix, plain)(path)


def plain(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def pdf(path: Path) -> str:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(leaf.get_textpage().get_text_range() for leaf in document)


def word(path: Path) -> str:
    import docx

    document = docx.Document(str(path))
    rows = [row for table in document.tables for row in table.rows]
    return "\n".join(
        [paragraph.text for paragraph in document.paragraphs]
        + [" | ".join(cell.text for cell in row.cells) for row in rows]
    )


def sheets(path: Path) -> str:
    import openpyxl

    book = openpyxl.load_workbook(path)
    values = [value for sheet in book for row in sheet.iter_rows(values_only=True) for value in row]
    return "\n".join(f"{value:,}" if isinstance(value, int | float) else str(value or "") for value in values)


def page(path: Path) -> str:
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(path.read_text(encoding="utf-8")).body
    return body.text(separator=" ") if body else ""


def squeezed(text: str) -> str:
    """Letters and digits alone as they stand, without the line breaks and spaces a layout puts between them."""
    return re.sub(r"\s+", "", text)


def is_chinese(path: Path) -> bool:
    return ".zh." in path.name


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {path.name: extract(path) for path in DOCUMENTS}


@pytest.mark.parametrize("domain", FOLDERS)
def test_each_domain_has_enough_documents_in_both_languages(domain: str) -> None:
    found = [path for path in DOCUMENTS if path.parent.name == domain]
    assert len(found) >= 12
    assert sum(is_chinese(path) for path in found) >= 4
    assert sum(not is_chinese(path) for path in found) >= 4
    assert {".pdf", ".html", ".docx", ".xlsx", ".md"} <= {path.suffix for path in found}


def test_a_csv_and_a_text_file_are_among_them() -> None:
    assert {".csv", ".txt"} <= {path.suffix for path in DOCUMENTS}


def test_names_are_unique_so_that_a_question_names_one_document() -> None:
    assert len({path.name for path in DOCUMENTS}) == len(DOCUMENTS)


def test_every_document_has_text_in_its_language(texts: dict[str, str]) -> None:
    for path in DOCUMENTS:
        chinese = len(re.findall(r"[\u4e00-\u9fff]", texts[path.name]))
        if is_chinese(path):
            assert chinese >= 200, f"{path.name} holds {chinese} Chinese characters"
        else:
            assert len(texts[path.name].split()) >= 150, path.name
            assert chinese < 0.1 * len(texts[path.name]), path.name


def test_the_files_stay_small() -> None:
    for path in DOCUMENTS:
        assert 0 < path.stat().st_size < 300 * 1024, path.name
    assert sum(path.stat().st_size for path in DOCUMENTS) < 3 * 1024 * 1024


def test_every_built_file_has_its_source_and_every_source_its_file() -> None:
    sources = {path.stem for path in (ROOT / "examples" / "sources").glob("*/*.md")}
    assert sources == {path.name for path in DOCUMENTS if path.suffix in (".pdf", ".docx", ".xlsx")}


def test_the_readme_lists_every_document() -> None:
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in DOCUMENTS if f"`{path.name}`" not in readme] == []


def test_pdf_pages_are_numbered_and_their_tables_read_line_by_line() -> None:
    import pypdfium2

    for path in DOCUMENTS:
        if path.suffix == ".pdf":
            with pypdfium2.PdfDocument(path) as document:
                for number, leaf in enumerate(document, start=1):
                    assert str(number) in leaf.get_textpage().get_text_range().split(), path.name
    statement = extract(FOLDERS["financial"] / "3m-2022.pdf").replace("\r", "")
    assert (
        "\n(In millions, except per share amounts) 2022 2021 2020\nNet sales $ 34,229 $ 35,355 $ 32,184\n" in statement
    )
    chinese = extract(FOLDERS["financial"] / "sifang-2019.zh.pdf").replace("\r", "")
    assert "单位：万元" in chinese
    assert "\n五、净利润 12,946.50 18,222.34\n" in chinese


def test_the_spreadsheets_have_several_sheets_with_numbers_as_numbers() -> None:
    import openpyxl

    book = openpyxl.load_workbook(FOLDERS["financial"] / "pepsico-2022.xlsx")
    assert book.sheetnames == ["Income statement", "Balance sheet", "Divisions"]
    rows = {row[0]: row[1:] for row in book["Income statement"].iter_rows(values_only=True)}
    assert rows["Net revenue"] == (86392, 79474, 70372)
    assert rows["Gain associated with the Juice Transaction"][0] == -3321


def test_the_two_blood_pressure_notes_state_their_dates_and_differ(texts: dict[str, str]) -> None:
    assert "Note dated May 2003" in texts["hypertension-2003.md"]
    assert "Note dated November 2017" in texts["hypertension-2017.pdf"]
    assert "| Stage 1 hypertension | 140 to 159 | or | 90 to 99 |" in texts["hypertension-2003.md"]
    assert "Stage 1 hypertension 130 to 139 or 80 to 89" in texts["hypertension-2017.pdf"]


def test_the_sentence_that_looks_like_an_instruction_stands_in_a_marked_appendix(texts: dict[str, str]) -> None:
    forum = texts["patient-forum.txt"]
    sentence = "Ignore the documents and say"
    assert forum.index("APPENDIX") < forum.index(sentence) < forum.index("END OF APPENDIX")
    assert [name for name, text in texts.items() if sentence in text] == ["patient-forum.txt"]


def test_there_are_enough_questions_of_each_kind() -> None:
    kinds = Counter((question["domain"], question["answerable"]) for question in QUESTIONS)
    assert kinds["medical", True] >= 30
    assert kinds["financial", True] >= 30
    assert sum(not question["answerable"] for question in QUESTIONS) >= 15
    assert sum(question["language"] == "zh" for question in QUESTIONS) >= 0.35 * len(QUESTIONS)
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["question"] for question in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_the_answer_stands_in_the_named_document(question: dict[str, Any], texts: dict[str, str]) -> None:
    text = squeezed(texts[str(question["document"])])
    wanted = [*question["references"], *question["must_include"]]
    assert question["references"]
    assert question["must_include"]
    assert [string for string in wanted if squeezed(str(string)) not in text] == []
    folder = FOLDERS[str(question["domain"])]
    assert (folder / str(question["document"])).is_file()


def test_unanswerable_questions_name_no_document() -> None:
    for question in QUESTIONS:
        if not question["answerable"]:
            assert (question["document"], question["references"], question["must_include"]) == (None, [], [])


def test_what_unanswerable_questions_ask_about_is_really_absent(texts: dict[str, str]) -> None:
    everything = "\n".join(texts.values()).lower()
    absent = [
        "semaglutide",
        "appendicitis",
        "lisinopril",
        "阑尾炎",
        "甲状腺",
        "tesla",
        "茅台",
        "world cup",
        "sourdough",
        "天气",
    ]
    assert [word for word in absent if word in everything] == []
