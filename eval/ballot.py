"""The folder of a blinded comparison: the sheet that is judged, the key that is kept apart, the votes.

sheet.jsonl          one pair of answers a line, without a word of which run gave which: all that a judge's page reads
key.json             which run stands on which side; opened when the votes are counted
votes/NAME-ID.jsonl  one line a vote, synced to disk one by one; the last vote on a pair counts
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.lines import objects, string
from rag.errors import DocumentError, UserError

CHOICES = ("left", "right", "tie", "both_bad")
LONGEST_NAME = 80  # characters
LONGEST_REASON = 2000  # characters


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person thinks of one pair.

    Args:
        item: id of the pair.
        choice: "left", "right", "tie" (equally good) or "both_bad".
        annotator: the person's name, as given.
        seconds: time from the showing of the pair to the vote; 0 where it is not known.
        reason: the person's own words.
        at: when, UTC, ISO 8601.
    """

    item: str
    choice: str
    annotator: str
    seconds: float = 0.0
    reason: str = ""
    at: str = ""


def sheet_of(folder: Path) -> list[dict[str, Any]]:
    """Return the pairs of a sheet in the order in which they are judged.

    Raises:
        UserError: the folder holds no sheet.
        DocumentError: a line is not a pair.
    """
    path = folder / "sheet.jsonl"
    if not path.is_file():
        raise UserError(
            f"{folder} holds no sheet.jsonl. Make one with: consilium eval blind RUN_A RUN_B --out {folder}"
        )
    pairs = []
    for line, pair in objects(path):
        where = f"{path}:{line}"
        for side in ("left", "right"):
            if not isinstance(pair.get(side), dict):
                raise DocumentError(f"{where}: field {side!r} must be an object with a text. Build the sheet anew.")
            string(pair[side], "text", where)
        pairs.append(pair | {"item": string(pair, "item", where), "question": string(pair, "question", where)})
    if not pairs:
        raise DocumentError(f"{path}: holds no pair. Build the sheet anew.")
    return pairs


def fingerprint(folder: Path) -> str:
    """Return the hash of the sheet, by which the key knows it."""
    return hashlib.sha256((folder / "sheet.jsonl").read_bytes()).hexdigest()


def canonical(annotator: str) -> str:
    """Return a name as it is compared: full-width and half-width letters, capitals and spaces make no difference."""
    return " ".join(unicodedata.normalize("NFKC", annotator).casefold().split())


def votes_file(folder: Path, annotator: str) -> Path:
    """Return the file of a person's votes: always inside `folder/votes`, whatever the name is made of.

    Raises:
        UserError: the name is empty or longer than 80 characters.
    """
    name = canonical(annotator)
    if not name or len(name) > LONGEST_NAME:
        raise UserError(f"A name needs 1 to {LONGEST_NAME} characters, got {len(name)}.")
    readable = re.sub(r"[^\w-]+", "_", name).strip("_")[:30]
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return folder / "votes" / f"{readable.encode('utf-8', 'replace').decode()}-{mark}.jsonl"


def votes_in(path: Path) -> list[Vote]:
    """Return the votes of a file in the order in which they were cast; a torn last line is passed over.

    Raises:
        DocumentError: another line is not a vote.
    """
    if not path.is_file():
        return []
    data = path.read_bytes()
    end = len(data) if _whole(_tail(data)) else data.rfind(b"\n") + 1
    lines = data[:end].decode("utf-8", "replace").split("\n")
    return [_vote(text, f"{path}:{number}") for number, text in enumerate(lines, 1) if text.strip()]


def votes_by(folder: Path, annotator: str) -> dict[str, Vote]:
    """Return a person's votes by pair; of several on one pair the last."""
    return {vote.item: vote for vote in votes_in(votes_file(folder, annotator))}


def cast(folder: Path, vote: Vote) -> Vote:
    """Append a vote to the person's file and return it with its time; it is on the disk when this returns.

    Raises:
        UserError: an unknown choice, or no usable name.
    """
    if vote.choice not in CHOICES:
        raise UserError(f"choice must be one of {', '.join(CHOICES)}, got {vote.choice!r}.")
    path = votes_file(folder, vote.annotator)
    value = asdict(vote) | {"at": vote.at or datetime.now(UTC).isoformat(timespec="milliseconds")}
    value["reason"] = vote.reason[:LONGEST_REASON]
    line = json.dumps({key: got for key, got in value.items() if key != "reason" or got}, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    _mend(path)
    with path.open("ab") as stream:
        stream.write(line.encode("utf-8", "replace") + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    return Vote(**value)


def _tail(data: bytes) -> bytes:
    return data[data.rfind(b"\n") + 1 :]


def _whole(tail: bytes) -> bool:
    """Tell whether what stands behind the last line break is nothing, or a line that only lacks its break."""
    if not tail:
        return True
    try:
        return isinstance(json.loads(tail), dict)
    except ValueError:
        return False


def _mend(path: Path) -> None:
    """Make a file end with a line break: a torn last line is cut off, a whole one gets its break."""
    if not path.is_file():
        return
    tail = _tail(path.read_bytes())
    if not tail:
        return
    with path.open("r+b") as stream:
        stream.seek(0 if _whole(tail) else -len(tail), os.SEEK_END)
        stream.truncate()
        if _whole(tail):
            stream.write(b"\n")


def _vote(text: str, where: str) -> Vote:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DocumentError(f"{where}: not JSON: {error}. Want one vote a line.") from error
    if not isinstance(value, dict):
        raise DocumentError(f"{where}: want a JSON object, got {type(value).__name__}.")
    choice = string(value, "choice", where)
    if choice not in CHOICES:
        raise DocumentError(f"{where}: field 'choice' must be one of {', '.join(CHOICES)}, got {choice!r}.")
    seconds = value.get("seconds", 0.0)
    known = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    annotator = string(value, "annotator", where)
    if not canonical(annotator):
        raise DocumentError(f"{where}: field 'annotator' is empty; a vote needs its name.")
    return Vote(
        item=string(value, "item", where),
        choice=choice,
        annotator=annotator,
        seconds=float(seconds) if known else 0.0,
        reason=string(value, "reason", where, ""),
        at=string(value, "at", where, ""),
    )
