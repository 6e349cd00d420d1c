"""The agreement report: every verifier on every set, resumable a cell, and nothing of it lost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.agreement import agreement_table, evaluate_agreement
from eval.stamp import RunOptions
from rag.errors import DocumentError, UserError
from rag.language import sentence_spans
from rag.schema import Answer, Claim, Verdict

OPTIONS = RunOptions(command="consilium eval agreement", settings_hash="abc", resamples=60)


class Table:
    """Sure of a sentence by a function of its text; counts its work, and may stop at some of it."""

    def __init__(self, name: str, sure: Callable[[str], float], stop_at: int | None = None) -> None:
        self.name, self.sure, self.stop_at, self.done = name, sure, stop_at, 0

    def verify(self, answer: Answer) -> Verdict:
        if self.done == self.stop_at:
            raise KeyboardInterrupt
        self.done += 1
        claims = []
        for start, end in sentence_spans(answer.text):
            sure = self.sure(answer.text[start:end])
            claims.append(Claim(start, end, "supported" if sure >= 0.5 else "not_enough_info", sure))
        return Verdict(tuple(claims), self.name)


def truth(text: str) -> float:
    return 0.1 if "fell" in text or "下跌" in text else 0.9


def verifiers(**more: Table) -> dict[str, Table]:
    return {"oracle": Table("oracle-1", truth), "constant": Table("constant-1", lambda _: 0.7), **more}


def write(path: Path, rows: list[dict]) -> None:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sets"
    made.mkdir()
    words = {"rates": ("It rose.", "It fell."), "房价": ("房价上涨。", "房价下跌。")}
    for name, (good, bad) in words.items():
        rows = [
            {"id": str(i), "context": f"{good} {i}", "response": bad if i % 2 else good}
            | {"label": "hallucinated" if i % 2 else "faithful"}
            for i in range(24)
        ]
        write(made / (f"{name}.jsonl.gz" if name == "rates" else f"{name}.jsonl"), rows)
    claims = [
        {"id": str(i), "claim": "It fell." if i % 2 else "It rose.", "evidence": f"It rose. {i}"}
        | {"label": "contradicted" if i % 2 else "supported"}
        for i in range(24)
    ]
    write(made / "claims.jsonl", claims)
    pairs = [
        {"id": i, "query": "Q?", "gt_answer": "It rose in May. 五月上涨。", "overall": [i % 3 - 1, i % 3 - 1]}
        | {
            "response1": "It fell." if i % 3 else "It rose in May.",
            "response2": "It rose in May." if i % 3 > 1 else "No.",
        }
        for i in range(12)
    ]
    write(made / "pairs.jsonl", pairs)
    grades = [
        {"id": str(i), "question": f"Q{i}?", "reference": "It rose.", "response": "It fell." if i % 2 else "It rose."}
        | {"label": "incorrect" if i % 2 else "correct"}
        for i in range(12)
    ]
    refused = {"response": "NOT IN THE DOCUMENTS", "label": "refusal"}
    write(made / "grades.jsonl", [*grades, grades[0] | refused | {"id": "refused"}])  # not measured by any metric
    (made / "INDEX.md").write_text("# sets", encoding="utf-8")
    write(made / "questions.jsonl", [{"id": "1", "question": "Q?"}])
    return made


def test_one_table(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = evaluate_agreement(folder, out, verifiers=verifiers(), options=OPTIONS)
    table = results["table"]
    assert table["sets"] == ["claims", "rates", "房价"] and table["verifiers"] == ["oracle", "constant"]
    for name in table["sets"]:
        for metric in ("balanced_accuracy_fitted", "balanced_accuracy", "auroc"):
            assert table["cells"][name]["oracle"][metric]["value"] == 1.0, (name, metric)
            assert table["cells"][name]["constant"][metric]["value"] == 0.5, (name, metric)
            assert table["cells"][name]["oracle"][metric]["n"] == 24
    assert table["info"]["房价"]["language"] == ["zh"]
    assert table["means"]["constant"]["auroc"]["value"] == 0.5 and table["means"]["constant"]["auroc"]["n"] == 3
    assert results["metrics"]["oracle"]["value"] == 1.0
    assert results["skipped"].keys() == {"questions.jsonl"}
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == results
    assert (out / "report.html").is_file() and (out / "房价" / "oracle" / "report.html").is_file()


def test_metrics_against_people(folder: Path, tmp_path: Path) -> None:
    results = evaluate_agreement(folder, tmp_path / "out", verifiers=verifiers(), options=OPTIONS)
    found = {row["metric"]: row for row in results["correlations"] if row["target"] == "overall"}
    assert found["human"]["pearson"]["value"] == pytest.approx(1.0)
    assert found["rougeL"]["pearson"]["value"] > 0.8 and found["rougeL"]["set"] == "pairs"
    assert found["constant_f1"]["pearson"]["value"] is None
    graded = {row["metric"]: row for row in results["graded"]}
    assert graded["oracle_precision"]["auroc"]["value"] == 1.0
    assert graded["constant_f1"]["auroc"]["value"] == 0.5
    assert graded["oracle_precision"]["n"] == 12
    assert results["refusals"]["grades"]["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 13}


def test_the_table_as_markdown(folder: Path, tmp_path: Path) -> None:
    results = evaluate_agreement(folder, tmp_path / "out", verifiers=verifiers(), options=OPTIONS)
    text = agreement_table(results)
    assert text == (tmp_path / "out" / "agreement.md").read_text(encoding="utf-8")
    assert "`consilium eval agreement`" in text
    assert "| set | n | oracle | constant |" in text
    assert "| 房价 | 24 | 1.000 [1.000, 1.000] | 0.500 [0.500, 0.500] |" in text
    assert "| mean |  | 1.000 [1.000, 1.000] | 0.500 [0.500, 0.500] |" in text
    assert "| human | 12 | 1.000 [1.000, 1.000]" in text and "| constant_f1 | 12 | – |" in text


def test_an_interrupted_report_goes_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = evaluate_agreement(folder, tmp_path / "whole", verifiers=verifiers(), options=OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        evaluate_agreement(
            folder, out, verifiers=verifiers(oracle=Table("oracle-1", truth, stop_at=30)), options=OPTIONS
        )
    assert not (out / "results.json").exists()
    rest = verifiers()
    results = evaluate_agreement(folder, out, verifiers=rest, options=OPTIONS)
    whole = 24 * 3 + 2 * 2 * 12 + 2 * 12  # cells, pairs both ways, grades both ways
    assert rest["oracle"].done == whole - 30
    assert rest["constant"].done == whole - 24
    assert results["table"]["cells"] == before["table"]["cells"]
    again = verifiers()
    evaluate_agreement(folder, out, verifiers=again, options=OPTIONS)
    assert again["oracle"].done == whole  # a finished report is made anew


def test_what_another_setting_left_is_not_taken_over(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        evaluate_agreement(
            folder, out, verifiers=verifiers(oracle=Table("oracle-1", truth, stop_at=30)), options=OPTIONS
        )
    changed = verifiers()
    evaluate_agreement(
        folder, out, verifiers=changed, options=RunOptions(command="x", settings_hash="other", resamples=60)
    )
    assert changed["oracle"].done == 24 * 3 + 2 * 2 * 12 + 2 * 12


def test_a_verifier_that_fails_at_times(folder: Path, tmp_path: Path) -> None:
    def tired(text: str) -> float:
        if failing.done % 10 == 0:
            raise ValueError("no luck")
        return truth(text)

    failing = Table("tired-1", tired)
    results = evaluate_agreement(folder, tmp_path / "out", verifiers={"tired": failing}, options=OPTIONS)
    assert results["errors"] == 7  # of 72
    assert results["error_examples"][0]["verifier"] == "tired"
    assert results["table"]["cells"]["rates"]["tired"]["auroc"]["value"] == 1.0
    assert results["table"]["cells"]["rates"]["tired"]["auroc"]["n"] < 24
    told = [row for row in results["correlations"] if row["metric"] == "tired_f1"]
    assert 0 < told[0]["n"] < 12 and next(r["n"] for r in results["correlations"] if r["metric"] == "rougeL") == 12
    assert results["values_failed"] == {"pairs": {"tired": 4}, "grades": {"tired": 2}}


def test_a_limit(folder: Path, tmp_path: Path) -> None:
    results = evaluate_agreement(folder, tmp_path / "out", verifiers=verifiers(), limit=6, options=OPTIONS)
    assert {info["n"] for info in results["table"]["info"].values()} == {6}
    assert {row["n"] for row in results["correlations"] if row["metric"] == "rougeL"} == {6}


def test_bad_folders(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        evaluate_agreement(tmp_path / "none", tmp_path / "o", verifiers=verifiers())
    empty = tmp_path / "空"
    empty.mkdir()
    with pytest.raises(UserError, match="no labelled set"):
        evaluate_agreement(empty, tmp_path / "o", verifiers=verifiers())
    write(empty / "问题.jsonl", [{"id": "1", "question": "为何？"}])
    with pytest.raises(UserError, match=r"no labelled set; found 问题\.jsonl"):
        evaluate_agreement(empty, tmp_path / "o", verifiers=verifiers())
    with pytest.raises(UserError, match="at least one verifier"):
        evaluate_agreement(folder, tmp_path / "o", verifiers={})
    with pytest.raises(UserError, match="at least 1"):
        evaluate_agreement(folder, tmp_path / "o", verifiers=verifiers(), limit=0)


def test_a_fault_in_any_set_is_told_before_work_begins(folder: Path, tmp_path: Path) -> None:
    write(folder / "zz.jsonl", [{"id": "1", "context": "c", "response": "r", "label": "maybe"}])
    checked = verifiers()
    with pytest.raises(DocumentError, match=r"zz\.jsonl:1.*'maybe'"):
        evaluate_agreement(folder, tmp_path / "out", verifiers=checked, options=OPTIONS)
    assert checked["oracle"].done == 0 and not (tmp_path / "out").exists()
    (folder / "zz.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"zz\.jsonl holds no record"):
        evaluate_agreement(folder, tmp_path / "out", verifiers=checked, options=OPTIONS)


def test_one_set_twice(folder: Path, tmp_path: Path) -> None:
    write(folder / "rates.jsonl", [{"id": "1", "context": "c", "response": "r", "label": "faithful"}])
    with pytest.raises(UserError, match="rates twice"):
        evaluate_agreement(folder, tmp_path / "out", verifiers=verifiers(), options=OPTIONS)


def test_two_verifiers_never_share_a_folder(folder: Path, tmp_path: Path) -> None:
    """Names of models hold slashes; what is a folder name must stay apart."""
    named = {"nli:a/b": Table("one-1", truth), "nli:a_b": Table("two-1", lambda _: 0.7)}
    results = evaluate_agreement(folder, tmp_path / "out", verifiers=named, options=OPTIONS)
    cells = results["table"]["cells"]["rates"]
    assert cells["nli:a/b"]["auroc"]["value"] == 1.0 and cells["nli:a_b"]["auroc"]["value"] == 0.5
    folders = [path.name for path in (tmp_path / "out" / "rates").iterdir()]
    assert len(folders) == 2 and all("/" not in name for name in folders)
