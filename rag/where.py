"""A metadata filter as SQL over the chunks (`c`) of a collection.

A key is looked for among the built-in names and in the metadata, the chunk's own before the document's; every key must
match, with any of its values. Numbers and strings that spell them are equal: 2022, 2022.0 and "2022". A key that
nothing has matches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rag.errors import UserError
from rag.schema import Scalar, Where

_OF_DOCUMENT: Final = {"language": "language", "title": "title", "doc_id": "id"}
_OF_CHUNK: Final = {"page": "c.page", "kind": "c.kind"}


def condition(where: Where) -> tuple[str, list[Scalar]]:
    """Return the SQL condition and its parameters.

    Raises:
        UserError: a key that cannot be looked up.
    """
    terms: list[str] = []
    parameters: list[Scalar] = []
    for key, wanted in where.items():
        if not key or '"' in key or "\0" in key:
            raise UserError(f"where: {key!r} cannot be a key. Use the name of a metadata field, such as year=2022.")
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Sequence) else list(wanted)
        term, bound = _term(key, values)
        terms.append(term)
        parameters.extend(bound)
    return " AND ".join(terms) or "1", parameters


def _term(key: str, values: list[Scalar]) -> tuple[str, list[Scalar]]:
    forms = list(dict.fromkeys((type(form), form) for value in values for form in _forms(value)))
    bound: list[Scalar] = [form for _, form in forms]
    marks = ",".join("?" * len(bound))
    either = " OR metadata ->> ? IS NULL" if None in values else ""
    documents, found = f"metadata ->> ? IN ({marks}){either}", [key, *bound, *([key] if either else [])]
    if key in _OF_DOCUMENT:
        documents, found = f"{documents} OR {_OF_DOCUMENT[key]} IN ({marks})", [*found, *bound]
    if key == "source":
        documents = f"{documents} OR number IN (SELECT document FROM sources WHERE source IN ({marks}))"
        found = [*found, *bound]
    own = "c.metadata IS NOT NULL AND c.metadata ->> ? IS NOT NULL"
    term = f"CASE WHEN {own} THEN c.metadata ->> ? IN ({marks}) "
    term += f"ELSE c.document IN (SELECT number FROM documents WHERE {documents}) END"
    parameters = [key, key, *bound, *found]
    if key in _OF_CHUNK:
        return f"({_OF_CHUNK[key]} IN ({marks}) OR {term})", [*bound, *parameters]
    return f"({term})", parameters


def _forms(value: Scalar) -> list[Scalar]:
    """Return all ways the value may have been stored."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [int(value), str(value).lower()]
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode()
        number = _number(text)
        truth: list[Scalar] = [int(text.lower() == "true")] if text.lower() in {"true", "false"} else []
        return [text, *truth] if number is None else [text, number, *_spellings(number)]
    return [_fitting(value), *_spellings(value)]


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return _fitting(int(number) if number.is_integer() else number)


def _fitting(number: int | float) -> int | float:
    """SQLite's integers have 64 bits; a larger one is compared as a float."""
    return float(number) if isinstance(number, int) and not -(2**63) <= number < 2**63 else number


def _spellings(number: int | float) -> list[Scalar]:
    whole = isinstance(number, int) or number.is_integer()
    return [str(int(number)), f"{int(number)}.0"] if whole and math.isfinite(number) else [repr(number)]
