"""Ray as the engine: the same documents in the same order, failures by name; skipped where Ray is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.options import IngestOptions
from ingest.pipeline import ingest

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("default"),  # those of Ray are its own
]


@pytest.fixture
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


def test_ray_reads_the_same(files: Path, index: Any, cluster: None) -> None:
    (files / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    found = []
    for engine in ("local", "ray"):
        index.held.clear()
        index.added.clear()
        report = ingest([files], index, options=IngestOptions(workers=2, engine=engine))  # type: ignore[arg-type]
        found.append((list(index.added), dict(index.held), report.failed))
    assert found[0] == found[1]
    assert len(found[0][0]) >= 9
    assert [Path(failure["source"]).name for failure in found[0][2]] == ["broken.pdf"]
