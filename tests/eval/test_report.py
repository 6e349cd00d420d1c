"""The page of a run: everything on it, nothing of the data alive in it, both languages, old results too."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from eval.page import browser as examples_browser
from eval.page.browser import embedded, json_for_script, worst_first
from eval.page.examples import example_html, facets_of
from eval.page.figures import families
from eval.page.overlay import Layer, claim_layers, claim_notes, human_layers, overlay
from eval.page.words import METRICS, metric, named
from eval.report import PARTS, render, write_report

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)></script><!-- ${x} $title \u2028"
EST = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
NONE = {"value": None, "low": None, "high": None, "n": 0}


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = tag == "script"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._script = self._script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[-1] += data
        else:
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def answer_row(name: str = "q1", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "question": "Which dose? 剂量是多少？",
        "references": ["500 mg"],
        "answerable": True,
        "language": "en",
        "domain": "medical",
        "prediction": "Give 500 mg. Twice daily.",
        "abstained": False,
        "reason": "",
        "confidence": 0.9,
        "claims": [
            {"start": 0, "end": 12, "label": "supported", "confidence": 0.99, "ranks": [1]},
            {"start": 13, "end": 25, "label": "contradicted", "confidence": 0.2, "ranks": [2]},
        ],
        "citations": [{"start": 0, "end": 12, "rank": 1, "source": "guide"}],
        "passages": [
            {"rank": 1, "source": "guide", "title": "Guide", "text": "500 mg it is."},
            {"rank": 2, "source": "other", "title": "", "text": "x" * 900},
        ],
        "seconds": 0.25,
        "tokens": {"answer": 5, "passages": 40},
        "error": None,
        "scores": {"token_f1": 0.5, "faithfulness": 0.5, "rougeL": None},
        **changes,
    }


def answers(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "answers",
        "n": 1,
        "metrics": {"token_f1": EST, "faithfulness": EST, "numeric_accuracy": NONE, "ece": EST, "home_made": EST},
        "dataset": {"name": "set.jsonl"},
        **changes,
    }


CURVES = {
    "risk_coverage": [{"coverage": 0.5, "risk": 0.1}, {"coverage": 1.0, "risk": 0.3}],
    "reliability": [{"low": 0.0, "high": 1.0, "confidence": 0.5, "accuracy": 0.6, "n": 4}],
    "recall": [{"k": 1, "value": 0.5, "low": 0.4, "high": 0.6}, {"k": 10, "value": 0.9, "low": 0.8, "high": 1.0}],
    "roc": [{"fpr": 0.0, "tpr": 0.0}, {"fpr": 1.0, "tpr": 1.0}],
}
FACT = {
    "id": "f1",
    "question": EVIL,
    "context": f"context {EVIL}",
    "response": f"{EVIL} said",
    "label": "hallucinated",
    "predicted": "faithful",
    "score": 0.7,
    "claims": [{"start": 0, "end": 20, "label": "not_enough_info", "confidence": 0.4, "ranks": []}],
    "spans": [[3, 9], {"start": 12, "end": 900}],
    "language": EVIL,
    "domain": "general",
    "error": None,
    "seconds": 0.1,
    "scores": {"accuracy": 0.0},
}
FOUND = {
    "id": EVIL,
    "question": EVIL,
    "language": "zh",
    "relevant": {EVIL: 2, "gone": 1},
    "retrieved": ["d1", EVIL],
    "passages": [{"rank": 1, "source": "d1", "title": EVIL, "text": EVIL}],
    "scores": {"ndcg@10": 0.3},
}
COMPARED = {
    "a": 0.4,
    "b": 0.5,
    "difference": 0.1,
    "low": 0.05,
    "high": 0.15,
    "p": 0.01,
    "p_holm": 0.02,
    "wins": 2,
    "n": 3,
}
WHOLE = {
    "a": 0.4,
    "b": 0.3,
    "difference": -0.1,
    "low": None,
    "high": None,
    "p": None,
    "p_holm": None,
    "wins": None,
    "n": 3,
}
KINDS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "answers": (
        answers(
            curves=CURVES,
            by_language={"en": {"token_f1": EST}, EVIL: {"token_f1": NONE}},
            definitions={"token_f1": EVIL},
            command=EVIL,
            errors=1,
            error_examples=[{"id": EVIL, "error": EVIL}],
            notes=[EVIL],
            models=[EVIL],
            dataset={"name": EVIL},
        ),
        [
            answer_row(EVIL, question=EVIL, prediction=EVIL, references=[EVIL], language=EVIL),
            answer_row("q2", passages=[{"rank": EVIL, "source": EVIL, "title": EVIL, "text": EVIL}], error=EVIL),
            answer_row("q3", abstained=True, prediction="", reason=EVIL, answerable=False, references=[], domain=EVIL),
            answer_row("q4", claims=[{"start": 0, "end": 3, "label": EVIL, "confidence": None}, {"start": None}]),
        ],
    ),
    "retrieval": (
        {"kind": "retrieval", "metrics": {"ndcg@10": EST}, "n": 1, "curves": CURVES, "dataset": {"documents": 9}},
        [FOUND],
    ),
    "factuality": (
        {"kind": "factuality", "verifier": EVIL, "metrics": {"auroc": EST}, "n": 1, "curves": CURVES},
        [FACT],
    ),
    "agreement": (
        {
            "kind": "agreement",
            "metrics": {EVIL: EST, "support": NONE},
            "table": {
                "sets": [EVIL, "qags"],
                "verifiers": [EVIL, "support"],
                "cells": {EVIL: {EVIL: {"balanced_accuracy": EST, "ece": EST}}, "qags": {"support": {"f1": NONE}}},
                "means": {EVIL: {"balanced_accuracy": EST}},
                "info": {EVIL: {"language": "zh", "domain": EVIL, "n": 3}},
            },
            "correlations": [
                {
                    "set": EVIL,
                    "target": EVIL,
                    "metric": EVIL,
                    "spearman": EST,
                    "pearson": EST,
                    "pearson_each": -0.3,
                    "n": 3,
                },
                {
                    "set": "s",
                    "target": "overall",
                    "metric": "human",
                    "spearman": NONE,
                    "pearson": NONE,
                    "pearson_each": None,
                },
            ],
            "graded": [{"set": EVIL, "metric": "token_f1", "auroc": EST, "n": 3}],
        },
        [],
    ),
    "comparison": (
        {
            "kind": "comparison",
            "a": EVIL,
            "b": "B",
            "n": 2,
            "metrics": {"token_f1": COMPARED, "ece": WHOLE, EVIL: COMPARED},
            "notes": [EVIL],
        },
        [
            {
                "id": "c1",
                "question": EVIL,
                "a": answer_row(),
                "b": answer_row(prediction=EVIL),
                "scores": {"token_f1": -0.2},
            },
            {"id": "c2", "question": "?", "a": FOUND, "b": FOUND, "scores": {"token_f1": None}},
            {"id": "c3", "question": "?", "a": FACT, "b": FACT, "scores": {}},
        ],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_documents_stay_data(kind: str) -> None:
    page = render(*KINDS[kind])
    seen = read(page)
    styles = (PARTS / "page.js").read_text(encoding="utf-8")
    assert [text for text in seen.scripts if not text.startswith("{")] == [styles]
    assert not [name for name, _ in seen.tags if name in ("img", "iframe", "object", "link", "base")]
    for tag, attrs in seen.tags:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        assert "style" not in attrs and "src" not in attrs
        assert (attrs.get("href") or "#").startswith("#")
    assert "<script>alert" in "".join(seen.words)  # it is read as words
    assert not re.search(r"https?:|url\(|@import", page)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_in_the_data_stay_data(kind: str) -> None:
    _, rows = KINDS[kind]
    for entry in embedded(rows, "token_f1"):
        seen = read(entry["h"])
        assert not seen.scripts
        known = [
            *("details", "summary", "span", "div", "section", "h3", "h4", "p", "b", "a"),
            *("dl", "dt", "dd", "code"),
        ]
        assert {name for name, _ in seen.tags} <= {*known, "ol", "li", "ul"}
        assert not [attrs for _, attrs in seen.tags if any(name.startswith("on") for name in attrs)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_names_what_is_in_the_page(kind: str) -> None:
    page = render(*KINDS[kind])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and "default-src 'none'" in policy[1]
    for tag in ("style", "script"):
        body = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(body) == 1
        digest = base64.b64encode(hashlib.sha256(body[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_language_says_as_much(kind: str) -> None:
    seen = read(render(*KINDS[kind]))
    english, chinese = (
        [attrs for tag, attrs in seen.tags if name in (attrs.get("class") or "").split()] for name in ("en", "zh")
    )
    assert len(english) == len(chinese) > 10
    assert all(attrs.get("lang") == "zh-CN" for attrs in chinese)


def test_ids_are_unique_and_labels_point_at_something() -> None:
    tags = read(render(*KINDS["answers"])).tags
    ids = [attrs["id"] for _, attrs in tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for _, attrs in tags:
        assert (attrs.get("for") or ids[0]) in ids
        assert (attrs.get("aria-labelledby") or ids[0]) in ids


def test_a_plot_stands_where_its_data_is() -> None:
    words = "".join(read(render(*KINDS["answers"])).words)
    for heading in (
        "Errors among the surest answers",
        "Can its confidence be trusted?",
        "By language",
        "按语言",
        "忠实度",
    ):
        assert heading in words
    bare = "".join(read(render(answers(), [answer_row(seconds=None)])).words)
    for heading in ("Errors among the surest", "Can its confidence", "By language", "How long it took"):
        assert heading not in bare
    assert "home_made" in bare  # a metric nobody has words for is shown by its name


@pytest.mark.parametrize("rows", [[], [{"id": "x", "error": "E: broke", "scores": {}}], [{"id": "y"}]])
@pytest.mark.parametrize("kind", ["answers", "retrieval", "factuality", "agreement", "comparison", "unheard"])
def test_little_data_still_makes_a_page(kind: str, rows: list[dict[str, Any]]) -> None:
    for results in ({"kind": kind}, {"kind": kind, "metrics": {"token_f1": NONE}, "n": len(rows), "curves": {}}):
        page = render(results, rows)
        assert page.rstrip().endswith("</html>") and "nan" not in page.lower().replace("finance", "")


def test_worst_come_first_and_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [answer_row(f"q{n}", scores={"token_f1": n / 10}) for n in range(10)]
    rows += [
        answer_row("failed", error="E: x", scores={"token_f1": 0.0}),
        answer_row("none", scores={"token_f1": None}),
    ]
    assert [row["id"] for row in worst_first(rows, "token_f1")][:3] == ["failed", "q0", "q1"]
    assert worst_first(rows, "token_f1")[-1]["id"] == "none"
    assert [row["id"] for row in worst_first(rows, "token_f1", lower_is_better=True)][:2] == ["failed", "q9"]
    monkeypatch.setattr(examples_browser, "LIMIT", 4)
    page = render(answers(), rows)
    assert "8 examples that scored better are not on this page" in page and "另有 8 条" in page
    monkeypatch.setattr(examples_browser, "LIMIT", 2000)
    monkeypatch.setattr(examples_browser, "SIZE", 3 * len(json.dumps(embedded(rows[:1], "token_f1")[0])))
    assert 2 <= len(embedded(rows, "token_f1")) <= 3
    assert "not on this page" not in render(answers(), rows[:1])


def test_json_in_the_page_ends_no_script() -> None:
    value = {"text": "</script><!-- <script> & \u2028\u2029 中文"}
    text = json_for_script(value)
    assert not set("<\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_metrics_stand_with_their_kind() -> None:
    names = ("recall@100", "ndcg@10", "recall@5", "map")
    (found,) = families(dict.fromkeys(names, EST)).values()
    assert found == ["ndcg@10", "recall@100", "recall@5", "map"]
    (checked,) = families(dict.fromkeys(("recall", "precision", "auroc"), EST)).values()
    assert checked == ["auroc", "precision", "recall"]
    titles = [title.en for title in families(dict.fromkeys(("unheard", "risk@0.8", "bleu"), EST))]
    assert titles == ["Likeness to the reference", "Trust in its confidence", "Other figures"]


def test_filters_of_an_example() -> None:
    assert facets_of(answer_row())["verdict"] == ["contradicted", "supported"]
    assert facets_of(answer_row())["outcome"] == ["answered"]
    assert facets_of(answer_row(abstained=True, answerable=False)) | {"verdict": []} == {
        "language": ["en"],
        "domain": ["medical"],
        "answerable": ["no"],
        "outcome": ["declined"],
        "verdict": [],
    }
    assert facets_of(answer_row(error="E: x"))["outcome"] == ["failed"]
    assert facets_of(FACT)["judged"] == ["wrongly"]
    assert facets_of({"retrieved": ["a", "b"], "relevant": {"b": 1}})["rank"] == ["later"]
    assert facets_of({"retrieved": [], "relevant": {"b": 1}})["rank"] == ["missed"]


def test_an_answer_shows_claims_citations_and_cited_passages_first() -> None:
    html = example_html(
        answer_row(citations=[{"start": 13, "end": 25, "rank": 2, "source": "other"}]), "x0", "token_f1"
    )
    assert '<span class="claim supported"' in html and '<span class="claim contradicted"' in html
    assert "✗" in html and "contradicted" in html and "与原文矛盾" in html  # told without colour
    assert '<a class="cite" href="#x0-2">2</a>' in html
    assert html.index('id="x0-2"') < html.index('id="x0-1"')  # the cited one first
    assert "x" * 900 in html  # and whole
    assert "x" * 301 not in example_html(answer_row(), "x0", "token_f1")  # not cited: its beginning


def test_overlapping_marks_keep_the_text() -> None:
    text = "高血压 <b>A&B</b> 药物"
    layers = [
        Layer(0, 6, "human"),
        Layer(4, 12, "claim supported", 'say "x"'),
        Layer(-5, 2, "a"),
        Layer(9, 99, "b"),
        Layer(7, 7, "c"),
    ]
    seen = read(overlay(text, layers, {3: "<i>1</i>", 99: "<i>2</i>"}))
    assert "".join(seen.words) == text[:3] + "1" + text[3:] + "2"
    classes = [attrs.get("class") for tag, attrs in seen.tags if tag == "span"]
    assert (
        "human claim supported" in classes
        and "claim supported b" in classes
        and "c" not in " ".join(map(str, classes)).split()
    )
    assert overlay("", layers) == ""


def test_marks_of_bad_shape_are_left_out() -> None:
    assert claim_layers([{"start": "0", "end": 3}, {"label": "supported"}, None]) == []  # type: ignore[list-item]
    assert human_layers([[1], [2, 5, "kind"], {"start": 3}, {"start": 0, "end": 2}]) == [
        layer._replace(tip=layer.tip) for layer in human_layers([[2, 5], [0, 2]])
    ]
    assert claim_notes([], [{"end": None, "rank": 1}], "x") == {}


def test_every_metric_has_words_in_both_languages() -> None:
    from eval.answers import METRICS as NAMES

    for name in (
        *NAMES,
        "aurc",
        "ece",
        "ndcg@10",
        "recall@100",
        "mrr@10",
        "precision@5",
        "map",
        "balanced_accuracy",
        "auroc",
        "f1",
    ):
        words = metric(name)
        assert words.name.en != name and words.meaning.en.endswith(".") and words.meaning.zh.endswith("。"), name
    assert re.search("[\u4e00-\u9fff]", "".join(words.name.zh for words in METRICS.values()))
    assert metric("ndcg@10").name == ("nDCG@10", "nDCG@10 归一化折损累计增益")
    assert metric("recall@100").meaning.zh == "前 100 条中找到的相关段落的比例。"
    assert metric("aurc").lower_is_better and not metric("token_f1").lower_is_better
    assert metric("unheard").name == ("unheard", "unheard")
    assert named("EN") == ("English", "英文") and named("klingon") == "klingon"


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "deep" / "report.html", *KINDS["answers"])
    assert (tmp_path / "deep" / "report.html").read_text(encoding="utf-8") == render(*KINDS["answers"])


def test_the_parts_of_the_page_are_shipped() -> None:
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["*"]
    parts = [path.name for path in PARTS.iterdir() if path.is_file() and path.suffix != ".py"]
    assert {"page.html", "page.css", "page.js"} <= set(parts)
    assert not [name for name in parts if not any(fnmatch(name, pattern) for pattern in patterns)]


def test_two_verifiers_are_compared_side_by_side_over_one_context() -> None:
    sides = {"context": "Metformin, 500 mg.", "response": "500 mg.", "label": "faithful", "spans": []}
    rows = [
        {"id": name, "question": "?", "a": sides, "b": sides, "scores": {"precision": None, "accuracy": gap}}
        for name, gap in (("better", 1.0), ("worse", -1.0))
    ]
    metrics = {"precision": COMPARED, "accuracy": COMPARED}
    page = render({"kind": "comparison", "of": "factuality", "a": "A", "b": "B", "n": 2, "metrics": metrics}, rows)
    data = next(json.loads(text) for text in read(page).scripts if text.startswith("{"))
    assert data["main"] == "accuracy"  # what a run of that kind is ordered by, not the first figure of the table
    assert [entry["s"].split()[0] for entry in data["rows"]] == ["worse", "better"]
    assert data["rows"][0]["h"].count('class="sides"') == 1
    assert data["rows"][0]["h"].count("Metformin, 500 mg.") == 1
