"""A collection follows its folders: new, changed, moved, growing and deleted files."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.options import IngestOptions
from ingest.report import Report
from ingest.watch import watch
from rag.errors import LockedError
from rag.store import Collection
from rag.testing import FakeEmbedder

QUIET = 0.01  # seconds between two looks


def old(path: Path, text: str | None = None) -> Path:
    """Write a file, and let it look as if that were long ago."""
    if text is not None:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, "utf-8")
    os.utime(path, ns=(1_700_000_000_000_000_000, path.stat().st_mtime_ns % 1_700_000_000_000_000_000))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Callable[[], Any]:
    return lambda: Collection.open(tmp_path / "store", FakeEmbedder(64), writable=True, create=True)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    old(folder / "a.txt", "Aspirin, 100 mg a day.")
    old(folder / "sub" / "b.md", "# Warfarin\n\nThe INR is kept between 2 and 3.")
    old(folder / "c.jsonl", '{"id": 1, "text": "营业收入增长。"}\n{"id": 2, "text": "Net sales rose."}\n')
    return folder


def texts(store: Callable[[], Any]) -> dict[str, str]:
    with store() as index:
        return {Path(row["source"]).name: index.document(row["id"]).text for row in index.documents()}


def watching(library: Path, store: Callable[[], Any], **fields: Any) -> Iterator[Report]:
    return watch([library], store, interval=QUIET, options=IngestOptions(workers=0), **fields)


def test_new_changed_moved_and_deleted_files_are_followed(library: Path, store: Callable[[], Any]) -> None:
    reports = watching(library, store)
    assert next(reports).documents == 4
    assert set(texts(store)) == {"a.txt", "b.md", "c.jsonl#1", "c.jsonl#2"}

    old(library / "new.txt", "二甲双胍，每日500毫克。")
    report = next(reports)
    assert (report.documents, report.updated, report.deleted, report.failed) == (1, 0, 0, [])

    (library / "a.txt").write_text("Aspirin, 75 mg a day.", "utf-8")
    report = next(reports)
    assert (report.documents, report.updated) == (1, 1)
    assert texts(store)["a.txt"] == "Aspirin, 75 mg a day."

    (library / "sub" / "b.md").rename(library / "moved.md")
    report = next(reports)
    assert (report.documents, report.deleted) == (1, 1)
    assert {"moved.md"} == {name for name in texts(store) if name.endswith(".md")}

    (library / "c.jsonl").unlink()
    (library / "new.txt").unlink()
    assert next(reports).deleted == 3
    assert set(texts(store)) == {"a.txt", "moved.md"}
    with store() as index:
        assert "new.txt" not in {Path(p.source).name for p in index.retrieve("二甲双胍", 5)}
    reports.close()  # type: ignore[attr-defined]


def test_what_changed_while_nobody_watched_is_caught_up(library: Path, store: Callable[[], Any]) -> None:
    next(watching(library, store))
    (library / "a.txt").unlink()
    old(library / "d.txt", "Later.")
    report = next(watching(library, store))
    assert (report.documents, report.deleted, report.unchanged) == (1, 1, 3)


def test_a_growing_file_waits(library: Path, store: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    stop = threading.Event()

    def wait(_: float) -> bool:
        nonlocal looks
        looks += 1
        if looks <= 5:
            with (library / "log.txt").open("a", encoding="utf-8") as file:
                file.write(f"Line {looks} of a report that is being written.\n\n")
        return looks > 12

    monkeypatch.setattr(stop, "wait", wait)
    grown = list(watch([library], store, interval=3600, stop=stop, options=IngestOptions(workers=0)))
    assert [report.documents for report in grown] == [4, 1]  # read once, whole
    assert "Line 5" in texts(store)["log.txt"]


def test_a_folder_that_is_away_takes_nothing_along(library: Path, store: Callable[[], Any], tmp_path: Path) -> None:
    reports = watching(library, store)
    next(reports)
    library.rename(tmp_path / "unmounted")
    report = next(reports)
    assert (report.deleted, [failure["source"] for failure in report.failed]) == (0, [str(library)])
    assert len(texts(store)) == 4
    (tmp_path / "unmounted").rename(library)
    old(library / "e.txt", "Back again.")
    report = next(reports)
    assert (report.deleted, report.failed) == (0, [])
    assert len(texts(store)) == 5


def test_a_broken_file_is_told_once_and_tried_again_when_it_changes(library: Path, store: Callable[[], Any]) -> None:
    old(library / "x.pdf", "no PDF")
    reports = watching(library, store)
    assert len(next(reports).failed) == 1
    old(library / "f.txt", "Another.")
    assert next(reports).failed == []
    (library / "x.pdf").write_text("still no PDF", "utf-8")
    assert len(next(reports).failed) == 1


def test_a_locked_collection_is_waited_for(library: Path, store: Callable[[], Any]) -> None:
    locked = 3

    @contextlib.contextmanager
    def factory() -> Iterator[Any]:
        nonlocal locked
        locked -= 1
        if locked >= 0:
            raise LockedError("another process writes")
        with store() as index:
            yield index

    reports = watch([library], factory, interval=QUIET, options=IngestOptions(workers=0))
    assert next(reports).failed[0]["reason"] == "another process writes"
    assert next(reports).documents == 4  # told once, then done


def test_one_file_by_name_and_the_end(tmp_path: Path, library: Path, store: Callable[[], Any]) -> None:
    stop = threading.Event()
    reports = watch([library / "a.txt"], store, interval=QUIET, stop=stop, options=IngestOptions(workers=0))
    assert next(reports).documents == 1
    (library / "a.txt").unlink()
    assert next(reports).deleted == 1
    assert texts(store) == {}
    stop.set()
    assert list(reports) == []


def test_a_side_file_that_changes_alone_is_noticed(library: Path, store: Callable[[], Any]) -> None:
    reports = watching(library, store)
    assert next(reports).documents == 4
    side = old(library / "a.txt.meta.json", '{"organisation": "某某医院"}')
    report = next(reports)
    assert (report.documents, report.updated) == (1, 1)

    def organisation() -> Any:
        with store() as index:
            row = next(row for row in index.documents() if row["source"].endswith("a.txt"))
            return index.document(row["id"]).metadata.get("organisation")

    assert organisation() == "某某医院"
    side.unlink()
    assert next(reports).updated == 1
    assert organisation() is None
