"""Labels of the rows of a table that were wrapped over several lines are put together, by indents, gaps and words."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise

from ingest.clean import join_wrapped
from ingest.parsers.pdf_rows import Row

HANGS = 2.0  # points: how much less than its first line the rest of a wrapped label may be set in
_GOES_ON = re.compile(r"(?:,|-|–|—| (?:and|or|of|to|the|in|for|from|by|with|on)|(?<!,) net)$")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def joined_labels(rows: Sequence[Row]) -> list[tuple[Row, str, float]]:
    """Return (row, its whole label, left edge of the label) of each row of a table, in order."""
    return _Labels(rows).joined()


class _Labels:
    """The labels of a region, with those that were wrapped over several lines put together."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.left = min((row.label[0].x0 for row in self.rows if row.label), default=0.0)
        self.right = max((row.label[0].x1 for row in self.rows if row.label), default=0.0)
        both = [(a, b) for a, b in pairwise(self.rows) if a.label and b.label]
        apart = [(a, b) for a, b in both if a.cells and b.cells] or both
        gaps = [a.line.bottom - b.line.top for a, b in apart]
        self.gap = statistics.median(gaps) if gaps else 0.0

    def joined(self) -> list[tuple[Row, str, float]]:
        """Return (row, label, left edge of the label) of each row, in order."""
        found: list[tuple[Row, str, float]] = []
        last: Row | None = None
        for row in self.rows:
            label = " ".join(piece.text for piece in row.label)
            indent = row.label[0].x0 if row.label else self.left
            if last is not None and self._above(last, row):  # the numbers stand on this line, its label began above
                _, above, indent = found.pop()
                label = join_wrapped([above, label]) if label else above
            elif last is not None and self._below(last, row):  # the label of the numbers above goes on here
                holder, above, indent = found.pop()
                found.append((holder, join_wrapped([above, label]), indent))
                last = Row(row.line, row.label, holder.cells)
                continue
            found.append((row, label, indent))
            last = row
        return found

    def _above(self, last: Row, row: Row) -> bool:
        text = last.line.text
        if last.cells or not last.label or (text.endswith((":", "：")) and text.count("(") == text.count(")")):
            return False
        gap = last.line.bottom - row.line.top
        if not row.label:
            return gap < 0.1 * row.line.height
        return gap < 0.5 * row.line.height and self._wrapped(last, row)

    def _below(self, last: Row, row: Row) -> bool:
        if row.cells or not row.label or not last.cells:
            return False
        gap = last.line.bottom - row.line.top
        if not last.label:
            return gap < 0.1 * row.line.height
        return gap < 0.5 * row.line.height and self._wrapped(last, row)

    def _wrapped(self, last: Row, row: Row) -> bool:
        """Tell whether the label of `row` is the rest of that of `last`."""
        head, tail = last.label[0], row.label[0]
        if tail.text.endswith(":") and tail.text[0].isupper() and not row.cells:  # opens a section
            return False
        gap, hang = last.line.bottom - row.line.top, head.x0 - tail.x0
        han = _HAN.search(head.text) is not None
        if not han and (tail.text[0].islower() or tail.text[0] in ")–-&" or _GOES_ON.search(head.text)):
            return True
        if not han and head.text.count("(") > head.text.count(")"):
            return True
        word = len(tail.text.split(" ")[0]) / len(tail.text) * (tail.x1 - tail.x0)
        needed = 0.9 * last.line.height if han else word + 0.2 * last.line.height
        full = self.right - head.x1 < needed and len(head.text) > 4 and (han or not last.cells)
        return full and hang > -HANGS and (hang > HANGS or gap < self.gap - 0.3)
