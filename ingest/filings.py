"""What the cover of a company report says: SEC forms, earnings releases, Chinese periodic reports.

The fiscal year is the company's own: the year in which the period ends, but for years that end in the first days of
January (the year before) and in late January or February, where what the text calls "fiscal 2022" decides, and where
it does not, the name of the file; else the year stays unknown.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

from ingest.dates import every_date, first_date
from rag.schema import Scalar

Facts = dict[str, Scalar]

COVER: Final = 9_000
"""Characters in which a cover stands."""
NARRATIVE: Final = 120_000
_FORM: Final = re.compile(
    r"^\W{0,3}FORM\s?(?P<form>10-?K(?:T|SB)?|10-?Q|8-?K|20-?F|40-?F|6-?K)\b\s?(?P<a>/\s?A)?(?P<rest>[^\n]{0,60})$",
    re.IGNORECASE | re.MULTILINE,
)
_AMENDMENT: Final = re.compile(r"\(?Amendment\s+No\.?\s*(\d+)\)?", re.IGNORECASE)
_REGISTRANT: Final = re.compile(
    r"(?:^|\n)([^\n]{2,90}?)[\s_]*\n?\(?\s?Exact\s+name\s+of\s+(?:the\s+)?registrant\s+as\s+specified", re.IGNORECASE
)
_AFTER_NUMBER: Final = re.compile(
    r"Commission file (?:number|no\.?)[:\s]*[\d-]{4,12}\s*\n([^\n|]{2,80})\n", re.IGNORECASE
)
_PERIOD: Final = re.compile(r"\b(?:fiscal year|quarterly period|quarter|year)\s+ended\b", re.IGNORECASE)
_REPORTED: Final = re.compile(r"\bdate of report\b[^\d\n]{0,60}\n?", re.IGNORECASE)
_SYMBOL: Final = re.compile(
    r"\b(?i:common|ordinary|capital|class A)\b[^\n]{0,160}?\s(?P<ticker>[A-Z]{1,5}(?:\.[A-Z])?)"
    r"(?= \||\s+(?:The\s+)?(?:New York Stock|Nasdaq|NASDAQ|NYSE|Chicago|Cboe|NEW YORK STOCK))"
)
_LISTED: Final = re.compile(
    r"(?P<name>(?:[A-Z][\w&.,’'-]* |& |of |and |the ){0,7}[A-Z][\w&.’'-]*\.?),? ?\((?:the [“\"]Company[”\"]; )?"
    r"(?P<exchange>NYSE|NASDAQ|Nasdaq|LSE|HKEX|SEHK|ASX|TSX|AMEX)[^:)]{0,20}:\s?(?P<ticker>[A-Z]{1,5}(?:\.[A-Z])?|\d{4,5})\b"
)
_SIGNED: Final = re.compile(r"\nSIGNATURES?(?: S)?\n[^\n]{0,40}requirements of", re.IGNORECASE)
_RELEASE: Final = re.compile(
    r"\b(?:reports?|announces?|reported|announced)\b[^\n|]{0,90}\b(?:results|earnings)\b"
    r"|\bearnings (?:press )?release\b",
    re.I,
)
_ORDINAL: Final = r"first|second|third|fourth|1st|2nd|3rd|4th"
_QUARTER: Final = re.compile(
    rf"\b(?P<word>{_ORDINAL})[\s-]*(?:fiscal[\s-]*)?quarter|\bQ(?P<q>[1-4])\b|\b(?P<n>[1-4])Q(?=\s|\d\d|\b)",
    re.IGNORECASE,
)
_FISCAL: Final = re.compile(
    rf"\b(?:fiscal(?:[\s-]year)?|full[\s-]year|FY)\s?['’]?(?P<a>20\d\d)\b|\b(?P<b>20\d\d)\s(?:{_ORDINAL}|full)[\s-](?:quarter|year)"
    rf"|\b(?:{_ORDINAL})[\s-]quarter(?:\sand\s(?:full|fiscal)[\s-]year)?(?:\sfiscal)?,?\s(?:of\s)?(?P<c>20\d\d)\b"
    r"|\bQ[1-4]\s?(?P<d>20\d\d)\b|\b[1-4]Q\s?(?P<e>20\d\d)\b",
    re.IGNORECASE,
)
_TO_DATE: Final = (
    ("Q3", r"(?:nine|9)[\s-]months?|(?:39|40|36|thirty-nine|forty|thirty-six)[\s-]weeks?"),
    ("Q2", r"(?:six|6)[\s-]months?|(?:26|27|24|28|twenty-six|twenty-four)[\s-]weeks?"),
    ("Q1", r"(?:three|3)[\s-]months?|(?:13|14|12|16|thirteen|twelve|sixteen)[\s-]weeks?|quarters?"),
)
_FILE_PERIOD: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)[ _-]?Q([1-4])|Q([1-4])[ _-]?((?:19|20)\d\d)(?!\d)", re.I)
_PART: Final = re.compile(
    r"(?:sole|limited) purpose|solely (?:to|for)|Part III|no other changes"
    r"|does not (?:otherwise )?(?:amend|modify|update|change)",
    re.IGNORECASE,
)
_ZH_REPORT: Final = re.compile(
    r"^(?P<company>[\u4e00-\u9fff（）()·]{4,40}?(?:公司|集团|集團|银行|銀行))?\s?(?P<year>(?:19|20)\d\d|[二一][〇零○九]\S{2})\s?年?\s?"
    r"(?:(?P<kind>年度|半年度|中期|第?[一二三四]季度?|年)\s?(?:财务|財務)?[报報]告)(?P<part>摘要)?(?:全文|正文)?"
    r"\s?(?P<fixed>[（(](?:修订|修訂|更正|更新|修正)[^（）()]{0,4}[）)])?$",
    re.MULTILINE,
)
_ZH_CODE: Final = re.compile(r"(?:公司|股票|证券|證券|股份|A股)\s?代[码碼号號]\s?[:：]\s?(\d{4,6})(?!\d)")
_ZH_NAME: Final = re.compile(
    r"(?:公司(?:的)?(?:全称|中文名称|法定中文名称)|公司名称)\s?[:：|]\s?([\u4e00-\u9fff（）()·]{4,40}(?:公司|集团|银行))"
)
_ZH_COMPANY: Final = re.compile(
    r"^[\u4e00-\u9fff（）()·]{4,40}(?:股份有限公司|有限责任公司|有限公司|集团公司|銀行|银行)$", re.MULTILINE
)
_ZH_KIND: Final = {
    "年度": ("annual report", "FY", "-12-31"),
    "年": ("annual report", "FY", "-12-31"),
    "半年度": ("half-year report", "H1", "-06-30"),
    "中期": ("half-year report", "H1", ""),
    "一": ("quarterly report", "Q1", "-03-31"),
    "二": ("quarterly report", "Q2", "-06-30"),
    "三": ("quarterly report", "Q3", "-09-30"),
    "四": ("quarterly report", "Q4", "-12-31"),
}


def read_filing(text: str, name: str, title: str) -> Facts:
    """Return what the cover of a company report says; nothing where the text is none.

    Args:
        text: the whole text; beyond the cover only the signature and how the text calls its year are looked for.
        name: of the file, without folder and suffix.
        title: as the file or its first heading gives it.
    """
    cover = text[:COVER]
    form = _FORM.search(cover[:3_000])
    if form and re.search(r"securities and exchange commission", cover, re.IGNORECASE):
        return _sec(text, cover, form, name)
    chinese = _ZH_REPORT.search(cover[:1_500]) or _ZH_REPORT.search(title.replace(" ", ""))
    if chinese:
        return _chinese(cover, chinese, text)
    opening = "\n".join((title, *(line for line in cover[:3_000].split("\n")[:25] if " | " not in line)))
    headline = _RELEASE.search(opening)
    dated = _LISTED.search(cover) or re.search(r"FOR IMMEDIATE RELEASE|Exhibit 99\.\d", opening, re.IGNORECASE)
    if headline and (dated or re.search("earnings", name, re.IGNORECASE)) and _FISCAL.search(opening):
        return _release(cover, opening, name)
    return {}


def _sec(text: str, cover: str, form: re.Match[str], name: str) -> Facts:
    kind = re.sub(r"^(\d+|8|6)-?", r"\1-", form["form"].upper())
    number = _AMENDMENT.search(cover[:3_000])
    amended = bool(form["a"]) or bool(number and number.start() - form.end() < 300)
    facts: Facts = {"document_type": kind}
    if amended:
        facts |= {"amendment": True, "version": f"Amendment No. {number[1]}" if number else "Amendment"}
        whole = re.search(r"Item\s?8\W{1,3}\s?(?:Consolidated )?Financial Statements", text[:NARRATIVE], re.IGNORECASE)
        facts["amends"] = "part" if _PART.search(text[:20_000]) and not whole else "all"
    registrant = _REGISTRANT.search(cover) or _AFTER_NUMBER.search(cover)
    name_of = _joined(registrant[1].strip(" _*|")) if registrant else ""
    if re.search("[A-Za-z]{2}", name_of) and not re.match("commission file|for the", name_of, re.IGNORECASE):
        facts["organisation"] = name_of
    symbol = _SYMBOL.search(cover) if "trading symbol" in cover.lower() else None
    if symbol:
        facts["ticker"] = symbol["ticker"]
    if kind in ("8-K", "6-K"):
        facts |= _reported(cover)
    else:
        facts |= _sec_period(text, cover, kind, name)
    signed = _signed(text, str(facts.get("period_end") or ""), 60 if kind == "8-K" else 400)
    return facts | ({"published": signed} if signed else {})


def _joined(name: str) -> str:
    """Return a name in small capitals, read as "R ESORTS I NTERNATIONAL", with its letters together."""
    apart = re.compile(r"\b([A-Z]) (?=[A-Z]{2,}\b)")
    return apart.sub(r"\1", name) if len(apart.findall(name)) > 1 else name


def _reported(cover: str) -> Facts:
    asked = _REPORTED.search(cover)
    day = first_date(cover[asked.start() : asked.end() + 80], whole=True) if asked else None
    return {"period_end": day, "year": int(day[:4])} if day else {}


def _sec_period(text: str, cover: str, kind: str, name: str) -> Facts:
    for asked in _PERIOD.finditer(cover):
        end = first_date(cover[asked.end() : asked.end() + 60], whole=True)
        if end:
            quarter = _quarter_to_date(text[:NARRATIVE], name) if kind == "10-Q" else "FY"
            facts: Facts = {"period_end": end, **({"fiscal_period": quarter} if quarter else {})}
            year = fiscal_year(end, quarter, text[:NARRATIVE], name) if quarter else None
            return facts | ({"year": year} if year else {})
    return {}


def _quarter_to_date(text: str, name: str) -> str | None:
    """Return the quarter whose year-to-date figures a quarterly report shows, else that of the file name."""
    for quarter, words in _TO_DATE:
        if re.search(rf"\b(?:{words})\s+ended\b", text, re.IGNORECASE):
            return quarter
    named = _FILE_PERIOD.search(name)
    return f"Q{named[2] or named[3]}" if named else None


def fiscal_year(end: str, period: str, text: str, name: str) -> int | None:
    """Return the fiscal year of a period that ends on a day (ISO); None where neither text nor file name tells it.

    Args:
        end: last day of the period.
        period: "FY" or "Q1" to "Q4".
        text: where the company may say "fiscal 2023".
        name: of the file.
    """
    quarters_left = 4 - int(period[1]) if period.startswith("Q") else 0
    closing = date.fromisoformat(end) + timedelta(days=91 * quarters_left)
    if (closing.month, closing.day) < (1, 11):
        return closing.year - 1
    if closing.month > 2:
        return closing.year
    called = {
        year: len(re.findall(rf"\bfiscal (?:year )?{year}\b", text, re.I)) for year in (closing.year - 1, closing.year)
    }
    before, same = called.values()
    in_name = {int(year) for year in re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", name)} & set(called)
    if max(before, same) >= 3 and (same >= before or before >= 1.5 * same):
        return closing.year - (before > same)
    return in_name.pop() if len(in_name) == 1 else None


def _signed(text: str, end: str, most_days: int) -> str | None:
    """Return the first day under "SIGNATURES" that lies after the end of the period."""
    for place in _SIGNED.finditer(text):
        for day in every_date(text[place.start() : place.start() + 1_800]):
            if len(day) == 10 and end and 0 <= (date.fromisoformat(day) - date.fromisoformat(end)).days <= most_days:
                return day
    return None


def _release(cover: str, opening: str, name: str) -> Facts:
    facts: Facts = {"document_type": "earnings release"}
    listed = _LISTED.search(cover)
    if listed:
        facts |= {"organisation": listed["name"].strip(), "ticker": listed["ticker"]}
        lead = cover[max(0, listed.start() - 120) : listed.start()].rsplit("\n", 1)[-1]
        day = first_date(lead, whole=True) or first_date("\n".join(cover.split("\n", 3)[:3]), whole=True)
        facts |= {"published": day} if day else {}
    else:
        spoken = re.search(r"^(?P<name>[A-Z][\w&.,’' -]{1,60}?) (?:reports?|announces?)\b", opening, re.MULTILINE)
        facts |= {"organisation": spoken["name"]} if spoken else {}
    ended = re.search(r"\b(?:quarter|year|months|weeks|period)\b[^\n.]{0,30}?\bended\s+", cover, re.IGNORECASE)
    end = first_date(cover[ended.end() : ended.end() + 30], whole=True) if ended else None
    facts |= {"period_end": end} if end else {}
    fiscal = _FISCAL.search(opening)
    facts |= {"year": int(next(filter(None, fiscal.groups())))} if fiscal else {}
    quarter, named = _QUARTER.search(opening), _FILE_PERIOD.search(name)
    if quarter:
        words = {"f": "1", "1": "1", "s": "2", "2": "2", "t": "3", "3": "3"}
        number = (
            quarter["q"]
            or quarter["n"]
            or ("4" if quarter["word"][:2].lower() in ("fo", "4t") else words[quarter["word"][0].lower()])
        )
        facts["fiscal_period"] = f"Q{number}"
    elif named:
        facts["fiscal_period"] = f"Q{named[2] or named[3]}"
    return facts


def _chinese(cover: str, found: re.Match[str], text: str) -> Facts:
    kind = found["kind"].strip("第季度") if "季" in found["kind"] else found["kind"]
    document_type, period, end = _ZH_KIND[kind]
    day = first_date(f"{found['year']}年1月1日")
    facts: Facts = {"document_type": document_type + (" summary" if found["part"] else ""), "fiscal_period": period}
    code = _ZH_CODE.search(cover)
    company = _ZH_NAME.search(text[:40_000]) or _ZH_COMPANY.search(cover[:1_500])
    name = company[company.lastindex or 0] if company else found["company"]
    facts |= {"organisation": name} if name else {}
    facts |= {"ticker": code[1]} if code else {}
    if day:
        facts["year"] = int(day[:4])
        if (
            end and code and len(code[1]) == 6
        ):  # companies listed in mainland China close their books by the calendar year
            facts["period_end"] = day[:4] + end
    if found["fixed"]:
        facts |= {"amendment": True, "version": found["fixed"].strip("（()）"), "amends": "all"}
    return facts
