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
from rag.schema import Metadata, content_id


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How files are read. `count_tokens` is the embedder's own count; None estimates.

    Sources are paths below `base` for files that lie there, else absolute paths. `workers` is the number of processes
    that read, None for a quarter of the cores (at least one), 0 for none: then a file may take what it likes.
    `file_seconds` and `memory_mb` bound the reading of one file in a worker: half as many seconds again are given for
    each megabyte of the file, and more for signs of life (`ingest.pulse`). `pace` is told how fast it goes.
    With the engine "ray" the workers are actors of Ray, on many machines (`ingest.ray_engine`).
    With `ocr` = "off" no page is read by tesseract.

    `deidentify` takes persons out of what is stored ("pseudonym" wants a `vault`). With `duplicates` = "skip" one
    whose text another source holds, word for word or with at least `likeness` of its words, is told and left out.
    With `boilerplate` = "drop" lines about printing, copying and rights are left out of the chunks.
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
    ocr: Literal["auto", "off"] = "auto"
    duplicates: Literal["skip", "keep"] = "skip"
    likeness: float = 0.9
    boilerplate: Literal["keep", "drop"] = "keep"

    @property
    def identity(self) -> str:
        """What makes the same bytes give other chunks."""
        hidden = identity(self.deidentify, self.vault)
        own = "own" if self.count_tokens else "estimate"
        dropped = "drop" if self.boilerplate == "drop" else ""
        return "|".join(part for part in (VERSION, str(self.max_tokens), own, hidden, dropped) if part)

    @property
    def reads_pictures(self) -> bool:
        """Whether pages without text can be read: tesseract is installed and allowed."""
        return self.ocr == "auto" and shutil.which("tesseract") is not None

    def eyes(self, metadata: Metadata) -> set[str]:
        """Return what a document owes to tesseract: "ocr" where it read pages, "blind" where it could not."""
        missed = metadata.get("pages_without_text") or metadata.get("pages_unreadable")
        read = {"ocr"} if metadata.get("pages_by_ocr") else set()
        return read | ({"blind"} if missed and not self.reads_pictures else set())

    def seen_with(self, fingerprint: str, eyes: set[str]) -> str:
        """Return the fingerprint of a file by what its documents owe to tesseract."""
        return content_id(fingerprint, *sorted(eyes)) if eyes else fingerprint

    def prints(self, fingerprint: str) -> list[str]:
        """Return the fingerprints under which a file counts as read: scans not, once tesseract is there to read them.

        What tesseract read stays while tesseract is away, and goes when it is not to be used.
        """
        ways = [{"ocr"}] if self.ocr == "auto" else []
        ways += [] if self.reads_pictures else [{"blind"}]
        return [fingerprint, *(self.seen_with(fingerprint, way) for way in ways)]
