"""What identifies a person by its form: numbers with check digits, numbers behind their label, dates, addresses.

A number counts as an identifier where its form alone proves it (check digit, Luhn), or where a label stands before it.
Amounts, doses, laboratory values, years, pages and the dates at which a reporting period ends have neither and stay.
It does not know free text that identifies by its sense ("the mayor's brother"), nor places named outside an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple


class Span(NamedTuple):
    """A half-open stretch of a text and what it is."""

    start: int
    end: int
    kind: str


_HAN = r"\u4e00-\u9fff"
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:1[89]|20)\d\d"
_ZH_DIGIT = "〇零一二三四五六七八九十"
_WEEKDAY = r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?\s+)?"
_CLOCK = r"(?:[ T]\d{1,2}:\d\d(?::\d\d)?(?:\s?[AP]M)?)?"
_DATES = "|".join(
    (
        rf"\b{_YEAR}([-/.])(?:0?[1-9]|1[0-2])\1{_DAY}(?!\d){_CLOCK}",
        rf"(?<![\d/.-])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2{_YEAR}(?![\d/-]|\.\d){_CLOCK}",
        rf"(?<![\d/.-])(?:0?[1-9]|[12]\d|3[01])([-/])(?:0?[1-9]|[12]\d|3[01])\3\d\d(?![\d/-]|\.\d){_CLOCK}",
        rf"{_WEEKDAY}\b{_DAY}[ -](?:of )?{_MONTH}(?:[ ,-]+{_YEAR}\b)?",
        rf"{_WEEKDAY}\b{_MONTH} {_DAY}\b(?:,? {_YEAR}\b)?",
        rf"\b{_MONTH},? {_YEAR}\b",
        rf"{_YEAR}\s?年\s?\d{{1,2}}\s?月(?:\s?\d{{1,2}}\s?[日号])?",
        r"(?<!\d)(?:0?[1-9]|1[0-2])\s?月\s?\d{1,2}\s?[日号]",
        rf"[{_ZH_DIGIT}]{{4}}年[{_ZH_DIGIT}]{{1,2}}月(?:[{_ZH_DIGIT}]{{1,3}}[日号])?",
    )
)
_DATE = re.compile(_DATES)
_NO_DATE = re.compile(r"(?:1[3-9]|2\d|3[01])[-/.](?:1[3-9]|2\d|3[01])[-/.]")  # no month in it
_FISCAL = re.compile(
    r"(?:\bas (?:of|at)|\b(?:year|years|period|periods|quarter|quarters|months?|weeks?)[ -]end(?:ed|ing)(?: on)?"
    r"|(?:balance sheets?|year-end) (?:as )?(?:at|of)|截至|截止|止于|报告期末"
    r"|[期年]末)\s*[（(]?\s*(?:[^\n]{0,40}\b(?:and|,)\s+|[^\n]{0,14}[和及与、]\s*)?$",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"(?:\b(?:DOB|D\.O\.B\.?|date of birth|birth\s?da(?:te|y)|born(?: on)?)(?: is)?|出生(?:日期|年月日?|于)?|生日|生于)"
    r"[^\S\n]*(?:[:：|#是为][^\S\n]*)?$",
    re.IGNORECASE,
)
_BIRTH_AFTER = re.compile(r"\s?(?:出生|生[，,。])")
_AGE = re.compile(
    r"(?<![\d.,])(?:9\d|1[01]\d)(?=[- ]?(?:years?|yrs?|y/?o\b|y\.o\.|岁|周岁))(?:[- ]?(?:years?[- ]old|yrs?[- ]old"
    r"|y/?o\b"
    r"|y\.o\.|years? of age|周?岁))?|(?:(?<=\bage )|(?<=\baged )|(?<=\bAge: )|(?<=年龄：)|(?<=年龄:))(?:9\d"
    r"|1[01]\d)(?![\d.])",
)
_PHONES = re.compile(
    r"(?<![\w.+-])(?:"
    r"\+\d{1,3}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?:,? ?(?:ext\.?|x) ?\d{1,6})?"
    r"|0\d{2,4} \d{3,4} \d{3,4}|0\d{4} \d{6}"
    r"|0\d{2,3}[- ]\d{7,8}(?:[-转]\d{1,6})?|\(0\d{2,3}\)\d{7,8}|（0\d{2,3}）\d{7,8}"
    r"|(?:86[- ]?)?1[3-9]\d(?:[ -]?\d{4}){2}|400[- ]?\d{3}[- ]?\d{4}"
    r"|555-\d{4}"
    r")(?![\w-]|[.,]\d)"
)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9.+%_-])[A-Za-z0-9.+%_-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,24}"
)
_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'，。；）)\]】|]+"
    r"|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.(?:com|org|net|cn)/[^\s<>\"'，。；）)\]】|]+"
)
_PERSONAL_URL = re.compile(
    r"//[^/\s]*@|linkedin\.com/in/|(?:facebook|instagram|twitter|x|tiktok|github)\.com/\w|weibo\.com/"
    r"|zhihu\.com/people/"
    r"|/(?:user|users|u|patient|patients|member|members|profile|people|account|customer|person)s?/[^/]"
    r"|[?&](?:\w*id|user|name|email|token|patient|mrn|phone|account)=|/~",
    re.IGNORECASE,
)
_IP = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\d|\.\d)")
_CN_ID = re.compile(
    r"(?<![0-9A-Za-z])[1-9]\d{5}(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z])"
)
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_CARD = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){11,18}(?![\d-]|[.,]\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
    r"[A-HJ-NP-Z][·• ]?(?=[A-HJ-NP-Z0-9]*\d)[A-HJ-NP-Z0-9]{5,6}(?![A-Za-z0-9])"
)

_SEP = r"(?:[^\S\n]*(?:number|numbers|num|nos?\.?|id|code|号码?|编号|为|是))?[^\S\n]*[.:：#=|]*[^\S\n]*(?:is )?#?"
_CODE = (
    r"(?=[A-Z0-9][A-Z0-9./ -]{0,60}\d)[A-Z0-9](?:[-/.]?[A-Z0-9]){0,40}(?: (?:\d[\dA-Z-]*|[A-Z]\d[\dA-Z]*)(?![a-z]))*"
)
_LABELS: tuple[tuple[str, str], ...] = (
    (
        "RECORD",
        r"\b(?:MRN|(?:medical|patient|hospital|health) (?:record|id|identification)|hospital|chart|encounter|accession"
        r"|NHS|UHID|visit|patient)(?: ?(?:number|no\.?|num|id|#))|\bMRN"
        r"|病历号?|病案号?|住院号|门诊号|就诊卡号?|登记号|就诊号|诊疗卡号?|床位?号|检查号|标本号|病人编号|患者编号"
        r"|病理号|影像号|档案号",
    ),
    ("PASSPORT", r"\bpassport|driv(?:er|ing)(?:'?s)? licen[cs]e|护照|驾驶证|驾照|港澳通行证|通行证|军官证|回乡证"),
    ("ID_CARD", r"\b(?:SSN|social security|national id|identity card|tax id|TIN|ITIN)|身份证(?:件)?|证件|公民身份"),
    (
        "ACCOUNT",
        r"\b(?:account|acct|a/c|routing|sort code|IBAN|policy|policyholder id|member|subscriber|beneficiary|claim"
        r"|customer"
        r"|client|certificate|group|NPI|DEA|reference|loan|mortgage|contract)(?: ?(?:number|no\.?|num|id|#))"
        r"|\b(?:routing|sort code"
        r"|NPI|IBAN|SWIFT)"
        r"|(?:银行|收款|贷款|还款|付款|扣款|交易|受益人|理财|资金|证券|基金)?(?:账号|帐号|账户|帐户)|保单号?"
        r"|医保(?:卡|号|账户)|社保(?:卡|号)"
        r"|报案号?|赔案号?|合同号|客户号|会员号|工号|投保单号?|执业证号?|警号",
    ),
    ("BANK_CARD", r"\b(?:card|credit card|debit card)(?: ?(?:number|no\.?|num|#))|(?:银行|信用|储蓄|借记)?卡号?"),
    ("PLATE", r"\b(?:licen[cs]e|number|vehicle|registration|car) plate|\bplate|\bVIN|车牌|车架号"),
    (
        "PHONE",
        r"\b(?:telephone|phone|cell(?:phone)?|mobile|tel|fax|pager|contact no)\.?|电话|手机|传真|联系方式|座机|热线",
    ),
)
_LABELLED = tuple(
    (kind, re.compile(rf"(?:{label})(?![a-z]){_SEP}(?:[^\S\n]*(?:号码?)?[:：]?[^\S\n]*)({_CODE})", re.IGNORECASE))
    for kind, label in _LABELS
)

_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Place|Pl|Terrace|Ter|Way"
    r"|Parkway"
    r"|Pkwy|Square|Sq|Mews|Close|Crescent|Gardens|Grove|Row|Highway|Hwy|Trail|Trl|Walk|Hill|Alley|Loop|Ridge|Plaza"
    r"|Quay)\b\.?"
)
_ZIP = r"(?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})"
_ADDRESS = re.compile(
    rf"(?:\b\d{{1,5}}[A-Z]?(?:-\d+)? (?:[NSEW]\.? )?(?:[A-Z0-9][\w'.-]* ){{1,4}}{_STREET}|\bP\.?\s?O\.? Box \d+)"
    rf"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Flat|Room|#)\.? ?#?[\w-]+)?"
    rf"(?:,? (?:[A-Z][\w'.-]*(?: [A-Z][\w'.-]*){{0,3}}),? {_ZIP})?"
)
_ZH_ROAD = r"(?:大道|大街|路|街|巷|弄|胡同|道|村|屯|庄|小区|花园|公寓|社区|组|里|苑)"
_ZH_DOOR = r"[\dA-Za-z一二三四五六七八九十]{1,5}(?:-\d{1,5})?(?:号楼?|弄|栋|幢|座|单元|楼|层|室|组|户|房|院)"
_ZH_ADDRESS = re.compile(rf"{_ZH_ROAD}(?:{_ZH_DOOR}){{1,5}}")
_ZH_BEFORE = re.compile(rf"[{_HAN}]{{0,40}}$")
_ZH_PART = re.compile(r"省|自治区|市|州|盟|区|县|旗|镇|乡|路|街|道|村|巷|弄|里|苑|庄|$")
_ZH_LEAD = re.compile(r"现住|家住|居住|住|于|在|址|地点|从|至|由|系|来自|户籍|籍贯|到")
_ZH_HOME = re.compile(
    rf"(?:住址|地址|户籍地?|籍贯|现住|家住|居住地|住所)[:：]?[^\S\n]*([{_HAN}\dA-Za-z-]{{4,60}}?)(?=[^{_HAN}\dA-Za-z-]|$|电话|手机|联系|邮编)"
)


def checked_id(number: str) -> bool:
    """Tell whether 18 characters end in the check digit of GB 11643-1999 (ISO 7064 MOD 11-2)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    if len(number) != 18 or not number[:17].isdigit():
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()


