"""The dense leg by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rag.dense
from rag import nearest
from rag.dense import FILE, TAIL, Dense
from rag.sealed import Seal
from rag.sealed import check as sealed_check

NONE = np.array([], dtype=np.int64)


def only(*rows: int) -> np.ndarray:
    mask = np.zeros(max(rows, default=0) + 1, dtype=np.bool_)
    mask[list(rows)] = bool(rows)
    return mask


def exact(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    return rows[np.argsort(-(vectors.astype(np.float16).astype(np.float32) @ query), kind="stable")[:k]].tolist()


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
    assert found[0][1] == pytest.approx(1, abs=1e-3)  # kept in 16 bits
    expected = np.sort(vectors @ vectors[7])[::-1][:5]
    assert [score for _, score in found] == pytest.approx(expected, abs=1e-3)


def test_filters(leg: Dense, vectors: np.ndarray) -> None:
    assert sorted(row for row, _ in leg.search(vectors[7], 50, only(101, 150, 299))) == [101, 150, 299]
    assert leg.search(vectors[7], 5, only()) == leg.search(vectors[7], 5, only(5000)) == []
    leg.update(2, np.array([150]), [(np.array([400]), vectors[7:8])])
    assert leg.search(vectors[7], 1, only(101, 150, 299, 400))[0][0] == 400
    assert sorted(row for row, _ in leg.search(vectors[7], 50, only(101, 150, 299, 400))) == [101, 299, 400]


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


def test_what_came_since_is_written_beside(leg: Dense, tmp_path: Path, vectors: np.ndarray) -> None:
    whole = (tmp_path / FILE).read_bytes()
    leg.update(2, np.array([107]), [(np.array([400]), vectors[7:8])])
    leg.write()
    assert (tmp_path / FILE).read_bytes() == whole
    for _ in range(2):  # what came since is read, added to and written again
        again = Dense(tmp_path, 16)
        again.load()
        assert (len(again), again.generation, again.search(vectors[7], 1)[0][0]) == (200, leg.generation, 400)
        again.update(again.generation + 1, NONE, [(np.array([500 + again.generation]), vectors[8:9])])
        again.update(again.generation, np.array([500 + again.generation - 1]), [])
        again.write()
        leg = again
    (tmp_path / TAIL).write_bytes((tmp_path / TAIL).read_bytes()[:-1])
    broken = Dense(tmp_path, 16)
    broken.load()
    assert broken.generation == 1  # the large part alone; the rest is caught up from the records
    assert broken.search(vectors[7], 1)[0][0] == 107


def test_a_tail_of_another_large_part_counts_as_absent(leg: Dense, tmp_path: Path, vectors: np.ndarray) -> None:
    leg.update(2, NONE, [(np.array([400]), vectors[7:8])])
    leg.write()
    tail = (tmp_path / TAIL).read_bytes()
    leg.update(3, np.array([400]), [])
    leg.write(anew=True)
    assert not (tmp_path / TAIL).exists()
    (tmp_path / TAIL).write_bytes(tail)
    again = Dense(tmp_path, 16)
    again.load()
    assert (again.generation, [row for row, _ in again.search(vectors[7], 1)]) == (3, [107])


def test_all_is_made_one_when_much_has_changed(leg: Dense, tmp_path: Path, vectors: np.ndarray) -> None:
    many = np.tile(vectors, (30, 1))
    leg.update(2, NONE, [(np.arange(1000, 5000), many[:4000])])
    assert not leg.due
    leg.update(3, np.arange(100, 200), [])
    assert leg.due
    size = (tmp_path / FILE).stat().st_size
    leg.write()
    assert not leg.due
    assert (tmp_path / FILE).stat().st_size > 10 * size


@pytest.fixture
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "FLAT", 300)
    monkeypatch.setattr(rag.dense, "_FEW_CHANGES", 500)


def clouds(count: int) -> np.ndarray:
    draw = np.random.default_rng(3)
    centres = draw.standard_normal((40, 16))
    found = centres[draw.integers(0, 40, count)] + 0.3 * draw.standard_normal((count, 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def finished(leg: Dense) -> None:
    leg._adopt(wait=True)


@pytest.mark.usefixtures("small_cells")
def test_many_vectors_lie_in_cells_and_are_found(tmp_path: Path) -> None:
    vectors, rows = clouds(5000), np.arange(5000) * 2
    leg = Dense(tmp_path, 16)
    leg.update(1, NONE, [(rows[i : i + 100], vectors[i : i + 100]) for i in range(0, 5000, 100)])
    assert [row for row, _ in leg.search(vectors[9], 10)] == exact(vectors, rows, vectors[9], 10)
    leg.settle()
    leg.update(2, rows[:10], [(np.array([20_001]), -vectors[:1])])  # while the thread is at it, or after
    finished(leg)
    assert nearest.cells_of(leg._parts[0]) == nearest.cells_for(5000) == 128
    leg.finish()
    again = Dense(tmp_path, 16)
    again.load()
    assert (len(again), again.generation) == (4991, 2)
    hits = 0
    for query in clouds(4000)[-50:]:
        expected = exact(vectors[10:], rows[10:], query, 10)
        found = [row for row, _ in again.search(query, 10)]
        assert found == [row for row, _ in leg.search(query, 10)]
        hits += len(set(found) & set(expected))
        mask = np.zeros(9000, dtype=np.bool_)
        mask[rows[10:4000:40]] = True  # few: all cells are looked into
        few = [row for row, _ in again.search(query, 10, mask)]
        assert few == exact(vectors[10:4000:40], rows[10:4000:40], query, 10)
        assert len(again.search(query, 100, mask)) == np.count_nonzero(mask)
    assert hits / 500 > 0.9
    assert again.search(-vectors[0], 1)[0][0] == 20_001
    assert not {0, 2, 4, 6, 8} & {row for row, _ in again.search(vectors[0], 500)}


@pytest.mark.usefixtures("small_cells")
def test_cells_are_kept_while_they_suffice_and_drawn_anew_after(tmp_path: Path) -> None:
    vectors = clouds(5000)
    leg = Dense(tmp_path, 16)
    leg.update(1, NONE, [(np.arange(1000), vectors[:1000])])
    leg.write(anew=True)
    first = leg._parts[0].quantizer.reconstruct_n(0, 64)
    leg.update(2, np.arange(50), [(np.arange(1000, 1600), vectors[1000:1600])])
    assert leg.due
    leg.finish()
    assert np.array_equal(leg._parts[0].quantizer.reconstruct_n(0, 64), first)
    assert (len(leg), len(leg._parts), leg._parts[0].ntotal) == (1550, 1, 1550)
    assert leg.search(vectors[1234], 1)[0][0] == 1234
    leg.update(3, NONE, [(np.arange(1600, 5000), vectors[1600:])])
    leg.finish()
    assert nearest.cells_of(leg._parts[0]) == 128


@pytest.mark.usefixtures("small_cells")
def test_a_thread_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    vectors = clouds(600)
    leg = Dense(tmp_path, 16)
    leg.update(1, NONE, [(np.arange(600), vectors)])
    with monkeypatch.context() as patch:
        patch.setattr(rag.dense, "write_sealed", full)
        leg.settle()
        with pytest.raises(OSError, match="No space"):
            finished(leg)
    assert leg.search(vectors[5], 1)[0][0] == 5
    assert leg.due
    leg.finish()
    assert (nearest.cells_of(leg._parts[0]), leg.search(vectors[5], 1)[0][0]) == (nearest.cells_for(600), 5)


def test_a_gpu_is_used_where_it_can_be(leg: Dense, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a card: the copy is the index itself, with a count of its searches."""
    calls: list[int] = []

    class Copy:
        def __init__(self, index: object) -> None:
            self.index, self.ntotal = index, index.ntotal  # type: ignore[attr-defined]

        def search(self, query: np.ndarray, k: int, params: object = None) -> object:
            assert params is None
            calls.append(k)
            return self.index.search(query, k)  # type: ignore[attr-defined]

    faiss = nearest.library()
    expected = leg.search(vectors[7], 5)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", Copy, raising=False)
    monkeypatch.setattr(nearest, "FLAT", 10)
    assert nearest.cells_for(10**7) == 0  # flat whatever the size
    leg._gpu = None  # how many cards there are does not change while a process runs
    assert leg.search(vectors[7], 5) == expected
    assert calls == [5]
    leg.search(vectors[7], 5, only(101))  # a filter, or more than the card gives: the processor
    leg.search(vectors[7], 3000)
    assert calls == [5]
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", full_card)
    leg.update(2, NONE, [(np.array([400]), vectors[7:8])])
    leg.write(anew=True)
    assert len(leg.search(vectors[7], 5)) == 5


def full_card(_: object) -> object:
    raise RuntimeError("out of memory on the card")


def test_a_file_is_checked_once_and_again_when_it_changes(leg: Dense, tmp_path: Path) -> None:
    def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
        seen: list[str] = []

        def check(file: Path, seal: Seal) -> None:
            seen.append(file.name)
            sealed_check(file, seal)

        monkeypatch.setattr(rag.dense, "check", check)
        Dense(tmp_path, 16).load()
        return seen

    with pytest.MonkeyPatch.context() as patch:
        assert checks(patch) == []  # by whom it was written
        (tmp_path / "dense.checked.json").unlink()
        assert checks(patch) == [FILE]
        assert checks(patch) == []
        data = bytearray((tmp_path / FILE).read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / FILE).write_bytes(data)
        assert checks(patch) == [FILE]
        assert checks(patch) == [FILE]  # what is broken is not taken for checked
        broken = Dense(tmp_path, 16)
        broken.load()
        assert broken.generation == -1
        (tmp_path / "dense.checked.json").write_text("[not json")
        assert checks(patch) == [FILE]
