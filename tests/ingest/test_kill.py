"""An ingest that is killed at any instant is taken up again, and the store equals that of an undisturbed run."""

from __future__ import annotations

import pytest

from benchmarks.kill import kill


@pytest.mark.slow
def test_killed_ingests_come_to_the_store_of_an_undisturbed_one() -> None:
    found = kill(5, seed=22)
    assert found["kills"] == 5
    assert found["differences"] == []
    assert found["sources"]["filled"] > 600  # the comparison was of something
    assert found["sources"]["filled"] > found["sources"]["followed"] > 600  # what has gone was deleted
    assert min(found["chunks"].values()) > 900
