"""The lexical leg: BM25 (tantivy) over English stems and over Chinese words and bigrams. Derived from the store.

Two fields, so that the statistics of the two languages do not mix; a chunk of both languages fills both. Queries are
built from terms, never parsed, so no character of a query has a meaning of its own. The index holds terms, not text.
The generation it was made from is kept inside the index, in an entry of its own: it changes with the commit itself.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.language import HAN, english_analyzer, han_terms, latin_terms

Scored = tuple[int, float]
Expansions = Sequence[tuple[str, float]]
FOLDER: Final = "lexical"
_HAN_RUN = re.compile(f"[{HAN}]+")
_HEAP_BYTES: Final = 64_000_000
_MOST_TERMS: Final = 1024
_TAIL: Final = struct.Struct("<II")  # length of the footer, magic number
_MAGIC: Final = 1337
_SEGMENT_FILE: Final = re.compile(r"[0-9a-f]{32}\.")
_MOST_EQUAL: Final = 4096
"""So many passages of the same score as the last one wanted are told apart by row; of more it is left open."""
_MOST_LISTED: Final = 20_000
"""Up to so many allowed rows are put into the query itself; beyond, results are filtered afterwards."""


class Lexical:
    """Terms by row. `generation` is that of the store it was made from; -1 means there is nothing yet.

    Args:
        folder: the folder of the collection; the index lies in `lexical` below it. None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FOLDER if folder else None
        self._index: Any = None
        self._searcher: Any = None
        self._checked: set[str] = set()
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
                self._check_files(self._path)
                self._index = self._index or _open(self._path)
                self._index.reload()
                self._take_searcher()
                return
            except (ValueError, OSError, LookupError, struct.error):
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
        index = self._index or self._fresh()
        try:
            if self._path is not None and self._index is not None:
                _sweep(self._path)
            writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
            try:
                self._change(writer, generation, removed, added)
            finally:
                writer.wait_merging_threads()  # frees tantivy's own lock, too
            self._index = index
            index.reload()
            self._take_searcher()
        except ValueError as error:  # how tantivy reports the system's errors
            raise OSError(f"lexical index: {error}") from error

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
            allowed: rows that may be found; None for all.
            expansions: further words with the factor of their score; all words of one must be in a text.
        """
        k = min(k, len(self) if allowed is None else len(allowed))
        wanted = _query(query, expansions)
        if k < 1 or wanted is None or self._searcher is None:
            return []
        if allowed is None:
            return self._run(wanted, k)
        import tantivy

        if len(allowed) <= _MOST_LISTED:
            rows = tantivy.Query.term_set_query(_schema(), "row", allowed.tolist())
            must = tantivy.Occur.Must
            both = [(must, wanted), (must, tantivy.Query.const_score_query(rows, 0.0))]
            return self._run(tantivy.Query.boolean_query(both), k)
        return self._filtered(wanted, k, allowed)

    def _filtered(self, wanted: Any, k: int, allowed: np.ndarray) -> list[Scored]:
        permitted = set(allowed.tolist())
        fetch = 4 * k
        while True:
            found = self._run(wanted, fetch)
            kept = [item for item in found if item[0] in permitted]
            if len(kept) >= k or len(found) < fetch:
                return kept[:k]
            fetch *= 4

    def _run(self, wanted: Any, k: int) -> list[Scored]:
        """Return the best k; which of equal scores are among them does not depend on how the index was written."""
        fetch = k + 1
        while True:
            hits = self._searcher.search(wanted, fetch, count=False).hits
            if len(hits) < fetch or hits[-1][0] < hits[k - 1][0] or fetch > k + _MOST_EQUAL:
                break
            fetch = k + 4 * (fetch - k)
        rows = self._searcher.fast_field_values("row", [address for _, address in hits])
        found = [(int(row), float(score)) for (score, _), row in zip(hits, rows, strict=True)]
        return sorted(found, key=lambda item: (-item[1], item[0]))[:k]

    def _fresh(self) -> Any:
        if self._path is None:
            return _open(None)
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(parents=True)
        return _open(self._path)

    def _check_files(self, path: Path) -> None:
        """Check every file of the last commit against the checksum tantivy put at its end, each file once.

        Raises:
            ValueError: one is broken. OSError, LookupError, struct.error: or missing, or nothing of the kind.
        """
        for file in _committed(path):
            if file.name in self._checked:
                continue
            data = file.read_bytes()
            length, magic = _TAIL.unpack(data[-_TAIL.size :])
            footer = json.loads(data[-_TAIL.size - length : -_TAIL.size]) if magic == _MAGIC else {}
            if footer.get("crc") != zlib.crc32(memoryview(data)[: -_TAIL.size - length]):
                raise ValueError(f"{file} is broken")
            self._checked.add(file.name)

    def _take_searcher(self) -> None:
        import tantivy

        searcher = self._index.searcher()
        hits = searcher.search(tantivy.Query.exists_query("generation"), 1).hits
        values = searcher.fast_field_values("generation", [address for _, address in hits])
        if not values:
            raise ValueError("the lexical index has no generation")
        self._searcher, self.generation = searcher, int(values[0])


def _committed(path: Path) -> list[Path]:
    """Return the files the last commit consists of, besides `meta.json`, which names them."""
    found: list[Path] = []
    for segment in json.loads((path / "meta.json").read_bytes())["segments"]:
        name = segment["segment_id"].replace("-", "")
        deletes = f"{name}.{(segment['deletes'] or {}).get('opstamp')}.del"
        found += [file for file in path.glob(f"{name}.*") if file.suffix != ".del" or file.name == deletes]
    return found


def _sweep(path: Path) -> None:
    """Remove what a killed writer left: tantivy never overwrites a file, so that leftovers would stop the next one."""
    kept = set(_committed(path))
    for file in path.iterdir():
        if _SEGMENT_FILE.match(file.name) and file not in kept:
            file.unlink(missing_ok=True)


def _schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", indexed=True, fast=True)
    builder.add_unsigned_field("generation", indexed=True, fast=True)
    builder.add_text_field("latin", tokenizer_name="latin", index_option="freq")
    builder.add_text_field("han", tokenizer_name="spaces", index_option="freq")
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
    latin, runs = _HAN_RUN.subn(" ", text)
    entry.add_text("latin", latin)
    if runs:
        entry.add_text("han", " ".join(han_terms(text)))
    return entry


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
    """Return one query a different term of a text."""
    import tantivy

    schema = _schema()
    pairs = [("latin", term) for term in latin_terms(text)] + [("han", term) for term in han_terms(text)]
    terms = list(dict.fromkeys(pairs))[:_MOST_TERMS]
    return [tantivy.Query.term_query(schema, field, term, "freq") for field, term in terms]
