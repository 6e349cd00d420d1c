"""What connectors write: names, side files, nothing twice, nothing half."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import connect
from ingest.connect import Item, Missed, safe_name, save, saved_in
from ingest.parsers import parse
from ingest.parsers.blocks import Prose, compose
from ingest.pipeline import IngestOptions, ingest
from ingest.sidecar import beside, is_side, load_side, read_side, side_of, side_print
from rag.errors import DocumentError, FetchError


def _side(path: Path) -> dict[str, object]:
    return json.loads(side_of(path).read_text("utf-8"))


def test_a_file_and_what_is_known_of_it(tmp_path: Path) -> None:
    told = {
        "title": "华例公司2022年年度报告",
        "year": 2022,
        "ticker": "",
        "amendment": None,
        "url": "https://x.example/a",
    }
    saved = save([Item("报告.htm", "<p>营业收入</p>".encode(), told)], tmp_path / "new" / "folder")
    path = tmp_path / "new" / "folder" / "报告.htm"
    assert saved.written == ["报告.htm"]
    assert not saved.failed
    assert path.read_text("utf-8") == "<p>营业收入</p>"
    side = _side(path)
    fetched = side.pop("fetched")
    assert side == {
        "title": "华例公司2022年年度报告",
        "year": 2022,
        "url": "https://x.example/a",
    }  # empty values are not told
    assert datetime.fromisoformat(fetched["retrieved"]).utcoffset() == timedelta(0)
    assert "华例公司" in side_of(path).read_text("utf-8")  # legible, not \u escapes
    assert {entry.name for entry in path.parent.iterdir()} == {"报告.htm", "报告.htm.meta.json"}


def test_the_same_again_is_unchanged_and_new_metadata_is_written(tmp_path: Path) -> None:
    save([Item("a.xml", b"<a/>", {"year": 2020})], tmp_path)
    assert save([Item("a.xml", b"<a/>", {"year": 2020})], tmp_path).unchanged == ["a.xml"]
    again = save([Item("a.xml", b"<a/>", {"year": 2020, "retracted": True})], tmp_path)
    assert again.written == ["a.xml"]
    assert _side(tmp_path / "a.xml")["retracted"] is True


@pytest.mark.parametrize("harm", ["cut", "no side file", "broken side file", "no file"])
def test_what_was_cut_or_lost_is_not_had(tmp_path: Path, harm: str) -> None:
    save([Item("a.htm", b"whole text", {"year": 2020})], tmp_path)
    have, path = saved_in(tmp_path), tmp_path / "a.htm"
    assert have("a.htm") is not None
    if harm == "cut":
        path.write_bytes(b"whole")
    elif harm == "no side file":
        side_of(path).unlink()
    elif harm == "broken side file":
        side_of(path).write_text("{", "utf-8")
    else:
        path.unlink()
    assert have("a.htm") is None


def test_what_is_old_is_not_fresh(tmp_path: Path) -> None:
    save([Item("a.htm", b"text")], tmp_path)
    week = timedelta(days=7)
    assert saved_in(tmp_path, max_age=week, now=lambda: datetime.now(UTC) + timedelta(days=6))("a.htm") is not None
    assert saved_in(tmp_path, max_age=week, now=lambda: datetime.now(UTC) + timedelta(days=8))("a.htm") is None
    assert saved_in(tmp_path, now=lambda: datetime.now(UTC) + timedelta(days=900))("a.htm") is not None


def test_what_fails_stops_nothing_and_what_stops_loses_nothing(tmp_path: Path) -> None:
    def items() -> Iterator[Item | Missed]:
        yield Item("a.htm", b"one")
        yield Missed("b", "gone")
        raise FetchError("the line is dead")

    seen: list[tuple[int, str]] = []
    saved = save(items(), tmp_path, progress=lambda done, name: seen.append((done, name)))
    assert saved.written == ["a.htm"]
    assert saved.failed == [{"name": "b", "reason": "gone"}]
    assert saved.stopped == "the line is dead"
    assert seen == [(1, "a.htm"), (2, "b")]
    assert (tmp_path / "a.htm").read_bytes() == b"one"


def test_a_fetch_that_gives_nothing_is_an_error(tmp_path: Path) -> None:
    def items() -> Iterator[Item | Missed]:
        raise FetchError("unknown ticker")
        yield

    with pytest.raises(FetchError, match="unknown ticker"):
        save(items(), tmp_path)


def test_a_full_text_takes_the_place_of_the_abstract(tmp_path: Path) -> None:
    save([Item("1.xml", b"abstract")], tmp_path)
    save([Item("1_full.xml", b"text", replaces="1.xml")], tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"1_full.xml", "1_full.xml.meta.json"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/absolute", "absolute"),
        (".hidden", "hidden"),
        ("a\x00b\nc", "a_b_c"),
        ("CON.htm", "_CON.htm"),
        ("年度报告 2022.htm", "年度报告_2022.htm"),
        ("a:b|c?.htm", "a_b_c_.htm"),
    ],
)
def test_names_stay_in_their_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=400))
def test_every_name_is_one_of_a_file_in_the_folder(name: str) -> None:
    try:
        safe = safe_name(name)
    except DocumentError:
        return
    assert Path(safe).name == safe
    assert not safe.startswith(".")
    assert 0 < len(safe.encode()) <= 200
    assert safe_name(safe) == safe


@pytest.mark.parametrize("written", [0, 1])
def test_a_fetch_killed_between_two_writes_leaves_nothing_half(
    tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = connect._write, []

    def dying(path: Path, content: bytes) -> None:
        if len(calls) == written:
            raise KeyboardInterrupt
        calls.append(path)
        real(path, content)

    monkeypatch.setattr(connect, "_write", dying)
    with pytest.raises(KeyboardInterrupt):
        save([Item("a.htm", b"text", {"year": 2022})], tmp_path)
    monkeypatch.undo()
    assert saved_in(tmp_path)("a.htm") is None  # so it is fetched again
    assert save([Item("a.htm", b"text", {"year": 2022})], tmp_path).written == ["a.htm"]
    side = saved_in(tmp_path)("a.htm")
    assert side is not None
    assert side["year"] == 2022


def test_long_names_are_cut_and_stay_apart(tmp_path: Path) -> None:
    first, second = safe_name("报" * 300 + "一.htm"), safe_name("报" * 300 + "二.htm")
    assert first != second
    assert all(len(name.encode()) <= 200 and name.endswith(".htm") for name in (first, second))
    save([Item(first, b"text")], tmp_path)  # and the system takes it, with all that stands beside it
    with pytest.raises(DocumentError, match="no file name"):
        safe_name("../..")


def test_a_side_file_tells_of_its_document(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Sales rose by 3 %.\n", "utf-8")
    assert read_side(path) == {}
    assert side_print(path) == ""
    told = {
        "title": "Note",
        "year": 2022,
        "tags": ["a", "b"],
        "fetched": {"sha256": "x"},
        "none": None,
        "format": "pdf",
    }
    side_of(path).write_text(json.dumps(told), "utf-8")
    assert read_side(path) == {"title": "Note", "year": 2022, "tags": "a; b"}
    print_before = side_print(path)
    side_of(path).write_text(json.dumps({**told, "fetched": {"sha256": "y"}}), "utf-8")
    assert side_print(path) == print_before  # when it was fetched changes no document
    side_of(path).write_text(json.dumps({**told, "year": 2023}), "utf-8")
    assert side_print(path) != print_before
    assert is_side(side_of(path).name)
    assert not is_side(path.name)


@pytest.mark.parametrize("content", ["[1]", "{", '{"a": "' + "x" * 5000 + '"}', "\udcff"])
def test_a_broken_side_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.txt"
    side_of(path).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DocumentError, match=r"a\.txt\.meta\.json"):
        read_side(path)
    assert side_print(path)


def test_a_side_file_wins_and_what_follows_from_it_is_found_anew() -> None:
    text = "Example Industries annual report. Net sales were $ 5 million in 2021."
    parsed = compose([Prose(text)], "x_2021_10K.txt", kind="text", metadata={"year": 2021, "format": "text"})
    side = {"title": "Example 10-K 2022", "organisation": "Example Inc", "document_type": "10-K", "year": 2022}
    changed = beside(parsed, {**side, "fiscal_period": "FY", "period_end": "2022-09-24"})
    found = changed.document
    assert found.title == "Example 10-K 2022"
    assert (found.metadata["year"], found.metadata["organisation"]) == (2022, "Example Inc")
    assert found.metadata["format"] == "text"
    assert str(found.metadata["series"]).startswith("10-K:")
    assert found.id != parsed.document.id
    assert found.text == parsed.document.text
    part = beside(compose([Prose(text)], "mail.jsonl#3", kind="jsonl", title="Third"), side).document
    assert part.title == "Third"


def test_reading_a_file_takes_its_side_file_along(tmp_path: Path) -> None:
    save(
        [Item("a.txt", b"Sales rose by 3 %.\n", {"title": "A note", "retracted": True, "url": "https://x.example"})],
        tmp_path,
    )
    (document,) = parse(tmp_path / "a.txt")
    assert document.title == "A note"
    assert document.metadata["retracted"] is True
    assert document.metadata["url"] == "https://x.example"
    assert "fetched" not in document.metadata
    assert load_side(tmp_path / "a.txt")["fetched"]


def test_what_was_fetched_is_ingested_with_what_is_known_of_it(tmp_path: Path, index: Any) -> None:
    folder = tmp_path / "fetched"
    page = b"<html><head><title>x</title></head><body><p>Net sales rose by 3 % in all regions.</p></body></html>"
    told = {"title": "Example Industries Inc 10-K 2022", "organisation": "Example Industries Inc", "year": 2022}
    record = (Path(__file__).parent / "data" / "pubmed" / "efetch_pubmed.xml").read_bytes()
    save([Item("a.htm", page, told), Item("PMID1.xml", record, {"retracted": True})], folder)
    options = IngestOptions(base=folder, workers=0)
    first = ingest([folder], index, options=options)
    assert not first.failed
    assert "a.htm" in index.sources()
    assert not [source for source in index.sources() if "meta.json" in source]
    document, chunks, _ = index.held["a.htm"]
    assert (document.title, document.metadata["organisation"]) == (told["title"], told["organisation"])
    assert all(document.text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert index.held["PMID1.xml"][0].metadata["retracted"] is True
    held = dict(index.held)
    again = ingest([folder], index, options=options)
    assert (again.documents, again.failed) == (0, [])
    save([Item("a.htm", page, told)], folder)  # fetched once more, and the same
    assert ingest([folder], index, options=options).documents == 0
    assert index.held == held
    save([Item("a.htm", page, {**told, "year": 2023})], folder)  # the same bytes, known better
    assert ingest([folder], index, options=options).updated == 1
    assert index.held["a.htm"][0].metadata["year"] == 2023


def test_nothing_is_asked_of_the_network_by_importing() -> None:
    code = (
        "import ingest.pipeline, ingest.sidecar, ingest.connect, ingest.connect.edgar, ingest.connect.pubmed, sys\n"
        "print([m for m in ('httpx', 'httpcore', 'ssl', 'socket') if m in sys.modules and m == 'httpx'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"
