"""A corpus as a collection: one record is one chunk; indexed once and kept, or for the moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from eval.dataset import Record, RetrievalSet
from eval.stamp import RunOptions
from ingest.facts import find_facts
from rag.errors import UnknownCollectionError
from rag.language import detect_language
from rag.schema import Chunk, Document, Embedder, Scalar

if TYPE_CHECKING:
    from rag.store import Collection

_BATCH = 2048
FACTS: Final = ("organisation", "ticker", "year", "fiscal_period", "document_type", "period_end", "published")
"""What is kept of the facts of a record; a page is no edition of the page after it."""
_MADE: Final = "beir-2"  # raised when documents are made otherwise


@contextmanager
def indexed(data: RetrievalSet, embedder: Embedder, options: RunOptions) -> Iterator[Collection]:
    """Yield the corpus as a collection: kept under the cache by the hash of corpus and embedder, or temporary."""
    from rag.embed import identity
    from rag.store import Collection

    with TemporaryDirectory(prefix="consilium-eval-") as scratch:
        name = "corpus"
        if options.cache is not None:
            made = identity(embedder)
            name = hashlib.sha256(f"{_MADE} {data.corpus_hash} {made.id} {made.weight_hash}".encode()).hexdigest()[:24]
        folder = (Path(scratch) if options.cache is None else options.cache / "eval") / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not _complete(folder, embedder, len(data.corpus)):
            with Collection.open(folder, embedder, writable=True, create=True) as collection:
                _fill(collection, data.corpus, options)
        with Collection.open(folder, embedder) as collection:
            yield collection


def _complete(folder: Path, embedder: Embedder, records: int) -> bool:
    """Tell whether a kept collection holds them all; it is only read then, so that runs may share it."""
    from rag.store import Collection

    try:
        with Collection.open(folder, embedder) as collection:
            return len(collection) == records
    except UnknownCollectionError:
        return False


def _fill(collection: Collection, corpus: Sequence[Record], options: RunOptions) -> None:
    """Store what is not stored yet; each batch is durable, so that an interrupted filling goes on."""
    records = iter(corpus)
    done = 0
    while batch := list(islice(records, _BATCH)):
        for record in batch:
            if not collection.unchanged(record.id, _MADE):
                document = _document(record)
                collection.add(document, [Chunk.of(document, 0, len(document.text))], fingerprint=_MADE)
        collection.commit()
        done += len(batch)
        options.tell("index", done, len(corpus))


def _document(record: Record) -> Document:
    """Return a record as ingestion would have it: with what title, text and id (its file name) say about it."""
    text = f"{record.title}\n{record.text}" if record.title else record.text
    language = detect_language(text)
    found = find_facts(record.text, record.id, record.title, language)
    metadata: dict[str, Scalar] = {key: found[key] for key in FACTS if key in found}
    metadata["record"] = record.id
    return Document.of(text, record.id, title=record.title, language=language, metadata=metadata)
