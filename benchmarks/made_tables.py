"""Tables printed as PDF in several layouts, with the truth about every number in them.

The English tables are those of TAT-QA, the Chinese ones are made up by a seed. What a heading spans is decided here, by
a plain rule, and drawn so: the truth is what a reader sees on the page. Chromium prints; nothing of `ingest` is used.
"""

from __future__ import annotations

import gzip
import html
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

_NUMBER = re.compile(
    r"(?P<sign>[-–−(]?\s*)(?P<cur>(?:US|HK|A|C|NZ)?[$€£¥])?\s*(?P<in>[-–−(]?)\s*"
    r"(?P<num>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)\s*(?P<end>%?\s*\)?\s*%?)(?P<note>(?:\s*\(\w{1,2}\))?)"
)
_YEAR = re.compile(r"(?:FY\s?)?(?:19|20)\d{2}(?:\s?\(\w\)|E|A)?")
_OVER_ALL = re.compile(
    r"ended|ending|months|weeks|years?\b|fiscal|as of|as at|\b(?:19|20)\d{2}\b|thousand|million|[’']000|level|march|"
    r"june|september|december|31|30",
    re.I,
)
_SCALES = {
    10**3: r"thousands?|['’‘]000|\$K|千元",
    10**6: r"millions?|(?:\$|€|£|US\$)\s?m\b|百万元",
    10**4: "万元",
    10**9: "billions?",
}
_LOOSE = re.compile(
    r"%|percent|rate|ratio|per\b|share|number|years?|age\b|days?|weeks?|unit|employees|store|restaurants|cents|€|times"
    r"|level|volatility|yield|options|rsu|psu|margin|stock\b|average|bcf|mw|gwh|tonnes|count|headcount|customers",
    re.I,
)
_INTRO = (
    "Table {} presents the amounts for the periods shown and should be read together with the notes to "
    "these statements, which describe how they were prepared."
)
_AFTER = "Amounts of {} may not add up because of rounding. The company reviews these items every quarter."
LONG = 18  # rows from which on a table may break over pages
_STYLE = """
@page { size: 612pt 792pt; margin: 54pt; }
body { margin: 0; color: #000; font: 10pt/1.25 "Liberation Serif", serif; }
h3 { font-size: 11pt; margin: 12pt 0 4pt; } h3, p { break-after: avoid; } p { margin: 0 0 6pt; }
table { border-collapse: collapse; width: 100%; margin: 4pt 0 10pt; } tr { break-inside: avoid; }
td, th { padding: 1.5pt 3pt; font-weight: normal; vertical-align: bottom; text-align: right; }
td:first-child, th:first-child { text-align: left; } th, th[colspan] { text-align: center; }
.notice { text-align: center; }
td.sign { text-align: right; width: 8pt; white-space: nowrap; padding: 1.5pt 0 1.5pt 6pt; }
td.tail { padding: 1.5pt 0; width: 8pt; white-space: nowrap; text-align: left; }
.lines td, .lines th { border: 0.6pt solid #777; } .under th { border-bottom: 0.6pt solid #000; }
.rows tr { border-bottom: 0.4pt solid #bbb; } .zebra tr:nth-child(odd) { background: #dfe9f4; }
.sans { font-family: "Liberation Sans", sans-serif; } .han { font-family: "Noto Sans CJK SC"; } .s8 { font-size: 8pt; }
.s9 { font-size: 9pt; } .left td, .left th { text-align: left; } .mid td + td { text-align: center; }
.narrow td:first-child { width: 130pt; } .wide td:first-child { width: 55%; } .bold th { font-weight: bold; }
.head { break-after: avoid; } .whole { break-inside: avoid; } .low th + th { text-align: right; }
.low th[colspan], .left th[colspan] { text-align: center; }
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """How tables are drawn: CSS classes, signs in columns of their own, header repeated on the next page."""

    name: str
    classes: str
    signs: bool = False
    repeat: bool = False


LAYOUTS = (
    Layout("filing", "under s9", signs=True),
    Layout("filing, wrapped labels", "under s8 narrow", signs=True, repeat=True),
    Layout("plain", "sans s9 low"),
    Layout("ruled", "lines sans s9 bold", repeat=True),
    Layout("ruled, centred", "lines mid s8"),
    Layout("left", "rows left sans s8 bold"),
    Layout("striped", "zebra sans s9 wide bold", signs=True),
)
CHINESE = (
    Layout("中文 ruled", "lines han s9"),
    Layout("中文 plain", "han s8 low", repeat=True),
    Layout("中文 wrapped", "lines han s8 narrow"),
)


@dataclass(slots=True)
class Truth:
    """One number as printed: the label of its row, the headings over it, its value with sign, its scale if plain."""

    row: str
    column: list[str]
    value: Decimal
    scale: int | None


@dataclass(slots=True)
class Made:
    """A table: head and body as texts, the spans of the heading, and what is true of it."""

    name: str
    head: list[list[tuple[str, int]]]  # (text, columns it spans), the label's cell first
    body: list[list[str]]
    notice: str = ""
    truth: list[Truth] = field(default_factory=list)


def number_of(text: str) -> Decimal | None:
    """Read a printed number; parentheses and dashes in front are a minus. Years and words are none."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    negative = bool((found["sign"].strip() + found["in"]).strip())
    value = Decimal(found["num"].replace(",", ""))
    return -value if negative else value


