"""The dense leg by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag.dense import FILE, Dense

NONE = np.array([], dtype=np.int64)


@pytest.fixture
def vectors() -> np.ndarray:
    found = np.random.default_rng(1).standard_normal((200, 16)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def leg(tmp_path: Path, vectors: np.ndarray) -> Dense:
    made = Dense(tmp_path, 16)
    made.update(1, NONE, [(np.arange(100, 300), vectors)])
    made.write()
    return made


def test_own_vector_first_and_scores_are_cosines(leg: Dense, vectors: np.ndarray) -> None:
    found = leg.search(vectors[7], 5)
    assert found[0][0] == 107
    assert found[0][1] == pytest.approx(1, abs=1e-5)
    expected = np.sort(vectors @ vectors[7])[::-1][:5]
    assert [score for _, score in found] == pytest.approx(expected, abs=1e-5)


def test_filters(leg: Dense, vectors: np.ndarray) -> None:
    allowed = np.array([101, 150, 299], dtype=np.int64)
    assert sorted(row for row, _ in leg.search(vectors[7], 50, allowed)) == [101, 150, 299]
    assert leg.search(vectors[7], 5, NONE) == []
    assert leg.search(vectors[7], 5, np.array([5000])) == []


def test_k_larger_than_the_leg_and_zero(leg: Dense, vectors: np.ndarray) -> None:
    assert len(leg.search(vectors[0], 1000)) == 200
    assert leg.search(vectors[0], 0) == []
    assert Dense(None, 16).search(vectors[0], 5) == []


def test_changes_are_kept_with_their_generation(leg: Dense, tmp_path: Path, vectors: np.ndarray) -> None:
    leg.update(2, np.array([107, 9999]), [(np.array([400]), -vectors[7:8].astype(np.float16))])
    again = Dense(tmp_path, 16)
    again.load()
    assert (len(again), again.generation) == (200, 1)
    leg.write()
    again.load()
    assert (len(again), again.generation) == (200, 2)
    assert again.search(vectors[7], 9) == leg.search(vectors[7], 9)
    assert again.search(-vectors[7], 1)[0][0] == 400
    again.update(3, np.array([400]), [])  # a mapped file is read before it is changed
    assert (len(again), len(leg)) == (199, 200)


def test_another_dimension_or_a_broken_file_is_as_good_as_none(leg: Dense, tmp_path: Path) -> None:
    other = Dense(tmp_path, 32)
    other.load()
    assert other.generation == -1
    data = bytearray((tmp_path / FILE).read_bytes())
    data[500] ^= 1
    (tmp_path / FILE).write_bytes(data)
    again = Dense(tmp_path, 16)
    again.load()
    assert (again.generation, again.usable) == (-1, False)
    leg.load()
    assert leg.generation == 1  # what is loaded stays
    leg.clear()
    leg.update(1, NONE, [])
    leg.write()
    again.load()
    assert (len(again), again.generation) == (0, 1)


def test_it_is_written_when_much_has_changed(leg: Dense, vectors: np.ndarray) -> None:
    many = np.tile(vectors, (30, 1))
    leg.update(2, NONE, [(np.arange(1000, 5000), many[:4000])])
    assert not leg.due
    leg.update(3, np.arange(100, 200), [])
    assert leg.due
    leg.write()
    assert not leg.due
