"""The lexical leg: BM25 (tantivy) over English stems and over Chinese characters and pairs. Derived from the store.

Two fields, so that the statistics of the two languages do not mix; a chunk of both languages fills both. Queries are
built from terms, never parsed, so no character of a query has a meaning of its own. The index holds terms, not text.
The generation it was made from is kept inside the index, in an entry of its own: it changes with the commit itself.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag import segments
from rag.folder import Checked
from rag.language import english_analyzer, han_index_terms, han_query_terms, has_han, latin_part, latin_terms

Scored = tuple[int, float]
Expansions = Sequence[tuple[str, float]]
Ranked = tuple[np.ndarray, np.ndarray]  # rows int64 and scores, best first
FOLDER: Final = "lexical"
_HAN: Final = "hanzi"
"""Field of the Chinese terms. It is named anew when they change: an index of the old ones then does not open."""
_HEAP_BYTES: Final = 64_000_000
_MOST_TERMS: Final = 1024
_MOST_EQUAL: Final = 4096
"""So many passages of the same score as the last one wanted are told apart by row; of more it is left open."""
_SPARE: Final = 32
"""So many more are asked for at once; mostly they show that no equal score was left out."""
_MOST_LISTED: Final = 1024
"""Up to so many allowed rows are put into the query itself; beyond, blocks of rows are, and results are sifted."""
_BROKEN: Final = (ValueError, OSError, LookupError, struct.error)
_BLOCK: Final = 64
"""Rows of one block. The chunks of a document follow each other, so that filters keep or leave whole blocks."""


class Lexical:
    """Terms by row. `generation` is that of the store it was made from; -1 means there is nothing yet.

    Args:
        folder: the folder of the collection; the index lies in `lexical` below it. None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FOLDER if folder else None
        self._index: Any = None
        self._searcher: Any = None
        self._writer: Any = None
        self._checked = Checked(self._path / "checked.json" if self._path else None)
        self.generation = -1

    def __len__(self) -> int:
        return max(0, self._searcher.num_docs - 1) if self._searcher is not None else 0

    @property
    def usable(self) -> bool:
        """Whether there is anything to search, be it of an earlier generation."""
        return self._searcher is not None

    def load(self) -> None:
        """Take what lies on disk now.

        Where that is missing or broken the generation is -1, and what was loaded before can still be searched.
        """
        if self._path is None:
            return
        for _ in range(3):  # a writer may merge files away between looking and opening
            try:
                segments.check(self._path, self._checked)
                self._index = self._index or _open(self._path)
                self._index.reload()
                self._take_searcher()
                return
            except _BROKEN:
                continue
        self.clear(scratch=True)

    def clear(self, *, scratch: bool = False) -> None:
        """Make the next `update` start from nothing; with `scratch` in a new folder, since the old one is broken."""
        self.generation = -1
        if scratch:
            self._index = None

    def keep_in_memory(self) -> None:
        """Leave the disk alone from now on and begin empty."""
        self._path, self._index, self._searcher, self.generation = None, None, None, -1

    def update(self, generation: int, removed: np.ndarray, added: Iterable[tuple[int, str]]) -> None:
        """Take rows out, put texts in and make that durable together with the new generation.

        Args:
            generation: of the store, after the change.
            removed: rows that are gone; unknown ones are ignored.
            added: pairs of row and text.

        Raises:
            OSError: the disk refused; what was there before is still there.
        """
        try:
            index, writer = self._writing()
            self._change(writer, generation, removed, added)
            self._index = index
            index.reload()
            self._take_searcher()
        except ValueError as error:  # how tantivy reports the system's errors
            self._writer = None
            raise OSError(f"lexical index: {error}") from error
        except BaseException:
            self._writer = None  # what it was given since its last commit goes with it
            raise

    def rest(self) -> None:
        """Wait until segments that are being merged are, and let others write.

        Raises:
            OSError: the disk refused; what was there before is still there.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.wait_merging_threads()
            except ValueError as error:
                raise OSError(f"lexical index: {error}") from error
            if self._path is not None:
                with contextlib.suppress(*_BROKEN):  # whoever opens it next finds out
                    segments.check(self._path, self._checked)

    def _writing(self) -> tuple[Any, Any]:
        """Return the index and its writer, which is kept: its threads merge segments while this one goes on."""
        if self._writer is None or self._index is None:
            self._writer = None
            index = self._index or self._fresh()
            if self._path is not None and self._index is not None:
                segments.sweep(self._path)
            self._writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
            return index, self._writer
        return self._index, self._writer

    def _change(self, writer: Any, generation: int, removed: np.ndarray, added: Iterable[tuple[int, str]]) -> None:
        import tantivy

        if self.generation < 0:
            writer.delete_all_documents()
        else:
            old = {"generation": [self.generation], "row": removed.tolist()}
            for field, values in old.items():  # by query: by term, tantivy's binding takes numbers for signed ones
                writer.delete_documents_by_query(tantivy.Query.term_set_query(_schema(), field, values))
        for row, text in added:
            writer.add_document(_entry(row, text))
        stamp = tantivy.Document()
        stamp.add_unsigned("generation", generation)
        writer.add_document(stamp)
        writer.commit()
        writer.garbage_collect_files()

    def search(
        self, query: str, k: int, allowed: np.ndarray | None = None, expansions: Expansions = ()
    ) -> list[Scored]:
        """Return at most k (row, BM25 score), best first, equal scores by row; none where no term is shared.

        Args:
            query: plain text.
            k: how many.
            allowed: by row, bool, whether it may be found; rows beyond its end may not. None for all.
            expansions: further words with the factor of their score; all words of one must be in a text.
        """
        permitted = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, permitted)
        wanted = _query(query, expansions)
        if k < 1 or wanted is None or self._searcher is None:
            return []
        if allowed is None:
            rows, scores = self._run(wanted, k)
        elif permitted <= _MOST_LISTED:
            rows, scores = self._run(_within(wanted, "row", np.flatnonzero(allowed)), k)
        else:
            rows, scores = self._among(wanted, k, allowed, permitted)
        return list(zip(rows.tolist(), scores.tolist(), strict=True))

    def _among(self, wanted: Any, k: int, allowed: np.ndarray, permitted: int) -> Ranked:
        """Return the best k allowed ones: the best of all or of the blocks that have any, until there are k."""
        blocks = np.flatnonzero(np.logical_or.reduceat(allowed, np.arange(0, len(allowed), _BLOCK)))
        whole, searched = wanted, max(len(self), permitted)
        if len(blocks) * _BLOCK < searched // 2:
            wanted, searched = _within(whole, "block", blocks), len(blocks) * _BLOCK
        fetch = int(1.2 * k * searched / permitted) + _SPARE
        while True:
            rows, scores = self._run(wanted, min(fetch, len(self)))
            kept = rows < len(allowed)
            kept[kept] = allowed[rows[kept]]
            if np.count_nonzero(kept) >= k or len(rows) < fetch:
                return rows[kept][:k], scores[kept][:k]
            if wanted is whole:  # what the filter leaves out is what the query is about
                wanted = _within(whole, "block", blocks)
            fetch *= 4

    def _run(self, wanted: Any, k: int) -> Ranked:
        """Return the best k; which of equal scores are among them does not depend on how the index was written."""
        fetch = k + _SPARE
        while True:
            hits = self._searcher.search(wanted, fetch, count=False).hits
            if len(hits) < fetch or hits[-1][0] < hits[k - 1][0] or fetch > k + _MOST_EQUAL:
                break
            fetch = k + 4 * (fetch - k)
        rows = np.array(self._searcher.fast_field_values("row", [address for _, address in hits]), dtype=np.int64)
        scores = np.array([score for score, _ in hits], dtype=np.float64)
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]

    def _fresh(self) -> Any:
        if self._path is None:
            return _open(None)
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(parents=True)
        return _open(self._path)

    def _take_searcher(self) -> None:
        import tantivy

        searcher = self._index.searcher()
        hits = searcher.search(tantivy.Query.exists_query("generation"), 1).hits
        values = searcher.fast_field_values("generation", [address for _, address in hits])
        if not values:
            raise ValueError("the lexical index has no generation")
        self._searcher, self.generation = searcher, int(values[0])


def _schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", indexed=True, fast=True)
    builder.add_unsigned_field("block", indexed=True)
    builder.add_unsigned_field("generation", indexed=True, fast=True)
    builder.add_text_field("latin", tokenizer_name="latin", index_option="freq")
    builder.add_text_field(_HAN, tokenizer_name="spaces", index_option="freq")
    return builder.build()


def _open(path: Path | None) -> Any:
    import tantivy

    index = tantivy.Index(_schema(), path=str(path) if path else None)
    index.register_tokenizer("latin", english_analyzer())
    index.register_tokenizer("spaces", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    index.config_reader(reload_policy="manual")
    return index


def _entry(row: int, text: str) -> Any:
    import tantivy

    entry = tantivy.Document()
    entry.add_unsigned("row", row)
    entry.add_unsigned("block", row // _BLOCK)
    entry.add_text("latin", latin_part(text))
    if has_han(text):
        entry.add_text(_HAN, " ".join(han_index_terms(text)))
    return entry


def _within(wanted: Any, field: str, values: np.ndarray) -> Any:
    """Return a query for what has one of the values in a field of numbers; scores stay what they are."""
    import tantivy

    having = tantivy.Query.const_score_query(tantivy.Query.term_set_query(_schema(), field, values.tolist()), 0.0)
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, wanted), (tantivy.Occur.Must, having)])


def _query(text: str, expansions: Expansions = ()) -> Any:
    """Return the disjunction of the different terms of a text and of its expansions, or None where it has none."""
    import tantivy

    should, must = tantivy.Occur.Should, tantivy.Occur.Must
    clauses = [(should, clause) for clause in _clauses(text)]
    for words, weight in expansions:
        together = [(must, clause) for clause in _clauses(words)]
        if together:
            clauses.append((should, tantivy.Query.boost_query(tantivy.Query.boolean_query(together), weight)))
    return tantivy.Query.boolean_query(clauses) if clauses else None


def _clauses(text: str) -> list[Any]:
    """Return one query a different term of a text; Chinese ones weigh less than words, being parts of them."""
    import tantivy

    schema = _schema()
    latin = [tantivy.Query.term_query(schema, "latin", term, "freq") for term in dict.fromkeys(latin_terms(text))]
    han = [
        tantivy.Query.boost_query(tantivy.Query.term_query(schema, _HAN, term, "freq"), weight)
        for term, weight in (han_query_terms(text) if has_han(text) else {}).items()
    ]
    return (latin + han)[:_MOST_TERMS]
