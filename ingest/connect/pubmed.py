"""Articles from PubMed by query, and their full text from PMC where its licence allows.

Follows the E-utilities (https://www.ncbi.nlm.nih.gov/books/NBK25499/): `esearch` gives the PMIDs, `efetch` the records,
and the full text as JATS XML. NCBI asks for a tool name and an e-mail address, for at most 3 requests a second (10 with
a key), and for large jobs to run at night or at weekends, American time. Records are asked for by number, so that a
fetch that was cut short asks only for what is missing. The licence is read from the article itself: the service that
told it (oa.fcgi) ended in 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from xml.etree.ElementTree import Element

from ingest.connect import Have, Item, Missed, Progress, Saved, save, saved_in
from ingest.connect.access import Access, mail_of
from ingest.connect.articles import (
    article_ids,
    has_text,
    is_commercial,
    licence_of,
    pmid_of,
    read_set,
    record_metadata,
    written,
)
from ingest.connect.client import Again, Client
from rag.errors import FetchError, SettingsError
from rag.schema import Scalar

EUTILS: Final = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/"
PER_SECOND: Final = 3.0
PER_SECOND_WITH_KEY: Final = 10.0
MOST_ARTICLES: Final = 9_999
"""What PubMed gives of one query."""
PAGE: Final = 1_000
RECORDS: Final = 100
"""Asked for at once."""
TEXTS: Final = 10
FRESH_DAYS: Final = 7
"""A record fetched longer ago is fetched again: it may have been corrected or retracted since."""
_FOR_SALE: Final = "its licence does not allow commercial use"


@dataclass(frozen=True, slots=True)
class ArticleQuery:
    """Which articles.

    Attributes:
        query: as typed into PubMed ("hypertension[mesh] AND 2021:2023[dp]").
        limit: at most so many, 1 to 9,999.
        sort: "relevance" or "date", the newest first.
        full_text: the full text instead of the record, where PMC has it under an open licence.
        commercial: only full texts whose licence allows commercial use.
    """

    query: str
    limit: int = 50
    sort: Literal["relevance", "date"] = "relevance"
    full_text: bool = False
    commercial: bool = False


def fetch_pubmed(
    query: ArticleQuery, out: Path, *, access: Access, fresh_days: int = FRESH_DAYS, progress: Progress | None = None
) -> Saved:
    """Write the articles that answer a query into a folder, each with its side file.

    Raises:
        SettingsError: the query cannot be, or the rate is above what NCBI allows.
        FetchError: nothing answers the query, or PubMed cannot be reached or refuses.
    """
    with PubMed(access) as pubmed:
        have = saved_in(out, max_age=timedelta(days=fresh_days))
        return save(pubmed.fetch(query, have), out, progress=progress)


class PubMed:
    """PubMed as a connector. Close it when done (`with` does).

    Raises:
        SettingsError: a rate NCBI does not allow, or a key that is none.
    """

    def __init__(self, access: Access) -> None:
        most = PER_SECOND_WITH_KEY if access.api_key else PER_SECOND
        rate = most if access.per_second is None else access.per_second
        if rate > most:
            raise SettingsError(
                f"NCBI allows {PER_SECOND:g} requests a second, {PER_SECOND_WITH_KEY:g} with a key, got {rate:g}."
            )
        if access.api_key and not re.fullmatch(r"[0-9A-Za-z]{8,64}", access.api_key):
            raise SettingsError("The NCBI key holds characters that no key has. Copy it again from your NCBI account.")
        self._who: dict[str, str | int] = {"tool": "consilium"}
        if access.contact:
            self._who["email"] = mail_of(access.contact)
        if access.api_key:
            self._who["api_key"] = access.api_key
        self._client = Client(access, per_second=rate, home="nih.gov")

    def __enter__(self) -> PubMed:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def fetch(self, query: ArticleQuery, have: Have) -> Iterator[Item | Missed]:
        """Yield the articles of a query in the order PubMed gives them, batch by batch.

        Raises:
            SettingsError: the query cannot be.
            FetchError: nothing answers it, or PubMed cannot be reached.
        """
        if not query.query.strip():
            raise SettingsError("A query is needed, such as 'hypertension[mesh] AND 2021:2023[dp]'.")
        if not 1 <= query.limit <= MOST_ARTICLES:
            raise SettingsError(
                f"limit goes from 1 to {MOST_ARTICLES:,} (what PubMed gives of one query), got {query.limit}."
            )
        pmids = self._search(query)
        for start in range(0, len(pmids), RECORDS):
            batch = pmids[start : start + RECORDS]
            there = {pmid: name for pmid in batch if (name := _had(pmid, query, have))}
            fresh = self._batch([pmid for pmid in batch if pmid not in there], query)
            for pmid in batch:
                yield Item(there[pmid], None) if pmid in there else fresh[pmid]

    def _search(self, query: ArticleQuery) -> list[str]:
        pmids: dict[str, None] = {}
        while len(pmids) < query.limit:
            asked: dict[str, str | int] = {
                "db": "pubmed",
                "term": query.query,
                "retmode": "json",
                "sort": "pub_date" if query.sort == "date" else "relevance",
                "retstart": len(pmids),
                "retmax": min(PAGE, query.limit - len(pmids)),
            }
            found = self._client.get(EUTILS + "esearch.fcgi", {**asked, **self._who}, read=_search_result)
            page = [pmid for pmid in found["idlist"] if pmid not in pmids]
            if not pmids and not page:
                raise FetchError(_nothing(query.query, found))
            pmids |= dict.fromkeys(page)
            if not page or len(pmids) >= int(found["count"]):
                break
        return list(pmids)[: query.limit]

    def _batch(self, pmids: Sequence[str], query: ArticleQuery) -> dict[str, Item | Missed]:
        """Return an item for each PMID; one that PubMed does not give is missed."""
        if not pmids:
            return {}
        asked = {"db": "pubmed", "retmode": "xml", "id": ",".join(pmids), **self._who}
        records = self._client.get(EUTILS + "efetch.fcgi", asked, read=_records)
        texts = self._texts(records, pmids) if query.full_text else {}
        items: dict[str, Item | Missed] = {}
        for pmid in pmids:
            record = records.get(pmid)
            if record is None:
                items[pmid] = Missed(f"PMID{pmid}", "PubMed gives no journal article for it (a book, or withdrawn).")
            else:
                items[pmid] = _item(record, texts, query)
        return items

    def _texts(self, records: Mapping[str, Element], pmids: Sequence[str]) -> dict[str, Element]:
        """Return the articles PMC has of these records, by PMCID."""
        wanted = [str(record_metadata(records[pmid]).get("pmcid") or "") for pmid in pmids if pmid in records]
        pmcids = [pmcid for pmcid in wanted if re.fullmatch(r"PMC\d{1,10}", pmcid)]
        found: dict[str, Element] = {}
        for start in range(0, len(pmcids), TEXTS):
            batch = pmcids[start : start + TEXTS]
            numbers = ",".join(pmcid.removeprefix("PMC") for pmcid in batch)
            asked = {"db": "pmc", "retmode": "xml", "id": numbers, **self._who}
            for article in self._client.get(EUTILS + "efetch.fcgi", asked, read=_articles):
                found |= {name: article for name in article_ids(article) if name in batch}
        return found


def _had(pmid: str, query: ArticleQuery, have: Have) -> str:
    """Return the name of the file that holds what is asked for of an article, "" where there is none."""
    full, short = _names(pmid)
    side = have(full)
    if side is not None and (not query.commercial or is_commercial(str(side.get("licence", "")))):
        return full
    side = have(short)
    if side is None:
        return ""
    why = str(side.get("full_text") or "")
    tried = bool(why) and (query.commercial or why != _FOR_SALE)
    return short if tried or not query.full_text else ""


def _names(pmid: str) -> tuple[str, str]:
    return f"PMID{pmid}_full.xml", f"PMID{pmid}.xml"


def _item(record: Element, texts: Mapping[str, Element], query: ArticleQuery) -> Item:
    """Return the full text of an article where it may be had, else its record."""
    told = record_metadata(record)
    full, short = _names(str(told["pmid"]))
    if not query.full_text:
        return Item(short, written(record, "PubmedArticleSet"), told)
    pmcid = str(told.get("pmcid") or "")
    article = texts.get(pmcid)
    licence = licence_of(article) if article is not None else ""
    why = _withheld(article, licence, query)
    if article is None or why:
        return Item(short, written(record, "PubmedArticleSet"), {**told, "full_text": why})
    more: dict[str, Scalar] = {
        "url": f"https://pmc.ncbi.nlm.nih.gov/articles/{pmcid}/",
        "licence": licence,
        "publisher": "National Library of Medicine, PubMed Central",
    }
    return Item(full, written(article), {**told, **more}, replaces=short)


def _withheld(article: Element | None, licence: str, query: ArticleQuery) -> str:
    """Return why an article's full text is not written, "" where it is."""
    if article is None:
        return "not in PubMed Central"
    if not has_text(article):
        return "withheld by the publisher"
    if not licence:
        return "no open licence"
    return _FOR_SALE if query.commercial and not is_commercial(licence) else ""


