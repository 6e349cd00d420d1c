import itertools

from hypothesis import given
from hypothesis import strategies as st

from rag.language import (
    detect_language,
    fold_han,
    han_index_terms,
    han_query_terms,
    han_terms,
    latin_terms,
    sentence_spans,
    terms,
    words,
)


def _sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_language_follows_the_script() -> None:
    assert detect_language("Metformin is contraindicated below 30 mL/min.") == "en"
    assert detect_language("二甲双胍 eGFR < 30 时禁用") == "zh"
    assert detect_language("The word 中 alone does not make an English sentence Chinese") == "en"
    assert detect_language("12345 !?") == "en"


def test_abbreviations_do_not_end_sentences() -> None:
    text = "Dr. Smith gave 5 mg q.d. to pts. with Fig. 3. What now? Sales rose 3.5% in the U.S. market."
    assert _sentences(text) == [
        "Dr. Smith gave 5 mg q.d. to pts. with Fig. 3.",
        "What now?",
        "Sales rose 3.5% in the U.S. market.",
    ]


def test_chinese_sentences_and_lines() -> None:
    text = "每日服用100毫克。是否需要监测？需要！\n利润表 | 营业收入 | 2022年: 3.5"
    assert _sentences(text) == ["每日服用100毫克。", "是否需要监测？", "需要！", "利润表 | 营业收入 | 2022年: 3.5"]


def test_the_number_of_a_list_item_stays_with_its_words() -> None:
    assert _sentences("1. Severe renal impairment.\n2. Acidosis. Stop it.") == [
        "1. Severe renal impairment.",
        "2. Acidosis.",
        "Stop it.",
    ]


def test_terms_stem_english_and_cut_chinese() -> None:
    assert "patient" in terms("The patients") and "the" not in terms("The patients")
    found = han_terms("急性心肌梗死")
    assert {"急性", "心肌", "心肌梗死"} <= set(found)
    assert terms("阿司匹林 aspirin")[0] == "aspirin"


def test_chinese_is_folded_to_one_form() -> None:
    assert fold_han("頭髮 發現 乾燥") == "头发发现干燥"
    assert fold_han("合 併 損 益\n表") == "合并损益表"
    assert fold_han("ＥＰＳ為３．２ 元 A B") == "EPS为3.2 元 A B"
    assert fold_han("\ud800後\0面") == " 后\0面"
    assert latin_terms("２０２２年 Ａspirin") == ["2022", "aspirin"]


def test_index_terms_of_chinese_need_no_dictionary_and_queries_leave_grammar_out() -> None:
    assert han_index_terms("腰疼，A藥") == ["腰", "疼", "腰疼", "药"]
    found = han_query_terms("瘦臉的方法是什么")
    assert set(found) == {"瘦", "脸", "方", "法", "瘦脸", "脸的", "的方", "方法", "法是"}
    assert found["瘦"] > found["瘦脸"] > 0  # a word of two scores as both its characters and the pair
    assert han_query_terms("是什么吗") == {}


def test_words_keep_numbers_whole() -> None:
    assert words("Net sales: $1,234.5 million, 营业收入") == ["net", "sales", "1,234.5", "million", "营业", "收入"]


@given(st.text(max_size=300))
def test_spans_are_ordered_inside_and_lose_no_letter(text: str) -> None:
    spans = sentence_spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    outside = "".join(
        text[a:b] for a, b in zip([0, *(e for _, e in spans)], [*(s for s, _ in spans), len(text)], strict=True)
    )
    assert not any(char.isalnum() for char in outside)


def test_half_a_character_is_borne() -> None:
    assert sentence_spans("\ud800 One. Two.") == [(0, 6), (7, 11)]
    assert terms("\ud800 doses") == ["dose"]
