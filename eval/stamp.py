"""What a run was: its command, code, settings, libraries and machine; and files written whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from eval.bootstrap import RESAMPLES
from rag.errors import StoreError, UserError

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done)."""

PACKAGES = (
    *("consilium", "numpy", "faiss-cpu", "tantivy", "onnxruntime", "tokenizers"),
    *("torch", "transformers", "sentence-transformers"),
    *("rouge-score", "sacrebleu", "ir-measures", "rjieba", "sentencex"),
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What goes around a measurement and must not change its figures, apart from `seed` and `resamples`.

    Args:
        command: how to make the run again; None: the command line of this process.
        settings_hash: stamp of the settings in force; an interrupted run resumes only under the same one.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        progress: called as work goes on; None: silence.
        cache: folder that may keep indexed corpora from run to run; None: index anew, in a temporary folder.
        other_modes: legs to measure beside the chosen one.
        cards: model cards (files or folders) of the adapters in use; the run is refused on what they were trained on.
        allow_seen: report such a run all the same, marked.
        warn: told what a person should know before the run goes on; None: the results alone say it.
    """

    command: str | None = None
    settings_hash: str = ""
    seed: int = 0
    resamples: int = RESAMPLES
    progress: Progress | None = None
    cache: Path | None = None
    other_modes: tuple[str, ...] = ()
    cards: tuple[Path, ...] = ()
    allow_seen: bool = False
    warn: Callable[[str], None] | None = None

    def say(self, words: str) -> None:
        """Warn, if anybody listens."""
        if self.warn is not None:
            self.warn(words)

    def tell(self, what: str, done: int, total: int) -> None:
        """Report progress, if anybody listens."""
        if self.progress is not None:
            self.progress(done, total, what)


def stamp(options: RunOptions) -> dict[str, Any]:
    """Return command, git, settings_hash, versions, hardware, seed, resamples and date (UTC) of a run."""
    machine = f"{platform.machine()}, {os.cpu_count()} CPU, {platform.system()}"
    return {
        "command": options.command or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "git": git_version(Path.cwd()),
        "settings_hash": options.settings_hash,
        "versions": versions(),
        "hardware": f"{machine}, Python {platform.python_version()}",
        "seed": options.seed,
        "resamples": options.resamples,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_version(folder: Path) -> str | None:
    """Return the commit of a checkout, 12 hex digits, with "-dirty" where files differ; None outside of one."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Return the versions of the packages that figures depend on, those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def percentiles(seconds: Sequence[float]) -> dict[str, float | int | None]:
    """Return {"p50", "p95", "mean", "n"} of durations in seconds, rounded to microseconds; None without any."""
    if not seconds:
        return {"p50": None, "p95": None, "mean": None, "n": 0}
    p50, p95 = np.percentile(seconds, [50, 95])
    mean = float(np.mean(seconds))
    return {"p50": round(float(p50), 6), "p95": round(float(p95), 6), "mean": round(mean, 6), "n": len(seconds)}


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    write_bytes(path, text.encode("utf-8", "replace"))


def check_folder(folder: Path) -> None:
    """Make a folder that can be written to, before work is put into what shall stand there.

    Raises:
        UserError: it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be a folder: {error}. Give a folder that can be written to.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{folder} cannot be written to. Give another folder, or change its permissions.")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        UserError: its folder cannot be made or written to.
        StoreError: the disk refused.
    """
    check_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}. Make room, or give another place.") from error
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as JSON that people can read."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as JSON lines, gzipped where the name ends in .gz."""
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    data = text.encode("utf-8", "replace")
    write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
