"""Filings from the SEC's EDGAR: by ticker or CIK, form and years, with what EDGAR knows of them as metadata.

Follows https://www.sec.gov/search-filings/edgar-application-programming-interfaces: company_tickers.json gives the CIK,
submissions/CIK##########.json the filings (the newest thousand or so, older ones in files it names), and the document
lies under Archives/edgar/data. The SEC's fair-access rule asks for the name and e-mail address of whoever asks, and for
at most ten requests a second. A filing never changes under its accession number, so what is had is not asked for again.
It fetches the main document of a filing, not its exhibits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ingest.connect import Have, Item, Missed, Progress, Saved, save, saved_in
from ingest.connect.access import Access
from ingest.connect.client import Again, Client, NotThere
from ingest.connect.submissions import (
    Company,
    Filing,
    filings_of,
    fiscal_year,
    older_files,
    read_older,
    read_submissions,
    read_tickers,
)
from rag.errors import FetchError, SettingsError
from rag.schema import Scalar

TICKERS: Final = "https://www.sec.gov/files/company_tickers.json"
SUBMISSIONS: Final = "https://data.sec.gov/submissions/"
ARCHIVES: Final = "https://www.sec.gov/Archives/edgar/data"
PER_SECOND: Final = 5.0
MOST_PER_SECOND: Final = 10.0
_ACCESSION: Final = re.compile(r"\d{10}-\d{2}-\d{6}")
_DOCUMENT: Final = re.compile(
    r"(?:[A-Za-z0-9][\w\-]{0,60}/)?[A-Za-z0-9][\w.\-]{0,120}\.(?:html?|txt|pdf|xml)", re.ASCII | re.I
)


@dataclass(frozen=True, slots=True)
class FilingQuery:
    """Which filings.

    Attributes:
        company: a ticker ("AAPL", "BRK.B") or a CIK ("320193", "CIK0000320193").
        forms: forms as EDGAR names them; "10-K" takes 10-K/A along when `amendments` is true.
        years: first and last fiscal year, or of other forms the year of the event; None for all.
        limit: at most so many, the newest first.
        amendments: amended filings too.
    """

    company: str
    forms: tuple[str, ...] = ("10-K",)
    years: tuple[int, int] | None = None
    limit: int | None = None
    amendments: bool = False


def fetch_edgar(query: FilingQuery, out: Path, *, access: Access, progress: Progress | None = None) -> Saved:
    """Write the filings that answer a query into a folder, each with its side file.

    Raises:
        SettingsError: no contact in `access`, a rate above ten a second, or a query that cannot be.
        FetchError: the company or the form is not known, EDGAR cannot be reached, or it refuses.
    """
    with Edgar(access) as edgar:
        return save(edgar.fetch(query, saved_in(out)), out, progress=progress)


def years_of(text: str) -> tuple[int, int]:
    """Return the first and last of "2021-2023", or twice the one of "2022".

    Raises:
        SettingsError: it is neither.
    """
    found = re.fullmatch(r"\s*(\d{4})(?:\s*[-–:]\s*(\d{4}))?\s*", text)
    if found is None:
        raise SettingsError(f"years are given as 2022 or 2021-2023, got {text!r}.")
    return int(found[1]), int(found[2] or found[1])


class Edgar:
    """EDGAR as a connector. Close it when done (`with` does).

    Raises:
        SettingsError: no contact, or a rate the SEC does not allow.
    """

    def __init__(self, access: Access) -> None:
        rate = PER_SECOND if access.per_second is None else access.per_second
        if not access.contact.strip():
            raise SettingsError(
                "EDGAR is asked only with a contact: the SEC's fair-access rule wants to know who asks, and blocks "
                "those who do not say. Give a name and an e-mail address, such as 'Jane Doe jane@example.com'."
            )
        if rate > MOST_PER_SECOND:
            raise SettingsError(f"The SEC allows at most {MOST_PER_SECOND:g} requests a second, got {rate:g}.")
        self._client = Client(access, per_second=rate, home="sec.gov")

    def __enter__(self) -> Edgar:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def fetch(self, query: FilingQuery, have: Have) -> Iterator[Item | Missed]:
        """Yield the filings of a query, the newest first.

        Raises:
            SettingsError: the query cannot be.
            FetchError: no such company, no such filing, or EDGAR cannot be reached.
        """
        _check(query)
        query = replace(query, forms=tuple(form.strip().upper() for form in query.forms))
        cik = self._cik(query.company)
        company, filings = self._filings(cik, query)
        chosen = [filing for filing in filings if _wanted(filing, company, query)]
        chosen.sort(key=lambda filing: (filing.filed, filing.accession), reverse=True)
        if not chosen:
            raise FetchError(_nothing(company, filings, query))
        for filing in chosen[: query.limit]:
            yield self._item(company, filing, have)

    def _cik(self, company: str) -> int:
        """Return the number EDGAR knows a company by."""
        number = re.fullmatch(r"(?:CIK)?0*(\d{1,10})", company.strip(), re.IGNORECASE)
        if number:
            return int(number[1])
        table = self._client.get(TICKERS, read=read_tickers, keep=True)
        ticker = re.sub(r"[./ ]", "-", company.strip().upper())  # EDGAR writes BRK-B
        if ticker in table:
            return table[ticker]
        near = [known for known in sorted(table) if known.startswith(ticker[:3])][:5]
        raise FetchError(
            f"EDGAR knows no ticker {company!r}. "
            + (f"It knows {', '.join(near)}. " if near else "")
            + "Check it, or give the CIK (a number, found at https://www.sec.gov/edgar/searchedgar/companysearch)."
        )

    def _filings(self, cik: int, query: FilingQuery) -> tuple[Company, list[Filing]]:
        """Return the company and its filings; files of older ones are read only where years or limit ask for them."""
        try:
            whole = self._client.get(f"{SUBMISSIONS}CIK{cik:010d}.json", read=read_submissions, keep=True)
        except NotThere as error:
            raise FetchError(f"EDGAR knows no company with the CIK {cik}. Check the number.") from error
        tickers = [str(ticker) for ticker in whole.get("tickers") or []]
        asked = re.sub(r"[./ ]", "-", query.company.strip().upper())
        ticker = asked if asked in tickers else tickers[0] if tickers else ""
        company = Company(cik, ticker, str(whole.get("name") or ""), str(whole.get("fiscalYearEnd") or ""))
        filings = filings_of(whole["filings"]["recent"])
        for part in older_files(whole["filings"].get("files")):
            found = sum(_wanted(filing, company, query) for filing in filings)
            if query.limit is not None and found >= query.limit:
                break
            if query.years is not None and int(part["filingTo"][:4]) < query.years[0]:
                continue
            filings += self._client.get(SUBMISSIONS + part["name"], read=read_older, keep=True)
        return company, list({filing.accession: filing for filing in filings}.values())

    def _item(self, company: Company, filing: Filing, have: Have) -> Item | Missed:
        who = company.ticker or f"CIK{company.cik}"
        label = f"{who} {filing.form} {filing.period or filing.filed} ({filing.accession})"
        if not _ACCESSION.fullmatch(filing.accession):
            return Missed(label, f"{filing.accession[:40]!r} is no accession number; not fetched.")
        if filing.document and not _DOCUMENT.fullmatch(filing.document):
            return Missed(
                label, f"its document is called {filing.document[:80]!r}, which is no file that is read; not fetched."
            )
        suffix = filing.document.rpartition(".")[2].lower() or "txt"
        name = f"{who}_{filing.form.replace('/', '')}_{filing.period or filing.filed}_{filing.accession}.{suffix}"
        if have(name):
            return Item(name, None)
        # without a main document (before 2001) there is only the whole submission, in one text file
        place = (
            f"{filing.accession.replace('-', '')}/{filing.document}" if filing.document else f"{filing.accession}.txt"
        )
        url = f"{ARCHIVES}/{company.cik}/{place}"
        try:
            content = self._client.get(url, read=_document)
        except NotThere as error:
            return Missed(label, str(error))
        return Item(name, content, _metadata(company, filing, url))


def _check(query: FilingQuery) -> None:
    if not query.company.strip():
        raise SettingsError("A ticker or CIK is needed, such as AAPL or 320193.")
    if not query.forms or not all(form.strip() for form in query.forms):
        raise SettingsError("A form is needed, such as 10-K, 10-Q or 8-K.")
    if query.limit is not None and query.limit < 1:
        raise SettingsError(f"limit must be at least 1, got {query.limit}.")
    if query.years is not None and not 1993 <= query.years[0] <= query.years[1] <= 2100:
        raise SettingsError(f"years go from 1993 (the first on EDGAR) upwards, got {query.years[0]}-{query.years[1]}.")


def _wanted(filing: Filing, company: Company, query: FilingQuery) -> bool:
    amended = query.amendments and filing.form != filing.base_form
    if filing.form not in query.forms and not (amended and filing.base_form in query.forms):
        return False
    if query.years is None:
        return True
    year = fiscal_year(filing.period, company.year_end, filing.base_form)
    year = int((filing.period or filing.filed)[:4]) if year is None else year
    return query.years[0] <= year <= query.years[1]


def _nothing(company: Company, filings: list[Filing], query: FilingQuery) -> str:
    asked, who = ", ".join(query.forms), company.name or f"CIK {company.cik}"
    of_form = sorted({(filing.period or filing.filed)[:4] for filing in filings if filing.form in query.forms})
    if of_form and query.years:
        years = f"{query.years[0]}-{query.years[1]}"
        return f"{who} has no {asked} for {years} on EDGAR; it has some for {of_form[0]} to {of_form[-1]}."
    usual = ", ".join(f"{form} ({count})" for form, count in Counter(filing.form for filing in filings).most_common(8))
    return f"{who} has filed no {asked}. It has filed {usual or 'nothing'}. Choose among these forms."


def _metadata(company: Company, filing: Filing, url: str) -> dict[str, Scalar]:
    kind, year = filing.base_form, fiscal_year(filing.period, company.year_end, filing.base_form)
    annual = kind.startswith("10-K") or kind in ("20-F", "40-F")
    when = year or filing.period or filing.filed
    return {
        "title": f"{company.name} {filing.form} {when}".strip(),
        "organisation": company.name,
        "ticker": company.ticker,
        "cik": f"{company.cik:010d}",
        "document_type": kind,
        "amendment": True if filing.form != kind else None,
        "year": year,
        "fiscal_period": "FY" if annual and not filing.form.startswith("10-KT") else None,
        "period_end": filing.period,
        "published": filing.filed,
        "accession": filing.accession,
        "url": url,
        "publisher": "U.S. Securities and Exchange Commission, EDGAR",
    }


def _document(content: bytes) -> bytes:
    """Return a filing; a page that says so in place of it is none."""
    head = content[:3_000].lower()
    if b"request rate threshold exceeded" in head:
        raise Again("blocked for asking too often", 600.0)
    if b"undeclared automated tool" in head:
        raise FetchError("EDGAR does not accept the contact. Give a real name and e-mail address.")
    if not content.strip():
        raise ValueError("it is empty")
    return content
