"""Runs commands as processes of their own and measures them; prints tables; writes results.

Peak memory is the larger of what the system kept for the process (`ru_maxrss`) and the largest sum over the process
and its children as sampled every 100 ms. Pages shared between processes count once for each: never too low.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from eval.stamp import RunOptions, stamp

ROOT = Path(__file__).parents[1]
_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: wall seconds from start to exit, CPU seconds, peak memory in MB, what it printed."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    stdout: str
    stderr: str

    def as_json(self) -> dict[str, float]:
        """Return the three numbers."""
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "peak_mb": self.peak_mb}


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command from the root of the checkout and measure it.

    Raises:
        RuntimeError: it failed; the end of its stderr is in the message.
    """
    settings = {**os.environ, "HF_HUB_OFFLINE": "1", **(environment or {})}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT, env=settings)
        sampled = _Peak(process.pid)
        sampled.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        sampled.done.set()
        sampled.join()
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    if process.returncode:
        raise RuntimeError(f"{shlex.join(command[:6])} ... exited with {process.returncode}: {stderr[-2000:]}")
    peak = max(usage.ru_maxrss * 1024, sampled.bytes) / 1e6
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak, stdout, stderr)


class _Peak(threading.Thread):
    """Samples the memory of a process and its children until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.bytes, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self.done.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, _resident(self.pid))


def _resident(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.Error:  # it ended while we looked
        return total
    return total


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this Python."""
    return [sys.executable, "-m", module, *arguments]


def middle(values: Sequence[float]) -> dict[str, Any]:
    """Return median, lowest, highest and all values."""
    rounded = [round(value, 4) for value in values]
    return {"median": round(statistics.median(values), 4), "low": min(rounded), "high": max(rounded), "all": rounded}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(out: Path | None, name: str, results: dict[str, Any], shown: str) -> None:
    """Print the table; write results with command, commit, versions, machine and date to OUT/NAME.json."""
    command = shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])
    stamped = {**results, **stamp(RunOptions(command=command)), "processor": processor()}
    print(shown)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps(stamped, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"\n{out / name}.json")


def processor() -> str:
    """Return the name of the processor, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return "unknown"
    named = (line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name"))
    return next(named, "unknown")


def data_folder(given: Path | None) -> Path:
    """Return the folder of evaluation data: as given, `$CONSILIUM_DATA`, or `shared/data` beside the checkout."""
    found = given or Path(os.environ.get("CONSILIUM_DATA", ROOT.parent / "shared" / "data"))
    if not found.is_dir():
        raise SystemExit(f"evaluation data is not here ({found}): name its folder by --data or CONSILIUM_DATA")
    return found
