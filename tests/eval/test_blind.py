"""Blinded sheets and what people's votes on them say, against tables worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.ballot import Vote, cast, sheet_of
from eval.blind import build, preference, preference_table
from eval.preference import _tests
from eval.stamp import RunOptions
from rag.errors import DocumentError, UserError

FAST = RunOptions(command="test", resamples=200)


def row(key: str, text: str, **more: Any) -> dict[str, Any]:
    question = f"{'问题' if more.get('language') == 'zh' else 'question'} {key}?"
    return {"id": key, "question": question, "prediction": text, "abstained": False, "error": None} | more


def run(folder: Path, rows: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    folder.mkdir(parents=True)
    results = {"kind": "answers", "per_example": "per_example.jsonl", "dataset": {"name": "d", "hash": "1"}} | more
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "per_example.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs that answered six questions differently, three of them Chinese."""
    texts = [(f"e{k}", "en", f"answer {k}") for k in range(3)] + [(f"z{k}", "zh", f"回答{k}") for k in range(3)]
    rows = [[row(key, f"{text} {name}", language=lang) for key, lang, text in texts] for name in ("of one", "of two")]
    return run(tmp_path / "alpha", rows[0]), run(tmp_path / "beta", rows[1])


def sides(folder: Path) -> dict[str, str]:
    return dict(json.loads((folder / "key.json").read_text(encoding="utf-8"))["left"])


def vote_for(folder: Path, item: str, verdict: str, annotator: str, **more: Any) -> None:
    """Cast the vote that stands for "a", "b", "tie" or "both_bad"."""
    choice = {sides(folder)[item]: "left"}.get(verdict, "right") if verdict in "ab" else verdict
    cast(folder, Vote(item, choice, annotator, **more))


def test_the_sheet_shows_both_answers_and_does_not_say_whose(runs: tuple[Path, Path], tmp_path: Path) -> None:
    about = build(*runs, tmp_path / "sheet")
    assert about["n"] == about["available"] == 6
    text = (tmp_path / "sheet" / "sheet.jsonl").read_text(encoding="utf-8")
    assert "alpha" not in text and "beta" not in text and str(tmp_path) not in text
    left = sides(tmp_path / "sheet")
    assert sorted(left.values()) == ["a", "a", "a", "b", "b", "b"]
    for pair in sheet_of(tmp_path / "sheet"):
        first, second = ("of one", "of two") if left[pair["item"]] == "a" else ("of two", "of one")
        assert pair["left"]["text"].endswith(first) and pair["right"]["text"].endswith(second)
        assert "references" not in pair


def test_order_and_sides_follow_the_seed_and_the_draw_does_not(runs: tuple[Path, Path], tmp_path: Path) -> None:
    for name, seed in (("x", 0), ("y", 0), ("z", 5)):
        build(*runs, tmp_path / name, n=4, seed=seed)
    x, y, z = (sheet_of(tmp_path / name) for name in "xyz")
    assert x == y and x != z
    assert {pair["item"] for pair in x} == {pair["item"] for pair in z}


def test_what_is_not_judged_is_counted(tmp_path: Path) -> None:
    a = [row("1", "same  text"), row("2", "x"), row("3", "x"), row("4", "x"), row("5", "x"), row("6", "only here")]
    b = [
        row("1", "same text\n"),
        row("2", "y"),
        row("3", "", abstained=True),
        row("4", "", error="E: no"),
        row("5", " "),
    ]
    about = build(run(tmp_path / "a", a), run(tmp_path / "b", b), tmp_path / "out")
    expected = {"n": 1, "available": 1, "identical": 1, "unanswered": 2, "errors": 1, "only_a": 1, "only_b": 0}
    assert {name: about[name] for name in expected} == expected


def test_names_of_the_models_are_hidden_where_they_speak_them(tmp_path: Path) -> None:
    a = [row("1", "As Qwen2.5-7B-Instruct, I say: GPT was 40 U/L.", model="hub/Qwen2.5-7B-Instruct")]
    b = [row("1", "我是DeepSeek-V3。谷丙转氨酶升高。The extractive step.", model="deepseek-chat")]
    build(run(tmp_path / "a", a), run(tmp_path / "b", b), tmp_path / "out")
    text = (tmp_path / "out" / "sheet.jsonl").read_text(encoding="utf-8")
    assert "qwen" not in text.lower() and "deepseek" not in text.lower()
    assert "As [model], I say: GPT was 40 U/L." in text and "我是[model]。谷丙转氨酶升高。The extractive step." in text


