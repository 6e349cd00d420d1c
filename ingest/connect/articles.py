"""Records of PubMed and articles of PMC as NCBI sends them: their metadata, their licence, whether they were retracted.

Elements by https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html and https://jats.nlm.nih.gov. It does not
read the text of an article: `ingest.parsers` does.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final
from xml.etree.ElementTree import Element

from rag.schema import Scalar

COMMERCIAL: Final = ("CC0", "CC BY", "CC BY-SA", "CC BY-ND", "public domain")
"""Licences, without their version, that allow commercial use."""
MOST_AUTHORS: Final = 20
_SPACES: Final = {
    "xlink": "http://www.w3.org/1999/xlink",
    "mml": "http://www.w3.org/1998/Math/MathML",
    "ali": "http://www.niso.org/schemas/ali/1.0/",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_MONTHS: Final = {
    name: f"{number:02d}"
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_KINDS: Final = (  # publication types of PubMed, the most telling first
    ("Retraction of Publication", "retraction notice"),
    ("Retraction Notice", "retraction notice"),
    ("Practice Guideline", "guideline"),
    ("Guideline", "guideline"),
    ("Meta-Analysis", "meta-analysis"),
    ("Systematic Review", "systematic review"),
    ("Randomized Controlled Trial", "randomized controlled trial"),
    ("Clinical Trial", "clinical trial"),
    ("Observational Study", "observational study"),
    ("Review", "review"),
    ("Case Reports", "case report"),
    ("Editorial", "editorial"),
    ("Letter", "letter"),
    ("Comment", "comment"),
    ("Preprint", "preprint"),
    ("Journal Article", "journal article"),
)
_CC: Final = re.compile(
    r"creativecommons\.org/(?:licen[sc]es/(?P<kind>by(?:-nc)?(?:-nd|-sa)?)(?:/(?P<version>\d\.\d))?|publicdomain/(?P<free>zero|mark))",
    re.IGNORECASE,
)
_CC_SHORT: Final = re.compile(
    r"\bCC[- ]?(?P<kind>BY(?:-?NC)?(?:-?(?:ND|SA))?|0|ZERO)\b(?:[- ](?P<version>\d\.\d))?", re.IGNORECASE
)
_CC_WORDS: Final = re.compile(
    r"creative commons attribution(?P<nc>[- ]non-?commercial)?(?P<more>[- ](?:no[- ]?deriv\w*|share[- ]?alike))?",
    re.IGNORECASE,
)
_PUBLIC: Final = re.compile(r"\bin the public domain\b|\bpublic domain (?:dedication|mark)\b", re.IGNORECASE)

for _prefix, _space in _SPACES.items():
    ET.register_namespace(_prefix, _space)


def read_set(content: bytes, root: str) -> list[Element]:
    """Return the members of a set of records or articles.

    Raises:
        ValueError: broken XML, another root than `root`, or the message of an error.
    """
    try:
        whole = ET.fromstring(content)  # expat expands no bombs (from 2.4.1) and fetches nothing
    except ET.ParseError as error:
        raise ValueError(f"broken XML: {error}") from error
    if whole.tag != root:
        said = next((words_of(part) for part in whole.iter() if part.tag.lower() == "error"), "")
        raise ValueError(f"<{root}> was expected, <{whole.tag[:40]}> came{': ' if said else ''}{said[:200]}")
    return list(whole)


def written(element: Element, inside: str = "") -> bytes:
    """Return an element as a file of its own, within a root element if one is named."""
    element.tail = None
    if inside:
        root = ET.Element(inside)
        root.append(element)
        element = root
    return bytes(ET.tostring(element, encoding="utf-8", xml_declaration=True))


def words_of(element: Element | None) -> str:
    """Return the text of an element with all that is inside it, in one line."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def pmid_of(record: Element) -> str:
    """Return the PMID of a PubmedArticle, "" where it has none."""
    return words_of(record.find("MedlineCitation/PMID"))


def record_metadata(record: Element) -> dict[str, Scalar]:
    """Return what a PubmedArticle says: title, journal, days, identifiers, kind, and whether it was retracted."""
    article, pmid = record.find("MedlineCitation/Article"), pmid_of(record)
    if article is None:
        return {"pmid": pmid}
    ids = {part.get("IdType", ""): words_of(part) for part in record.findall("PubmedData/ArticleIdList/ArticleId")}
    doi = ids.get("doi") or words_of(article.find("ELocationID[@EIdType='doi']"))
    electronic, issue = _day(article.find("ArticleDate")), _day(article.find("Journal/JournalIssue/PubDate"))
    published = electronic or issue
    vernacular = words_of(article.find("VernacularTitle"))
    tongue = words_of(article.find("Language"))
    return {
        "title": re.sub(r"^\[(.*)\](\.?)$", r"\1\2", words_of(article.find("ArticleTitle"))) or vernacular,
        "vernacular_title": vernacular,
        "journal": words_of(article.find("Journal/Title")) or words_of(article.find("Journal/ISOAbbreviation")),
        "document_type": _kind(article),
        "authors": _authors(article),
        "published": published,
        "year": int((issue or published)[:4]) if published else None,
        "pmid": pmid,
        "pmcid": ids.get("pmc", ""),
        "doi": doi,
        "original_language": tongue if tongue != "eng" else "",
        "copyright": words_of(article.find("Abstract/CopyrightInformation")),
        "url": f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/",
        "publisher": "National Library of Medicine, PubMed",
        **_corrections(record),
    }


