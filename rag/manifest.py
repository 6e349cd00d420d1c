"""What a collection says about itself: its format, who made its vectors, what is in it.

The state table of the records is the truth; `manifest.json` says the same to people and to lists of collections.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rag.contents import Contents
from rag.embed import Identity, identity
from rag.errors import EmbedderMismatchError, StoreError
from rag.folder import write_atomic
from rag.schema import Embedder

FORMAT_VERSION: Final = 2
_KNOWN: Final = (1, FORMAT_VERSION)
"""Format 1 has no tags for filters; they are made when it is opened."""
FILE: Final = "manifest.json"


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest of the collection, or None where it is missing or cannot be read."""
    try:
        found = json.loads((path / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_manifest(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the manifest; skipped where it already says so. It is not waited for: the records are the truth."""
    if read_manifest(path) != content:
        write_atomic(path / FILE, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode(), durable=False)


def manifest_of(records: Contents) -> dict[str, Any]:
    """Return what the manifest of these records must say."""
    who = identity_of(records)
    return {
        "format_version": records.state("format_version"),
        "embedder": {"id": who.id, "weight_hash": who.weight_hash, "dimension": who.dimension},
        "counts": {
            **{name: records.count(name) for name in ("documents", "sources")},
            "chunks": int(records.state("chunks")),
        },
        "generation": records.generation,
        "created_at": records.state("created_at"),
    }


def first_state(who: Identity) -> dict[str, Any]:
    """Return the state of a new collection."""
    return {
        "format_version": FORMAT_VERSION,
        "embedder": who.id,
        "weight_hash": who.weight_hash,
        "dimension": who.dimension,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def identity_of(records: Contents) -> Identity:
    """Return who made the vectors."""
    return Identity(records.state("embedder"), records.state("weight_hash"), int(records.state("dimension")))


def check_embedder(path: Path, records: Contents, embedder: Embedder | None) -> None:
    """Refuse another embedder than the one that made the vectors; none at all is no other one.

    Raises:
        EmbedderMismatchError: naming both and the way out.
    """
    made_by = identity_of(records)
    given = made_by if embedder is None else identity(embedder)
    if made_by != given:
        raise EmbedderMismatchError(
            f"The collection {path.name!r} was made by the embedder {made_by}, but {given} is set. "
            "Their vectors cannot be compared. Set embed.model back to the first, or ingest the documents into a new "
            "collection: consilium ingest PATH -c NEW_NAME"
        )


def check_format(path: Path) -> None:
    """Refuse a folder written in another format.

    Raises:
        StoreError: naming both versions.
    """
    version = (read_manifest(path) or {}).get("format_version", FORMAT_VERSION)
    if version not in _KNOWN:
        raise StoreError(
            f"{path / FILE} says format_version {version!r}; this program knows up to {FORMAT_VERSION}. "
            "Use the program that wrote it, or ingest the documents into a new collection."
        )
