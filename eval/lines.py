"""Files of lines, plain or gzipped, and the fields of their objects; what is wrong is told with file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rag.errors import DocumentError


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) of the lines of a file, white space around them gone.

    Raises:
        DocumentError: the file is not UTF-8, or its gzip stream is broken.
    """
    line = 0
    try:
        with _open(path) as stream:
            for line, text in enumerate(stream, 1):
                yield line, text.strip()
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DocumentError(f"{path}:{line + 1}: cannot be read on: {error}. Want UTF-8, plain or gzip.") from error


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSON lines file.

    Raises:
        DocumentError: a line is not a JSON object.
    """
    for line, text in text_lines(path):
        if not text:
            continue
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise DocumentError(f"{path}:{line}: not JSON: {error}. Want one object a line.") from error
        if not isinstance(value, dict):
            raise DocumentError(f"{path}:{line}: want a JSON object, got {type(value).__name__}.")
        yield line, value


def string(value: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """Return a field as a string; a whole number is taken as its digits."""
    got = value.get(key, default)
    if isinstance(got, int) and not isinstance(got, bool):
        got = str(got)
    if not isinstance(got, str):
        raise DocumentError(f"{where}: field {key!r} must be a string, got {shown(got)}.")
    return got


def shown(got: object) -> str:
    """Return a value as an error shows it: "nothing", or its first 80 characters."""
    return "nothing" if got is None else f"{got!r}"[:80]


def unique(key: str, where: str, seen: dict[str, int], line: int) -> str:
    """Return an id that was not seen before, and note its line."""
    if key in seen:
        raise DocumentError(f"{where}: id {key!r} already stands in line {seen[key]}. Ids must be unique.")
    seen[key] = line
    return key


def strings(got: object, key: str, where: str) -> tuple[str, ...]:
    """Return a list of strings (numbers are taken as printed); one string stands for a list of one."""
    items = [got] if isinstance(got, str) else got
    if not isinstance(items, list) or not all(isinstance(item, str | int | float) for item in items):
        raise DocumentError(f"{where}: field {key!r} must be a list of strings, got {shown(got)}.")
    return tuple(str(item) for item in items)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")
