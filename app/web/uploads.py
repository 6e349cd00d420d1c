"""Files that arrive by the browser: a safe name, a folder that is gone afterwards."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_LONGEST = 180  # bytes; most file systems stop at 255


class Upload(Protocol):
    """A file as the browser sent it."""

    @property
    def name(self) -> str:
        """Its name, as the browser says; not to be trusted."""

    def getbuffer(self) -> memoryview:
        """Return its bytes."""


def safe_name(name: str) -> str:
    """Return the last part of a file name, without what a file system or a reader could trip over.

    The ending survives, since it says how the file is read. A name of which nothing is left becomes "document".
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/")
    plain = _UNSAFE.sub("", PurePosixPath(plain).name).strip(" .")
    stem, ending = PurePosixPath(plain).stem, PurePosixPath(plain).suffix[:20]
    room = _LONGEST - len(ending.encode())
    stem = stem.encode()[:room].decode(errors="ignore").strip()
    return f"{stem or 'document'}{ending}"


def apart(names: Sequence[str]) -> list[str]:
    """Return the names with a number behind those that came before: two "a.pdf" are "a.pdf" and "a (2).pdf"."""
    seen: set[str] = set()
    found: list[str] = []
    for name in names:
        path, candidate, number = PurePosixPath(name), name, 1
        ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
        while candidate.casefold() in seen:
            number += 1
            candidate = f"{name.removesuffix(ending)} ({number}){ending}"
        seen.add(candidate.casefold())
        found.append(candidate)
    return found


@contextmanager
def on_disk(uploads: Sequence[Upload]) -> Iterator[list[Path]]:
    """Write uploads to a folder of their own and yield their paths in order; the folder goes when the block ends."""
    with TemporaryDirectory(prefix="consilium-upload-") as folder:
        paths = [Path(folder) / name for name in apart([safe_name(upload.name) for upload in uploads])]
        for path, upload in zip(paths, uploads, strict=True):
            path.write_bytes(upload.getbuffer())
        yield paths