def english(path: Path) -> list[Made]:
    """Return the tables of the TAT-QA records, each once."""
    texts: dict[str, str] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            for context in json.loads(line).get("contexts", []):
                if context["id"].endswith("-table"):
                    texts.setdefault(context["id"].removesuffix("-table"), context["text"])
    made = []
    for number, (name, text) in enumerate(sorted(texts.items())):
        rows = [[" ".join(cell.split()) for cell in line.strip()[1:-1].split("|")] for line in text.split("\n")]
        width = max(map(len, rows))
        rows = [_settled(row + [""] * (width - len(row))) for row in rows]
        rows = _until_second_heading(rows)
        count = _heading_rows(rows)
        if width > 1 and 0 < count < len(rows):
            notice = "(in thousands)" if number % 2 else "(dollars in millions)"
            made.append(_made(name, rows[:count], rows[count:], notice))
    return made


def _settled(row: list[str]) -> list[str]:
    """Put the name of a section that stands in a column of numbers to the labels."""
    words = [cell for cell in row[1:] if cell]
    section = not row[0] and len(words) == 1 and words[0].endswith(":") and number_of(words[0]) is None
    return [words[0], *[""] * (len(row) - 1)] if section else row


def _until_second_heading(rows: list[list[str]]) -> list[list[str]]:
    """Cut a table where other headings begin in the middle of it: what heads the rest is not for a rule to say."""
    first = _heading_rows(rows)
    for i in range(first + 1, len(rows)):
        words = [cell for cell in rows[i][1:] if cell]
        heads = all(number_of(cell) is None or _YEAR.fullmatch(cell) for cell in words)
        if words and heads and not all(re.fullmatch(r"[$€£]?\s?[-–—]+|n[/.]?[am]\.?|nm", cell, re.I) for cell in words):
            return rows[:i]
    return rows


def _heading_rows(rows: list[list[str]]) -> int:
    for count, row in enumerate(rows):
        if count and _scale_of(row[0]) and not any(row[1:]):
            continue
        opens = row[0] and not any(row[1:]) and count and any(any(r[1:]) for r in rows[:count])
        if opens or any(number_of(cell) is not None and not _YEAR.fullmatch(cell) for cell in row[1:]):
            return count
        if count and row[0] and any(cell in ("-", "—", "–", "$-", "$—") for cell in row[1:]):
            return count
    return 0


