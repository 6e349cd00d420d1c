"""Filings of an invented company, from recorded answers of EDGAR."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.connect.edgar import Edgar, FilingQuery, fetch_edgar, years_of
from ingest.connect.submissions import fiscal_year
from ingest.parsers import parse
from ingest.sidecar import load_side
from rag.errors import FetchError, SettingsError

DATA = Path(__file__).parent / "data" / "edgar"
PAGE = "<html><head><title>{0}</title></head><body><p>{0}. Net sales rose.</p></body></html>"


def edgar(request: httpx.Request) -> httpx.Response:
    """Answer as EDGAR does."""
    assert request.headers["user-agent"] == "Consilium Jane Doe jane@example.com"
    host, path = request.url.host, request.url.path
    if host == "www.sec.gov" and path == "/files/company_tickers.json":
        return _file(DATA / "company_tickers.json")
    if host == "data.sec.gov" and path.startswith("/submissions/") and (DATA / path.rpartition("/")[2]).is_file():
        return _file(DATA / path.rpartition("/")[2])
    if host == "www.sec.gov" and path.startswith("/Archives/edgar/data/1234567/"):
        packed = gzip.compress(PAGE.format(path.rpartition("/")[2]).encode())
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(packed))
    return httpx.Response(404, text="<Error><Code>NoSuchKey</Code></Error>")


def _file(path: Path) -> httpx.Response:
    return httpx.Response(200, content=path.read_bytes(), headers={"ETag": f'"{path.name}"'})


def _paths(network: Any) -> list[str]:
    return [request.url.path for request in network.asked]


def test_filings_of_a_company_with_what_edgar_knows_of_them(network: Any, tmp_path: Path) -> None:
    query = FilingQuery("exmp", ("10-k",), (2021, 2022))
    saved = fetch_edgar(query, tmp_path, access=network.access(edgar))
    assert saved.written == [
        "EXMP_10-K_2022-09-24_0001234567-22-000108.htm",
        "EXMP_10-K_2021-09-25_0001234567-21-000105.htm",
    ]
    assert _paths(network) == [
        "/files/company_tickers.json",
        "/submissions/CIK0001234567.json",
        "/Archives/edgar/data/1234567/000123456722000108/exmp-20220924.htm",
        "/Archives/edgar/data/1234567/000123456721000105/exmp-20210925.htm",
    ]
    side = load_side(tmp_path / saved.written[0])
    assert side.pop("fetched")["retrieved"]
    assert side == {
        "title": "Example Industries Inc 10-K 2022",
        "organisation": "Example Industries Inc",
        "ticker": "EXMP",
        "cik": "0001234567",
        "document_type": "10-K",
        "year": 2022,
        "fiscal_period": "FY",
        "period_end": "2022-09-24",
        "published": "2022-10-28",
        "accession": "0001234567-22-000108",
        "url": "https://www.sec.gov/Archives/edgar/data/1234567/000123456722000108/exmp-20220924.htm",
        "publisher": "U.S. Securities and Exchange Commission, EDGAR",
    }
    (document,) = parse(tmp_path / saved.written[0])
    assert document.title == "Example Industries Inc 10-K 2022"
    assert document.metadata["ticker"] == "EXMP"
    assert "Net sales rose" in document.text


def test_five_requests_a_second_at_most_unless_said(network: Any, tmp_path: Path) -> None:
    fetch_edgar(FilingQuery("EXMP", ("10-K", "10-Q")), tmp_path, access=network.access(edgar))
    gaps = [later - earlier for earlier, later in zip(network.starts, network.starts[1:], strict=False)]
    assert min(gaps) >= 0.2 - 1e-9
    with pytest.raises(SettingsError, match="at most 10 requests a second, got 11"):
        Edgar(network.access(edgar, per_second=11))


def test_nothing_is_fetched_twice(network: Any, tmp_path: Path) -> None:
    access = network.access(edgar, cache=tmp_path / "cache")
    fetch_edgar(FilingQuery("EXMP", limit=2), tmp_path / "out", access=access)
    network.asked.clear()
    saved = fetch_edgar(FilingQuery("EXMP", limit=3), tmp_path / "out", access=access)
    assert (len(saved.unchanged), len(saved.written)) == (2, 1)
    archives = [path for path in _paths(network) if path.startswith("/Archives")]
    assert archives == ["/Archives/edgar/data/1234567/000123456721000105/exmp-20210925.htm"]
    assert all("if-none-match" in request.headers for request in network.asked if "Archives" not in request.url.path)


def test_what_broke_off_is_taken_up(network: Any, tmp_path: Path) -> None:
    def dying(request: httpx.Request) -> httpx.Response:
        if "000105" in request.url.path:
            raise httpx.ConnectError("the line is dead")
        return edgar(request)

    query = FilingQuery("EXMP", years=(2021, 2023))
    saved = fetch_edgar(query, tmp_path, access=network.access(dying))
    assert len(saved.written) == 2
    assert "the line is dead" in saved.stopped
    again = fetch_edgar(query, tmp_path, access=network.access(edgar))
    assert (len(again.unchanged), len(again.written), again.stopped) == (2, 1, "")


def test_older_filings_and_amendments(network: Any, tmp_path: Path) -> None:
    query = FilingQuery("1234567", years=(1999, 2015), amendments=True)
    saved = fetch_edgar(query, tmp_path, access=network.access(edgar))
    assert saved.written == [
        "EXMP_10-KA_2015-09-26_0001234567-15-000060.htm",
        "EXMP_10-K_2015-09-26_0001234567-15-000050.htm",
        "EXMP_10-K_1999-09-25_0000912057-99-010244.txt",  # from before there were main documents
    ]
    side = load_side(tmp_path / saved.written[0])
    assert (side["document_type"], side["amendment"]) == ("10-K", True)
    assert load_side(tmp_path / saved.written[2])["url"].endswith("/data/1234567/0000912057-99-010244.txt")
    assert "/files/company_tickers.json" not in _paths(network)  # a CIK needs no look-up


def test_older_filings_are_not_looked_up_in_vain(network: Any, tmp_path: Path) -> None:
    fetch_edgar(FilingQuery("EXMP", years=(2021, 2022)), tmp_path, access=network.access(edgar))
    fetch_edgar(FilingQuery("EXMP", limit=1), tmp_path, access=network.access(edgar))
    assert not [path for path in _paths(network) if "submissions-001" in path]


def test_names_that_would_leave_the_folder_are_not_fetched(network: Any, tmp_path: Path) -> None:
    seen: list[str] = []

    def hostile(request: httpx.Request) -> httpx.Response:
        if "/Archives/" in request.url.path:
            seen.append(request.url.path)
            return httpx.Response(200, content=b"<html><body>annual report</body></html>")
        return edgar(request)

    saved = fetch_edgar(FilingQuery("EX.B", ("20-F",)), tmp_path / "out", access=network.access(hostile))
    assert saved.written == ["EX-B_20-F_2023-03-31_0007654321-23-000001.htm"]
    assert len(saved.failed) == 3
    reasons = " ".join(item["reason"] for item in saved.failed)
    assert "年报.htm" in reasons
    assert "../../../etc/passwd" in reasons
    assert "no accession number" in reasons
    assert seen == ["/Archives/edgar/data/7654321/000765432123000001/annual.htm"]
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    side = load_side(tmp_path / "out" / saved.written[0])
    assert side["organisation"] == "华例控股有限公司 Huali Holdings"
    assert "year" not in side  # no last day of the period is known


@pytest.mark.parametrize("contact", ["", "  ", "Jane Doe"])
def test_without_a_contact_nothing_is_asked(network: Any, tmp_path: Path, contact: str) -> None:
    with pytest.raises(SettingsError, match=r"contact.*jane@example\.com"):
        fetch_edgar(FilingQuery("EXMP"), tmp_path, access=network.access(edgar, contact=contact))
    assert not network.asked


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (FilingQuery("EXM"), "no ticker 'EXM'.*EXMP"),
        (FilingQuery("99"), "no company with the CIK 99"),
        (FilingQuery("EXMP", ("S-1",)), r"filed no S-1.*10-K \(5\)"),
        (FilingQuery("EXMP", years=(2016, 2018)), "no 10-K for 2016-2018.*2021 to 2023"),
    ],
)
def test_what_is_not_there_is_told(network: Any, tmp_path: Path, query: FilingQuery, words: str) -> None:
    with pytest.raises(FetchError, match=words):
        fetch_edgar(query, tmp_path, access=network.access(edgar))


@pytest.mark.parametrize(
    "query",
    [
        FilingQuery(" "),
        FilingQuery("EXMP", ()),
        FilingQuery("EXMP", limit=0),
        FilingQuery("EXMP", years=(2022, 2020)),
        FilingQuery("EXMP", years=(22, 23)),
    ],
)
def test_a_query_that_cannot_be(network: Any, tmp_path: Path, query: FilingQuery) -> None:
    with pytest.raises(SettingsError):
        fetch_edgar(query, tmp_path, access=network.access(edgar))
    assert not network.asked


def test_an_index_that_is_broken_is_told(network: Any, tmp_path: Path) -> None:
    whole = json.loads((DATA / "CIK0001234567.json").read_text("utf-8"))
    whole["filings"]["recent"]["form"].pop()

    def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=whole) if "submissions" in request.url.path else edgar(request)

    with pytest.raises(FetchError, match="columns of filings of different length"):
        fetch_edgar(FilingQuery("EXMP"), tmp_path, access=network.access(broken))


def test_a_page_of_refusal_is_no_filing(network: Any, tmp_path: Path) -> None:
    def blocked(request: httpx.Request) -> httpx.Response:
        if "Archives" in request.url.path:
            return httpx.Response(200, text="<html><title>SEC.gov | Request Rate Threshold Exceeded</title></html>")
        return edgar(request)

    with pytest.raises(FetchError, match="asking too often"):
        fetch_edgar(FilingQuery("EXMP"), tmp_path, access=network.access(blocked))
    assert not list(tmp_path.glob("*.htm"))


@pytest.mark.parametrize(
    ("period", "year_end", "form", "year"),
    [
        ("2022-09-24", "0924", "10-K", 2022),  # ends in September
        ("2022-12-31", "0924", "10-Q", 2023),  # and its first quarter belongs to the next
        ("2023-07-01", "0924", "10-Q", 2023),
        ("2022-12-31", "1231", "10-K", 2022),
        ("2023-01-01", "1231", "10-K", 2022),  # 52 weeks, a Sunday in January
        ("2022-04-03", "0101", "10-Q", 2022),
        ("2022-09-30", "0630", "10-Q", 2023),
        ("2023-01-31", "0131", "10-K", None),  # 2022 for some companies, 2023 for others
        ("2022-10-31", "0131", "10-Q", None),
        ("2022-10-27", "0924", "8-K", 2022),
        ("", "0924", "10-K", None),
        ("2022-06-30", "", "10-Q", None),
        ("2022-06-30", "13xx", "10-Q", None),
    ],
)
def test_the_fiscal_year_is_said_only_where_the_calendar_tells(
    period: str, year_end: str, form: str, year: int | None
) -> None:
    assert fiscal_year(period, year_end, form) == year


def test_years_as_they_are_typed() -> None:
    assert years_of("2021-2023") == (2021, 2023)
    assert years_of(" 2022 ") == (2022, 2022)
    for text in ("", "22", "2021-", "2021-2022-2023", "all"):
        with pytest.raises(SettingsError, match="2021-2023"):
            years_of(text)
