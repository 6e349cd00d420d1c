"""The two search legs of a collection as one: kept at the generation of the records, searched under one filter."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from rag.dense import Dense
from rag.errors import LockedError, StoreError, UserError
from rag.folder import write_lock
from rag.lexical import Lexical
from rag.records import Records
from rag.schema import Where

Mode = Literal["hybrid", "lexical", "dense"]
Scored = tuple[int, float]
_ROOM: Final = 64_000_000
"""With fewer free bytes a write that failed is not tried again from nothing."""
MODES: Final = ("hybrid", "lexical", "dense")


@dataclass(frozen=True, slots=True)
class Legs:
    """The candidates of each leg as (row, score), best first, and the seconds each step took."""

    lexical: list[Scored]
    dense: list[Scored]
    timings: Mapping[str, float]


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

    def search(self, query: str, vector: np.ndarray | None, fetch_k: int, where: Where | None, mode: Mode) -> Legs:
        """Return the candidates of the legs `mode` names. A vector of None leaves the dense leg empty.

        Where a leg cannot be brought up to date (another process is just doing it), what is gone is filtered out.

        Raises:
            UserError: `fetch_k` is less than 1, or `where` cannot be looked up.
        """
        if fetch_k < 1:
            raise UserError(f"k must be at least 1, got {fetch_k}. It says how many passages to return.")
        lexical: list[Scored] = []
        dense: list[Scored] = []
        timings: dict[str, float] = {}
        if not int(self._records.state("chunks")):
            return Legs(lexical, dense, timings)
        started = time.perf_counter()
        level = [self._ready(leg) for leg in self._of(mode)]
        allowed = self._records.rows(where) if where or not all(level) or self._records.changing else None
        timings["filter"] = time.perf_counter() - started
        if mode != "dense":
            started = time.perf_counter()
            lexical = self._lexical.search(query, fetch_k, allowed)
            timings["lexical"] = time.perf_counter() - started
        if mode != "lexical" and vector is not None:
            started = time.perf_counter()
            dense = self._dense.search(vector, fetch_k, allowed)
            timings["dense"] = time.perf_counter() - started
        return Legs(lexical, dense, timings)

    def publish(self, *, anew: bool = False) -> None:
        """Bring both legs to the last commit; `anew` makes them from nothing. Needs the write lock.

        Raises:
            OSError: the disk refused.
        """
        for leg in self._of("hybrid"):
            if anew:
                leg.clear()
            elif not self._level(leg):
                leg.load()
            if not self._level(leg):
                self._catch_up(leg)
        if anew or self._dense.due:
            self._dense.write()

    def flush(self) -> None:
        """Write what was kept in memory. Where the disk refuses, the next one to open has more to catch up, no less.

        Needs the write lock.
        """
        with contextlib.suppress(OSError):
            self._dense.write()

    def _of(self, mode: Mode) -> tuple[Lexical | Dense, ...]:
        if mode == "hybrid":
            return self._lexical, self._dense
        return (self._lexical,) if mode == "lexical" else (self._dense,)

    def _level(self, leg: Lexical | Dense) -> bool:
        return leg.generation == self._records.generation and len(leg) == int(self._records.state("chunks"))

    def _ready(self, leg: Lexical | Dense) -> bool:
        """Bring a leg to the visible generation if that can be done; tell whether it is there."""
        if self._level(leg) or self._records.changing:
            return self._level(leg)
        leg.load()
        if self._level(leg):
            return True
        try:
            with contextlib.nullcontext() if self._writing else write_lock(self._path):
                self._catch_up(leg)
                self._dense.write()
        except (LockedError, StoreError, OSError):  # another one is just doing it, or nothing can be written here
            if leg is self._lexical:
                if leg.usable:
                    return False
                self._lexical.keep_in_memory()
            self._catch_up(leg)
        return self._level(leg)

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
