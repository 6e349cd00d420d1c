"""Later versions: who supersedes whom, what a search does with it, and that deletion takes it back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import ingest
from rag.assistant import Assistant
from rag.extract import Extractor
from rag.retrieve import Search, set_back
from rag.schema import Passage, Scalar
from rag.store import Collection
from rag.testing import FakeEmbedder, document
from rag.verify import open_verifier
from rag.versions import FACTOR, Edition, is_set_back, lowered, superseded

GUIDELINE = """# Hypertension guideline {year}

Cardiology Society

Last updated: March {year}

Treat blood pressure in adults at {limit} mm Hg or more. First line is a thiazide.
"""
ZH_GUIDELINE = """# 中国高血压防治指南（{year}年版）

中华医学会心血管病学分会

成人血压达到 {limit} mmHg 时开始药物治疗，首选利尿剂。
"""
FORM = """UNITED STATES
SECURITIES AND EXCHANGE COMMISSION
Washington, D.C. 20549

FORM {form}

For the fiscal year ended December 31, {year}

ATLAS INSTRUMENTS, INC.
(Exact name of registrant as specified in its charter)

{note}

Item 8. Financial Statements

Net sales of Atlas were {sales} million dollars.
"""


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as opened:
        yield opened


def bring(collection: Collection, folder: Path, files: dict[str, str]) -> None:
    """Ingest files one after the other, each by itself."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
        report = ingest([folder / name], collection)
        assert report.failed == []


def relations(collection: Collection) -> dict[str, str]:
    return {
        Path(row["source"]).name: Path(row["superseded_by"]).name
        for row in collection.documents()
        if row["superseded_by"]
    }


def order(collection: Collection, query: str, **where: Any) -> list[str]:
    found = Search(collection).retrieve(query, 5, where=where or None)
    return list(dict.fromkeys(Path(passage.source).name for passage in found))


def edition(number: int, **metadata: Scalar) -> Edition:
    return Edition(number, f"{number}.md", f"Title {number}", {"series": "s", **metadata})


# who supersedes whom


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"version_date": "2019"}, {"version_date": "2023"}),
        ({"version_date": "2023-01-31"}, {"version_date": "2023-02"}),
        ({"version_number": "2.9"}, {"version_number": "2.10"}),
        ({"version_date": "2023", "version_number": "1"}, {"version_date": "2023-05", "version_number": "2"}),
        ({}, {"amendment": True}),
        ({"amendment": True, "version_number": "1"}, {"amendment": True, "version_number": "2"}),
        ({"version_date": "2023-09"}, {"amendment": True, "version_date": "2023-04"}),
    ],
)
def test_the_newer_one(older: dict[str, Scalar], newer: dict[str, Scalar]) -> None:
    old, new = edition(1, **older), edition(2, **newer)
    assert new.newer_than(old)
    assert not old.newer_than(new)
    for together in ([old, new], [new, old]):
        assert {number: by.number for number, by in superseded(together).items()} == {1: 2}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"version_date": "2023"}, {"version_date": "2023-05"}),
        ({"version_date": "2023"}, {}),
        ({"version_number": "2"}, {"version_date": "2023"}),
        ({"amendment": True}, {"amendment": True}),
    ],
)
def test_what_cannot_be_told_supersedes_nothing(one: dict[str, Scalar], other: dict[str, Scalar]) -> None:
    assert superseded([edition(1, **one), edition(2, **other)]) == {}


def test_three_editions_and_another_series() -> None:
    editions = [edition(n, version_date=str(year)) for n, year in ((1, 2015), (2, 2023), (3, 2019))]
    other = Edition(4, "4.md", "Other", {"series": "t", "version_date": "2030"})
    for together in itertools.permutations([*editions, other]):
        assert {number: by.number for number, by in superseded(together).items()} == {1: 2, 3: 2}


def test_scores_fall_whatever_their_sign() -> None:
    assert lowered(0.5) == pytest.approx(0.5 * FACTOR)
    assert lowered(-2.0) < -2.0
    assert lowered(0.0) == 0.0


def test_a_question_that_names_the_edition_gets_it() -> None:
    old: dict[str, Scalar] = {"version_date": "2019", "superseded_by": "n.md", "superseded_by_date": "2023-03"}
    assert is_set_back(old, "When to treat blood pressure?")
    assert is_set_back(old, "When to treat, by the guideline of 2023?")
    assert not is_set_back(old, "When to treat, by the guideline of 2019?")
    assert not is_set_back(old, "2019年版指南何时开始治疗？")
    assert not is_set_back({"version": "Version 2.1", "superseded_by": "n.md"}, "dose in version 2.1")
    assert not is_set_back({"version_date": "2019"}, "When to treat?")
    report = {"year": 2022, "superseded_by": "k2022a.txt", "superseded_by_date": "2023-05-01"}
    assert is_set_back(report, "Net sales in 2022?")  # of both versions


