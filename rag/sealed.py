"""Files of the dense leg: a FAISS index, the rows of it that are alive, and a seal that says whether all is whole."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from rag import nearest
from rag.folder import replacing

_FOOTER: Final = struct.Struct("<8sQQQQI")
_MAGIC: Final = b"CONSDNS2"
_BLOCK: Final = 1 << 22


class Seal(NamedTuple):
    """The end of a file: generation, checksum of the large part it belongs to (0: is one), size of the index, rows."""

    magic: bytes
    generation: int
    base: int
    size: int
    rows: int
    checksum: int


def write_sealed(file: Path, index: Any, alive: np.ndarray, generation: int, base: int) -> int:
    """Write a file of the leg and return its checksum."""
    with replacing(file) as temporary:
        try:
            nearest.library().write_index(index, str(temporary))
        except RuntimeError as error:  # how FAISS reports the system's errors
            raise OSError(f"dense index: {error}") from error
        with temporary.open("r+b") as stream:
            size = stream.seek(0, 2)
            stream.write(np.packbits(alive, bitorder="little").tobytes())
            stream.seek(0)
            checksum = _sum(stream, size + (len(alive) + 7) // 8)
            stream.write(_FOOTER.pack(_MAGIC, generation, base, size, len(alive), checksum))
    return checksum


def _sum(stream: Any, length: int) -> int:
    """Return the checksum of the next `length` bytes."""
    checksum = 0
    while length > 0 and (block := stream.read(min(_BLOCK, length))):
        checksum, length = zlib.crc32(block, checksum), length - len(block)
    return checksum


def seal_of(file: Path) -> Seal | None:
    """Return the end of a file of the right length, or None."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            if size < _FOOTER.size:
                return None
            stream.seek(size - _FOOTER.size)
            seal = Seal(*_FOOTER.unpack(stream.read(_FOOTER.size)))
    except OSError:
        return None
    right = seal.magic == _MAGIC and seal.size + (seal.rows + 7) // 8 + _FOOTER.size == size
    return seal if right else None


def check(file: Path, seal: Seal) -> None:
    """Raise ValueError where the checksum of a file is not right. Reads all of it: 4 GB a second of one core."""
    with file.open("rb") as stream:
        if _sum(stream, seal.size + (seal.rows + 7) // 8) != seal.checksum:
            raise ValueError(f"{file} is broken")


def alive_in(file: Path, seal: Seal) -> np.ndarray:
    """Return by row, bool, whether the file says it is alive."""
    with file.open("rb") as stream:
        stream.seek(seal.size)
        bits = np.frombuffer(stream.read((seal.rows + 7) // 8), dtype=np.uint8)
    return np.unpackbits(bits, count=seal.rows, bitorder="little").astype(np.bool_)
