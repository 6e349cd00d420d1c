"""Make the table of `rag.static`: co-occurrence first, then pairs, then a turn towards MiniLM's English space.

python -m rag.tune.static --data TRAIN_OK --out rag/adapters/hanzi.npz

1. The commonest characters and words of the Chinese texts get the leading singular vectors of their positive pointwise
   mutual information within five tokens (Levy and Goldberg 2014), and their inverse document frequency as weight.
2. Both are tuned on pairs of texts that belong together, the others of a batch being the wrong ones (InfoNCE).
3. An orthogonal turn (Schönemann 1966), which leaves every Chinese cosine as it is, brings Chinese texts near MiniLM's
   vectors of their English counterparts.

Needs the extra "tune". Everything drawn at random comes from one seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.errors import require
from rag.language import has_han
from rag.schema import Embedder
from rag.static import DIMENSION, tokens

SIZE: Final = 15_000
SPAN: Final = 5
MOST_TOKENS: Final = 400
BATCH, TEMPERATURE, STEP, WEIGHT_STEP = 256, 0.05, 1e-3, 1e-2


@dataclass(frozen=True, slots=True)
class Texts:
    """What is learnt from: pairs that belong together, all Chinese texts, and (Chinese, English) of one content."""

    pairs: tuple[tuple[str, str], ...]
    every: tuple[str, ...]
    parallel: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Words with their vectors, float32 (n, 384) of unit length or less, and weights, float32 (n,)."""

    words: tuple[str, ...]
    rows: np.ndarray
    weights: np.ndarray


def read_texts(folder: Path, lexicon: Path | None = None) -> Texts:
    """Read `pairs_zh`, `dialogues_zh` and the Chinese part of `reading` (JSON lines, gzipped).

    Args:
        folder: where they are.
        lexicon: a table of terms: kind, English names, Chinese names, split by tabs, names by "|".
    """
    pairs: list[tuple[str, str]] = []
    every: list[str] = []
    sides: dict[str, dict[str, str]] = {"xquad_zh_zh": {}, "xquad_zh_en": {}}
    for row in _rows(folder / "pairs_zh.jsonl.gz"):
        query, positive, asked = row.get("query", ""), row["positive"], row.get("question", "")
        sides.get(row["source"], {})[query] = positive
        if query and has_han(positive):
            every += [query, positive, *([asked] if asked else [])]
            pairs += [(query, positive), *([(query, asked), (asked, positive)] if asked else [])]
    every += ["\n".join(said for _, said in row["turns"]) for row in _rows(folder / "dialogues_zh.jsonl.gz")]
    every += [row["context"] for row in _rows(folder / "reading.jsonl.gz") if has_han(row["question"])]
    english = sides["xquad_zh_en"]
    parallel = [(query, text) for query, text in english.items() if query]
    parallel += sorted({(text, english[query]) for query, text in sides["xquad_zh_zh"].items() if query in english})
    return Texts(tuple(pairs), tuple(dict.fromkeys(every)), (*parallel, *_terms(lexicon)))


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _terms(lexicon: Path | None) -> Iterator[tuple[str, str]]:
    for line in lexicon.read_text("utf-8").splitlines() if lexicon else ():
        cells = line.split("\t")
        if not line.startswith("#") and len(cells) > 2 and has_han(cells[2]):
            yield from ((chinese, cells[1].split("|")[0]) for chinese in cells[2].split("|"))


def first_table(cut: Sequence[Sequence[str]], *, size: int = SIZE, seed: int = 0) -> Table:
    """Return the table of co-occurrence of texts that are cut into tokens."""
    from sklearn.utils.extmath import randomized_svd  # type: ignore[import-untyped]

    held = Counter(token for text in cut for token in set(text))
    words = tuple(word for word, _ in held.most_common(size))
    weights = np.array([np.log((len(cut) + 1) / (held[word] + 0.5)) for word in words], dtype=np.float32)
    left, strength, _ = randomized_svd(_association(cut, words), DIMENSION, n_iter=3, random_state=seed)
    rows = left * np.sqrt(strength)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    return Table(words, rows.astype(np.float32), weights)


def _association(cut: Sequence[Sequence[str]], words: Sequence[str]) -> Any:
    """Return the sparse matrix of positive pointwise mutual information, contexts smoothed by the power 0.75."""
    from scipy import sparse

    place = {word: i for i, word in enumerate(words)}
    texts = [[place[token] for token in text if token in place] for text in cut]
    gap = [-1] * SPAN
    stream = np.array([at for text in texts for at in (*text, *gap)], dtype=np.int64)
    n = len(words)
    counts = sparse.csr_matrix((n, n), dtype=np.float64)
    for off in range(1, SPAN + 1):
        one, two = stream[:-off], stream[off:]
        kept = (one >= 0) & (two >= 0)
        counts += sparse.coo_matrix((np.ones(kept.sum()), (one[kept], two[kept])), shape=(n, n)).tocsr()
    counts = (counts + counts.T).tocoo()
    of_word = np.bincount(counts.row, counts.data, n)
    smooth = of_word**0.75 / (of_word**0.75).sum()
    value = np.log(counts.data / (of_word[counts.row] * smooth[counts.col]))
    kept = value > 0
    return sparse.csr_matrix((value[kept], (counts.row[kept], counts.col[kept])), shape=(n, n))


