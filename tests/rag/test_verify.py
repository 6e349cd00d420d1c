"""The first verifier: verbatim is supported, a changed figure or a turned negation is caught."""

from __future__ import annotations

import re

import pytest

from rag.language import sentence_spans
from rag.schema import Answer, Chunk, Citation, Document, Passage
from rag.testing import FakeEmbedder
from rag.verify import SentenceVerifier, open_verifier


def passages(*texts: str) -> tuple[Passage, ...]:
    found = []
    for rank, text in enumerate(texts, 1):
        document = Document.of(text, f"page-{rank}.txt")
        found.append(Passage(Chunk.of(document, 0, len(text)), 1.0 / rank, rank, "test"))
    return tuple(found)


EN = (
    "Metformin is the first-line drug for type 2 diabetes. The usual starting dose of metformin is 500 mg twice daily. "
    "Of 120 patients, 35% reported nausea in 2019. Aspirin was not given to three patients."
)
ROWS = (
    "Consolidated statements of income (USD, in millions) | Net sales | 2022: 394,328 | 2021: 365,817\n"
    "Consolidated statements of income (USD, in millions) | Cost of sales | 2022: 223,546 | 2021: 212,981\n"
    "Consolidated statements of income (USD, in millions) | Earnings per share | 2022: 6.15 | 2021: 5.67"
)
ZH = (
    "二甲双胍是2型糖尿病的一线用药。二甲双胍的起始剂量通常为每次500毫克，每日两次。"
    "公司2022年营业收入为1,234万元，同比增长12.5%。"
)


@pytest.fixture
def verifier() -> SentenceVerifier:
    return open_verifier("support", embedder=FakeEmbedder(512))


@pytest.mark.parametrize(
    "claim",
    [
        "The usual starting dose of metformin is 500 mg twice daily.",
        "Metformin is the first-line drug for type 2 diabetes",
        "The usual starting dose of metformin is 0.5 g twice daily.",
        "In 2019, 35 percent of 120 patients reported nausea.",
        "Aspirin was not given to 3 patients.",
        "Net sales in 2022 were $394,328 million.",
        "Net sales in 2022 were $394.3 billion.",
        "Earnings per share in 2022 were $6.15.",
        "二甲双胍的起始剂量通常为每次500毫克，每日两次。",
        "公司2022年营业收入为0.1234亿元。",
    ],
)
def test_what_the_passages_say_is_supported(verifier: SentenceVerifier, claim: str) -> None:
    label, confidence = verifier.judge(claim, passages(EN, ROWS, ZH))
    assert label == "supported"
    assert confidence >= 0.5


@pytest.mark.parametrize(
    "claim",
    [
        "The usual starting dose of metformin is 850 mg twice daily.",
        "The usual starting dose of metformin is 500 g twice daily.",
        "Of 120 patients, 53% reported nausea in 2019.",
        "Of 120 patients, 35% reported nausea in 2018.",
        "Net sales in 2022 were $394,328 thousand.",
        "Net sales in 2022 were $349,328 million.",
        "Net sales in 2021 were $394,328 million.",
        "Net sales in 2022 were $223,546 million.",
        "Metformin is not the first-line drug for type 2 diabetes.",
        "Aspirin was given to three patients.",
        "二甲双胍的起始剂量通常为每次850毫克，每日两次。",
        "二甲双胍不是2型糖尿病的一线用药。",
        "公司2022年营业收入为1,234亿元，同比增长12.5%。",
    ],
)
def test_a_changed_figure_unit_scale_or_negation_contradicts(verifier: SentenceVerifier, claim: str) -> None:
    label, confidence = verifier.judge(claim, passages(EN, ROWS, ZH))
    assert label == "contradicted"
    assert confidence < 0.5


@pytest.mark.parametrize("text", [EN, ROWS, ZH])
def test_every_figure_swapped_in_a_verbatim_sentence_is_caught(verifier: SentenceVerifier, text: str) -> None:
    found = passages(text)
    swaps = 0
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        for figure in re.finditer(r"\d+(?:[.,]\d+)*", sentence):
            for digit in range(figure.start(), figure.end()):
                if sentence[digit].isdigit():
                    swaps += 1
                    changed = f"{sentence[:digit]}{(int(sentence[digit]) + 3) % 10}{sentence[digit + 1 :]}"
                    assert verifier.judge(changed, found)[0] == "contradicted", changed
    assert swaps > 5


