import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from eval.compare import compare, comparison_table
from eval.leakage import write_questions
from eval.run import RunOptions, evaluate_answers
from rag.errors import DocumentError, UserError
from rag.schema import Answer, Citation, Claim, Message, Passage, Verdict

RECORDS = [
    {"id": "right", "question": "What fell?", "references": ["Sales fell."], "answerable": True, "language": "en"},
    {"id": "wrong", "question": "什么上升？", "references": ["成本上升。"], "answerable": True, "language": "zh"},
    {"id": "silent", "question": "Say nothing", "references": ["x y z"], "answerable": True, "language": "en"},
    {"id": "refused", "question": "Say nothing?", "references": [], "answerable": False, "language": "en"},
    {"id": "invented", "question": "And who?", "references": [], "answerable": False, "language": "en"},
]
REPLIES = {"What fell?": "Sales fell.", "什么上升？": "股价大跌", "And who?": "Somebody did."}


@dataclass
class Outcome:
    answer: Answer
    verdict: Verdict


class FakeAssistant:
    """Answers by a table; a question that says "fail" fails."""

    def __init__(self, replies: dict[str, str]) -> None:
        self.replies = replies
        self.asked: list[str] = []
        self.passages: Sequence[Passage] | None = None
        self.history: Sequence[Message] = ()

    def ask(
        self, question: str, *, history: Sequence[Message] = (), passages: Sequence[Passage] | None = None
    ) -> Outcome:
        self.asked.append(question)
        self.passages, self.history = passages, history
        if "fail" in question:
            raise UserError("no luck")
        if question not in self.replies:
            told = "Not in the documents."
            return Outcome(Answer(question, told, abstained=True, reason=told), Verdict((), "none"))
        text = self.replies[question]
        found = tuple(passages or ())
        cited = (Citation(0, len(text), 1, 0, 1),) if found else ()
        claims = (Claim(0, len(text), "supported" if cited else "not_enough_info", 0.9, (1,) if cited else ()),)
        return Outcome(Answer(question, text, found, cited, model="fake"), Verdict(claims, "table"))


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


OPTIONS = RunOptions(command="consilium eval answers", settings_hash="abc", resamples=200)


def test_metrics_of_a_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = evaluate_answers(
        write(tmp_path / "d.jsonl", RECORDS), out, assistant=FakeAssistant(REPLIES), options=OPTIONS
    )
    assert results == json.loads((out / "results.json").read_text())
    metrics = results["metrics"]
    for name in ("rouge1", "rouge2", "rougeL", "bleu", "exact_match", "token_f1"):
        assert metrics[name]["value"] == pytest.approx(1 / 3), name
        assert metrics[name]["n"] == 3
    assert metrics["abstention_precision"]["value"] == pytest.approx(1 / 2)
    assert metrics["abstention_recall"]["value"] == pytest.approx(1 / 2)
    assert metrics["answered"]["value"] == pytest.approx(2 / 3)
    assert metrics["faithfulness"] == {"value": 0, "low": 0, "high": 0, "n": 3}
    assert metrics["numeric_accuracy"]["n"] == 0
    assert results["by_language"]["zh"]["rougeL"]["value"] == 0
    assert {"command", "git", "settings_hash", "versions", "hardware", "seed", "date"} <= results.keys()
    assert (results["command"], results["settings_hash"]) == ("consilium eval answers", "abc")
    assert results["errors"] == 0
    assert results["timings"]["seconds"]["n"] == 5
    assert [row["id"] for row in lines(out / results["per_example"])] == [row["id"] for row in RECORDS]


