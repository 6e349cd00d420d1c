"""Later versions of the same document: which is superseded by which, and how far it is set back.

Documents with the same `series` in their metadata are versions of one thing. The newer one is the amended one, else
that of the later `version_date` ("2023" and "2023-05" tell nothing about which came first), else that of the higher
`version_number`; where none of these decides, neither is superseded. A superseded document stays, is found and can be
cited; its passages carry `superseded_by`, and their scores are multiplied by `FACTOR`, unless the question names the
year or version of just that document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rag.schema import Scalar

FACTOR: Final = 0.95
"""What is left of the score of a superseded passage: behind its newer twin, before what hardly fits the question."""
LINE_FACTOR: Final = 0.99
"""The same for a line that may be the answer: lines lie closer together than passages."""
KEPT_BY: Final = frozenset(
    {"year", "source", "title", "doc_id", "version", "version_date", "version_number", "period_end", "published"}
)
"""Filters that choose an edition: with one of them nothing is set back."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of a document. `number` is its own in the collection."""

    number: int
    source: str
    title: str
    metadata: Mapping[str, Scalar]

    def newer_than(self, other: Edition) -> bool:
        """Tell whether this one takes the place of the other; False where it cannot be told."""
        mine, theirs = self.metadata, other.metadata
        amended, before = bool(mine.get("amendment")), bool(theirs.get("amendment"))
        if amended != before:
            return amended
        date, other_date = str(mine.get("version_date") or ""), str(theirs.get("version_date") or "")
        if date and other_date and not (date.startswith(other_date) or other_date.startswith(date)):
            return date > other_date
        return bool(_numbers(mine) and _numbers(theirs)) and _numbers(mine) > _numbers(theirs)

    @property
    def mark(self) -> dict[str, Scalar]:
        """Return the metadata of a passage whose document this one supersedes."""
        day = self.metadata.get("version_date") or self.metadata.get("published")
        told = {"superseded_by": self.source, "superseded_by_title": self.title, "superseded_by_date": day}
        return {key: value for key, value in told.items() if value}


def superseded(editions: Iterable[Edition]) -> dict[int, Edition]:
    """Return the newest edition for each number that has a newer one; series are told apart by their metadata."""
    series: dict[str, list[Edition]] = {}
    for edition in editions:
        series.setdefault(str(edition.metadata.get("series")), []).append(edition)
    found: dict[int, Edition] = {}
    for together in series.values():
        kinds = {_rank(edition): edition for edition in sorted(together, key=lambda e: -e.number)}  # few, of many parts
        newest = {
            rank: max((other for other in kinds.values() if other.newer_than(edition)), key=_rank, default=None)
            for rank, edition in kinds.items()
        }
        found |= {edition.number: by for edition in together if (by := newest[_rank(edition)])}
    return found


def is_set_back(metadata: Mapping[str, Scalar], question: str) -> bool:
    """Tell whether a passage is of a superseded document that the question does not ask for by year or version."""
    if not metadata.get("superseded_by"):
        return False
    year, newer = (str(metadata.get(key) or "")[:4] for key in ("version_date", "superseded_by_date"))
    version = str(metadata.get("version") or "").casefold()
    named = year and year != newer and re.search(rf"(?<!\d){year}(?!\d)", question)
    return not named and not (version and version in question.casefold())


def lowered(score: float, factor: float = FACTOR) -> float:
    """Return a score times a factor; one below 0, which some models give, over it: lower in any case."""
    return score * factor if score >= 0 else score / factor


def _numbers(metadata: Mapping[str, Scalar]) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(metadata.get("version_number") or "")))


def _rank(edition: Edition) -> tuple[bool, str, tuple[int, ...]]:
    metadata = edition.metadata
    return bool(metadata.get("amendment")), str(metadata.get("version_date") or ""), _numbers(metadata)