def test_a_figure_taken_from_elsewhere_in_the_passage_is_caught(verifier: SentenceVerifier) -> None:
    assert verifier.judge("Of 35 patients, 120% reported nausea in 2019.", passages(EN))[0] == "contradicted"


def test_a_lost_minus_sign_is_caught(verifier: SentenceVerifier) -> None:
    found = passages("Operating margin changed by -5.2% in the quarter.")
    assert verifier.judge("Operating margin changed by -5.2% in the quarter.", found)[0] == "supported"
    assert verifier.judge("Operating margin changed by 5.2% in the quarter.", found)[0] == "contradicted"


def test_full_width_figures_are_figures(verifier: SentenceVerifier) -> None:
    found = passages("呼吸次数不少于１６次／分钟。")
    assert verifier.judge("呼吸次数不少于16次/分钟。", found)[0] == "supported"
    assert verifier.judge("呼吸次数不少于500次/分钟。", found)[0] == "contradicted"


@pytest.mark.parametrize(
    "claim", ["The moon orbits the earth.", "Insulin glargine lasts a whole day.", "月球绕地球运行。"]
)
def test_what_is_not_there_is_not_supported(verifier: SentenceVerifier, claim: str) -> None:
    label, confidence = verifier.judge(claim, passages(EN, ZH))
    assert label == "not_enough_info"
    assert confidence < 0.5


def test_nothing_to_read_supports_nothing(verifier: SentenceVerifier) -> None:
    assert verifier.judge("The dose is 5 mg.", ())[0] == "not_enough_info"


def test_each_sentence_is_checked_against_the_passages_it_cites(verifier: SentenceVerifier) -> None:
    first, second = "Metformin is the first-line drug for type 2 diabetes.", "Aspirin was not given to three patients."
    other = "The moon orbits the earth."
    text = f"{first} {second} {other}"
    found = passages(EN, "Cats sleep all day long.")
    right, wrong = Citation(0, len(first), 1, 0, 10), Citation(len(first) + 1, len(first) + 1 + len(second), 2, 0, 4)
    verdict = verifier.verify(Answer("?", text, found, (right, wrong)))
    assert [text[c.start : c.end] for c in verdict.claims] == [first, second, other]
    assert [c.label for c in verdict.claims] == ["supported", "not_enough_info", "not_enough_info"]
    assert [c.ranks for c in verdict.claims] == [(1,), (2,), ()]
    assert verdict.faithfulness == pytest.approx(1 / 3)


def test_an_uncited_sentence_is_checked_against_all_passages(verifier: SentenceVerifier) -> None:
    text = "Aspirin was not given to three patients."
    verdict = verifier.verify(Answer("?", text, passages("Cats sleep all day long.", EN)))
    assert verdict.claims[0].label == "supported"


def test_no_text_no_claims(verifier: SentenceVerifier) -> None:
    verdict = verifier.verify(Answer("?", "", passages(EN)))
    assert verdict.claims == ()
    assert verdict.faithfulness is None


def test_a_sign_that_could_stand_for_a_figure_does_not_shift_the_figures() -> None:
    text = "从Mono 1.9开始，在Mac OS X上执行Gtk#应用程式将不再需要X Window系统。C# 7.0 came later, with 3 changes."
    document = Document.of(text, "mono.txt")
    passage = Passage(Chunk.of(document, 0, len(text)), 1.0, 1, "test")
    for claim in (
        "从Mono 1.9开始，在Mac OS X上执行Gtk#应用程式将不再需要X Window系统。",
        "C# 7.0 came later, with 3 changes.",
    ):
        assert open_verifier("support", embedder=FakeEmbedder(64)).judge(claim, [passage])[0] == "supported"
        changed = claim.replace("1.9", "1.8").replace("7.0", "7.1")
        assert open_verifier("support", embedder=FakeEmbedder(64)).judge(changed, [passage])[0] == "contradicted"
