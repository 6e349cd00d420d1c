"""The files tantivy keeps an index in: whether they are whole, and what a killed writer left among them."""

from __future__ import annotations

import json
import re
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Final

from rag.folder import Checked

_TAIL: Final = struct.Struct("<II")  # length of the footer, magic number
_MAGIC: Final = 1337
_SEGMENT_FILE: Final = re.compile(r"[0-9a-f]{32}\.")
_BLOCK: Final = 1 << 20


def check(path: Path, checked: Checked) -> None:
    """Check every file of the last commit against the checksum tantivy put at its end.

    Reads all of them, about 150 MB for a million chunks, at 3 GB a second of one core.

    Args:
        path: folder of the index.
        checked: files that were; those checked now are added.

    Raises:
        ValueError: one is broken. OSError, LookupError, struct.error: or missing, or nothing of the kind.
    """
    for file in _committed(path):
        checked.see(file, partial(_check, file))
    checked.keep()


def _check(file: Path) -> None:
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL.size))
        length, magic = _TAIL.unpack(stream.read())
        start = size - _TAIL.size - length
        if magic != _MAGIC or start < 0:
            raise ValueError(f"{file} is broken")
        stream.seek(start)
        footer = json.loads(stream.read(length))
        stream.seek(0)
        checksum = 0
        while start > 0 and (block := stream.read(min(_BLOCK, start))):
            checksum, start = zlib.crc32(block, checksum), start - len(block)
    if footer.get("crc") != checksum:
        raise ValueError(f"{file} is broken")


def sweep(path: Path) -> None:
    """Remove what a killed writer left: tantivy never overwrites a file, so that leftovers would stop the next one."""
    kept = set(_committed(path))
    for file in path.iterdir():
        if _SEGMENT_FILE.match(file.name) and file not in kept:
            file.unlink(missing_ok=True)


def _committed(path: Path) -> list[Path]:
    """Return the files the last commit consists of, besides `meta.json`, which names them."""
    found: list[Path] = []
    for segment in json.loads((path / "meta.json").read_bytes())["segments"]:
        name = segment["segment_id"].replace("-", "")
        deletes = f"{name}.{(segment['deletes'] or {}).get('opstamp')}.del"
        found += [file for file in path.glob(f"{name}.*") if file.suffix != ".del" or file.name == deletes]
    return found
