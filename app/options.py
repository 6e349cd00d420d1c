"""What the commands share: their options, and how a result is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

Collection = Annotated[Optional[str], typer.Option("--collection", "-c", help="Name of the collection.")]  # noqa: UP045
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Domain = Annotated[Optional[str], typer.Option("--domain", help="medical, financial or general.")]  # noqa: UP045
Llm = Annotated[Optional[str], typer.Option("--llm", help="extractive, smollm2, a model folder or hub id.")]  # noqa: UP045
_WHERE = "KEY=VALUE, KEY>=VALUE, KEY!=VALUE, 'KEY in A,B'; again for more."
WhereOption = Annotated[list[str], typer.Option("--where", help=_WHERE)]
K = Annotated[Optional[int], typer.Option("-k", help="How many passages.", min=1)]  # noqa: UP045
Mode = Annotated[Optional[str], typer.Option("--mode", help="hybrid, lexical or dense.")]  # noqa: UP045
Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]


def show(value: Any, as_json: bool, words: str, *, flush: bool = False) -> None:
    """Print the JSON or the words, both on stdout; with `flush` at once, JSON on one line."""
    text = json.dumps(value, ensure_ascii=False, indent=None if flush else 2) if as_json else words
    sys.stdout.write(f"{text}\n")
    if flush:
        sys.stdout.flush()
