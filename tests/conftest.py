"""Shared fixtures: a clean environment, no network, the shared data where it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_cache: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CONSILIUM_") and name not in ("CONSILIUM_CACHE_DIR", "CONSILIUM_DATA"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONSILIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONSILIUM_CACHE_DIR", str(model_cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """Exported models outlive a test session: making them is setup, not what is tested."""
    return Path(os.environ.get("CONSILIUM_CACHE_DIR", "~/.consilium/cache")).expanduser()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of evaluation data: `$CONSILIUM_DATA`, or `shared/data` beside the checkout."""
    root = Path(os.environ.get("CONSILIUM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"evaluation data is not here ({root}); set CONSILIUM_DATA to run this test")
    return root