def tuned(table: Table, pairs: Sequence[tuple[str, str]], *, epochs: int = 1, seed: int = 0) -> Table:
    """Return the table after learning which texts belong together.

    Raises:
        MissingExtraError: torch is not installed.
    """
    require("torch", extra="tune")
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    place = {word: i for i, word in enumerate(table.words)}
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    number = {text: i for i, text in enumerate(texts)}
    ids = [[place[token] for token in tokens(text) if token in place][:MOST_TOKENS] or [0] for text in texts]
    rows = torch.nn.Parameter(torch.from_numpy(table.rows.copy()))
    weights = torch.nn.Parameter(torch.from_numpy(table.weights / 6))

    def vectors(chosen: np.ndarray) -> Any:
        flat = torch.tensor([at for one in chosen for at in ids[one]])
        starts = torch.tensor([0, *np.cumsum([len(ids[one]) for one in chosen])[:-1]])
        share = functional.softplus(weights)[flat]
        summed = functional.embedding_bag(flat, rows, starts, mode="sum", per_sample_weights=share)
        return functional.normalize(summed, dim=1)

    steps = torch.optim.Adam([{"params": [rows], "lr": STEP}, {"params": [weights], "lr": WEIGHT_STEP}])
    numbered = np.array([(number[one], number[two]) for one, two in pairs])
    for batch in _batches(numbered, epochs, seed):
        close = vectors(batch[:, 0]) @ vectors(batch[:, 1]).T / TEMPERATURE
        loss = sum(functional.cross_entropy(side, torch.arange(len(batch))) for side in (close, close.T))
        steps.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        steps.step()
    final = functional.softplus(weights).detach().numpy()
    return Table(table.words, rows.detach().numpy(), final)


def _batches(pairs: np.ndarray, epochs: int, seed: int) -> Iterator[np.ndarray]:
    """Yield batches in which every text stands once, so that none is its own wrong answer."""
    draw = np.random.default_rng(seed)
    for _ in range(epochs):
        order = draw.permutation(len(pairs))
        for start, end in pairwise(range(0, len(order) + 1, BATCH)):
            batch = pairs[order[start:end]]
            for side in (0, 1):
                batch = batch[np.unique(batch[:, side], return_index=True)[1]]
            yield batch


def turned(table: Table, parallel: Sequence[tuple[str, str]], embedder: Embedder) -> Table:
    """Return the table turned so that Chinese texts lie as near as can be to the vectors of their English ones."""
    chinese = means(table, [one for one, _ in parallel])
    english = np.asarray(embedder.embed_documents([two for _, two in parallel]))
    left, _, right = np.linalg.svd(chinese.T @ english)
    return Table(table.words, table.rows @ (left @ right), table.weights)


def means(table: Table, texts: Iterable[str]) -> np.ndarray:
    """Return the unit vectors of texts by the table in full precision, float32 (n, 384)."""
    place = {word: i for i, word in enumerate(table.words)}
    whole = table.rows * table.weights[:, None]
    summed = np.stack([whole[[place[token] for token in tokens(text) if token in place]].sum(axis=0) for text in texts])
    return np.asarray(summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-9))


def write(table: Table, file: Path) -> None:
    """Write the table as `rag.static.Static` reads it: int8, the scale of a row and its weight in one number."""
    top = np.abs(table.rows).max(axis=1) / 127 + 1e-12
    rows = np.rint(table.rows / top[:, None]).astype(np.int8)
    words = np.frombuffer("\n".join(table.words).encode(), dtype=np.uint8)
    np.savez(file, words=words, rows=rows, scales=(top * table.weights).astype(np.float32))


def main() -> None:
    """Read the arguments, make the table, write it."""
    from rag.assemble import embedder_of
    from rag.settings import load_settings

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of pairs_zh, dialogues_zh, reading")
    parser.add_argument("--lexicon", type=Path, help="table of terms in both languages")
    parser.add_argument("--out", type=Path, required=True, help="file of the table")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    texts = read_texts(given.data, given.lexicon)
    table = first_table([tokens(text) for text in texts.every], seed=given.seed)
    table = tuned(table, texts.pairs, epochs=given.epochs, seed=given.seed)
    write(turned(table, texts.parallel, embedder_of(load_settings())), given.out)


if __name__ == "__main__":
    main()
