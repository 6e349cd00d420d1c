"""What an ingest tells on the way and at the end."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import IngestOptions, ingest
from ingest.report import Clock, Pace


def test_the_pace_is_told(files: Path, index: Any) -> None:
    told: list[Pace] = []
    ingest([files], index, options=IngestOptions(workers=0, pace=told.append))
    assert [pace.files for pace in told] == list(range(9))
    assert {pace.files_in_all for pace in told} == {8}
    assert (told[-1].documents, told[-1].chunks) == (9, len(index))
    assert told[-1].pages >= 10  # the PDF has two
    assert all(one.seconds <= other.seconds for one, other in pairwise(told))


def test_time_left_is_that_of_the_bytes_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, *[110.0] * 9])
    monkeypatch.setattr("ingest.report.time.perf_counter", lambda: next(now))
    clock = Clock()
    clock.begin([250, 500])
    clock.begin([250])
    assert clock.seconds_left is None
    clock.done(250)
    assert clock.seconds_left == 30.0  # a quarter took ten seconds


def test_a_folder_that_cannot_be_listed_keeps_what_came_from_it(
    files: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "closed").mkdir()
    (files / "closed" / "kept.txt").write_text("Kept.", "utf-8")
    (files / "gone.txt").write_text("Gone.", "utf-8")
    ingest([files], index, options=IngestOptions(workers=0))
    (files / "gone.txt").unlink()
    listed = os.scandir

    def refuse(folder: Path) -> Any:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr("ingest.discover.os.scandir", refuse)
    report = ingest([files], index, options=IngestOptions(workers=0, prune=True))
    assert report.deleted == 1
    assert [failure["source"] for failure in report.failed] == [f"{files}/closed"]
    assert f"{files}/closed/kept.txt" in index.committed
