"""How the nouns are written into SQLite columns, and read back equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rag.errors import DocumentError
from rag.schema import Cell, Chunk, Document, Fact, Table, content_id


def dumps(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def pack_metadata(metadata: Mapping[str, Any], source: str) -> str | None:
    """Return metadata as JSON, None when empty.

    Raises:
        DocumentError: a value is not a string, finite number, boolean or None, or a key is not a string.
    """
    for key, value in metadata.items():
        finite = not isinstance(value, float) or value - value == 0
        if not isinstance(key, str) or not isinstance(value, str | int | float | bool | None) or not finite:
            raise DocumentError(
                f"{source}: metadata {key!r} = {value!r} cannot be stored. "
                "Allowed are strings, finite numbers, true, false and null; write other values as a string."
            )
    return dumps(dict(metadata)) if metadata else None


def unpack_metadata(packed: str | None) -> dict[str, Any]:
    """Return what `pack_metadata` was given."""
    found: dict[str, Any] = json.loads(packed) if packed else {}
    return found


def check_chunks(document: Document, chunks: Sequence[Chunk]) -> None:
    """Refuse chunks that are not cut from their document.

    Raises:
        ValueError: naming the first.
    """
    for chunk in chunks:
        if chunk.doc_id != document.id or document.text[chunk.start : chunk.end] != chunk.text:
            raise ValueError(f"{document.source}: chunk {chunk.id} [{chunk.start}:{chunk.end}] is not cut from it")


def check_text(text: str, source: str) -> None:
    """Refuse text that is not valid Unicode.

    Raises:
        DocumentError: it holds a lone surrogate.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DocumentError(
            f"{source}: not valid Unicode at character {error.start}: {text[error.start]!r}. "
            "Decode the file with its right encoding, or replace such characters."
        ) from error


def index_key(text: str) -> bytes:
    """Return the key a vector is stored under: a 16-byte hash of the indexed text."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def digest_of(document: Document, chunks: Sequence[Chunk]) -> str:
    """Return a hash of everything stored about a document but its sources."""
    head = dumps([document.title, document.language, document.page_starts, document.metadata])
    parts = [dumps([c.id, c.start, c.end, c.page, c.kind, c.headings, c.metadata]) for c in chunks]
    return content_id(document.id, document.text, head, pack_tables(document.tables, document.facts), *parts)


def pack_tables(tables: Sequence[Table], facts: Sequence[Fact] = ()) -> str:
    """Return tables, and the facts of a document where it has any, as JSON; numbers keep their digits."""
    packed = [_pack_table(table) for table in tables]
    if facts:
        return dumps({"tables": packed, "facts": [_pack_fact(fact) for fact in facts]})
    return dumps(packed) if packed else ""


def unpack_tables(packed: str) -> tuple[Table, ...]:
    """Return the tables that `pack_tables` was given."""
    found = json.loads(packed) if packed else []
    return tuple(_unpack_table(fields) for fields in (found["tables"] if isinstance(found, dict) else found))


def unpack_facts(packed: str) -> tuple[Fact, ...]:
    """Return the facts that `pack_tables` was given."""
    if not packed.startswith("{"):
        return ()
    return tuple(_unpack_fact(fields) for fields in json.loads(packed)["facts"])


def _pack_fact(f: Fact) -> list[Any]:
    value = None if f.value is None else str(f.value)
    period = (f.period_start, f.period_end)
    return [f.concept, f.text, value, f.unit, f.scale, f.decimals, *period, f.dimensions, f.start, f.end]


def _pack_table(table: Table) -> list[Any]:
    rows = [[_pack_cell(cell) for cell in row] for row in table.rows]
    head = [table.caption, table.header_rows, table.unit, table.scale, table.currency, table.periods]
    return [rows, *head, table.page, table.start, table.end]


def _unpack_fact(fields: list[Any]) -> Fact:
    concept, text, value, unit, scale, decimals, since, until, pairs, start, end = fields
    amount = None if value is None else Decimal(value)
    dimensions = tuple((axis, member) for axis, member in pairs)
    return Fact(concept, text, amount, unit, scale, decimals, since, until, dimensions, start, end)


def _pack_cell(c: Cell) -> list[Any]:
    value = None if c.value is None else str(c.value)
    fields = [c.text, value, c.unit, c.scale, c.currency, c.period, c.start, c.end]
    return fields if c.name is None else [*fields, c.name]


def _unpack_table(fields: list[Any]) -> Table:
    rows, caption, header_rows, unit, scale, currency, periods, page, start, end = fields
    cells = tuple(
        tuple(Cell(text, None if value is None else Decimal(value), *rest) for text, value, *rest in row)
        for row in rows
    )
    return Table(caption, cells, header_rows, unit, scale, currency, tuple(periods), page, start, end)
