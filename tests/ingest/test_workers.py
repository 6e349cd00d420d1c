"""What a file does to its reader stays that file's failure: it is named, and the next one is read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import ingest.workers as workers
from ingest.discover import Found
from ingest.pipeline import IngestOptions, ingest
from ingest.reader import Limits
from ingest.workers import Readers
from rag.errors import ConsiliumError, DocumentError

PAGE = "<html><body><p>Aspirin, 100 mg a day. 阿司匹林，每日100毫克。</p></body></html>"


@pytest.fixture
def parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a body of one's own in place of the library that reads HTML, in the workers alone."""

    def replace(body: str) -> None:
        folder = tmp_path / "shadow"
        folder.mkdir(exist_ok=True)
        (folder / "selectolax.py").write_text(body, "utf-8")
        monkeypatch.syspath_prepend(str(folder))

    return replace


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "a.html").write_text(PAGE, "utf-8")
    (folder / "b.txt").write_text("A note on warfarin.", "utf-8")
    (folder / "c.csv").write_text("drug,dose\n" + "".join(f"drug {i},{i} mg\n" for i in range(6000)), "utf-8")
    assert (folder / "c.csv").stat().st_size > 64_000  # read by a worker, too
    return folder


@pytest.mark.parametrize(
    ("body", "options", "reason"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", {}, "its reader crashed (SIGSEGV)"),
        ("import os\nos._exit(3)", {}, "its reader crashed (exit 3)"),
        ("while True: pass", {"file_seconds": 2.0}, "took longer than 2 seconds"),
        ("import time\ntime.sleep(60)", {"file_seconds": 2.0}, "took longer than 2 seconds"),
        ("x = bytearray(10**9)", {"memory_mb": 400}, "more than 400 MB of memory"),
        ("def f(): f()\nf()", {}, "nested too deeply"),
        ("1/0", {}, "ZeroDivisionError"),
        ("print('words' * 10_000)\n1/0", {}, "ZeroDivisionError"),  # what is printed is no answer
    ],
)
def test_one_file_fails_by_name_and_the_rest_is_read(
    library: Path, index: Any, parser: Any, body: str, options: dict[str, Any], reason: str
) -> None:
    parser(body)
    began = time.perf_counter()
    report = ingest([library], index, options=IngestOptions(workers=1, **options))
    assert time.perf_counter() - began < 30
    (failure,) = report.failed
    assert failure["source"] == f"{library}/a.html"
    assert reason in failure["reason"]
    assert len(failure["reason"]) > 40 or "Error" in failure["reason"]
    assert sorted(index.committed)[:2] == [f"{library}/b.txt", f"{library}/c.csv"]


def test_small_markdown_is_bounded_too(library: Path, index: Any, parser: Any, tmp_path: Path) -> None:
    parser("")
    (tmp_path / "shadow" / "markdown_it.py").write_text("while True: pass", "utf-8")
    (library / "a.md").write_text("# Warfarin 华法林", "utf-8")
    report = ingest([library / "a.md", library / "b.txt"], index, options=IngestOptions(workers=1, file_seconds=2.0))
    (failure,) = report.failed
    assert failure["source"] == f"{library}/a.md"
    assert "took longer than 2 seconds" in failure["reason"]
    assert sorted(index.committed) == [f"{library}/b.txt"]


def test_the_number_of_workers_changes_nothing(files: Path, library: Path, index: Any) -> None:
    found = []
    for count in (0, 1, 3):
        index.held.clear()
        index.added.clear()
        report = ingest([files, library], index, options=IngestOptions(workers=count))
        assert report.failed == []
        found.append((list(index.added), dict(index.held), report.chunks))
    assert found[0] == found[1] == found[2]
    assert len(found[0][0]) > 10


def test_what_is_read_ahead_is_bounded_and_complete(
    tmp_path: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "AHEAD_BYTES", 10_000)  # less than any document of these
    for number in range(6):
        text = "".join(f"Paragraph {i} of {number} says a thing about dosing.\n\n" for i in range(2000))
        (tmp_path / f"{number}.txt").write_text(text, "utf-8")
    report = ingest([tmp_path], index, options=IngestOptions(workers=2))
    assert (report.documents, report.failed) == (6, [])


def test_a_reading_that_is_let_go_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "AHEAD_BYTES", 1000)
    lines = "".join(f'{{"id": {i}, "text": "Record {i} of many."}}\n' for i in range(3000))
    (tmp_path / "a.jsonl").write_text(lines, "utf-8")
    (tmp_path / "b.html").write_text(PAGE, "utf-8")
    with Readers(1, Limits()) as readers:
        first, second = (readers.begin(Found(tmp_path / name, name)) for name in ("a.jsonl", "b.html"))
        assert next(iter(first)).document.source == "a.jsonl#0"  # type: ignore[union-attr]
        first.close()
        assert [item.document.source for item in second] == ["b.html"]  # type: ignore[union-attr]


def test_processes_end_with_the_ingest(library: Path, index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(index, "add", refuse)
    with pytest.raises(KeyboardInterrupt):
        ingest([library], index, options=IngestOptions(workers=2))
    assert [child for child in psutil.Process().children() if "ingest.reader" in " ".join(child.cmdline())] == []


def test_a_worker_outlives_its_asker_by_one_file_at_most(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(PAGE, "utf-8")
    (tmp_path / "selectolax.py").write_text("import time\ntime.sleep(60)", "utf-8")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom ingest.discover import Found\nfrom ingest.reader import Limits\n"
        "from ingest.workers import Readers\n"
        "readers = Readers(1, Limits(seconds=3))\n"
        "reading = readers.begin(Found(Path(sys.argv[1]) / 'a.html', 'a.html'))\n"
        "import psutil, time\n"
        "while not psutil.Process().children(): time.sleep(0.05)\n"
        "time.sleep(1); print(psutil.Process().children()[0].pid, flush=True); time.sleep(60)\n"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert asker.stdout is not None
    worker = psutil.Process(int(asker.stdout.readline()))
    asker.kill()
    asker.communicate()
    worker.wait(timeout=20)  # raises where it stays


def test_no_process_can_be_started(library: Path, index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConsiliumError, match="0 workers"):
        ingest([library], index, options=IngestOptions(workers=1))


def test_an_error_of_the_parser_is_told_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 broken")
    with Readers(1, Limits()) as readers, pytest.raises(DocumentError, match=r"^a\.pdf: "):
        list(readers.begin(Found(tmp_path / "a.pdf", "a.pdf")))
