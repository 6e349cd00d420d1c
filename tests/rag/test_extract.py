"""The extractive answerer: the right sentence, verbatim; a table row; a plain reason when there is no answer."""

from __future__ import annotations

import pytest

from rag.extract import Draft, Extractor
from rag.schema import Chunk, Document, Passage
from rag.testing import FakeEmbedder


def passages(*texts: str, title: str = "") -> list[Passage]:
    found = []
    for rank, text in enumerate(texts, 1):
        document = Document.of(text, f"page-{rank}.txt")
        found.append(Passage(Chunk.of(document, 0, len(text)), 1.0 / rank, rank, "test", title=title))
    return found


def quoted(draft: Draft, found: list[Passage]) -> list[str]:
    return [found[span.rank - 1].chunk.text[span.start : span.end] for span in draft.spans]


METFORMIN = (
    "Dosage of metformin\n"
    "Metformin is the first-line drug for type 2 diabetes. The usual starting dose of metformin is 500 mg twice daily. "
    "It is taken with meals. Renal function should be checked before treatment starts."
)
ASPIRIN = "Aspirin relieves pain and lowers fever. It thins the blood."
INCOME = (
    "Consolidated statements of income (USD, in millions) | Net sales | 2022: 394,328 | 2021: 365,817\n"
    "Consolidated statements of income (USD, in millions) | Cost of sales | 2022: 223,546 | 2021: 212,981\n"
    "Consolidated statements of income (USD, in millions) | Net income | 2022: 99,803 | 2021: 94,680"
)
ZH = "二甲双胍是2型糖尿病的一线用药。二甲双胍的起始剂量通常为每次500毫克，每日两次。应随餐服用。"
ZH_ROWS = (
    "合并利润表（人民币，万元） | 营业收入 | 2022年: 1,234 | 2021年: 1,100\n"
    "合并利润表（人民币，万元） | 营业成本 | 2022年: 900 | 2021年: 800"
)


@pytest.fixture
def extractor() -> Extractor:
    return Extractor(FakeEmbedder(512))


@pytest.mark.parametrize(
    ("question", "texts", "part"),
    [
        ("What is the starting dose of metformin?", (ASPIRIN, METFORMIN), "500 mg twice daily"),
        ("What were net sales in 2022?", (METFORMIN, INCOME), "| Net sales |"),
        ("What was the cost of sales in 2021?", (INCOME, METFORMIN), "| Cost of sales |"),
        ("二甲双胍的起始剂量是多少？", (ZH, ZH_ROWS), "500毫克"),
        ("2022年的营业收入是多少？", (ZH, ZH_ROWS), "| 营业收入 |"),
    ],
)
def test_first_choice_holds_the_answer(extractor: Extractor, question: str, texts: tuple[str, ...], part: str) -> None:
    found = passages(*texts)
    draft = extractor.answer(question, found)
    best = max(draft.spans, key=lambda span: span.score)
    assert part in found[best.rank - 1].chunk.text[best.start : best.end]
    assert draft.reason == ""
    assert 0.5 <= draft.confidence <= 1


def test_one_sentence_when_one_clearly_answers(extractor: Extractor) -> None:
    found = passages(METFORMIN, ASPIRIN)
    assert quoted(extractor.answer("What is the usual starting dose of metformin?", found), found) == [
        "The usual starting dose of metformin is 500 mg twice daily."
    ]


def test_a_heading_or_a_question_is_never_the_answer(extractor: Extractor) -> None:
    found = passages("What is the dose of metformin?\nDosage of metformin\nThe dose of metformin is 500 mg.")
    assert quoted(extractor.answer("What is the dose of metformin?", found), found) == [
        "The dose of metformin is 500 mg."
    ]


def test_the_same_is_not_said_twice(extractor: Extractor) -> None:
    one, two = "The dose of metformin is 500 mg twice daily.", "The dose of metformin is 500 mg, twice daily!"
    draft = extractor.answer("What is the dose of metformin?", passages(one, two))
    assert len(draft.spans) == 1


def test_sentences_stand_in_passage_and_reading_order_and_are_bounded(extractor: Extractor) -> None:
    text = "Ibuprofen causes stomach pain in adults. Ibuprofen causes rash in children. Ibuprofen causes dizziness."
    draft = Extractor(FakeEmbedder(512), sentences=2).answer(
        "What side effects does ibuprofen cause?", passages(text, text)
    )
    assert 1 <= len(draft.spans) <= 2
    assert [(s.rank, s.start) for s in draft.spans] == sorted((s.rank, s.start) for s in draft.spans)


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who won the football match in Madrid yesterday?", "football"),
        ("What was the revenue of Pfizer in 2019?", "Pfizer"),
        ("今天北京的天气怎么样？", "天气"),
        ("辉瑞公司2019年的研发费用是多少？", "辉瑞"),
    ],
)
def test_off_topic_is_refused_with_the_missing_word_and_cites_nothing(
    extractor: Extractor, question: str, word: str
) -> None:
    draft = extractor.answer(question, passages(METFORMIN, INCOME, ZH, ZH_ROWS))
    assert draft.spans == ()
    assert draft.confidence < 0.5
    assert word in draft.reason


