"""Inline XBRL: tagged figures keep concept, period, unit, scale and sign, and agree with the text, or it is said."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ingest.chunk import chunk
from ingest.parsers import read
from ingest.parsers.blocks import Parsed
from rag.encoding import pack_tables, unpack_facts, unpack_tables
from rag.schema import Cell, Fact
from rag.store import Collection
from rag.testing import FakeEmbedder

HEADER = """<div style="display:none"><ix:header><ix:hidden>
<ix:nonNumeric name="dei:AmendmentFlag" contextRef="y17">false</ix:nonNumeric>
<ix:nonNumeric name="dei:DocumentFiscalYearFocus" contextRef="y17">2017</ix:nonNumeric>
<ix:nonNumeric name="dei:DocumentFiscalPeriodFocus" contextRef="y17">FY</ix:nonNumeric>
<ix:nonNumeric name="dei:EntityCentralIndexKey" contextRef="y17">0001018724</ix:nonNumeric>
<ix:nonNumeric name="dei:DocumentPeriodEndDate" contextRef="y17">2017-12-31</ix:nonNumeric>
<ix:nonFraction name="us-gaap:CommonStockSharesAuthorized" contextRef="d17" unitRef="shares" decimals="-6"
scale="0">5000000000</ix:nonFraction>
</ix:hidden><ix:resources>
<xbrli:context id="y17"><xbrli:entity><xbrli:identifier scheme="http://www.sec.gov/CIK">0001018724</xbrli:identifier></xbrli:entity>
<xbrli:period><xbrli:startDate>2017-01-01</xbrli:startDate>
<xbrli:endDate>2017-12-31</xbrli:endDate></xbrli:period></xbrli:context>
<xbrli:context id="y16"><xbrli:entity/><xbrli:period><xbrli:startDate>2016-01-01</xbrli:startDate>
<xbrli:endDate>2016-12-31</xbrli:endDate></xbrli:period></xbrli:context>
<xbrli:context id="d17"><xbrli:entity/>
<xbrli:period><xbrli:instant>2017-12-31</xbrli:instant></xbrli:period></xbrli:context>
<xbrli:context id="aws"><xbrli:entity><xbrli:segment>
<xbrldi:explicitMember dimension="us-gaap:StatementBusinessSegmentsAxis">
amzn:AmazonWebServicesSegmentMember</xbrldi:explicitMember></xbrli:segment></xbrli:entity>
<xbrli:period><xbrli:startDate>2017-01-01</xbrli:startDate>
<xbrli:endDate>2017-12-31</xbrli:endDate></xbrli:period></xbrli:context>
<xbrli:unit id="usd"><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unit>
<xbrli:unit id="shares"><xbrli:measure>xbrli:shares</xbrli:measure></xbrli:unit>
<xbrli:unit id="pure"><xbrli:measure>xbrli:pure</xbrli:measure></xbrli:unit>
<xbrli:unit id="eps"><xbrli:divide><xbrli:unitNumerator><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unitNumerator>
<xbrli:unitDenominator><xbrli:measure>xbrli:shares</xbrli:measure></xbrli:unitDenominator></xbrli:divide></xbrli:unit>
</ix:resources></ix:header></div>"""


def tag(name: str, text: str, context: str = "y17", unit: str = "usd", scale: int = 6, extra: str = "") -> str:
    marks = f'name="us-gaap:{name}" contextRef="{context}" unitRef="{unit}" decimals="-6" scale="{scale}" {extra}'
    return f"<ix:nonFraction {marks}>{text}</ix:nonFraction>"


def filing(notice: str = "(in millions, except per share data)", sales: str = "", prose: str = "") -> bytes:
    sales = sales or tag("Revenues", "177,866")
    prose = (
        prose
        or f"AWS net sales were $ {tag('Revenues', '17.5', 'aws', scale=9)} billion in 2017, of 17.5 thousand words."
    )
    return f"""<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>10-K</title></head><body>{HEADER}
