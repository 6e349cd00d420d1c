"""Words that stand side by side count for more than the same words apart."""

from __future__ import annotations

from rag.pairs import READ, SHARE, side_by_side
from rag.schema import Chunk, Document, Passage


def _passages(*texts: str, scores: tuple[float, ...] = ()) -> list[Passage]:
    made = []
    for place, text in enumerate(texts):
        chunk = Chunk.of(Document.of(text, f"{place}.txt"), 0, len(text))
        made.append(Passage(chunk, scores[place] if scores else 0.5, place + 1, "hybrid", source=f"{place}.txt"))
    return made


def test_words_side_by_side_come_before_the_same_words_apart():
    found = _passages("a quick look at every ratio", "the quick ratio was 1.2", "nothing of the kind")
    ordered = side_by_side("quick ratio of the company", found)
    assert [p.source for p in ordered] == ["1.txt", "0.txt", "2.txt"]
    assert [p.rank for p in ordered] == [1, 2, 3]
    assert all(0 <= p.score <= 1 for p in ordered)
    assert [p.score for p in ordered] == sorted((p.score for p in ordered), reverse=True)


def test_stop_words_are_passed_over_and_forms_of_a_word_are_one():
    found = _passages("sales and then costs", "the cost of the sales")
    assert [p.source for p in side_by_side("costs of sales", found)] == ["1.txt", "0.txt"]


def test_a_pair_that_all_have_tells_nothing_apart():
    found = _passages("net sales grew", "net sales fell", scores=(0.6, 0.5))
    first, second = side_by_side("net sales", found)
    assert (first.source, second.source) == ("0.txt", "1.txt")
    assert abs((first.score - second.score) * (1 + SHARE) - 0.1) < 1e-6


def test_far_better_scores_stay_in_front():
    found = _passages("nothing of the kind", "the quick ratio", scores=(0.9, 0.1))
    assert [p.source for p in side_by_side("quick ratio", found)] == ["0.txt", "1.txt"]


def test_without_pairs_nothing_changes():
    found = _passages("one", "two")
    assert side_by_side("one", found) == found
    assert side_by_side("😀 ?", found) == found
    assert side_by_side("of the", found) == found
    assert side_by_side("one two", []) == []


def test_only_the_first_are_looked_at():
    texts = [f"word {n}" for n in range(READ)] + ["the quick ratio"]
    found = side_by_side("quick ratio", _passages(*texts))
    assert found[-1].source == f"{READ}.txt"
    held = side_by_side("word 3", _passages(*texts, scores=tuple(1 - n / 100 for n in range(READ + 1))))
    assert len({p.source for p in held}) == READ + 1
    assert [p.rank for p in held] == list(range(1, READ + 2))
