"""Side files: what is known of a file that does not stand in it, in `NAME.meta.json` beside `NAME`.

Connectors write them, and so may anybody: a JSON object whose plain values (text, number, true or false; a list of
these is joined by "; ") become metadata of every document of the file. They win over what the file says of itself.
`title` becomes the title. Nested objects are left alone: connectors keep there when and whence they fetched the file.
A side file is never ingested as a document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.errors import DocumentError
from rag.schema import Document, Scalar, content_id

if TYPE_CHECKING:
    from ingest.parsers.blocks import Parsed

SUFFIX: Final = ".meta.json"
MOST_BYTES: Final = 1_000_000
MOST_CHARACTERS: Final = 4_000
"""Of one value."""
_OWN: Final = ("format",)  # what the parser alone knows
_DERIVED: Final = ("series", "version_date", "version_number")


def side_of(path: Path) -> Path:
    """Return where the side file of a file lies."""
    return path.with_name(path.name + SUFFIX)


def is_side(name: str) -> bool:
    """Tell whether a file of this name is a side file."""
    return name.endswith(SUFFIX)


def load_side(path: Path) -> dict[str, Any]:
    """Return all that the side file of a file holds; {} where there is none.

    Raises:
        DocumentError: it is no JSON object, or has more than 1 MB.
    """
    side = side_of(path)
    try:
        if side.stat().st_size > MOST_BYTES:
            raise DocumentError(f"{side}: a side file of more than {MOST_BYTES:,} bytes. Keep only metadata in it.")
        found = json.loads(side.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise DocumentError(f"{side}: the side file cannot be read ({error}). Correct it, or delete it.") from error
    if not isinstance(found, dict):
        raise DocumentError(f"{side}: a side file holds one JSON object, got {type(found).__name__}. Correct it.")
    return found


def read_side(path: Path) -> dict[str, Scalar]:
    """Return the metadata the side file of a file declares; {} where there is none.

    Raises:
        DocumentError: as `load_side`, or a value has more than 4,000 characters.
    """
    fields: dict[str, Scalar] = {}
    for key, value in load_side(path).items():
        plain = _plain(value)
        if plain in (None, "") or key in _OWN:
            continue
        if isinstance(plain, str) and len(plain) > MOST_CHARACTERS:
            raise DocumentError(
                f"{side_of(path)}: {key!r} has {len(plain):,} characters, at most {MOST_CHARACTERS:,} are kept. "
                "Shorten it."
            )
        fields[key] = plain
    return fields


def side_print(path: Path) -> str:
    """Return a fingerprint of what `read_side` gives, "" where there is none: when it changes, the file is read anew.

    A side file that cannot be read has a fingerprint of its own; reading the file will name what is wrong.
    """
    try:
        fields = read_side(path)
    except DocumentError as error:
        return content_id("broken side file", str(error))
    return content_id(json.dumps(fields, sort_keys=True)) if fields else ""


def beside(parsed: Parsed, side: Mapping[str, Scalar]) -> Parsed:
    """Return a document with the metadata of its side file, which win key by key; what follows from them is found anew.

    The title is that of the file, so parts of it ("mail.jsonl#3") keep their own.
    """
    from ingest.facts import find_facts

    document = parsed.document
    title = str(side["title"]) if "title" in side and "#" not in document.source else document.title
    kept = {key: value for key, value in document.metadata.items() if key not in _DERIVED}
    given = {**kept, **{key: value for key, value in side.items() if key != "title"}}
    metadata = {**given, **find_facts(document.text, document.source, title, document.language, given)}
    changed = Document.of(document.text, document.source, title=title[:200], metadata=metadata)
    return replace(parsed, document=replace(document, id=changed.id, title=changed.title, metadata=metadata))


def _plain(value: object) -> Scalar:
    """Return a value as metadata holds it, None for what it does not hold."""
    if isinstance(value, list):
        parts = [_plain(part) for part in value if not isinstance(part, list)]
        return "; ".join(str(part) for part in parts if part not in (None, ""))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float) else None
