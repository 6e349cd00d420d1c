"""Articles of an invented journal, from recorded answers of the E-utilities."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.connect.articles import is_commercial, licence_of, read_set, record_metadata
from ingest.connect.pubmed import ArticleQuery, PubMed, fetch_pubmed
from ingest.sidecar import load_side, side_of
from rag.errors import FetchError, SettingsError

DATA = Path(__file__).parent / "data" / "pubmed"
RECORD = (
    "<PubmedArticle><MedlineCitation><PMID>{0}</PMID><Article><ArticleTitle>Article {0}</ArticleTitle>"
    "</Article></MedlineCitation></PubmedArticle>"
)


def pubmed(request: httpx.Request) -> httpx.Response:
    """Answer as the E-utilities do."""
    assert request.url.host == "eutils.ncbi.nlm.nih.gov"
    asked = request.url.params
    assert asked["tool"] == "consilium"
    if request.url.path.endswith("esearch.fcgi"):
        return httpx.Response(200, content=(DATA / "esearch.json").read_bytes())
    kept = {"pubmed": "efetch_pubmed.xml", "pmc": "efetch_pmc.xml"}[asked["db"]]
    return httpx.Response(200, content=(DATA / kept).read_bytes())


def _asked(network: Any) -> list[tuple[str, str]]:
    return [(request.url.path.rpartition("/")[2], request.url.params["db"]) for request in network.asked]


def test_records_with_what_is_known_of_them(network: Any, tmp_path: Path) -> None:
    saved = fetch_pubmed(ArticleQuery("hypertension"), tmp_path, access=network.access(pubmed))
    assert saved.written == ["PMID10000001.xml", "PMID10000002.xml", "PMID10000003.xml"]
    assert [item["name"] for item in saved.failed] == ["PMID10000004"]  # a book
    assert _asked(network) == [("esearch.fcgi", "pubmed"), ("efetch.fcgi", "pubmed")]
    assert network.asked[0].url.params["term"] == "hypertension"
    assert network.asked[0].url.params["email"] == "jane@example.com"
    side = load_side(tmp_path / "PMID10000001.xml")
    assert side.pop("fetched")["sha256"]
    assert side == {
        "title": "Effect of examplamide on blood pressure & weight: a randomised trial.",
        "journal": "Journal of Invented Medicine",
        "document_type": "randomized controlled trial",
        "authors": "Muster E; Müller AB; EXAMPLE Trial Group",
        "published": "2022-12-05",
        "year": 2023,
        "pmid": "10000001",
        "pmcid": "PMC9000001",  # its own, not that of an article it cites
        "doi": "10.9999/jim.1",
        "copyright": "© 2023 The Authors.",
        "url": "https://pubmed.ncbi.nlm.nih.gov/10000001/",
        "publisher": "National Library of Medicine, PubMed",
    }
    root = ET.parse(tmp_path / "PMID10000001.xml").getroot()
    assert root.tag == "PubmedArticleSet"
    assert [part.tag for part in root] == ["PubmedArticle"]
    assert "Systolic pressure fell by 9 mm Hg (p<0.01)." in "".join(root.itertext())


def test_chinese_titles_are_kept(network: Any, tmp_path: Path) -> None:
    fetch_pubmed(ArticleQuery("高血压"), tmp_path, access=network.access(pubmed))
    side = load_side(tmp_path / "PMID10000002.xml")
    assert side["vernacular_title"] == "虚构的高血压专家共识（2019年版）。"
    assert side["title"] == "Invented consensus on hypertension."  # without the brackets of a translated title
    assert (side["original_language"], side["document_type"], side["published"]) == ("chi", "guideline", "2019-11")
    assert "虚构的高血压专家共识（2019年版）" in side_of(tmp_path / "PMID10000002.xml").read_text("utf-8")
    assert "虚构的高血压专家共识（2019年版）" in (tmp_path / "PMID10000002.xml").read_text("utf-8")


def test_a_retraction_is_told(network: Any, tmp_path: Path) -> None:
    fetch_pubmed(ArticleQuery("examplamide"), tmp_path, access=network.access(pubmed))
    side = load_side(tmp_path / "PMID10000003.xml")
    assert side["retracted"] is True
    assert side["retraction"] == "J Inv Med. 2012 Mar;3(1):9 (PMID 10000999)"
    assert side["concern"] is True
    assert "retracted" not in load_side(tmp_path / "PMID10000001.xml")


def test_full_text_where_its_licence_allows(network: Any, tmp_path: Path) -> None:
    saved = fetch_pubmed(ArticleQuery("hypertension", full_text=True), tmp_path, access=network.access(pubmed))
    assert saved.written == ["PMID10000001_full.xml", "PMID10000002.xml", "PMID10000003.xml"]
    assert network.asked[2].url.params["id"] == "9000001,9000003"
    side = load_side(tmp_path / "PMID10000001_full.xml")
    assert side["licence"] == "CC BY-NC-ND 4.0"
    assert side["url"] == "https://pmc.ncbi.nlm.nih.gov/articles/PMC9000001/"
    assert load_side(tmp_path / "PMID10000002.xml")["full_text"] == "not in PubMed Central"
    withheld = load_side(tmp_path / "PMID10000003.xml")
    assert withheld["full_text"] == "withheld by the publisher"
    assert withheld["retracted"] is True
    written = (tmp_path / "PMID10000001_full.xml").read_text("utf-8")
    assert ET.fromstring(written).tag == "article"
    assert 'xmlns:mml="http://www.w3.org/1998/Math/MathML"' in written
    assert "Pressure fell by 9 mm Hg" in written


def test_full_text_for_commercial_use(network: Any, tmp_path: Path) -> None:
    access = network.access(pubmed)
    fetch_pubmed(ArticleQuery("x", full_text=True, commercial=True), tmp_path, access=access)
    assert load_side(tmp_path / "PMID10000001.xml")["full_text"] == "its licence does not allow commercial use"
    saved = fetch_pubmed(ArticleQuery("x", full_text=True), tmp_path, access=access)  # now for one's own use
    assert saved.written == ["PMID10000001_full.xml"]
    assert not (tmp_path / "PMID10000001.xml").exists()  # the abstract has been replaced
    again = fetch_pubmed(ArticleQuery("x", full_text=True, commercial=True), tmp_path, access=access)
    assert "PMID10000001.xml" in again.written  # the other text may not be used here


def test_nothing_is_fetched_twice_within_a_week(network: Any, tmp_path: Path) -> None:
    access = network.access(pubmed)
    fetch_pubmed(ArticleQuery("x", full_text=True), tmp_path, access=access)
    network.asked.clear()
    (tmp_path / "PMID10000003.xml").write_bytes(b"<cut")
    saved = fetch_pubmed(ArticleQuery("x", full_text=True), tmp_path, access=access)
    assert saved.unchanged == ["PMID10000001_full.xml", "PMID10000002.xml"]
    assert saved.written == ["PMID10000003.xml"]
    assert network.asked[1].url.params["id"] == "10000003,10000004"
    network.asked.clear()
    fetch_pubmed(ArticleQuery("x"), tmp_path, access=access, fresh_days=-1)  # a retraction may have come
    assert network.asked[1].url.params["id"] == "10000001,10000002,10000003,10000004"


def test_pages_and_batches(network: Any, tmp_path: Path) -> None:
    everything = [str(20_000_000 + number) for number in range(2_345)]

    def paged(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        if request.url.path.endswith("esearch.fcgi"):
            start = int(asked["retstart"])
            page = everything[start : start + int(asked["retmax"])]
            return httpx.Response(200, json={"esearchresult": {"count": str(len(everything)), "idlist": page}})
        records = "".join(RECORD.format(pmid) for pmid in asked["id"].split(","))
        return httpx.Response(200, text=f"<PubmedArticleSet>{records}</PubmedArticleSet>")

    with PubMed(network.access(paged)) as source:
        items = list(source.fetch(ArticleQuery("x", limit=2_150), lambda name: None))
    assert [item.name for item in items] == [f"PMID{pmid}.xml" for pmid in everything[:2_150]]
    searches = [dict(request.url.params) for request in network.asked if "esearch" in request.url.path]
    assert [(page["retstart"], page["retmax"]) for page in searches] == [
        ("0", "1000"),
        ("1000", "1000"),
        ("2000", "150"),
    ]
    fetches = [request.url.params["id"].count(",") + 1 for request in network.asked if "efetch" in request.url.path]
    assert fetches == [100] * 21 + [50]
    gaps = [later - earlier for earlier, later in zip(network.starts, network.starts[1:], strict=False)]
    assert min(gaps) >= 1 / 3 - 1e-9


def test_the_rate_follows_the_key(network: Any) -> None:
    with pytest.raises(SettingsError, match="3 requests a second, 10 with a key, got 9"):
        PubMed(network.access(pubmed, per_second=9))
    with PubMed(network.access(pubmed, api_key="abcdef0123456789")) as source:
        items = list(source.fetch(ArticleQuery("x", full_text=True), lambda name: None))
    assert len(items) == 4
    assert network.starts[2] == pytest.approx(0.2)
    with pytest.raises(SettingsError) as caught:
        PubMed(network.access(pubmed, api_key="secret key\n"))
    assert "secret" not in str(caught.value)


def test_without_an_address_it_asks_all_the_same(network: Any, tmp_path: Path) -> None:
    fetch_pubmed(ArticleQuery("x"), tmp_path, access=network.access(pubmed, contact=""))
    assert "email" not in network.asked[0].url.params


def test_nothing_found_is_told_with_what_was_understood(network: Any, tmp_path: Path) -> None:
    def nothing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=(DATA / "esearch_nothing.json").read_bytes())

    with pytest.raises(FetchError, match=r"'hypertensoin'.*hypertensoin\[All Fields\].*does not know hypertensoin"):
        fetch_pubmed(ArticleQuery("hypertensoin"), tmp_path, access=network.access(nothing))


def test_asked_too_often_is_waited_out_whatever_it_looks_like(network: Any, tmp_path: Path) -> None:
    said = {"error": "API rate limit exceeded", "api-key": "203.0.113.7", "count": "4", "limit": "3"}
    answers = [
        httpx.Response(429, json=said, headers={"Retry-After": "2"}),
        httpx.Response(200, json=said),
        pubmed,
        httpx.Response(200, json=said),
        pubmed,
    ]

    def busy(request: httpx.Request) -> httpx.Response:
        found = answers.pop(0)
        return found(request) if callable(found) else found

    saved = fetch_pubmed(ArticleQuery("x"), tmp_path, access=network.access(busy))
    assert len(saved.written) == 3
    assert network.slept[0] == 2.0
    assert not answers


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<PubmedArticleSet><PubmedArticle>", "broken XML"),
        (b"<eFetchResult><ERROR>Cannot retrieve history data</ERROR></eFetchResult>", "Cannot retrieve history data"),
        (b"<html><body>502</body></html>", "<PubmedArticleSet> was expected, <html> came"),
        (b"", "broken XML"),
    ],
)
def test_broken_records_are_told(network: Any, tmp_path: Path, content: bytes, words: str) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content) if "efetch" in request.url.path else pubmed(request)

    with pytest.raises(FetchError, match=words) as caught:
        fetch_pubmed(ArticleQuery("x"), tmp_path, access=network.access(broken, api_key="abcdef0123456789"))
    assert "abcdef" not in str(caught.value)
    assert "jane@" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"esearchresult": {"ERROR": "Search Backend failed"}}', b'{"esearchresult": {}}']
)
def test_a_broken_search_is_told(network: Any, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FetchError, match="answer is broken"):
        fetch_pubmed(
            ArticleQuery("x"), tmp_path, access=network.access(lambda request: httpx.Response(200, content=content))
        )


def test_ids_that_are_none_are_left_out(network: Any, tmp_path: Path) -> None:
    found = json.loads((DATA / "esearch.json").read_text("utf-8"))
    found["esearchresult"]["idlist"] = ["../../etc/passwd", "10000001&db=nuccore", "10000001"]

    def hostile(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=found) if "esearch" in request.url.path else pubmed(request)

    assert fetch_pubmed(ArticleQuery("x"), tmp_path, access=network.access(hostile)).written == ["PMID10000001.xml"]


@pytest.mark.parametrize("query", [ArticleQuery(" "), ArticleQuery("x", limit=0), ArticleQuery("x", limit=10_000)])
def test_a_query_that_cannot_be(network: Any, tmp_path: Path, query: ArticleQuery) -> None:
    with pytest.raises(SettingsError):
        fetch_pubmed(query, tmp_path, access=network.access(pubmed))
    assert not network.asked


@pytest.mark.parametrize(
    ("permissions", "licence", "commercial"),
    [
        (
            '<license xmlns:x="http://www.w3.org/1999/xlink" x:href="http://creativecommons.org/licenses/by/4.0/"/>',
            "CC BY 4.0",
            True,
        ),
        (
            "<license><license-p>see https://creativecommons.org/licenses/by-nc-sa/3.0/</license-p></license>",
            "CC BY-NC-SA 3.0",
            False,
        ),
        ("<license><license-p>https://creativecommons.org/publicdomain/zero/1.0/</license-p></license>", "CC0", True),
        ('<license license-type="CC BY-NC 4.0"/>', "CC BY-NC 4.0", False),
        (
            "<license><license-p>Creative Commons Attribution Non-Commercial No-Derivs licence</license-p></license>",
            "CC BY-NC-ND",
            False,
        ),
        ("<license><license-p>Creative Commons Attribution License</license-p></license>", "CC BY", True),
        ("<license><license-p>a work in the public domain in the USA</license-p></license>", "public domain", True),
        ("<copyright-statement>© 2020 Publisher. All rights reserved.</copyright-statement>", "", False),
        ("", "", False),
    ],
)
def test_licences(permissions: str, licence: str, commercial: bool) -> None:
    article = ET.fromstring(
        f"<article><front><article-meta><permissions>{permissions}</permissions></article-meta></front></article>"
    )
    assert licence_of(article) == licence
    assert is_commercial(licence_of(article)) is commercial


@pytest.mark.parametrize(
    ("day", "iso"),
    [
        ("<Year>2021</Year><Month>Mar</Month><Day>4</Day>", "2021-03-04"),
        ("<Year>2021</Year><Month>11</Month>", "2021-11"),
        ("<Year>2021</Year>", "2021"),
        ("<Year>2021</Year><Season>Spring</Season>", "2021"),
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", "1998-12"),
        ("<MedlineDate>Winter</MedlineDate>", None),
    ],
)
def test_days_as_far_as_they_are_printed(day: str, iso: str | None) -> None:
    record = ET.fromstring(
        "<PubmedArticle><MedlineCitation><PMID>1</PMID><Article><Journal><JournalIssue>"
        f"<PubDate>{day}</PubDate></JournalIssue></Journal></Article></MedlineCitation></PubmedArticle>"
    )
    assert (record_metadata(record)["published"] or None) == iso


def test_entities_fetch_nothing_and_explode_nowhere() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx">' + b"".join(
        b'<!ENTITY %c "%s">' % (99 + depth, b"&%c;" % (98 + depth) * 10) for depth in range(9)
    )
    with pytest.raises(ValueError, match="XML"):
        read_set(bomb + b"]><PubmedArticleSet>&k;</PubmedArticleSet>", "PubmedArticleSet")
    outside = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><PubmedArticleSet><PubmedArticle>&b;</PubmedArticle></PubmedArticleSet>'
    with pytest.raises(ValueError, match="XML"):
        read_set(outside, "PubmedArticleSet")
