"""Formats that are archives: what is broken, or unpacks to an absurd size, is refused before anything is read."""

from __future__ import annotations

import io
import zipfile
import zlib

from rag.errors import DocumentError

MAX_UNPACKED = 1_500_000_000  # bytes of all parts of an archive together
MAX_RATIO = 150  # unpacked to packed, for parts that matter (above 50 MB)
BROKEN_PART = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)
"""What reading a damaged part raises; libraries that read archives pass it on."""


def check_archive(data: bytes, source: str) -> None:
    """Refuse broken archives and those that unpack to absurd sizes.

    Raises:
        DocumentError: either of the two.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DocumentError(f"{source}: the file is broken ({error}). Save or download it again.") from error
    total = sum(part.file_size for part in parts)
    bomb = any(p.file_size > 50_000_000 and p.file_size > MAX_RATIO * max(1, p.compress_size) for p in parts)
    if total > MAX_UNPACKED or bomb:
        raise DocumentError(
            f"{source}: {len(data):,} bytes would unpack to {total:,}; at most {MAX_UNPACKED:,} and {MAX_RATIO} times "
            "the packed size are read. Save it anew or split it."
        )
