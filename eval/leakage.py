"""The memorisation guard: a score on questions that a model was trained on measures memory.

A model card is `card.json` beside the weights of an adapter. Its "training_data" is a list with one object a data set:
{"name", "questions"?, "path"?, "sha256"?}, paths relative to the card. `questions` is a file with one `hash_question` a
line (`write_questions`), so that the guard works where the training data is not; `path` is the data itself, JSON lines
with a "question" or "query" each; `sha256` is that of the file in `path`.

The guard knows questions by their letters and digits: another case, punctuation, width or spacing is the same
question, a paraphrase or a translation is another. It does not see that a question was trained on over other texts
("What was the change in revenue?" in another report), or that texts rather than questions were seen.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.lines import objects, text_lines
from eval.stamp import RunOptions, write_bytes
from rag.errors import DocumentError, UserError

CARD = "card.json"
_HASH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Source:
    """One data set that a card names: hashes of its questions, or why they are not known."""

    card: Path
    name: str
    hashes: frozenset[str]
    unknown: str = ""


def hash_question(text: str) -> str:
    """Return 16 hex digits over the letters and digits of a text, in NFKC and without case (Chinese as it stands).

    That any two of a million different questions share a hash has a chance of 1 in 37 million.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(letter for letter in folded if letter.isalnum()) or text.strip()
    return hashlib.sha256(kept.encode("utf-8", "replace")).hexdigest()[:16]


def write_questions(path: Path | str, questions: Iterable[str]) -> int:
    """Write the hashes of questions, sorted, one a line, gzipped where the name ends in .gz; return how many.

    Equal questions give equal bytes, whatever their order.
    """
    path = Path(path)
    hashes = sorted({hash_question(question) for question in questions})
    data = "".join(f"{value}\n" for value in hashes).encode()
    write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return len(hashes)


def cards_of(names: Iterable[str]) -> list[Path]:
    """Return the cards of models named by a folder: its card.json, or the folder itself where an adapter has none.

    Names that are no folder (of a hub, of a part that ships) are passed over: nothing here knows their training data.
    """
    found = []
    for name in dict.fromkeys(names):
        folder = Path(name).expanduser() if name else Path()
        if name and (folder / CARD).is_file():
            found.append(folder / CARD)
        elif name and (folder / "adapter_config.json").is_file():
            found.append(folder)
    return found


def read_card(card: Path | str) -> list[Source]:
    """Return the data sets of a card, given as its file or its folder, with the questions that are known of each.

    Raises:
        DocumentError: the card is no JSON object in the form above, or a file of questions is not one of hashes.
    """
    path = Path(card)
    path = path / CARD if path.is_dir() else path
    if not path.is_file():
        return [Source(path, "all of it", frozenset(), "there is no model card")]
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DocumentError(f"{path}: not JSON: {error}. A model card is one object.") from error
    named = value.get("training_data") if isinstance(value, dict) else None
    if named is None:
        return [Source(path, "all of it", frozenset(), "the card has no 'training_data'")]
    if not isinstance(named, list) or not all(isinstance(one, dict) for one in named):
        raise DocumentError(f"{path}: 'training_data' must be a list of objects, got {named!r:.80}.")
    return [_source(path, one, at) for at, one in enumerate(named)]


def seen(questions: Mapping[str, str], card: Path | str) -> list[str]:
    """Return the ids of the questions ({id: text}) that occur in the training data a card names."""
    known = frozenset().union(*(source.hashes for source in read_card(card)))
    return [key for key, text in questions.items() if hash_question(text) in known]


