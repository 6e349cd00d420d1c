"""The one door to data sets: question files in every shape people have them in, and BEIR folders.

The format of a question file is told from its content and can be overruled. All faults of a file are told at once, each
with file and line, or with the path inside a JSON file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from eval.beir import Query, Record, RetrievalSet, load_retrieval
from eval.examples import AnswerSet, Context, Example, drafted, passages_of
from eval.lines import Faults, Ids, Row, load_json, parsed, text_lines
from eval.loaders import consilium, financebench, pubmedqa, ragas, squad, tatqa
from rag.errors import DocumentError, UserError

__all__ = [
    "FORMATS",
    "AnswerSet",
    "Context",
    "Example",
    "Query",
    "Record",
    "RetrievalSet",
    "drafted",
    "load_answers",
    "load_retrieval",
    "passages_of",
    "read_answers",
]

_Loader = Callable[[Row, Ids], Iterator[Example]]
_LOADERS: Final[Mapping[str, _Loader]] = {
    "consilium": consilium.examples,
    "ragas": ragas.examples,
    "squad": squad.examples,
    "cmrc2018": squad.cmrc_examples,
    "pubmedqa": pubmedqa.examples,
    "financebench": financebench.examples,
    "tatqa": tatqa.examples,
}
FORMATS: Final = tuple(_LOADERS)
"""What a question file may be read as; `auto` tells it from the content."""


def load_answers(file: Path | str, format: str | None = None) -> list[Example]:  # noqa: A002
    """Read the questions of a file; `read_answers` says its format too."""
    return list(read_answers(file, format).examples)


def read_answers(file: Path | str, format: str | None = None) -> AnswerSet:  # noqa: A002
    """Read a file of questions: JSON lines or JSON, plain or gzipped.

    Args:
        file: our own format ({"id","question","references","answerable","contexts"?: [{"id","text"}], …} a line), or
            one of the others in `FORMATS` as their authors publish them.
        format: its format; None or "auto" tells it from the first record that shows one.

    Raises:
        DocumentError: the file is missing or empty; fields are missing, of the wrong type or contradict others; an id
            occurs twice; records of several formats are mixed. One error tells all faults, each with its place.
        UserError: there is no such format.
    """
    if format not in (None, "auto", *FORMATS):
        raise UserError(f"There is no question format {format!r}. Choose one of: auto, {', '.join(FORMATS)}.")
    path, faults = Path(file), Faults()
    rows = _rows(path, faults)
    if not rows:
        faults.raise_any()
        raise DocumentError(f"{path} holds no question. Give one JSON object a line, or a JSON file.")
    given = None if format == "auto" else format
    name = given or next(filter(None, (guess(row.value) for row in rows)), "consilium")
    ids = Ids()
    examples: list[Example] = []
    for row in rows:
        other = None if given else guess(row.value)
        if other in (None, name):
            examples.extend(_LOADERS[name](row, ids))
        else:
            row.fault(f"is in the format {other!r}, but the file began as {name!r}. Keep one format a file.")
    faults.raise_any()
    if not examples:
        raise DocumentError(f"{path}, read as {name!r}, holds no question. Formats: {', '.join(FORMATS)}.")
    return AnswerSet(path.name, name, tuple(examples))


def guess(value: Mapping[str, Any]) -> str | None:
    """Return the format a record shows, None where it could be any."""
    keys = value.keys()
    if "financebench_id" in keys and "evidence" in keys and "references" not in keys:
        return "financebench"
    if "table" in keys and "questions" in keys:
        return "tatqa"
    if "QUESTION" in keys:
        return "pubmedqa"
    if "context_text" in keys and "qas" in keys:
        return "cmrc2018"
    if isinstance(value.get("paragraphs"), list):
        return "squad"
    if "question" in keys and ("references" in keys or "answerable" in keys):
        return "consilium"
    return "ragas" if ragas.shows(value) else None


def _rows(path: Path, faults: Faults) -> list[Row]:
    """Return the records of a file, of lines or of one JSON value."""
    lines = [(line, text) for line, text in text_lines(path) if text]
    if not lines:
        return []
    first = lines[0][1]
    if first[0] == "[" or len(lines) == 1 or not _is_json(first):
        whole = _whole(path, lines, faults)
        if whole is not None:
            return whole
    rows = []
    for line, text in lines:
        where = f"{path}:{line}"
        value = parsed(text, where, faults)
        if value is not None:
            rows.append(Row(value, where, faults))
    return rows


def _whole(path: Path, lines: list[tuple[int, str]], faults: Faults) -> list[Row] | None:
    """Return the records of a file that is one JSON value; None where it is rather lines."""
    text = "\n" * (lines[0][0] - 1) + "\n".join(text for _, text in lines)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if lines[0][1][0] == "[" or lines[0][1] == "{":
            line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            why = "nested too deep" if isinstance(error, RecursionError) else error
            faults.add(f"{path}{line}", f"not JSON: {why}.")
            return []
        return None
    for place in _not_numbers(value, ""):
        faults.add(f"{path}: {place}", "want a number or null, got NaN or an infinity.")
    try:
        load_json(text)
    except ValueError as error:
        if not len(faults):
            faults.add(str(path), f"not JSON: {error}.")
    if not isinstance(value, dict | list):
        faults.add(f"{path}:{lines[0][0]}", f"want a JSON object, got {type(value).__name__}.")
        return []
    return _unfolded(value, path, lines[0][0], faults)


def _unfolded(value: Any, path: Path, line: int, faults: Faults) -> list[Row]:
    """Return the records inside a JSON value: a list, a list under "data", or objects under ids (PubMedQA)."""
    items: list[tuple[str, Any]]
    if isinstance(value, list):
        items = [(f"[{i}]", item) for i, item in enumerate(value)]
    elif isinstance(value.get("data"), list):
        items = [(f"data[{i}]", item) for i, item in enumerate(value["data"])]
    elif value and all(isinstance(item, dict) and "QUESTION" in item for item in value.values()):
        items = [(key, {"PMID": key, **item}) for key, item in value.items()]
    else:
        return [Row(value, f"{path}:{line}", faults)]
    rows = []
    for place, item in items:
        if isinstance(item, dict):
            rows.append(Row(item, f"{path}: {place}", faults))
        else:
            faults.add(f"{path}: {place}", f"want an object, got {type(item).__name__}.")
    return rows


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _not_numbers(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_numbers(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _not_numbers(item, f"{path}[{number}]")
