"""A grid of strings as a file holds it, and the tidying that needs no meaning: signs, empty columns, header rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rag.numbers import parse_number
from rag.schema import Fact

MAX_TITLES = 3
MAX_HEADER_ROWS = 6
_OPEN = re.compile(r"(?:US|HK|NT|A|C|S)?[$€£¥￥]|\(|RMB|[$€£¥]\s?\(")
_CLOSE = re.compile(r"\)|%|\)\s?%|\)\)|\)?\s?(?:pts?|bps)|x")
_DASH = re.compile(
    r"[$€£¥￥]?\s?\(?[-–—―‒]+\)?\s?%?|n/?[am]\.?|nm|不适用|\*+|#\s?%?|(?:\d[\d.]*\s?[-–—]\s?)?indefinite|\d[\d.,]*\s?%?\s?[-–—]\s?\d[\d.,]*\s?%?"
    r"|(?:增加|减少|上升|下降)\s*[\d.]+\s*个?百分点",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"(?:FY\s?)?(?:19|20)\d{2}(?:\s?[-–]\s?(?:19|20)\d{2}|E|A|\s*\([a-z0-9]\)|\s*年度?|\*)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as found: rows of cell texts. `notes` is nearby text that may name unit and scale.

    `indents[i]` is how far the label of row i is set in (any unit); `header_rows` None means: find out; `currency` is
    the sign of the table that this one goes on from. `facts` are those printed in the cell of a row and column, `names`
    what the file calls it.
    """

    rows: Sequence[Sequence[str]]
    caption: str = ""
    notes: Sequence[str] = ()
    header_rows: int | None = None
    indents: Sequence[float] = ()
    page: int | None = None
    currency: str = ""
    facts: Mapping[tuple[int, int], Sequence[Fact]] = field(default_factory=dict)
    names: Mapping[tuple[int, int], str] = field(default_factory=dict)


def is_value(text: str) -> bool:
    """Tell whether a cell holds a number, a range of two or a sign for none (a dash, "N/A")."""
    return bool(text) and (parse_number(text) is not None or _DASH.fullmatch(text) is not None)


def is_year(text: str) -> bool:
    """Tell whether a cell is a year standing as a heading: "2022", "FY2022", "2022年"."""
    return _YEAR.fullmatch(text.strip()) is not None


def merge_signs(rows: list[list[str]]) -> tuple[list[list[str]], list[list[int]]]:
    """Put "$", ")" and "%" that stand in cells or columns of their own to their numbers; drop empty columns.

    Returned with the rows: of which columns each column is made.
    """
    for row in rows:
        for j, text in enumerate(row):
            if j + 1 < len(row) and _OPEN.fullmatch(text) and (is_value(row[j + 1]) or row[j + 1].startswith("(")):
                row[j], row[j + 1] = "", text + row[j + 1]
            elif j and _CLOSE.fullmatch(text) and parse_number(row[j - 1]) is not None:
                row[j - 1], row[j] = row[j - 1] + text, ""
    columns = list(zip(*rows, strict=True))
    kept: list[tuple[str, ...]] = []
    origins: list[list[int]] = []
    for j, column in enumerate(columns):
        if not any(column):
            continue
        if kept and _same_column(kept[-1], column):
            kept[-1] = tuple(a or b for a, b in zip(kept[-1], column, strict=True))
            origins[-1].append(j)
        else:
            kept.append(column)
            origins.append([j])
    return [list(row) for row in zip(*kept, strict=True)], origins


def _same_column(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Tell whether two neighbours are one column that spans split: never both filled, unless with the same text."""
    both = [(a, b) for a, b in zip(left, right, strict=True) if a and b]
    return bool(both) and all(a == b or _OPEN.fullmatch(a) for a, b in both)


def find_header(rows: list[list[str]]) -> tuple[list[str], int]:
    """Return the title rows (one text across the whole row) and the number of header rows behind them."""
    titles: list[str] = []
    for row in rows[:MAX_HEADER_ROWS]:
        distinct = {cell for cell in row if cell}
        if len(distinct) != 1 or len(row) < 2 or is_value(next(iter(distinct))) or len(titles) == MAX_TITLES:
            break
        titles.append(next(iter(distinct)))
    rest = rows[len(titles) :]
    if len(rest) < 2:
        return (titles, 0) if rest else ([], 0)
    for count, row in enumerate(rest[: MAX_HEADER_ROWS + 1]):
        values = [cell for cell in row[1:] if cell]
        if count and row[0] and not values:  # opens a section
            return titles, count
        if any(is_value(cell) and not is_year(cell) for cell in values):
            return titles, count
    full = all(rest[0][1:]) and not any(is_value(c) and not is_year(c) for c in rest[0])
    return titles, 1 if full or not rest[0][0] else 0