def guard(questions: Mapping[str, str], options: RunOptions, *, file: Path | None = None) -> dict[str, Any]:
    """Refuse to measure a model on what it was trained on; return what results.json says about it.

    Args:
        questions: {id: text} of the examples that are to be measured.
        options: `cards` of the models in use, `allow_seen`, and `warn`, which is told what could not be checked.
        file: the data set; it is seen as a whole where a card names its sha256.

    Returns:
        {"seen_in_training": how many, "seen_examples": their ids, "allowed", "cards", "unverifiable": words}; without
        cards {}.

    Raises:
        UserError: a question occurs in training data, and `allow_seen` is not set.
        DocumentError: a card cannot be read.
    """
    if not options.cards:
        return {}
    sources = [source for card in options.cards for source in read_card(card)]
    own = _sha256(file) if file is not None and file.is_file() else ""
    hashes = {key: hash_question(text) for key, text in questions.items()}
    hit, names = set[str](), list[str]()
    for source in sources:
        found = {key for key, value in hashes.items() if value in source.hashes or own in source.hashes}
        hit |= found
        names += [f"{source.name!r} of {source.card}"] if found else []
    unverifiable = [f"{one.card}: {one.name}: {one.unknown}" for one in sources if one.unknown]
    for words in unverifiable:
        options.say(f"What a model was trained on could not be checked against these questions: {words}.")
    ids = [key for key in questions if key in hit]
    if ids and not options.allow_seen:
        first = ", ".join(map(repr, ids[:5]))
        raise UserError(
            f"{len(ids)} of {len(questions)} questions occur in the training data {' and '.join(names)}; first ids: "
            f"{first}. A score on them measures memory. Take other questions, or report them marked with --allow-seen."
        )
    return {
        "seen_in_training": len(ids),
        "seen_examples": ids,
        "allowed": bool(ids),
        "cards": [str(card) for card in options.cards],
        "unverifiable": unverifiable,
    }


def guard_notes(found: Mapping[str, Any]) -> list[str]:
    """Return the words for a reader of the results."""
    notes = [f"Not checked against training data: {words}." for words in found.get("unverifiable", ())]
    if found.get("seen_in_training"):
        notes.append(f"{found['seen_in_training']} questions occur in the training data of a model used: allowed.")
    return notes


def _source(card: Path, named: Mapping[str, Any], at: int) -> Source:
    """One entry of a card. The sha256 of the data stands among its hashes: the whole file is then known."""
    fields = {key: named[key] for key in ("name", "questions", "path", "sha256") if named.get(key) is not None}
    wrong = [key for key, value in fields.items() if not isinstance(value, str)]
    if wrong:
        raise DocumentError(f"{card}: training_data[{at}]: {wrong[0]!r} must be a string, got {named[wrong[0]]!r:.80}.")
    name, digest = fields.get("name", f"entry {at}"), fields.get("sha256", "").lower()
    own = {digest} if digest else set[str]()
    if "questions" in fields and (path := card.parent / fields["questions"]).is_file():
        return Source(card, name, frozenset(own | set(_hashes(path))))
    path = card.parent / Path(fields.get("path", CARD)).expanduser()
    if "path" not in fields or not path.is_file():
        told = f"{fields['path']} is no file here" if "path" in fields else "no file with its questions is named"
        return Source(card, name, frozenset(own), f"{told}, nor are hashes of its questions")
    if digest and _sha256(path) != digest:
        return Source(card, name, frozenset(own), f"{path} has another sha256 than the card says")
    asked = _questions(path)
    if not asked:
        return Source(card, name, frozenset(own), f"no record of {path} has a 'question' or 'query'")
    return Source(card, name, frozenset(own | {hash_question(text) for text in asked}))


def _hashes(path: Path) -> Iterable[str]:
    for line, text in text_lines(path):
        if not text:
            continue
        if not _HASH.fullmatch(text):
            raise DocumentError(f"{path}:{line}: want 16 hex digits of a question, got {text!r:.80}.")
        yield text


def _questions(path: Path) -> list[str]:
    """The questions of a file of JSON lines."""
    rows = (row for _, row in objects(path))
    return [row[name] for row in rows for name in ("question", "query") if isinstance(row.get(name), str)]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def questions_of(examples: Sequence[Any]) -> dict[str, str]:
    """Return {id: question} of examples of answers, or {id: text} of queries."""
    return {one.id: one.question if hasattr(one, "question") else one.text for one in examples}
