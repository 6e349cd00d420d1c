"""A metadata filter as an expression of Milvus over the chunks of a collection; it means what `rag.where` says.

Each chunk carries `facets`: under "m" the metadata of its document with its own laid over it, under "b" the built-in
names. Values and keys are written as quoted literals, so that nothing in them can end one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from rag.errors import UserError
from rag.schema import Scalar, Where
from rag.where import _forms as forms

BUILT_IN = ("language", "title", "doc_id", "page", "kind")


def expression(where: Where, docs_of: Callable[[Sequence[str]], Sequence[str]]) -> str:
    """Return the expression, "" for a filter that lets everything through.

    Args:
        where: the filter.
        docs_of: from sources to the documents that they hold.

    Raises:
        UserError: a key that cannot be looked up.
    """
    terms: list[str] = []
    for key, wanted in where.items():
        if not key or '"' in key or "\0" in key:
            raise UserError(f"where: {key!r} cannot be a key. Use the name of a metadata field, such as year=2022.")
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Sequence) else list(wanted)
        either = _equal(f'facets["m"][{quoted(key)}]', values)
        if key in BUILT_IN:
            either += _equal(f'facets["b"][{quoted(key)}]', [value for value in values if value is not None])
        if key == "source":
            docs = docs_of([str(value) for value in values if value is not None])
            either += [among("doc", docs)] if docs else []
        terms.append(f"({' or '.join(either)})" if either else "born < 0")
    return " and ".join(terms)


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
