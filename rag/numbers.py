"""Numbers in running text, in table cells and in captions, English and Chinese.

A printed number and its scale are kept apart: "$1.5 billion" is value 1.5, scale 10**9, currency USD. Currencies are
ISO 4217 codes; a bare "$" is USD, "¥" is CNY beside Chinese text and JPY elsewhere. A calendar year has unit "year",
a span of time "years", a full date "date" (value yyyymmdd). It does not know numbers written as words ("five", "三十").
Offsets are half-open code points of the text as given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

# name: words; a "_" stands for a space
_SCALES = """
3: thousand thousands k 千 仟; 4: 万 萬; 5: 十万 十萬; 6: million millions mn m 百万 百萬 佰万 佰萬
7: 千万 千萬 仟万 仟萬; 8: 亿 億; 9: billion billions bn b 十亿 十億; 10: 百亿 百億; 11: 千亿 千億
12: trillion trillions tn 万亿 萬億 兆
"""  # powers of ten
_CURRENCIES = """
USD: us$ u.s.$ $ ＄ usd us_dollars u.s._dollars dollars dollar 美元 美金; EUR: € eur euros euro 欧元 歐元
GBP: £ gbp pounds_sterling 英镑 英鎊; CNY: rmb¥ rmb cny renminbi yuan 人民币 人民幣 元人民币 元 圆
HKD: hk$ hkd hong_kong_dollars 港元 港币 港幣; TWD: nt$ twd ntd 新台币 新台幣 新臺幣 台币
JPY: jpy yen 日元 日圆 日圓 円; AUD: a$ aud 澳元; CAD: c$ cad 加元; SGD: s$ sgd 新加坡元; CHF: chf 瑞士法郎; ?: ¥ ￥
"""
_UNITS = """
percent: % ％ percent per_cent pct; permille: ‰; bp: basis_points basis_point bps bp 个基点 個基點 基点
pp: percentage_points percentage_point pp ppts pts 个百分点 個百分點 百分点
mg: mg 毫克; ug: µg μg ug mcg 微克; ng: ng 纳克; g: g grams 克; kg: kg 千克 公斤; ml: ml 毫升; dl: dl 分升; l: l 升
ul: µl μl ul 微升; mmol: mmol 毫摩尔 毫摩; umol: µmol μmol umol 微摩尔; nmol: nmol; mol: mol; meq: meq
iu: iu 国际单位; u: u units 单位; mmhg: mmhg 毫米汞柱; kcal: kcal 千卡; mm: mm 毫米; cm: cm 厘米 公分
m2: m2 m² 平方米; celsius: °c ℃ 摄氏度; bpm: bpm 次/分钟 次/分; per_day: 次/日 次/天 times_a_day times_daily
seconds: seconds second 秒; minutes: minutes minute min 分钟 分鐘; hours: hours hour hrs hr h 小时 小時
days: days day 天; weeks: weeks week 周 週; months: months month 个月 個月; years: years year yrs yr 年; age: 岁 歲
times: times x 次 倍; share: shares share 股; tablet: tablets tablet 片 粒; month: 月; day: 日; person: 人 名
"""
_DOSE = "mg ug ng g kg ml dl l ul mmol umol nmol mol meq iu u kcal m2"
_BASE_UNITS = """
mg: g 1e-3; ug: g 1e-6; ng: g 1e-9; kg: g 1e3; ml: l 1e-3; dl: l 1e-1; ul: l 1e-6; mmol: mol 1e-3; umol: mol 1e-6
nmol: mol 1e-9; bp: pp 1e-2; permille: percent 1e-1; cm: mm 10
"""


def _lists(block: str) -> dict[str, list[str]]:
    entries = (entry.split(":", 1) for entry in block.replace("\n", ";").split(";") if entry.strip())
    return {name.strip(): words.split() for name, words in entries}


def _names(block: str) -> dict[str, str]:
    return {word.replace("_", " "): name for name, words in _lists(block).items() for word in words}


def _any(words: Iterable[str]) -> str:
    """Alternation, longest first; a word of Latin letters must not run on into further letters or digits."""
    ordered = sorted(set(words), key=len, reverse=True)
    tails = ("(?![a-zµμ0-9])" if w[-1].isascii() and w[-1].isalnum() else "" for w in ordered)
    return "|".join(re.escape(w).replace(r"\ ", r"\s+") + tail for w, tail in zip(ordered, tails, strict=True))


_SCALE = {word: 10 ** int(power) for word, power in _names(_SCALES).items()}
_CURRENCY = _names(_CURRENCIES)
_UNIT = _names(_UNITS)
_BASE = {unit: (base, Decimal(factor)) for unit, (base, factor) in _lists(_BASE_UNITS).items()}
_HAN_SCALES = _any(w for w in _SCALE if not w.isascii())
# what may stand before a number, and what only behind one
_SIGNS = "|".join(
    re.escape(w)
    for w in sorted(_CURRENCY, key=len, reverse=True)
    if w not in ("元", "圆", "dollars", "dollar", "yuan", "euros")
)
_DOSES = _any(word for unit in _DOSE.split() for word in _lists(_UNITS)[unit])
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．，（）％－−＋：／", "0123456789.,()%--+:/")

_NUMBER = re.compile(r"(?<![\d_])(?<!\d[.,])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?!\.?\d)")
_DATE = re.compile(r"(?<![\d/-])(?P<y>(?:19|20)\d\d)[-/](?P<m>0?[1-9]|1[0-2])[-/](?P<d>0?[1-9]|[12]\d|3[01])(?![\d/-])")
_BEFORE = re.compile(
    r"(?:(?P<sign>(?<![\w)%\]])[-+])\s?)?"
    rf"(?:(?<![a-z])(?P<cur>{_SIGNS})\s?)?"
    r"(?P<inner>(?<![\w)%\]])[-+]|(?<=[$€£¥])\()?(?P<pct>百分之)?\Z",
    re.I,
)
_AFTER = re.compile(
    rf"(?:[\s-]?(?P<word>{_any(w for w in _SCALE if len(w) > 1 and w.isascii())})"
    rf"|\s?(?P<han>{_HAN_SCALES})(?![克卡瓦米])|(?P<letter>(?:k|m|b|t)(?![a-z0-9/²])))?"
    rf"(?:[\s-]?(?P<unit>(?:{_DOSES})(?:\s?/\s?(?:{_DOSES}|day|d\b|h\b|min|week|dose|日|天|次|小时))+|(?!日[元圆圓])(?:{_any(_UNIT)}))"
    rf"|\s?(?P<cur>{_any(w for w in _CURRENCY if not w.endswith('$'))})(?P<per>/股)?)?",
    re.I,
)
_NAME_BEFORE = re.compile(r"[a-z][-–_./]?\Z", re.I)
_RUNS_ON = re.compile(r"[a-z]|-[a-z]|\([a-z]\)", re.I)
_RANGE = re.compile(r"\s*(?:-|–|—|~|～|至|到|to)\s*", re.I)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_TOKEN = re.compile(rf"{_DATE.pattern}|{_NUMBER.pattern}")
_CELL_SIGNS = _FULL_WIDTH | {ord(c): "-" for c in "−–—‒"} | {ord(c): " " for c in "\u00a0\u2009\u202f"}
_MARKS = re.compile(r"(?<=[\d)%])\s*(?:\((?:[a-z]{1,2}|\d)\)|\[[a-z0-9]{1,2}\]|[*†‡§#¹²³⁴⁵]+)+$|^\s*[*†‡§]+", re.I)
_CELL = re.compile(
    rf"(?P<minus>-)?\s*(?P<open>\()?\s*(?:(?:{_SIGNS})\s*)?"
    r"(?P<open2>\()?\s*(?P<inner>-)?\s*(?P<num>\d{1,3}(?:[, ']\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)\s*(?P<trail>-)?"
    rf"\s*(?:{_any(_UNIT)}|(?:{_HAN_SCALES})?元?)\s*(?P<close>\))?\s*(?:%|bps|basis\s+points|pts?|个百分点|个基点)?",
    re.I,
)
_NOTICE = re.compile(
    r"(?:(?P<pre>shares)\s+)?(?:\bin|\(|\$|€|£|¥|\busd|\brmb|\beur|\bdollars?|\bamounts|^)\s*(?:in\s+)?"
    r"(?:(?:u\.?s\.?\s*)?(?:\$|dollars?|€|£|¥|rmb|eur|usd)\s*)?"
    r"['’]?\s*(?P<en>(?:thousand|million|billion|trillion)s?)\b(?:\s+of\s+(?P<what>shares|units))?"
    r"|(?:['’]|\(\s*|\$\s*|\bin\s+)(?P<zeros>000)(?=['’s)\s]|$)"
    r"|[$€£¥]\s?(?P<short>k|mn|m|bn|b)(?![a-z0-9])"
    rf"|(?<!\d)(?<!\d\s)(?P<han>{_HAN_SCALES})(?:元|美元|港元|日元|欧元|(?P<stock>股))",
    re.I,
)
_SYMBOLS = "|".join(re.escape(w) for w in sorted(_CURRENCY, key=len, reverse=True) if not w.isalpha())
_MONEY = re.compile(
    rf"(?:{_SYMBOLS})|人民币|人民幣|美元|港元|港币|日元|欧元|英镑|新台币|新台幣|新臺幣"
    rf"|\b(?:{_any(w for w in _CURRENCY if w.isascii() and w.isalpha())})",
    re.I,
)
_BARE_MONEY = re.compile(r"(?<=[(/:])\s*元|元(?=\s*[)/])|(?:单位|單位)\s*:?\s*元")
_PERCENT_NOTICE = re.compile(r"%|\bpercent(?:age)?\b|百分比|比例", re.I)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text: `text` is the whole span, `value * scale` the amount in `unit` or `currency`."""

    start: int
    end: int
    text: str
    value: Decimal
    unit: str | None = None
    scale: int = 1
    currency: str | None = None

    @property
    def amount(self) -> Decimal:
        """Return `value * scale`."""
        return self.value * self.scale


