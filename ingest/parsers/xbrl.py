"""Inline XBRL: the figures that the maker of a filing tagged, with concept, period, unit, scale and sign.

A tag around printed figures says what they are; the header, which no reader sees, says for when and for whom. Nothing
is looked up outside the page: what a concept means in the taxonomy is not known here.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from ingest.clean import clean_line
from ingest.parsers.notice import Measure, Notice
from rag.numbers import find_quantities
from rag.schema import Fact, Scalar

OPEN, CLOSE = "\ue000", "\ue001"  # around the printed part of a fact, until its place in the text is known
MAX_WORDS = 200  # characters of a tagged text that is kept as a fact; longer ones are passages of the filing
_EDGES = (re.compile(f"({OPEN})(\\s+)"), re.compile(f"(\\s+)({CLOSE})"))
_NUMBER_WORDS = re.findall(
    r"\w+",
    "no none zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
)
_NAMED = {
    "dei:EntityRegistrantName": "organisation",
    "dei:DocumentType": "document_type",
    "dei:DocumentFiscalYearFocus": "year",
    "dei:DocumentFiscalPeriodFocus": "fiscal_period",
    "dei:TradingSymbol": "ticker",
    "dei:EntityCentralIndexKey": "cik",
}

Placed = tuple[int, int, Fact]  # start and end in a text, and the fact printed there


@dataclass(frozen=True, slots=True)
class _Context:
    start: str | None
    end: str | None
    dimensions: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Tags:
    """The tags of one page: contexts and units of its header, and the facts met so far, in order."""

    contexts: dict[str, _Context] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    unplaced: list[Fact] = field(default_factory=list)  # hidden facts and tagged words
    waiting: deque[Fact] = field(default_factory=deque)  # printed, their place not known yet

    @classmethod
    def of(cls, tree: Any) -> Tags | None:
        """Read the header of a page; None where the page has none."""
        headers = tree.css("ix\\:header")
        if not headers:
            return None
        tags = cls()
        for header in headers:
            for node in header.traverse():
                name = node.tag.rpartition(":")[2]
                if name == "context":
                    tags.contexts[node.attributes.get("id") or ""] = _context(node)
                elif name == "unit":
                    tags.units[node.attributes.get("id") or ""] = _unit(node)
        for header in headers:
            tags.unplaced += [tags.fact(node) for node in header.css("ix\\:nonfraction")]
        for node in tree.css("ix\\:nonnumeric"):
            text = clean_line(node.text())
            if text and len(text) <= MAX_WORDS:
                tags.unplaced.append(tags.fact(node, words=text))
        return tags

    def fact(self, node: Any, words: str = "") -> Fact:
        """Return the fact of a tag; with `words` it is one without a number."""
        marks = node.attributes
        context = self.contexts.get(marks.get("contextref") or "", _Context(None, None, ()))
        scale = _whole(marks.get("scale")) or 0
        text = words or clean_line(node.text())
        return Fact(
            concept=marks.get("name") or "",
            text=text,
            value=None if words else _value(text, marks, scale),
            unit=None if words else self.units.get(marks.get("unitref") or ""),
            scale=0 if words else scale,
            decimals=_whole(marks.get("decimals")),
            period_start=context.start,
            period_end=context.end,
            dimensions=context.dimensions,
        )

    def meet(self, node: Any) -> None:
        """Note a tag around printed figures; OPEN and CLOSE are written around them."""
        self.waiting.append(self.fact(node))

    def take(self, text: str) -> tuple[str, list[Placed]]:
        """Return a text cleaned, without its marks, and where in it the facts met since the last call stand."""
        for edge in _EDGES:
            text = edge.sub(r"\2\1", text)
        parts: list[str] = []
        placed: list[Placed] = []
        opened: list[tuple[int, Fact]] = []
        at = 0
        for piece in re.split(f"([{OPEN}{CLOSE}])", clean_line(text)):
            if piece == OPEN and self.waiting:
                opened.append((at, self.waiting.popleft()))
            elif piece == CLOSE and opened:
                start, fact = opened.pop()
                placed += [(start, at, fact)] if at > start else []
            elif piece not in (OPEN, CLOSE):
                parts.append(piece)
                at += len(piece)
        return "".join(parts), sorted(placed, key=lambda place: place[:2])

    def metadata(self) -> dict[str, Scalar]:
        """Return what the facts about the document itself say, named as in all documents."""
        found: dict[str, Scalar] = {}
        for fact in self.unplaced:
            key = _NAMED.get(fact.concept)
            if key == "year" and fact.text.isdigit():
                found.setdefault(key, int(fact.text))
            elif key and key != "year" and len(fact.text) <= 120 and not fact.dimensions:
                found.setdefault(key, fact.text)
            if fact.concept == "dei:AmendmentFlag" and fact.text.lower() in ("true", "yes", "☒"):
                found["amendment"] = True
            if fact.concept == "dei:DocumentPeriodEndDate" and fact.period_end:
                found.setdefault("period_end", fact.period_end)
        return found


def _context(node: Any) -> _Context:
    texts: dict[str, str] = {}
    dimensions: list[tuple[str, str]] = []
    for child in node.traverse():
        name = child.tag.rpartition(":")[2]
        if name in ("startdate", "enddate", "instant"):
            texts[name] = clean_line(child.text())[:10]
        elif name in ("explicitmember", "typedmember"):
            dimensions.append((child.attributes.get("dimension") or "", clean_line(child.text())))
    return _Context(texts.get("startdate"), texts.get("enddate") or texts.get("instant"), tuple(sorted(dimensions)))


def _unit(node: Any) -> str:
    """Return "USD", "shares", "USD/shares", "pure"."""
    above: list[str] = []
    below: list[str] = []
    for child in node.traverse():
        if child.tag.rpartition(":")[2] != "measure":
            continue
        name = clean_line(child.text()).rpartition(":")[2]
        under = (child.parent.tag if child.parent is not None else "").endswith("unitdenominator")
        (below if under else above).append(name)
    return "*".join(above) + ("/" + "*".join(below) if below else "")


def _whole(text: str | None) -> int | None:
    found = re.fullmatch(r"\s*([+-]?\d{1,3})\s*", text or "")
    return int(found.group(1)) if found else None


def _value(text: str, marks: Mapping[str, str | None], scale: int) -> Decimal | None:
    """Return the whole amount: what is printed, read by its format, times its scale, with its sign."""
    form = (marks.get("format") or "").lower()
    if marks.get("xsi:nil") in ("true", "1"):
        return None
    if any(name in form for name in ("zerodash", "fixed-zero", "numdash")):
        return Decimal(0)
    bare = re.sub(r"[\s\u00a0'’]", "", text)
    if "numcommadecimal" in form.replace("-", "") or "numcomma" in form.replace("-", ""):
        bare = bare.replace(".", "").replace(",", ".")
    elif "numwords" in form and text.lower() in _NUMBER_WORDS:
        bare = str(max(0, _NUMBER_WORDS.index(text.lower()) - 2))
    try:
        value = Decimal(bare.replace(",", ""))
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    return (-value if marks.get("sign") == "-" else value).scaleb(scale)


def disagreements(text: str, placed: Sequence[Placed]) -> Iterator[str]:
    """Yield, in words, where the amount that a paragraph prints is not the one that its tag says.

    Signs are not compared: "a loss of $5 million" is tagged with -5,000,000.
    """
    quantities = find_quantities(text) if placed else []
    for start, end, fact in placed:
        printed = next((q for q in quantities if q.start < end and q.end > start), None)
        if printed is None or fact.value is None or printed.unit == "date":
            continue
        amount = printed.amount / 100 if printed.unit == "percent" else printed.amount
        if abs(amount) != abs(fact.value) and abs(printed.amount) != abs(fact.value):
            yield told(fact, printed.text, printed.amount)


def told(fact: Fact, text: str, amount: Decimal) -> str:
    """Say that a figure and its tag do not agree."""
    return f"{fact.concept}: {text!r} reads {_plain(amount)} where it stands, its tag says {_plain(fact.value)}"


def _plain(amount: Decimal | None) -> str:
    return "nothing" if amount is None else f"{amount.normalize():,f}"


def common_scale(facts: Sequence[Fact]) -> tuple[int, str] | None:
    """Return the scale and currency that most facts in money of a table are printed in; None without any."""
    counted = Counter((fact.scale, fact.unit) for fact in facts if is_money(fact) and fact.scale > 0)
    if not counted:
        return None
    (scale, unit), _ = counted.most_common(1)[0]
    return 10**scale, unit or ""


def read_by_tag(fact: Fact, measure: Measure, notice: Notice) -> tuple[Measure, bool]:
    """Return what a tagged cell is counted in, and whether its tag agrees with the words around the table.

    The tag knows better than a guess from words; but a scale that no word near the table announces, where another one
    is announced, is a contradiction in the filing: then the words are kept.
    """
    scale = 10**fact.scale if fact.scale > 0 else 1
    unit = fact.unit or ""
    if is_money(fact):
        fits = notice.scale == 1 or scale in (measure.scale, notice.scale)
        return (Measure(None, scale, unit), True) if fits else (measure, False)
    if unit == "shares":
        fits = notice.scale == 1 or scale in (measure.scale, notice.shares, notice.scale, 1)
        return (Measure("share", scale), True) if fits else (measure, False)
    if unit.endswith("/shares"):
        return Measure("per_share", scale, unit.partition("/")[0]), True
    if unit == "pure" and fact.scale == -2:
        return Measure("percent"), True
    return (replace(measure, scale=scale) if measure.unit != "percent" else measure), True


def is_money(fact: Fact) -> bool:
    """Tell whether a fact is an amount of money as such, not one per share."""
    return re.fullmatch(r"[A-Z]{3}", fact.unit or "") is not None
