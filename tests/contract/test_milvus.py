"""A collection on Milvus keeps the contract of an Index, unedited, and what Milvus itself does not promise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rag.errors import (
    DocumentError,
    EmbedderMismatchError,
    LockedError,
    SettingsError,
    StoreError,
    UnknownCollectionError,
    UnknownDocumentError,
    UserError,
)
from rag.integrations.milvus import MilvusCollection, delete_collection, list_collections, search, server
from rag.integrations.milvus.ledger import Ledger
from rag.integrations.milvus.search import Finder
from rag.integrations.milvus.writer import _LIVE
from rag.schema import Cell, Chunk, ChunkKind, Document, Fact, Hints, Index, Scalar, Table, Where
from rag.store import Collection
from rag.testing import TEXTS, FakeEmbedder, IndexContract, document

pytest.importorskip("milvus_lite")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "milvus.db")


class TestMilvus(IndexContract):
    @pytest.fixture
    def index(self, uri: str) -> Iterator[MilvusCollection]:
        with MilvusCollection.open(uri, "c", FakeEmbedder(), writable=True, create=True) as collection:
            yield collection

    @pytest.fixture
    def reopen(self, uri: str) -> Iterator[Callable[[Index], Index]]:
        opened: list[MilvusCollection] = []

        def again(index: Index) -> Index:
            assert isinstance(index, MilvusCollection)
            index.close()
            opened.append(MilvusCollection.open(uri, "c", FakeEmbedder()))
            return opened[-1]

        yield again
        for collection in opened:
            collection.close()

    def test_it_is_an_index(self, index: MilvusCollection) -> None:
        assert isinstance(index, Index)


@pytest.fixture
def open_c(uri: str) -> Iterator[Callable[..., MilvusCollection]]:
    """Open a collection of the file; all are closed in the end."""
    opened: list[MilvusCollection] = []

    def open_one(name: str = "c", *, writable: bool = True, embedder: FakeEmbedder | None = None) -> MilvusCollection:
        who = embedder or FakeEmbedder()
        opened.append(MilvusCollection.open(uri, name, who, writable=writable, create=writable))
        return opened[-1]

    yield open_one
    for collection in opened:
        collection.close()


Open = Callable[..., MilvusCollection]


def _fill(collection: MilvusCollection, **metadata: Scalar) -> None:
    for source, text in TEXTS.items():
        collection.add(*document(text, source, **metadata), fingerprint="1")
    collection.commit()


def _kill(writer: MilvusCollection) -> None:
    """No rollback, no release: as after a kill, when its process is no more."""
    assert writer._writer is not None
    _LIVE.discard(writer._writer._token)
    writer._server.close()


def test_nobody_sees_what_is_not_committed(open_c: Open) -> None:
    writer = open_c()
    _fill(writer)
    reader = open_c(writable=False)
    writer.add(*document("Insulin is given by injection. 胰岛素要注射。", "insulin.txt"))
    writer.delete_source("heart.txt")
    writer.document_of_source("insulin.txt")  # writes what waits
    assert "insulin.txt" in writer.sources()
    assert "heart.txt" not in writer.sources()
    assert "insulin.txt" not in reader.sources()
    assert {p.source for p in reader.retrieve("Insulin injection", 50)} == {*TEXTS}
    assert reader.retrieve("Beta blockers", 1)[0].source == "heart.txt"
    assert len(reader) == 8
    before = reader.generation
    writer.commit()
    assert reader.generation == before + 1
    assert reader.retrieve("胰岛素", 1)[0].source == "insulin.txt"
    assert "heart.txt" not in {p.source for p in reader.retrieve("Beta blockers", 50)}
    assert len(reader) == 7


def test_a_writer_that_is_killed_before_the_commit_leaves_nothing(open_c: Open) -> None:
    writer = open_c()
    _fill(writer)
    writer.add(*document("Insulin is given by injection.", "insulin.txt"))
    writer.document_of_source("insulin.txt")
    _kill(writer)
    again = open_c()
    assert again.sources() == sorted(TEXTS)
    assert again._server.query(again._chunks, "born > 1", ["pk"]) == []
    assert again.add(*document("Insulin is given by injection.", "insulin.txt")) == "added"
    again.commit()
    assert again.retrieve("Insulin injection", 1)[0].source == "insulin.txt"


def test_a_writer_that_is_killed_after_the_commit_has_deleted(open_c: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_c()
    _fill(writer)
    writer.delete_source("heart.txt")
    monkeypatch.setattr(Ledger, "_depart", lambda self, state: state)  # killed just there
    writer.commit()
    reader = open_c(writable=False)
    assert "heart.txt" not in reader.sources()
    assert "heart.txt" not in {p.source for p in reader.retrieve("Beta blockers slow the pulse", 50)}
    assert len(reader) == 6
    assert len(reader._server.query(reader._chunks, "born >= 0", ["pk"])) == 8
    monkeypatch.undo()
    _kill(writer)
    again = open_c()
    assert len(again._server.query(again._chunks, "born >= 0", ["pk"])) == len(again) == 6


def test_deleted_and_brought_back_in_one_commit_stays(open_c: Open) -> None:
    writer = open_c()
    _fill(writer)
    whole, chunks = document(TEXTS["heart.txt"], "heart.txt")
    assert writer.delete(whole.id) == 2
    assert len(writer) == 6
    assert writer.add(whole, chunks) == "added"
    writer.commit()
    assert len(writer) == 8
    assert writer.retrieve("Beta blockers", 1)[0].source == "heart.txt"


def test_a_text_that_stays_is_not_embedded_again(open_c: Open) -> None:
    embedder = FakeEmbedder()
    writer = open_c(embedder=embedder)
    writer.add(*document("First line stays.\nSecond line goes.", "a.txt"))
    writer.commit()
    embedder.texts = 0
    assert writer.add(*document("First line stays.\nAnother line comes.", "a.txt")) == "updated"
    writer.commit()
    assert embedder.texts == 1
    assert {p.chunk.text for p in writer.retrieve("line", 9)} == {"First line stays.", "Another line comes."}


def test_two_collections_do_not_mix(open_c: Open, uri: str) -> None:
    heart, money = open_c("heart"), open_c("资产 2022".replace(" ", "-"))
    heart.add(*document("Aspirin for the heart", "a.txt"))
    money.add(*document("资产总额为三百亿元", "b.txt"))
    heart.commit()
    money.commit()
    assert [p.source for p in heart.retrieve("资产 heart", 9)] == ["a.txt"]
    assert [p.source for p in money.retrieve("资产 heart", 9)] == ["b.txt"]
    told = {row["name"]: (row["documents"], row["chunks"]) for row in list_collections(uri)}
    assert told == {"heart": (1, 1), "资产-2022": (1, 1)}
    with pytest.raises(LockedError, match="being written by process"):
        delete_collection(uri, "heart")
    heart.close()
    delete_collection(uri, "heart")
    assert [row["name"] for row in list_collections(uri)] == ["资产-2022"]
    with pytest.raises(UnknownCollectionError, match="There are: 资产-2022"):
        delete_collection(uri, "heart")


def test_a_document_comes_back_whole(open_c: Open) -> None:
    cell = Cell("1,234", Decimal("1234.50"), "USD", 1000, "USD", "2022", 0, 5, "us-gaap:Assets")
    table = Table("资产 assets", ((cell,),), 0, "USD", 1000, "USD", ("2022",), 1, 0, 5)
    fact = Fact("us-gaap:Assets", "1,234", Decimal("1234"), "USD", period_end="2022-12-31", dimensions=(("a", "b"),))
    text = "1,234 is the whole.\x00 " + '长文本，"引号" 和 \\ 反斜杠。\n' * 4000
    metadata = {"year": 2022.0, "名": "值", "ok": True, "nothing": None}
    whole = Document.of(
        text, "a'b\"c\\d.txt", title="题 \"t\"", language="zh", page_starts=(0, 30), tables=(table,), facts=(fact,),
        metadata=metadata,
    )  # fmt: skip
    chunks = [Chunk.of(whole, 0, 19, headings=("A", "乙"), kind="row", metadata={"row": 1.0}), Chunk.of(whole, 19, 200)]
    writer = open_c()
    writer.add(whole, chunks)
    assert writer.document(whole.id) == whole  # before the commit, too
    writer.commit()
    reader = open_c(writable=False)
    assert reader.document(whole.id) == reader.document_of_source(whole.source) == whole
    assert reader.chunks(whole.id) == chunks
    found = reader.retrieve("1,234 whole", 1)[0]
    assert (found.chunk, found.source, found.title) == (chunks[0], whole.source, whole.title)
    assert found.metadata == {**metadata, "row": 1.0}
    assert type(found.metadata["year"]) is float
    assert reader.document_of_source("unknown") is None
    row = reader.documents()[0]
    assert (row["id"], row["chunks"], row["pages"], row["language"]) == (whole.id, 2, 2, "zh")
    with pytest.raises(UnknownDocumentError):
        reader.document("no\ud800thing")


FILTERS: list[Where] = [
    {"year": 2020},
    {"year": "2020.0"},
    {"year": [2019, "2021"]},
    {"flag": True},
    {"flag": "true"},
    {"flag": 1},
    {"none": None},
    {"none": [None, "set"]},
    {"name": 'a" or born >= 0 or "b" == "b'},
    {"name": "a') or born >= 0 or ('b' == 'b"},
    {"name": '\\"'},
    {"name": "line\nbreak\t\\n %_*"},
    {"名 字": "值"},
    {'m"] == 1 or born >= 0 or facets["m': 1},
    {"born": 0},
    {"kind": "row"},
    {"page": 1},
    {"language": "zh", "year": 2021},
    {"title": "b"},
    {"source": ["a", "c"]},
    {"source": 'a" or "b'},
    {"year": float("inf")},
    {"year": 10**30},
    {"year": []},
    {"year>=": 2021},
    {"year<": "2021"},
    {"year>": 2020.5},
    {"year!=": 2020},
    {"none!=": "set"},
    {"flag!=": True},
    {"language!=": "en"},
    {"source!=": ["a", "nobody"]},
    {"day>": "2022-03"},
    {"day<=": "2022-03"},
    {"day>=": "2022-03-02"},
    {"day<": 2022},
    {"day>": 2022},
    {"name>": 'say "'},
    {"page>=": 1},
    {"year>=": "not a number"},
    {"year>=": [1, 2]},
    {"year>=": None},
    {'y"<': 3},
    {"permissions": "ward 3"},
    {"permissions": ["nobody", "7"]},
    {"permissions": 'a" or "b'},
    {"permissions!=": "ward 3"},
    {"permissions": "ward 3; finance"},
]


@pytest.mark.parametrize("where", FILTERS, ids=str)
def test_filters_mean_what_they_mean_in_a_folder(where: Where, both: tuple[Collection, MilvusCollection]) -> None:
    found: list[set[str] | str] = []
    for index in both:
        try:
            found.append({p.chunk.text for p in index.retrieve("line of text", 50, where=where)})
        except UserError as error:
            found.append(str(error))
    assert found[0] == found[1]
    assert found[0] != {"line of text a", "line of text b", "line of text c"}  # every one of them leaves something out


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, MilvusCollection]]:
    """A folder and a collection on Milvus that hold the same."""
    home = tmp_path_factory.mktemp("both")
    told: dict[str, dict[str, Scalar]] = {
        "a": {
            "year": 2020,
            "flag": True,
            "name": 'say "a"',
            "none": None,
            "day": "2022-03-01",
            "permissions": "ward 3; finance",
        },
        "b": {
            "year": "2021",
            "flag": "true",
            "name": "line\nbreak\t\\n %_*",
            "none": "set",
            "day": "2022-11",
            "permissions": 'a" or "b,7',
        },
        "c": {"year": 2020.0, "flag": False, "name": '\\"', "名 字": "值", "none": "else", "day": "2021"},
    }
    told["a"]["permissions"], told["b"]["permissions"] = "ward 3; finance", 'a" or "b,7'
    embedder = FakeEmbedder()
    with (
        Collection.open(home / "c", embedder, writable=True, create=True) as folder,
        MilvusCollection.open(str(home / "m.db"), "c", embedder, writable=True, create=True) as milvus,
    ):
        for source, metadata in told.items():
            language = "zh" if source == "b" else "en"
            starts = (0,) if source == "a" else ()
            whole = Document.of(
                f"line of text {source}", source, title=source, language=language, page_starts=starts, metadata=metadata
            )
            own: dict[str, Scalar] = {"year": 2021} if source == "c" else {}
            kind: ChunkKind = "row" if source == "b" else "prose"
            for index in (folder, milvus):
                index.add(whole, [Chunk.of(whole, 0, len(whole.text), kind=kind, metadata=own)])
        folder.commit()
        milvus.commit()
        yield folder, milvus


def test_superseded_documents_are_marked(open_c: Open) -> None:
    writer = open_c()
    for year in (2021, 2022):
        told = {"series": "guide", "version_date": f"{year}-01-01"}
        writer.add(*document(f"The dose of {year} is right.", f"{year}.txt", **told))
    writer.commit()
    marks = {p.source: p.metadata.get("superseded_by") for p in writer.retrieve("dose", 5)}
    assert marks == {"2021.txt": "2022.txt", "2022.txt": None}
    assert {row["source"]: row["superseded_by"] for row in writer.documents()} == marks


def test_what_milvus_cannot_take_is_refused_by_name_and_changes_nothing(open_c: Open) -> None:
    writer = open_c()
    _fill(writer)
    with pytest.raises(DocumentError, match=r"long\.txt.*65,535.*chunk\.max_tokens"):
        writer.add(*document("词" * 30_000, "long.txt"))
    with pytest.raises(DocumentError, match="not valid Unicode"):
        writer.add(*document("half \ud800", "half.txt"))
    writer.commit()
    assert writer.sources() == sorted(TEXTS)


def test_errors_name_the_next_step(open_c: Open, uri: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownCollectionError, match=r"There is none yet.*consilium ingest"):
        open_c(writable=False)
    open_c()
    with pytest.raises(LockedError, match="being written by process"):
        open_c()
    with pytest.raises(EmbedderMismatchError, match="made by the embedder fake"):
        MilvusCollection.open(uri, "c", FakeEmbedder(name="other"))
    with pytest.raises(SettingsError, match=r"store\.uri = .*\.db"):
        MilvusCollection.open(str(tmp_path / "milvus.sqlite"), "c", FakeEmbedder())
    reader = open_c(writable=False)
    with pytest.raises(UserError, match="opened for reading"):
        reader.delete("x")
    with pytest.raises(UserError, match="k must be at least 1"):
        reader.retrieve("x", 0)
    reader.close()
    reader.close()
    with pytest.raises(StoreError, match="closed"):
        reader.retrieve("x", 1)


def test_a_server_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_TIMEOUT", 1.0)
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9 .*See that it runs and that store\.uri is right"):
        MilvusCollection.open("http://127.0.0.1:9", "c", FakeEmbedder())


def test_another_process_has_the_file(open_c: Open, uri: str) -> None:
    open_c()
    code = (
        "from rag.integrations.milvus import MilvusCollection; from rag.testing import FakeEmbedder; "
        f"MilvusCollection.open({uri!r}, 'c', FakeEmbedder())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("rag.errors.LockedError")
    assert "run a Milvus server" in done.stderr


def test_bad_queries_find_nothing_or_something_but_do_not_break(open_c: Open) -> None:
    writer = open_c()
    _fill(writer)
    for query in ("😀🎉", "the of and", "'; DROP TABLE x --", 'a AND (b OR "c', "药" * 5_000, "word " * 10_000, "\x00"):
        assert len(writer.retrieve(query, 3)) <= 3
    assert writer.retrieve(" \n", 3) == []
    assert writer.retrieve("kidneys", 10**9)[0].source == "kidney.txt"


def test_either_leg_alone(open_c: Open) -> None:
    writer = open_c()
    _fill(writer)
    words = writer.retrieve("kidneys fail", 9, mode="lexical")
    assert words[0].chunk.text.startswith("Metformin")
    assert {p.source for p in words} == {"kidney.txt"}
    assert words[0].score > words[1].score > 0
    meaning = writer.retrieve("kidneys fail", 9, mode="dense")
    assert len(meaning) == 8
    assert meaning[0].score <= 1.0
    vector = FakeEmbedder().embed_query("kidneys fail") * 7
    assert [p.chunk.id for p in writer.retrieve_vector(vector, 8)] == [p.chunk.id for p in meaning[:8]]


ENGLISH = (
    "Aspirin lowers fever and pain",
    "Aspirin thins blood, lowers fever, eases pain of joints, and aspirin upsets the stomach of many patients",
    "Warfarin thins blood and blood clots melt away under heparin in the vein or artery",
)
CHINESE = ("阿司匹林可以退热止痛。心肌梗死的患者常服阿司匹林。", "心肌梗塞的治療與預後", "头疼的病人吃退烧药")


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("aspirin fever", ENGLISH),
        ("blood thins vein aspirin", ENGLISH),
        ("阿司匹林退热", CHINESE),
        ("心肌梗塞的治疗", CHINESE),
        ("头痛", CHINESE),
    ],
)
def test_words_weigh_what_they_weigh_in_a_folder(
    query: str, texts: tuple[str, ...], open_c: Open, tmp_path: Path
) -> None:
    hints = Hints((("heparin", 0.35), ("心肌梗死", 0.3), ("blood clots", 0.25), ("blood fever", 0.25)))
    # A folder counts one text more than there are; among sixty others that weighs nothing
    meant = {f"{number}.txt" for number in range(len(texts))}
    others = [f"zebra{n}" * 3 if texts is ENGLISH else chr(0x9F00 + n) * 3 for n in range(60)]
    found: list[list[dict[str, float]]] = []
    with Collection.open(tmp_path / "folder", FakeEmbedder(), writable=True, create=True) as folder:
        for index in (folder, open_c()):
            for number, text in enumerate([*texts, *others]):
                index.add(*document(text, f"{number}.txt"))
            index.commit()
            words = index.retrieve(query, 99, mode="lexical")
            both = index.retrieve(query, 99, hints=hints)
            found.append([{p.source: p.score for p in some if p.source in meant} for some in (words, both)])
    assert all(found[0])
    for in_folder, on_milvus in zip(*found, strict=True):
        assert on_milvus == pytest.approx(in_folder, rel=0.05)


def test_few_candidates_fuse_as_many_do(open_c: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_c()
    for number in range(60):
        words = " ".join(f"word{number * step % 7}" for step in range(1, 2 + number % 9))
        writer.add(*document(f"{words} report {number}", f"{number}.txt"))
    writer.commit()
    every = writer.retrieve("word3 word5 report", 5)
    monkeypatch.setattr(search, "_SHALLOW", 10)
    seen: list[int] = []
    leg = Finder._search

    def counted(self: Finder, field: str, data: Any, k: int, condition: str) -> dict[int, float]:
        seen.append(k)
        return leg(self, field, data, k, condition)

    monkeypatch.setattr(Finder, "_search", counted)
    few = writer.retrieve("word3 word5 report", 5)
    assert [(p.source, p.score) for p in few] == [(p.source, p.score) for p in every]
    assert max(seen) <= 20
    assert writer.legs("word3 word5 report", fetch_k=60).dense[59:]


def test_what_is_told_of_a_document_is_looked_up_once_a_commit(open_c: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_c()
    _fill(writer)
    reader = open_c(writable=False)
    asked: list[str] = []
    query = server.Server.query

    def counted(self: server.Server, name: str, condition: str, fields: list[str]) -> list[dict[str, Any]]:
        asked.append(name)
        return query(self, name, condition, fields)

    monkeypatch.setattr(server.Server, "query", counted)
    first = reader.retrieve("Beta blockers", 50)
    assert len(asked) == 1
    assert reader.retrieve("Beta blockers", 50) == first
    assert len(asked) == 1
    writer.add(*document(TEXTS["heart.txt"], "another name.txt"))
    writer.delete_source("heart.txt")
    assert {p.source for p in reader.retrieve("Beta blockers", 50)} == set(TEXTS)
    assert len(asked) > 1  # the writer's own
    writer.commit()
    assert {p.source for p in reader.retrieve("Beta blockers", 50)} == set(TEXTS) - {"heart.txt"} | {"another name.txt"}


def test_hints_favour_and_widen_but_keep_nothing_out(open_c: Open) -> None:
    writer = open_c()
    for name, year in (("Acme", 2021), ("Acme", 2022), ("Bolt", 2022)):
        writer.add(
            *document(f"Revenue rose at {name} {year}", f"{name}{year}", organisation=name, ticker="", year=year)
        )
    writer.add(*document("心肌梗死的治疗", "zh"))
    writer.commit()
    assert writer.named() == (("", ""), ("Acme", ""), ("Bolt", ""))
    plain = writer.retrieve("Revenue rose", 9)
    boosts: tuple[tuple[Where, float], ...] = (({"organisation": "Acme"}, 0.4), ({"year": 2022}, 0.3))
    hinted = writer.retrieve("Revenue rose", 9, hints=Hints((("心肌梗死", 0.5),), boosts))
    assert [p.source for p in hinted[:2]] == ["Acme2022", "Acme2021"]
    assert {p.source for p in plain} == {p.source for p in hinted}
    assert all(0 <= p.score <= 1 for p in hinted)
    alone = writer.legs("myocardial", fetch_k=9, hints=Hints((("心肌梗死", 0.5), ("心肌 肿瘤", 0.9))))
    assert [p.source for p in writer.passages(alone.lexical, "lexical")] == [
        "zh"
    ]  # of the second not all words are met
    assert writer.legs("myocardial", fetch_k=9, mode="lexical", hints=Hints((("心肌梗死", 0.5),))).lexical == []
