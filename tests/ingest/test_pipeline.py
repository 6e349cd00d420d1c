"""Files into an index: what changed is read, what failed is named, what was cut short is taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ingest.pipeline as pipeline
import ingest.turns as turns
from ingest.discover import discover
from ingest.pipeline import IngestOptions, ingest
from ingest.signature import signature, version
from rag.errors import DocumentError, StoreError
from rag.schema import Document
from rag.store import Collection
from rag.testing import FakeEmbedder


def test_every_format_comes_in_and_nothing_twice(files: Path, index: Any) -> None:
    seen: list[tuple[int, int, str]] = []
    report = ingest([files], index, progress=lambda done, total, what: seen.append((done, total, what)))
    assert report.failed == []
    assert (report.documents, report.unchanged, report.updated, report.deleted) == (9, 0, 0, 0)
    assert report.chunks == len(index) > 9
    assert f"{files}/records.jsonl#a" in index.committed
    assert seen[0] == (0, 8, f"{files}/book.xlsx")
    assert seen[-1] == (8, 8, "")
    index.added.clear()
    again = ingest([files], index)
    assert index.added == []
    assert (again.documents, again.unchanged, again.chunks) == (0, 9, 0)
    assert set(again.as_json()) == {
        "documents", "chunks", "unchanged", "updated", "deleted", "failed", "seconds", "pages_per_second", "warnings",
        "duplicates",
        "boilerplate",
    }  # fmt: skip


def test_chunks_are_spans_of_their_documents(files: Path, index: Any) -> None:
    ingest([files], index, options=IngestOptions(max_tokens=40))
    for document, chunks, _ in index.held.values():
        assert all(document.text[c.start : c.end] == c.text and c.doc_id == document.id for c in chunks)


def test_a_changed_file_is_updated_and_other_options_read_anew(files: Path, index: Any) -> None:
    ingest([files], index)
    (files / "notes.txt").write_text("Other words.", "utf-8")
    report = ingest([files], index)
    assert (report.documents, report.updated, report.unchanged) == (1, 1, 8)
    assert ingest([files], index, options=IngestOptions(max_tokens=50)).documents == 9


def test_a_failing_file_is_named_keeps_what_it_held_and_the_rest_goes_on(files: Path, index: Any) -> None:
    ingest([files], index)
    (files / "notes.txt").write_bytes(b"")
    (files / "zz.pdf").write_bytes(b"%PDF-1.4 broken")
    (files / "zzz.txt").write_text("A last one.", "utf-8")
    report = ingest([files], index)
    assert [failure["source"] for failure in report.failed] == [f"{files}/notes.txt", f"{files}/zz.pdf"]
    assert report.failed[0]["reason"] == "the file is empty."
    assert report.documents == 1
    assert f"{files}/notes.txt" in index.committed


def test_an_unforeseen_error_is_recorded_and_a_refused_write_is_not(
    files: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(pipeline, "chunk", fail)
    report = ingest([files / "notes.txt"], index)
    assert report.failed == [
        {
            "source": f"{files}/notes.txt",
            "reason": "it is broken, or of a kind not met before (ZeroDivisionError: oops). "
            "Save it anew from its own program.",
        }
    ]
    monkeypatch.undo()

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(index, "add", refuse)
    with pytest.raises(StoreError):
        ingest([files], index)


def test_records_are_compared_one_by_one_and_dropped_ones_deleted(tmp_path: Path, index: Any) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(f'{{"id": {i}, "text": "Record {i}."}}\n' for i in range(5)), "utf-8")
    assert ingest([path], index).documents == 5
    lines = path.read_text("utf-8").splitlines()
    lines[3] = '{"id": 3, "text": "Changed."}'
    path.write_text("\n".join(lines[:4]), "utf-8")
    index.added.clear()
    report = ingest([path], index)
    assert index.added == [f"{path}#0", f"{path}#3", f"{path}#0"]  # the first is unmarked, and marked when all are in
    assert report.deleted == 1
    assert sorted(index.committed) == [f"{path}#{i}" for i in range(4)]


def test_an_unchanged_file_of_records_is_not_parsed(
    tmp_path: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(f'{{"id": {i}, "text": "Record {i}."}}\n' for i in range(50)), "utf-8")
    ingest([path], index)
    parsed = []
    original = Document.of
    monkeypatch.setattr(Document, "of", lambda *args, **kwargs: parsed.append(1) or original(*args, **kwargs))
    assert ingest([path], index).unchanged == 50
    assert parsed == []


def test_what_was_cut_short_is_taken_up(tmp_path: Path, index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(f'{{"id": {i}, "text": "Record {i}."}}\n' for i in range(10)), "utf-8")
    monkeypatch.setattr(pipeline, "BATCH_DOCUMENTS", 4)
    original = index.add

    def dying(document: Document, chunks: Any, **fields: Any) -> Any:
        if document.source == f"{path}#7":
            raise KeyboardInterrupt
        return original(document, chunks, **fields)

    monkeypatch.setattr(index, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        ingest([path], index)
    monkeypatch.setattr(index, "add", original)
    index.crash()
    assert sorted(index.held) == [f"{path}#{i}" for i in range(4)]
    index.added.clear()
    report = ingest([path], index)
    assert (report.documents, report.unchanged) == (7, 3)  # the first is asked for again, to be marked
    assert len(index.committed) == 10


def test_vanished_files_are_deleted_only_when_asked(files: Path, index: Any) -> None:
    ingest([files], index)
    (files / "notes.txt").unlink()
    (files / "records.jsonl").unlink()
    assert ingest([files], index).deleted == 0
    assert ingest([files], index, options=IngestOptions(prune=True)).deleted == 3
    assert f"{files}/notes.txt" not in index.committed


def test_what_has_gone_from_the_base_itself_goes_and_nothing_from_elsewhere(
    tmp_path: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, other = tmp_path / "base", tmp_path / "other"
    for folder in (base, base / "in", other):
        folder.mkdir()
        (folder / "a.txt").write_text(f"Aspirin 阿司匹林 {folder.name}", "utf-8")
    options = IngestOptions(base=base, prune=True)
    ingest([base, other], index, options=options)
    assert sorted(index.sources()) == sorted([f"{other}/a.txt", "a.txt", "in/a.txt"])
    (base / "a.txt").unlink()
    (other / "a.txt").unlink()
    assert ingest([base], index, options=options).deleted == 1
    assert sorted(index.sources()) == sorted([f"{other}/a.txt", "in/a.txt"])
    assert ingest([other], index, options=options).deleted == 1
    assert index.sources() == ["in/a.txt"]


def test_too_large_missing_and_twice_given(files: Path, tmp_path: Path, index: Any) -> None:
    (tmp_path / "big.txt").write_bytes(b"words " * 400_000)
    report = ingest([tmp_path / "big.txt", tmp_path / "none.txt"], index, options=IngestOptions(max_file_mb=1))
    assert "at most 1 are read" in report.failed[1]["reason"]
    assert "no such file" in report.failed[0]["reason"]
    assert ingest([files, files / "notes.txt", files], index).documents == 9


def test_a_large_text_comes_in_parts_and_is_known_as_a_whole(
    tmp_path: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.parsers.text.PART_CHARS", 1000)
    (tmp_path / "big.txt").write_text("".join(f"Paragraph {i} says a thing.\n\n" for i in range(200)), "utf-8")
    report = ingest([tmp_path / "big.txt"], index)
    assert report.documents == len(index.held) > 4
    assert "Paragraph 199" in index.held[f"{tmp_path}/big.txt#{report.documents}"][0].text
    assert ingest([tmp_path / "big.txt"], index).documents == 0


def test_discovery(files: Path, tmp_path: Path) -> None:
    (files / ".hidden").write_text("x", "utf-8")
    (files / "sub").mkdir()
    (files / "sub" / "a.txt").write_text("x", "utf-8")
    (files / "sub" / "loop").symlink_to(files, target_is_directory=True)
    (files / "alias.txt").symlink_to(files / "notes.txt")
    (files / "dead.txt").symlink_to(files / "none")
    found = [file.source for file in discover([files], files.parent)]
    assert found == sorted(found)
    assert len(found) == 9
    assert "library/sub/a.txt" in found
    assert "library/.hidden" not in found
    other = tmp_path / "other" / "library"
    other.mkdir(parents=True)
    (other / "notes.txt").write_text("y", "utf-8")
    named = [file.source for file in discover([files / "notes.txt", other / "notes.txt"], files)]
    assert named == ["notes.txt", f"{other}/notes.txt"]
    with pytest.raises(DocumentError, match="no such file"):
        list(discover([tmp_path / "none"]))


def test_paths_that_climb(files: Path, index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    report = ingest(["../library/notes.txt", Path("..") / "library"], index)
    assert report.failed == []
    assert all(source.startswith(f"{files}/") for source in index.held)
    again = ingest([files], index)
    assert (again.documents, again.unchanged) == (0, 9)


PERSON = "Patient: John Smith, phone 555-123-4567, takes aspirin 100 mg a day for his heart.\n"


def test_persons_are_taken_out_before_anything_is_stored(tmp_path: Path, index: Any) -> None:
    (tmp_path / "a.txt").write_text(PERSON, "utf-8")
    (tmp_path / "r.jsonl").write_text(
        '{"id": 1, "text": "患者：李国强，电话13812345678。"}\n{"id": 2, "text": "Two."}\n', "utf-8"
    )
    masked = IngestOptions(deidentify="mask")
    assert ingest([tmp_path], index, options=masked).documents >= 3
    for document, chunks, _ in index.committed.values():
        text = document.text + "".join(c.text for c in chunks)
        assert not [name for name in ("Smith", "4567", "李国强", "13812345678") if name in text]
        assert all(document.text[c.start : c.end] == c.text for c in chunks)
    index.added.clear()
    ingest([tmp_path], index, options=masked)
    assert index.added == []
    ingest([tmp_path], index)  # another way to read: everything anew
    assert "John Smith" in index.committed[f"{tmp_path}/a.txt"][0].text


def test_duplicates_are_reported_and_left_out(tmp_path: Path) -> None:
    text = "".join(
        f"Paragraph {word} of the guideline says how the dose is found.\n\n" for word in ["one", "two", "three", "four"]
    )
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "r.jsonl").write_text(
        '{"id": 1, "text": "Alpha."}\n{"id": 2, "text": "Alpha."}\n{"id": 3, "text": "Beta."}\n'
    )
    skip = IngestOptions(duplicates="skip", prune=True)
    with Collection.open(tmp_path / ".store", FakeEmbedder(64), writable=True, create=True) as index:
        report = ingest([tmp_path], index, options=skip)
        assert [(d["source"], d["of"], d["kind"]) for d in report.duplicates] == [
            (f"{tmp_path}/b.txt", f"{tmp_path}/a.txt", "exact"),
            (f"{tmp_path}/r.jsonl#2", f"{tmp_path}/r.jsonl#1", "exact"),
        ]
        assert index.sources() == [f"{tmp_path}/a.txt", f"{tmp_path}/r.jsonl#1", f"{tmp_path}/r.jsonl#3"]
        again = ingest([tmp_path], index, options=skip)
        assert (again.documents, again.unchanged) == (0, 3)
        assert again.duplicates == report.duplicates
        (tmp_path / "a.txt").rename(tmp_path / "z.txt")  # its text stays, under another name
        moved = ingest([tmp_path], index, options=skip)
        assert (moved.deleted, moved.documents) == (1, 1)
        assert f"{tmp_path}/b.txt" in index.sources()
        assert "guideline" in index.retrieve("dose guideline paragraph", 1)[0].chunk.text
    with Collection.open(tmp_path / ".all", FakeEmbedder(64), writable=True, create=True) as index:
        assert ingest([tmp_path], index, options=IngestOptions(duplicates="keep")).duplicates == []
        assert len(index.sources()) == 5


def test_a_broken_line_is_named_and_the_others_are_read(tmp_path: Path, index: Any) -> None:
    path = tmp_path / "r.jsonl"
    whole = [f'{{"id": "{name}", "text": "Record {name}. 记录。"}}' for name in "abc"]
    path.write_text("\n".join(whole), "utf-8")
    assert ingest([path], index).documents == 3
    path.write_text(
        "\n".join([whole[0], whole[1][:-4], whole[2].replace("Record", "Changed"), '{"n": ' + "9" * 9000 + "}"])
    )
    report = ingest([path], index)
    assert [failure["source"] for failure in report.failed] == [f"{path}#line 2", f"{path}#line 4"]
    assert all("not valid JSON" in failure["reason"] for failure in report.failed)
    assert "Changed" in index.committed[f"{path}#c"][0].text
    assert f"{path}#b" in index.committed  # it may be what the broken line was
    assert len(ingest([path], index).failed) == 2  # named until it is mended
    path.write_text("\n".join([whole[0], whole[2]]), "utf-8")
    report = ingest([path], index)
    assert (report.failed, report.deleted) == ([], 1)
    path.write_text("\n".join(["{", *["[]"] * 30]), "utf-8")
    assert len(ingest([path], index).failed) == 21  # twenty, and how many more
    assert len(index.committed) == 2


def test_scans_alone_are_read_again_once_tesseract_is_installed(
    tmp_path: Path, make_pdf: Any, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole.pdf").write_bytes(make_pdf([[(50, 700, "A page of words.")]]))
    (tmp_path / "scan.pdf").write_bytes(make_pdf([[(50, 700, "A page of words, too.")]]))
    eyes = {"scan.pdf": {"pages_without_text": "2"}}
    read = turns.read

    def seen(path: Path, source: str) -> Any:
        for item in read(path, source):
            yield replace(item, document=replace(item.document, metadata=eyes.get(path.name, {})))

    monkeypatch.setattr("ingest.turns.read", seen)
    installed: list[str] = []
    monkeypatch.setattr("shutil.which", lambda name: name if name in installed else None)
    options, off = IngestOptions(workers=0), IngestOptions(workers=0, ocr="off")

    def added(way: IngestOptions) -> list[str]:
        index.added.clear()
        ingest([tmp_path], index, options=way)
        return [Path(source).name for source in index.added]

    assert added(options) == ["scan.pdf", "whole.pdf"]
    assert added(options) == []
    installed.append("tesseract")
    assert added(off) == []
    eyes["scan.pdf"] = {"pages_by_ocr": "2"}
    assert added(options) == ["scan.pdf"]
    assert added(options) == []
    installed.clear()
    assert added(options) == []  # what it read stays
    eyes["scan.pdf"] = {"pages_without_text": "2"}
    assert added(off) == ["scan.pdf"]


LONG = "".join(
    f"Section {word}: the dose is found by weight and kidney function.\n\n" for word in ("one", "two", "six")
)


def options(**fields: Any) -> IngestOptions:
    return IngestOptions(workers=0, **fields)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Two files that say the same, and one of records whose second repeats them."""
    folder = tmp_path / "library"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(LONG, "utf-8")
    record = json.dumps({"id": 2, "text": LONG})
    (folder / "r.jsonl").write_text('{"id": 1, "text": "第一条：营业收入增长。"}\n' + record + "\n", "utf-8")
    return folder


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "store", FakeEmbedder(64), writable=True, create=True) as opened:
        yield opened


