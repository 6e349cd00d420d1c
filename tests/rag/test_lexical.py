"""The lexical leg by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag import lexical
from rag.lexical import Lexical

TEXTS = {
    1: "Hypertension is treated with diuretics.",
    2: "The company treats its waste water.",
    3: "二甲双胍用于治疗2型糖尿病，不良反应包括胃肠道不适。",
    4: "公司2022年营业收入增长，净利润下降。",
    5: "Metformin (二甲双胍) lowers glucose.",
}
NONE = np.array([], dtype=np.int64)


@pytest.fixture
def leg(tmp_path: Path) -> Lexical:
    made = Lexical(tmp_path)
    made.update(1, NONE, TEXTS.items())
    return made


def only(*rows: int) -> np.ndarray:
    mask = np.zeros(max(rows, default=0) + 1, dtype=np.bool_)
    mask[list(rows)] = bool(rows)
    return mask


def rows(leg: Lexical, query: str, k: int = 10, allowed: list[int] | None = None) -> list[int]:
    chosen = None if allowed is None else only(*allowed)
    return [row for row, _ in leg.search(query, k, chosen)]


def test_english_is_stemmed_and_stop_words_count_nothing(leg: Lexical) -> None:
    assert rows(leg, "treating") == [2, 1] or rows(leg, "treating") == [1, 2]
    assert rows(leg, "diuretic") == [1]
    assert rows(leg, "the of and is") == []
    assert rows(leg, "?!") == []


def test_chinese_is_found_by_words_and_by_parts_of_words(leg: Lexical) -> None:
    assert rows(leg, "糖尿病") == [3]
    assert rows(leg, "营业收入") == [4]
    assert rows(leg, "二甲双胍的不良反应")[0] == 3
    assert rows(leg, "Metformin 二甲双胍")[0] == 5


def test_chinese_is_found_by_a_synonym_that_shares_a_character_and_whole_words_come_first(tmp_path: Path) -> None:
    leg = Lexical(tmp_path)
    leg.update(1, NONE, {1: "上班时间", 2: "瘦脸效果好的方法", 3: "脸上有瘢痕", 4: "腰部疼痛"}.items())
    assert rows(leg, "怎样瘦脸")[0] == 2
    assert rows(leg, "腰疼的原因") == [4]
    assert rows(leg, "是什么吗") == []  # grammar alone asks for nothing


def test_one_script_finds_the_other_and_stretched_headings_are_read(tmp_path: Path) -> None:
    leg = Lexical(tmp_path)
    leg.update(1, NONE, {1: "合 併 綜 合 損 益 表", 2: "頭髮掉落", 3: "２０２２年度ＥＰＳ為３元"}.items())
    assert rows(leg, "综合损益表") == rows(leg, "綜合損益表") == [1]
    assert rows(leg, "头发脱落")[0] == rows(leg, "頭髮")[0] == 2
    assert rows(leg, "2022 EPS") == [3]


def test_an_index_of_other_terms_is_made_anew(leg: Lexical, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_HAN", "later")
    again = Lexical(tmp_path)
    again.load()
    assert (again.generation, again.usable) == (-1, False)
    again.update(1, NONE, TEXTS.items())
    assert rows(again, "糖尿病") == [3]


def test_scores_fall_and_k_holds(leg: Lexical) -> None:
    found = leg.search("二甲双胍 glucose company", 2)
    assert len(found) == 2
    assert found[0][1] >= found[1][1] > 0


def test_filters_small_and_large(leg: Lexical, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = leg.search("二甲双胍 治疗 company", 10)
    assert rows(leg, "二甲双胍", allowed=[3]) == [3]
    assert rows(leg, "二甲双胍", allowed=[]) == []
    chosen = only(2, 3)
    small = leg.search("二甲双胍 治疗 company", 10, chosen)
    monkeypatch.setattr(lexical, "_MOST_LISTED", 0)
    assert leg.search("二甲双胍 治疗 company", 10, chosen) == small
    assert small == [item for item in everything if item[0] in (2, 3)]


def test_large_filters_fetch_until_k_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_MOST_LISTED", 0)
    leg = Lexical(tmp_path)
    leg.update(1, NONE, [(i, "kidney " * (1 + (i < 900)) + "word " * (i >= 900)) for i in range(1, 1001)])
    assert len(rows(leg, "kidney", 50, allowed=list(range(900, 1001)))) == 50


def test_which_of_equal_passages_are_found_does_not_depend_on_how_the_index_was_written(tmp_path: Path) -> None:
    lines = [(row, f"Record {row} of the same length on the kidney.") for row in range(1, 301)]
    whole, grown = Lexical(tmp_path / "whole"), Lexical(tmp_path / "grown")
    for folder in ("whole", "grown"):
        (tmp_path / folder).mkdir()
    whole.update(1, NONE, lines)
    for generation, part in enumerate((lines[200:], lines[:90], lines[90:200]), start=1):
        grown.update(generation, NONE, part)
    assert rows(whole, "kidney") == rows(grown, "kidney") == list(range(1, 11))


def test_changes_are_kept_with_their_generation(leg: Lexical, tmp_path: Path) -> None:
    leg.update(2, np.array([1, 99]), [(6, "Diuretics again.")])
    assert (rows(leg, "diuretics"), len(leg), leg.generation) == ([6], 5, 2)
    again = Lexical(tmp_path)
    assert (len(again), again.generation, again.usable) == (0, -1, False)
    again.load()
    assert (rows(again, "diuretics"), len(again), again.generation) == ([6], 5, 2)
    assert again.search("糖尿病", 3) == leg.search("糖尿病", 3)


def test_what_a_killed_writer_left_does_not_stop_the_next(leg: Lexical, tmp_path: Path) -> None:
    leg.rest()
    segment = next((tmp_path / "lexical").glob("*.term")).stem
    for stamp in range(200):
        (tmp_path / "lexical" / f"{segment}.{stamp}.del").write_bytes(b"half")
    leg.update(2, np.array([1]), [])
    assert rows(leg, "diuretics") == []
    again = Lexical(tmp_path)
    again.load()
    assert (len(again), again.generation) == (4, 2)


def test_clear_begins_anew(leg: Lexical) -> None:
    leg.clear()
    assert rows(leg, "diuretics") == [1]  # still readable
    leg.update(7, NONE, [(9, "Only this.")])
    assert (len(leg), leg.generation, rows(leg, "diuretics")) == (1, 7, [])


def test_in_memory() -> None:
    leg = Lexical(None)
    leg.load()
    leg.update(1, NONE, TEXTS.items())
    assert rows(leg, "diuretics") == [1]


def test_a_long_query_is_no_trouble(leg: Lexical) -> None:
    assert rows(leg, "diuretics " + " ".join(f"w{i}" for i in range(5000))) == [1]
