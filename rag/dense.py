"""The dense leg: unit vectors in FAISS, so that the inner product is the cosine. Derived from the store.

It has parts: a large one, written once and mapped into memory (`dense.faiss`), and what came since, which every query
is compared with. What was removed is passed over. Once much has changed a new large part is made of all of them: where
that takes long beside the old one, by a thread of its own, so that nobody waits. What came since is kept in a small
file (`dense.tail`) that counts only together with the large part it belongs to.

Each file ends with the rows that are alive, the generation of the store it was made from and a checksum; one that does
not check out counts as absent. A file that was found whole is believed as long as the system says it has not changed.
Whoever finds the files behind the store adds the rest in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag import nearest
from rag.folder import Checked
from rag.sealed import Seal, alive_in, check, seal_of, write_sealed

Scored = tuple[int, float]
FILE: Final = "dense.faiss"
TAIL: Final = "dense.tail"
_FEW_CHANGES: Final = 4096
_FEW_SHARE: Final = 16
"""All is made one part when more than one in so many has changed: what came since is compared with one by one."""


class Dense:
    """Vectors by row. `generation` is that of the store it was made from; -1 means there is nothing yet.

    Args:
        folder: where the files lie; None for memory alone.
        dimension: of the vectors.
    """

    def __init__(self, folder: Path | None, dimension: int) -> None:
        self._folder = folder
        self._checked = Checked(folder / "dense.checked.json" if folder else None)
        self._dimension = dimension
        self._parts: list[Any] = []
        self._fixed = 0  # so many parts are not added to any more
        self._alive = np.zeros(0, dtype=np.bool_)
        self._bits: np.ndarray | None = None
        self._count = 0
        self._base = 0  # checksum of the file the first part is mapped from, 0 where there is none
        self._written = -1
        self._changes = 0
        self._work: _Merge | None = None
        self._gpu: tuple[Any, Any] | None = None
        self.generation = -1

    def __len__(self) -> int:
        return self._count

    @property
    def usable(self) -> bool:
        """Whether there is anything to search, be it of an earlier generation."""
        return bool(self._parts)

    def load(self) -> None:
        """Take what lies on disk, if it is newer than what is here.

        Where that is missing or broken the generation stays, -1 for a leg that has nothing.
        """
        if self._folder is None or self._work:
            return
        base, tail = seal_of(self._folder / FILE), seal_of(self._folder / TAIL)
        if base is None:
            return
        if tail is None or tail.base != base.checksum or tail.generation <= base.generation:
            tail = None
        if (tail or base).generation <= self.generation:
            return
        try:
            parts = self._parts[:1] if base.checksum == self._base else [self._read(FILE, base)]
            if tail is not None:
                parts.append(self._read(TAIL, tail))
            alive = alive_in(self._folder / (TAIL if tail else FILE), tail or base)
        except (OSError, ValueError, RuntimeError):  # the last one is how FAISS reports what it cannot read
            return
        self._hold(parts, alive, base.checksum, (tail or base).generation)
        self._changes = sum(part.ntotal for part in parts[1:]) + parts[0].ntotal - self._count if tail else 0

    def clear(self, *, scratch: bool = False) -> None:
        """Make the next `update` start from nothing."""
        del scratch
        if self._work:
            self._work.join()
            self._work = None
        self.generation = self._written = -1

    def update(self, generation: int, removed: np.ndarray, added: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Take rows out and put rows in, in memory; `write` makes it last.

        Args:
            generation: of the store, after the change.
            removed: rows that are gone, int64; unknown ones are ignored.
            added: pairs of rows (n,) int64 and vectors (n, dimension), any float type.
        """
        self._adopt()
        if self.generation < 0:
            self._hold([], np.zeros(0, dtype=np.bool_), 0, -1)
        known = removed[removed < len(self._alive)]
        known = known[self._alive[known]]
        self._alive[known] = False
        self._count -= len(known)
        self._changes += len(known)
        for rows, vectors in added:
            if len(rows):
                self._tail().add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), rows.astype(np.int64))
                self._note(rows)
        if not self._parts:
            self._tail()
        self.generation, self._bits = generation, None

    @property
    def due(self) -> bool:
        """Whether so much has changed that all should be made one part."""
        return self._work is None and self._changes > max(_FEW_CHANGES, len(self) // _FEW_SHARE)

    def settle(self) -> None:
        """Make one part of all and write it: at once where that is quick, else by a thread while this one goes on.

        Raises:
            OSError: the disk refused; what was on disk is still there.
        """
        self._adopt()
        if self._work is None and self._parts:
            self._work = _Merge(self._folder, list(self._parts), self._alive.copy(), self.generation, self._checked)
            self._fixed, self._changes = len(self._parts), 0
            if nearest.cells_for(len(self)):
                self._work.start()
            else:
                self._work.run()
            self._adopt()

    def write(self, *, anew: bool = False) -> None:
        """Write what is not on disk yet. The large part where there is none, it is due or wanted `anew`.

        Args:
            anew: make all of it new, and wait until that is done.

        Raises:
            OSError: the disk refused; what was on disk is still there.
        """
        self._adopt(wait=anew)
        if self._folder is None or not self._parts or (self._written == self.generation and not anew):
            return
        there = seal_of(self._folder / FILE)
        if anew or self.due or there is None or there.checksum != self._base:
            self.settle()
            self._adopt(wait=anew)
        elif self._work is None:
            tail = nearest.merged([nearest.flat(self._dimension), *self._parts[1:]], self._alive, 0)
            write_sealed(self._folder / TAIL, tail, self._alive, self.generation, self._base)
            self._written = self.generation

    def finish(self) -> None:
        """Wait for what is being made, then write the rest.

        Raises:
            OSError: the disk refused.
        """
        self._adopt(wait=True)
        self.write()
        self._adopt(wait=True)

    def search(self, vector: np.ndarray, k: int, allowed: np.ndarray | None = None) -> list[Scored]:
        """Return at most k (row, cosine), best first, equal scores by row.

        Args:
            vector: of unit length, shape (dimension,).
            k: how many.
            allowed: by row, bool, whether it may be found; rows beyond its end may not. None for all.
        """
        if self._work and not self._work.is_alive() and self._work.fault is None:
            self._adopt()
        bits, share = self._permitted(allowed)
        if k < 1 or not self._count or not share:
            return []
        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        found: list[Scored] = []
        for part in self._parts:
            fast = self._on_gpu(part) if nearest.fits_gpu(k, bits) else None
            found += nearest.search(part if fast is None else fast, query, k, bits, share)
        return sorted(found, key=lambda item: (-item[1], item[0]))[:k]

    def _permitted(self, allowed: np.ndarray | None) -> tuple[np.ndarray | None, float]:
        """Return packed bits of the rows that may be found, None for all that is held, and their share."""
        if allowed is not None:
            size = min(len(allowed), len(self._alive))
            both = allowed[:size] & self._alive[:size]
            return np.packbits(both, bitorder="little"), np.count_nonzero(both) / max(1, self._count)
        if sum(part.ntotal for part in self._parts) == self._count:
            return None, 1.0
        if self._bits is None:
            self._bits = np.packbits(self._alive, bitorder="little")
        return self._bits, 1.0

    def _on_gpu(self, part: Any) -> Any:
        """Return the copy of a large part on the GPU, made at the first call; None where there is no GPU."""
        if part is not self._parts[0] or self._fixed == 0:
            return None
        if self._gpu is None or self._gpu[0] is not part:
            self._gpu = part, nearest.on_gpu(part)
        return self._gpu[1]

    def _note(self, rows: np.ndarray) -> None:
        top = int(rows.max()) + 1
        if top > len(self._alive):
            self._alive = np.concatenate([self._alive, np.zeros(max(top, 2 * len(self._alive)), dtype=np.bool_)])
        self._alive[rows] = True
        self._count += len(rows)
        self._changes += len(rows)

    def _tail(self) -> Any:
        """Return the part that is added to."""
        if len(self._parts) == self._fixed:
            self._parts.append(nearest.flat(self._dimension))
        return self._parts[-1]

    def _read(self, name: str, seal: Seal) -> Any:
        assert self._folder is not None
        file = self._folder / name
        self._checked.see(file, lambda: check(file, seal))
        index = nearest.read(file)
        if index.d != self._dimension or seal_of(file) != seal:
            raise ValueError(f"{name} is of another dimension, or has just been replaced")
        self._checked.keep()
        return index

    def _hold(self, parts: list[Any], alive: np.ndarray, base: int, generation: int) -> None:
        self._parts, self._fixed, self._alive, self._bits = parts, len(parts), alive, None
        self._count, self._changes = int(np.count_nonzero(alive)), 0
        self._base, self.generation, self._written = base, generation, generation if base else -1

    def _adopt(self, *, wait: bool = False) -> None:
        """Put the part a thread has finished in the place of those it was made from."""
        work = self._work
        if work is None or (work.is_alive() and not wait):
            return
        if work.ident is not None:
            work.join()
        self._work = None
        if work.fault is not None:
            self._changes += _FEW_CHANGES + len(self)  # it is due again
            raise work.fault
        self._parts = [work.made, *self._parts[len(work.parts) :]]
        self._fixed = max(1, self._fixed - len(work.parts) + 1)
        self._base, self._written = work.checksum, work.generation if work.checksum else -1


class _Merge(threading.Thread):
    """Makes one part of several, writes it and maps it; `fault` is what went wrong."""

    def __init__(
        self, folder: Path | None, parts: Sequence[Any], alive: np.ndarray, generation: int, checked: Checked
    ) -> None:
        super().__init__(name="consilium-dense")
        self.folder, self.parts, self.alive, self.generation = folder, parts, alive, generation
        self.checked = checked
        self.made: Any = None
        self.checksum = 0
        self.fault: OSError | None = None

    def run(self) -> None:
        """Make it."""
        try:
            cells = nearest.cells_for(int(np.count_nonzero(self.alive)))
            self.made = nearest.merged(self.parts, self.alive, cells)
            newer = seal_of(self.folder / FILE) if self.folder else None
            if self.folder is not None and not (newer and newer.generation > self.generation):
                self.checksum = write_sealed(self.folder / FILE, self.made, self.alive, self.generation, 0)
                self.checked.see(self.folder / FILE, lambda: None)
                self.checked.keep()
                (self.folder / TAIL).unlink(missing_ok=True)
                self.made = nearest.read(self.folder / FILE)
        except (OSError, RuntimeError, MemoryError) as error:
            self.fault = error if isinstance(error, OSError) else OSError(f"dense index: {error}")
