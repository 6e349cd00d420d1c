"""Both legs of a collection together: at once, behind by a few deletes, under filters that are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import legs, nearest
from rag.lexical import Lexical
from rag.records import Records
from rag.store import Collection
from rag.testing import TEXTS, FakeEmbedder, document

ROOT = Path(__file__).parents[2]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as collection:
        for year, (source, text) in enumerate(TEXTS.items(), start=2020):
            collection.add(*document(text, source, year=year))
        collection.commit()
        yield collection


def found(collection: Collection, query: str, **options: object) -> list[tuple[str, float]]:
    return [(p.chunk.text, p.score) for p in collection.retrieve(query, 50, **options)]  # type: ignore[arg-type]


def test_both_at_once_find_what_each_finds_in_turn(writer: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = ("the kidneys fail", "公司的营业收入", "heart kidneys 2022")
    before = [found(writer, query, where=where) for query in queries for where in (None, {"year>": 2020})]
    monkeypatch.setattr(legs, "_SMALL", 0)
    assert [found(writer, query, where=where) for query in queries for where in (None, {"year>": 2020})] == before
    assert set(writer.legs("kidneys", fetch_k=5).timings) == {"embed", "filter", "lexical", "dense"}
    assert found(writer, "kidneys", mode="dense")


def test_a_delete_is_seen_before_the_index_of_words_is_written(
    writer: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collection.open(writer.path, FakeEmbedder()) as reader:
        assert "heart.txt" in {p.source for p in reader.retrieve("heart", 9, mode="lexical")}
        with monkeypatch.context() as patch:
            patch.setattr(Lexical, "update", lambda *_: pytest.fail("the index of words was written"))
            writer.delete_source("heart.txt")
            writer.commit()
            for one in (writer, reader):
                for mode in ("lexical", "dense", "hybrid"):
                    sources = {p.source for p in one.retrieve("heart kidneys", 9, mode=mode)}  # type: ignore[arg-type]
                    assert "heart.txt" not in sources
                    assert "kidney.txt" in sources
        writer.add(*document("Another heart.", "new.txt"))
        writer.commit()
        for one in (writer, reader):
            assert [p.source for p in one.retrieve("heart", 9, mode="lexical")] == ["new.txt"]
            assert one._legs._lexical.generation == writer.generation  # both have caught up


def test_what_was_put_off_is_done_when_closing(writer: Collection) -> None:
    writer.delete_source("heart.txt")
    writer.commit()
    path, generation = writer.path, writer.generation
    assert writer._legs._lexical.generation < generation
    writer.close()
    alone = Lexical(path)
    alone.load()
    assert (alone.generation, len(alone)) == (generation, 6)


def test_many_deletes_are_not_put_off(writer: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legs, "_FEW_GONE", 3)
    writer.delete_source("heart.txt")
    writer.commit()
    assert writer._legs._lexical.generation == writer.generation - 1
    writer.delete_source("kidney.txt")
    writer.commit()
    assert (writer._legs._lexical.generation, len(writer._legs._lexical)) == (writer.generation, 4)


def test_a_writer_killed_after_a_delete_leaves_a_collection_that_is_whole(writer: Collection) -> None:
    path = writer.path
    writer.close()
    script = (
        "import os, sys; from pathlib import Path\n"
        "from rag.store import Collection; from rag.testing import FakeEmbedder\n"
        "c = Collection.open(Path(sys.argv[1]), FakeEmbedder(), writable=True)\n"
        "c.delete_source('heart.txt'); c.commit(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, env={**os.environ}, check=False)
    for writable in (False, True, False):
        with Collection.open(path, FakeEmbedder(), writable=writable) as again:
            assert len(again) == 6
            for mode in ("lexical", "dense"):
                assert "heart.txt" not in {p.source for p in again.retrieve("heart kidneys", 9, mode=mode)}  # type: ignore[arg-type]


def test_a_filter_is_worked_out_once_a_commit(writer: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    rows = Records.rows

    def counted(self: Records, where: object) -> object:
        calls.append(where)
        return rows(self, where)  # type: ignore[arg-type]

    monkeypatch.setattr(Records, "rows", counted)
    for _ in range(3):
        assert {p.source for p in writer.retrieve("kidneys", 9, where={"year": 2021})} == {"kidney.txt"}
    assert calls == [{"year": 2021}]
    assert found(writer, "kidneys", where={"year": [2021]}) == found(writer, "kidneys", where={"year": "2021"})
    writer.add(*document("Kidneys of 2021.", "new.txt", year=2021))
    writer.commit()
    assert {p.source for p in writer.retrieve("kidneys", 9, where={"year": 2021})} == {"kidney.txt", "new.txt"}


def test_a_collection_that_outgrows_one_table_goes_on_in_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "FLAT", 400)
    monkeypatch.setattr("rag.dense._FEW_CHANGES", 300)
    lines = [f"Item {i} about subject {i % 50} and organ {i % 7}, 编号{i}" for i in range(1500)]
    with Collection.open(tmp_path / "c", FakeEmbedder(64), writable=True, create=True) as collection:
        for start in range(0, 1500, 100):
            collection.add(*document("\n".join(lines[start : start + 100]), f"{start}.txt", part=start // 100))
            collection.commit()
            assert collection.retrieve(lines[start + 7], 1, mode="dense")[0].chunk.text == lines[start + 7]
        collection.delete_source("300.txt")
        collection.commit()
    with Collection.open(tmp_path / "c", FakeEmbedder(64)) as reader:
        best = [reader.retrieve(lines[i], 1, mode="dense")[0].score for i in range(5, 1500, 100) if i != 305]
        assert min(best) > 0.999  # each is found by its own words, or one of the same bag of words is
        assert nearest.cells_of(reader._legs._dense._parts[0]) > 0
        assert len(reader) == len(reader._legs._dense) == 1400
        few = reader.retrieve(lines[307], 100, mode="dense", where={"part": [4, 9]})
        assert len(few) == 100
        assert {p.metadata["part"] for p in few} <= {4, 9}
        assert reader.retrieve(lines[0], 1400, mode="dense", fetch_k=10)[-1].rank == 1400
