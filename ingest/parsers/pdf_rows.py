"""A line of a page read as a table row, label and numbers; and the region of rows that share columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.parsers.grid import is_value, is_year
from ingest.parsers.pdf_lines import Line, Piece
from rag.numbers import parse_number

_LEADERS = re.compile(r"\s*(?:\.\s?){4,}\s*|\s*…{2,}\s*|\s*_{4,}\s*")
_SIGN = re.compile(r"(?:US|HK|NT)?[$€£¥￥]\(?|\(")
_TAIL = re.compile(r"\)?\s?(?:%|pts?|bps)|\)|x")
_NUMBER = re.compile(r"[$€£¥]?\s?\(?\s?\d[\d.,]*\)?(?:\s?%)?\)?|[$€£¥]|[-–—]+")
_ONLY_NUMBERS = re.compile(r"[\d.,()$%€£¥\-–—\s]+")
SPAN = re.compile(
    r"(?:\d{1,2}|three|six|nine|twelve)\s*(?:weeks?|months?|days|years?|个月|周)(?: ended)?", re.IGNORECASE
)
_STARS = re.compile(r"\*(?: ?\*)+")  # "not meaningful"
_NOTED = re.compile(r"(?:NM ?)?(?:\([a-z]\))+")  # "(b)" where a figure would stand: see note b
LONGEST_END = 40  # characters of words behind the figures of a row
_MARK = re.compile(r"\((\d|[a-z])\)")


@dataclass(slots=True)
class Row:
    """A line read as a table row: text pieces at the left, number cells at the right."""

    line: Line
    label: list[Piece]
    cells: list[Piece]

    @property
    def is_head(self) -> bool:
        """Whether the numbers are nothing but years and marks of footnotes: a heading, not a row."""
        texts = [cell.text for cell in self.cells]
        marks = [found[1] for found in map(_MARK.fullmatch, texts) if found]
        years = [text for text in texts if is_year(text) or SPAN.fullmatch(text)]
        if len(years) + len(marks) < len(texts):
            return False
        return bool(years) or (len(marks) > 1 and marks == [str(n + 1) for n in range(len(marks))])


@dataclass(slots=True)
class Region:
    """Rows that share columns; `columns` are the x intervals the numbers fall into."""

    rows: list[Row] = field(default_factory=list)
    columns: list[list[float]] = field(default_factory=list)
    head: list[Line] = field(default_factory=list)
    above: list[Line] = field(default_factory=list)
    currency: str = ""

    @property
    def label_edge(self) -> float:
        """Where the labels of rows with numbers end; what begins right of it stands over a column."""
        return max((piece.x1 for row in self.rows if row.cells for piece in row.label), default=float("inf"))

    @property
    def label_left(self) -> float:
        """Where the labels begin."""
        return min((row.label[0].x0 for row in self.rows if row.label), default=float("-inf"))

    @property
    def left(self) -> float:
        """Where the first column begins."""
        return self.columns[0][0]


def read_row(line: Line) -> Row:
    """Split a line into label and trailing number cells; signs that stand apart are put to their numbers."""
    pieces = [part for piece in line.pieces for part in split_piece(piece)]
    merged: list[Piece] = []
    sign: Piece | None = None
    for piece in pieces:
        if _STARS.fullmatch(piece.text):
            piece = Piece(piece.text.replace(" ", ""), piece.x0, piece.x1)
        if sign is not None:
            piece = Piece(sign.text + piece.text, piece.x0, piece.x1)
            sign = None
        if _SIGN.fullmatch(piece.text):
            sign = piece
        elif merged and _TAIL.fullmatch(piece.text) and parse_number(merged[-1].text.lstrip("(")) is not None:
            merged[-1] = Piece(merged[-1].text + piece.text, merged[-1].x0, piece.x1)
        elif merged and _is_mark(piece, merged[-1]):  # the column is as wide as its figures
            merged[-1] = Piece(f"{merged[-1].text} {piece.text}", merged[-1].x0, merged[-1].x1)
        else:
            merged.append(piece)
    if sign is not None:
        merged.append(sign)
    count = len(merged) - _ends_in_words(merged)
    while count and (is_value(merged[count - 1].text) or _NOTED.fullmatch(merged[count - 1].text)):
        count -= 1
    while count < len(merged) and not is_value(merged[count].text):  # a note stands for a figure only behind one
        count += 1
    return Row(line, merged[:count], merged[count:])


def _is_mark(piece: Piece, last: Piece) -> bool:
    """Tell whether a piece is the mark of a footnote ("(b)") close behind a figure."""
    close = piece.x0 - last.x1 < 2 * (last.x1 - last.x0) / len(last.text)
    return close and _NOTED.fullmatch(piece.text) is not None and parse_number(last.text) is not None


def _ends_in_words(pieces: Sequence[Piece]) -> bool:
    """Tell whether the figures of a row, two at least, are followed by a column of words ("Cost of sales")."""
    words = pieces[-1].text if len(pieces) > 2 else ""
    if not words or len(words) > LONGEST_END or is_value(words) or not words[0].isalpha():
        return False
    figures = [piece.text for piece in pieces[-3:-1]]
    plain = all(is_value(text) and not is_year(text) and not SPAN.fullmatch(text) for text in figures)
    return plain and any(parse_number(text) is not None for text in figures)


def split_piece(piece: Piece) -> list[Piece]:
    """Cut dot leaders, and pieces that are several numbers in a row, into parts; places by share of characters."""
    text = piece.text
    if "...." in text or ". . ." in text or "……" in text or "____" in text:
        parts = [part for part in _LEADERS.split(text) if part]
    elif " " in text and _ONLY_NUMBERS.fullmatch(text) and not is_value(text):
        parts = _NUMBER.findall(text)
        if len(parts) < 2:
            return [piece]
    else:
        return [piece]
    step = (piece.x1 - piece.x0) / max(1, len(text))
    found, at = [], 0
    for part in parts:
        at = max(at, text.find(part[-4:], at) + len(part[-4:]) - len(part))
        found.append(Piece(part, piece.x0 + at * step, piece.x0 + (at + len(part)) * step))
        at += len(part)
    return found
