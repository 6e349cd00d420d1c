"""Files of data sets: JSON and lines, plain or gzipped; every fault of a file is told at once, with its place."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rag.errors import DocumentError

SHOWN = 20
"""So many faults of a file are told one by one; the others are counted."""


class Faults:
    """Gathers what is wrong with a file, so that a person can put all of it right at once."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, where: str, what: str) -> None:
        """Note one fault; `where` is file:line, or file: path inside the JSON."""
        self._count += 1
        if len(self._told) < SHOWN:
            self._told.append(f"{where}: {what}")

    def raise_any(self) -> None:
        """Raise one error that tells them all.

        Raises:
            DocumentError: there is a fault.
        """
        if not self._count:
            return
        rest = self._count - len(self._told)
        more = [f"... and {rest} more."] if rest else []
        head = [f"{self._count} faults; put them right and run again."] if self._count > 1 else []
        raise DocumentError("\n".join([*head, *self._told, *more]))


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file, where it stands, and where its faults go. A field at fault reads as empty."""

    value: Mapping[str, Any]
    where: str
    faults: Faults = field(repr=False)

    def fault(self, what: str) -> None:
        """Note a fault of this object."""
        self.faults.add(self.where, what)

    def string(self, key: str, default: str | None = None) -> str:
        """Return a field as a string; a whole number is taken as its digits. Null counts as missing."""
        got = self.value.get(key)
        got = default if got is None else got
        if isinstance(got, int) and not isinstance(got, bool):
            return str(got)
        if isinstance(got, str):
            return got
        self.fault(f"field {key!r} must be a string, got {shown(got)}.")
        return ""

    def filled(self, key: str) -> str:
        """Return a field that must hold more than white space."""
        before = len(self.faults)
        got = self.string(key)
        if not got.strip() and len(self.faults) == before:
            self.fault(f"field {key!r} is empty. Give it, or take the record out.")
        return got

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of strings (numbers as printed); one string stands for a list of one, nothing for none."""
        got = self.value.get(key)
        items = [] if got is None else [got] if isinstance(got, str) else got
        if isinstance(items, list) and all(_scalar(item) for item in items):
            return tuple(str(item) for item in items)
        self.fault(f"field {key!r} must be a list of strings, got {shown(got)}.")
        return ()

    def flag(self, key: str, default: bool) -> bool:
        """Return a field that is true or false."""
        got = self.value.get(key, default)
        if isinstance(got, bool):
            return got
        self.fault(f"field {key!r} must be true or false, got {shown(got)}.")
        return default

    def rows(self, key: str) -> list[Row]:
        """Return a list of objects, each with its path (`key[i]`) behind the place of this one."""
        got = self.value.get(key)
        if not isinstance(got, list):
            self.fault(f"field {key!r} must be a list of objects, got {shown(got)}.")
            return []
        found = []
        for number, item in enumerate(got):
            where = join(self.where, f"{key}[{number}]")
            if isinstance(item, dict):
                found.append(Row(item, where, self.faults))
            else:
                self.faults.add(where, f"want an object, got {shown(item)}.")
        return found

    def row(self, key: str) -> Row:
        """Return an object inside this one."""
        got = self.value.get(key)
        if not isinstance(got, dict):
            self.fault(f"field {key!r} must be an object, got {shown(got)}.")
            got = {}
        return Row(got, join(self.where, key), self.faults)


class Ids:
    """The ids of a file so far, to tell one that stands twice."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def take(self, row: Row, key: str) -> str:
        """Return the id in field `key` of a row, which must be there and be new."""
        got = row.filled(key)
        return self.note(row, got) if got.strip() else got

    def note(self, row: Row, got: str) -> str:
        """Return an id of a row, which must be new."""
        if got in self._seen:
            row.fault(f"id {got!r} already stands in {_place(self._seen[got])}. Ids must be unique.")
        self._seen.setdefault(got, row.where)
        return got


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) of the lines of a file, white space around them gone.

    Raises:
        DocumentError: the file is missing, a folder, not UTF-8, or its gzip stream is broken.
    """
    check_file(path)
    line = 0
    try:
        with _open(path) as stream:
            for line, text in enumerate(stream, 1):
                yield line, text.strip()
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        wide = " It looks like UTF-16; save it as UTF-8." if _is_wide(error) else ""
        raise DocumentError(
            f"{path}:{line + 1}: cannot be read on: {error}. Want UTF-8, plain or gzip.{wide}"
        ) from error


def objects(path: Path, faults: Faults | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSON lines file.

    Args:
        path: the file.
        faults: takes lines that are no object, which are then passed over; without it the first one is raised.

    Raises:
        DocumentError: the file cannot be read; or, without `faults`, a line is not a JSON object.
    """
    for line, text in text_lines(path):
        if not text:
            continue
        found = Faults() if faults is None else faults
        value = parsed(text, f"{path}:{line}", found)
        if faults is None:
            found.raise_any()
        if value is not None:
            yield line, value


def parsed(text: str, where: str, faults: Faults) -> dict[str, Any] | None:
    """Return the JSON object a line holds, or None with its fault noted."""
    try:
        value = load_json(text)
    except ValueError as error:
        faults.add(where, f"not JSON: {error}. Want one object a line.")
        return None
    if not isinstance(value, dict):
        faults.add(where, f"want a JSON object, got {type(value).__name__}.")
        return None
    return value


def load_json(text: str) -> Any:
    """Return the value of a JSON text; NaN, infinities and a key that stands twice in one object are refused.

    Raises:
        ValueError: it is not JSON; says where.
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def check_file(path: Path) -> None:
    """Admit a file that is there.

    Raises:
        DocumentError: it is missing, or a folder.
    """
    if path.is_dir():
        raise DocumentError(f"{path} is a folder. Give a .jsonl or .json file, or either with .gz.")
    if not path.is_file():
        raise DocumentError(f"{path} does not exist. Give a .jsonl or .json file, or either with .gz.")


def join(where: str, path: str) -> str:
    """Return the place of something inside an object: `file:3: qas[0]`, `file: data[1].paragraphs[2]`."""
    inside = ": " in where or where.endswith("]")
    return f"{where}.{path}" if inside else f"{where}: {path}"


def shown(got: object) -> str:
    """Return a value as an error shows it: "nothing", or its first 80 characters."""
    return "nothing" if got is None else f"{got!r}"[:80]


def string(value: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """Return a field as a string; a whole number is taken as its digits.

    Raises:
        DocumentError: it is neither.
    """
    faults = Faults()
    got = Row(value, where, faults).string(key, default)
    faults.raise_any()
    return got


def _place(where: str) -> str:
    """A place in the same file, without the file's name."""
    head, colon, rest = where.partition(": ")
    return rest if colon else f"line {head.rpartition(':')[2]}"


def _is_wide(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) and error.object[:2] in (b"\xff\xfe", b"\xfe\xff")


def _scalar(item: object) -> bool:
    return isinstance(item, str | int | float) and not isinstance(item, bool)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return value


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")
