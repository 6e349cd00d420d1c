import json
from pathlib import Path

import pytest

from eval.compare import compare, comparison_table, failures
from rag.errors import DocumentError, UserError

QUESTIONS = ["What fell?", "收入是多少？", "Who rose?", "什么药？", "How much?", "谁？"]


def a_run(folder: Path, scores: dict[str, list], **more) -> Path:
    """A finished run with one example a score; metrics of the whole set come in `whole`."""
    n = max(len(column) for column in scores.values())
    ids = more.pop("ids", [f"q{at}" for at in range(n)])
    whole = more.pop("whole", {})
    rows = [
        {"id": key, "question": QUESTIONS[at % 6], "scores": {name: column[at] for name, column in scores.items()}}
        for at, key in enumerate(ids)
    ]
    folder.mkdir()
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "per_example.jsonl").write_text(text, encoding="utf-8")
    metrics = {name: {"value": 0.5} for name in scores} | {name: {"value": value} for name, value in whole.items()}
    results = {"kind": "answers", "metrics": metrics, "per_example": "per_example.jsonl", "seed": 0}
    results |= {"dataset": {"hash": "d"}, "errors": 0, "settings_hash": "s", "git": "g"} | more
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


A = {"rougeL": [0.0, 0.5, 0.5, 1.0, 0.0, 0.2], "numeric_accuracy": [1.0, None, None, 0.0, None, None]}
B = {"rougeL": [0.5, 1.0, 0.5, 0.9, 0.5, 0.7], "numeric_accuracy": [1.0, None, 1.0, 0.0, None, None]}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return a_run(tmp_path / "a", A, whole={"ece": 0.2}), a_run(tmp_path / "b", B, whole={"ece": 0.5})


def test_differences_wins_and_both_tests(pair: tuple[Path, Path]) -> None:
    found = compare(*pair, resamples=500)
    row = found["metrics"]["rougeL"]
    assert (row["wins"], row["losses"], row["ties"], row["one_sided"], row["n"]) == (4, 1, 1, 0, 6)
    assert row["difference"] == row["value"] == pytest.approx(1.9 / 6)
    # differences .5 .5 -.1 .5 .5: of 32 sign flips the total reaches 1.9 twice on either side (-.1 or +.1)
    assert row["p_permutation"] == pytest.approx(4 / 32)
    assert row["p_holm"] == pytest.approx(2 * 4 / 32)
    assert row["low"] < row["difference"] < row["high"]
    other = found["metrics"]["numeric_accuracy"]
    assert (other["wins"], other["losses"], other["ties"], other["one_sided"], other["n"]) == (0, 0, 2, 1, 3)
    assert other["difference"] == pytest.approx(2 / 3 - 1 / 2)
    assert found["kind"] == "comparison"
    assert {"command", "git", "versions", "hardware", "date"} <= found.keys()


def test_a_figure_of_the_whole_set_has_its_difference_alone(pair: tuple[Path, Path], tmp_path: Path) -> None:
    found = compare(*pair, resamples=100)
    row = found["metrics"]["ece"]
    assert row["difference"] == pytest.approx(0.3)
    assert all(row[name] is None for name in ("low", "high", "p", "p_permutation", "p_holm", "wins"))
    assert "Figures of the whole set, without p and wins: ece." in found["notes"]
    fewer = a_run(tmp_path / "c", {name: column[:4] for name, column in B.items()}, whole={"ece": 0.5})
    assert compare(pair[0], fewer, resamples=100)["metrics"]["ece"]["difference"] is None


