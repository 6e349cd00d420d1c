"""Which FAISS index holds vectors, by how many there are. All keep them as they are stored, in 16-bit floats.

Up to `FLAT` vectors every one is compared: exact, 6 ms of one core a hundred thousand of 384. Beyond, they lie in cells
around centroids and a query is compared with the cells nearest to it: one in `SHARE`. With a filter more cells are
looked into until enough rows pass; where it leaves few, all of them, so that the search is exact again. On a GPU flat
does for any size it can hold.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

FLAT: Final = 200_000
"""Up to so many vectors every one is compared."""
SHARE: Final = 10
"""A query is compared with one cell in so many. Over a million chunks recall@10 is 0.998 with one in 6, 0.993 with one
in 12, 0.987 with one in 16; of an embedder that reads the questions poorly, about 0.05 lower."""
FEW: Final = 0.02
"""A filter that lets no larger share of the rows through is exact: all cells are looked into."""
_A_CELL: Final = 48
"""Vectors a cell that are read to place the centroids."""
_ROUNDS: Final = 8
_BLOCK: Final = 16_384
_GPU_K: Final = 2048
"""The most results FAISS gives on a GPU."""


def library() -> Any:
    """Return FAISS, untyped (its stubs know only the C++ signatures); importing it takes about 0.1 s."""
    return importlib.import_module("faiss")


def flat(dimension: int) -> Any:
    """Return an empty index that compares every vector; rows are its ids."""
    faiss = library()
    exact = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexIDMap(exact)


def cells_for(count: int) -> int:
    """Return how many cells hold `count` vectors best, 0 for a flat index: the one place that chooses."""
    if count <= FLAT or library().get_num_gpus() > 0:
        return 0
    return int(2 ** round(math.log2(2 * math.sqrt(count))))


def cells_of(index: Any) -> int:
    """Return how many cells an index has, 0 for a flat one."""
    return int(getattr(index, "nlist", 0))


def merged(parts: Sequence[Any], alive: np.ndarray, cells: int) -> Any:
    """Return one index of all rows of the parts that are alive.

    The cells of the first part are kept where there are enough of them.

    Args:
        parts: indexes as made here.
        alive: by row, whether it is kept.
        cells: how many at least, 0 for a flat index: what `cells_for` says.
    """
    faiss = library()
    dimension = int(parts[0].d)
    if not cells:
        return _append(flat(dimension), parts, alive)
    if cells_of(parts[0]) >= cells:
        centroids = parts[0].quantizer.reconstruct_n(0, cells_of(parts[0]))
    else:
        centroids = _centroids(_sample(parts, alive, cells * _A_CELL), cells)
    quantizer = faiss.IndexFlatIP(dimension)
    quantizer.add(centroids)
    kind = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIVFScalarQuantizer(quantizer, dimension, len(centroids), kind, faiss.METRIC_INNER_PRODUCT, False)
    quantizer.this.disown()
    index.own_fields = index.is_trained = True
    return _append(index, parts, alive)


def read(file: Path) -> Any:
    """Return the index in a file, mapped into memory: it cannot be changed.

    Raises:
        RuntimeError: FAISS cannot read it. OSError: the system cannot.
    """
    faiss = library()
    with file.open("rb") as stream:
        in_cells = stream.read(4) == b"IwSQ"
    index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP if in_cells else faiss.IO_FLAG_MMAP_IFC)
    if in_cells:
        faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0  # else 32 threads for every query
    return index


def search(index: Any, query: np.ndarray, k: int, allowed: np.ndarray | None, share: float) -> list[tuple[int, float]]:
    """Return at most k (row, product), best first.

    Args:
        index: as made here.
        query: shape (1, dimension), float32.
        k: how many.
        allowed: bits by row, packed, whether it may be found; None: all.
        share: of the rows that `allowed` lets through, in (0, 1].
    """
    k = min(k, int(index.ntotal))
    if k < 1:
        return []
    faiss = library()
    selector = {} if allowed is None else {"sel": faiss.IDSelectorBitmap(allowed)}
    cells = cells_of(index)
    enough = max(1.0, 8 * k * SHARE / (share * index.ntotal))  # so many more that k of those allowed are among them
    probed = cells if share <= FEW else min(cells, math.ceil(cells / SHARE * enough))
    with _one_thread():
        while True:
            if cells:
                parameters = faiss.SearchParametersIVF(nprobe=probed, **selector)
            else:
                parameters = faiss.SearchParameters(**selector) if selector else None
            scores, rows = index.search(query, k, params=parameters)
            if probed == cells or rows[0, -1] >= 0:
                break
            probed = min(cells, 4 * probed)
    return [(int(row), float(score)) for row, score in zip(rows[0], scores[0], strict=True) if row >= 0]


def on_gpu(index: Any) -> Any:
    """Return a copy of a flat index on all GPUs there are, None where there are none or it does not fit."""
    faiss = library()
    if cells_of(index) or not faiss.get_num_gpus():
        return None
    try:
        return faiss.index_cpu_to_all_gpus(index)
    except RuntimeError:  # how FAISS reports that the memory of the card does not suffice
        return None


def fits_gpu(k: int, allowed: np.ndarray | None) -> bool:
    """Tell whether a search can be made on a GPU: FAISS has no filters there, and a bound on k."""
    return allowed is None and k <= _GPU_K


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Search on the thread at hand: one query is scanned by one thread in any case; idle ones would only spin."""
    faiss = library()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def contents(index: Any) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield rows (n,) int64, vectors (n, dimension) float16 and cell (-1: flat) of all an index holds. Views: copy."""
    faiss = library()
    width = 2 * index.d
    if not cells_of(index):
        if index.ntotal:
            rows = faiss.vector_to_array(index.id_map)
            codes = faiss.rev_swig_ptr(faiss.downcast_index(index.index).codes.data(), len(rows) * width)
            yield rows, codes.view(np.float16).reshape(-1, index.d), -1
        return
    lists = faiss.downcast_InvertedLists(index.invlists)
    for cell in range(lists.nlist):
        if size := lists.list_size(cell):
            rows = faiss.rev_swig_ptr(lists.get_ids(cell), size)
            codes = faiss.rev_swig_ptr(lists.get_codes(cell), size * width)
            yield rows, codes.view(np.float16).reshape(-1, index.d), cell


def _append(index: Any, parts: Sequence[Any], alive: np.ndarray) -> Any:
    """Copy what is alive; vectors of a cell stay in the cell of that number where its centroid is kept."""
    faiss = library()
    for place, part in enumerate(parts):
        kept = place == 0 and cells_of(part) == cells_of(index) > 0
        for rows, vectors, cell in living(part, alive):
            if not kept:
                index.add_with_ids(vectors.astype(np.float32), rows)
                continue
            codes = np.ascontiguousarray(vectors).view(np.uint8)
            index.invlists.add_entries(cell, len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(codes))
            index.ntotal += len(rows)
    return index


def living(part: Any, alive: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield copies of what `contents` yields, without what is not alive, in blocks."""
    for rows, vectors, cell in contents(part):
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            chosen = alive[block]
            if chosen.any():
                yield block[chosen], vectors[start : start + _BLOCK][chosen], cell


def _sample(parts: Sequence[Any], alive: np.ndarray, wanted: int) -> np.ndarray:
    """Return about `wanted` vectors drawn from all parts alike."""
    share = wanted / max(1, int(np.count_nonzero(alive)))
    draw = np.random.default_rng(1)
    blocks = (vectors for part in parts for _, vectors, _ in living(part, alive))
    return np.concatenate([block[draw.random(len(block)) < share] for block in blocks]).astype(np.float32)


def _centroids(sample: np.ndarray, cells: int) -> np.ndarray:
    faiss = library()
    means = faiss.Kmeans(
        sample.shape[1],
        cells,
        niter=_ROUNDS,
        spherical=True,
        seed=1,
        min_points_per_centroid=1,
        max_points_per_centroid=2 * _A_CELL,
    )
    means.train(sample)
    return np.asarray(means.centroids)