def _unit_of(word: str) -> str:
    """Normalise a unit; the parts of a rate one by one ("mg / 日" -> "mg/日")."""
    word = re.sub(r"\s+", " ", word.lower().strip())
    return _UNIT.get(word) or "/".join(_UNIT.get(part.strip(), part.strip()) for part in word.split("/"))


def _code(word: str | None, text: str) -> str | None:
    """Return the currency code of a sign or a name."""
    if not word:
        return None
    code = _CURRENCY[re.sub(r"\s+", " ", word.lower())]
    return code if code != "?" else "CNY" if _HAN.search(text) else "JPY"


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and 1900 <= int(text) <= 2099


def _letter_scale(letter: str | None, number: str, currency: str | None) -> int | None:
    """Return the scale of a single letter: "$5m", "5.5M"; None where the letter may mean anything ("3M", "10K")."""
    if not letter:
        return 1
    if letter.lower() == "t":
        return 10**12 if currency else None
    sure = currency is not None or (letter.isupper() and ("." in number or (letter != "K" and len(number) > 1)))
    return _SCALE[letter.lower()] if sure else None


def _read(text: str, found: re.Match[str]) -> Quantity | None:
    """Read what stands around one number; None where the digits belong to a name ("COVID-19", "10-K", "3M")."""
    start, end, number = found.start(), found.end(), found.group()
    window = text[max(0, start - 18) : start]
    before = _BEFORE.search(window)
    after = _AFTER.match(text, end)
    if before is None or after is None:  # both match the empty string
        return None
    currency = _code(before["cur"], text)
    scale = _letter_scale(after["letter"], number, currency)
    word = after["word"] or after["han"]
    unit = _unit_of(after["unit"]) if after["unit"] else "percent" if before["pct"] else None
    if currency and unit == "mm":  # "$3MM" are millions, not millimetres
        unit, word = None, "million"
    bare = not (currency or word or unit or after["letter"])
    year = _is_year(number) and (bare or (unit == "years" and text[after.end() - 1] == "年"))
    if scale is None or (not currency and not year and _NAME_BEFORE.search(window[: before.start()])):
        return None
    if bare and _RUNS_ON.match(text, end):
        return None
    value = Decimal(number.replace(",", ""))
    begin, stop = start - len(window) + before.start(), after.end()
    if before["inner"] == "(":  # "$(0.55)" is a loss; parentheses without a currency are left to `parse_number`
        negative = text.startswith(")", stop)
        begin, stop = (begin, stop + 1) if negative else (start, stop)
    else:
        negative = "-" in (before["sign"], before["inner"])
    value = -value if negative else value
    currency = currency or _code(after["cur"], text)
    scale = _SCALE[word.lower()] if word else scale
    return Quantity(begin, stop, text[begin:stop], value, "year" if year else unit, scale, currency)


