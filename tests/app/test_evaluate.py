"""`consilium eval …` as a person or a script meets it; contracts of docs/cli.md."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from app.evaluate import conclude
from eval.leakage import write_questions
from eval.lines import objects
from eval.resume import failed

pytestmark = pytest.mark.model

DOSE = "The usual starting dose of metformin for adults is 500 mg orally twice a day with meals."
LIMIT = "当eGFR低于30 mL/min时禁用二甲双胍。"
QUESTIONS = [
    {
        "id": "dose",
        "question": "What is the usual starting dose of metformin for adults?",
        "references": ["500 mg orally twice a day"],
        "answerable": True,
        "contexts": [{"id": "label", "text": DOSE}],
    },
    {
        "id": "limit",
        "question": "eGFR低于多少时禁用二甲双胍？",
        "references": ["30 mL/min"],
        "answerable": True,
        "contexts": [{"id": "说明书", "text": LIMIT}],
    },
    {
        "id": "twin",
        "question": "What is the starting dose of lisinopril for adults?",
        "references": [],
        "answerable": False,
        "contexts": [{"id": "label", "text": DOSE}],
    },
]
CLAIMS = [
    {"id": "1", "context": DOSE, "response": DOSE, "label": "faithful"},
    {"id": "2", "context": DOSE, "response": DOSE.replace("500", "850"), "label": "hallucinated"},
    {"id": "3", "context": LIMIT, "response": LIMIT, "label": "faithful"},
    {"id": "4", "context": LIMIT, "response": LIMIT.replace("30", "60"), "label": "hallucinated"},
]


def _lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def questions(tmp_path: Path) -> str:
    return _lines(tmp_path / "questions.jsonl", QUESTIONS)


def test_answers_are_measured_and_compared_and_a_gate_stops(run: Any, questions: str, tmp_path: Path) -> None:
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    code, found, _ = run("eval", "answers", "--dataset", questions, "--out", first, "--json")
    assert code == 0
    assert found["metrics"]["faithfulness"]["value"] == 1.0
    assert found["metrics"]["abstention_recall"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}
    assert {"command", "git", "settings_hash", "versions", "hardware", "seed", "curves"} <= set(found)
    for name in ("results.json", "per_example.jsonl", "predictions.jsonl", "report.html"):
        assert (tmp_path / "a" / name).is_file()
    assert run("eval", "answers", "--dataset", questions, "--out", second, "--json")[0] == 0
    code, compared, _ = run("eval", "compare", first, second, "--fail-if", "rougeL<-0.01", "--json")
    assert (code, compared["failed"], compared["metrics"]["rougeL"]["difference"]) == (0, [], 0.0)
    code, compared, told = run("eval", "compare", first, second, "--fail-if", "rougeL<=0", "--json")
    assert code == 1
    assert compared["failed"]
    assert "rougeL" in told
    code, compared, told = run("eval", "compare", first, second, "--fail-if", "rougeX<0", "--json")
    assert code == 1
    assert "rougeL" in compared["error"]


def test_a_verifier_is_measured_against_labels_in_both_languages(run: Any, tmp_path: Path) -> None:
    labels = _lines(tmp_path / "labels.jsonl", CLAIMS)
    code, found, _ = run("eval", "factuality", "--dataset", labels, "--out", str(tmp_path / "f"), "--json")
    assert code == 0
    assert found["metrics"]["balanced_accuracy"]["value"] == 1.0
    assert found["metrics"]["auroc"]["value"] == 1.0
    assert set(found["by_language"]) == {"en", "zh"}
    code, found, _ = run(
        "eval", "factuality", "--dataset", labels, "--out", str(tmp_path / "x"), "--verifier", "magic", "--json"
    )
    assert code == 1
    assert "support" in found["error"]


def test_every_verifier_meets_every_labelled_set(run: Any, tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    _lines(tmp_path / "sets" / "doses.jsonl", CLAIMS)
    out = str(tmp_path / "agreement")
    code, found, _ = run("eval", "agreement", "--data", str(tmp_path / "sets"), "--out", out, "--json")
    assert code == 0
    cells = found["table"]["cells"]["doses"]
    assert set(cells) == {"lexical", "embedding", "checks", "support"}
    assert cells["support"]["auroc"]["value"] == 1.0
    assert (tmp_path / "agreement" / "report.html").is_file()


def test_a_model_is_not_measured_on_what_it_learnt(run: Any, questions: str, tmp_path: Path) -> None:
    model = tmp_path / "adapter"
    model.mkdir()
    write_questions(model / "questions.txt.gz", ["what is the usual starting dose of METFORMIN for adults"])
    card = {"training_data": [{"name": "labels", "questions": "questions.txt.gz"}]}
    (model / "card.json").write_text(json.dumps(card), encoding="utf-8")
    (model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    arguments = ("--dataset", questions, "--llm", str(model), "--out", str(tmp_path / "seen"), "--json")
    code, found, _ = run("eval", "answers", *arguments)
    assert code == 1
    assert "dose" in found["error"]
    assert "--allow-seen" in found["error"]


def test_a_sheet_is_built_from_two_runs_and_asks_for_votes(run: Any, tmp_path: Path) -> None:
    rows = [{**QUESTIONS[0], "contexts": [{"id": "label", "text": f"{DOSE} It is taken with food. Take it at eight."}]}]
    questions = _lines(tmp_path / "one.jsonl", rows)
    assert run("eval", "answers", "--dataset", questions, "--out", str(tmp_path / "a"), "--json")[0] == 0
    same, sheet = str(tmp_path / "a"), str(tmp_path / "s")
    code, found, _ = run("eval", "blind", same, same, "--out", sheet, "--only-build", "--json")
    assert code == 1  # a run beside itself: every answer is the same
    assert "same" in found["error"] or "identical" in found["error"]
    code, found, _ = run("eval", "preference", sheet, "--json")
    assert code == 1


def test_questions_are_drafted_from_a_collection_and_marked(run: Any, tmp_path: Path) -> None:
    leaflet = f"# Metformin\n\n## Dose\n\n{DOSE}\n\n# 二甲双胍\n\n{LIMIT}\n"
    (tmp_path / "metformin.md").write_text(leaflet, encoding="utf-8")
    assert run("ingest", str(tmp_path / "metformin.md"), "-c", "drafts", "--json")[0] == 0
    out = tmp_path / "drafts.jsonl"
    arguments = ("eval", "make-dataset", "-c", "drafts", "--out", str(out), "--count", "4", "--json")
    code, found, told = run(*arguments)
    assert code == 0, told
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows
    assert found["questions"] == len(rows)
    assert all(row["drafted"] and not row["reviewed"] for row in rows)
    code, found, _ = run(*arguments)
    assert code == 1  # somebody may have corrected the file
    packed = tmp_path / "drafts.jsonl.gz"
    assert run("eval", "make-dataset", "-c", "drafts", "--out", str(packed), "--json")[0] == 0
    assert {row["id"] for _, row in objects(packed)} >= {rows[0]["id"]}


def test_places_that_cannot_be_written_are_no_bugs(run: Any, questions: str, tmp_path: Path) -> None:
    first, file = str(tmp_path / "a"), tmp_path / "file"
    (tmp_path / "labelled").mkdir()
    labels = _lines(tmp_path / "labelled" / "claims.jsonl", CLAIMS)
    file.write_text("")
    assert run("eval", "answers", "--dataset", questions, "--out", first, "--json")[0] == 0
    for arguments in (
        ("answers", "--dataset", questions, "--out", str(file)),
        ("compare", first, first, "--out", str(file)),
        ("make-dataset", "--out", str(file / "drafts.jsonl")),
        ("factuality", "--dataset", labels, "--out", str(file)),
        ("agreement", "--data", str(Path(labels).parent), "--verifier", "lexical", "--out", str(file)),
    ):
        code, found, _ = run("eval", *arguments, "--json")
        assert code == 1, arguments
        assert "can be written to" in found["error"]


def test_a_run_in_which_all_failed_is_no_success(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    row = {"id": "a", "error": "RuntimeError: no model"}
    found = {"metrics": {}, "n": 1, **failed([row], "They score 0.")}
    with pytest.raises(typer.Exit) as stop:
        conclude(found, True, tmp_path)
    assert stop.value.exit_code == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["errors"] == 1
    assert "Nothing was measured." in said.err
    conclude({**found, "n": 2}, True, tmp_path)
