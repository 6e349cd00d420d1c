"""Questions from table cells: the figure of a line in a period, and what a column says of a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from eval.drafts.draft import Draft, Page, according, decapitalised, were
from rag.language import HAN, has_han
from rag.schema import Cell, Table

_EN_SCALE: Final = {10**3: "thousand", 10**6: "million", 10**9: "billion"}
_ZH_SCALE: Final = {10**3: "千", 10**4: "万", 10**6: "百万", 10**8: "亿", 10**9: "十亿"}
_SIGN: Final = {"USD": "$", "EUR": "€", "GBP": "£", "CNY": "RMB "}
_ZH_MONEY: Final = {"USD": "美元", "EUR": "欧元", "GBP": "英镑", "CNY": "元", "HKD": "港元", "JPY": "日元"}
_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_LISTED: Final = re.compile(
    r"^(?:[一二三四五六七八九十]+[、.]|（[一二三四五六七八九十]+）|\d+[、.]|其中[:：]|[加减][:：])\s*"
)
_BARE: Final = re.compile(
    r"(?:total|sum|other|others|basic|diluted|line|average|合计|总计|其他|小计|[\W\d_]*)", re.IGNORECASE
)
_SPLIT: Final = re.compile(r"\bby\b|分(?:产品|行业|地区|部)")
_POINT: Final = re.compile(r"balance sheet|financial position|资产负债表|财务状况", re.IGNORECASE)
_NO_NOUN: Final = re.compile(
    r"(?:what|who|why|how|step|note|source|example|chinese|english)\b|[\W\d_]*$|(?:换算|步骤|备注|来源|说明|由|英文|.*情况$)",
    re.IGNORECASE,
)
_ATTRIBUTE: Final = re.compile(
    r"(?:.*\s)?(?:doses?|dosing|frequency|route|threshold|targets?|range|limit|minimum|maximum|formula|duration|value|price|rate"
    r"|age|weight|volume|interval|timing|time|effect|risk|reason|action|cause|treatment|period|date|level|amount|number"
    r"|criterion|definition|meaning|unit|abbreviation|goal|score|grade|stage|requirement|ratio|factor|coefficient|cost)"
    r"(?: (?:of|in|from|per|after|before|to) .*)?"
    r"|(?:target|normal|usual|expected|daily|maximum|minimum|single|standard) .*",
    re.IGNORECASE,
)
_RATIO: Final = re.compile(r"\bratio\b|turnover|times|比率|周转|倍数", re.IGNORECASE)
_NO_TABLE: Final = re.compile(r"contact|signature|exhibit|\bindex\b|联系", re.IGNORECASE)
_BROKEN: Final = re.compile(rf"[{HAN}] +[{HAN}]|单位[:：]|币种|@|\d\.\d\d(?!\d)")
_OPEN_END: Final = re.compile(r"\b(?:when|if|of|for|by|to|with|and|or|at|in|on|from)$", re.IGNORECASE)
_VERBLESS: Final = re.compile(r"[≥≤<>＜＞～\d]|(?:below|above|under|over|at least)\b", re.IGNORECASE)
_UNIT_COLUMN: Final = re.compile(r"单位|units?", re.IGNORECASE)
_IN_BRACKETS: Final = re.compile(r"[（(]([^（）()]{1,14})[）)]$")


def drafts(page: Page) -> Iterator[Draft]:
    """Yield questions from every table of a document that a question can name."""
    for table in page.document.tables:
        if len(table.caption) <= 90 and page.named and not _NO_TABLE.search(table.caption):
            yield from _of_table(page, table)


def _of_table(page: Page, table: Table) -> Iterator[Draft]:
    lines = table.rows[table.header_rows :]
    times = Counter(row[0].text for row in lines)
    named = [(_label(page, table, row), row) for row in lines if times[row[0].text] == 1]
    for label, row in ((label, row) for label, row in named if label):
        for column, cell in enumerate(row[1:], 1):
            periodic = column < len(table.periods) and table.periods[column] and cell.value is not None
            made = _figure(page, table, label, cell) if periodic else _entry(page, table, row, label, column)
            if made is not None:
                yield made


def spoken(cell: Cell, zh: bool, rate: bool = True) -> str:
    """Return the quantity of a cell with sign, currency, scale and unit: "-$2,724 million", "117,530.10万元".

    `rate` False: a number in a column of percentages that is none itself, such as a ratio.
    """
    found = _NUMBER.search(cell.text)
    if not found:
        return cell.text
    number = found.group()
    before = cell.text[: found.start()]
    minus = "-" if any(sign in before for sign in "(（-−–") else ""
    if cell.unit == "percent":
        return f"{minus}{number}{'%' if rate else ''}"
    if zh:
        noun = "股" if cell.unit == "share" else _ZH_MONEY.get(cell.currency or "", "")
        return f"{minus}{number}{_ZH_SCALE.get(cell.scale, '')}{noun}"
    sign = "" if cell.unit in ("share", "times") else _SIGN.get(cell.currency or "", "")
    tail = {"per_share": " per share", "share": " shares", "times": " times"}.get(cell.unit or "", "")
    scale = f" {_EN_SCALE[cell.scale]}" if cell.scale in _EN_SCALE else ""
    return f"{minus}{sign}{number}{scale}{tail}"


def _label(page: Page, table: Table, row: tuple[Cell, ...]) -> str:
    """Return the label of a row with the section it stands in; "" where it names nothing."""
    own = row[0].text.strip()
    if not own or len(own) > 70 or len(row) < 2 or _BROKEN.search(own):
        return ""
    line = _line(page, row)
    parts = line.split(" | ")[: 2 if table.caption else 1]
    label = next((part for part in parts if part.endswith(own)), own)
    label = _LISTED.sub("", label.replace(" – ", "：")) if page.zh else label.replace(" – ", ", ")
    label = label.strip(" :：")
    names = not _BARE.fullmatch(label) and not _OPEN_END.search(label)
    return label if names and len(label) <= 90 and ": " not in label else ""


def _line(page: Page, row: tuple[Cell, ...]) -> str:
    text, at = page.document.text, row[1].start
    end = text.find("\n", at)
    return text[text.rfind("\n", 0, at) + 1 : end if end >= 0 else len(text)]


def _figure(page: Page, table: Table, label: str, cell: Cell) -> Draft | None:
    """The figure of a line in a period: "What were 3M Company's net sales in 2022?"."""
    chunk = page.chunk_at(cell.start)
    dated = re.search(r"(?:19|20)\d\d", cell.period or "")
    if (
        chunk is None
        or not cell.period
        or not dated
        or _BROKEN.search(cell.period)
        or _BARE.fullmatch(label.split(" – ")[-1])
    ):
        return None
    caption = table.caption
    whole = caption if _SPLIT.search(caption) else ""
    if page.zh:
        question = _asked_zh(page, f"{caption}中{label}" if whole else label, cell.period)
    else:
        split = _what_is_split(caption)
        what = f"{decapitalised(page, split)} for {label}" if whole else decapitalised(page, label)
        what = f"{what}," if re.search(r", [a-z]+$", what) else what
        verb = were(split if whole else label)
        when = _when_en(cell.period, ended=bool(_POINT.search(caption)))
        owner = f"{page.company}'s " if page.company else "the "
        question = f"What {verb} {owner}{what} {when}?"
        question = question if page.company else according(page, f"{question[0].lower()}{question[1:]}")
    money = cell.currency is None and cell.unit is None and cell.scale != 1
    line = _line(page, (cell, cell))
    rate = cell.text.endswith(("%", "％")) or ("%" in line and not _RATIO.search(label))
    value = spoken(replace(cell, currency=page.currency) if money else cell, page.zh, rate)
    return Draft("table", question, (value,), chunk, line, "number", subject=page.company, period=cell.period)


def _when_en(period: str, *, ended: bool) -> str:
    """Say when: a balance stands at the end of a year or on a day, a flow in a year or up to a day."""
    if re.fullmatch(r"\d{4}", period):
        return f"at the end of {period}" if ended else f"in {period}"
    if re.fullmatch(r"[A-Z][a-z]+ \d+, \d{4}", period):
        return f"as of {period}" if ended else f"for the year ended {period}"
    spell = re.match(r"(\w+) (Months|Weeks|Quarters?|Years?) Ended\b", period, re.IGNORECASE)
    return f"for the {spell.group().lower()}{period[spell.end() :]}" if spell else f"in {period}"


def _asked_zh(page: Page, label: str, period: str) -> str:
    when = f"{period}年" if re.fullmatch(r"\d{4}", period) else period
    body = f"{when}的{label}是多少？"
    return f"{page.company}{body}" if page.company else according(page, body)


def _entry(page: Page, table: Table, row: tuple[Cell, ...], label: str, column: int) -> Draft | None:
    """What a column says of a line, where column and line are words."""
    cell, head = row[column], _heads(table)
    name, first = (head[column], head[0]) if column < len(head) else ("", "")
    chunk = page.chunk_at(cell.start)
    text = cell.text.strip()
    fit = 2 <= len(name) <= 40 or (page.zh and name)
    if _BROKEN.search(name) or re.search(rf"@|[{HAN}] +[{HAN}]", text):
        return None
    if chunk is None or not fit or not _tells(text) or _NO_NOUN.match(name) or (not page.zh and len(label) > 60):
        return None
    if page.company and not page.zh and cell.value is not None:
        return None  # a figure without a period
    if _VERBLESS.match(label) and not page.zh:
        if not re.fullmatch(r"[A-Za-z][\w ()/.²-]{1,40}", first):
            return None
        label = f"{decapitalised(page, _IN_BRACKETS.sub('', first).strip())} {label}"
    part = _part(page, table)
    noun = _IN_BRACKETS.sub("", name).strip()
    answer = _with_unit(text, name, row, head)
    if page.zh:
        digits = bool(re.search(r"\d", text)) and not name.endswith(("人群", "方案", "药物", "对象", "单位", "缩写"))
        inside = f"{label}（{name}）" if len(name) == 1 else f"{label}的{noun}"
        body = f"{label}{noun}？" if noun.startswith("是否") else f"{inside}是{'多少' if digits else '什么'}？"
        question = according(page, body, part)
    else:
        label = decapitalised(page, label)
        if _ATTRIBUTE.fullmatch(noun):
            noun = noun if noun[1:2].isupper() else f"{noun[0].lower()}{noun[1:]}"
            body = f"what {'are' if were(noun) == 'were' else 'is'} the {noun} for {label}?"
        else:
            body = f"what does it say under “{noun}” for {label}?"
        question = according(page, body, part)
    kind = "number" if cell.value is not None else "span"
    return Draft("cell", question, (answer,), chunk, _line(page, row), kind, asked=(noun, label))


def _tells(text: str) -> bool:
    """Tell whether a cell is an answer by itself: a figure or some words, no dash and no "any"."""
    return 1 <= len(text) <= 90 and bool(re.search(rf"\d|[{HAN}]{{2,}}|\w{{4,}}", text))


def _part(page: Page, table: Table) -> str:
    """Return the caption of a table where a document has several and its title does not say it already."""
    part, title = re.sub(r"\s?[(（].*", "", table.caption), page.document.title
    told = part in title or title in part or len(part) > 40
    return "" if told or len(page.document.tables) < 2 else part


def _heads(table: Table) -> list[str]:
    """The names of the columns, from the top down."""
    width = max((len(row) for row in table.rows), default=0)
    names = []
    for j in range(width):
        parts = [row[j].text for row in table.rows[: table.header_rows] if j < len(row) and row[j].text]
        names.append(" ".join(dict.fromkeys(parts)))
    return names


def _with_unit(text: str, name: str, row: tuple[Cell, ...], head: list[str]) -> str:
    """Return a cell's text with the unit that its column, or a column of units, gives it."""
    if not re.search(r"\d", text) or re.search(r"[A-Za-z%%％元天岁次]", text):
        return text
    inside = _IN_BRACKETS.search(name)
    beside = next((row[j].text for j, title in enumerate(head[: len(row)]) if _UNIT_COLUMN.fullmatch(title)), "")
    unit = re.sub(r"^in (thousand|million|billion)s$", r"\1", inside[1]) if inside else beside
    return f"{text}{unit}" if has_han(unit) or unit == "%" else f"{text} {unit}".strip()


def _what_is_split(caption: str) -> str:
    """Return what a caption says is split up: "ACME, Inc.: net revenue by division, Fiscal" -> "net revenue"."""
    return re.split(r"\s\bby\b", caption.rpartition(": ")[2])[0].strip()
