"""Documents to chunks: whole sentences packed up to a budget of tokens, never across a heading; table rows in fours.

Chunks do not overlap and leave out nothing but white space: `document.text[chunk.start:chunk.end] == chunk.text`. A
heading stands in front of what follows it; the headings above are carried beside the text. Tokens are those of the
embedder where it can count them, an estimate where it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.parsers.blocks import Heading
from rag.language import Language, sentence_spans
from rag.schema import Chunk, Document, Scalar, Table

CountTokens = Callable[[str], int]

ROWS = 4  # rows of one table in a chunk: a figure is found beside its neighbours, at a quarter of the vectors
PATH = 2  # headings carried beside a chunk, under the document's title; more would drown its own words
MAX_HEADING = 80  # characters of one carried heading
BREATH = 20_000  # characters in which sentences are looked for at once: of one line that takes time by the square
REACH = 16  # characters a token of a unit at most: a "word" of a thousand letters counts as one token, yet is too long
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"\w+|[^\w\s]")
_CLAUSE = re.compile(r"[,;:，；：、。.!?！？)）\]】|]\s*")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span that is not cut: a sentence, a heading or a row; with its tokens."""

    start: int
    end: int
    tokens: int


def estimate_tokens(text: str) -> int:
    """Estimate WordPiece tokens: a Han character one, a word about one for each five letters, a mark one."""
    han = len(_HAN.findall(text))
    words = _WORD.findall(_HAN.sub(" ", text)) if han else _WORD.findall(text)
    return han + sum(1 + (len(word) - 1) // 5 for word in words)


def chunk(
    document: Document, *, max_tokens: int, count_tokens: CountTokens | None = None, headings: Sequence[Heading] = ()
) -> list[Chunk]:
    """Cut a document into chunks of at most `max_tokens` tokens, in order.

    Args:
        document: what to cut.
        max_tokens: budget of one chunk, at least 1; a single character is never cut.
        count_tokens: the embedder's own count; None estimates.
        headings: where the headings are, in order.
    """
    return _Cutter(document, max_tokens, count_tokens or estimate_tokens, headings).chunks()


class _Cutter:
    """The state of one document being cut."""

    def __init__(self, document: Document, budget: int, count: CountTokens, headings: Sequence[Heading]) -> None:
        self.document, self.text = document, document.text
        self.budget, self.count = max(1, budget), count
        self.headings = sorted(headings, key=lambda heading: heading.start)
        self.path: list[Heading] = []
        self.next_heading = 0

    def chunks(self) -> list[Chunk]:
        """Return all chunks."""
        found: list[Chunk] = []
        lead: list[_Unit] = []  # headings that wait for what they head
        for start, end, table in self._stretches():
            if self._enter(start, end):
                if sum(unit.tokens for unit in lead) > self.budget // 2:
                    found += self._pack(lead, None)
                    lead = []
                lead += self._units(start, end)
                continue
            units = self._rows(start, end) if table is not None else self._sentences(start, end)
            if units:
                found += self._pack([*lead, *units], table, len(lead))
                lead = []
        return found + self._pack(lead, None)

    def _stretches(self) -> Iterator[tuple[int, int, int | None]]:
        """Yield (start, end, table index) of headings, tables and the prose between them, in order, all of the text."""
        marks = [(h.start, h.end, None) for h in self.headings]
        marks += [(t.start, t.end, i) for i, t in enumerate(self.document.tables)]  # type: ignore[misc]
        at = 0
        for start, end, table in sorted(marks, key=lambda mark: mark[:2]):
            if start < at or end > len(self.text) or end <= start:
                continue
            if start > at:
                yield at, start, None
            yield start, end, table
            at = end
        if at < len(self.text):
            yield at, len(self.text), None

    def _enter(self, start: int, end: int) -> bool:
        """Tell whether a stretch is a heading, and if so step into its section."""
        while self.next_heading < len(self.headings) and self.headings[self.next_heading].start < start:
            self.next_heading += 1
        if self.next_heading >= len(self.headings):
            return False
        heading = self.headings[self.next_heading]
        if (heading.start, heading.end) != (start, end):
            return False
        while self.path and self.path[-1].level >= heading.level:
            self.path.pop()
        self.path.append(heading)
        return True

    def _sentences(self, start: int, end: int) -> list[_Unit]:
        language: Language | None = "en" if self.document.language == "en" else None
        starts: list[int] = []
        left = start
        while left < end:
            right = self._pause(left, end)
            starts += [left + a for a, _ in sentence_spans(self.text[left:right], language)]
            left = right
        return self._units(start, end, starts)

    def _pause(self, start: int, end: int) -> int:
        """Return a place at most `BREATH` on where a paragraph ends, else a sentence, else wherever that is."""
        far = start + BREATH
        if end <= far:
            return end
        marks = (self.text.rfind(mark, start, far) + len(mark) for mark in ("\n", "。", ". "))
        return next((place for place in marks if place > start + BREATH // 2), far)

    def _rows(self, start: int, end: int) -> list[_Unit]:
        starts = [start, *(match.end() for match in re.compile("\n").finditer(self.text, start, end))]
        return self._units(start, end, starts)

    def _units(self, start: int, end: int, starts: Sequence[int] = ()) -> list[_Unit]:
        """Make units that begin at `starts` and together hold all that is not blank; cut those over budget."""
        units: list[_Unit] = []
        edges = sorted({start, *(s for s in starts if start <= s < end), end})
        for left, right in pairwise(edges):
            piece = self.text[left:right]
            body = piece.strip()
            if body:
                left += len(piece) - len(piece.lstrip())
                units += self._cut(left, left + len(body))
        return units

    def _cut(self, start: int, end: int) -> list[_Unit]:
        """Return one unit, or several where a sentence is over budget, cut behind clauses or between words."""
        units: list[_Unit] = []
        reach = REACH * self.budget
        while start < end:
            far = start + reach
            stop = end if end <= far else self._stop(start, far)
            tokens = self._tokens(start, stop)
            while tokens > self.budget and stop - start > 1:
                stop = self._stop(start, start + max(1, int((stop - start) * 0.95 * self.budget / tokens)))
                tokens = self._tokens(start, stop)
            units.append(_Unit(start, start + len(self.text[start:stop].rstrip()), tokens))
            reach = min(reach, max(self.budget, 2 * (stop - start)))  # no more is counted than is needed
            start = stop
            while start < end and self.text[start].isspace():
                start += 1
        return units

    def _tokens(self, start: int, end: int) -> int:
        return max(self.count(self.text[start:end]), (end - start) // REACH)

    def _stop(self, start: int, limit: int) -> int:
        """Return the best place to cut in the last third before `limit`."""
        low = start + (limit - start) * 2 // 3
        clauses = [match.end() for match in _CLAUSE.finditer(self.text, low, limit)]
        if clauses:
            return clauses[-1]
        blank = self.text.rfind(" ", low, limit)
        return blank if blank > start else limit

    def _pack(self, units: Sequence[_Unit], table: int | None, lead: int = 0) -> list[Chunk]:
        """Pack units into chunks as even as the budget allows; `lead` units in front are headings."""
        total = sum(unit.tokens for unit in units)
        parts = -(-total // self.budget) if total else 1
        even = min(self.budget, total / parts * 1.15 + 8)
        chunks: list[Chunk] = []
        packed: list[_Unit] = []
        size = 0
        most = ROWS + lead if table is not None else len(units)
        for unit in units:
            full = len(packed) >= most or size + unit.tokens > self.budget or (table is None and size >= even)
            if packed and full:
                chunks.append(self._chunk(packed, table, own=not chunks))
                packed, size, most = [], 0, ROWS if table is not None else most
            packed.append(unit)
            size += unit.tokens
        if packed:
            chunks.append(self._chunk(packed, table, own=not chunks))
        return chunks

    def _chunk(self, units: Sequence[_Unit], table: int | None, *, own: bool) -> Chunk:
        """Make a chunk; a heading that it holds itself is not carried beside it."""
        start, end = units[0].start, units[-1].end
        path = [h for h in self.path if not (own and start <= h.start < end)][-PATH:]
        title, text = self.document.title[:MAX_HEADING], self.document.text[start:end]
        names = tuple(h.text[:MAX_HEADING] for h in path)
        if title and title not in names and not text.startswith(title):
            names = (title, *names)  # whose figures these are, which drug this is: often said nowhere else
        if table is None:
            return Chunk.of(self.document, start, end, headings=names)
        meta = _row_metadata(self.document.tables[table], table)
        names = tuple(name for name in names if not str(meta["caption"]).startswith(name[:40]))
        return Chunk.of(self.document, start, end, headings=names, kind="row", metadata=meta)


def _row_metadata(table: Table, index: int) -> dict[str, Scalar]:
    """Return what a row chunk tells about its table."""
    heads = table.rows[: table.header_rows]
    width = max((len(row) for row in heads), default=0)
    columns = [
        " ".join(dict.fromkeys(row[j].text for row in heads if j < len(row) and row[j].text)) for j in range(width)
    ]
    return {
        "caption": table.caption,
        "unit": table.unit,
        "scale": table.scale,
        "currency": table.currency,
        "columns": " | ".join(column for column in columns[1:] if column),
        "table": index,
    }