def names(index: Collection) -> list[str]:
    return [Path(source).name for source in index.sources()]


def test_what_was_left_out_is_not_read_again(
    pair: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ingest([pair], collection, options=options())
    assert names(collection) == ["a.txt", "r.jsonl#1"]
    monkeypatch.setattr("ingest.turns.read", lambda *_: pytest.fail("a file was read again"))
    monkeypatch.setattr("ingest.twins.signature", lambda *_: pytest.fail("a signature was computed again"))
    again = ingest([pair], collection, options=options())
    assert again.duplicates == first.duplicates != []
    assert (again.documents, again.unchanged, again.failed) == (0, 2, [])


def test_what_was_left_out_comes_in_when_the_other_one_is_deleted(pair: Path, collection: Collection) -> None:
    ingest([pair], collection, options=options())
    kept = next(row for row in collection.documents() if row["source"].endswith("a.txt"))
    collection.delete(kept["id"])
    collection.commit()
    (pair / "a.txt").unlink()
    report = ingest([pair], collection, options=options())
    assert names(collection) == ["b.txt", "r.jsonl#1"]
    assert [(Path(d["source"]).name, Path(d["of"]).name) for d in report.duplicates] == [("r.jsonl#2", "b.txt")]
    assert (report.documents, report.unchanged) == (1, 1)


@pytest.mark.parametrize("workers", [0, 1])  # with workers files are begun ahead of their turn
def test_what_was_left_out_comes_in_when_the_other_one_changes(
    pair: Path, collection: Collection, workers: int
) -> None:
    ingest([pair], collection, options=options())
    (pair / "a.txt").write_text("Something else altogether.", "utf-8")
    report = ingest([pair], collection, options=IngestOptions(workers=workers))
    assert report.failed == []
    assert names(collection) == ["a.txt", "b.txt", "r.jsonl#1"]
    assert (report.documents, report.updated) == (2, 1)
    (pair / "b.txt").unlink()
    ingest([pair], collection, options=options(prune=True))
    assert names(collection) == ["a.txt", "r.jsonl#1", "r.jsonl#2"]
    assert ingest([pair], collection, options=options(prune=True)).unchanged == 3


def test_files_that_swap_their_names_are_both_there_afterwards(tmp_path: Path, collection: Collection) -> None:
    texts = {"a.txt": LONG, "b.txt": LONG.replace("dose", "rate").replace("kidney", "deposit")}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    paths = [tmp_path / name for name in texts]
    ingest(paths, collection, options=options())
    (tmp_path / "a.txt").write_text(texts["b.txt"], "utf-8")
    (tmp_path / "b.txt").write_text(texts["a.txt"], "utf-8")
    assert ingest(paths, collection, options=options()).duplicates == []
    found = {Path(row["source"]).name: collection.document(row["id"]).text for row in collection.documents()}
    assert "rate" in found["a.txt"] and "dose" in found["b.txt"]


def test_another_choice_of_duplicates_or_likeness_decides_anew(pair: Path, collection: Collection) -> None:
    (pair / "near.txt").write_text("Printed copy.\n\n" + LONG, "utf-8")
    ingest([pair], collection, options=options())
    assert names(collection) == ["a.txt", "r.jsonl#1"]
    ingest([pair], collection, options=options(likeness=1.0))
    assert names(collection) == ["a.txt", "near.txt", "r.jsonl#1"]
    assert ingest([pair], collection, options=options(duplicates="keep")).documents == 2
    assert names(collection) == ["a.txt", "b.txt", "near.txt", "r.jsonl#1", "r.jsonl#2"]
    assert ingest([pair], collection, options=options()).unchanged == 5  # what is held stays


def test_nothing_of_a_deleted_text_is_remembered(pair: Path, collection: Collection) -> None:
    ingest([pair], collection, options=options())
    held = collection.document_of_source(f"{pair}/a.txt")
    assert held
    kept = collection.twins.alike([signature(held).exact_band], version())
    assert len(kept) == 1
    files = [path for path in collection.path.rglob("*") if path.is_file()]
    assert any(kept[0][1] in path.read_bytes() for path in files)
    collection.delete_source(kept[0][0][0])
    collection.compact()
    assert not any(kept[0][1] in path.read_bytes() for path in collection.path.rglob("*") if path.is_file())
    assert {item.of for item in collection.twins.left_out()} == {None}
    assert {item.fingerprint for item in collection.twins.left_out()} == {""}


def test_repeated_lines_are_told_and_page_making_is_dropped_where_that_is_asked(tmp_path: Path) -> None:
    warning = "Tell your doctor about all the medicines that you take."
    for i, drug in enumerate(("aspirin", "warfarin", "metformin", "insulin", "二甲双胍片")):
        text = f"Notes on {drug} and on how it is stored.\n\n{warning}\n\n© 2023 Acme. All rights reserved.\n"
        (tmp_path / f"{i}.txt").write_text(text, "utf-8")

    def chunks(name: str, **fields: Any) -> set[tuple[str, str]]:
        with Collection.open(tmp_path / name, FakeEmbedder(64), writable=True, create=True) as index:
            files = sorted(tmp_path.glob("*.txt"), reverse=name == ".turned")
            report = ingest(files, index, options=IngestOptions(**fields))
            assert {"line": warning, "documents": 5} in report.boilerplate
            assert report.documents == 5
            return {(row["source"], c.text) for row in index.documents() for c in index.chunks(row["id"])}

    kept, dropped = chunks(".kept", workers=0), chunks(".dropped", workers=0, boilerplate="drop")
    assert all("rights" in text for _, text in kept)
    assert not any("rights" in text for _, text in dropped)
    assert all(warning in text for _, text in dropped)
    assert chunks(".turned", workers=2, boilerplate="drop") == dropped
