"""Collections of any size for measuring scale: real chunks, then the same again and again with noise.

The base is cut from the documents under corpora/ by the product's chunker, and embedded by the shipped model (the first
`LEAD` characters of each, to be quick). Chunk i repeats base chunk i modulo the base: its sentences shuffled, one word
in six replaced by a word of the base, its vector moved by Gaussian noise (cosine to the base vector about 0.87) and
made a unit vector again. What this cannot show: how well as many different texts are told apart.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from ingest.chunk import chunk
from rag.embed import Identity, identity
from rag.schema import Chunk, Document, Embedder

LEAD: Final = 300
CHUNKS_A_DOCUMENT: Final = 25
YEARS: Final = tuple(range(2014, 2024))
COMPANIES: Final = 1000
_SETS: Final = (
    ("medquad_documents", "en"),
    ("evidence_inference_articles", "en"),
    ("obliqa_documents", "en"),
    ("covidqa_papers", "en"),
    ("zh_crud_news_fin", "zh"),
)
_NOISE: Final = 0.57
_SENTENCE: Final = re.compile(r"(?<=[.。！？!?])")


def base_texts(corpora: Path, count: int) -> list[tuple[str, str]]:
    """Return about `count` chunks as (text, language), the same number from every set while it lasts."""
    found: list[tuple[str, str]] = []
    for name, language in _SETS:
        texts: list[str] = []
        with gzip.open(corpora / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                whole = Document.of(json.loads(line)["text"][:60_000], name, language=language)
                texts += [piece.text for piece in chunk(whole, max_tokens=200)]
                if len(texts) >= count // len(_SETS):
                    break
        found += [(text, language) for text in texts[: count // len(_SETS)]]
    random.Random(1).shuffle(found)
    return sorted(found, key=lambda pair: pair[1])  # a document has one language


class Corpus:
    """Made chunks and their vectors, by number; the same in every process.

    Args:
        texts: base chunks with their languages.
        vectors: of the base, shape (len(texts), dimension), unit length.
    """

    def __init__(self, texts: list[tuple[str, str]], vectors: np.ndarray) -> None:
        self.texts, self.vectors = texts, vectors
        self._words = {
            language: [
                word for text, said in texts[:: max(1, len(texts) // 4000)] if said == language for word in text.split()
            ]
            for language in ("en", "zh")
        }

    def text(self, number: int) -> str:
        """Return the text of chunk `number`, on one line."""
        text, language = self.texts[number % len(self.texts)]
        text = text.replace("\n", " ")
        if number < len(self.texts):
            return text
        draw = random.Random(number)
        words = text.split(" ")
        for _ in range(len(words) // 6):
            words[draw.randrange(len(words))] = draw.choice(self._words[language])
        sentences = [part for part in _SENTENCE.split(" ".join(words)) if part]
        draw.shuffle(sentences)
        return "".join(sentences)

    def vector(self, number: int) -> np.ndarray:
        """Return the vector of chunk `number`, float32, unit length."""
        vector = self.vectors[number % len(self.texts)]
        if number >= len(self.texts):
            noise = np.random.default_rng(number).standard_normal(len(vector), dtype=np.float32)
            vector = vector + noise * np.float32(_NOISE / np.sqrt(len(vector)))
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)

    def documents(self, first: int, end: int) -> Iterator[tuple[Document, list[Chunk], np.ndarray]]:
        """Yield documents of chunks first..end-1 with their chunks and vectors; `first` is a multiple of a document."""
        for start in range(first, end, CHUNKS_A_DOCUMENT):
            numbers = range(start, min(end, start + CHUNKS_A_DOCUMENT))
            lines = [self.text(number) for number in numbers]
            place = start // CHUNKS_A_DOCUMENT
            language = self.texts[start % len(self.texts)][1]
            metadata = {
                "year": YEARS[place % len(YEARS)],
                "published": f"{YEARS[place % len(YEARS)]}-{1 + place % 12:02}-15",
                "organisation": f"Company {place * 7919 % COMPANIES}",
                "permissions": f"group-{place % 5},group-{5 + place % 3}",
            }
            whole = Document.of(
                "\n".join(lines), f"made/{place}.txt", title=f"Made {place}", language=language, metadata=metadata
            )
            chunks, offset = [], 0
            for line in lines:
                chunks.append(Chunk.of(whole, offset, offset + len(line)))
                offset += len(line) + 1
            yield whole, chunks, np.stack([self.vector(number) for number in numbers])


class HandedOut:
    """Stands in for the embedder of documents: gives the vectors it was told of; queries go to the real one."""

    def __init__(self, queries: Embedder, dimension: int) -> None:
        self.identity = Identity("made-for-scale", "", dimension)
        self.waiting: dict[str, np.ndarray] = {}
        self._queries = queries

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return the vectors that were handed in for these texts."""
        return np.stack([self.waiting[text] for text in texts])

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a query by the real embedder."""
        return np.asarray(self._queries.embed_query(text))


def corpus_of(corpora: Path, count: int, embedder: Embedder, folder: Path) -> Corpus:
    """Return the corpus over a base of `count` chunks; its vectors are kept in `folder`, made once an embedder."""
    texts = base_texts(corpora, count)
    kept = folder / f"base-{count}-{identity(embedder).id}.npy"
    if not kept.is_file():
        vectors = np.asarray(embedder.embed_documents([text[:LEAD] for text, _ in texts]), dtype=np.float32)
        np.save(kept, vectors)
    return Corpus(texts, np.load(kept))
