"""What the words around a number say about it: scale and currency from notices, and what they do not reach.

"(in millions, except per share amounts)" makes 1,234 a figure in millions, but not 5.12 in the row "Diluted earnings
per share", nor 21 % anywhere. It does not look at grids; `ingest.parsers.table` asks it cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.language import has_han
from rag.numbers import find_scale

_EN_SCALE = {10**3: "in thousands", 10**6: "in millions", 10**9: "in billions", 10**12: "in trillions"}
_ZH_SCALE = {1: "元", 10**3: "千元", 10**4: "万元", 10**6: "百万元", 10**8: "亿元", 10**9: "十亿元"}
_ZH_CURRENCY = {"CNY": "人民币", "USD": "美元", "HKD": "港币", "TWD": "新台币", "EUR": "欧元", "JPY": "日元"}
_MONTH = (
    r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?|July?|Aug(?:ust|\.)?|Sept?(?:ember|\.)?"
    r"|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_NTH = r"(?:first|second|third|fourth|last)"
_YEAR_FIRST = re.compile(  # "2023" over "Q2" or "Six months"
    rf"(?P<year>(?:FY)?(?:19|20)\d{{2}})\s+(?P<part>Q[1-4]|{_NTH}\s+(?:quarter|half)|(?:three|six|nine)\s+months)\b",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    rf"(?:(?P<span>(?:three|six|nine|twelve|\d+)[\s-](?:months?|weeks?)|(?:{_NTH}\s+)?(?:quarters?|half))\b[^|]*?(?:19|20)\d{{2}})"
    rf"|(?P<date>{_MONTH}\s+\d{{1,2}},?\s+(?:19|20)\d{{2}})"
    r"|(?P<zh>(?:19|20)\d{2}\s*年(?:度|末|\s*\d{1,2}\s*月(?:\s*\d{1,2}\s*日)?|半年度|第?[一二三四]季度|\s*\d\s*[-—]\s*\d{1,2}\s*月)?)"
    r"|(?P<quarter>Q[1-4]['’ ]*(?:FY)?(?:(?:19|20)\d{2}|\d{2}\b)|[1-4]Q\s?(?:FY)?\d{2,4})"
    r"|(?P<fy>FY\s?['’]?(?:(?:19|20)\d{2}|\d{2}\b))"
    r"|(?P<year>(?<![\d,.])(?:19|20)\d{2}(?![\d,.]\d))",
    re.IGNORECASE,
)
_YEAR_END = re.compile(r"\b(?:years?|fiscal|annual|52|53)\b", re.IGNORECASE)
_RELATIVE = re.compile(r"本期|上期|期末|期初|本年|上年|年初|年末|current|prior|previous", re.IGNORECASE)
_NOTICE = re.compile(
    r"[(（\[][^()（）]*(?:\b(?:thousand|million|billion)s?\b|['’ ]000|单位|單位|[万千亿億萬仟]元)"
    r"[^()（）]*(?:\([^()]*\)[^()]*)?[)）\]]"
    r"|(?:单位|單位|金额单位)\s*[:：][^|]*?(?:元|股|%|％)(?:\s*(?:币种|幣種)\s*[:：]\s*\S+)?"
    r"|(?:币种|幣種)\s*[:：]\s*[^\s|]+"
    r"|(?<![^\W\d_])(?:RMB|(?:US|HK|NT|S)?[$€£¥])\s?['’]\s?(?:000|thousands?|millions?|billions?)\b"
    r"|\b(?:amounts?\s+|dollars\s+|u\.s\.\s+dollars\s+|(?:u\.?\s?s\.?\s*)?\$\s*|expressed\s+|tabular\s+)*"
    r"(?:in\s+)(?:u\.?s\.?\s*)?\$?\s*(?:thousands|millions|billions)"
    r"(?:\s+of\s+(?:u\.?s\.?\s+)?dollars)?(?:,?\s+except\s+[^|]*)?",
    re.IGNORECASE,
)
_PER_SHARE = re.compile(
    r"\bper\s+(?:\w+\s+){0,4}?(?:share|unit|ads)\b|每股|\beps\b"
    r"|\bgrant[\s-]date\s+fair\s+values?(?:$|\s*\()|\b(?:exercise|strike|conversion)\s+price|行权价|授予价",
    re.IGNORECASE,
)
_PER_SHARE_ONLY = re.compile(
    r"^(?!.*\b(?:shares\s+(?:used|outstanding)|weighted.*shares)).*\bper\b.*\bshare", re.IGNORECASE
)
_SHARES = re.compile(
    r"\bshares?\s+(?:outstanding|issued|repurchased|authorized|used)|(?:number|weighted)\b.*\bshares\b|^denominator\b"
    r"|\b(?:potential|dilutive|incremental|additional)\s+(?:\w+\s+){0,2}shares\b"
    r"|\bshares\b.*\bweighted|(?:^|– )(?:basic|diluted)?\s*(?:common\s+)?shares$|股数|总股本.*股",
    re.IGNORECASE,
)
_SHARES_SCALE = re.compile(r"shares?\b[^;)]{0,60}?\b(?:in|reflected in)\s+(thousands|millions|billions)", re.IGNORECASE)
_NO_SHARES = re.compile(
    r"except[^)]*\b(?:number of shares|shares?(?!\s+(?:and\s+)?(?:amounts?|data|figures))(?<!per share)"
    r"|share\s+and\s+per)",
    re.IGNORECASE,
)
_EXCEPT = re.compile(
    r"\b(?:except|excluding|other\s+than)(?:\s+for)?\s+(?P<en>[^()]+)|除(?P<zh>[^（）()，,。除]+?)外", re.IGNORECASE
)
_ZH_EXCEPT = re.compile(r"([^（）()，,。除]+)除外")
_PARTS = re.compile(r"\s*[,;&、，；]\s*|\s+(?:and|or)\s+|\s+as\s+|[和及与或]")
_VAGUE = frozenset(
    re.findall(r"\w+", "data information statistic figure item number value amount the a an of for in all any")
)
_NOTED = re.compile(r"\b(?:noted|indicated|stated|specified|otherwise|shown)\b|注明|说明|特别|另有", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+|[\u4e00-\u9fff]+")
_RATE_IN_NAME = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d+)?\s?[%％]")  # "1.70% 2023 Notes", not "2022 %"
_PERCENT_LABEL = re.compile(r"[%％]|\bpercent(?:age)?s?\b|\bmargin\b(?=.*%)|百分比", re.IGNORECASE)
_COUNT = re.compile(
    r"\bnumber of\b|# of\b|^(?:employees|headcount|stores|customers)\b|\b(?:days|ratio)$"
    r"|\((?:in\s+)?(?:years|months|days)\)|人数|天数|倍数|（年）",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\(['’‘]000s?\)")
_PRICE = re.compile(r"\bprices?\b|单价|价格", re.IGNORECASE)
_POINTS = re.compile(r"[\d)]\s?(?:(?P<bp>bps|basis points|个?基点)|pts?|个?百分点)$", re.IGNORECASE)
POINTS = ("bp", "pp")  # units: basis points, percentage points
_TIMES = re.compile(r"[\d)]\s?[x×倍]$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is announced for a whole table.

    `shares` is the scale of numbers of shares; `exempt` the words of each thing that the notice excepts.
    """

    scale: int = 1
    unit: str | None = None
    currency: str | None = None
    shares: int = 1
    exempt: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """What one number is counted in."""

    unit: str | None = None
    scale: int = 1
    currency: str | None = None


