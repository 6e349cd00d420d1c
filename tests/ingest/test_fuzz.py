"""A seeded handful of the files of `benchmarks.fuzz`: each is read or named, and what is held is sound."""

from __future__ import annotations

import pytest

from benchmarks.fuzz import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_files_as_they_must_not_be(seed: int) -> None:
    found = fuzz(30, seed, only=12)
    assert sum(counts["files"] for counts in found["kinds"].values()) == 30
    assert found["silent"] == []  # neither read nor named
    assert found["unforeseen"] == []  # named in words that nobody wrote for a reader
    assert found["unsound"] == []
    assert found["answers"] > 0
    assert max(found["slowest"])[0] < 60  # 20 s a file of this size, on a machine that may be busy
    memory = found["memory_mb"]
    assert memory["together"] - memory["before"] < 1500  # beyond what the tests before this one hold
