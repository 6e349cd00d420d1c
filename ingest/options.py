"""How files are read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.chunk import CountTokens
from ingest.deidentify import Mode, Vault, identity
from ingest.parsers import VERSION
from ingest.report import Pace


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How files are read. `count_tokens` is the embedder's own count; None estimates.

    Sources are paths below `base` for files that lie there, else absolute paths. `workers` is the number of processes
    that read, None for a quarter of the cores (at least one), 0 for none: then a file may take what it likes.
    `file_seconds` and `memory_mb` bound the reading of one file in a worker: half as many seconds again are given for
    each megabyte of the file, and more for signs of life (`ingest.pulse`). `pace` is told how fast it goes.
    With the engine "ray" the workers are actors of Ray, on many machines (`ingest.ray_engine`).

    `deidentify` takes persons out of what is stored ("pseudonym" wants a `vault`). With `duplicates` = "skip" one
    whose text another source holds, word for word or with at least `likeness` of its words, is told and left out.
    """

    max_tokens: int = 200
    max_file_mb: int = 100
    count_tokens: CountTokens | None = None
    prune: bool = False
    base: Path | None = None
    workers: int | None = None
    file_seconds: float = 20.0
    memory_mb: int = 1000
    engine: Literal["local", "ray"] = "local"
    pace: Callable[[Pace], object] | None = None
    deidentify: Mode = "off"
    vault: Vault | None = None
    duplicates: Literal["skip", "keep"] = "keep"
    likeness: float = 0.9

    @property
    def identity(self) -> str:
        """What makes the same bytes give other chunks; tesseract too, so that scans are read once it is installed."""
        hidden = identity(self.deidentify, self.vault)
        own = "own" if self.count_tokens else "estimate"
        parts = (VERSION, str(self.max_tokens), own, hidden, "ocr" if shutil.which("tesseract") else "")
        return "|".join(part for part in parts if part)