def read_notice(texts: Sequence[str], currency_seen: str = "") -> Notice:
    """Read scale, unit and currency from the texts near a table, nearest first; the first that says a scale wins."""
    scale, unit, currency, chosen = 1, None, None, ""
    for text in texts:
        found = find_scale(text) if text else (1, None, None)
        if found[0] != 1 or (found[2] and not chosen and any(c in text for c in ":：")):
            scale, unit, currency = found
            chosen = text
            break
    if not currency:
        currency = find_scale(currency_seen)[2] if currency_seen else None
    shares = _SHARES_SCALE.search(chosen)
    if shares:
        of_shares = {"thousands": 10**3, "millions": 10**6, "billions": 10**9}[shares.group(1).lower()]
    else:
        of_shares = 1 if _NO_SHARES.search(chosen) else scale
    return Notice(scale, unit, currency, of_shares, _exempt(chosen) if scale != 1 else ())


def _exempt(text: str) -> tuple[frozenset[str], ...]:
    """Return the words of each thing behind "except", in the singular; shares and what is too vague are left out."""
    excepted = [found["en"] or found["zh"] for found in _EXCEPT.finditer(text)] + _ZH_EXCEPT.findall(text)
    exempt = []
    for part in (part for found in excepted for part in _PARTS.split(found)):
        words = _words(part)
        named = words - _VAGUE
        if not named or _NOTED.search(part) or named & {"share", "per"} or "股" in part:
            continue
        if len(named) > 1 or named == words:  # "store data" may be any row with a store in it
            exempt.append(named)
    return tuple(exempt)


def _words(text: str) -> frozenset[str]:
    """Return the words of a text in the singular; a run of Chinese is one word, without a closing "data"."""
    return frozenset(_singular(word) for word in _WORD.findall(text.lower()))


def _singular(word: str) -> str:
    return re.sub(r"(?<=.)(?:数据|数字|资料|金额)$", "", word) if has_han(word) else word.removesuffix("s")


def _is_exempt(notice: Notice, label: str, column: str) -> bool:
    """Tell whether a row or column is among what the notice excepts from its scale."""
    texts = (label.rsplit(" – ", 1)[-1], column) if notice.exempt else ()
    return any(_named(words, text) for words in notice.exempt for text in texts)


