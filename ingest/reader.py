"""The body of a process that reads files for another one (`ingest.workers`): asked on standard input, one at a time.

Answers are frames: a kind, a length, and a pickle or words. It bounds itself by the system's means, so that nothing it
reads has to cooperate: an alarm whose signal ends the process, and RLIMIT_AS, at which allocations fail.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ingest.parsers.eyes import open_eyes
from ingest.pulse import extend_by

READY, ITEM, FAILED, DONE = b"r", b"i", b"f", b"d"
LAST = {FAILED: b"F", DONE: b"D"}
"""The same, from a process that ends with it: it has grown, and a new one is to take over."""
MOST_BYTES: Final = 256_000_000
"""Of one document, packed."""
_HEAD = struct.Struct("<cQ")


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take: seconds, half as many again for each megabyte of it, and megabytes of memory.

    With `ocr` tesseract may be asked.
    """

    seconds: float = 20.0
    memory_mb: int = 1000
    ocr: bool = True

    def seconds_for(self, size: int) -> float:
        """Return the seconds for a file of so many bytes, before it gives signs of life (`ingest.pulse`)."""
        return self.seconds * (1 + size / 2e6)


def send(stream: IO[bytes], kind: bytes, data: bytes = b"") -> None:
    """Write one frame."""
    stream.write(_HEAD.pack(kind, len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Read one frame; empty bytes for both where the other side has ended."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return b"", b""
    kind, length = _HEAD.unpack(head)
    data = stream.read(length)
    return (kind, data) if len(data) == length else (b"", b"")


def serve() -> None:
    """Read files until nobody asks any more."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # what a library prints must not get among the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    limits: Limits = pickle.load(asked)
    open_eyes(limits.ocr)
    gc.set_threshold(100_000, 20, 20)  # what is read is mostly kept: looking for waste takes a third of the time
    start = _address_space()
    _bound_memory(start + limits.memory_mb * 1_000_000)
    extend_by(_extend)
    with contextlib.suppress(BrokenPipeError, EOFError):
        send(answers, READY)
        while True:
            path, source = pickle.load(asked)
            kind, words = _answer(Path(path), source, limits, answers)
            grown = _address_space() - start > limits.memory_mb * 500_000
            send(answers, LAST[kind] if grown else kind, words.encode("utf-8", "backslashreplace"))
            if grown:
                return


def _answer(path: Path, source: str, limits: Limits, answers: IO[bytes]) -> tuple[bytes, str]:
    """Read one file and send its documents; return how it ended, and in which words."""
    from ingest.parsers import read
    from ingest.report import reason_of

    try:
        _alarm(limits.seconds_for(path.stat().st_size))
        for item in read(path, source):
            packed = pickle.dumps(item, protocol=5)
            if len(packed) > MOST_BYTES:
                return (
                    FAILED,
                    f"one document of it takes {len(packed):,} bytes, at most {MOST_BYTES:,} are read. Split it.",
                )
            left = _alarm(0)  # whoever asks may take its time
            send(answers, ITEM, packed)
            _alarm(max(left, 0.01))
    except BrokenPipeError:
        raise
    except MemoryError:
        return FAILED, (
            f"reading it takes more than {limits.memory_mb:,} MB of memory. The file is broken, or larger than it "
            "looks. Split it, or allow more by ingest.memory_mb."
        )
    except Exception as error:
        return FAILED, reason_of(error)
    finally:
        _alarm(0)
    return DONE, ""


def _alarm(seconds: float) -> float:
    """End this process in so many seconds, never where 0; return what was left of the time before."""
    if not hasattr(signal, "setitimer"):
        return 0.0
    return signal.setitimer(signal.ITIMER_REAL, seconds)[0]


def _extend(seconds: float) -> None:
    left = _alarm(0)
    _alarm(max(left, seconds))


def _address_space() -> int:
    """Return the bytes of address space in use, 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _bound_memory(most: int) -> None:
    """Let allocations above so many bytes of address space fail, and a crash write no core file."""
    if sys.platform == "win32":
        return
    import resource

    for what, limit in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # the system allows less already
            resource.setrlimit(what, (limit, limit))