def test_contexts_and_history_reach_the_assistant(tmp_path: Path) -> None:
    record = RECORDS[0] | {
        "contexts": [{"id": "c1", "text": "Sales fell."}, {"id": "c2", "text": "Costs rose."}],
        "gold_passages": ["c2"],
        "history": ["Before?"],
    }
    assistant = FakeAssistant(REPLIES)
    results = evaluate_answers(
        write(tmp_path / "d.jsonl", [record]), tmp_path / "out", assistant=assistant, options=OPTIONS
    )
    assert assistant.passages is not None
    assert [passage.source for passage in assistant.passages] == ["c1", "c2"]
    assert assistant.history == ({"role": "user", "content": "Before?"},)
    assert results["metrics"]["citation_recall"]["value"] == 1
    assert results["metrics"]["gold_citation_precision"] == {"value": 0, "low": 0, "high": 0, "n": 1}
    assert results["metrics"]["citation_precision"]["value"] == 1
    assert results["metrics"]["faithfulness"]["value"] == 1


def test_no_contexts_asks_the_documents_and_empty_contexts_do_not(tmp_path: Path) -> None:
    assistant = FakeAssistant(REPLIES)
    evaluate_answers(write(tmp_path / "a.jsonl", RECORDS[:1]), tmp_path / "a", assistant=assistant)
    assert assistant.passages is None
    evaluate_answers(write(tmp_path / "b.jsonl", [RECORDS[0] | {"contexts": []}]), tmp_path / "b", assistant=assistant)
    assert assistant.passages == []


def test_an_error_is_recorded_and_counts_as_no_answer(tmp_path: Path) -> None:
    rows = [*RECORDS[:1], RECORDS[0] | {"id": "broken", "question": "fail"}]
    results = evaluate_answers(
        write(tmp_path / "d.jsonl", rows), tmp_path / "out", assistant=FakeAssistant(REPLIES), options=OPTIONS
    )
    assert results["errors"] == 1
    assert results["error_examples"] == [{"id": "broken", "error": "UserError: no luck"}]
    assert results["metrics"]["rougeL"]["value"] == pytest.approx(1 / 2)
    assert results["metrics"]["abstention_precision"]["n"] == 0


def interrupted(tmp_path: Path) -> tuple[Path, Path]:
    """A run that was killed while it wrote its third example."""
    data, out = write(tmp_path / "d.jsonl", RECORDS), tmp_path / "out"
    evaluate_answers(data, out, assistant=FakeAssistant(REPLIES), options=OPTIONS)
    (out / "results.json").unlink()
    kept = (out / "predictions.jsonl").read_bytes().split(b"\n")
    (out / "predictions.jsonl").write_bytes(b"\n".join([kept[0], kept[1], kept[2][:20]]))
    return data, out


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data, out = interrupted(tmp_path)
    assistant = FakeAssistant(REPLIES)
    told: list[tuple[int, int, str]] = []
    options = RunOptions(settings_hash="abc", resamples=200, progress=lambda *a: told.append(a))
    results = evaluate_answers(data, out, assistant=assistant, options=options)
    assert assistant.asked == [row["question"] for row in RECORDS[2:]]
    assert told == [(3, 5, "answer"), (4, 5, "answer"), (5, 5, "answer")]
    assert results["metrics"]["rougeL"]["value"] == pytest.approx(1 / 3)
    assert len(lines(out / "predictions.jsonl")) == 5


def test_other_settings_start_anew_and_lose_nothing(tmp_path: Path) -> None:
    data, out = interrupted(tmp_path)
    before = (out / "predictions.jsonl").read_bytes()
    assistant = FakeAssistant(REPLIES)
    evaluate_answers(data, out, assistant=assistant, options=RunOptions(settings_hash="other", resamples=200))
    assert len(assistant.asked) == 5
    assert (out / "predictions.1.jsonl").read_bytes() == before


def test_a_finished_run_is_run_again(tmp_path: Path) -> None:
    data, out = write(tmp_path / "d.jsonl", RECORDS), tmp_path / "out"
    evaluate_answers(data, out, assistant=FakeAssistant(REPLIES), options=OPTIONS)
    assistant = FakeAssistant({})
    again = evaluate_answers(data, out, assistant=assistant, options=OPTIONS)
    assert len(assistant.asked) == 5
    assert again["metrics"]["answered"]["value"] == 0


