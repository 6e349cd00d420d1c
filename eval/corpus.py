"""A corpus as a collection: one record is one chunk; indexed once and kept, or for the moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from eval.dataset import Record, RetrievalSet
from eval.stamp import RunOptions
from rag.errors import UnknownCollectionError
from rag.language import detect_language
from rag.schema import Chunk, Document, Embedder

if TYPE_CHECKING:
    from rag.store import Collection

_BATCH = 2048


@contextmanager
def indexed(data: RetrievalSet, embedder: Embedder, options: RunOptions) -> Iterator[Collection]:
    """Yield the corpus as a collection: kept under the cache by the hash of corpus and embedder, or temporary."""
    from rag.embed import identity
    from rag.store import Collection

    with TemporaryDirectory(prefix="consilium-eval-") as scratch:
        name = "corpus"
        if options.cache is not None:
            made = identity(embedder)
            name = hashlib.sha256(f"{data.corpus_hash} {made.id} {made.weight_hash}".encode()).hexdigest()[:24]
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
            if not collection.unchanged(record.id, "beir"):
                document = _document(record)
                collection.add(document, [Chunk.of(document, 0, len(document.text))], fingerprint="beir")
        collection.commit()
        done += len(batch)
        options.tell("index", done, len(corpus))


def _document(record: Record) -> Document:
    text = f"{record.title}\n{record.text}" if record.title else record.text
    metadata = {"record": record.id}
    return Document.of(text, record.id, title=record.title, language=detect_language(text), metadata=metadata)
