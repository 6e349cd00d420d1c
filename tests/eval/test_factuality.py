"""Measuring verifiers: an oracle is perfect, its opposite is not, an indifferent one knows nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eval.factuality import check, evaluate_factuality, score_of
from eval.leakage import write_questions
from eval.stamp import RunOptions
from rag.errors import DocumentError, UserError
from rag.language import sentence_spans
from rag.schema import Answer, Claim, Label, Verdict

OPTIONS = RunOptions(command="consilium eval factuality", settings_hash="abc", resamples=100)
GOOD = "The hotel said: rates rose.", "酒店表示房价上涨。"
BAD = "The hotel said: rates fell.", "酒店表示房价下跌。"


class TableVerifier:
    """Labels each sentence by a function of its text, and remembers what it was handed."""

    def __init__(self, confidence: Callable[[str], float], name: str = "table-1") -> None:
        self.confidence, self.name = confidence, name
        self.seen: list[Answer] = []

    def verify(self, answer: Answer) -> Verdict:
        self.seen.append(answer)
        claims = []
        for start, end in sentence_spans(answer.text):
            sure = self.confidence(answer.text[start:end])
            label: Label = "supported" if sure >= 0.5 else "contradicted" if sure < 0.1 else "not_enough_info"
            claims.append(Claim(start, end, label, sure, (1,)))
        return Verdict(tuple(claims), self.name)


def lies(sentence: str) -> bool:
    return "fell" in sentence or "下跌" in sentence


ORACLE = TableVerifier(lambda text: 0.0 if lies(text) else 1.0)


def records(n: int = 40) -> list[dict]:
    """Every other response is hallucinated, every other pair is Chinese; one source a record."""
    rows = []
    for at in range(n):
        zh, bad = at // 2 % 2, at % 2
        response = (BAD if bad else GOOD)[zh]
        row = {"id": f"r{at}", "context": f"{GOOD[zh]} {at}", "response": response}
        row |= {"label": "hallucinated" if bad else "faithful", "domain": "medical" if at % 3 else "financial"}
        rows.append(row | ({"spans": [{"start": 0, "end": len(response)}]} if bad else {}))
    return rows


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def values(results: dict) -> dict[str, float | None]:
    return {name: found["value"] for name, found in results["metrics"].items()}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_a_perfect_oracle(tmp_path: Path) -> None:
    results = evaluate_factuality(
        write(tmp_path / "s.jsonl", records()), tmp_path / "out", verifier=ORACLE, options=OPTIONS
    )
    found = values(results)
    for name in ("balanced_accuracy", "balanced_accuracy_fitted", "auroc", "f1", "precision", "recall", "span_f1"):
        assert found[name] == 1.0, name
        assert results["metrics"][name] | {"low": 1.0, "high": 1.0} == results["metrics"][name], name
    assert found["ece"] == 0.0
    assert found["verdict_accuracy"] is None
    assert results == json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["kind"] == "factuality" and results["verifier"] == "table-1" and results["errors"] == 0
    assert (tmp_path / "out" / "report.html").is_file()


def test_an_inverted_one(tmp_path: Path) -> None:
    inverted = TableVerifier(lambda text: 1.0 if lies(text) else 0.0)
    results = evaluate_factuality(
        write(tmp_path / "s.jsonl", records()), tmp_path / "out", verifier=inverted, options=OPTIONS
    )
    found = values(results)
    assert found["balanced_accuracy"] == found["auroc"] == found["f1"] == found["span_f1"] == 0.0
    assert found["balanced_accuracy_fitted"] == 0.5  # no threshold helps, and none turns the scale around
    assert found["ece"] == 1.0


@pytest.mark.parametrize("sure", [0.0, 0.5, 1.0])
def test_a_constant_one(tmp_path: Path, sure: float) -> None:
    constant = TableVerifier(lambda _: sure)
    results = evaluate_factuality(
        write(tmp_path / "s.jsonl", records()), tmp_path / "out", verifier=constant, options=OPTIONS
    )
    found = values(results)
    assert found["balanced_accuracy"] == found["balanced_accuracy_fitted"] == found["auroc"] == 0.5


def test_by_language_and_domain(tmp_path: Path) -> None:
    """Right in English alone: each group has its own figure, and the groups add up."""
    half = TableVerifier(lambda text: 1.0 if "下跌" in text or ("表示" not in text and not lies(text)) else 0.0)
    results = evaluate_factuality(
        write(tmp_path / "s.jsonl", records()), tmp_path / "out", verifier=half, options=OPTIONS
    )
    assert results["by_language"]["en"]["balanced_accuracy"]["value"] == 1.0
    assert results["by_language"]["zh"]["balanced_accuracy"]["value"] == 0.0
    assert sum(group["auroc"]["n"] for group in results["by_domain"].values()) == 40
    assert results["by_domain"].keys() == {"medical", "financial"}


def test_rows_say_what_happened(tmp_path: Path) -> None:
    rows = records(4)
    rows[1]["response"] = f"{GOOD[0]} {BAD[0]}"
    rows[1]["spans"] = [{"start": len(GOOD[0]) + 1, "end": len(rows[1]["response"])}]
    out = tmp_path / "out"
    evaluate_factuality(write(tmp_path / "s.jsonl", rows), out, verifier=ORACLE, options=OPTIONS)
    told = lines(out / "per_example.jsonl")
    assert [row["id"] for row in told] == ["r0", "r1", "r2", "r3"]
    assert [row["predicted"] for row in told] == ["faithful", "hallucinated", "faithful", "hallucinated"]
    mixed = told[1]
    assert mixed["verdict"] == "contradicted" and mixed["score"] == pytest.approx(0.5)
    assert [claim["label"] for claim in mixed["claims"]] == ["supported", "contradicted"]
    assert mixed["scores"]["span_f1_mean"] == 1.0 and mixed["scores"]["recall"] == 1.0
    assert mixed["scores"]["specificity"] is None and told[0]["scores"]["specificity"] == 1.0
    assert mixed["response"][slice(*mixed["spans"][0])] == BAD[0]


def test_claims_of_three_labels(tmp_path: Path) -> None:
    kinds = [("supported", "Rates rose. 7"), ("contradicted", "Rates fell. 7"), ("not_enough_info", "Rates vary. 7")]
    rows = [
        {"id": f"{label}{at}", "claim": claim, "evidence": f"Rates rose. {at}", "label": label}
        for at in range(8)
        for label, claim in kinds
    ]
    told = TableVerifier(
        lambda text: 0.9 if "rose" in text else 0.0 if "fell" in text else 0.3 if "vary" in text else 1
    )
    results = evaluate_factuality(write(tmp_path / "c.jsonl", rows), tmp_path / "out", verifier=told, options=OPTIONS)
    found = values(results)
    assert found["verdict_accuracy"] == found["verdict_macro_f1"] == found["balanced_accuracy"] == 1.0
    assert found["span_f1"] is None


def test_each_sentence_is_checked_against_the_whole_context(tmp_path: Path) -> None:
    """Nothing counts as uncited, citation markers are no part of the text, and offsets stay those of the response."""
    verifier = TableVerifier(lambda _: 1.0)
    response = "利率上升 [1]。It rose [2, 3]. It fell."
    verdict = check(response, ("One.", "二。"), verifier, "Why?")
    (answer,) = verifier.seen
    assert answer.question == "Why?" and [p.chunk.text for p in answer.passages] == ["One.", "二。"]
    spans = sentence_spans(answer.text)
    assert len(spans) == len(verdict.claims) == 3
    assert {(c.start, c.end, c.rank) for c in answer.citations} == {(*span, rank) for span in spans for rank in (1, 2)}
    assert "[" not in answer.text and len(answer.text) == len(response)
    assert response[spans[2][0] : spans[2][1]] == "It fell."
    assert "[2020]" in (check("In [2020] it rose.", ("x",), verifier), verifier.seen[-1].text)[1]


def test_a_response_without_a_sentence_is_an_error_of_that_response(tmp_path: Path) -> None:
    rows = [*records(3), {"id": "odd", "context": "x", "response": "\u200b", "label": "faithful"}]
    silent = TableVerifier(lambda text: 1.0)
    silent.verify = lambda answer: Verdict((), "table-1")  # type: ignore[method-assign]
    results = evaluate_factuality(write(tmp_path / "s.jsonl", rows), tmp_path / "o", verifier=silent, options=OPTIONS)
    assert results["errors"] == 4 and "no sentence to check" in results["error_examples"][0]["error"]
    assert results["metrics"]["auroc"] == {"value": None, "low": None, "high": None, "n": 0}


def test_a_verifier_that_raises_on_every_tenth(tmp_path: Path) -> None:
    def sometimes(text: str) -> float:
        if len(fails.seen) % 10 == 0:
            raise UserError("the judge is tired")
        return 0.0 if lies(text) else 1.0

    fails = TableVerifier(sometimes)
    out = tmp_path / "out"
    results = evaluate_factuality(write(tmp_path / "s.jsonl", records()), out, verifier=fails, options=OPTIONS)
    assert results["errors"] == 4 and results["n"] == 40
    assert results["error_examples"][0]["error"] == "UserError: the judge is tired"
    assert results["notes"][0].startswith("4 of 40 failed. They are left out of the figures.")
    assert results["metrics"]["balanced_accuracy"]["value"] == 1.0
    assert results["metrics"]["balanced_accuracy"]["n"] == 36
    told = lines(out / "per_example.jsonl")
    assert sum(row["error"] is not None for row in told) == 4 and len(told) == 40
    assert all(row["scores"] == {} and row["score"] is None for row in told if row["error"])


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    data, out = write(tmp_path / "s.jsonl", records()), tmp_path / "out"

    class Stop(TableVerifier):
        def verify(self, answer: Answer) -> Verdict:
            if len(self.seen) == 25:
                raise KeyboardInterrupt
            return super().verify(answer)

    stopped = Stop(ORACLE.confidence)
    with pytest.raises(KeyboardInterrupt, match="25 of 40"):
        evaluate_factuality(data, out, verifier=stopped, options=OPTIONS)
    assert not (out / "results.json").exists()
    rest = TableVerifier(ORACLE.confidence)
    results = evaluate_factuality(data, out, verifier=rest, options=OPTIONS)
    assert len(rest.seen) == 15
    assert results["n"] == 40 and results["metrics"]["auroc"]["value"] == 1.0
    other = TableVerifier(ORACLE.confidence, name="other-1")
    (out / "results.json").unlink()
    evaluate_factuality(data, out, verifier=other, options=OPTIONS)
    assert len(other.seen) == 40  # what another verifier said is not taken over


def test_a_limit_draws_the_same_examples(tmp_path: Path) -> None:
    data = write(tmp_path / "s.jsonl", records())
    first = evaluate_factuality(data, tmp_path / "a", verifier=ORACLE, limit=7, options=OPTIONS)
    evaluate_factuality(data, tmp_path / "b", verifier=ORACLE, limit=7, options=OPTIONS)
    names = [[row["id"] for row in lines(tmp_path / out / "per_example.jsonl")] for out in "ab"]
    assert first["n"] == 7 and names[0] == names[1]
    with pytest.raises(UserError, match="at least 1"):
        evaluate_factuality(data, tmp_path / "c", verifier=ORACLE, limit=0, options=OPTIONS)


def test_bad_input_writes_nothing(tmp_path: Path) -> None:
    data = write(tmp_path / "s.jsonl", [*records(2), {"id": "x", "context": "c", "response": "r", "label": "真"}])
    with pytest.raises(DocumentError, match=r"s\.jsonl:3"):
        evaluate_factuality(data, tmp_path / "out", verifier=ORACLE, options=OPTIONS)
    assert not (tmp_path / "out").exists()


def test_what_a_model_was_trained_on_is_not_measured(tmp_path: Path) -> None:
    data = write(tmp_path / "s.jsonl", records(4))
    write_questions(tmp_path / "seen.txt", [BAD[0]])
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"training_data": [{"name": "claims", "questions": "seen.txt"}]}), encoding="utf-8")
    options = replace(OPTIONS, cards=(card,))
    with pytest.raises(UserError, match="1 of 4 questions occur in the training data 'claims'"):
        evaluate_factuality(data, tmp_path / "out", verifier=ORACLE, options=options)
    allowed = evaluate_factuality(data, tmp_path / "out", verifier=ORACLE, options=replace(options, allow_seen=True))
    assert allowed["memorisation"]["seen_examples"] == ["r1"]
    assert any("training data" in note for note in allowed["notes"])


def test_the_score_of_a_response() -> None:
    """One false sentence shows in a long response, and more true sentences do not lower the score."""
    assert score_of([{"confidence": 0.8}]) == pytest.approx(0.8)
    assert score_of([{"confidence": 0.8}, {"confidence": 0.2}]) == pytest.approx(0.5)
    long = [{"confidence": sure} for sure in (0.9, 0.1, 0.9, 0.8, 0.9, 0.9)]
    assert score_of(long) == pytest.approx((0.1 + 0.8 + 0.9) / 3)
    assert score_of([*long, *[{"confidence": 0.95}] * 20]) == score_of(long)


def test_ragtruth_with_the_default_verifier(shared_data: Path, tmp_path: Path) -> None:
    from rag.assemble import embedder_of
    from rag.settings import Settings
    from rag.verify import open_verifier

    verifier = open_verifier("lexical", embedder=embedder_of(Settings()))
    data = shared_data / "factuality" / "ragtruth_qa.jsonl.gz"
    results = evaluate_factuality(data, tmp_path / "out", verifier=verifier, limit=120, options=OPTIONS)
    assert results["errors"] == 0 and results["metrics"]["auroc"]["value"] > 0.55
    assert 0 < results["metrics"]["span_f1"]["value"] < 1
    assert results["dataset"]["resampled"] == "source" and results["dataset"]["sources"] > 40