def _named(words: frozenset[str], text: str) -> bool:
    """Tell whether a text names a thing by all its words; one word alone is its last or in the plural."""
    if any(map(has_han, words)):
        return all(word in text for word in words)
    found = _WORD.findall(text.lower())
    if len(words) > 1 or not found:
        return bool(found) and words <= frozenset(map(_singular, found))
    return _singular(found[-1]) in words or any(f"{word}s" in found for word in words)


def strip_notice(text: str) -> str:
    """Return a caption or header without its notice of scale and currency."""
    bare, count = _NOTICE.subn(" ", text) if text else ("", 0)
    return bare.replace("  ", " ").strip(" ,，;；") if count else bare.strip()


def measure_of(notice: Notice, label: str, column: str, text: str) -> Measure:
    """Tell what the number in a cell is counted in, from the cell, its column, its row and the table, in this order."""
    points = _POINTS.search(text)
    if points:
        return Measure(POINTS[not points["bp"]])
    of_column, of_row = _named_measures(column), _named_measures(label)
    if text.endswith(("%", "％")) or of_column.percent or of_row.percent:
        return Measure("percent")
    if _TIMES.search(text):
        return Measure("times")
    own_scale, own_unit, own_currency = find_scale(_RATE_IN_NAME.sub("", column))
    scale = own_scale if own_scale != 1 else notice.scale
    if scale == 1 and "(" in label:  # "Net sales (millions)"
        scale = find_scale(label.split(" – ")[-1])[0]
    currency = own_currency or notice.currency
    money = any(sign in text for sign in "$€£¥￥") or (own_scale != 1 and own_currency is not None)
    if not money and (of_row.shares or of_column.shares) and not of_row.per_share_only:
        return Measure("share", notice.shares if own_scale == 1 else own_scale)
    if of_row.per_share or of_column.per_share:
        return Measure("per_share", 1, currency)
    if own_unit:
        return Measure(own_unit, scale)
    of_things = _THOUSANDS.search(label)
    if of_things and not money and own_scale == 1:  # connections, accounts: not of money
        return Measure(None, 10**3)
    if own_scale == 1 and _is_exempt(notice, label, column):
        return Measure(None, 1, notice.currency if money or _PRICE.search(f"{label} {column}") else None)
    if money:
        return Measure(None, scale, currency)
    if of_row.count or of_column.count:
        return Measure(None, own_scale)
    return Measure(notice.unit, scale, None if notice.unit else currency)


@dataclass(frozen=True, slots=True)
class _Named:
    """What the name of a row or column says of the numbers in it."""

    percent: bool
    shares: bool
    per_share: bool
    per_share_only: bool
    count: bool


@lru_cache(8192)
def _named_measures(name: str) -> _Named:
    """Read the name of a row or column; a rate inside it ("1.70% 2023 Notes") says nothing."""
    percent = _PERCENT_LABEL.search(_RATE_IN_NAME.sub("", name))
    found = (percent, *(words.search(name) for words in (_SHARES, _PER_SHARE, _PER_SHARE_ONLY, _COUNT)))
    return _Named(*(each is not None for each in found))


def annotate(measures: Sequence[Measure], context: str) -> str:
    """Return " (USD, in millions)" for the first measure of a row that has something to say, in the row's language."""
    for m in measures:
        if m.unit == "percent" and len(measures) > 1 and any(o.unit != "percent" for o in measures):
            continue
        words = _zh_words(m) if has_han(context) else _en_words(m)
        if words:
            return words
        return ""
    return ""


def _en_words(m: Measure) -> str:
    parts = [
        m.currency or "",
        {"per_share": "per share", "share": "shares", "percent": "", "times": "", "bp": "", "pp": ""}.get(
            m.unit or "", ""
        ),
    ]
    parts.append(_EN_SCALE.get(m.scale, f"times {m.scale:,}" if m.scale != 1 else ""))
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""


def _zh_words(m: Measure) -> str:
    if m.unit == "per_share":
        parts = [_ZH_CURRENCY.get(m.currency or "", m.currency or ""), "元/股"]
    elif m.unit == "share":
        parts = [_ZH_SCALE.get(m.scale, "元").replace("元", "股")]
    elif m.currency or m.scale != 1:
        parts = [_ZH_CURRENCY.get(m.currency or "", m.currency or ""), _ZH_SCALE.get(m.scale, f"×{m.scale:,}")]
    else:
        return ""
    return f"（{'，'.join(part for part in parts if part)}）"


def period_of(label: str) -> str | None:
    """Return the period a column label names ("2022", "Three months ended June 30, 2023", "期末余额"), or None."""
    found = _PERIOD.search(label)
    if found is None:
        return label if label and len(label) <= 20 and _RELATIVE.search(label) else None
    text = found.group().strip()
    part = _YEAR_FIRST.match(label, found.start()) if found["year"] or found["fy"] else None
    if part:
        return f"{part['part']} {part['year']}"
    if found["date"] and _YEAR_END.search(label[: found.start()]):
        return text[-4:]
    return re.sub(r"\s+", " " if not has_han(text) else "", text)
