"""The dense leg: FAISS over unit vectors, so that the inner product is the cosine. One file, derived from the store.

The file ends with its own length, checksum and the generation of the store it was made from; one that does not check
out counts as absent and is made again. Readers map it into memory. Since a change means writing all of it anew, changes
are made in memory and written now and then; whoever finds the file behind the store adds the rest in memory.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.folder import replacing

Scored = tuple[int, float]
_FOOTER: Final = struct.Struct("<8sQQI")
_MAGIC: Final = b"CONSDNS1"
FILE: Final = "dense.faiss"
_FEW_CHANGES: Final = 4096


def _faiss() -> Any:
    """Return the module, untyped (its stubs know only the C++ signatures); importing it takes about 0.1 s."""
    return importlib.import_module("faiss")


def new_index(dimension: int, expected: int) -> Any:
    """Return an empty FAISS index for about `expected` vectors; the one place that chooses its kind.

    Flat (exact) for any size as yet: about 30 ms a query at 200,000 vectors of 384.
    """
    faiss = _faiss()

    del expected
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


class Dense:
    """Vectors by row. `generation` is that of the store it was made from; -1 means there is nothing yet.

    Args:
        folder: where the file lies; None for memory alone.
        dimension: of the vectors.
    """

    def __init__(self, folder: Path | None, dimension: int) -> None:
        self._file = folder / FILE if folder else None
        self._dimension = dimension
        self._index: Any = None
        self._mapped = False
        self._written = -1
        self._changes = 0
        self.generation = -1

    def __len__(self) -> int:
        return int(self._index.ntotal) if self._index is not None else 0

    @property
    def usable(self) -> bool:
        """Whether there is anything to search, be it of an earlier generation."""
        return self._index is not None

    def load(self) -> None:
        """Take what lies on disk, if it is newer than what is here.

        Where that is missing or broken the generation stays, -1 for a leg that has nothing.
        """
        if self._file is None:
            return
        stamp = _stamp(self._file)
        if stamp is None or stamp <= self.generation:
            return
        generation = _checked(self._file)
        if generation is None:
            return
        faiss = _faiss()
        try:
            index = faiss.read_index(str(self._file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError:
            return
        if index.d == self._dimension and _stamp(self._file) == generation:
            self._index, self.generation, self._mapped = index, generation, True
            self._written, self._changes = generation, 0

    def clear(self, *, scratch: bool = False) -> None:
        """Make the next `update` start from nothing."""
        del scratch
        self.generation = self._written = -1

    def update(self, generation: int, removed: np.ndarray, added: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Take rows out and put rows in, in memory; `write` makes it last.

        Args:
            generation: of the store, after the change.
            removed: rows that are gone, int64; unknown ones are ignored.
            added: pairs of rows (n,) int64 and vectors (n, dimension), any float type.
        """
        index = self._writable()
        if len(removed) and index.ntotal:
            selector = _faiss().IDSelectorBatch(np.ascontiguousarray(removed, dtype=np.int64))
            self._changes += int(index.remove_ids(selector))
        for rows, vectors in added:
            if len(rows):
                index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), rows.astype(np.int64))
                self._changes += len(rows)
        self._index, self.generation, self._mapped = index, generation, False

    @property
    def due(self) -> bool:
        """Whether so much has changed that the file should be written."""
        return self._changes > max(_FEW_CHANGES, len(self) // 4)

    def write(self) -> None:
        """Write the file where it is not of this generation.

        Raises:
            OSError: the disk refused; what was on disk is still there.
        """
        if self._file is not None and self._index is not None and self._written != self.generation:
            _write(self._file, self._index, self.generation)
            self._written, self._changes = self.generation, 0

    def search(self, vector: np.ndarray, k: int, allowed: np.ndarray | None = None) -> list[Scored]:
        """Return at most k (row, cosine), best first, equal scores by row.

        Args:
            vector: of unit length, shape (dimension,).
            k: how many.
            allowed: rows that may be found, int64; None for all.
        """
        k = min(k, len(self) if allowed is None else len(allowed))
        if k < 1 or not len(self):
            return []
        faiss = _faiss()

        query = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        parameters = None
        if allowed is not None:
            flags = np.zeros(int(allowed.max()) + 1, dtype=np.bool_)
            flags[allowed] = True
            bitmap = np.packbits(flags, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # one query is scanned by one thread in any case; idle ones would only spin
        scores, rows = self._index.search(query, min(k, len(self)), params=parameters)
        faiss.omp_set_num_threads(threads)
        found = [(int(row), float(score)) for row, score in zip(rows[0], scores[0], strict=True) if row >= 0]
        return sorted(found, key=lambda item: (-item[1], item[0]))

    def _writable(self) -> Any:
        if self._index is None or self.generation < 0:
            return new_index(self._dimension, 0)
        if not self._mapped:
            return self._index
        faiss = _faiss()  # a mapped index cannot be changed, and its file may be a newer one by now
        return faiss.deserialize_index(faiss.serialize_index(self._index))


def _write(file: Path, index: Any, generation: int) -> None:
    with replacing(file) as temporary:
        try:
            _faiss().write_index(index, str(temporary))
        except RuntimeError as error:  # how FAISS reports the system's errors
            raise OSError(f"dense index: {error}") from error
        with temporary.open("r+b") as stream:
            checksum = 0
            while block := stream.read(1 << 20):
                checksum = zlib.crc32(block, checksum)
            stream.write(_FOOTER.pack(_MAGIC, generation, stream.tell(), checksum))


def _stamp(file: Path) -> int | None:
    """Return the generation in the footer of a file of the right length, or None."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            if size < _FOOTER.size:
                return None
            stream.seek(size - _FOOTER.size)
            magic, generation, length, _ = _FOOTER.unpack(stream.read(_FOOTER.size))
    except OSError:
        return None
    return int(generation) if magic == _MAGIC and length + _FOOTER.size == size else None


def _checked(file: Path) -> int | None:
    """Return the generation of a file whose checksum is right, or None."""
    generation = _stamp(file)
    if generation is None:
        return None
    try:
        data = np.memmap(file, dtype=np.uint8, mode="r")
    except (OSError, ValueError):
        return None
    _, found, _, checksum = _FOOTER.unpack(data[-_FOOTER.size :].tobytes())
    return int(found) if zlib.crc32(data[: -_FOOTER.size].data) == checksum else None
