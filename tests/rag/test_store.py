"""A collection from the outside: what is stored, found, filtered, refused and deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from rag.errors import (
    DocumentError,
    EmbedderMismatchError,
    LockedError,
    StoreError,
    UnknownCollectionError,
    UnknownDocumentError,
    UserError,
)
from rag.schema import Cell, Chunk, Document, Table
from rag.store import Collection, collection_path, delete_collection, list_collections
from rag.testing import TEXTS, FakeEmbedder, document

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "collections" / "c"


@pytest.fixture
def writer(path: Path) -> Iterator[Collection]:
    with Collection.open(path, FakeEmbedder(), writable=True, create=True) as collection:
        yield collection


def fill(collection: Collection, **metadata: object) -> None:
    for source, text in TEXTS.items():
        collection.add(*document(text, source, **metadata), fingerprint="1")  # type: ignore[arg-type]
    collection.commit()


def sources(collection: Collection, query: str, **options: object) -> list[str]:
    return [passage.source for passage in collection.retrieve(query, 50, **options)]  # type: ignore[arg-type]


# what goes in comes out


def test_document_comes_back_equal(writer: Collection) -> None:
    text = "Income (USD, in millions) | Net sales | 2022: 394,328\n" + "长文" * 9000 + "\x00 end"
    table = Table(
        "Income",
        ((Cell("Net sales"), Cell("394,328", Decimal("394328"), "USD", 10**6, "USD", "2022", 45, 52)),),
        unit="USD",
        scale=10**6,
        periods=(None, "2022"),
        page=1,
        end=53,
    )
    whole = Document.of(
        text,
        "a/b.pdf",
        title="Tïtle",
        page_starts=(0, 54),
        tables=(table,),
        metadata={"year": 2022, "ok": True, "x": None},
    )
    chunks = [
        Chunk.of(whole, 0, 53, headings=("Item 8", "收入"), kind="row", metadata={"scale": 10**6, "unit": "USD"}),
        Chunk.of(whole, 8190, 8200),
        Chunk.of(whole, len(text) - 4, len(text)),
    ]
    writer.add(whole, chunks)
    writer.commit()
    assert writer.document(whole.id) == whole
    assert writer.chunks(whole.id) == chunks
    assert writer.document_of_source("a/b.pdf") == whole
    assert writer.document_of_source("other") is None
    best = writer.retrieve("net sales", 1)[0]
    assert best.chunk == chunks[0]
    assert best.metadata == {"year": 2022, "ok": True, "x": None, "scale": 10**6, "unit": "USD"}


def test_documents_lists_every_source(writer: Collection) -> None:
    fill(writer)
    rows = writer.documents()
    assert [row["source"] for row in rows] == sorted(TEXTS)
    assert set(rows[0]) == {"id", "source", "title", "language", "chunks", "pages", "added_at", "superseded_by"}
    assert rows[0]["chunks"] == 2
    json.dumps(rows)


def test_two_sources_may_share_a_document(writer: Collection) -> None:
    whole, chunks = document("Shared text of two files.", "a.txt")
    twin, twins = document("Shared text of two files.", "b.txt")
    twin = Document(whole.id, whole.text, "b.txt", whole.title)
    assert writer.add(whole, chunks) == "added"
    assert writer.add(twin, chunks) == "added"
    writer.commit()
    assert (len(writer), len(writer.documents()), len(twins)) == (1, 2, 1)
    assert writer.delete_source("a.txt") == 0
    writer.commit()
    assert sources(writer, "shared text") == ["b.txt"]
    assert writer.delete_source("b.txt") == 1
    writer.commit()
    assert (len(writer), sources(writer, "shared text")) == (0, [])


def test_only_new_text_is_embedded(path: Path) -> None:
    embedder = FakeEmbedder()
    with Collection.open(path, embedder, writable=True, create=True) as collection:
        collection.add(*document("One line.\nTwo lines.\nOne line.", "a.txt"))
        collection.commit()
        assert embedder.texts == 2
        assert collection.add(*document("One line.\nTwo lines.\nThree lines.", "a.txt")) == "updated"
        collection.commit()
        assert embedder.texts == 3
        collection.add(*document("Two lines.", "b.txt"))
        collection.commit()
        assert embedder.texts == 3


def test_the_same_text_with_other_tables_is_an_update(writer: Collection) -> None:
    whole, chunks = document("Net sales 5", "a.txt")
    writer.add(whole, chunks, fingerprint="1")
    better = Document(whole.id, whole.text, whole.source, whole.title, tables=(Table("T", ((Cell("5"),),)),))
    assert writer.add(better, chunks, fingerprint="2") == "updated"
    writer.commit()
    assert writer.document(whole.id) == better
    assert len(writer) == 1


def test_add_refuses_what_cannot_be_stored_and_changes_nothing(writer: Collection) -> None:
    whole, chunks = document("Good text.", "a.txt")
    with pytest.raises(ValueError, match="not cut from it"):
        writer.add(whole, [Chunk("x", whole.id, "Bad", 0, 3)])
    with pytest.raises(DocumentError, match="not valid Unicode at character 4"):
        writer.add(*document("Bad \ud800 text", "b.txt"))
    with pytest.raises(DocumentError, match="finite"):
        writer.add(*document("Text.", "c.txt", year=float("nan")))
    writer.add(whole, chunks)
    writer.commit()
    assert [row["source"] for row in writer.documents()] == ["a.txt"]


def test_an_empty_document_is_kept(writer: Collection) -> None:
    empty = Document.of("", "empty.txt")
    writer.add(empty, [])
    writer.commit()
    assert writer.document(empty.id) == empty
    assert writer.retrieve("anything", 3) == []


# finding


def test_each_leg_and_their_fusion_find_the_text(writer: Collection) -> None:
    fill(writer)
    for mode in ("lexical", "dense", "hybrid"):
        found = writer.retrieve("二甲双胍治疗糖尿病", 3, mode=mode)  # type: ignore[arg-type]
        assert found[0].chunk.text == "二甲双胍是治疗糖尿病的药物。"
        assert found[0].retriever == mode
    legs = writer.legs("kidneys", fetch_k=5)
    assert legs.lexical[0][0] == legs.dense[0][0]
    assert {"embed", "filter", "lexical", "dense"} == set(legs.timings)


def test_query_syntax_is_only_text(writer: Collection) -> None:
    fill(writer)
    for query in (
        'kidneys" AND (',
        "latin:kidneys^9 OR *",
        "kidneys~2 [a TO b]",
        "+kidneys -dialysis",
        "\\",
        "kid\x00neys",
    ):
        writer.retrieve(query, 5)
    assert sources(writer, 'kidneys" AND (', mode="lexical") == ["kidney.txt", "kidney.txt"]


def test_retrieve_by_vector(writer: Collection) -> None:
    fill(writer)
    vector = FakeEmbedder().embed_query("Dialysis kidneys") * 7
    assert writer.retrieve_vector(vector.tolist(), 1)[0].source == "kidney.txt"


def test_wrong_arguments_are_told(writer: Collection) -> None:
    fill(writer)
    with pytest.raises(UserError, match="k must be at least 1, got 0"):
        writer.retrieve("x", 0)
    with pytest.raises(UserError, match="mode must be one of"):
        writer.retrieve("x", 1, mode="fuzzy")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="cannot be a key"):
        writer.retrieve("x", 1, where={'a"b': 1})
    with pytest.raises(UnknownDocumentError, match="docs list"):
        writer.document("nope")
    assert writer.retrieve("  ", 3) == []


def test_where_knows_numbers_names_and_chunks(writer: Collection) -> None:
    fill(writer, year=2022, company="Müller & Co", final=True, ratio=0.5)
    whole = Document.of(
        "Row one 2021\nprose", "t.pdf", title="T", language="zh", page_starts=(0, 13), metadata={"year": "2021"}
    )
    writer.add(whole, [Chunk.of(whole, 0, 12, kind="row", metadata={"year": "2020"}), Chunk.of(whole, 13, 18)])
    writer.commit()

    def count(**where: object) -> int:
        return len(writer.retrieve("row prose kidneys", 50, mode="dense", where=where))  # type: ignore[arg-type]

    assert count(year=2022) == count(year="2022") == count(year="2022.0") == count(year=[1, 2022.0]) == 8
    assert count(year=2020) == count(year=2021) == count(year="2021") == 1
    assert count(company="Müller & Co") == count(final=True) == count(final="true") == count(ratio="0.5") == 8
    assert count(final=False) == count(nothing=1) == count(company=[]) == 0
    assert count(company=None) == 2
    assert count(language="zh", kind="row") == count(page=2) == count(page="1", kind="row") == 1
    assert count(source="t.pdf") == count(title="T") == count(doc_id=whole.id) == 2
    assert count(source=["t.pdf", "heart.txt"], year=[2021, 2022]) == 3
    assert count(year=10**30) == count(year="1e400") == 0


def test_filters_give_k_results_where_k_exist(writer: Collection) -> None:
    many = "\n".join(f"Kidneys and kidneys again {i}" for i in range(300))
    writer.add(*document(many, "many.txt", group="a"))
    writer.add(
        *document(
            "\n".join(f"On item {i} the kidneys are named once among other words" for i in range(20)),
            "few.txt",
            group="b",
        )
    )
    writer.commit()
    for mode in ("lexical", "dense", "hybrid"):
        found = writer.retrieve("kidneys again", 20, where={"group": "b"}, mode=mode)  # type: ignore[arg-type]
        assert [passage.source for passage in found] == ["few.txt"] * 20


def test_equal_scores_are_ordered_stably(writer: Collection) -> None:
    writer.add(*document("\n".join(["Same words here."] * 30), "a.txt"))
    writer.commit()
    for mode in ("lexical", "dense"):
        starts = [p.chunk.start for p in writer.retrieve("same words", 30, mode=mode)]  # type: ignore[arg-type]
        assert starts == sorted(starts)


# deleting


def stored_in(path: Path, marker: bytes) -> list[str]:
    return [file.name for file in path.rglob("*") if file.is_file() and marker in file.read_bytes()]


def test_compact_takes_the_text_off_the_disk(writer: Collection, path: Path) -> None:
    fill(writer)
    secret, chunks = document("The patient Xanthippe Quillfeather has gout.\nXanthippe returns in May.", "secret.txt")
    writer.add(secret, chunks)
    writer.commit()
    assert stored_in(path, b"Quillfeather")
    writer.delete(secret.id)
    writer.commit()
    assert sources(writer, "Xanthippe Quillfeather", mode="lexical") == []
    vector = FakeEmbedder().embed_query("Xanthippe returns in May.").astype(np.float16).tobytes()
    writer.compact()
    for marker in (b"Quillfeather", b"quillfeath", b"Xanthippe", b"xanthipp", b"secret.txt", vector):
        assert stored_in(path, marker) == []
    assert len(writer) == 8
    assert sources(writer, "Dialysis replaces the work of the kidneys.")[0] == "kidney.txt"
    writer.close()
    with Collection.open(path, FakeEmbedder()) as again:
        assert len(again) == 8


def test_closed_twice_it_leaves_the_files_to_the_next_writer(writer: Collection, path: Path) -> None:
    fill(writer)
    writer.close()
    with Collection.open(path, FakeEmbedder(), writable=True) as other:
        written = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
        writer._legs.flush = None  # type: ignore[method-assign,assignment]
        writer.close()
        assert {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()} == written
        assert sources(other, "Dialysis replaces the work of the kidneys.")[0] == "kidney.txt"


def test_compact_tells_when_a_reader_keeps_the_log(writer: Collection, path: Path) -> None:
    fill(writer)
    with Collection.open(path, FakeEmbedder()) as reader, reader._records.snapshot():
        reader.generation  # noqa: B018  a reader in the middle of a call
        writer._records._db.execute("PRAGMA busy_timeout = 50")
        writer.delete(writer.documents()[0]["id"])
        with pytest.raises(LockedError, match="compact again"):
            writer.compact()
    writer.compact()
    assert len(writer) == 6


def test_collections_are_listed_and_deleted(tmp_path: Path) -> None:
    root = tmp_path / "home"
    assert list_collections(root) == []
    for name in ("b", "医学"):
        with Collection.open(collection_path(root, name), FakeEmbedder(), writable=True, create=True) as collection:
            fill(collection)
    rows = list_collections(root)
    assert [(row["name"], row["documents"], row["chunks"]) for row in rows] == [("b", 4, 8), ("医学", 4, 8)]
    delete_collection(root, "医学")
    assert [path.name for path in root.iterdir()] == ["b"]
    with pytest.raises(UnknownCollectionError, match="There are: b"):
        delete_collection(root, "医学")
    with Collection.open(root / "b", FakeEmbedder(), writable=True), pytest.raises(LockedError):
        delete_collection(root, "b")


@pytest.mark.parametrize(
    "name", ["../x", "", "a/b", "a\\b", "a\0b", "x" * 65, ".hidden", "..", "a b", "-a", "a.", "a\n"]
)
def test_bad_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="letters"):
        collection_path(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "医学文献", "10-K_2022.v1", "x" * 64])
def test_good_names(tmp_path: Path, name: str) -> None:
    assert collection_path(tmp_path, name) == tmp_path / name


# who may open it


def test_unknown_collection(tmp_path: Path) -> None:
    for options in ({}, {"writable": True}):
        with pytest.raises(UnknownCollectionError, match="consilium ingest"):
            Collection.open(tmp_path / "none", FakeEmbedder(), **options)
    assert not (tmp_path / "none").exists()


def test_another_embedder_is_refused(writer: Collection, path: Path) -> None:
    with pytest.raises(EmbedderMismatchError, match=r"'c' was made by the embedder fake.*but other.*consilium ingest"):
        Collection.open(path, FakeEmbedder(name="other"))
    with pytest.raises(EmbedderMismatchError, match="64 dimensions"):
        Collection.open(path, FakeEmbedder(64))


def test_without_an_embedder_one_may_look_and_search_words(writer: Collection, path: Path) -> None:
    fill(writer)
    with Collection.open(path, None) as reader:
        assert sources(reader, "kidneys", mode="lexical") == ["kidney.txt", "kidney.txt"]
        with pytest.raises(UserError, match="without an embedder"):
            reader.retrieve("kidneys", 1)


def test_a_reader_may_not_write(writer: Collection, path: Path) -> None:
    with Collection.open(path, FakeEmbedder()) as reader, pytest.raises(UserError, match="writable=True"):
        reader.add(*document("Text.", "a.txt"))


def test_two_writers(writer: Collection, path: Path) -> None:
    with pytest.raises(LockedError, match=f"'c' is being written by process {os.getpid()} on "):
        Collection.open(path, FakeEmbedder(), writable=True)
    writer.close()
    with Collection.open(path, FakeEmbedder(), writable=True):
        pass


def test_the_lock_of_a_dead_process_is_taken_over(path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from rag.store import Collection; from rag.testing import FakeEmbedder\n"
        "Collection.open(Path(sys.argv[1]), FakeEmbedder(), writable=True, create=True); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, check=False)
    assert (path / "writer.json").is_file()
    with Collection.open(path, FakeEmbedder(), writable=True) as collection:
        fill(collection)


def test_a_reader_sees_commits_and_nothing_else(writer: Collection, path: Path) -> None:
    with Collection.open(path, FakeEmbedder()) as reader:
        writer.add(*document("Kidneys first.", "a.txt"))
        assert (len(writer), len(reader), sources(reader, "kidneys")) == (1, 0, [])
        writer.commit()
        assert (len(reader), sources(reader, "kidneys")) == (1, ["a.txt"])
        writer.add(*document("Kidneys second.", "b.txt"))
        writer.delete_source("a.txt")
        assert sources(reader, "kidneys") == ["a.txt"]
        assert sources(writer, "kidneys") == []
        writer.commit()
        assert sources(reader, "kidneys") == sources(writer, "kidneys") == ["b.txt"]
        writer.compact()
        assert sources(reader, "kidneys") == ["b.txt"]


def test_closing_without_commit_keeps_the_last_commit(writer: Collection, path: Path) -> None:
    fill(writer)
    writer.add(*document("Never committed kidneys.", "late.txt"))
    writer.delete_source("kidney.txt")
    writer.close()
    with Collection.open(path, FakeEmbedder()) as reader:
        assert reader.sources() == sorted(TEXTS)
        assert set(sources(reader, "kidneys", mode="lexical")) == {"kidney.txt"}


def test_threads_share_a_reader_while_another_writes(writer: Collection, path: Path) -> None:
    fill(writer)
    faults: list[BaseException] = []

    def search(reader: Collection) -> None:
        try:
            for _ in range(40):
                found = reader.retrieve("Dialysis replaces the work of the kidneys.", 3)
                assert found[0].source == "kidney.txt"
        except BaseException as error:  # a thread must hand its failure over
            faults.append(error)

    with Collection.open(path, FakeEmbedder()) as reader:
        threads = [threading.Thread(target=search, args=(reader,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(15):
            writer.add(*document(f"Another text number {i}.", f"{i}.txt"))
            writer.commit()
        for thread in threads:
            thread.join()
        assert faults == []
        assert len(reader) == 23


def test_stats_and_manifest(writer: Collection, path: Path) -> None:
    fill(writer)
    stats = writer.stats()
    assert stats["counts"] == {"documents": 4, "sources": 4, "chunks": 8}
    assert stats["embedder"]["id"] == "fake"
    assert stats["bytes"] > 0
    assert json.loads((path / "manifest.json").read_text())["generation"] == writer.generation == 1


def test_a_newer_format_is_refused(writer: Collection, path: Path) -> None:
    writer.close()
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(StoreError, match="99"):
        Collection.open(path, FakeEmbedder())