def _share_range(text: str, left: Quantity, right: Quantity) -> Quantity:
    """Give the first end of a range what is printed at the second alone: "5-10 mg", "$1.5 to 2 billion"."""
    if left.unit or left.scale != 1 or not _RANGE.fullmatch(text, left.end, right.start):
        return left
    if right.unit in ("year", "date") or (left.currency and left.currency != right.currency):
        return left
    return replace(left, unit=right.unit, scale=right.scale, currency=right.currency)


def find_quantities(text: str) -> list[Quantity]:
    """Return the numbers of a text with sign, unit, scale and currency, in order and without overlap.

    Digits inside names ("COVID-19", "10-K", "401(k)") are left out. Parentheses do not negate here: that is a habit of
    table cells, see `parse_number`.
    """
    plain = text.translate(_FULL_WIDTH)
    found: list[Quantity] = []
    for match in _TOKEN.finditer(plain):
        if found and match.start() < found[-1].end:
            continue
        if match["y"]:
            value = Decimal(int(match["y"]) * 10_000 + int(match["m"]) * 100 + int(match["d"]))
            quantity: Quantity | None = Quantity(match.start(), match.end(), match.group(), value, "date")
        else:
            quantity = _read(plain, match)
        if quantity is None:
            continue
        if found and quantity.start < found[-1].end:
            quantity = replace(quantity, start=found[-1].end)
        found.append(replace(quantity, text=text[quantity.start : quantity.end]))
    for i in range(len(found) - 2, -1, -1):
        found[i] = _share_range(plain, found[i], found[i + 1])
    return found