<p><ix:nonNumeric name="dei:EntityRegistrantName" contextRef="y17">AMAZON.COM, INC.</ix:nonNumeric>,
<ix:nonNumeric name="dei:DocumentType" contextRef="y17">10-K</ix:nonNumeric> <a id="x"/></p>
<h2>Consolidated Statements of Operations {notice}</h2>
<table><caption>Consolidated Statements of Operations {notice}</caption>
<tr><td></td><td colspan="2">2017</td><td></td><td colspan="2">2016</td><td></td></tr>
<tr><td>Total net sales</td><td>$</td><td>{sales}</td><td></td><td>$</td>
<td>{tag("Revenues", "135,987", "y16")}</td><td></td></tr>
<tr><td>Other expense</td><td></td><td>({tag("OtherNonoperatingIncomeExpense", "848", extra='sign="-"')}</td><td>)</td>
<td></td><td>90</td><td></td></tr>
<tr><td>Diluted earnings per share</td><td>$</td>
<td>{tag("EarningsPerShareDiluted", "6.15", unit="eps", scale=0)}</td><td></td>
<td>$</td><td>4.90</td><td></td></tr>
<tr><td>Weighted-average shares, diluted</td><td></td>
<td>{tag("WeightedAverageNumberOfDilutedSharesOutstanding", "493", unit="shares")}</td><td></td>
<td></td><td>484</td><td></td></tr>
<tr><td>Effective tax rate</td><td></td>
<td>{tag("EffectiveIncomeTaxRateContinuingOperations", "20.2", unit="pure", scale=-2)}</td>
<td>%</td><td></td><td>36.6</td><td>%</td></tr>
</table><p>{prose}</p>
<p>附注：本公司雇员 {tag("EntityNumberOfEmployees", "566,000", "d17", "pure", 0)} 人。</p></body></html>""".encode()


def parsed(data: bytes) -> Parsed:
    (found,) = read(data, "amzn.htm")
    assert isinstance(found, Parsed)
    document = found.document
    chunks = chunk(document, max_tokens=80, headings=found.headings)
    assert all(document.text[c.start : c.end] == c.text for c in chunks)
    assert not set("\ue000\ue001") & set(document.text)
    return found


def facts(found: Parsed, concept: str) -> list[Fact]:
    return [fact for fact in found.document.facts if fact.concept.endswith(f":{concept}")]


def test_a_figure_keeps_what_its_tag_says() -> None:
    found = parsed(filing())
    text = found.document.text
    now, before, of_segment = facts(found, "Revenues")
    assert (now.value, now.unit, now.scale, now.decimals) == (Decimal(177_866_000_000), "USD", 6, -6)
    assert (now.period_start, now.period_end, now.dimensions) == ("2017-01-01", "2017-12-31", ())
    assert text[now.start : now.end] == "$177,866"
    assert (before.value, before.period_end) == (Decimal(135_987_000_000), "2016-12-31")
    axis = ("us-gaap:StatementBusinessSegmentsAxis", "amzn:AmazonWebServicesSegmentMember")
    assert (of_segment.value, of_segment.dimensions) == (Decimal(17_500_000_000), (axis,))
    assert text[of_segment.start : of_segment.end] == "17.5"
    assert text[: of_segment.start].endswith("AWS net sales were $ ")
    (staff,) = facts(found, "EntityNumberOfEmployees")
    assert (staff.value, staff.period_start, staff.period_end) == (566_000, None, "2017-12-31")
    assert text[: staff.start].endswith("附注：本公司雇员 ")
    assert found.notes == ()


def test_cells_are_counted_in_what_their_tags_say() -> None:
    found = parsed(filing())
    rows = {row[0].text: row[1] for row in found.document.tables[0].rows[1:]}
    told = {label: (cell.value, cell.unit, cell.scale, cell.currency) for label, cell in rows.items()}
    assert told == {
        "Total net sales": (177_866, None, 10**6, "USD"),
        "Other expense": (-848, None, 10**6, "USD"),
        "Diluted earnings per share": (Decimal("6.15"), "per_share", 1, "USD"),
        "Weighted-average shares, diluted": (493, "share", 10**6, None),
        "Effective tax rate": (Decimal("20.2"), "percent", 1, None),
    }
    assert rows["Total net sales"].name == "us-gaap:Revenues"
    (loss,) = facts(found, "OtherNonoperatingIncomeExpense")
    (rate,) = facts(found, "EffectiveIncomeTaxRateContinuingOperations")
    assert (loss.value, rate.value) == (Decimal(-848_000_000), Decimal("0.202"))


def test_what_the_header_hides_is_a_fact_and_no_text() -> None:
    document = parsed(filing()).document
    assert "0001018724" not in document.text and "5000000000" not in document.text
    (authorised,) = [fact for fact in document.facts if fact.concept == "us-gaap:CommonStockSharesAuthorized"]
    assert (authorised.value, authorised.start, authorised.end) == (5_000_000_000, 0, 0)
    known = {"organisation": "AMAZON.COM, INC.", "document_type": "10-K", "year": 2017, "fiscal_period": "FY"}
    known |= {"cik": "0001018724", "period_end": "2017-12-31"}
    assert {key: document.metadata.get(key) for key in known} == known
    assert "hidden_text" not in document.metadata


def test_a_scale_that_only_the_tags_know_reaches_the_text() -> None:
    document = parsed(filing(notice="")).document
    line = next(line for line in document.text.splitlines() if "Total net sales" in line)
    assert (
        line == "Consolidated Statements of Operations (USD, in millions) | Total net sales | "
        "2017: $177,866 | 2016: $135,987"
    )
    row = next(row for row in document.tables[0].rows if row[0].text == "Other expense")
    assert (row[2].text, row[2].scale) == ("90", 10**6)  # a cell without a tag


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (filing(notice="(in thousands)"), "'$177,866' reads 177,866,000 where it stands, its tag says 177,866,000,000"),
        (
            filing(sales=tag("Revenues", "177,866", scale=3)),
            "reads 177,866,000,000 where it stands, its tag says 177,866,000",
        ),
        (
            filing(prose=f"Sales were ${tag('Revenues', '17.5', scale=6)} billion."),
            "reads 17,500,000,000 where it stands",
        ),
        (
            filing(prose=f"收入为{tag('Revenues', '17.5', scale=6)}亿元。"),
            "reads 1,750,000,000 where it stands, its tag says 17,500,000",
        ),
    ],
)
def test_a_tag_that_contradicts_the_text_is_told(data: bytes, words: str) -> None:
    found = parsed(data)
    assert any(note.startswith("us-gaap:Revenues: ") and words in note for note in found.notes), found.notes
    assert found.document.metadata["tags_that_disagree"] == len(found.notes)


@pytest.mark.parametrize(
    ("text", "extra", "value"),
    [
        ("1.234,5", 'format="ixt:num-comma-decimal"', Decimal("1234500000")),
        ("—", 'format="ixt:fixed-zero"', Decimal(0)),
        ("no", 'format="ixt-sec:numwordsen"', Decimal(0)),
        ("three", 'format="ixt-sec:numwordsen"', Decimal(3_000_000)),
        ("", 'xsi:nil="true"', None),
        ("n/a", "", None),
    ],
)
def test_formats_of_numbers(text: str, extra: str, value: Decimal | None) -> None:
    found = parsed(filing(prose=f"It was {tag('Goodwill', text, extra=extra)} so."))
    assert [fact.value for fact in facts(found, "Goodwill")] == ([value] if text else [])
    assert "so." in found.document.text


def test_facts_and_names_are_stored_with_the_tables() -> None:
    document = parsed(filing()).document
    packed = pack_tables(document.tables, document.facts)
    assert (unpack_tables(packed), unpack_facts(packed)) == (document.tables, document.facts)
    plain = pack_tables(document.tables)
    assert (unpack_tables(plain), unpack_facts(plain)) == (document.tables, ())
    assert (unpack_tables(""), unpack_facts("")) == ((), ())
    assert Cell("1").name is None


def test_a_collection_keeps_the_facts(tmp_path: Path) -> None:
    whole = parsed(filing()).document
    with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as collection:
        collection.add(whole, chunk(whole, max_tokens=80), fingerprint="1")
        collection.commit()
        kept = collection.document(whole.id)
    assert kept == whole
    assert len(kept.facts) > 10
