"""A small file that unpacks to a flood is refused by name."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from ingest.parsers import parse
from rag.errors import DocumentError


def test_a_gzip_bomb_is_refused_and_dense_text_is_not() -> None:
    with pytest.raises(DocumentError, match=r"^a\.csv\.gz: unpacks to more than .* 150 times"):
        parse(gzip.compress(b"a,b,c\n" * 10_000_000, 1), "a.csv.gz")
    rows = "".join(f"{number},{number * 7919 % 10_007}\n" for number in range(3000))
    assert "2999" in parse(gzip.compress(f"n,value\n{rows}".encode()), "a.csv.gz")[0].text


def test_a_table_of_a_million_columns_is_refused() -> None:
    for name, data in (
        ("a.csv", b",".join([b"1"] * 1_000_000) + b"\n" + b",".join([b"2"] * 1_000_000)),
        ("a.html", b"<html><body><table><tr>" + b"<td>1</td>" * 20_000 + b"</tr><tr><td>2</td></tr></table>"),
    ):
        with pytest.raises(DocumentError, match="columns; at most 16,384"):
            parse(data, name)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_row_of_a_workbook_has_no_more_columns_than_programs_allow(hidden: bool) -> None:
    import openpyxl

    for width in (16_384, 16_385):
        book = openpyxl.Workbook()
        book.create_sheet("Shown", 0).append(["净利润", "Net income"])
        wide = book.worksheets[1]
        wide.sheet_state = "hidden" if hidden else "visible"
        for _ in range(3):  # more than is read at once
            wide.append(["x"] * 16_384)
        data = io.BytesIO()
        book.save(data)
        if width == 16_384:
            assert "净利润" in parse(data.getvalue(), "a.xlsx")[0].text
            continue
        more = _with(data.getvalue(), "xl/worksheets/sheet2.xml", b"</row>", b"<c><v>1</v></c></row>")
        with pytest.raises(DocumentError, match=r"^a\.xlsx: a row of sheet 'Sheet' has more than 16,384 columns"):
            parse(more, "a.xlsx")


def _with(data: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """Return an archive with something replaced in one of its parts."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.namelist():
            content = before.read(part)
            after.writestr(part, content.replace(old, new) if part == name else content)
    return changed.getvalue()


def test_damage_inside_an_archive_is_told_as_such() -> None:
    from benchmarks.mutate import samples

    for path in (path for path in samples() if path.suffix in (".xlsx", ".docx")):
        data = bytearray(path.read_bytes())
        for place in range(200, len(data) - 2000, len(data) // 25):
            data[place] ^= 255  # in the packed parts, not in the list of them
            try:
                parse(bytes(data), path.name)
            except DocumentError as error:
                assert str(error).startswith(path.name)


def test_elements_without_a_name_are_passed() -> None:
    import random

    from benchmarks.mutate import MUTATIONS, samples

    luck = random.Random(0)
    pages = [path for path in samples() if path.suffix == ".html"]
    for number in range(60):
        path = pages[number % len(pages)]
        try:
            parse(MUTATIONS["bits flipped"](path.read_bytes(), luck, b""), path.name)
        except DocumentError as error:
            assert str(error).startswith(path.name)
