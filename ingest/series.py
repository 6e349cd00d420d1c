"""Editions: which version a document says it is, and which documents are versions of one another.

Two documents are versions of one thing when their `series` is equal: for company reports the organisation, the kind of
report and its period (a 10-K for 2021 is no version of that for 2022; a 10-K/A for 2022 is one of the 10-K for 2022),
for guidelines, labels, regulations, codes and insurance terms the organisation and the title without what names an
edition. Other documents have a series only where they call themselves a version or edition. Which of two is the newer
one is decided where they are stored together, by `rag.versions`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from ingest.dates import MONTHS, han_number
from rag.schema import Scalar, content_id

EDITED: Final = frozenset({"guideline", "label", "regulation", "code", "insurance terms"})
"""Kinds of documents of which a later edition takes the place of an earlier one."""
PERIODIC: Final = frozenset(
    {"10-K", "10-KT", "10-Q", "20-F", "40-F", "annual report", "half-year report", "quarterly report"}
)
_ORDINALS: Final = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_SEVERAL: Final = r"(?:19|20)\d\d(?:\s?[-–—/～~至]\s?(?:(?:19|20)\d\d|\d\d(?!\d)))?"
_VERSION: Final = re.compile(
    r"\b(?:version|ver\.|release)\s?(?P<v>\d{1,3}(?:\.\d{1,3}){0,2})(?![\d.]*\d)"
    r"|(?<![\w.])v\s?(?P<w>\d{1,2}(?:\.\d{1,3}){1,2})(?![\w.])"
    rf"|\b(?P<nth>\d{{1,2}})(?:st|nd|rd|th)\s(?:revised\s)?edition\b|\b(?P<word>{'|'.join(_ORDINALS)})\s(?:revised\s)?edition\b"
    r"|第\s?(?P<zh>[一二三四五六七八九十\d]{1,3})\s?(?:次修订)?版"
    r"|\brev(?:ision|\.)?\s?(?P<rev>\d{1,2})\b|\bAmendment No\. (?P<amendment>\d{1,2})\b"
    r"|\((?P<cfr>\d{1,2}[-–]\d{1,2}[-–]\d\d) Edition\)",
    re.IGNORECASE,
)
_YEARLY: Final = re.compile(
    r"((?:19|20)\d\d)\s?年?\s?(?:修订版|修訂版|修订|更新版|版)|(?P<en>(?:19|20)\d\d) (?:edition|update|revision)\b",
    re.I,
)
_EDITION_WORDS: Final = re.compile(
    rf"{_VERSION.pattern}|{_SEVERAL}\s?年?(?:度)?(?:流行季|版)?|(?:修订|修訂|更新|更正|修正)(?:版|稿|后|本)?|(?:试行|征求意见稿)"
    rf"|\b(?:{MONTHS})\b|\b(?:updated?|revised|revision|new|edition|season|final)\b",
    re.IGNORECASE,
)
_SUFFIX: Final = re.compile(r"\b(?:the|inc|incorporated|corp|corporation|co|company|plc|ltd|limited|llc|lp|nv|sa|ag)\b")
_YEAR: Final = re.compile(
    r"(?<![\d.-])((?:19|20)\d\d)(?:\s?[-–—/]\s?((?:19|20)\d\d|\d\d)(?![\d年]))?(?![\d.]\d|-\d|\d)"
)


def find_version(lines: list[str]) -> str | None:
    """Return the version or edition the first lines name, as printed; lines that are sentences do not count."""
    for line in lines:
        found = (
            (_VERSION.search(line) or _YEARLY.search(line))
            if len(line) <= 120 and not re.search("[。《]|\\. ", line)
            else None
        )
        if found:
            return found.group().strip("()（） ")
    return None


def edition_year(title: str) -> int | None:
    """Return the one year a title names ("Hypertension guideline 2023"), of a span the last; None for none or many."""
    years = set()
    for first, last in _YEAR.findall(title):
        years.add(int(last if len(last) == 4 else first[:2] + last if last else first))
    return years.pop() if len(years) == 1 else None


def version_number(version: str) -> str | None:
    """Return "2.1" of "Version 2.1", "3" of "第三版" or "third edition"; None where there is no number but a year."""
    found = _VERSION.search(version)
    if found is None or found["cfr"]:
        return None
    if found["word"]:
        return str(_ORDINALS.index(found["word"].lower()) + 1)
    if found["zh"]:
        number = han_number(found["zh"])
        return None if number is None else str(number)
    return found["v"] or found["w"] or found["nth"] or found["rev"] or found["amendment"]


def series_of(title: str, language: str, fields: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return `series` (an opaque name), `version_date` and `version_number` of a document; {} where it has no versions.

    Args:
        title: of the document.
        language: a translation is no version.
        fields: what is known of it: document_type, organisation, period_end, year, fiscal_period, version, published.
    """
    kind = str(fields.get("document_type") or "").removesuffix("/A")
    counted = version_number(str(fields.get("version") or ""))
    number = {"version_number": counted} if counted else {}
    organisation = _plain(str(fields.get("organisation") or ""))
    if kind in PERIODIC:
        period = fields.get("period_end") or (
            fields.get("year") and f"{fields['year']} {fields.get('fiscal_period', '')}"
        )
        if not organisation or not period or fields.get("amends") == "part":
            return {}
        dated = {"version_date": fields["published"]} if fields.get("amendment") and fields.get("published") else {}
        return {"series": _name(organisation, kind, str(period)), **dated, **number}
    if kind not in EDITED and not (kind == "" and counted):
        return {}
    whole = str(fields.get("subject") or title)
    subject = _plain(_EDITION_WORDS.sub(" ", unicodedata.normalize("NFKC", whole)))
    if subject == organisation or (kind == "insurance terms" and "subject" not in fields):
        return {}
    han = len(re.findall(r"[\u4e00-\u9fff]", subject))
    if han < 4 and len(subject.split()) < (2 if kind else 3):
        return {}
    named, published = edition_year(title), str(fields.get("published") or "")
    day = published if not named or published.startswith(str(named)) else str(named)
    day = day or str((_YEARLY.search(str(fields.get("version") or "")) or [""])[0][:4])
    return {"series": _name(organisation, kind, language, subject), **({"version_date": day} if day else {}), **number}


def _plain(text: str) -> str:
    """Return the words of a name or title, without case, signs and forms of company."""
    words = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_SUFFIX.sub(" ", words).split())


def _name(*parts: str) -> str:
    return f"{parts[1] or 'document'}:{content_id(*parts)[:16]}"
