"""Whether pages without text may be shown to tesseract: told to whoever reads files, before it reads."""

from __future__ import annotations

import shutil
from contextvars import ContextVar

_open: ContextVar[bool] = ContextVar("eyes", default=True)


def open_eyes(on: bool) -> None:
    """Let tesseract be used in this process (this context) from now on, or not."""
    _open.set(on)


def tesseract() -> str | None:
    """Return the path of tesseract, None where it is not installed or not to be used."""
    return shutil.which("tesseract") if _open.get() else None
