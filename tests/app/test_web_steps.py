"""The page that shows a search step by step: pure HTML of what was found, and nothing of a document is obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from app.web import words as page_words
from app.web.steps_html import legs_html, order_html, popovers_html, time_html, understood_html
from app.web.steps_words import ALL, EN, ZH
from rag.explain import Asked, Explained, explain
from rag.retrieve import Mode, Search
from rag.store import Collection
from rag.terms import Terminology
from rag.testing import FakeEmbedder, document
from rag.understand import Understanding

PAGE = page_words.ALL["en"]
HOSTILE = "Kidney <script>alert('x')</script> & \"metformin\" is stopped when the kidneys fail."


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "c", FakeEmbedder(), writable=True, create=True) as index:
        index.add(*document(HOSTILE, "<b>kidney</b>.txt", year=2021))
        index.add(*document("Net sales of Acme rose in 2022.\nCosts fell.", "acme.txt", organisation="Acme", year=2022))
        index.add(*document("二甲双胍是治疗糖尿病的药物。", "药.txt", year=2023))
        for n in range(14):
            index.add(*document(f"Kidney note number {n}", f"note{n}.txt", year=2000))
        index.commit()
        yield index


def found_in(collection: Collection, query: str, *, mode: Mode = "hybrid", k: int = 3, **where: int) -> Explained:
    search = Search(collection, mode=mode, understanding=Understanding(Terminology.load()))
    return explain(search, collection, Asked(query, k, where, mode=mode))


def test_the_order_shows_ranks_shares_and_passages(collection: Collection) -> None:
    found = found_in(collection, "kidneys fail")
    html = order_html(found, EN, PAGE)
    back, _, left = html.partition("<details")
    assert re.findall(r'con-rank">(\d+)', back) == ["1", "2", "3"]
    assert len(re.findall("con-rank", left)) == 10
    assert "con-by-words" in html and "con-by-meaning" in html and "con-by-boost" not in html
    assert "By words 1 · By meaning 1" in html
    assert "&lt;b&gt;kidney" in html and "<b>kidney" not in html
    shown = popovers_html(found, EN, PAGE)
    targets = set(re.findall(r'popovertarget="(con-found-\d+)"', html + legs_html(found, EN, PAGE)))
    assert targets <= set(re.findall(r' id="(con-found-\d+)"', shown))


def test_words_that_are_shared_are_marked_and_nothing_is_obeyed(collection: Collection) -> None:
    found = found_in(collection, "metformin 糖尿病")
    html = popovers_html(found, EN, PAGE) + order_html(found, EN, PAGE) + legs_html(found, EN, PAGE)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<mark>metformin</mark>" in html and "<mark>糖尿病</mark>" in html


def test_what_was_understood(collection: Collection) -> None:
    html = understood_html(found_in(collection, "Net sales of Acme in fiscal 2022", year=2022), EN)
    for told in ("Acme", "2022", "organisation=Acme +0.4", "year=2022"):
        assert told in html
    assert EN.as_it_is in understood_html(found_in(collection, "xyzzy"), EN)


@pytest.mark.parametrize(("mode", "other"), [("lexical", "By meaning"), ("dense", "By words")])
def test_one_leg_alone_says_that_the_other_was_not_looked_at(collection: Collection, mode: Mode, other: str) -> None:
    found = found_in(collection, "kidneys", mode=mode)
    html = legs_html(found, EN, PAGE)
    assert html.count(EN.not_searched) == 1
    assert f'<h3>{other}</h3><p class="con-aside">{EN.not_searched}' in html
    assert "con-by-words" not in order_html(found, EN, PAGE)


def test_time_says_how_long_each_step_took(collection: Collection) -> None:
    found = found_in(collection, "kidneys")
    html = time_html(found, ZH)
    assert f"{found.timings['search'] * 1000:.0f}" in html
    grown = [float(part) for part in re.findall(r"flex-grow:([\d.]+)", html)]
    assert sum(grown) == pytest.approx(1.0, abs=0.05)
    assert "按语义" in html


def test_nothing_found_says_what_to_do(collection: Collection) -> None:
    found = found_in(collection, "kidneys", year=1900)
    assert EN.empty in order_html(found, EN, PAGE)


def test_both_languages_have_the_same_places_to_fill() -> None:
    def holes(told: object) -> list[str]:
        texts = [str(told)] if not isinstance(told, dict) else [str(value) for value in told.values()]
        return sorted(name for text in texts for name in re.findall(r"\{(\w+)\}", text))

    english, chinese = (asdict(ALL[language]) for language in ("en", "zh"))  # type: ignore[index]
    for name, told in english.items():
        assert holes(told) == holes(chinese[name]), name
        assert not isinstance(told, dict) or told.keys() == chinese[name].keys()