def _made(name: str, head: list[list[str]], body: list[list[str]], notice: str = "") -> Made:
    spans = [[(row[0], 1), *_spans(row[1:], last=row is head[-1])] for row in head]
    said = " ".join(cell for row in head for cell in row) + " " + " ".join(row[0] for row in body)
    made = Made(name, spans, body, "" if _scale_of(said) or _LOOSE.search(" ".join(head[-1])) else notice)
    over = [[text for text, span in row for _ in range(span)] for row in spans]
    general = _scale_of(made.notice) or _scale_of(" ".join(cell for row in head for cell in row))
    section = ""
    for row in body:
        section = row[0] if row[0] and not any(row[1:]) else section
        for j, cell in enumerate(row[1:], start=1):
            value = number_of(cell)
            if value is None:
                continue
            column = [line[j] for line in over if line[j]]
            context = f"{section} {row[0]} {' '.join(column)} {cell}"
            own = _scale_of(" ".join(column))
            plain = not _LOOSE.search(_without_periods(context)) and not _scale_of(f"{section} {row[0]}")
            made.truth.append(Truth(row[0], column, value, (own or general or 1) if plain else None))
    return made


def _without_periods(text: str) -> str:
    return re.sub(
        r"(?:fiscal|financial)?\s*years?[- ](?:ended|ending|end)|fiscal years?|weeks ended", "", text, flags=re.I
    )


def _spans(cells: list[str], *, last: bool) -> list[tuple[str, int]]:
    """Return heading cells with what they span: a lone period or unit all columns, fewer than columns an even share."""
    filled = [cell for cell in cells if cell]
    if len(filled) == 1 and len(cells) > 1 and (_OVER_ALL.search(filled[0]) or not last) and not cells[0]:
        return [(filled[0], len(cells))]
    if len(filled) == 1 and len(cells) > 1 and _OVER_ALL.search(filled[0]):
        return [(filled[0], len(cells))]
    share = len(cells) // len(filled) if filled and len(cells) % len(filled) == 0 else 1
    if (
        not last
        and len(filled) > 1
        and share > 1
        and all(sum(map(bool, cells[i : i + share])) == 1 for i in range(0, len(cells), share))
    ):
        return [(text, share) for text in filled]
    return [(cell, 1) for cell in cells]


def _scale_of(text: str) -> int:
    return next((scale for scale, words in _SCALES.items() if re.search(words, text, re.I)), 0)


_ZH_ROWS = """
货币资金 交易性金融资产 应收票据及应收账款 预付款项 其他应收款 存货 一年内到期的非流动资产 其他流动资产
流动资产合计 长期股权投资 固定资产 在建工程 使用权资产 无形资产 商誉 递延所得税资产 非流动资产合计
资产总计 短期借款 应付职工薪酬 应交税费 其中：因会计估计变更而调整的应收账款坏账准备
归属于上市公司股东的扣除非经常性损益的净利润 经营活动产生的现金流量净额 销售商品、提供劳务收到的现金
以公允价值计量且其变动计入当期损益的金融资产持有期间取得的投资收益 营业外支出 研发费用 财务费用
""".split()  # noqa: SIM905 - read more easily
_ZH_HEADS = (
    [["项目", "期末余额", "期初余额"]],
    [["项目", "附注", "2022年度", "2021年度"]],
    [["项目", "2019年12月31日", "2018年12月31日"]],
    [
        ["项目", "期末余额", "", "", "期初余额", "", ""],
        ["", "账面余额", "坏账准备", "账面价值", "账面余额", "坏账准备", "账面价值"],
    ],
    [["项目", "本期发生额", "", "上期发生额", ""], ["", "收入", "成本", "收入", "成本"]],
    [["主要会计数据", "2022年", "2021年", "本期比上年同期增减（%）"]],
)


