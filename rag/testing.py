"""Stand-ins and contract suites for those who build on Consilium; they ship with the package and need pytest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from rag.embed import Identity
from rag.language import terms
from rag.schema import Chunk, Document, Index, Message, Scalar


class FakeEmbedder:
    """Bags of index terms hashed into `dimension` numbers, unit length; equal in every process. Knows no meaning.

    `texts` counts the texts it was asked to embed as documents.
    """

    def __init__(self, dimension: int = 256, name: str = "fake") -> None:
        self.identity = Identity(name, "", dimension)
        self.texts = 0

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit length, shape (len(texts), dimension)."""
        self.texts += len(texts)
        vectors = [self.embed_query(text) for text in texts]
        return np.stack(vectors) if vectors else np.empty((0, self.identity.dimension), dtype=np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the float32 vector of one text; a text without terms has one of its own."""
        vector = np.zeros(self.identity.dimension, dtype=np.float32)
        for term in terms(text) or [""]:
            digest = hashlib.sha256(term.encode("utf-8", "replace")).digest()
            vector[int.from_bytes(digest[:8], "big") % len(vector)] += 1
        return np.asarray(vector / np.linalg.norm(vector))

    def count_tokens(self, text: str) -> int:
        """Return the number of words between white space."""
        return len(text.split())


class FakeGenerator:
    """Says the same pieces whatever it is asked; `asked` keeps the messages, `closed` whether it was stopped early."""

    def __init__(self, pieces: Sequence[str], name: str = "fake") -> None:
        self.name = name
        self.asked: list[list[Message]] = []
        self.closed = False
        self._pieces = tuple(pieces)

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield the pieces."""
        self.asked.append(list(messages))
        try:
            yield from self._pieces
        except GeneratorExit:
            self.closed = True
            raise


def document(text: str, source: str, **metadata: Scalar) -> tuple[Document, list[Chunk]]:
    """Return a document and its chunks, one a line that is not empty."""
    whole = Document.of(text, source, title=source, metadata=metadata)
    chunks, start = [], 0
    for line in text.split("\n"):
        if line.strip():
            chunks.append(Chunk.of(whole, start, start + len(line)))
        start += len(line) + 1
    return whole, chunks


TEXTS = {
    "heart.txt": "Aspirin lowers the risk of heart infarction.\nBeta blockers slow the pulse after a heart attack.",
    "kidney.txt": "Metformin is stopped when the kidneys fail.\nDialysis replaces the work of the kidneys.",
    "report.txt": "Net sales of the company rose to 394 billion dollars in 2022.\nOperating costs fell in Europe.",
    "报告.txt": "公司2022年营业收入为三百亿元。\n二甲双胍是治疗糖尿病的药物。",
}


class IndexContract:
    """What every `Index` must keep, whatever it is made of.

    A subclass gives two fixtures: `index`, an empty writable index whose embedder is a FakeEmbedder, and `reopen`, a
    function from the committed index to the same one read anew from where it is kept.
    """

    @pytest.fixture
    def filled(self, index: Index) -> Index:
        """The index with `TEXTS` in it, committed; metadata year and nothing else."""
        for year, (source, text) in enumerate(TEXTS.items(), start=2020):
            index.add(*document(text, source, year=year), fingerprint="1")
        index.commit()
        return index

    def test_own_text_ranks_first(self, filled: Index) -> None:
        """Whoever searches with the words of a chunk finds that chunk before all others."""
        for text in TEXTS.values():
            for line in text.split("\n"):
                assert filled.retrieve(line, 3)[0].chunk.text == line

    def test_ranks_and_scores(self, filled: Index) -> None:
        """Ranks are 1..n, scores are finite and do not increase, no chunk comes twice."""
        found = filled.retrieve("kidneys risk company 药物", 50)
        assert [passage.rank for passage in found] == list(range(1, len(found) + 1))
        scores = [passage.score for passage in found]
        assert scores == sorted(scores, reverse=True)
        assert all(math.isfinite(score) for score in scores)
        assert len({passage.chunk.id for passage in found}) == len(found)

    def test_passages_say_where_they_come_from(self, filled: Index) -> None:
        """Source, title, metadata and offsets are those of the document."""
        best = filled.retrieve("Dialysis replaces the work of the kidneys.", 1)[0]
        assert (best.source, best.title, best.metadata["year"]) == ("kidney.txt", "kidney.txt", 2021)
        assert TEXTS["kidney.txt"][best.chunk.start : best.chunk.end] == best.chunk.text

    def test_k_limits_and_may_exceed_the_corpus(self, filled: Index) -> None:
        """Never more than k; with a k larger than the corpus no error and no repetition."""
        assert len(filled.retrieve("kidneys", 1)) == 1
        assert len(filled) == 8
        assert len(filled.retrieve("kidneys", 1000)) <= 8

    def test_nothing_is_found_in_an_empty_index(self, index: Index) -> None:
        """An empty index has length 0 and finds nothing."""
        assert len(index) == 0
        assert index.retrieve("anything", 5) == []

    def test_delete_really_deletes(self, filled: Index) -> None:
        """After a delete and a commit no chunk of the document is found, and the others still are."""
        gone = filled.retrieve("Dialysis replaces the work of the kidneys.", 1)[0].chunk
        assert filled.delete(gone.doc_id) == 2
        filled.commit()
        assert len(filled) == 6
        assert gone.doc_id not in {p.chunk.doc_id for p in filled.retrieve("Dialysis kidneys Metformin", 50)}
        assert filled.retrieve("Beta blockers", 1)[0].source == "heart.txt"
        assert filled.delete(gone.doc_id) == 0

    def test_update_replaces(self, filled: Index) -> None:
        """The same source with another text: the old text is gone, the new one is found."""
        assert filled.add(*document("Insulin is given by injection.", "kidney.txt"), fingerprint="2") == "updated"
        filled.commit()
        assert len(filled) == 7
        found = filled.retrieve("Dialysis replaces the work of the kidneys, insulin injection", 50)
        assert "Insulin is given by injection." in {p.chunk.text for p in found}
        assert not any("Dialysis" in p.chunk.text for p in found)

    def test_sources(self, filled: Index) -> None:
        """Sources by prefix, those not yet committed too; deleting one that another holds too keeps the document."""
        filled.add(*document(TEXTS["heart.txt"], "copy/heart.txt", year=2020))
        assert filled.sources() == sorted([*TEXTS, "copy/heart.txt"])
        assert filled.sources("copy/") == ["copy/heart.txt"]
        assert filled.delete_source("unknown") == 0
        filled.delete_source("heart.txt")
        filled.commit()
        assert filled.sources("heart") == []
        assert filled.retrieve("Beta blockers", 1)[0].source == "copy/heart.txt"
        filled.delete_source("copy/heart.txt")
        filled.commit()
        assert len(filled) == 6

    def test_unchanged_knows_the_fingerprint(self, filled: Index) -> None:
        """A source is unchanged with its own fingerprint only."""
        assert filled.unchanged("heart.txt", "1")
        assert not filled.unchanged("heart.txt", "2")
        assert not filled.unchanged("other.txt", "1")
        year = 2020
        assert filled.add(*document(TEXTS["heart.txt"], "heart.txt", year=year), fingerprint="2") == "unchanged"
        assert filled.unchanged("heart.txt", "2")

    def test_where_filters(self, filled: Index) -> None:
        """One value, one of several, no match; k are found where k match, whatever ranks before them."""
        query = "Dialysis replaces the work of the kidneys."
        assert {p.source for p in filled.retrieve(query, 50, where={"year": 2020})} <= {"heart.txt"}
        assert len(filled.retrieve(f"{query} heart infarction", 2, where={"year": 2020})) == 2
        assert filled.retrieve(query, 1, where={"year": "2021"})[0].source == "kidney.txt"
        several = filled.retrieve(f"{query} company heart", 50, where={"year": [2020, 2022]})
        assert {p.source for p in several} <= {"heart.txt", "report.txt"}
        assert filled.retrieve(query, 5, where={"year": 1999}) == []

    def test_reopening_gives_the_same(self, filled: Index, reopen: Callable[[Index], Index]) -> None:
        """What was committed is read back: same passages, same scores."""
        queries = ["kidneys", "net sales of the company", "糖尿病的药物"]
        before = [filled.retrieve(query, 10) for query in queries]
        again = reopen(filled)
        assert [again.retrieve(query, 10) for query in queries] == before
        assert len(again) == 8
