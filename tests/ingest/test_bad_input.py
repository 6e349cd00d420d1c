"""A file that cannot be read is named with its reason and the next step; nothing crashes."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.parsers import parse
from rag.errors import DocumentError

MakePdf = Callable[..., bytes]


def refused(data: bytes, name: str) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(data, name)
    assert str(caught.value).startswith(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "a.pdf", "a.docx", "a.html", "a.csv", "a.jsonl"])
def test_empty(name: str) -> None:
    assert "empty" in refused(b"", name)
    assert "empty" in refused(b" \n\n ", name)


def test_encrypted_pdf(make_pdf: MakePdf) -> None:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(make_pdf([[(50, 700, "secret")]]))))
    writer.encrypt("password", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    assert "password" in refused(out.getvalue(), "a.pdf")


def test_truncated_pdf_is_repaired_or_named(make_pdf: MakePdf) -> None:
    whole = make_pdf([[(50, 700, "A sentence on page one.")]])
    assert "A sentence" in parse(whole[:-7], "a.pdf")[0].text
    assert "broken" in refused(whole[: len(whole) // 2], "a.pdf")


def test_pdf_with_a_bad_xref_is_repaired(make_pdf: MakePdf) -> None:
    whole = make_pdf([[(50, 700, "A sentence on page one.")]])
    assert "A sentence" in parse(whole.replace(b"startxref\n", b"startxref\n9"), "a.pdf")[0].text


def test_scanned_pdf(make_pdf: MakePdf) -> None:
    assert "OCR" in refused(make_pdf([[], []]), "a.pdf")
    (document,) = parse(make_pdf([[], [(50, 700, "Only the second page has text.")], []]), "a.pdf")
    assert document.metadata["pages_without_text"] == "1, 3"
    assert document.page_at(document.text.index("Only")) == 2


def test_wrong_suffix_and_binary_garbage() -> None:
    assert "named .pdf" in refused(b"just words", "a.pdf")
    assert "named .docx" in refused(b"just words", "a.docx")
    assert "binary" in refused(bytes(range(256)) * 20, "a.txt")
    assert "old or password-protected" in refused(b"\xd0\xcf\x11\xe0" + b"x" * 600, "a.docx")
    assert "not read" in refused(b'{"a": 1}', "a.json")


def test_broken_archives(archive: Callable[[dict[str, bytes]], bytes]) -> None:
    assert "broken" in refused(b"PK\x03\x04" + b"\x01" * 100, "a.docx")
    assert "not a readable Word document" in refused(archive({"word/document.xml": b"<oops"}), "a.docx")
    assert "not a readable workbook" in refused(archive({"xl/workbook.xml": b"<oops"}), "a.xlsx")
    assert "another kind" in refused(archive({"readme": b"x"}), "a.zip")


@pytest.mark.parametrize("name", ["word/document.xml", "xl/workbook.xml"])
def test_zip_bomb(archive: Callable[[dict[str, bytes]], bytes], name: str) -> None:
    assert "would unpack to" in refused(archive({name: b" " * 60_000_000}), "a.docx")


def test_broken_lines() -> None:
    assert "line 2 is not valid JSON" in refused(b'{"text": "a"}\n{"text": \n', "a.jsonl")
    assert "line 1 holds a list" in refused(b"[1]\n", "a.jsonl")
    assert "gzip stream is broken" in refused(gzip.compress(b"some words " * 9000)[:-20], "a.txt.gz")
    assert "inside gzip" in refused(gzip.compress(b"%PDF-1.4"), "a.pdf.gz")


def test_no_text_in_it() -> None:
    assert "no text" in refused(b"<html><body><script>x</script></body></html>", "a.html")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_are_read_or_refused(files: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["report.pdf", "note.docx", "book.xlsx", "page.html", "guide.md", "rates.csv"]))
    whole = bytearray((files / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        documents = parse(bytes(whole[: data.draw(st.integers(1, len(whole)))]), name)
    except DocumentError as error:
        assert len(str(error)) > len(name) + 10
    else:
        assert all(document.text for document in documents)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.html", "a.md", "a.csv", "a.jsonl", "a.bin"]))
def test_any_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    try:
        documents = parse(data, name)
    except DocumentError:
        return
    for document in documents:
        document.text.encode("utf-8")