def _search_result(content: bytes) -> dict[str, Any]:
    """Return the result of a search.

    Raises:
        Again: asked too often, which NCBI also says in place of a result.
        ValueError: it is broken, or an error.
    """
    whole = json.loads(content, strict=False)
    if isinstance(whole, dict) and "error" in whole:
        raise Again(str(whole["error"])[:200])
    found = whole.get("esearchresult") if isinstance(whole, dict) else None
    if not isinstance(found, dict):
        raise ValueError("no result of a search in it")
    if "ERROR" in found:
        raise ValueError(str(found["ERROR"])[:200])
    if not isinstance(found.get("idlist"), list) or not str(found.get("count", "")).isdigit():
        raise ValueError("no list of articles in it")
    found["idlist"] = [str(pmid) for pmid in found["idlist"] if re.fullmatch(r"[1-9]\d{0,9}", str(pmid))]
    return found


def _nothing(query: str, found: Mapping[str, Any]) -> str:
    errors = found.get("errorlist") if isinstance(found.get("errorlist"), dict) else {}
    unknown = [str(part) for key in ("phrasesnotfound", "fieldsnotfound") for part in (errors or {}).get(key) or []]
    understood = str(found.get("querytranslation") or "")
    return " ".join(
        filter(
            None,
            (
                f"PubMed holds nothing for {query!r}.",
                f"It read that as {understood}." if understood else "",
                f"It does not know {', '.join(unknown)}." if unknown else "",
                "Use fewer or other words.",
            ),
        )
    )


def _records(content: bytes) -> dict[str, Element]:
    return {pmid_of(part): part for part in read_set(content, "PubmedArticleSet") if part.tag == "PubmedArticle"}


def _articles(content: bytes) -> list[Element]:
    return [part for part in read_set(content, "pmc-articleset") if part.tag == "article"]