def luhn(number: str) -> bool:
    """Tell whether the digits of a card number end in the check digit of ISO/IEC 7812-1 (Luhn)."""
    digits = [int(char) for char in number if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return bool(digits) and any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(number: str) -> bool:
    """Tell whether an international account number has the check digits of ISO 13616 (MOD 97-10)."""
    plain = number.replace(" ", "").upper()
    return plain.isalnum() and int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def identifiers(text: str) -> Iterator[Span]:
    """Yield what identifies by form, in no order; spans may overlap, the surer kind of a pair comes first."""
    for kind, pattern, right in _checked():
        for found in pattern.finditer(text):
            if right(found.group()):
                yield Span(found.start(), found.end(), kind)
    for kind, pattern in _LABELLED:
        for found in pattern.finditer(text):
            start, end = found.span(1)
            if sum(char.isdigit() for char in found.group(1)) >= (6 if kind == "PHONE" else 3):
                yield Span(start, end, kind)
    for found in _PHONES.finditer(text):
        yield Span(found.start(), found.end(), "PHONE")
    yield from _dates(text)
    for found in _AGE.finditer(text):
        yield Span(found.start(), found.end(), "AGE")
    yield from _addresses(text)


@cache
def _checked() -> tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]:
    def always(_: str) -> bool:
        return True

    def card(number: str) -> bool:
        return luhn(number) and number[0] in "3456" and sum(char.isdigit() for char in number) in range(13, 20)

    def address(number: str) -> bool:  # "11.1.4.1" is rather a section
        return sum(char.isdigit() for char in number) > 6

    def personal(url: str) -> bool:
        return _PERSONAL_URL.search(url) is not None

    return (
        ("EMAIL", _EMAIL, always),
        ("URL", _URL, personal),
        ("URL", _IP, address),
        ("ID_CARD", _CN_ID, checked_id),
        ("ID_CARD", _SSN, always),
        ("ACCOUNT", _IBAN, iban),
        ("BANK_CARD", _CARD, card),
        ("PLATE", _PLATE, always),
    )


