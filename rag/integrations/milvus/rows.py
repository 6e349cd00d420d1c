"""How documents, chunks, sources and the state of a collection are written as rows of Milvus, and read back equal.

Every row says with which commit it was `born`; readers look at none that is younger than the state. A document's `doc`
is a hash of its id and of everything stored about it, the primary key of a chunk one of `doc` and its place: writing
the same twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from rag.embed import Identity
from rag.encoding import (
    check_text,
    digest_of,
    dumps,
    index_key,
    pack_metadata,
    pack_tables,
    unpack_facts,
    unpack_metadata,
    unpack_tables,
)
from rag.errors import DocumentError, EmbedderMismatchError
from rag.integrations.milvus.server import MOST_BYTES
from rag.integrations.milvus.where import facets
from rag.language import han_index_terms, has_han, latin_terms
from rag.manifest import first_state
from rag.schema import Chunk, ChunkKind, Document, content_id

STATE: Final = "state"
CHUNK_FIELDS: Final = ["pk", "doc", "text", "chunk"]
RECORD_FIELDS: Final = ["pk", "kind", "key", "doc", "series", "body"]
_PIECE: Final = 16_000
"""Characters of a document's record in one row: at most 4 bytes each."""
_NOTHING: Final = [0.0, 0.0]
_DIGITS: Final = 15
"""Of the primary key of a chunk: 60 bits, so that fusion may count in 64. Of ten million chunks two meet once in 20,000
collections."""


@dataclass(frozen=True, slots=True)
class State:
    """What a commit leaves: one row, so that it changes from one moment to the next."""

    name: str
    format_version: int
    embedder: str
    weight_hash: str
    dimension: int
    created_at: str
    generation: int = 0
    chunks: int = 0
    leaving: bool = False  # rows that the last commit took out are still there

    def check(self, given: Identity) -> None:
        """Refuse another embedder than the one that made the vectors.

        Raises:
            EmbedderMismatchError: naming both and the way out.
        """
        made_by = Identity(self.embedder, self.weight_hash, self.dimension)
        if made_by != given:
            raise EmbedderMismatchError(
                f"The collection {self.name!r} was made by the embedder {made_by}, but {given} is set. Their vectors "
                "cannot be compared. Set embed.model back to the first, or ingest into a new collection: "
                "consilium ingest PATH -c NEW_NAME"
            )

    def row(self) -> dict[str, Any]:
        """Return the row."""
        return record(STATE, STATE, "", 0, body=dumps(asdict(self)), pk=STATE)


@dataclass(frozen=True, slots=True)
class Held:
    """What a source holds."""

    source: str
    doc: str
    fingerprint: str
    added_at: float
    pk: str = ""

    def row(self, born: int) -> dict[str, Any]:
        """Return the row of this commit; that of an earlier one is another row."""
        body = dumps([self.source, self.fingerprint, self.added_at])
        return record("source", source_key(self.source), self.doc, born, body=body)


@dataclass(frozen=True, slots=True)
class Head:
    """What is told of a document without reading it."""

    id: str
    doc: str
    title: str
    language: str
    pages: int
    chunks: int
    metadata: Mapping[str, Any]


def first_state_of(name: str, who: Identity) -> State:
    """Return the state of a new collection."""
    return State(name=name, **first_state(who))


def record(
    kind: str, key: str, doc: str, born: int, *, series: str = "", body: str = "", pk: str = ""
) -> dict[str, Any]:
    """Return a row of the records."""
    _check_size(body, f"{kind} {key[:80]}")
    pk = pk or content_id(kind, key, doc, str(born))
    told = {"pk": pk, "kind": kind, "key": key, "doc": doc, "series": series}
    return {**told, "body": body, "born": born, "nothing": _NOTHING}


def source_key(source: str) -> str:
    """Return what a source is looked for by."""
    return content_id(source)


def version_of(document: Document, chunks: Sequence[Chunk]) -> str:
    """Return `doc`: the name of exactly this content.

    Raises:
        DocumentError: the text is not valid Unicode, or a metadata value cannot be stored.
    """
    check_text(document.source, repr(document.source))
    for text in (document.text, document.title, *(heading for c in chunks for heading in c.headings)):
        check_text(text, document.source)
    pack_metadata(document.metadata, document.source)
    return content_id(document.id, digest_of(document, chunks))


