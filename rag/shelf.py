"""All collections below one folder: their names, the list of them, and how one is deleted."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path
from typing import Any, Final

from rag.errors import StoreError, UnknownCollectionError, UserError
from rag.folder import write_lock
from rag.manifest import FILE, read_manifest

_NAME = re.compile(r"[^\W_][\w.\-]{0,63}")
_TRASH: Final = ".trash-"


def collection_path(root: Path, name: str) -> Path:
    """Return the folder of the collection called `name` below `root`; it need not exist.

    Raises:
        UserError: the name is not allowed.
    """
    if not _NAME.fullmatch(name) or name.endswith("."):
        shown = name if len(name) <= 80 else f"{name[:80]}… ({len(name)} characters)"
        raise UserError(
            f"{shown!r} cannot name a collection. Allowed are 1 to 64 letters (any script), digits, '-', '_' and '.', "
            "beginning with a letter or digit and not ending with a dot. Choose another name."
        )
    return root / name


def list_collections(root: Path) -> list[dict[str, Any]]:
    """Return one row a collection in the order of names: name, documents, chunks, generation, embedder, path.

    Reads manifests only. A folder whose manifest cannot be read is listed with None in place of what is not known.
    """
    if not root.is_dir():
        return []
    rows: list[dict[str, Any]] = []
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or not (path / FILE).is_file():
            continue
        manifest = read_manifest(path) or {}
        counts, embedder = manifest.get("counts", {}), manifest.get("embedder", {})
        rows.append(
            {
                "name": path.name,
                "documents": counts.get("documents", 0),
                "chunks": counts.get("chunks", 0),
                "generation": manifest.get("generation"),
                "embedder": embedder.get("id"),
                "path": str(path),
            }
        )
    return rows


def unknown_collection(path: Path) -> UnknownCollectionError:
    """Return the error for a collection that is not there, naming those that are."""
    names = [row["name"] for row in list_collections(path.parent)]
    there = f"There are: {', '.join(names)}." if names else "There is none yet."
    return UnknownCollectionError(
        f"There is no collection {path.name!r} in {path.parent}. {there} "
        f"Make it with: consilium ingest PATH -c {path.name}"
    )


def delete_collection(root: Path, name: str) -> None:
    """Delete a collection with everything in it. From one moment to the next it is gone; the files follow.

    Raises:
        UnknownCollectionError: it does not exist.
        LockedError: it is being written.
        StoreError: the disk refused.
    """
    path = collection_path(root, name)
    if not path.is_dir():
        raise unknown_collection(path)
    gone = root / f"{_TRASH}{uuid.uuid4().hex}"
    with write_lock(path):
        try:
            path.rename(gone)
        except OSError as error:
            raise StoreError(f"The collection {name!r} could not be deleted: {error}. Nothing was changed.") from error
    for trash in root.glob(f"{_TRASH}*"):
        shutil.rmtree(trash, ignore_errors=True)
