"""A server on loopback that speaks like an OpenAI-compatible one, and a client that does not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import rag.remote
from tests.rag.chat_server import Server, serving


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag.remote, "_PAUSE_SECONDS", 0.01)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server(no_waiting: None) -> Iterator[Server]:
    with serving() as server:
        yield server
