"""Markers to citations and back; figures traced to the passage that carries them.

`Answer.text` holds no markers. `parse` takes them out of a model's reply, `marked` writes them back for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from rag.language import sentence_spans, terms
from rag.numbers import Quantity, find_quantities, same_quantity
from rag.schema import Answer, Cell, Citation, Figure, Passage

_MARKER = re.compile(r"\s*[\[【](\d{1,3}(?:\s*[,，、;\-–]\s*\d{1,3})*)[\]】]")
_ITEM = re.compile(r"(?:[-–•·*▪]|\d{1,2}[.)、）])\s")
_NUMBERED = re.compile(r"^\s*[(（]?\d{1,2}[.)）、](?=\s)", re.MULTILINE)
ATTRIBUTED = 0.6  # share of a sentence's terms its source must hold when a model gave no marker
_CLOSERS = ".。!！?？;；"
CellAt = Callable[[str, int], Cell | None]


def parse(reply: str, passages: Sequence[Passage]) -> tuple[str, tuple[Citation, ...]]:
    """Take the `[n]` markers out of a reply and attach each to the sentence it stands in or right behind.

    Markers that name no passage are dropped. A sentence without any marker is attributed to the passage with the
    sentence nearest to it, when that shares at least `ATTRIBUTED` of its terms; else it stays uncited, and the verifier
    looks for its support in all passages.
    """
    pieces: list[str] = []
    marks: list[tuple[int, list[int]]] = []  # (offset in the clean text, ranks)
    at = length = 0
    for match in _MARKER.finditer(reply):
        piece = reply[at : match.start()]
        pieces.append(piece)
        length += len(piece)
        marks.append((length, _ranks(match.group(1))))
        at = match.end()
    text = "".join((*pieces, reply[at:]))
    lead = len(text) - len(text.lstrip())
    text = text.strip()
    spans = sentence_spans(text)
    by_rank = {passage.rank: passage for passage in passages}
    found: dict[tuple[int, int, int], Citation] = {}
    for offset, ranks in marks:
        span = _sentence_before(offset - lead, spans)
        for rank in ranks:
            if span is not None and rank in by_rank:
                quote = best_quote(text[slice(*span)], by_rank[rank])
                found.setdefault((*span, rank), Citation(*span, rank, *quote))
    for span in set(spans) - {key[:2] for key in found}:
        near = _attribution(text[slice(*span)], passages)
        if near is not None:
            found[(*span, near[0])] = Citation(*span, *near)
    return text, tuple(found[key] for key in sorted(found))


def _attribution(claim: str, passages: Sequence[Passage]) -> tuple[int, int, int] | None:
    """Return (rank, quote start, quote end) of the passage sentence that holds most of the claim's terms, if enough."""
    wanted = set(terms(claim))
    best, most = None, ATTRIBUTED
    for passage in passages:
        start, end = best_quote(claim, passage)
        share = len(wanted & set(terms(passage.chunk.text[start:end]))) / (len(wanted) or 1)
        if share > most or (share == most and best is None):
            best, most = (passage.rank, start, end), share
    return best


def _ranks(inside: str) -> list[int]:
    """Read "1, 3-5" as [1, 3, 4, 5]."""
    ranks: list[int] = []
    for part in re.split(r"\s*[,，、;]\s*", inside):
        low, _, high = re.sub(r"\s*[-–]\s*", "-", part).partition("-")
        ranks.extend(range(int(low), min(int(high or low), int(low) + 20) + 1))
    return ranks


