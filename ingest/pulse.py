"""The sign of life of a long reading.

A file is read in a process of its own that ends itself when its time is up. Who reads a long one says on the way that
it is getting on: after each page, before a page goes to OCR. Outside such a process nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable

_extend: Callable[[float], object] | None = None


def beat(seconds: float = 5.0) -> None:
    """Have at least so many seconds more from now; what was left before and is longer stays."""
    if _extend is not None:
        _extend(seconds)


def extend_by(how: Callable[[float], object] | None) -> None:
    """Say what a beat does in this process."""
    global _extend
    _extend = how
