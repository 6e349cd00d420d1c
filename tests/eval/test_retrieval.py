import json
from pathlib import Path

import numpy as np
import pytest

from eval.compare import compare
from eval.dataset import Query
from eval.ranking import METRICS
from eval.retrieval import SearchOptions, evaluate, ranked
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


def test_ranked_names_each_record_once_and_hands_on_candidates() -> None:
    search = Table()
    assert ranked(search, Query("q1", "x"))["retrieved"] == ["b", "a"]
    assert ranked(search, Query("q2", "y", ("a", "b")))["retrieved"] == ["b", "a"]
    assert search.asked == [("x", None), ("y", {"record": ("a", "b")})]


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
    results = evaluate(
        folder, "test", tmp_path / "out", embedder=embedder, search=SearchOptions("lexical"), options=options
    )
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
    monkeypatch.setattr("eval.corpus._BATCH", 2)

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
        evaluate(folder, "test", tmp_path / name, embedder=Counting(), search=SearchOptions(mode), options=OPTIONS)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert list(found["metrics"]) == list(METRICS)
    assert found["same_dataset"]


def test_an_unknown_mode_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mode must be one of hybrid, lexical, dense, got 'magic'"):
        evaluate(folder, "test", tmp_path / "out", embedder=Counting(), search=SearchOptions("magic"))
    assert not (tmp_path / "out").exists()


def test_bad_options_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dense_weight must be from 0 to 1, got 1\.5"):
        evaluate(folder, "test", tmp_path / "out", embedder=Counting(), search=SearchOptions(dense_weight=1.5))
    with pytest.raises(UserError, match="'ndcg' is no metric"):
        evaluate(folder, "test", tmp_path / "out", embedder=Counting(), metrics=["ndcg"])
    assert not (tmp_path / "out").exists()


def test_metrics_are_chosen_and_the_curve_comes_with_them(folder: Path, tmp_path: Path) -> None:
    names = ["mrr@1", "ndcg@3"]
    results = evaluate(folder, "test", tmp_path / "out", embedder=Counting(), metrics=names, options=OPTIONS)
    assert list(results["metrics"]) == names
    assert list(results["definitions"]) == names
    curve = results["curves"]["recall"]
    assert [point["k"] for point in curve] == [1, 2, 3, 5, 10, 20, 50, 100]
    assert curve[-1] == {"k": 100, "value": 1, "low": 1, "high": 1}
    assert [point["value"] for point in curve] == sorted(point["value"] for point in curve)
    assert set(results["by_language"]) == {"en", "zh"}
    assert results["by_language"]["zh"]["mrr@1"]["n"] == 1


def test_rows_show_what_was_found(folder: Path, tmp_path: Path) -> None:
    evaluate(folder, "test", tmp_path / "out", embedder=Counting(), options=OPTIONS)
    rows = [json.loads(line) for line in (tmp_path / "out" / "per_example.jsonl").read_text().splitlines()]
    first = rows[0]["passages"][0]
    assert first == {"rank": 1, "source": "heart", "title": "Aspirin", "text": CORPUS[0]["text"]}
    assert rows[1]["passages"][0]["text"] == CORPUS[1]["text"]
    assert [len(row["passages"]) for row in rows] == [3, 3, 2]


def test_the_dense_weight_reaches_the_fusion(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rag import legs

    seen, fuse = list[float | None](), legs.fuse

    def spy(*given, dense_weight: float | None = None, **named):
        seen.append(dense_weight)
        return fuse(*given, dense_weight=dense_weight, **named)

    monkeypatch.setattr(legs, "fuse", spy)
    for weight in (0.25, None):
        search = SearchOptions(dense_weight=weight)
        results = evaluate(folder, "test", tmp_path / "out", embedder=Counting(), search=search, options=OPTIONS)
        assert results["dense_weight"] == weight
    assert seen == [0.25] * 3 + [None] * 3


def test_unknown_judgements_are_counted_and_told(folder: Path, tmp_path: Path) -> None:
    with (folder / "qrels" / "test.tsv").open("a") as stream:
        stream.write("q1\tnowhere\t1\nq9\theart\t1\n")
    results = evaluate(folder, "test", tmp_path / "out", embedder=Counting(), options=OPTIONS)
    assert results["dataset"]["dropped"]["unknown_documents"] == 1
    (note,) = results["notes"]
    assert "unknown queries: 1, unknown documents: 1" in note
    assert "test.tsv:5" in note


class Failing(Counting):
    """Raises at some queries, "" at any of the data set; notes which were asked."""

    def __init__(self, *bad: str) -> None:
        super().__init__()
        self.bad, self.asked = bad, list[str]()

    def embed_query(self, text: str) -> np.ndarray:
        known = {row["text"] for row in QUERIES}
        if text in known:
            self.asked.append(text)
        if text in known and any(word in text for word in self.bad):
            raise RuntimeError("out of memory 内存不足")
        return super().embed_query(text)


def test_a_query_that_fails_is_recorded_and_scores_0(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = evaluate(folder, "test", out, embedder=Failing("aspirin"), options=OPTIONS)
    assert results["errors"] == 1
    assert results["error_examples"] == [{"id": "q1", "error": "RuntimeError: out of memory 内存不足"}]
    assert results["metrics"]["ndcg@10"]["value"] == pytest.approx(2 / 3)
    assert results["metrics"]["ndcg@10"]["n"] == 3
    assert results["timings"]["hybrid_seconds"]["n"] == 2
    assert results["notes"] == ["1 of 3 failed. They score 0. First: q1: RuntimeError: out of memory 内存不足"]


def test_where_all_fail_there_are_no_figures(folder: Path, tmp_path: Path) -> None:
    results = evaluate(folder, "test", tmp_path / "out", embedder=Failing(""), options=OPTIONS)
    assert results["errors"] == results["n"] == 3
    assert {row["value"] for row in results["metrics"].values()} == {None}
    assert results["curves"] == {}
    assert results["notes"][0].startswith("3 of 3 failed. Nothing was measured.")


def test_an_interrupted_search_goes_on(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if (what, done) == ("search", 2):
            raise KeyboardInterrupt

    out = tmp_path / "out"
    options = RunOptions(settings_hash="abc", resamples=100, progress=stop)
    with pytest.raises(KeyboardInterrupt, match="2 of 3 examples are kept"):
        evaluate(folder, "test", out, embedder=Failing(), options=options)
    rest = Failing("operating")
    results = evaluate(folder, "test", out, embedder=rest, options=OPTIONS)
    assert rest.asked == [QUERIES[2]["text"]]
    assert [row["id"] for row in results["error_examples"]] == ["q3"]