def test_passages_are_one_list_and_citations_point_into_it(tmp_path: Path) -> None:
    one, two, three = ({"source": s, "title": s.upper(), "text": f"text {s}"} for s in ("p", "q", "r"))
    a = row("1", "First. Second.", passages=[one | {"rank": 1}, two | {"rank": 2}])
    a["citations"] = [{"start": 0, "end": 6, "rank": 2}, {"start": 7, "end": 14, "rank": 1}]
    b = row(
        "1", "乙。", passages=[two | {"rank": 1}, three | {"rank": 2}], citations=[{"start": 0, "end": 2, "rank": 1}]
    )
    build(run(tmp_path / "a", [a]), run(tmp_path / "b", [b]), tmp_path / "out")
    (pair,) = sheet_of(tmp_path / "out")
    number = {passage["source"]: passage["number"] for passage in pair["passages"]}
    assert sorted(number) == ["p", "q", "r"] and sorted(number.values()) == [1, 2, 3]
    first, second = ("left", "right") if sides(tmp_path / "out")["1"] == "a" else ("right", "left")
    assert pair[first]["cited"] == [[6, number["q"]], [14, number["p"]]]
    assert pair[second]["cited"] == [[2, number["q"]]]


def test_contexts_stand_in_for_passages_and_references_come_when_asked_for(tmp_path: Path) -> None:
    rows = [row("1", text, contexts=[{"id": "c9", "text": "上下文"}], references=["参考"]) for text in ("x", "y")]
    folders = [run(tmp_path / name, [row]) for name, row in zip("ab", rows, strict=True)]
    build(*folders, tmp_path / "out", references=True)
    (pair,) = sheet_of(tmp_path / "out")
    assert pair["passages"] == [{"number": 1, "source": "c9", "title": "", "text": "上下文"}]
    assert pair["references"] == ["参考"]


def test_runs_that_cannot_be_compared(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match="same answer to all 6 examples"):
        build(runs[0], runs[0], out)
    other = run(tmp_path / "other", [row("e0", "x")], dataset={"name": "another", "hash": "2"})
    with pytest.raises(UserError, match=r"different data.*another"):
        build(runs[0], other, out)
    with pytest.raises(UserError, match="'e0' has another question"):
        build(runs[0], run(tmp_path / "changed", [row("e0", "x", question="else?")]), out)
    with pytest.raises(UserError, match="share no example"):
        build(runs[0], run(tmp_path / "apart", [row("e9", "x")]), out)
    with pytest.raises(DocumentError, match="'retrieval'"):
        build(runs[0], run(tmp_path / "r", [], kind="retrieval"), out)
    with pytest.raises(DocumentError, match="not the result of a finished run"):
        build(runs[0], tmp_path / "nowhere", out)
    with pytest.raises(DocumentError, match="'e0' lacks"):
        build(runs[0], run(tmp_path / "bare", [{"id": "e0"}]), out)
    with pytest.raises(UserError, match="at least 1, got 0"):
        build(*runs, out, n=0)
    assert not out.exists()


def test_a_sheet_with_votes_is_reopened_but_never_replaced(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out, seed=1)
    build(*runs, out, seed=2)
    cast(out, Vote("e0", "left", "me"))
    before = (out / "sheet.jsonl").read_bytes()
    build(*runs, out, seed=2)
    with pytest.raises(UserError, match="holds votes on another sheet"):
        build(*runs, out, seed=1)
    assert (out / "sheet.jsonl").read_bytes() == before and len(list((out / "votes").iterdir())) == 1
    assert sorted(path.name for path in out.iterdir()) == ["key.json", "sheet.jsonl", "votes"]


def test_a_table_worked_out_by_hand(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out)
    table = {  # pair: verdicts of Li and of Wang
        "e0": ("b", "b"),  # B - A: 1
        "e1": ("b", "tie"),  # 0.5
        "e2": ("a", "b"),  # 0
        "z0": ("both_bad", "tie"),  # 0
        "z1": ("b", None),  # 1
        "z2": ("a", "a"),  # -1
    }
    for item, verdicts in table.items():
        for annotator, verdict in zip(("Li", "王医生"), verdicts, strict=True):
            if verdict:
                vote_for(out, item, verdict, annotator, seconds=4.0)
    found = preference(out, options=FAST)
    value = {name: figure["value"] for name, figure in found["metrics"].items()}
    assert value["preference"] == pytest.approx(1.5 / 6)
    assert value["prefers_b"] == pytest.approx((1 + 0.5 + 0.5 + 0 + 1 + 0) / 6)
    assert value["prefers_a"] == pytest.approx((0.5 + 1) / 6)
    assert value["tie"] == pytest.approx((0.5 + 0.5) / 6) and value["both_bad"] == pytest.approx(0.5 / 6)
    # pairable votes A, 0, B: e0 BB, e1 B0, e2 AB, z0 00, z2 AA: n_A 3, n_0 3, n_B 4, n 10; off-diagonal pairs of both
    # directions: B0 2, AB 2. Distances squared: A0 3², 0B 3.5², AB 6.5². Expected: 3*3, 3*4, 3*4 pairs, both ways.
    seen = 2 * 3.5**2 + 2 * 6.5**2
    expected = 2 * (9 * 3**2 + 12 * 3.5**2 + 12 * 6.5**2) / 9
    assert value["alpha"] == pytest.approx(1 - seen / expected) and found["metrics"]["alpha"]["n"] == 5
    assert found["by_language"]["en"]["preference"]["value"] == pytest.approx(0.5)
    assert found["by_language"]["zh"]["preference"]["value"] == pytest.approx(0.0)
    # leanings 1, 0.5, 1, -1 (two pairs lean to nobody): 3 of 4 for B; |sum| >= 1.5 in 10 of the 16 flips
    assert found["p_sign"] == pytest.approx(2 * (1 + 4) / 16)
    assert found["p_permutation"] == pytest.approx(10 / 16)
    assert (found["n"], found["votes"], found["pairs"]) == (6, 11, 6)
    assert [(who["annotator"], who["votes"], who["b"]) for who in found["annotators"]] == [
        ("Li", 6, 3),
        ("王医生", 5, 2),
    ]
    assert found["timings"]["seconds"]["p50"] == 4.0
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["kind"] == "preference"
    assert len((out / "per_example.jsonl").read_text(encoding="utf-8").splitlines()) == 6


