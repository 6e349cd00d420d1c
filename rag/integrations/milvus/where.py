"""A metadata filter as an expression of Milvus over the chunks of a collection; it means what `rag.where` says.

Each chunk carries `facets`: under "m" the metadata of its document with its own laid over it, under "n" what of it
reads as a number, under "d" what begins like a date, under "s" the single values of a key that may hold several, under
"b" the built-in names. Values and keys are written as
quoted literals, so that nothing in them can end one. Only numbers that are stored as numbers are not compared with
text: a `year` of 2022 is neither before nor after "2022-05".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rag.schema import Scalar, Where
from rag.tags import OF_SEVERAL, parts_of
from rag.where import Condition, conditions, forms

BUILT_IN: Final = ("language", "title", "doc_id", "page", "kind")
_NUMBER: Final = re.compile(r"[0-9.+-]*[0-9][0-9.+-]*")
_DATE: Final = re.compile(r"[0-9]{4}-.*", re.DOTALL)
_LAST: Final = "\U0010ffff"
"""Comes after every other character: what begins with a text comes before that text with it."""


def facets(metadata: Mapping[str, Scalar], built_in: Mapping[str, Scalar]) -> dict[str, dict[str, Any]]:
    """Return what filters look at."""
    numbers = {key: _number(value) for key, value in metadata.items()}
    dates = {key: value for key, value in metadata.items() if isinstance(value, str) and _DATE.fullmatch(value)}
    read = {key: number for key, number in numbers.items() if number is not None}
    several = {
        key: {part: True for part in parts} for key, value in metadata.items() if (parts := parts_of(key, value))
    }
    return {"m": dict(metadata), "n": read, "d": dates, "s": several, "b": dict(built_in)}


def expression(where: Where, docs_of: Callable[[Sequence[str]], Sequence[str]]) -> str:
    """Return the expression, "" for a filter that lets everything through.

    Args:
        where: the filter.
        docs_of: from sources to the documents that they hold.

    Raises:
        UserError: a key that cannot be looked up, or a value that cannot be compared.
    """
    terms: list[str] = []
    for condition in conditions(where):
        if condition.operator in ("=", "!="):
            terms.append(_membership(condition, docs_of))
        else:
            terms.append(_range(condition))
    return " and ".join(terms)


def _membership(condition: Condition, docs_of: Callable[[Sequence[str]], Sequence[str]]) -> str:
    key, operator, values = condition
    turned = operator == "!="
    told = [value for value in values if value is not None]
    paths: list[tuple[str, Sequence[Scalar]]] = [(_path("m", key), list(values))] + (
        [(_path("b", key), told)] if key in BUILT_IN else []
    )
    if key in OF_SEVERAL:
        parts = dict.fromkeys(form for value in told for form in forms(value) if isinstance(form, str))
        paths += [(f"{_path('s', key)}[{quoted(part)}]", [True]) for part in parts]
    either = [_turned(path, _equal(path, among_them), turned) for path, among_them in paths]
    if key == "source":
        docs = docs_of([str(value) for value in told])
        held = among("doc", docs) if docs else "born < 0"
        either.append(f"not ({held})" if turned else held)
    return f"({(' and ' if turned else ' or ').join(either)})"


def _turned(path: str, equal: Sequence[str], turned: bool) -> str:
    any_of = " or ".join(equal) or "born < 0"
    return f"({path} is null or not ({any_of}))" if turned else any_of


def _range(condition: Condition) -> str:
    key, sign, (value, *_) = condition
    number, text = _number(value), str(value)
    edge = quoted(text + _LAST if sign in (">", "<=") else text)
    either: list[str] = []
    if number is None:
        either.append(f"{_path('m', key)} {sign} {edge}")
    else:
        either += [f"{_path('n', key)} {sign} {json.dumps(number)}", f"{_path('d', key)} {sign} {edge}"]
    if key in BUILT_IN:
        either.append(f"{_path('b', key)} {sign} {edge if number is None else json.dumps(number)}")
    return f"({' or '.join(either)})"


def _path(part: str, key: str) -> str:
    return f'facets["{part}"][{quoted(key)}]'


def _number(value: Scalar) -> int | float | None:
    """Return a value as a number where it is one, or is written as one."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    if value is None or isinstance(value, bool) or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**63 else float(value)


def among(field: str, values: Sequence[str]) -> str:
    """Return the expression for a field of text that must hold one of the values."""
    return f"{field} in [{', '.join(map(quoted, values))}]"


def quoted(text: str) -> str:
    """Return a literal of Milvus for a text: double quotes, with the few escapes that every version knows."""
    text = text.encode("utf-8", "replace").decode()
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(sign, escaped)
    return f'"{text}"'


def _equal(path: str, values: Sequence[Scalar]) -> list[str]:
    """Return one comparison a form a value may have been stored in; nothing that is stored is infinite."""
    found: list[str] = [f"{path} is null"] if None in values else []
    for form in (form for value in values for form in forms(value)):
        if isinstance(form, str):
            found.append(f"{path} == {quoted(form)}")
        elif form is not None and math.isfinite(form):
            found.append(f"{path} == {json.dumps(form)}")
            found += [f"{path} == {'true' if form else 'false'}"] if form in (0, 1) else []
    return list(dict.fromkeys(found))