def _dates(text: str) -> Iterator[Span]:
    """Yield dates finer than a year; those at which a reporting period ends belong to no person and are left."""
    for found in _DATE.finditer(text):
        start, end = found.span()
        if _NO_DATE.match(found.group()):
            continue
        before = text[max(0, start - 60) : start]
        if _BIRTH.search(before) or _BIRTH_AFTER.match(text, end):
            yield Span(start, end, "BIRTH_DATE")
        elif not _FISCAL.search(before):
            yield Span(start, end, "DATE")


def _addresses(text: str) -> Iterator[Span]:
    for found in _ADDRESS.finditer(text):
        yield Span(found.start(), found.end(), "ADDRESS")
    for found in _ZH_ADDRESS.finditer(text):
        before = _ZH_BEFORE.search(text[max(0, found.start() - 40) : found.start()])
        run = before.group() if before else ""
        part = _ZH_PART.search(run)
        leads = list(_ZH_LEAD.finditer(run, 0, part.start() if part else len(run)))
        yield Span(found.start() - len(run) + (leads[-1].end() if leads else 0), found.end(), "ADDRESS")
    for found in _ZH_HOME.finditer(text):
        if _ZH_PART.search(found.group(1)).group():  # type: ignore[union-attr]
            yield Span(found.start(1), found.end(1), "ADDRESS")
