import json
from math import log2
from pathlib import Path

import numpy as np
import pytest

from eval.compare import compare
from eval.dataset import Query
from eval.retrieval import METRICS, evaluate, rank, scores_of
from eval.stamp import RunOptions
from rag.errors import UserError
from rag.schema import Chunk, Document, Passage, Where

CORPUS = [
    {"_id": "heart", "title": "Aspirin", "text": "Aspirin lowers the risk of a heart attack."},
    {"_id": "sugar", "title": "", "text": "二甲双胍降低血糖，是糖尿病的一线用药。"},
    {"_id": "cash", "title": "Cash flow", "text": "Operating cash flow rose to 5 million dollars."},
    {"_id": "twin", "title": "Cash flow", "text": "Operating cash flow rose to 5 million dollars."},
]
QUERIES = [
    {"_id": "q1", "text": "aspirin heart attack risk"},
    {"_id": "q2", "text": "二甲双胍 血糖"},
    {"_id": "q3", "text": "operating cash flow", "candidates": ["twin", "heart"]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    (root / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", CORPUS), ("queries", QUERIES)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (root / f"{name}.jsonl").write_text(text, encoding="utf-8")
    (root / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\theart\t1\nq2\tsugar\t2\nq3\ttwin\t1\n")
    return root


class Counting:
    """The shipped fake embedder; counts the texts it embeds."""

    def __init__(self) -> None:
        from rag.testing import FakeEmbedder

        self._inner = FakeEmbedder()
        self.embedded = 0

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        self.embedded += len(texts)
        return np.asarray(self._inner.embed_documents(texts))

    def embed_query(self, text: str) -> np.ndarray:
        return np.asarray(self._inner.embed_query(text))


OPTIONS = RunOptions(command="consilium eval retrieval", settings_hash="abc", resamples=100)


def test_metrics_by_hand() -> None:
    qrels = {"q": {"a": 3, "b": 1, "c": 0, "d": 1}, "unseen": {"a": 1}}
    scores = scores_of(qrels, {"q": ["c", "b", "x", "a"], "unseen": []})
    ideal = 3 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert scores["q"] == pytest.approx(
        {
            "ndcg@10": (1 / log2(3) + 3 / log2(5)) / ideal,
            "recall@100": 2 / 3,
            "mrr@10": 1 / 2,
            "precision@5": 2 / 5,
            "map": (1 / 2 + 2 / 4) / 3,
        }
    )
    assert scores["unseen"] == dict.fromkeys(METRICS, 0.0)


def test_what_lies_beyond_the_cut_does_not_count() -> None:
    found = [f"x{i}" for i in range(10)] + ["a"]
    scores = scores_of({"q": {"a": 1}}, {"q": found})["q"]
    assert (scores["ndcg@10"], scores["mrr@10"], scores["precision@5"], scores["recall@100"]) == (0, 0, 0, 1)
    assert scores["map"] == pytest.approx(1 / 11)


def test_order_decides_even_past_ten_and_among_equal_ids() -> None:
    ids = [str(i) for i in range(100)]
    scores = scores_of({"q": {"37": 1}}, {"q": ids})["q"]
    assert scores["map"] == pytest.approx(1 / 38)


class Table:
    """Finds what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Where | None]] = []

    def retrieve(self, query: str, k: int, *, where: Where | None = None) -> list[Passage]:
        self.asked.append((query, where))
        found = []
        for at, key in enumerate(["b", "a", "b"][:k], 1):
            document = Document.of(key, key)
            chunk = Chunk.of(document, 0, 1)
            found.append(Passage(chunk, 1 / at, at, "table", metadata={"record": key}))
        return found


def test_rank_names_each_record_once_and_hands_on_candidates() -> None:
    search = Table()
    rankings, seconds = rank(search, [Query("q1", "x"), Query("q2", "y", ("a", "b"))])
    assert rankings == {"q1": ["b", "a"], "q2": ["b", "a"]}
    assert search.asked == [("x", None), ("y", {"record": ("a", "b")})]
    assert len(seconds) == 2


def test_evaluate_writes_a_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = evaluate(folder, "test", out, embedder=Counting(), options=OPTIONS)
    assert results == json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert tuple(results["metrics"]) == METRICS
    assert results["metrics"]["ndcg@10"] == {"value": 1, "low": 1, "high": 1, "n": 3}
    assert results["metrics"]["precision@5"]["value"] == pytest.approx(1 / 5)
    assert (results["mode"], list(results["modes"])) == ("hybrid", ["hybrid"])
    assert (results["command"], results["settings_hash"]) == ("consilium eval retrieval", "abc")
    assert results["dataset"]["documents"] == 4
    rows = [json.loads(line) for line in (out / results["per_example"]).read_text(encoding="utf-8").split("\n") if line]
    assert [row["id"] for row in rows] == ["q1", "q2", "q3"]
    assert "检索" in (out / "report.html").read_text(encoding="utf-8")


def test_only_candidates_compete_and_equal_texts_stay_apart(folder: Path, tmp_path: Path) -> None:
    evaluate(folder, "test", tmp_path / "out", embedder=Counting(), options=OPTIONS)
    rows = (tmp_path / "out" / "per_example.jsonl").read_text(encoding="utf-8").split("\n")
    third = json.loads(rows[2])
    assert third["retrieved"][0] == "twin"
    assert set(third["retrieved"]) <= {"twin", "heart"}


def test_modes_are_measured_side_by_side_over_one_index(folder: Path, tmp_path: Path) -> None:
    embedder = Counting()
    options = RunOptions(resamples=100, other_modes=("hybrid", "dense"))
    results = evaluate(folder, "test", tmp_path / "out", embedder=embedder, mode="lexical", options=options)
    assert list(results["modes"]) == ["lexical", "hybrid", "dense"]
    assert results["metrics"] == results["modes"]["lexical"]
    assert embedder.embedded == 3  # equal texts are embedded once


def test_a_kept_index_is_used_again_and_only_for_the_same_corpus(folder: Path, tmp_path: Path) -> None:
    options = RunOptions(resamples=100, cache=tmp_path / "cache")
    first, second, third = Counting(), Counting(), Counting()
    one = evaluate(folder, "test", tmp_path / "a", embedder=first, options=options)
    two = evaluate(folder, "test", tmp_path / "b", embedder=second, options=options)
    assert (first.embedded, second.embedded) == (3, 0)
    assert one["metrics"] == two["metrics"]
    more = json.dumps({"_id": "new", "title": "", "text": "Something else."})
    with (folder / "corpus.jsonl").open("a") as stream:
        stream.write(more + "\n")
    evaluate(folder, "test", tmp_path / "c", embedder=third, options=options)
    assert third.embedded == 4


def test_an_interrupted_filling_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.retrieval._BATCH", 2)

    class Stop(Exception):
        pass

    def stop(done: int, total: int, what: str) -> None:
        if (what, done) == ("index", 2):
            raise Stop

    cache = tmp_path / "cache"
    with pytest.raises(Stop):
        evaluate(folder, "test", tmp_path / "a", embedder=Counting(), options=RunOptions(cache=cache, progress=stop))
    rest = Counting()
    results = evaluate(folder, "test", tmp_path / "b", embedder=rest, options=RunOptions(resamples=100, cache=cache))
    assert rest.embedded == 1
    assert results["metrics"]["ndcg@10"]["value"] == 1


def test_runs_may_share_a_kept_index(folder: Path, tmp_path: Path) -> None:
    from rag.store import Collection

    options = RunOptions(resamples=100, cache=tmp_path / "cache")
    evaluate(folder, "test", tmp_path / "a", embedder=Counting(), options=options)
    (kept,) = (tmp_path / "cache" / "eval").iterdir()
    with Collection.open(kept, Counting(), writable=True):
        evaluate(folder, "test", tmp_path / "b", embedder=Counting(), options=options)


def test_two_runs_compare(folder: Path, tmp_path: Path) -> None:
    for name, mode in (("a", "lexical"), ("b", "hybrid")):
        evaluate(folder, "test", tmp_path / name, embedder=Counting(), mode=mode, options=OPTIONS)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert list(found["metrics"]) == list(METRICS)
    assert found["same_dataset"]


def test_an_unknown_mode_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mode must be one of hybrid, lexical, dense, got 'magic'"):
        evaluate(folder, "test", tmp_path / "out", embedder=Counting(), mode="magic")
    assert not (tmp_path / "out").exists()
