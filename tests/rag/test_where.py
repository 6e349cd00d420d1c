"""Filters: what they accept, how they are spelled, and that they find the same rows however chunks are laid out."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from rag import records, tags
from rag.errors import UserError
from rag.schema import Chunk, Document, Where
from rag.store import Collection
from rag.testing import FakeEmbedder
from rag.where import parse_where


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as opened:
        yield opened


def put(collection: Collection, name: str, *own: dict[str, object], language: str = "en", **metadata: object) -> None:
    """Add a document of a chunk for every dictionary: what that chunk says of itself."""
    lines = [f"{name} line {i}" for i in range(len(own))]
    whole = Document.of("\n".join(lines), name, title=name, language=language, metadata=metadata)  # type: ignore[arg-type]
    chunks, start = [], 0
    for line, told in zip(lines, own, strict=True):
        chunks.append(Chunk.of(whole, start, start + len(line), metadata=told))
        start += len(line) + 1
    collection.add(whole, chunks)


def accepted(collection: Collection, where: Where) -> list[str]:
    found = collection.retrieve("line", 1000, where=where, mode="dense")
    return sorted(passage.chunk.text.replace(" line ", "") for passage in found)


def test_numbers_dates_and_texts_are_compared(collection: Collection) -> None:
    put(collection, "a", {}, year=2019, published="2019-05-31", organisation="Alpha")
    put(collection, "b", {}, year="2021", published="2021", organisation="百度")
    put(collection, "c", {}, year=2022.0, published="2022-12-01", organisation="Gamma, Inc")
    put(collection, "d", {}, published="unknown")
    collection.commit()
    assert accepted(collection, {"year>=": 2021}) == accepted(collection, {"year>": "2019"}) == ["b0", "c0"]
    assert accepted(collection, {"year<": 2021}) == accepted(collection, {"year<=": 2020.5}) == ["a0"]
    assert accepted(collection, {"published<": "2021-06-01", "year>": 0}) == ["a0", "b0"]
    assert accepted(collection, {"published>=": "2019-05-31", "published<=": "2022-12"}) == ["a0", "b0", "c0"]
    assert accepted(collection, {"published>": 2019}) == ["b0", "c0"]  # a day in 2019 is not after 2019
    assert accepted(collection, {"published<=": 2019}) == ["a0"]
    assert accepted(collection, {"organisation!=": "百度"}) == ["a0", "c0", "d0"]  # what says nothing, too
    assert accepted(collection, {"organisation!=": ["百度", "Alpha"], "year>": 0}) == ["c0"]
    assert accepted(collection, {"organisation=": "Gamma, Inc"}) == ["c0"]


def test_permissions_are_any_of_several(collection: Collection) -> None:
    put(collection, "a", {}, permissions="board, finance")
    put(collection, "b", {}, permissions="finance;医务")
    put(collection, "c", {}, permissions="all")
    put(collection, "d", {}, organisation="board, finance")
    collection.commit()
    assert accepted(collection, {"permissions": "finance"}) == ["a0", "b0"]
    assert accepted(collection, {"permissions": ["board", "医务"]}) == ["a0", "b0"]
    assert accepted(collection, {"permissions": "board, finance"}) == ["a0"]
    assert accepted(collection, {"organisation": "finance"}) == []


def test_a_chunk_speaks_before_its_document(collection: Collection) -> None:
    put(collection, "a", {}, {"unit": "EUR"}, {"unit": "EUR"}, {"unit": None}, {"year": 2020}, unit="USD", year=2019)
    put(collection, "b", {"unit": "EUR"}, {}, language="zh")
    collection.commit()
    assert accepted(collection, {"unit": "USD"}) == ["a0", "a3", "a4"]
    assert accepted(collection, {"unit": "EUR"}) == ["a1", "a2", "b0"]
    assert accepted(collection, {"unit": None}) == ["b1"]
    assert accepted(collection, {"year": 2020}) == ["a4"]
    assert accepted(collection, {"year!=": 2019}) == ["a4", "b0", "b1"]
    assert accepted(collection, {"language": "zh", "unit": "EUR"}) == ["b0"]


def test_long_texts_can_be_asked_for(collection: Collection) -> None:
    put(collection, "a", {"columns": "x" * 5000}, {})
    collection.commit()
    assert accepted(collection, {"columns": "x" * 5000}) == ["a0"]
    assert accepted(collection, {"columns": "x" * 4999}) == []


def test_filters_agree_with_looking_at_each_chunk(collection: Collection) -> None:
    draw = random.Random(4)
    expected: dict[str, list[str]] = {}
    for i in range(60):
        own = [{"part": draw.choice("ab")} if draw.random() < 0.4 else {} for _ in range(draw.randint(1, 5))]
        year, part = draw.randint(2015, 2020), draw.choice("abc")
        put(collection, f"d{i:02}x", *own, year=year, part=part)
        for j, told in enumerate(own):
            expected.setdefault(f"{told.get('part', part)}{year}", []).append(f"d{i:02}x{j}")
    for i in range(0, 60, 7):
        collection.delete_source(f"d{i:02}x")
    collection.commit()
    gone = {f"d{i:02}x" for i in range(0, 60, 7)}
    for part in "abc":
        for year in range(2015, 2021):
            wanted = sorted(name for name in expected.get(f"{part}{year}", []) if name[:4] not in gone)
            assert accepted(collection, {"part": part, "year": year}) == wanted


def test_filters_see_changes_that_are_not_committed_and_follow_commits(collection: Collection) -> None:
    put(collection, "a", {}, {}, year=2020)
    put(collection, "b", {}, year=2020)
    collection.commit()
    assert accepted(collection, {"year": 2020}) == ["a0", "a1", "b0"]
    collection.delete_source("a")
    assert accepted(collection, {"year": 2020}) == ["b0"]
    collection.commit()
    put(collection, "c", {}, year=2020)
    collection.commit()
    assert accepted(collection, {"year": 2020}) == ["b0", "c0"]


def test_a_collection_of_the_first_format_gets_its_tags(collection: Collection) -> None:
    put(collection, "a", {}, {"unit": "EUR"}, year=2020)
    put(collection, "b", {}, year=2021)
    collection.commit()
    collection.close()
    file = collection.path / records.FILE
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE tags")
        db.execute("UPDATE state SET value = 1 WHERE name = 'format_version'")
    db.close()
    manifest = collection.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format_version": 2', '"format_version": 1'))
    for writable in (False, True):
        with Collection.open(collection.path, FakeEmbedder(), writable=writable) as again:
            assert accepted(again, {"year>": 2020}) == ["b0"]
            assert accepted(again, {"unit": "EUR"}) == ["a1"]
            assert again.stats()["format_version"] == 2


def test_tags_go_with_their_document(collection: Collection) -> None:
    put(collection, "a", {"unit": "EUR"}, year=2020)
    collection.commit()
    collection.delete_source("a")
    collection.commit()
    assert collection._records.count("tags") == 0


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["year=2022"], {"year": "2022"}),
        (["year>=2020", "published<2023-01-01"], {"year>=": "2020", "published<": "2023-01-01"}),
        (["tag in a,b"], {"tag": ["a", "b"]}),
        (["year=2021,2022", "year = 2023"], {"year": ["2021", "2022", "2023"]}),
        (["language != zh", "公司=百度"], {"language!=": "zh", "公司": "百度"}),
        (["fiscal year<=2020", "title=a=b"], {"fiscal year<=": "2020", "title": "a=b"}),
    ],
)
def test_filters_are_spelled(pairs: list[str], expected: dict[str, object]) -> None:
    assert parse_where(pairs) == expected


@pytest.mark.parametrize("pair", ["year", "=2020", "year=", "year~2020", ">=3", "", "year in ", "in a"])
def test_what_is_no_filter_is_told_with_the_choices(pair: str) -> None:
    with pytest.raises(UserError, match=r"an operator \(= != >= <= > < or in\)"):
        parse_where([pair])


def test_what_cannot_be_compared_is_told(collection: Collection) -> None:
    put(collection, "a", {})
    collection.commit()
    for where in ({"year>": [1, 2]}, {"year>": None}, {"year<": True}):
        with pytest.raises(UserError, match="wants one number, date or text"):
            accepted(collection, where)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="cannot be a key"):
        accepted(collection, {">=": 3})


def test_runs_are_as_few_as_can_be() -> None:
    chunks = [tags.Tagged(1, "prose", {}) for _ in range(100)]
    assert list(tags._runs({"year": 2020}, chunks)) == [("year", 2020, 0, 99)]
