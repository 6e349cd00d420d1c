"""What a document says about itself: who issued it, what kind it is, which period or day it speaks of, which edition.

Pure functions over text, title and file name. What the file declares (inline XBRL, JATS, front matter, fields of a
JSON record) comes first, then its cover, then its name. What none of them says plainly is left out: a stray year in a
text or a form named in passing is no fact. It does not know what a reader would infer.

Keys: organisation, document_type, year (fiscal year of a report, else that of the edition or publication),
fiscal_period ("FY", "H1", "Q1".."Q4"), period_end, published (ISO, "2021-12" where no day is printed), version, ticker,
amendment (true), amends ("all" or "part"), series and version_date (see `ingest.series`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from ingest.dates import DATE, every_date, first_date
from ingest.filings import Facts, read_filing
from ingest.series import EDITED, PERIODIC, edition_year, find_version, series_of
from rag.language import has_han

REPORTS: Final = PERIODIC | {"earnings release", "annual report summary"}
"""Kinds whose year is a fiscal one, which the day of publication does not tell."""
_SEC: Final = frozenset({"10-K", "10-Q", "8-K", "20-F", "40-F", "6-K"})
HEAD: Final = 3_000
"""Characters of the beginning that are read for kind, issuer and date."""
_FILE_YEAR: Final = re.compile(r"(?<![\dA-Za-z])(?<!\d-)(?:FY|fy)?((?:19|20)\d{2})(?!\d)(?!-\d)")
_FILE_QUARTER: Final = re.compile(r"(?:19|20)\d\d[ _-]?Q([1-4])(?!\d)", re.IGNORECASE)
_FILING_NAME: Final = re.compile(r"10-?K|10-?Q|8-?K|EARNINGS|ANNUAL|年报|年度报告", re.IGNORECASE)
_ZH_COMPANY: Final = re.compile(r"[\u4e00-\u9fff（）()]{2,30}(?:公司|集团|银行)")
_TITLE_YEAR: Final = re.compile(
    r"(?<![\d-])((?:19|20)\d{2})\s*年|\b(?:FY|fiscal(?: year)?)[ ']?((?:19|20)\d{2})(?!\d)", re.I
)
_SPAN: Final = re.compile(r"((?:19|20)\d\d)\s?年?\s?[-–—~～至]\s?((?:19|20)\d\d)\s?年")
_TITLE_COMPANY: Final = re.compile(
    r"^(.{2,60}?\b(?:Inc\.|Inc\b|Company|Corporation|Corp\.?|plc|PLC|Ltd\.?|Limited))"
    r"(?: \([^)]{1,40}\))?(?: and subsidiaries)?:"
    r"|^([\u4e00-\u9fff（）()]{2,30}(?:股份有限公司|有限责任公司|有限公司))"
)
_ABOUT: Final = re.compile(
    r"\b(?:adherence|compliance|implement\w*|impact|review|stud(?:y|ies)|trial|analysis|survey|evaluat\w+|compar\w+"
    r"|vs\.?|versus|summary|key points|commentary|note|explained|based|concordan\w+|barriers)\b"
    r"|解读|要点|摘要|综述|研究|分析|比较|学习|培训",
    re.IGNORECASE,
)
_PRODUCT: Final = re.compile(r"^(?!.*公司)[^。，；]{2,40}保[险險](?![单單]|[费費]|金|人|公)[^。，；]{0,30}$")
_KINDS: Final = (
    (
        "guideline",
        r"\bguidelines?\b(?=\s*(?:$|[,:(—–-]|\d{4}|for\b|on\b|of\b|to\b|update))|\bstandards of (?:medical )?care\b"
        r"|(?:指南|专家共识|诊疗规范|诊疗方案|诊疗常规|临床路径)\s*(?:[（(].{1,20}[）)])?\s*(?:\d{4}\s?年?版?)?$",
    ),
    (
        "label",
        r"(?<!招股)(?<!募集)(?<!意向)说明书\s*(?:[（(].{1,20}[）)])?$|^package (?:leaflet|insert)\b"
        r"|\bprescribing information$",
    ),
    (
        "insurance terms",
        r"保[险險].{0,30}(?:条款|條款)\s*(?:[（(].{1,30}[）)])*$|^policy (?:wording|terms and conditions)\b",
    ),
    ("code", r"\bcode of (?:[\w-]+ ){0,3}(?:practice|conduct)\b"),
    (
        "regulation",
        r"(?:条例|管理办法|暂行办法|实施细则|管理规定|准则)\s*(?:[（(].{1,20}[）)])?$"
        r"|^(?:Commission )?(?:Delegated |Implementing )?(?:Regulation|Directive) \((?:EU|EC)\)|\brulebook$",
    ),
    ("notice", r"(?:通知|公告|通告)$|^(?:public |legal )?notice (?:of|to)\b"),
)
_TITLED: Final = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)
_LABEL: Final = re.compile(
    r"HIGHLIGHTS OF PRESCRIBING INFORMATION|Package leaflet: Information for the|SUMMARY OF PRODUCT CHARACTERISTICS",
    re.IGNORECASE,
)
_LABEL_PARTS: Final = re.compile(r"[【\[](?:药品名称|成[份分]|性状|适应症|规格|用法用量|不良反应|禁忌|注意事项)[】\]]")
_INSURANCE: Final = re.compile(r"第\s?[一1]\s?[条條]\s?保[险險](?:合同|契[约約])的?[构構]成")
_CFR: Final = re.compile(r"\bPt\. (\d{1,4})\s+(\d{1,2}) CFR Ch\. [IVXL]+ \((\d{1,2})[-–](\d{1,2})[-–](\d\d) Edition\)")
_AGAIN: Final = re.compile(r"\b(?:reaffirmed|revised|amended|updated)\b|修订|修訂|修改|更新", re.IGNORECASE)
_PAPER: Final = re.compile(r"(?:^|\n)(?:ABSTRACT\.(?:[A-Z /&]+)|Abstract)\b|\nABSTRACT:?\n")
_ARTICLE: Final = re.compile(r"\bdoi\s?:\s?10\.\d{4}|doi\.org/10\.\d{4}|/PMC\d{4,}|\nABSTRACT\.[A-Z]", re.IGNORECASE)
_DATED: Final = re.compile(
    r"^\W{0,3}(?:date|dated|published(?: online)?|publication date|issued|issue date|effective(?: date| from)?|adopted|"
    r"approved|last (?:updated|revised|reviewed)|updated|revised|revision date|note dated|this version|as of)\b.{0,60}"
    r"|^\W{0,3}(?:发布日期|发布时间|公布日期|印发日期|发文日期|修订日期|修改日期|更新日期|更新时间|生效日期|施行日期|日期|核准日期)"
    r"\s?[:：].{0,40}",
    re.IGNORECASE,
)
_NEWS_DAY: Final = re.compile(r"^.{0,30}?((?:20)\d\d\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日)\s?(?:讯|消息|电|報導|报道)")
_BODY_ZH: Final = re.compile(
    r"^[\u4e00-\u9fff（）()]{4,40}(?:学会|协会|分会|委员会|中心|总局|研究院|基金会|学组|联盟)$"
)
_BODY_EN: Final = re.compile(
    r"^(?:the )?(?=[A-Z])[\w&,’' -]{4,90}\b(?:Association|Society|College|Organi[sz]ation|Institute|Academy|Foundation"
    r"|Council|Federation|Authority|Ministry of Health|Committee)(?: (?:of|for|on) [\w&,’' -]{3,60})?$"
)
_BODY_SHORT: Final = re.compile(r"\b([A-Z]{2,6}(?:/[A-Z]{2,6})*)\b(?=[^:]{0,60}\b(?i:guidelines?)\b)", re.ASCII)
_ADDRESSED: Final = re.compile(r"^([\u4e00-\u9fff（）()]{4,40}公司)\s?(?:公[鑒鉴鑑]|全[体體]股[东東])")
_INSURER: Final = re.compile(r"^([\u4e00-\u9fff（）()]{2,30}?保[险險](?:股份)?(?:有限)?公司)")
_DECLARED_DAY: Final = ("published", "publication_date", "pubdate", "date", "date_published", "发布日期", "日期")


def find_facts(text: str, source: str, title: str, language: str, declared: Mapping[str, Any] | None = None) -> Facts:
    """Return what a document says about itself, without what is declared already.

    Args:
        text: of the document, by the text canon; its beginning counts, of company reports the signature too.
        source: its name; folder and suffix do not count.
        title: as the file or its first heading gives it.
        language: "en" or "zh".
        declared: metadata the file itself gives; it is believed, and nothing found contradicts it.
    """
    given = {key: value for key, value in (declared or {}).items() if value not in (None, "")}
    name = stem(source)
    facts = read_filing(text, name, title) or _general(text[:HEAD], title, source)
    facts |= {
        key: value for key, value in _from_name(name, title, known="document_type" in facts).items() if key not in facts
    }
    day = next((first_date(str(given[key])) for key in _DECLARED_DAY if key in given), None)
    facts |= {"published": day} if day else {}
    facts |= given
    if "year" not in facts and facts.get("published") and facts.get("document_type") not in REPORTS:
        facts["year"] = int(str(facts["published"])[:4])
    facts |= series_of(title, language, facts)
    return {key: value for key, value in facts.items() if key not in given and key != "subject"}


def stem(source: str) -> str:
    """Return the file name without folder, suffix and record id."""
    return PurePosixPath(source.split("#", 1)[0]).name.removesuffix(".gz").rsplit(".", 1)[0]


def title_of(title: str, facts: Mapping[str, Any], text: str = "") -> str:
    """Return a title that names the document where the one found is the head of a form or the company's name alone.

    Args:
        title: as the file or its first heading gives it.
        facts: what is known of the document.
        text: of the document; its beginning names the product of insurance terms.
    """
    company, kind, year = str(facts.get("organisation") or ""), str(facts.get("document_type") or ""), facts.get("year")
    code = _CFR.search(text[:HEAD]) if kind == "regulation" and title.startswith("CFR-") else None
    if code:
        return f"{code[2]} CFR Part {code[1]}"
    bare = re.fullmatch(
        r"UNITED STATES(?: SECURITIES AND EXCHANGE COMMISSION)?|FORM \S{3,6}|FOR IMMEDIATE RELEASE", title, re.I
    )
    strange = kind in _SEC and kind not in title.upper() and company.split(" ")[0].casefold() not in title.casefold()
    if not company or not kind or not (bare or strange or title == company):
        return title
    if kind == "insurance terms":
        return _product(title, text[:HEAD].split("\n")[:14]) or title
    period = str(facts.get("fiscal_period") or "")
    if has_han(company):
        words = {"annual report": "年年度报告", "half-year report": "年半年度报告", "quarterly report": "年季度报告"}
        quarter = period if kind == "quarterly report" else ""
        return f"{company} {quarter}{year}{words[kind]}" if kind in words and year else title
    when = " ".join(filter(None, ("" if period == "FY" else period, str(year or facts.get("period_end") or ""))))
    return f"{company} {kind}{'/A' if facts.get('amendment') else ''} {when}".strip()


def _product(title: str, lines: list[str]) -> str | None:
    return next((line for line in (title, *lines) if _PRODUCT.search(line)), None)


def _general(head: str, title: str, source: str) -> Facts:
    """Return kind, issuer, day and version of what is no company report."""
    lines = [line for line in head.split("\n")[:14] if " | " not in line]
    code = _CFR.search(head)
    if code:
        part, volume, month, day, year = code.groups()
        when = first_date(f"20{year}-{month}-{day}")
        facts: Facts = {
            "document_type": "regulation",
            "subject": f"{volume} cfr part {part}",
            "version": f"{month}-{day}-{year} Edition",
        }
        return facts | ({"published": when, "year": int(when[:4])} if when else {})
    kind = _kind(head, title, source)
    facts = {"document_type": kind} if kind else {}
    product = _product(title, lines) if kind == "insurance terms" else None
    facts |= {"subject": product} if product else {}
    issuer = _issuer(kind, title, lines)
    facts |= {"organisation": issuer} if issuer else {}
    day_found = _day(lines, kind, head)
    facts |= {"published": day_found} if day_found else {}
    version = find_version([title, *lines[:8]])
    facts |= {"version": version} if version else {}
    named = edition_year(title) if kind in EDITED else None
    return facts | ({"year": named} if named else {})


def _kind(head: str, title: str, source: str) -> str | None:
    if _LABEL.search(head[:1_000]) or len(set(_LABEL_PARTS.findall(head))) >= 3:
        return "label"
    if _INSURANCE.search(head):
        return "insurance terms"
    if re.search(r"#PMC\d{4,}$", source) or (_PAPER.search(head) and _ARTICLE.search(head)):
        return "paper"
    if _ABOUT.search(title):
        return None
    return next((kind for kind, pattern in _TITLED if pattern.search(title)), None)


def _issuer(kind: str | None, title: str, lines: list[str]) -> str | None:
    if kind == "insurance terms":
        return next((found[1] for line in lines if (found := _INSURER.match(line))), None)
    addressed = next((found[1] for line in lines[:6] if (found := _ADDRESSED.match(line))), None)
    if kind is None and addressed:
        return addressed
    if kind in ("guideline", "regulation", "code", "notice"):
        short = _BODY_SHORT.search(title)
        full = (line.strip() for line in lines[:8] if _BODY_ZH.match(line.strip()) or _BODY_EN.match(line.strip()))
        return next(full, None) or (short[1] if short else None)
    named = _TITLE_COMPANY.match(title)
    return next(filter(None, named.groups()), None) if named and kind is None else None


def _day(lines: list[str], kind: str | None, head: str) -> str | None:
    """Return the day of publication or last revision, where a line of its own or after a word like "issued" says it."""
    if kind == "paper":
        return next((day for line in head.split("\n")[:14] if (day := _paper_day(line))), None)
    if kind == "insurance terms":
        filed = re.findall(r"^.*(?:[号號]|备查|備查|修[订訂正]|核准).*$", head[:1_500], re.MULTILINE)
        return max((day for line in filed for day in every_date(line)), default=None)
    news = _NEWS_DAY.match(head[:120])
    if news:
        return first_date(news[1])
    alone = len(every_date("\n".join(lines[:10]))) == 1  # of a list of dates none is that of the document
    for line in (line[:160] for line in lines[:8]):
        found = DATE.search(line)
        if found and (_DATED.match(line) or (alone and len(line) - len(found.group()) <= 4)):
            days = every_date(line)
            return max(days) if days and _AGAIN.search(line) else first_date(line)
    return None


def _paper_day(line: str) -> str | None:
    found = DATE.search(line)
    bare = bool(found) and found is not None and len(line) - len(found.group()) <= 2
    return (
        first_date(line)
        if bare or re.match(r"(?:date|published(?: online)?|publication date)\s?:?\s", line, re.I)
        else None
    )


def _from_name(name: str, title: str, *, known: bool) -> Facts:
    """Return what file name and title say plainly: "3M_2018_10K", "2022年"; the day only of a known kind."""
    found = re.search(r"((?:19|20)\d{2})\s*年", name) or _FILE_YEAR.search(name)
    span = _SPAN.search(title)
    years = int(span[2]) - int(span[1]) if span else 0  # a season is of its later year, a plan for many of none
    titled = _TITLE_YEAR.search(title) if years <= 1 else None
    year = found.group(1) if found else next((g for g in titled.groups() if g), None) if titled else None
    facts: Facts = {} if year is None else {"year": int(year)}
    days = re.findall(r"(?<!\d)(20\d\d-[01]\d-[0-3]\d)(?!\d)", name)
    if known and len(days) == 1 and (day := first_date(days[0])):
        facts["published"] = day
    kind = _FILING_NAME.search(name) if year is not None else None
    if kind:
        organisation = _named_organisation(name[: found.start()] if found else "")
        facts |= {"organisation": organisation} if organisation else {}
        facts |= {} if known else _kind_of_name(kind.group(), name)
    return facts


def _kind_of_name(kind: str, name: str) -> Facts:
    """Return the form and the quarter a file name tells: "2023Q2_10Q"; of the words, "年报" alone, tells no form."""
    form = next(
        (form for form in ("10-K", "10-Q", "8-K") if form.replace("-", "") == kind.upper().replace("-", "")), None
    )
    quarter = _FILE_QUARTER.search(name)
    facts: Facts = {"document_type": form or "earnings release"} if form or kind.upper() == "EARNINGS" else {}
    if quarter or form == "10-K":
        facts["fiscal_period"] = f"Q{quarter[1]}" if quarter else "FY"
    return facts


def _named_organisation(head: str) -> str:
    """Return the name that stands before the year in the file name of a filing: "3M" in "3M_2018_10K"."""
    chinese = _ZH_COMPANY.search(head)
    if chinese:
        return chinese.group()
    bare = head.strip(" _-")
    return "" if re.search(r"\d{4}", bare) or not re.search(r"[^\W\d_]", bare) else bare.replace("_", " ")