def test_identical_answers_count_as_ties_in_the_overall_figure(tmp_path: Path) -> None:
    a = [row(str(k), f"x{k}") for k in range(4)]
    b = [row(str(k), f"x{k}" if k > 1 else f"y{k}") for k in range(4)]
    out = tmp_path / "out"
    build(run(tmp_path / "a", a), run(tmp_path / "b", b), out)
    for item in "01":
        vote_for(out, item, "b", "me")
    metrics = preference(out, options=FAST)["metrics"]
    assert metrics["preference"]["value"] == 1.0 and metrics["preference_overall"]["value"] == 0.5


def test_a_liking_for_the_left_shows_and_favours_neither_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out)
    for pair in sheet_of(out):
        cast(out, Vote(pair["item"], "left", "me"))
    found = preference(out, options=FAST)
    assert found["metrics"]["left"]["value"] == found["metrics"]["left"]["low"] == 1.0
    assert found["metrics"]["preference"]["value"] == 0.0


def test_one_person_gives_no_agreement_and_that_is_said(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out)
    vote_for(out, "z0", "tie", "me")
    found = preference(out, options=FAST)
    assert found["metrics"]["alpha"] == {"value": None, "low": None, "high": None, "n": 0}
    assert found["metrics"]["left"]["value"] is None
    assert any("second person" in note for note in found["notes"])
    assert (found["p_sign"], found["p_permutation"]) == (1.0, 1.0)
    table = preference_table(found)
    assert "| alpha | – | – | 0 |" in table and (out / "preference.md").read_text(encoding="utf-8") == table


def test_unknown_pairs_and_one_name_in_two_files(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out)
    vote_for(out, "e0", "a", "Li", at="2026-01-02T00:00:00+00:00")
    cast(out, Vote("gone", "left", "Li"))
    later = {"item": "e0", "choice": "tie", "annotator": "  LI ", "at": "2026-01-03T00:00:00+00:00"}
    (out / "votes" / "brought-along.jsonl").write_text(json.dumps(later) + "\n", encoding="utf-8")
    found = preference(out, options=FAST)
    assert found["unknown_items"] == ["gone"] and any("'gone'" in note for note in found["notes"])
    assert found["votes"] == 1 and len(found["annotators"]) == 1
    assert found["metrics"]["tie"]["value"] == 1.0


def test_no_votes_and_a_key_that_does_not_fit(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out)
    with pytest.raises(UserError, match="Nobody has voted"):
        preference(out)
    cast(out, Vote("e0", "left", "me"))
    sheet = out / "sheet.jsonl"
    text = sheet.read_text(encoding="utf-8")
    sheet.write_text(text.replace("answer 0", "answer 9"), encoding="utf-8")
    with pytest.raises(DocumentError, match="key of another sheet"):
        preference(out)
    sheet.write_text(text, encoding="utf-8")
    (out / "key.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DocumentError, match="not the key of a sheet"):
        preference(out)


def test_the_tests_of_many_pairs() -> None:
    assert _tests([], 0) == {"p_permutation": 1.0, "p_sign": 1.0}
    clear = _tests([1.0] * 40, 0)
    assert clear["p_permutation"] == pytest.approx(1 / 10_001) and clear["p_sign"] == pytest.approx(2**-39)
    even = _tests([1.0, -1.0] * 20, 0)
    assert even["p_permutation"] == even["p_sign"] == 1.0


def test_a_small_p_is_not_shown_as_nothing(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(*runs, out)
    vote_for(out, "e0", "b", "me")
    found = preference(out, options=FAST)
    assert "| p_sign | 1.0000 | – | 1 |" in preference_table(found)
    assert "| p_sign | < 0.0001 | – | 1 |" in preference_table(found | {"p_sign": 1e-9})


def test_the_flip_test_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    import numpy as np

    values = np.array([1, 0.5, 1, -1, 0.5, 1, 1, -0.5, 1, 1])
    exact = stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert _tests(list(values), 0)["p_permutation"] == pytest.approx(exact.pvalue)
    many = np.concatenate([values, values[:8] * 0.5])
    exact = stats.permutation_test((many,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert _tests(list(many), 0)["p_permutation"] == pytest.approx(exact.pvalue, abs=0.01)
