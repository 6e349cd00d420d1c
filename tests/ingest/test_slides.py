"""A presentation: a slide a page, tables and charts as tables, notes apart and named."""

from __future__ import annotations

import io

import pytest

from ingest.parsers import read


def build(language: str) -> bytes:
    import pptx
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    zh = language == "zh"
    made = pptx.Presentation()
    made.slides.add_slide(made.slide_layouts[0]).shapes.title.text = "年度业绩" if zh else "Annual results"
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "收入（单位：百万元）" if zh else "Revenue (in millions)"
    frame = slide.shapes.add_table(2, 3, Inches(1), Inches(2), Inches(5), Inches(1))
    words = (
        ["项目", "2022年", "2021年", "营业收入", "1,234", "1,100"]
        if zh
        else ["", "2022", "2021", "Sales", "1,234", "1,100"]
    )
    for cell, text in zip((c for row in frame.table.rows for c in row.cells), words, strict=True):
        cell.text = text
    data = CategoryChartData()
    data.categories = ["2021", "2022"]
    data.add_series("毛利" if zh else "Gross profit", (300, 410.5))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(4), Inches(4), Inches(2), data)
    slide.notes_slide.notes_text_frame.text = "提醒：汇率影响。" if zh else "Mention the exchange rate."
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_slides_are_pages(language: str) -> None:
    (parsed,) = read(build(language), "deck.pptx")
    document = parsed.document  # type: ignore[union-attr]
    lines = document.text.splitlines()
    expected = {
        "en": [
            "Annual results",
            "Revenue (in millions)",
            "Revenue (in millions) | Sales | 2022: 1,234 | 2021: 1,100",
            "Revenue (in millions) | 2021 | Gross profit: 300",
            "Revenue (in millions) | 2022 | Gross profit: 410.5",
            "Notes to slide 2",
            "Mention the exchange rate.",
        ],
        "zh": [
            "年度业绩",
            "收入（单位：百万元）",
            "收入（百万元） | 营业收入 | 2022年: 1,234 | 2021年: 1,100",
            "收入（百万元） | 2021 | 毛利: 300",
            "收入（百万元） | 2022 | 毛利: 410.5",
            "第2页备注",
            "提醒：汇率影响。",
        ],
    }[language]
    assert [line.replace("人民币，", "") for line in lines] == expected
    assert document.page_at(0) == 1
    assert all(document.page_at(document.text.index(line)) == 2 for line in lines[1:])
    assert document.tables[0].rows[1][1].scale == 10**6
    assert (document.title, document.language) == (expected[0], language)