def test_set_back_moves_only_what_is_superseded() -> None:
    found = [Passage(document(t, f"{t}.md")[1][0], s, r, "x") for r, (t, s) in enumerate([("a", 0.9), ("b", 0.88)], 1)]
    assert set_back(found, "q") == found
    marked = [replace(found[0], metadata={"superseded_by": "b.md"}), found[1]]
    moved = set_back(marked, "q")
    assert [(p.chunk.text, p.rank, p.score) for p in moved] == [("b", 1, 0.88), ("a", 2, pytest.approx(0.9 * FACTOR))]


# in a collection


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("template", "query"),
    [(GUIDELINE, "When is blood pressure treated in adults?"), (ZH_GUIDELINE, "成人血压多少时开始药物治疗？")],
)
def test_a_later_guideline_ranks_first_and_the_earlier_is_marked(
    collection: Collection, tmp_path: Path, template: str, query: str, backwards: bool
) -> None:
    files = {f"g{year}.md": template.format(year=year, limit=limit) for year, limit in ((2019, 140), (2023, 130))}
    bring(collection, tmp_path / "in", dict(reversed(files.items())) if backwards else files)
    assert relations(collection) == {"g2019.md": "g2023.md"}
    assert order(collection, query) == ["g2023.md", "g2019.md"]
    old = next(p for p in Search(collection).retrieve(query, 5) if p.source.endswith("g2019.md"))
    assert str(old.metadata["superseded_by"]).endswith("g2023.md")
    assert "2023" in str(old.metadata["superseded_by_title"])
    assert str(old.metadata["superseded_by_date"]).startswith("2023")
    new = Search(collection).retrieve(query, 1)[0]
    assert "superseded_by" not in new.metadata
    assert order(collection, query, year=2019) == ["g2019.md"]
    assert collection.document_of_source(old.source) is not None


def test_deleting_the_newer_one_lifts_the_mark(collection: Collection, tmp_path: Path) -> None:
    years = (2023, 2015, 2019)
    bring(collection, tmp_path / "in", {f"g{y}.md": GUIDELINE.format(year=y, limit=y - 1880) for y in years})
    assert relations(collection) == {"g2015.md": "g2023.md", "g2019.md": "g2023.md"}
    collection.delete_source(f"{tmp_path}/in/g2023.md")
    collection.commit()
    assert relations(collection) == {"g2015.md": "g2019.md"}
    collection.delete_source(f"{tmp_path}/in/g2015.md")
    collection.commit()
    assert relations(collection) == {}
    assert all("superseded_by" not in p.metadata for p in collection.retrieve("blood pressure", 9))


def test_an_amended_report_supersedes_that_of_its_year_alone(collection: Collection, tmp_path: Path) -> None:
    whole, part = "Amendment No. 1\nRestated.", "Amendment No. 1\nThe sole purpose of this Amendment is Part III."
    files = {
        "k2021.txt": FORM.format(form="10-K", year=2021, note="", sales=10),
        "k2022a.txt": FORM.format(form="10-K/A", year=2022, note=whole, sales=21),
        "k2022.txt": FORM.format(form="10-K", year=2022, note="", sales=20),
        "k2021a.txt": FORM.format(form="10-K/A", year=2021, note=part, sales=0).split("Item 8")[0],
    }
    bring(collection, tmp_path / "in", files)
    assert relations(collection) == {"k2022.txt": "k2022a.txt"}
    assert order(collection, "Net sales of Atlas", year=2022)[0] in ("k2022.txt", "k2022a.txt")
    ranked = order(collection, "Net sales of Atlas")
    assert ranked.index("k2022a.txt") < ranked.index("k2022.txt")


def test_what_only_looks_like_a_version_is_none(collection: Collection, tmp_path: Path) -> None:
    files = {
        "sales-2021.md": "# Sales figures 2021\n\nSales rose.",
        "sales-2022.md": "# Sales figures 2022\n\nSales fell.",
        "asthma.md": "# Asthma guideline 2019\n\nInhale.",
        "sepsis.md": "# Sepsis guideline 2023\n\nTreat within the hour.",
        "esc.md": "# ESC guideline on heart failure 2016\n\nA.",
        "aha.md": "# AHA guideline on heart failure 2022\n\nB.",
        "zh.md": "# 高血压防治指南（2019年版）\n\n内容。",
        "zh-children.md": "# 儿童高血压防治指南（2023年版）\n\n内容。",
        "zh-key.md": "# 高血压防治指南要点（2023年版）\n\n内容。",
        "summary.txt": "公司代码：600001\n海川科技股份有限公司\n2021年年度报告摘要\n摘要内容。",
        "report.txt": "公司代码：600001\n海川科技股份有限公司\n2021年年度报告\n报告内容。",
        "half.txt": "公司代码：600001\n海川科技股份有限公司\n2021年半年度报告（修订版）\n报告内容。",
    }
    bring(collection, tmp_path / "in", files)
    assert relations(collection) == {}


