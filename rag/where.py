"""A metadata filter: keys, operators and values, and the SQL that finds their runs of rows among the `tags`.

A key is looked for among the built-in names (language, title, kind, page, source, doc_id) and in the metadata, the
chunk's own before the document's; every key must match, with any of its values. Numbers and strings that spell them are
equal: 2022, 2022.0 and "2022". A key that nothing has matches nothing.

A key may end in an operator: `{"year>=": 2020, "published<": "2023-01-01", "language!=": "zh"}`. Numbers are compared
as numbers; everything else as text, as far as what is asked for goes: 2022-05-31 is neither > nor < 2022.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from rag.errors import UserError
from rag.schema import Scalar, Where

OPERATORS: Final = ("=", "!=", ">=", "<=", ">", "<")
_KEY: Final = re.compile(r"(?s)(.*?)\s*(!=|>=|<=|[<>=])?")
_PAIR: Final = re.compile(r"(?s)\s*([^<>=!]*[^<>=!\s])\s*(!=|>=|<=|==?|[<>]|(?<=\s)in(?=\s))(.*)")
_DATES: Final = "GLOB '[0-9][0-9][0-9][0-9]-*'"


class Condition(NamedTuple):
    """One key of a filter with its operator and values."""

    key: str
    operator: str
    values: tuple[Scalar, ...]


def conditions(where: Where) -> list[Condition]:
    """Return what a filter asks, key by key.

    Raises:
        UserError: a key that cannot be looked up, or a value that cannot be compared.
    """
    found: list[Condition] = []
    for text, wanted in where.items():
        matched = _KEY.fullmatch(text)
        key, operator = (matched[1], matched[2] or "=") if matched else ("", "")
        if not key or '"' in key or "\0" in key:
            raise UserError(f"where: {text!r} cannot be a key. Use the name of a metadata field, such as year=2022.")
        values = (wanted,) if isinstance(wanted, str) or not isinstance(wanted, Sequence) else tuple(wanted)
        if operator not in {"=", "!="} and (len(values) != 1 or values[0] is None or isinstance(values[0], bool)):
            raise UserError(f"where: {key} {operator} wants one number, date or text, got {wanted!r}.")
        found.append(Condition(key, operator, values))
    return found


def parse_where(pairs: Sequence[str]) -> Where:
    """Return the filter that is spelled out: "year>=2020", "published<2023-01-01", "tag in a,b", "year=2021,2022".

    The same key with the same operator again means one more value of `=` and `!=`.

    Raises:
        UserError: one has no key, no value, or an operator there is not.
    """
    where: dict[str, list[Scalar]] = {}
    for pair in pairs:
        matched = _PAIR.fullmatch(pair)
        values = [part.strip() for part in matched[3].split(",") if part.strip()] if matched else []
        if not matched or not values:
            raise UserError(
                f"--where wants KEY, an operator ({' '.join(OPERATORS)} or in) and VALUE, got {pair!r}. For example: "
                "--where year=2022 --where 'published>=2023-01-01' --where 'language in en,zh'"
            )
        operator = {"in": "", "=": "", "==": ""}.get(matched[2], matched[2])
        where.setdefault(matched[1] + operator, []).extend(values)
    return {key: values[0] if len(values) == 1 else values for key, values in where.items()}


def matching(condition: Condition) -> tuple[str, list[Scalar]]:
    """Return the SQL condition on `value` of the tags that a condition accepts, and its parameters.

    "!=" is the same as "=": whoever asks turns it round.
    """
    if condition.operator in {"=", "!="}:
        wanted = dict.fromkeys((type(form), form) for value in condition.values for form in forms(value))
        return f"value IN ({','.join('?' * len(wanted))})", [form for _, form in wanted]
    value, sign = condition.values[0], condition.operator
    text = str(value).encode("utf-8", "replace").decode()
    number = _number(text)
    as_text = f"substr(value, 1, {len(text)}) {sign} ?"
    if number is None:
        return as_text, [text]
    numeric = "typeof(value) <> 'text' OR (value GLOB '*[0-9]*' AND value NOT GLOB '*[^0-9.+-]*')"
    return (
        f"CASE WHEN typeof(value) = 'text' AND value {_DATES} THEN {as_text} "
        f"WHEN {numeric} THEN CAST(value AS REAL) {sign} ? ELSE 0 END",
        [text, number],
    )


def forms(value: Scalar) -> list[Scalar]:
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