def _sentence_before(offset: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the last sentence that starts before the marker."""
    before = [span for span in spans if span[0] < max(offset, 1)]
    return before[-1] if before else None


def best_quote(claim: str, passage: Passage) -> tuple[int, int]:
    """Return the span of the passage's sentence that shares most terms with the claim (whole chunk if none does)."""
    wanted = set(terms(claim))
    text = passage.chunk.text
    best, share = (0, len(text)), 0.0
    for start, end in sentence_spans(text):
        have = set(terms(text[start:end]))
        overlap = len(wanted & have) / (len(wanted | have) or 1)
        if overlap > share:
            best, share = (start, end), overlap
    return best


def quote(spans: Sequence[tuple[int, int, int]], passages: Sequence[Passage]) -> tuple[str, tuple[Citation, ...]]:
    """Join verbatim spans (rank, start, end) into an answer's text, one citation each."""
    by_rank = {passage.rank: passage for passage in passages}
    text = ""
    citations: list[Citation] = []
    for rank, start, end in spans:
        sentence = by_rank[rank].chunk.text[start:end]
        if text:
            text += _joint(text, sentence)
        citations.append(Citation(len(text), len(text) + len(sentence), rank, start, end))
        text += sentence
    return text, tuple(citations)


def _joint(before: str, after: str) -> str:
    """Rows, list items and headings stand on lines of their own; Chinese sentences follow without a space."""
    if (
        _ITEM.match(after)
        or " | " in after
        or " | " in before.rsplit("\n", 1)[-1]
        or before[-1] not in _CLOSERS + "”\"')）"
        or before[-1] in ";；:：,，"
    ):
        return "\n"
    return "" if before[-1] > "\u2e7f" else " "


def trace(text: str, citations: Sequence[Citation], passages: Sequence[Passage], cell_at: CellAt) -> tuple[Figure, ...]:
    """Give every number of an answer its source: the cell or the span of a cited passage that carries it.

    A number no cited passage carries gets rank None: it is flagged, not hidden. Years count as numbers, the numbers of
    list items do not.
    """
    marks = [match.span() for match in _NUMBERED.finditer(text)]
    by_rank = {passage.rank: passage for passage in passages}
    figures: list[Figure] = []
    for quantity in find_quantities(text):
        if any(start <= quantity.end - 1 < end for start, end in marks):
            continue
        cited = [c for c in citations if c.start <= quantity.start and quantity.end <= c.end]
        cited = sorted(cited, key=lambda c: c.rank) or []
        figures.append(_figure(text, quantity, [(c, by_rank[c.rank]) for c in cited], cell_at))
    return tuple(figures)


def _figure(text: str, seen: Quantity, cited: list[tuple[Citation, Passage]], cell_at: CellAt) -> Figure:
    for citation, passage in cited:
        match = _find(seen, citation, passage)
        if match is None:
            continue
        start, end = match
        cell = cell_at(passage.chunk.doc_id, passage.chunk.start + start)
        scale = cell.scale if cell is not None and seen.scale == 1 else seen.scale
        unit = seen.unit or seen.currency or ((cell.unit or cell.currency) if cell else None)
        value = cell.value if cell is not None and cell.value is not None and seen.scale == 1 else seen.value
        period = f", {cell.period}" if cell is not None and cell.period else ""
        page = f", page {passage.chunk.page}" if passage.chunk.page else ""
        kind = "cell" if cell is not None else "span"
        provenance = f"{kind} of [{passage.rank}] {passage.source}{page}{period}"
        return Figure(seen.text, seen.start, seen.end, value, unit, scale, passage.rank, start, end, provenance)
    value = seen.value if isinstance(seen.value, Decimal) else Decimal(seen.value)
    return Figure(seen.text, seen.start, seen.end, value, seen.unit or seen.currency, seen.scale)


def _find(seen: Quantity, citation: Citation, passage: Passage) -> tuple[int, int] | None:
    """Return the span of the number in the passage: the quoted sentence first, then the whole chunk."""
    chunk = passage.chunk.text
    quoted = chunk[citation.quote_start : citation.quote_end]
    for base, body in ((citation.quote_start, quoted), (0, chunk)):
        same = [q for q in find_quantities(body) if same_quantity(seen, q)]
        if same:
            best = min(same, key=lambda q: (q.text != seen.text, abs(q.start - (seen.start - citation.start))))
            return base + best.start, base + best.end
    return None


def marked(answer: Answer) -> str:
    """Return the text with `[n]` behind every cited sentence, as people read it."""
    ranks: dict[int, list[int]] = {}
    for citation in answer.citations:
        ranks.setdefault(citation.end, []).append(citation.rank)
    text = answer.text
    for end in sorted(ranks, reverse=True):
        text = f"{text[:end]} {''.join(f'[{rank}]' for rank in sorted(set(ranks[end])))}{text[end:]}"
    return text