@lru_cache(8192)
def parse_number(text: str) -> Decimal | None:
    """Return the number printed in a table cell, without its scale; None where the cell holds no single number.

    "(1,234)" and "1,234-" are negative, "12.5%" is 12.5, "—" and "N/A" are None; footnote marks are passed over.
    """
    match = _CELL.fullmatch(_MARKS.sub("", text.translate(_CELL_SIGNS)).strip())
    if match is None:
        return None
    value = Decimal(re.sub(r"[,\s']", "", match["num"]))
    opened = bool(match["open"] or match["open2"])
    if match["close"] and not opened:
        return None
    return -value if opened or match["minus"] or match["inner"] or match["trail"] else value


@lru_cache(8192)
def find_scale(text: str) -> tuple[int, str | None, str | None]:
    """Return (scale, unit, currency) that a caption or header announces: "(in millions, except per share data)".

    What is announced for a part only ("shares in thousands" after a comma) does not count before the main notice.
    (1, None, None) where nothing is announced.
    """
    plain = text.translate(_FULL_WIDTH)
    notice = _NOTICE.search(plain)
    if notice is None:
        if _BARE_MONEY.search(plain):
            return 1, None, "CNY"
        money = _MONEY.search(plain)
        unit = "percent" if money is None and _PERCENT_NOTICE.search(plain) else None
        return 1, unit, _code(money.group(), plain) if money else None
    word = (notice["en"] or notice["short"] or notice["han"] or "thousand").lower()
    if notice["pre"] or notice["what"] or notice["stock"]:
        return _SCALE[word], "share", None
    money = _MONEY.search(plain, max(0, notice.start() - 24), notice.end() + 24) or _MONEY.search(plain)
    han_money = "CNY" if notice["han"] else None
    return _SCALE[word], None, _code(money.group(), plain) if money else han_money


def same_quantity(a: Quantity, b: Quantity, rel_tol: float = 1e-9) -> bool:
    """Tell whether two quantities are the same amount in the same unit and currency, whatever scale each is printed in.

    An unknown currency agrees with any; units are converted within mass, volume and the like (5 mg = 0.005 g).
    """
    if a.currency and b.currency and a.currency != b.currency:
        return False
    (unit_a, factor_a), (unit_b, factor_b) = (_BASE.get(q.unit or "", (q.unit, Decimal(1))) for q in (a, b))
    if unit_a != unit_b:
        return False
    left, right = a.amount * factor_a, b.amount * factor_b
    return abs(left - right) <= Decimal(rel_tol) * max(abs(left), abs(right))


def rounds_to(short: Quantity, exact: Quantity) -> bool:
    """Tell whether `short` is `exact` rounded to the digits `short` prints: 1.5 billion and 1,523 million."""
    if same_quantity(short, exact):
        return True
    step = Decimal(1).scaleb(int(short.value.as_tuple().exponent)) * short.scale
    if short.unit != exact.unit or (short.currency and exact.currency and short.currency != exact.currency):
        return False
    return abs(short.amount - exact.amount) * 2 <= step
