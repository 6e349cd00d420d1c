"""Connectors: public sources written as plain files, each with a side file of metadata (`ingest.sidecar`).

A connector only yields; `save` alone writes. Nothing is fetched unless somebody calls `fetch_edgar` or `fetch_pubmed`:
importing this package, ingesting and answering never open a connection. What was fetched is ingested like any folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from ingest.sidecar import load_side, side_of
from rag.errors import DocumentError, FetchError
from rag.schema import Scalar

Have = Callable[[str], Mapping[str, Any] | None]
"""Returns the side file of a name that is in the folder, whole and fresh; None where it has to be fetched."""
Progress = Callable[[int, str], object]
"""Called with (items seen so far, name) after each."""

Query = TypeVar("Query", contravariant=True)

LONGEST_NAME: Final = 200
"""Bytes; what is written beside a file has a longer name, and systems allow 255."""
_UNSAFE: Final = re.compile(r"[^\w.\-]+")
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # device names of Windows


@dataclass(frozen=True, slots=True)
class Item:
    """A file to write. `content` is None where the folder has it already.

    `metadata` goes to the side file; of it `url` is where the content came from. `replaces` names a file that this one
    takes the place of (an abstract whose full text has come).
    """

    name: str
    content: bytes | None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Missed:
    """Something that was found but cannot be had; what stands around it goes on."""

    name: str
    reason: str


class Connector(Protocol[Query]):
    """A public source of documents."""

    def fetch(self, query: Query, have: Have) -> Iterator[Item | Missed]:
        """Yield what answers a query, fetching only what `have` does not know.

        Raises:
            FetchError: the source cannot be reached or refuses, or nothing answers the query.
        """
        ...


@dataclass(slots=True)
class Saved:
    """What a fetch did, by name. `stopped` says why it ended early; calling again takes up where it stopped."""

    folder: str
    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    stopped: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


def save(items: Iterable[Item | Missed], folder: Path, *, progress: Progress | None = None) -> Saved:
    """Write items into a folder, each atomically: the file first, then its side file, which makes it count as had.

    An error before the first item is raised; a later one ends the fetch and stands in `stopped`.

    Raises:
        FetchError: nothing could be fetched.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved, seen = Saved(str(folder)), 0
    try:
        for seen, item in enumerate(items, start=1):
            _keep(item, folder, saved)
            if progress:
                progress(seen, item.name)
    except FetchError as error:
        if not seen:
            raise
        saved.stopped = str(error)
    return saved


def saved_in(folder: Path, *, max_age: timedelta | None = None, now: Callable[[], datetime] | None = None) -> Have:
    """Return what tells of a name whether the folder has it: file and side file are there and agree.

    A file that was changed or cut by others is fetched again, and so is one fetched longer than `max_age` ago.
    """
    clock = now or (lambda: datetime.now(UTC))

    def have(name: str) -> Mapping[str, Any] | None:
        path = folder / safe_name(name)
        try:
            side = load_side(path)
            fetched = side.get("fetched")
            if not isinstance(fetched, dict) or fetched.get("sha256") != _sha256(path.read_bytes()):
                return None
            when = datetime.fromisoformat(str(fetched.get("retrieved")))
        except (DocumentError, OSError, ValueError):
            return None
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return None if max_age is not None and clock() - aware > max_age else side

    return have


def safe_name(name: str) -> str:
    """Return a file name that lies in its folder on every system: no separators, no dots first, at most 200 bytes.

    Letters of all scripts are kept.

    Raises:
        DocumentError: nothing is left of it.
    """
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip("._ ")
    if len(plain.encode()) > LONGEST_NAME:
        stem, dot, suffix = plain.rpartition(".")
        suffix = dot + suffix if stem and len(suffix.encode()) <= 8 else ""
        short = plain.removesuffix(suffix).encode()[: LONGEST_NAME - len(suffix.encode()) - 9].decode(errors="ignore")
        plain = f"{short}-{_sha256(name.encode())[:8]}{suffix}"
    if not plain:
        raise DocumentError(f"{name!r} gives no file name.")
    return f"_{plain}" if _RESERVED.match(plain) else plain


def _keep(item: Item | Missed, folder: Path, saved: Saved) -> None:
    if isinstance(item, Missed):
        saved.failed.append({"name": item.name, "reason": item.reason})
        return
    name = safe_name(item.name)
    path = folder / name
    if item.content is None:
        saved.unchanged.append(name)
        return
    digest = _sha256(item.content)
    fetched = {"retrieved": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": digest}
    side = {**{key: value for key, value in item.metadata.items() if value not in (None, "")}, "fetched": fetched}
    before = _side_before(path)
    same = path.is_file() and _sha256(path.read_bytes()) == digest
    if not same:
        _write(path, item.content)
    _write(side_of(path), (json.dumps(side, ensure_ascii=False, indent=1) + "\n").encode())
    told = {key: value for key, value in before.items() if key != "fetched"}
    unchanged = same and told == {key: value for key, value in side.items() if key != "fetched"}
    (saved.unchanged if unchanged else saved.written).append(name)
    if item.replaces and safe_name(item.replaces) != name:
        old = folder / safe_name(item.replaces)
        side_of(old).unlink(missing_ok=True)
        old.unlink(missing_ok=True)


def _side_before(path: Path) -> dict[str, Any]:
    try:
        return load_side(path)
    except DocumentError:
        return {}


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")  # hidden: a scan of the folder leaves it out
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
