"""A collection under attack: killed writers, broken files, a full disk. Nothing committed is lost or half there."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag.dense
import rag.manifest
from rag.errors import StoreError
from rag.lexical import Lexical
from rag.store import Collection
from rag.testing import TEXTS, FakeEmbedder, document

ROOT = Path(__file__).parents[2]
QUERIES = ("number 7 of the kidneys", "item 3", "heart 12")

INGEST = """
import sys
from pathlib import Path
from rag.store import Collection
from rag.testing import FakeEmbedder, document

def text(i, version):
    return "\\n".join(f"Item {j} of text number {i}, version {version}, about the kidneys" for j in range(5))

with Collection.open(Path(sys.argv[1]), FakeEmbedder(), writable=True, create=True) as collection:
    print("open", flush=True)
    for version in (1, 2):
        for i in range(12):
            source = f"{i}.txt"
            if not collection.unchanged(source, "2") and not collection.unchanged(source, str(version)):
                collection.add(*document(text(i, version), source), fingerprint=str(version))
            if i % 3 == 2:
                collection.commit()
                print(len(collection.sources()), flush=True)
        if version == 1 and collection.sources("extra"):
            collection.delete_source("extra.txt")
    print("done", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c"


@pytest.fixture
def filled(path: Path) -> Iterator[Path]:
    with Collection.open(path, FakeEmbedder(), writable=True, create=True) as collection:
        for source, text in TEXTS.items():
            collection.add(*document(text, source), fingerprint="1")
        collection.commit()
    yield path


def found(path: Path, *queries: str) -> list[list[tuple[str, str, int]]]:
    with Collection.open(path, FakeEmbedder()) as reader:
        return [
            [(p.source, p.chunk.text, p.rank) for p in reader.retrieve(query, 10, mode=mode)]  # type: ignore[arg-type]
            for query in queries
            for mode in ("lexical", "dense")
        ]


def check_whole(path: Path) -> int:
    """Every chunk is found by its own words in both legs, every document is of one version; return their number."""
    with Collection.open(path, FakeEmbedder()) as reader:
        rows = reader.documents()
        for row in rows:
            whole = reader.document(row["id"])
            chunks = reader.chunks(row["id"])
            assert "\n".join(chunk.text for chunk in chunks) == whole.text
            assert len({chunk.text.split("version ")[1][0] for chunk in chunks}) == 1
            for mode in ("lexical", "dense"):
                best = reader.retrieve(chunks[0].text, 1, mode=mode, where={"source": row["source"]})  # type: ignore[arg-type]
                assert best[0].chunk == chunks[0]
        assert len(reader) == 5 * len(rows)
        everything = reader.retrieve("kidneys", 1000, mode="dense")
        assert len(everything) == len(reader)
        assert len(reader.retrieve("kidneys", 1000, mode="lexical")) == len(reader)
        return len(rows)


def test_a_killed_ingest_resumes_to_the_same(tmp_path: Path) -> None:
    undisturbed, path = tmp_path / "whole", tmp_path / "c"
    subprocess.run([sys.executable, "-c", INGEST, str(undisturbed)], cwd=ROOT, check=True, capture_output=True)
    chance = random.Random(5)
    committed = 0
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", INGEST, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        lines = chance.randint(1, 6)
        for _ in range(lines):
            if not (line := child.stdout.readline()) or line == "done\n":
                break
            committed = max(committed, int(line)) if line.strip().isdigit() else committed
        time.sleep(chance.random() * 0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert check_whole(path) >= committed
    subprocess.run([sys.executable, "-c", INGEST, str(path)], cwd=ROOT, check=True, capture_output=True)
    assert check_whole(path) == check_whole(undisturbed) == 12
    with Collection.open(path, FakeEmbedder()) as one, Collection.open(undisturbed, FakeEmbedder()) as other:
        key = ("id", "source", "chunks")
        assert [[row[k] for k in key] for row in one.documents()] == [
            [row[k] for k in key] for row in other.documents()
        ]
        for query in QUERIES:
            scores = [[p.score for p in each.retrieve(query, 60, mode="dense")] for each in (one, other)]
            assert scores[0] == scores[1]


def test_a_writer_that_dies_between_truth_and_legs(filled: Path) -> None:
    """The records are a commit ahead; whoever opens next catches the legs up without embedding."""
    derived = filled / "derived"
    derived.mkdir()
    for name in ("dense.faiss", "manifest.json"):
        shutil.copy(filled / name, derived)
    shutil.copytree(filled / "lexical", derived / "lexical")
    with Collection.open(filled, FakeEmbedder(), writable=True) as collection:
        collection.delete_source("heart.txt")
        collection.add(*document("A new text about hearts and kidneys.", "new.txt"))
        collection.commit()
    expected = found(filled, "kidneys", "heart")
    shutil.rmtree(filled / "lexical")
    shutil.copytree(derived / "lexical", filled / "lexical")
    for name in ("dense.faiss", "manifest.json"):
        shutil.copy(derived / name, filled)
    assert found(filled, "kidneys", "heart") == expected
    embedder = FakeEmbedder()
    with Collection.open(filled, embedder, writable=True) as collection:
        assert len(collection) == 7
    assert embedder.texts == 0
    assert found(filled, "kidneys", "heart") == expected


def test_a_reader_filters_while_the_writer_has_not_caught_up(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Collection.open(filled, FakeEmbedder(), writable=True) as writer,
        Collection.open(filled, FakeEmbedder()) as reader,
    ):
        assert reader.retrieve("Beta blockers", 1)[0].source == "heart.txt"
        writer.delete_source("heart.txt")
        monkeypatch.setattr(writer, "_publish", lambda: None)  # the moment after SQLite's commit
        writer.commit()
        for mode in ("lexical", "dense", "hybrid"):
            texts = reader.retrieve("Beta blockers kidneys", 6, mode=mode)  # type: ignore[arg-type]
            assert texts
            assert "heart.txt" not in {p.source for p in texts}


def test_a_commit_writes_only_what_changed(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(filled, FakeEmbedder(), writable=True) as collection, monkeypatch.context() as patch:
        for leg in (Lexical, rag.dense.Dense):
            patch.setattr(leg, "clear", lambda self, scratch=False: pytest.fail("a leg was made from nothing"))
        collection.add(*document("A new text.", "new.txt"))
        collection.commit()
        collection.delete_source("new.txt")
        collection.add(*document("Another heart.", "heart.txt"))
        collection.commit()
        assert len(collection) == 7
        assert [p.source for p in collection.retrieve("heart", 5, mode="lexical")] == ["heart.txt"]


def damage(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif how == "garbage":
        file.write_bytes(bytes(random.Random(1).randbytes(file.stat().st_size)))
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0xFF
        file.write_bytes(data)


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "garbage", "flipped"])
@pytest.mark.parametrize(
    "what", ["dense.faiss", "lexical/meta.json", "lexical/*.term", "lexical/*.fast", "manifest.json"]
)
def test_a_damaged_derived_file_is_made_again(filled: Path, what: str, how: str) -> None:
    expected = found(filled, "kidneys", "heart")
    for file in filled.glob(what):
        damage(file, how)
    assert found(filled, "kidneys", "heart") == expected
    with Collection.open(filled, FakeEmbedder(), writable=True) as collection:
        collection.add(*document("One more.", "more.txt"))
        collection.commit()
        assert len(collection.retrieve("one more", 50, mode="dense")) == 9


def test_damaged_records_are_told(filled: Path) -> None:
    (filled / "records.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=r"records\.sqlite is damaged: restore"):
        Collection.open(filled, FakeEmbedder())


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_disk_full_while_writing_the_legs(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag.dense, "_FEW_CHANGES", 0)
    for target, name in ((rag.dense, "write_sealed"), (rag.manifest, "write_atomic"), (Lexical, "update")):
        with Collection.open(filled, FakeEmbedder(), writable=True) as collection, monkeypatch.context() as patch:
            many = "\n".join(f"Full {name} disk {i}" for i in range(20))
            collection.add(*document(many, f"{target.__name__}.txt"))
            patch.setattr(target, name, full)
            with pytest.raises(StoreError, match=r"Everything is stored.*No space left.*opened again"):
                collection.commit()
    with Collection.open(filled, FakeEmbedder()) as reader:
        assert len(reader) == 68
        for mode in ("lexical", "dense"):
            assert len(reader.retrieve("full disk", 60, mode=mode)) == 60  # type: ignore[arg-type]


def test_disk_full_when_closing_costs_nothing_but_time(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(rag.dense, "write_sealed", full)
        with Collection.open(filled, FakeEmbedder(), writable=True) as collection:
            collection.add(*document("Full disk", "full.txt"))
            collection.commit()
        with Collection.open(filled, FakeEmbedder()) as reader:
            assert reader.retrieve("full disk", 1, mode="dense")[0].source == "full.txt"


def test_a_reader_needs_no_dense_file(filled: Path) -> None:
    with Collection.open(filled, FakeEmbedder(), writable=True) as writer:
        (filled / "dense.faiss").unlink()
        with Collection.open(filled, FakeEmbedder()) as reader:
            for i in range(3):
                writer.add(*document(f"Text {i} while the file is behind", f"{i}.txt"))
                writer.commit()
                assert reader.retrieve(f"Text {i} while the file is behind", 1, mode="dense")[0].source == f"{i}.txt"
        assert not (filled / "dense.faiss").exists()
    assert (filled / "dense.faiss").exists()


def test_disk_full_while_writing_the_records(filled: Path) -> None:
    before = found(filled, "kidneys", "heart")
    with Collection.open(filled, FakeEmbedder(), writable=True) as collection:
        database = collection._records._db
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(StoreError, match=r"database or disk is full.*Nothing since its last commit is stored"):
            for i in range(50):
                collection.add(*document("\n".join(f"Large text {i} {j}" for j in range(300)), f"{i}.txt"))
            collection.commit()
        assert len(collection) == 8
        database.execute("PRAGMA max_page_count = 1000000")
        collection.add(*document("Small text.", "small.txt"))
        collection.commit()
        assert len(collection) == 9
        collection.delete_source("small.txt")
        collection.commit()
    assert found(filled, "kidneys", "heart") == before


def test_a_failing_embedder_loses_nothing_that_was_committed(filled: Path) -> None:
    class Failing(FakeEmbedder):
        def embed_documents(self, texts: list[str]) -> object:  # type: ignore[override]
            raise ConnectionError("no answer")

    with Collection.open(filled, Failing(), writable=True) as collection:
        collection.add(*document("Will not be embedded.", "late.txt"))
        with pytest.raises(ConnectionError):
            collection.commit()
    with Collection.open(filled, FakeEmbedder()) as reader:
        assert len(reader) == 8


def test_a_restored_older_database_is_believed(filled: Path) -> None:
    """Legs that are ahead of the records are made anew."""
    copy = sqlite3.connect(filled.parent / "backup.sqlite")
    source = sqlite3.connect(filled / "records.sqlite")
    source.backup(copy)
    copy.close()
    source.close()
    before = found(filled, "kidneys")
    with Collection.open(filled, FakeEmbedder(), writable=True) as collection:
        for i in range(3):
            collection.add(*document(f"Kidneys again {i}", f"{i}.txt"))
            collection.commit()
    shutil.copy(filled.parent / "backup.sqlite", filled / "records.sqlite")
    assert found(filled, "kidneys") == before
