"""Collection keeps the contract of an Index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.schema import Index
from rag.store import Collection
from rag.testing import FakeEmbedder, IndexContract


class TestCollection(IndexContract):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[Collection]:
        with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as collection:
            yield collection

    @pytest.fixture
    def reopen(self) -> Iterator[Callable[[Index], Index]]:
        opened: list[Collection] = []

        def again(index: Index) -> Index:
            assert isinstance(index, Collection)
            index.close()
            opened.append(Collection.open(index.path, FakeEmbedder()))
            return opened[-1]

        yield again
        for collection in opened:
            collection.close()

    def test_it_is_an_index(self, index: Collection) -> None:
        assert isinstance(index, Index)