def detection(folder: Path, called: str) -> Path:
    """A run over six labelled responses; `called` says h or f of each."""
    rows = []
    for at, (truth, said) in enumerate(zip("hhhfff", called, strict=True)):
        bad, caught = truth == "h", said == "h"
        label, predicted = ("hallucinated" if one else "faithful" for one in (bad, caught))
        row = {"id": f"r{at}", "label": label, "predicted": predicted, "score": 0.2 if caught else 0.8, "error": None}
        row |= {"group": str(at), "gold": None, "verdict": None, "span_counts": None}
        rows.append(row | {"scores": {"accuracy": float(bad == caught)}})
    folder.mkdir()
    (folder / "per_example.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = {name: {"value": 0.1} for name in ("accuracy", "balanced_accuracy", "auroc")}
    results = {"kind": "factuality", "metrics": metrics, "per_example": "per_example.jsonl", "dataset": {"hash": "d"}}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_verifiers_are_compared_by_figures_of_the_whole_set_with_intervals(tmp_path: Path) -> None:
    found = compare(detection(tmp_path / "a", "hffffh"), detection(tmp_path / "b", "hhffff"), resamples=200)
    row = found["metrics"]["balanced_accuracy"]
    assert (row["a"], row["b"]) == (pytest.approx((1 / 3 + 2 / 3) / 2), pytest.approx((2 / 3 + 1) / 2))
    assert row["value"] == row["difference"] == pytest.approx(1 / 3)
    assert row["low"] <= 1 / 3 <= row["high"]
    assert row["p_holm"] is None
    assert found["metrics"]["accuracy"]["wins"] == 2
    assert found["metrics"]["accuracy"]["p_holm"] == found["metrics"]["accuracy"]["p_permutation"] == 0.5
    assert "| +0.3333 | " in comparison_table(found).split("\n")[3]


def test_the_largest_changes_come_first(pair: tuple[Path, Path]) -> None:
    changes = compare(*pair, resamples=100)["changes"]
    assert list(changes) == ["rougeL", "numeric_accuracy"]
    assert [row["id"] for row in changes["rougeL"]] == ["q0", "q1", "q4", "q5", "q3"]
    assert changes["rougeL"][1] == {"id": "q1", "question": "收入是多少？", "a": 0.5, "b": 1.0, "difference": 0.5}
    assert changes["numeric_accuracy"] == []


def test_the_table(pair: tuple[Path, Path]) -> None:
    table = comparison_table(compare(*pair, resamples=100)).split("\n")
    assert table[0].count("|") == table[1].count("|") == table[2].count("|") == 11
    assert table[2].startswith("| rougeL | 0.3667 | 0.6833 | +0.3167 | +")
    assert table[2].endswith("| 0.1250 | 0.2500 | 4/1/1 | 6 |")
    assert "| ece | 0.2000 | 0.5000 | +0.3000 | – | – | – | – | – | 6 |" in table


def test_notes_say_what_a_reader_must_know(tmp_path: Path) -> None:
    own = [
        "2 of 6 failed. They count as no answer.",
        "1 questions occur in the training data of a model used: allowed.",
    ]
    a = a_run(tmp_path / "a", A, errors=2, notes=own)
    same = compare(a, a, resamples=100)
    assert same["metrics"]["rougeL"]["p_holm"] == 1
    assert [note for note in same["notes"] if "same settings" in note]
    b = a_run(tmp_path / "b", B, ids=["q1", "q0", "q2", "q3", "q4", "x"], seed=7, dataset={"hash": "e"}, errors=0)
    notes = compare(a, b, resamples=100)["notes"]
    for words in (
        "different seeds: 0 and 7",
        "different data (d and e)",
        "2 ids stand for different questions in the two runs, first 'q0'",
        "1 examples that only A has, 1 that only B has",
        "Failed examples, counted as no answer: 2 in A, 0 in B",
        "A: 1 questions occur in the training data",
    ):
        assert any(words in note for note in notes), words
    assert not compare(a, b, resamples=100)["same_dataset"]


@pytest.mark.parametrize(
    ("condition", "fails"),
    [
        ("rougeL<-0.01", False),
        ("rougeL>0.3", True),
        (" rougeL >= .31666 ", True),
        ("rougeL<=3.1e-1", False),
        ("rougeL<1@0.05", False),
        ("rougeL<1 @ 0.3", True),
        ("rougeL>1@0.3", False),
        ("ece>0.3", False),  # 0.5 - 0.2 is not above 0.3, whatever the last bit says
        ("ece>=0.3", True),
        ("bleu<-1", True),  # no value at all: cannot be judged
    ],
)
def test_conditions(tmp_path: Path, condition: str, fails: bool) -> None:
    none = {"bleu": [None] * 6}
    a = a_run(tmp_path / "a", A | none, whole={"ece": 0.2})
    b = a_run(tmp_path / "b", B | none, whole={"ece": 0.5})
    told = failures(compare(a, b, resamples=100), [condition])
    assert bool(told) is fails
    assert all(condition in words for words in told)


def test_several_conditions_and_names_with_a_cut(tmp_path: Path) -> None:
    a = a_run(tmp_path / "a", {"ndcg@10": [1.0, 1.0], "map": [0.5, 0.5]}, kind="retrieval")
    b = a_run(tmp_path / "b", {"ndcg@10": [0.9, 0.9], "map": [0.5, 0.5]}, kind="retrieval")
    found = compare(a, b, resamples=100)
    told = failures(found, ["ndcg@10<-0.05", "map<0", "ndcg@10<-0.05@0.05", "ndcg@10<-0.05@.9", "ndcg@10>0"])
    assert told == [
        "ndcg@10<-0.05: the difference of ndcg@10 is -0.1000",
    ]
    assert found["metrics"]["ndcg@10"]["p_holm"] == 1.0


@pytest.mark.parametrize(
    "condition", ["rougeL", "rougeL=0", "rougeL<", "<0.1", "rougeL<0.1@2", "rougeL<a", "", "rougeL<<1"]
)
def test_bad_conditions_are_told(pair: tuple[Path, Path], condition: str) -> None:
    with pytest.raises(UserError, match=r"is no condition\. Write METRIC"):
        failures(compare(*pair, resamples=100), [condition])


def test_conditions_that_these_runs_cannot_answer(pair: tuple[Path, Path]) -> None:
    found = compare(*pair, resamples=100)
    with pytest.raises(UserError, match=r"no metric 'rouge'\. They share: rougeL, numeric_accuracy, ece"):
        failures(found, ["rouge<0"])
    with pytest.raises(UserError, match=r"whole set and has no p\. Leave out '@0\.05'"):
        failures(found, ["ece>0@0.05"])


def test_a_comparison_is_written_and_no_run_written_over(pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # a comparison may be made again in its folder
        found = compare(*pair, resamples=100, out=out)
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == found
    rows = [json.loads(line) for line in (out / "per_example.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[3]["scores"] == {"rougeL": pytest.approx(-0.1), "numeric_accuracy": 0.0, "ece": None}
    assert rows[1]["b"]["question"] == "收入是多少？"
    assert "收入是多少" in (out / "report.html").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="holds a run"):
        compare(*pair, resamples=100, out=pair[1])
    assert json.loads((pair[1] / "results.json").read_text())["kind"] == "answers"


def test_what_is_no_run_is_told(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="not the result of a finished run"):
        compare(pair[0], tmp_path)
    with pytest.raises(UserError, match="share no example id"):
        compare(pair[0], a_run(tmp_path / "c", A, ids=list("uvwxyz")))
    with pytest.raises(UserError, match="share no metric: they are of kind 'answers' and 'retrieval'"):
        compare(pair[0], a_run(tmp_path / "e", {"map": [1.0] * 6}, kind="retrieval"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"rougeL": 0.5', '"rougeL": NaN', r"per_example\.jsonl:2: not JSON: NaN"),
        ('"rougeL": 0.5', '"rougeL": 1e999', r"per_example\.jsonl:2: score 'rougeL' must be a finite number"),
        ('"rougeL": 0.5', '"rougeL": "high"', r"per_example\.jsonl:2: score 'rougeL' must be .*, got 'high'"),
        ('"q1"', '"q0"', r"per_example\.jsonl:2: want an id that occurs once, got 'q0'"),
        ('"scores"', '"marks"', r"per_example\.jsonl:1: field 'scores' must be an object, got nothing"),
    ],
)
def test_a_bad_line_is_told_with_its_place(pair: tuple[Path, Path], old: str, new: str, told: str) -> None:
    path = pair[0] / "per_example.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DocumentError, match=told):
        compare(*pair)