def test_a_failed_example_is_tried_again(tmp_path: Path) -> None:
    data, out = write(tmp_path / "d.jsonl", [RECORDS[0] | {"question": "fail"}]), tmp_path / "out"
    evaluate_answers(data, out, assistant=FakeAssistant(REPLIES), options=OPTIONS)
    (out / "results.json").unlink()
    assistant = FakeAssistant(REPLIES)
    evaluate_answers(data, out, assistant=assistant, options=OPTIONS)
    assert assistant.asked == ["fail"]


def test_limit_draws_the_same_examples_in_file_order(tmp_path: Path) -> None:
    rows = [RECORDS[0] | {"id": f"r{i}", "question": f"q{i}"} for i in range(20)]
    one, two = FakeAssistant({}), FakeAssistant({})
    evaluate_answers(write(tmp_path / "a.jsonl", rows), tmp_path / "a", assistant=one, limit=5)
    evaluate_answers(write(tmp_path / "b.jsonl", rows[::-1]), tmp_path / "b", assistant=two, limit=5)
    assert len(one.asked) == 5
    assert one.asked == two.asked[::-1] == sorted(one.asked, key=lambda q: int(q[1:]))
    with pytest.raises(UserError, match="limit must be at least 1, got 0"):
        evaluate_answers(tmp_path / "a.jsonl", tmp_path / "c", assistant=one, limit=0)