@pytest.mark.parametrize(
    ("question", "tells"), [("Hello, how are you?", "nothing to look for"), ("你好", "没有可以查找的内容")]
)
def test_a_greeting_is_no_question(extractor: Extractor, question: str, tells: str) -> None:
    draft = extractor.answer(question, passages(METFORMIN))
    assert (draft.spans, draft.confidence) == ((), 0.0)
    assert tells in draft.reason


def test_no_passages_no_answer(extractor: Extractor) -> None:
    draft = extractor.answer("What is the dose of metformin?", [])
    assert draft.spans == ()
    assert draft.reason


def test_another_company_or_year_is_not_answered_from_this_one(extractor: Extractor) -> None:
    text = "Net sales of the company grew to 32,765 million dollars in 2018, driven by health care."
    found = passages(text, title="3M 2018 annual report")
    assert extractor.answer("What were the net sales of 3M in 2018?", found).spans
    refused = extractor.answer("What were the net sales of Pfizer in 2021?", found)
    assert refused.spans == ()
    assert "Pfizer" in refused.reason
    assert "2021" in refused.reason


def test_a_follow_up_borrows_the_subject_of_the_question_before(extractor: Extractor) -> None:
    history = [
        {"role": "user", "content": "What is metformin used for?"},
        {"role": "assistant", "content": "Diabetes."},
    ]
    found = passages(METFORMIN, ASPIRIN)
    draft = extractor.answer("And the usual starting dose?", found, history)
    assert any("500 mg" in text for text in quoted(draft, found))


def test_a_stricter_threshold_withholds_more() -> None:
    found = passages(METFORMIN)
    question = "How is metformin taken with meals by patients?"
    lax = Extractor(FakeEmbedder(512), min_confidence=0.0).answer(question, found)
    strict = Extractor(FakeEmbedder(512), min_confidence=1.0).answer(question, found)
    assert lax.spans
    assert strict.spans == ()
    assert lax.confidence == strict.confidence


def test_a_line_counts_the_heading_it_stands_under() -> None:
    text = "Uses\nIt lowers blood glucose in adults.\nContraindications\nSevere renal impairment with an eGFR below 30."
    found = passages(text, title="Metformin")
    lenient = Extractor(FakeEmbedder(512), min_confidence=0.0)
    draft = lenient.answer("What are the contraindications of metformin?", found)
    best = max(draft.spans, key=lambda span: span.score)
    assert "renal impairment" in text[best.start : best.end]


def test_a_line_of_sources_is_no_answer(extractor: Extractor) -> None:
    text = "Source: net sales of Acme in 2022, public annual report.\nNet sales of Acme were 34,229 million in 2022."
    found = passages(text)
    assert quoted(extractor.answer("What were the net sales of Acme in 2022?", found), found) == [
        "Net sales of Acme were 34,229 million in 2022."
    ]


@pytest.mark.parametrize(
    "question",
    [
        "What is the starting dose of lisinopril?",
        "What were net sales in 2019?",
        "2019年的营业收入是多少？",
        "上市公司有多少员工？",
    ],
)
def test_a_strange_word_another_year_or_another_matter_is_refused(extractor: Extractor, question: str) -> None:
    draft = extractor.answer(question, passages(METFORMIN, INCOME, ZH_ROWS))
    assert draft.spans == ()
    assert draft.reason


@pytest.mark.parametrize(
    "question",
    [
        "What is the usual starting dose of linagliptin for adults?",
        "What is the usual starting dose of prednisone for adults?",
        "Is warfarin taken with meals?",
        "成人利格列汀的起始剂量是多少？",
        "舍曲林的每日最大剂量是多少？",
    ],
)
def test_the_dose_of_one_drug_is_never_given_for_another(extractor: Extractor, question: str) -> None:
    found = passages(METFORMIN, ZH, "Prednisone raises blood sugar.", "西格列汀可与二甲双胍合用。")
    draft = extractor.answer(question, found)
    assert all("500" not in text for text in quoted(draft, found)), quoted(draft, found)


def test_a_figure_is_taken_from_the_document_of_the_company_asked_about(extractor: Extractor) -> None:
    found = passages(INCOME, "Harbour Tools reported net sales of $812 million in 2022.", title="Annual report")
    draft = extractor.answer("What were Harbour Tools net sales in 2022?", found)
    assert quoted(draft, found) == ["Harbour Tools reported net sales of $812 million in 2022."]
    draft = extractor.answer("What were Nike net sales in 2022?", found)
    assert draft.spans == ()
    assert "Nike" in draft.reason