def article_ids(article: Element) -> set[str]:
    """Return the identifiers of a JATS article in one shape: "PMC123", "pmid:456"."""
    found = set()
    for part in article.findall("front/article-meta/article-id"):
        kind, value = part.get("pub-id-type", ""), words_of(part)
        if kind in ("pmc", "pmcid", "pmcaid") and value:
            found.add(f"PMC{value.upper().removeprefix('PMC')}")
        elif kind == "pmid":
            found.add(f"pmid:{value}")
    return found


def licence_of(article: Element) -> str:
    """Return the open licence of a JATS article ("CC BY-NC 4.0", "CC0", "public domain"), "" where none is found."""
    permissions = article.find("front/article-meta/permissions")
    if permissions is None:
        return ""
    parts = [
        value for part in permissions.iter() for value in (*part.attrib.values(), part.text or "", part.tail or "")
    ]
    told = " ".join(" ".join(parts).split())
    link = _CC.search(told)
    if link and link["free"]:
        return "CC0" if link["free"].lower() == "zero" else "public domain"
    if link:
        return _cc(link["kind"], link["version"])
    short = _CC_SHORT.search(told)
    if short:
        return "CC0" if short["kind"].upper() in ("0", "ZERO") else _cc(short["kind"], short["version"])
    words = _CC_WORDS.search(told)
    if words:
        more = (words["more"] or "").lower()
        return f"CC BY{'-NC' if words['nc'] else ''}{'-ND' if 'deriv' in more else '-SA' if more else ''}"
    return "public domain" if _PUBLIC.search(told) else ""


def is_commercial(licence: str) -> bool:
    """Tell whether a licence allows commercial use."""
    return re.sub(r" \d\.\d$", "", licence) in COMMERCIAL


def has_text(article: Element) -> bool:
    """Tell whether a JATS article has a body; publishers may withhold it."""
    body = article.find("body")
    return body is not None and bool(words_of(body))


def _cc(kind: str, version: str | None) -> str:
    letters = re.sub(r"[^A-Z]", "", kind.upper())
    parts = [part for part in (letters[i : i + 2] for i in range(2, len(letters), 2))]
    return "-".join(["CC BY", *parts]) + (f" {version}" if version else "")


def _kind(article: Element) -> str:
    types = [words_of(part) for part in article.findall("PublicationTypeList/PublicationType")]
    return next(
        (kind for name, kind in _KINDS if any(part == name or part.startswith(f"{name},") for part in types)), ""
    )


def _corrections(record: Element) -> dict[str, Scalar]:
    """Return whether an article was retracted, is under concern or was corrected, and by which notice."""
    notices: dict[str, str] = {}
    for part in record.findall("MedlineCitation/CommentsCorrectionsList/CommentsCorrections"):
        pmid = words_of(part.find("PMID"))
        words = " ".join(filter(None, (words_of(part.find("RefSource")), f"(PMID {pmid})" if pmid else "")))
        notices.setdefault(part.get("RefType", ""), words or "a notice")
    types = {words_of(part) for part in record.findall("MedlineCitation/Article/PublicationTypeList/PublicationType")}
    retraction = notices.get("RetractionIn") or notices.get("RetractedandRepublishedIn", "")
    return {
        "retracted": True if retraction or "Retracted Publication" in types else None,
        "retraction": retraction,
        "concern": True if "ExpressionOfConcernIn" in notices else None,
        "corrected": True if "ErratumIn" in notices else None,
    }


def _authors(article: Element) -> str:
    names = []
    for author in article.findall("AuthorList/Author"):
        name = f"{words_of(author.find('LastName'))} {words_of(author.find('Initials'))}".strip()
        names.append(name or words_of(author.find("CollectiveName")))
    kept = [name for name in names if name]
    return "; ".join(kept[:MOST_AUTHORS]) + ("; et al." if len(kept) > MOST_AUTHORS else "")


def _day(part: Element | None) -> str:
    """Return an ISO day, month or year: as much as is printed."""
    if part is None:
        return ""
    loose = re.match(r"((?:18|19|20)\d\d)(?:\s+([A-Za-z]{3}))?", words_of(part.find("MedlineDate")))
    year = words_of(part.find("Year")) or (loose[1] if loose else "")
    if not re.fullmatch(r"(?:18|19|20)\d\d", year):
        return ""
    month = (words_of(part.find("Month")) or (loose[2] or "" if loose else "")).lower()
    month = _MONTHS.get(
        month[:3], f"{int(month):02d}" if month.isascii() and month.isdigit() and 1 <= int(month) <= 12 else ""
    )
    day = words_of(part.find("Day"))
    if not month:
        return year
    return (
        f"{year}-{month}-{int(day):02d}"
        if day.isascii() and day.isdigit() and 1 <= int(day) <= 31
        else f"{year}-{month}"
    )