def test_text_with_odd_line_breaks_survives(tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", RECORDS[:1])
    replies = {"What fell?": "Sales\u2028fell.\x85 \ud800"}
    evaluate_answers(data, tmp_path / "out", assistant=FakeAssistant(replies), options=OPTIONS)
    assert compare(tmp_path / "out", tmp_path / "out")["n"] == 1


def test_compare_pairs_by_id(tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", RECORDS)
    better = REPLIES | {"什么上升？": "成本上升。"}
    evaluate_answers(data, tmp_path / "a", assistant=FakeAssistant(REPLIES), options=OPTIONS)
    evaluate_answers(data, tmp_path / "b", assistant=FakeAssistant(better), options=OPTIONS)
    found = compare(tmp_path / "a", tmp_path / "b" / "results.json")
    assert found["metrics"]["rougeL"]["difference"] == pytest.approx(1 / 3)
    assert {"a", "b", "difference", "low", "high", "p", "p_holm", "n"} <= found["metrics"]["rougeL"].keys()
    assert found["metrics"]["abstention_recall"]["difference"] == 0
    assert (found["n"], found["only_a"], found["same_dataset"]) == (5, 0, True)
    assert "| rougeL | 0.3333 | 0.6667 | +0.3333 |" in comparison_table(found)
    assert "| numeric_accuracy | – |" in comparison_table(found)


def test_compare_tells_what_is_no_run(tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", RECORDS[:1])
    evaluate_answers(data, tmp_path / "a", assistant=FakeAssistant(REPLIES), options=OPTIONS)
    other = write(tmp_path / "e.jsonl", RECORDS[1:2])
    evaluate_answers(other, tmp_path / "b", assistant=FakeAssistant(REPLIES), options=OPTIONS)
    with pytest.raises(UserError, match="share no example id"):
        compare(tmp_path / "a", tmp_path / "b")
    with pytest.raises(DocumentError, match="not the result of a finished run"):
        compare(tmp_path / "a", tmp_path)


class Flaky(FakeAssistant):
    """Raises at every `period`-th question."""

    def __init__(self, period: int) -> None:
        super().__init__(REPLIES)
        self.period = period

    def ask(self, question: str, **given) -> Outcome:
        if (len(self.asked) + 1) % self.period == 0:
            self.asked.append(question)
            raise RuntimeError(f"CUDA out of memory 显存不足: {question}")
        return super().ask(question, **given)


def test_a_model_that_raises_at_every_tenth_example(tmp_path: Path) -> None:
    rows = [RECORDS[at % 2] | {"id": f"r{at}"} for at in range(50)]
    out = tmp_path / "out"
    results = evaluate_answers(write(tmp_path / "d.jsonl", rows), out, assistant=Flaky(10), options=OPTIONS)
    assert (results["n"], results["errors"]) == (50, 5)
    assert [row["id"] for row in results["error_examples"]] == ["r9", "r19", "r29", "r39", "r49"]
    assert results["error_examples"][0]["error"] == "RuntimeError: CUDA out of memory 显存不足: 什么上升？"
    assert results["notes"][0].startswith("5 of 50 failed. They count as no answer. First: r9: RuntimeError")
    assert len(lines(out / "predictions.jsonl")) == len(lines(out / "per_example.jsonl")) == 50
    assert results["metrics"]["answered"]["value"] == pytest.approx(45 / 50)
    assert results["metrics"]["rougeL"]["value"] == pytest.approx(25 / 50)  # all failures hit the wrong answers
    assert results["timings"]["seconds"]["n"] == 45


def test_where_every_example_fails_there_are_no_figures(tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = evaluate_answers(write(tmp_path / "d.jsonl", RECORDS), out, assistant=Flaky(1), options=OPTIONS)
    assert results["errors"] == results["n"] == 5
    assert {row["value"] for row in results["metrics"].values()} == {None}
    assert results["curves"] == {}
    assert results["notes"][0].startswith("5 of 5 failed. Nothing was measured. First: right: RuntimeError")
    assert (out / "report.html").exists()


@pytest.mark.parametrize("confidence", [float("nan"), 1.5])
def test_a_confidence_that_is_none_is_an_error_of_its_example(tmp_path: Path, confidence: float) -> None:
    class Odd(FakeAssistant):
        def ask(self, question: str, **given) -> Outcome:
            found = super().ask(question, **given)
            strange = question == "什么上升？"
            return replace(found, answer=replace(found.answer, confidence=confidence if strange else 0.8))

    data = write(tmp_path / "d.jsonl", RECORDS)
    results = evaluate_answers(data, tmp_path / "out", assistant=Odd(REPLIES), options=OPTIONS)
    assert [row["id"] for row in results["error_examples"]] == ["wrong"]
    assert "ValueError" in results["error_examples"][0]["error"]


def test_figures_of_the_whole_set_and_their_curves(tmp_path: Path) -> None:
    class Sure(FakeAssistant):
        def ask(self, question: str, **given) -> Outcome:
            found = super().ask(question, **given)
            sure = {"What fell?": 0.9, "什么上升？": 0.3}.get(question, 0.5)
            return replace(found, answer=replace(found.answer, confidence=sure, timings={"search": 1.0, "total": 2.0}))

    data = write(tmp_path / "d.jsonl", RECORDS[:2])
    results = evaluate_answers(data, tmp_path / "out", assistant=Sure(REPLIES), options=OPTIONS)
    # the surest is right (token F1 1), the other wrong: risks 0 and 1/2; |0.9 - 1| and |0.3 - 0|, weighed by a half
    assert results["metrics"]["aurc"]["value"] == pytest.approx((0 + 1 / 2) / 2)
    assert results["metrics"]["ece"]["value"] == pytest.approx((0.1 + 0.3) / 2)
    assert results["by_language"]["zh"]["ece"]["value"] == pytest.approx(0.3)
    assert results["curves"]["risk_coverage"] == [{"coverage": 0.5, "risk": 0.0}, {"coverage": 1.0, "risk": 0.5}]
    assert [row["n"] for row in results["curves"]["reliability"]] == [1, 1]
    assert results["timings"]["seconds"]["p50"] == 2.0
    assert results["timings"]["search"]["mean"] == 1.0
    assert results["tokens"]["answer"]["n"] == 2


def test_another_judge_is_another_run(tmp_path: Path) -> None:
    class Yes:
        name = "yes"

        def judge(self, claim: str, passages: Sequence[Passage]) -> tuple[str, float]:
            return "supported", 1.0

    data, out = interrupted(tmp_path)
    assistant = FakeAssistant(REPLIES)
    results = evaluate_answers(data, out, assistant=assistant, verifier=Yes(), options=OPTIONS)
    assert len(assistant.asked) == 5
    assert results["judges"] == ["yes"]


def trained_on(folder: Path, *questions: str) -> Path:
    write_questions(folder / "questions.txt.gz", questions)
    entry = {"name": "set", "questions": "questions.txt.gz"}
    (folder / "card.json").write_text(json.dumps({"training_data": [entry]}))
    return folder


def test_questions_that_a_model_was_trained_on_are_refused_or_marked(tmp_path: Path) -> None:
    data, out = write(tmp_path / "d.jsonl", RECORDS), tmp_path / "out"
    cards = (trained_on(tmp_path / "model", "什么上升", "Other?"),)
    assistant = FakeAssistant(REPLIES)
    with pytest.raises(UserError, match=r"1 of 5 questions occur in .*'wrong'.*--allow-seen"):
        evaluate_answers(data, out, assistant=assistant, options=replace(OPTIONS, cards=cards))
    assert not assistant.asked
    assert not out.exists()
    allowed = replace(OPTIONS, cards=cards, allow_seen=True)
    results = evaluate_answers(data, out, assistant=assistant, options=allowed)
    assert results["memorisation"]["seen_in_training"] == 1
    assert results["memorisation"]["allowed"]
    assert [row["id"] for row in lines(out / "per_example.jsonl") if row["seen_in_training"]] == ["wrong"]
    assert results["by_seen"]["True"]["rougeL"] == {"value": 0, "low": 0, "high": 0, "n": 1}
    assert results["by_seen"]["False"]["rougeL"]["value"] == pytest.approx(1 / 2)
    clean = evaluate_answers(
        write(tmp_path / "e.jsonl", RECORDS[:1]), tmp_path / "clean", assistant=assistant, options=allowed
    )
    assert clean["memorisation"]["seen_in_training"] == 0
    assert "by_seen" not in clean


def test_drafted_questions_are_said(tmp_path: Path) -> None:
    rows = [RECORDS[0] | {"drafted": True}, RECORDS[1] | {"drafted": True, "reviewed": True}]
    data = write(tmp_path / "d.jsonl", rows)
    results = evaluate_answers(data, tmp_path / "out", assistant=FakeAssistant(REPLIES), options=OPTIONS)
    assert results["dataset"]["drafted"] == 1
    assert results["dataset"]["format"] == "consilium"
    assert results["notes"] == ["1 of 2 questions are drafted and no person has reviewed them."]


def test_a_file_of_another_format(tmp_path: Path) -> None:
    row = {"question": "什么下降？", "answer": "销售下降。", "contexts": ["销售下降。"], "ground_truth": "销售下降。"}
    data, assistant = write(tmp_path / "d.jsonl", [row]), FakeAssistant({"什么下降？": "销售下降。"})
    results = evaluate_answers(data, tmp_path / "out", assistant=assistant, format="ragas", options=OPTIONS)
    assert results["dataset"]["format"] == "ragas"
    assert results["metrics"]["exact_match"]["value"] == 1
    with pytest.raises(UserError, match="no question format 'xml'"):
        evaluate_answers(data, tmp_path / "out", assistant=assistant, format="xml")


def test_the_page_escapes_what_it_shows(tmp_path: Path) -> None:
    record = RECORDS[0] | {"question": "What fell? <script>alert(1)</script> $title"}
    replies = {record["question"]: "Sales fell & <b>rose</b>."}
    out = tmp_path / "out"
    evaluate_answers(write(tmp_path / "d.jsonl", [record]), out, assistant=FakeAssistant(replies), options=OPTIONS)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;rose" in page
    assert "指标" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
