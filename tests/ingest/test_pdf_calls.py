"""What is asked of PDFium for many characters and objects at once is what it says of each."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw
import pytest

from ingest.parsers import pdf_calls
from ingest.parsers.pdf_rules import page_rules
from tests.ingest.made_pdf import drawn

PAGE = """BT /F1 12 Tf 1 0 0 1 72 700 Tm (Net sales 34,229) Tj ET
1 1 1 rg BT /F1 12 Tf 1 0 0 1 72 600 Tm (white) Tj ET
0 0 1 rg 72 500 100 1 re f
1 0 0 RG 100 300 200 50 re S
0 g BT 3 Tr /F1 12 Tf 1 0 0 1 72 200 Tm (unseen) Tj ET"""


@pytest.fixture
def page() -> Iterator[Any]:
    pdf = pdfium.PdfDocument(drawn([PAGE, ""]))
    one = pdf[0]
    yield one
    one.close()
    pdf.close()


def address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def test_characters(page: Any) -> None:
    textpage = page.get_textpage()
    count = textpage.count_chars()
    boxes, one = pdf_calls.loose_boxes(textpage.raw, count), raw.FS_RECTF()
    for i in range(count):
        raw.FPDFText_GetLooseCharBox(textpage.raw, i, one)
        assert boxes[i].tolist() == [one.left, one.top, one.right, one.bottom]
    owners = pdf_calls.text_objects(textpage.raw, range(count))
    assert owners.tolist() == [address(raw.FPDFText_GetTextObject(textpage.raw, i)) for i in range(count)]
    assert len(set(owners.tolist()) - {0}) == 3
    assert pdf_calls.unmapped(textpage.raw, range(count)) == 0
    assert pdf_calls.loose_boxes(textpage.raw, 0).shape == (0, 4)
    textpage.close()


def test_objects(page: Any) -> None:
    found = pdf_calls.page_objects(page)
    objects, types = found.places, found.types
    assert objects.tolist() == [address(raw.FPDFPage_GetObject(page.raw, i)) for i in range(5)]
    text, path = raw.FPDF_PAGEOBJ_TEXT, raw.FPDF_PAGEOBJ_PATH
    assert types.tolist() == [text, text, path, path, text]
    texts, paths = found.of(text).tolist(), found.of(path).tolist()
    assert pdf_calls.render_modes(texts).tolist() == [0, 0, 3]
    colours, known = pdf_calls.fill_colours(texts)
    assert known.all() and colours.tolist() == [[0, 0, 0, 255], [255, 255, 255, 255], [0, 0, 0, 255]]
    boxes, known = pdf_calls.bounds(paths)
    assert known.all() and np.abs(boxes - [[72, 500, 172, 501], [100, 300, 300, 350]]).max() <= 1
    assert (pdf_calls.draw_modes(paths) > 0).tolist() == [[True, False], [False, True]]
    assert pdf_calls.segment_counts(paths).tolist() == [raw.FPDFPath_CountSegments(_handle(one)) for one in paths]
    rules = page_rules(page, found)
    assert (len(rules.across), len(rules.down)) == (3, 2)


def test_a_page_with_nothing_on_it() -> None:
    pdf = pdfium.PdfDocument(drawn([""]))
    one = pdf[0]
    found = pdf_calls.page_objects(one)
    assert len(found.places) == len(found.types) == 0
    assert pdf_calls.bounds([])[0].shape == (0, 4) and pdf_calls.draw_modes([]).shape == (0, 2)
    rules = page_rules(one, found)
    assert not rules.across and not rules.down
    one.close()
    pdf.close()


def test_what_is_not_there_is_said() -> None:
    assert not pdf_calls.bounds([0])[1].any() and not pdf_calls.fill_colours([0])[1].any()
    assert pdf_calls.render_modes([0]).tolist() == [-1]


def test_a_heavy_font_is_known_by_its_name() -> None:
    pdf = pdfium.PdfDocument(
        drawn(["BT /F1 12 Tf 1 0 0 1 72 700 Tm (Net sales) Tj ET"]).replace(b"Helvetica ", b"AcmeBLACK ")
    )
    one, plain = pdf[0], pdfium.PdfDocument(drawn(["BT /F1 12 Tf 1 0 0 1 72 700 Tm (Net sales) Tj ET"]))
    textpage, other = one.get_textpage(), plain[0].get_textpage()
    assert pdf_calls.are_bold(textpage.raw, [0, 2]).tolist() == [True, True]
    assert pdf_calls.are_bold(other.raw, [0, 2]).tolist() == [False, False]
    assert pdf_calls.are_bold(other.raw, []).tolist() == []


def _handle(place: int) -> Any:
    return ctypes.cast(place, raw.FPDF_PAGEOBJECT)