def chinese(count: int = 36, seed: int = 0) -> list[Made]:
    """Return made-up Chinese tables of financial statements."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        head = [list(row) for row in _ZH_HEADS[number % len(_ZH_HEADS)]]
        names = chance.sample(_ZH_ROWS, chance.randint(5, 20))
        body = [[name, *(_zh_number(chance, head[0][j], number) for j in range(1, len(head[0])))] for name in names]
        unit = ("万元", "元", "千元", "百万元")[number % 4]
        made.append(_zh_made(f"zh-{number}", head, body, f"单位：{unit}" + ("  币种：人民币" if number % 3 else "")))
    return made


def _zh_number(chance: random.Random, head: str, number: int) -> str:
    if head == "附注":
        return f"七、{chance.randint(1, 60)}"
    if chance.random() < 0.12:
        return ("-", "")[chance.random() < 0.5]
    if "%" in head:
        return f"{chance.uniform(-60, 90):.2f}"
    value = chance.uniform(0, 10 ** chance.randint(3, 9))
    text = f"{value:,.2f}" if number % 4 < 3 else f"{value:,.0f}"
    return ("-" if number % 2 else "(") + text + ("" if number % 2 else ")") if chance.random() < 0.15 else text


def _zh_made(name: str, head: list[list[str]], body: list[list[str]], notice: str) -> Made:
    spans: list[list[tuple[str, int]]] = []
    for row in head:
        line: list[tuple[str, int]] = []
        for j, text in enumerate(row):
            if text or not j or row is head[-1]:
                line.append((text, 1))
            else:
                line[-1] = (line[-1][0], line[-1][1] + 1)
        spans.append(line)
    made = Made(name, spans, body, notice)
    over = [[text for text, span in row for _ in range(span)] for row in spans]
    for row in body:
        for j, cell in enumerate(row[1:], start=1):
            value = number_of(cell)
            column = [line[j] for line in over if line[j]]
            if value is not None:
                made.truth.append(Truth(row[0], column, value, None if "%" in column[-1] else _scale_of(notice) or 1))
    return made


def print_tables(tables: list[Made], layout: Layout, target: Path) -> None:
    """Print one PDF with all tables, each under the heading "Note CODE." with a paragraph before and behind it."""
    parts = [_section(number, made, layout) for number, made in enumerate(tables, start=1)]
    page = f"<!doctype html><html><meta charset=utf-8><style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium was not found on the path: install it, or name it in $CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="consilium-tables-") as folder:
        source = Path(folder, "tables.html")
        source.write_text(page, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--disable-pdf-tagging"]
        command = [chromium, *flags, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=180)


def code_of(number: int) -> str:
    """Return the letters a table goes by: "AAA", "AAB"; digits would make its lines look like running headers."""
    letters = ""
    for _ in range(3):
        number, rest = divmod(number, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _section(number: int, made: Made, layout: Layout) -> str:
    code = code_of(number)
    head = "".join(
        f"<tr class=head>{''.join(_heading(text, span, j, layout) for j, (text, span) in enumerate(row))}</tr>"
        for row in made.head
    )
    body = "".join(f"<tr>{''.join(_cell(text, j, layout) for j, text in enumerate(row))}</tr>" for row in made.body)
    notice = f'<p class="notice {layout.classes}">{html.escape(made.notice)}</p>' if made.notice else ""
    table = f"<thead>{head}</thead><tbody>{body}</tbody>" if layout.repeat else f"<tbody>{head}{body}</tbody>"
    whole = " whole" if len(made.body) < LONG else ""
    return (
        f"<h3>Note {code}. Amounts of the period</h3><p>{_INTRO.format(code)}</p>{notice}"
        f'<table class="{layout.classes}{whole}">{table}</table><p style="break-after:auto">{_AFTER.format(code)}</p>'
    )


def _heading(text: str, span: int, j: int, layout: Layout) -> str:
    wide = span * 3 if layout.signs and j else span
    spread = f" colspan={wide}" if span > 1 else ""
    if span == 1 and wide > 1:
        spread = f" colspan={wide} class=one"
    return f"<th{spread}>{html.escape(text)}</th>"


def _cell(text: str, j: int, layout: Layout) -> str:
    if not j or not layout.signs:
        return f"<td>{html.escape(text)}</td>"
    found = _NUMBER.fullmatch(text)
    if found is None:
        return f'<td class="sign"></td><td>{html.escape(text)}</td><td class="tail"></td>'
    sign, tail = found["cur"] or "", found["end"] + found["note"]
    shown = text.replace(sign, "", 1) if sign else text
    shown = shown.removesuffix(tail) if tail else shown
    return f'<td class="sign">{sign}</td><td>{html.escape(shown)}</td><td class="tail">{html.escape(tail)}</td>'