def document_rows(document: Document, doc: str, count: int, born: int) -> list[dict[str, Any]]:
    """Return the rows of a document: its head, and its text, tables and facts in pieces."""
    series = document.metadata.get("series")
    told = [document.title, document.language, len(document.page_starts), count, dict(document.metadata)]
    whole = dumps([document.text, document.page_starts, pack_tables(document.tables, document.facts)])
    pieces = [whole[start : start + _PIECE] for start in range(0, len(whole), _PIECE)]
    head = record(
        "document", document.id, doc, born, series=content_id(str(series)) if series else "", body=dumps(told)
    )
    return [head, *(record("piece", f"{i:08d}", doc, born, body=piece) for i, piece in enumerate(pieces))]


def head_of(row: Mapping[str, Any]) -> Head:
    """Return the head a row tells of."""
    title, language, pages, chunks, metadata = json.loads(row["body"])
    return Head(row["key"], row["doc"], title, language, pages, chunks, metadata)


def held_of(row: Mapping[str, Any]) -> Held:
    """Return what the source of a row holds."""
    source, fingerprint, added_at = json.loads(row["body"])
    return Held(source, row["doc"], fingerprint, added_at, row["pk"])


def state_of(row: Mapping[str, Any]) -> State:
    """Return the state a row tells of."""
    return State(**json.loads(row["body"]))


def document_of(head: Head, source: str, pieces: Iterable[Mapping[str, Any]]) -> Document:
    """Return the document that was cut into these pieces."""
    whole = "".join(piece["body"] for piece in sorted(pieces, key=lambda piece: piece["key"]))
    text, page_starts, tables = json.loads(whole)
    return Document(
        id=head.id,
        text=text,
        source=source,
        title=head.title,
        language=head.language,
        page_starts=tuple(page_starts),
        tables=unpack_tables(tables),
        facts=unpack_facts(tables),
        metadata=head.metadata,
    )


def chunk_row(document: Document, chunk: Chunk, doc: str, place: int, born: int) -> dict[str, Any]:
    """Return the row of a chunk, but for its vector.

    Raises:
        DocumentError: it is longer than Milvus takes.
    """
    headings = list(chunk.headings)
    told = [chunk.id, chunk.doc_id, chunk.start, chunk.end, chunk.page, headings, chunk.kind]
    own = {key: value for key, value in chunk.metadata.items() if value is not None}
    built_in = {
        "language": document.language, "title": document.title, "doc_id": document.id,
        "page": chunk.page, "kind": chunk.kind,
    }  # fmt: skip
    row = {
        "pk": content_id(doc, str(place))[:_DIGITS],
        "doc": doc,
        "key": key_of(chunk),
        "born": born,
        "place": place,
        "text": chunk.text,
        "chunk": dumps([*told, pack_metadata(chunk.metadata, document.source)]),
        "terms": f" {' '.join(_index_terms(chunk.indexed_text))} ",  # each between spaces, so that LIKE finds it
        "facets": facets({**document.metadata, **own}, built_in),
    }
    for field in ("text", "chunk", "terms"):
        _check_size(str(row[field]), f"{document.source}: a chunk")
    return row


def _index_terms(text: str) -> list[str]:
    return latin_terms(text) + (han_index_terms(text) if has_han(text) else [])


def key_of(chunk: Chunk) -> str:
    """Return what the vector of a chunk is known by: a hash of the text it is made of."""
    return index_key(chunk.embedded_text).hex()


def chunk_of(row: Mapping[str, Any]) -> Chunk:
    """Return the chunk of a row."""
    chunk_id, doc_id, start, end, page, headings, kind, metadata = json.loads(row["chunk"])
    kind = cast(ChunkKind, kind)
    own = unpack_metadata(metadata)
    return Chunk(chunk_id, doc_id, row["text"], start, end, page, tuple(headings), kind, own)


def row_number(pk: str) -> int:
    """Return the number a chunk is known by while legs are fused."""
    return int(pk, 16)


def pk_of(row: int) -> str:
    """Return the primary key of a number."""
    return f"{row:0{_DIGITS}x}"


def _check_size(text: str, what: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise DocumentError(
            f"{what} has {size:,} bytes; Milvus takes {MOST_BYTES:,} in one field. "
            "Set chunk.max_tokens lower, or shorten the metadata, and ingest again."
        )
