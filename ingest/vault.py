"""The vault: which placeholder stands for which original, kept apart from the collection.

One SQLite file of mode 0600. The same original gets the same placeholder in every document, and one person written in
two ways ("Ann Lee", "LEE, Ann") the same number: `[NAME_3]`, `[NAME_3_1]`, so written that no quantity is read out
of it; a hyphen in its place, as models may write it, is understood. Originals stand in it in the clear, since
they must come back: keep it on an encrypted disk, and delete it to make the pseudonyms irreversible.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType

from rag.errors import StoreError, UserError
from rag.language import has_han

LABELS = {
    "NAME": "姓名",
    "BIRTH_DATE": "出生日期",
    "DATE": "日期",
    "AGE": "年龄",
    "PHONE": "电话",
    "EMAIL": "邮箱",
    "URL": "网址",
    "ADDRESS": "地址",
    "RECORD": "病历号",
    "ID_CARD": "证件号",
    "BANK_CARD": "银行卡",
    "ACCOUNT": "账号",
    "PASSPORT": "护照",
    "PLATE": "车牌",
    "TEXT": "原文",
}
_KINDS = {label: kind for kind, zh in LABELS.items() for label in (kind, zh)}
PLACEHOLDER = re.compile(rf"\[({'|'.join(_KINDS)})[_-](\d{{1,9}})(?:[_-](\d{{1,4}}))?(?: \d{{4}})?\]")
_LONGEST = 40  # characters of the longest placeholder, and a few
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vault (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
    kind TEXT NOT NULL, number INTEGER NOT NULL, variant INTEGER NOT NULL,
    identity TEXT NOT NULL, original TEXT NOT NULL,
    PRIMARY KEY (kind, number, variant), UNIQUE (kind, identity, original)
);
"""


class Vault:
    """An open vault. May be shared by threads, and its file by processes.

    Raises:
        UserError: the file may be read by others than its owner.
        StoreError: the file is no vault, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise UserError(
                    f"{path}: the vault may be read by others (mode {path.stat().st_mode & 0o777:o}); only its owner "
                    f"may. Run: chmod 600 {path}"
                )
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.executescript(_SCHEMA)
            self._db.execute("PRAGMA secure_delete = ON")
            self.id = self._own_id()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{path}: cannot be used as a vault ({error}). Name a file that is a vault or not there yet."
            ) from error

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __len__(self) -> int:
        """Return the number of originals."""
        return int(self._db.execute("SELECT count(*) FROM entry").fetchone()[0])

    def _own_id(self) -> str:
        self._db.execute("BEGIN IMMEDIATE")
        row = self._db.execute("SELECT id FROM vault").fetchone()
        if row is None:
            row = (secrets.token_hex(8),)
            self._db.execute("INSERT INTO vault VALUES (?)", row)
        self._db.execute("COMMIT")
        return str(row[0])

    def places(self, originals: Sequence[tuple[str, str, str]]) -> list[tuple[int, int]]:
        """Return (number, variant) of each (kind, identity, original); those not known yet are entered.

        The same identity of a kind has the same number; each way of writing it a variant, the first 0.
        """
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                places = [self._place(*original) for original in originals]
            except sqlite3.Error as error:
                self._db.execute("ROLLBACK")
                raise StoreError(
                    f"{self.path}: the vault could not be written ({error}). Check disk and file."
                ) from error
            self._db.execute("COMMIT")
        return places

    def _place(self, kind: str, identity: str, original: str) -> tuple[int, int]:
        known = self._db.execute(
            "SELECT number, variant FROM entry WHERE kind = ? AND identity = ? AND original = ?",
            (kind, identity, original),
        ).fetchone()
        if known:
            return int(known[0]), int(known[1])
        number, variant = self._db.execute(
            "SELECT min(number), max(variant) + 1 FROM entry WHERE kind = ? AND identity = ?", (kind, identity)
        ).fetchone()
        if number is None:
            number = self._db.execute(
                "SELECT ifnull(max(number), 0) + 1 FROM entry WHERE kind = ?", (kind,)
            ).fetchone()[0]
            variant = 0
        self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", (kind, number, variant, identity, original))
        return int(number), int(variant)

    def original(self, kind: str, number: int, variant: int = 0) -> str | None:
        """Return what a placeholder stands for, None where it is not of this vault."""
        with self._lock:
            row = self._db.execute(
                "SELECT original FROM entry WHERE kind = ? AND number = ? AND variant = ?", (kind, number, variant)
            ).fetchone()
        return None if row is None else str(row[0])


def identity_of(kind: str, original: str) -> str:
    """Return what two ways of writing the same thing share: the words of a name in any order, or letters and digits."""
    folded = original.casefold()
    if kind != "NAME":
        return folded if kind in ("TEXT", "EMAIL", "URL") else re.sub(r"[\W_]", "", folded)
    return re.sub(r"\s", "", folded) if has_han(folded) else " ".join(sorted(re.findall(r"[\w'’-]+", folded)))


def placeholder(kind: str, language: str, place: tuple[int, int] | None = None, year: str = "") -> str:
    """Write a placeholder: `[NAME]`, `[姓名_3]`, `[NAME_3_1]`, `[DATE_7 2021]`."""
    label = LABELS[kind] if language == "zh" else kind
    number = "" if place is None else f"_{place[0]}" + (f"_{place[1]}" if place[1] else "")
    return f"[{label}{number}{' ' + year if year else ''}]"


def restore(text: str, vault: Vault) -> str:
    """Put the originals back; a placeholder that the vault does not know stays as it is."""

    def back(found: re.Match[str]) -> str:
        original = vault.original(_KINDS[found[1]], int(found[2]), int(found[3] or 0))
        return found.group() if original is None else original

    return PLACEHOLDER.sub(back, text)


def restore_stream(pieces: Iterable[str], vault: Vault) -> Iterator[str]:
    """Put the originals back in a text that comes in pieces cut anywhere; what may be half a placeholder waits."""
    waiting = ""
    for piece in pieces:
        waiting += piece
        opened = waiting.rfind("[")
        cut = (
            opened if opened >= 0 and "]" not in waiting[opened:] and len(waiting) - opened < _LONGEST else len(waiting)
        )
        if cut:
            yield restore(waiting[:cut], vault)
        waiting = waiting[cut:]
    if waiting:
        yield restore(waiting, vault)