def test_numbered_versions_of_any_document(collection: Collection, tmp_path: Path) -> None:
    files = {
        "h2.md": "# Ward infection handbook\n\nVersion 2.0\n\nWash hands.",
        "h10.md": "# Ward infection handbook\n\nVersion 10.0\n\nWash hands for longer.",
        "s1.md": "# 医院感染防控手册 第一版\n\n洗手。",
        "s2.md": "# 医院感染防控手册 第二版\n\n多洗手。",
    }
    bring(collection, tmp_path / "in", files)
    assert relations(collection) == {"h2.md": "h10.md", "s1.md": "s2.md"}


@dataclass
class Ranked:
    """An index whose first three passages are of a superseded document."""

    asked: list[int]

    def retrieve(self, query: str, k: int, *, where: Any = None) -> list[Passage]:
        self.asked.append(k)
        texts = [f"passage {n}" for n in range(40)]
        marks: list[dict[str, Scalar]] = [{"superseded_by": "n.md"} if n < 3 else {} for n in range(40)]
        return [
            Passage(document(text, text)[1][0], 1 - n / 100, n + 1, "x", text, metadata=mark)
            for n, (text, mark) in enumerate(zip(texts, marks, strict=True))
        ][:k]


def test_room_is_made_for_what_stood_behind_the_superseded() -> None:
    index = Ranked([])
    found = Search(index).retrieve("a question", 2)
    assert [(p.source, p.rank, p.score) for p in found] == [("passage 3", 1, 0.97), ("passage 4", 2, 0.96)]
    assert index.asked == [2, 24]
    chosen = Search(Ranked([])).retrieve("a question", 2, where={"year": 2019})
    assert [p.source for p in chosen] == ["passage 0", "passage 1"]


def test_an_answer_speaks_from_the_later_version(collection: Collection, tmp_path: Path) -> None:
    years = ((2019, 140), (2023, 130))
    bring(collection, tmp_path / "in", {f"g{y}.md": GUIDELINE.format(year=y, limit=limit) for y, limit in years})
    embedder = FakeEmbedder()
    extractor = Extractor(embedder, sentences=1, min_confidence=0.0)
    assistant = Assistant(Search(collection), extractor, open_verifier("lexical", embedder=embedder))
    answer = assistant.ask("At what blood pressure are adults treated?").answer
    assert "130" in answer.text
    assert "140" in assistant.ask("At what blood pressure are adults treated, by the guideline of 2019?").answer.text


@dataclass
class Reversing:
    """A reranker with scores below 0 that puts the first last."""

    def rerank(self, query: str, passages: list[Passage], k: int) -> list[Passage]:
        turned = list(reversed(passages))[:k]
        return [replace(p, rank=rank, score=-float(rank)) for rank, p in enumerate(turned, start=1)]


def test_a_reranker_has_the_word_before_the_mark_counts(collection: Collection, tmp_path: Path) -> None:
    years = (2019, 2023)
    bring(collection, tmp_path / "in", {f"g{y}.md": GUIDELINE.format(year=y, limit=y - 1880) for y in years})
    search = Search(collection, reranker=Reversing())  # type: ignore[arg-type]
    found = search.retrieve("blood pressure", 9)
    assert [p.rank for p in found] == list(range(1, len(found) + 1))
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    old = [p for p in found if "superseded_by" in p.metadata]
    assert old
    assert all(p.score == pytest.approx(round(p.score * FACTOR) / FACTOR) for p in old)


def test_a_collection_made_before_there_were_versions_gets_its_index(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with Collection.open(path, FakeEmbedder(), writable=True, create=True) as first:
        first._records._db.execute("DROP INDEX documents_series")
    with Collection.open(path, FakeEmbedder(), writable=True) as again:
        plan = again._records._db.execute(
            "EXPLAIN QUERY PLAN SELECT number FROM documents d WHERE d.metadata ->> 'series' IN ('a')"
        ).fetchall()
    assert "documents_series" in str(plan)


def test_a_series_of_many_parts_is_quickly_told() -> None:
    parts = [edition(n, version_date=str(2019 + n % 2)) for n in range(20_000)]
    found = superseded(parts)
    assert len(found) == 10_000
    assert {by.number for by in found.values()} == {1}
