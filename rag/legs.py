"""The two search legs of a collection as one: kept at the generation of the records, searched under one filter."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from rag.dense import Dense
from rag.errors import LockedError, StoreError, UserError
from rag.folder import write_lock
from rag.fuse import fuse
from rag.lexical import Lexical
from rag.records import Records
from rag.schema import Hints, Where

Mode = Literal["hybrid", "lexical", "dense"]
Scored = tuple[int, float]
_ROOM: Final = 64_000_000
"""With fewer free bytes a write that failed is not tried again from nothing."""
_SMALL: Final = 20_000
"""With more vectors the legs search at the same time, each on a thread of its own."""
_MASKS: Final = 16
_FEW_GONE: Final = 4096
"""So many rows are passed over at most before they are taken out of the legs."""
MODES: Final = ("hybrid", "lexical", "dense")


@dataclass(frozen=True, slots=True)
class Legs:
    """The candidates of each leg as (row, score), best first, and the seconds each step took.

    `gains` are the boosts of candidates, each a share of the score; `at_stake` is the most that a row gets.
    """

    lexical: list[Scored]
    dense: list[Scored]
    timings: Mapping[str, float]
    gains: Mapping[int, float] = field(default_factory=dict)
    at_stake: float = 0.0

    def ranked(self, query: str, k: int, mode: Mode, dense_weight: float | None) -> list[Scored]:
        """Return the best k: of the one leg `mode` names with its own scores, else of both, fused, in [0, 1]."""
        alone = {"lexical": self.lexical, "dense": self.dense}.get(mode)
        if alone is not None:
            return alone[: max(0, k)]
        depth = sys.maxsize if self.gains else k
        fused = fuse(query, self.lexical, self.dense, k=depth, dense_weight=dense_weight)
        return favoured(fused, self.gains, self.at_stake)[: max(0, k)]


class TwoLegs:
    """Both legs over the records they are made from. A leg is loaded when it is first asked.

    Args:
        path: folder of the collection.
        records: the truth; whoever calls sees to it that only one thread at a time comes in.
        writing: whether this process holds the write lock.
    """

    def __init__(self, path: Path, records: Records, *, writing: bool) -> None:
        self._path = path
        self._records = records
        self._writing = writing
        self._lexical = Lexical(path)
        self._dense = Dense(path, int(records.state("dimension")))
        self._masks: dict[str, np.ndarray] = {}
        self._masks_of = -1

    def search(
        self,
        query: str,
        vector: np.ndarray | None,
        fetch_k: int,
        where: Where | None,
        mode: Mode,
        hints: Hints | None = None,
    ) -> Legs:
        """Return the candidates of the legs `mode` names. A vector of None leaves the dense leg empty.

        Hints count where both legs search: one alone stays what its name says. The rows that boosts favour most are
        searched once more by themselves, so that they are among the candidates.

        Where a leg cannot be brought up to date (another process is just doing it), what is gone is filtered out.

        Raises:
            UserError: `fetch_k` is less than 1, or `where` cannot be looked up.
        """
        if fetch_k < 1:
            raise UserError(f"k must be at least 1, got {fetch_k}. It says how many passages to return.")
        timings: dict[str, float] = {}
        if not int(self._records.state("chunks")):
            return Legs([], [], timings)
        started = time.perf_counter()
        for leg in self._of(mode):
            self._ready(leg)
        allowed = self._allowed(where, self._of(mode))
        hints = hints if hints and mode == "hybrid" else Hints()
        gains = self._gains(hints, allowed)
        masks = (allowed,) if gains is None else (allowed, gains >= gains.max() / 2)
        timings["filter"] = time.perf_counter() - started

        def by_words() -> list[Scored]:
            found = [self._lexical.search(query, fetch_k, among, hints.expansions) for among in masks]
            return list(itertools.chain.from_iterable(found))

        def by_meaning() -> list[Scored]:
            if vector is None:
                return []
            return list(itertools.chain.from_iterable(self._dense.search(vector, fetch_k, among) for among in masks))

        searches = {"lexical": by_words, "dense": by_meaning}
        chosen = {name: leg for name, leg in searches.items() if mode in {name, "hybrid"}}
        found = _side_by_side(chosen, timings) if len(self._dense) > _SMALL else _in_turn(chosen, timings)
        lexical, dense = found.get("lexical", []), found.get("dense", [])
        if gains is None:
            return Legs(lexical, dense, timings)
        met = {row for row, _ in (*lexical, *dense) if row < len(gains)}
        share = {row: float(gains[row]) for row in met if gains[row]}
        return Legs(_merged(lexical), _merged(dense), timings, share, float(gains.max()))

    def _allowed(self, where: Where | None, legs: Sequence[Lexical | Dense]) -> np.ndarray | None:
        """Return by row whether it may be found: what the filter accepts without what is gone, None for all."""
        records, allowed = self._records, self._mask(where) if where else None
        for leg in legs:
            if self._level(leg) and not records.changing:
                continue
            if leg.generation < int(records.state("caught_up_from")) or leg.generation > records.generation:
                here = records.present()
            else:
                here = records.rows({})
                gone = records.gone_since(leg.generation)
                here[gone[gone < len(here)]] = False
            allowed = here if allowed is None else allowed & here
        return allowed

    def _mask(self, where: Where) -> np.ndarray:
        """Return what a filter accepts, by row; the last few are kept until the next commit."""
        if self._records.changing:
            return self._records.rows(where)
        generation, key = self._records.generation, repr(sorted(where.items()))
        if self._masks_of != generation:
            self._masks, self._masks_of = {}, generation
        if key not in self._masks:
            if len(self._masks) >= _MASKS:
                self._masks.pop(next(iter(self._masks)))
            self._masks[key] = self._records.rows(where)
        return self._masks[key]

    def _gains(self, hints: Hints, allowed: np.ndarray | None) -> np.ndarray | None:
        """Return by row the sum of the shares of the boosts that match it; None where none matches what is allowed."""
        masks = [(self._mask(where), share) for where, share in hints.boosts]
        gains = np.zeros(max((len(mask) for mask, _ in masks), default=0))
        for mask, share in masks:
            gains[: len(mask)][mask] += share
        if allowed is not None:
            gains = gains[: len(allowed)] * allowed[: len(gains)]
        return gains if gains.any() else None

    def publish(self, *, anew: bool = False) -> None:
        """Bring both legs to the last commit; `anew` makes them from nothing. Needs the write lock.

        Raises:
            OSError: the disk refused.
        """
        for leg in self._of("hybrid"):
            if anew:
                leg.clear()
            elif not self._near(leg):
                leg.load()
            if anew or not self._near(leg):
                self._catch_up(leg)
        if anew:
            self._dense.write(anew=True)
        elif self._dense.due:
            self._dense.settle()

    def flush(self) -> None:
        """Forget what is not committed, write what was kept in memory. Needs the write lock; harmless when done twice.

        Where the disk refuses, the next one to open has more to catch up, no less.
        """
        with contextlib.suppress(OSError, sqlite3.Error):
            self._records.rollback()
            for leg in self._of("hybrid"):
                if leg.usable and not self._level(leg):
                    self._catch_up(leg)
        for write in (self._lexical.rest, self._dense.finish):
            with contextlib.suppress(OSError):
                write()

    def _of(self, mode: Mode) -> tuple[Lexical | Dense, ...]:
        if mode == "hybrid":
            return self._lexical, self._dense
        return (self._lexical,) if mode == "lexical" else (self._dense,)

    def _level(self, leg: Lexical | Dense) -> bool:
        return leg.generation == self._records.generation and len(leg) == int(self._records.state("chunks"))

    def _near(self, leg: Lexical | Dense) -> bool:
        """Tell whether a leg is level, or lacks no more than to forget a few rows: those are passed over meanwhile."""
        records = self._records
        if self._level(leg):
            return True
        if not int(records.state("caught_up_from")) <= leg.generation < records.generation:
            return False
        gone = len(records.gone_since(leg.generation))
        right = len(leg) - gone == int(records.state("chunks"))
        return right and gone <= _FEW_GONE and not records.grown_since(leg.generation)

    def _ready(self, leg: Lexical | Dense) -> None:
        """Bring a leg to the visible generation if that can be done."""
        if self._near(leg) or self._records.changing:
            return
        leg.load()
        if self._near(leg):
            return
        try:
            with contextlib.nullcontext() if self._writing else write_lock(self._path):
                self._catch_up(leg)
                self._dense.write()
                if not self._writing:
                    self._lexical.rest()
        except (LockedError, StoreError, OSError):  # another one is just doing it, or nothing can be written here
            if leg is self._lexical:
                if leg.usable:
                    return
                self._lexical.keep_in_memory()
            self._catch_up(leg)

    def _catch_up(self, leg: Lexical | Dense) -> None:
        """Bring a leg to the visible generation: by what changed since its own, else from nothing."""
        if not int(self._records.state("caught_up_from")) <= leg.generation <= self._records.generation:
            leg.clear()
        try:
            self._update(leg)
        except OSError:
            if shutil.disk_usage(self._path).free < _ROOM:
                raise
        if not self._level(leg):
            leg.clear(scratch=True)
            self._update(leg)

    def _update(self, leg: Lexical | Dense) -> None:
        records, since = self._records, leg.generation
        if isinstance(leg, Lexical):
            leg.update(records.generation, records.gone_since(since), records.texts_since(since))
        else:
            leg.update(records.generation, records.gone_since(since), records.vectors_since(since))


def favoured(fused: list[Scored], gains: Mapping[int, float], at_stake: float) -> list[Scored]:
    """Return fused scores with what boosts add, best first: (1 - at_stake) * fused + gain, again in [0, 1]."""
    if not gains:
        return fused
    scored = [(row, round((1.0 - at_stake) * score + gains.get(row, 0.0), 9)) for row, score in fused]
    return sorted(scored, key=lambda item: (-item[1], item[0]))


def _merged(found: list[Scored]) -> list[Scored]:
    """Return each row once with its best score, best first."""
    best: dict[int, float] = {}
    for row, score in found:
        best[row] = max(score, best.get(row, score))
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))


def _in_turn(searches: Mapping[str, Callable[[], list[Scored]]], timings: dict[str, float]) -> dict[str, list[Scored]]:
    """Return what each search finds; the seconds of each are noted."""
    found = {}
    for name, search in searches.items():
        started = time.perf_counter()
        found[name] = search()
        timings[name] = time.perf_counter() - started
    return found


def _side_by_side(
    searches: Mapping[str, Callable[[], list[Scored]]], timings: dict[str, float]
) -> dict[str, list[Scored]]:
    """The same on several threads; both libraries let go of the interpreter while they search."""
    if len(searches) < 2:
        return _in_turn(searches, timings)
    with ThreadPoolExecutor(len(searches)) as pool:
        each = [pool.submit(_in_turn, {name: search}, timings) for name, search in searches.items()]
        return {name: hits for done in each for name, hits in done.result().items()}
