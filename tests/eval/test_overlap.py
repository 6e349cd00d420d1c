import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.overlap import OVERLAP, answer_tokens, bleu, exact_match, rouge, score, token_f1, tokens, without_markers

TEXTS = [
    "The company paid a dividend of $1.5 billion in 2022.",
    "二甲双胍是2型糖尿病的一线用药。",
    "营业收入为 3,942 万元，同比增长 7.8%（EBITDA margin 上升）",
    "308",
    "是",
]


@pytest.mark.parametrize("text", TEXTS)
def test_identical_texts_score_one_everywhere(text: str) -> None:
    assert score(text, [text]) == pytest.approx(dict.fromkeys(OVERLAP, 1.0))


@pytest.mark.parametrize(
    ("ours", "theirs"), [("alpha beta gamma", "delta epsilon"), ("血压升高", "股价下跌"), ("net sales", "营业收入")]
)
def test_disjoint_texts_score_zero_everywhere(ours: str, theirs: str) -> None:
    assert score(ours, [theirs]) == dict.fromkeys(OVERLAP, 0.0)


def test_empty_prediction_scores_zero() -> None:
    assert score("", ["高血压"]) == dict.fromkeys(OVERLAP, 0.0)
    assert score(" [1] ", ["hypertension"]) == dict.fromkeys(OVERLAP, 0.0)


def test_no_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        score("text", [])


def test_tokens_cut_latin_by_word_and_han_by_character() -> None:
    assert tokens("Q3 营收达 1,234.5 USD") == ["q3", "营", "收", "达", "1", "234", "5", "usd"]
    assert tokens("Café-au-lait") == ["café", "au", "lait"]
    assert tokens("payments rising") == ["payments", "rising"]
    assert tokens("payments rising", stem=True) == ["payment", "rise"]


@pytest.mark.parametrize("stem", [False, True])
@pytest.mark.parametrize("text", ["Don't stop: re-test HbA1c (6.5%)!", "snake_case  The U.S.'s  $1,234.50\nEPS", ""])
def test_tokens_of_ascii_text_are_those_of_rouge_score(text: str, stem: bool) -> None:
    from rouge_score.tokenizers import DefaultTokenizer

    assert tokens(text, stem=stem) == DefaultTokenizer(use_stemmer=stem).tokenize(text)


def test_rouge_by_hand_in_english() -> None:
    # the cat sat on the mat / the cat lay on a mat: unigrams shared the, cat, on, mat = 4 of 6 and 6;
    # bigrams shared "the cat" = 1 of 5 and 5; longest common subsequence "the cat on mat" = 4
    found = rouge("the cat sat on the mat", ["the cat lay on a mat"])
    assert found == pytest.approx({"rouge1": 4 / 6, "rouge2": 1 / 5, "rougeL": 4 / 6})


def test_rouge_by_hand_in_chinese() -> None:
    # 净利润增长 (5) / 净利润大幅增长 (7): 5 shared; bigrams 净利 利润 增长 = 3 of 4 and 6; subsequence 5
    found = rouge("净利润增长", ["净利润大幅增长"])
    assert found == pytest.approx({"rouge1": 10 / 12, "rouge2": 6 / 10, "rougeL": 10 / 12})


def test_rouge_by_hand_in_mixed_text() -> None:
    # tokens: hba1c 降 至 7 / hba1c 升 至 7 -> 3 of 4; bigrams "至 7" -> 1 of 3; subsequence 3
    assert rouge("HbA1c降至7", ["ＨｂＡ１ｃ升至７"]) == pytest.approx(
        {"rouge1": 3 / 4, "rouge2": 1 / 3, "rougeL": 3 / 4}
    )


def test_rouge_agrees_with_the_published_example_of_rouge_score() -> None:
    found = rouge("The quick brown dog jumps on the log.", ["The quick brown fox jumps over the lazy dog"], stem=True)
    assert found["rouge1"] == pytest.approx(0.705882, abs=1e-6)
    assert found["rougeL"] == pytest.approx(0.588235, abs=1e-6)


def test_token_f1_by_hand() -> None:
    # articles go: cat sat on mat / cat lay on mat -> 3 shared of 4 and 4
    assert token_f1("The cat sat on the mat.", "a cat lay on a mat") == pytest.approx(3 / 4)
    assert token_f1("364.6公里左右", "364.6公里") == pytest.approx(2 * 3 / (5 + 3))


def test_exact_match_looks_past_case_articles_punctuation_and_width() -> None:
    assert exact_match("The Panthers!", "panthers") == 1
    assert exact_match("１２３４公里。", "1,234 公里") == 1
    assert exact_match("《红楼梦》", "红楼梦") == 1
    assert exact_match("甲型流感", "乙型流感") == 0


def test_a_decimal_point_is_not_dropped() -> None:
    assert exact_match("1.5%", "15%") == 0
    assert answer_tokens("U.S. sales: 1,234.50.") == ["us", "sales", "1234.50"]


def test_articles_stay_in_chinese_text() -> None:
    assert answer_tokens("维生素 A 缺乏") == ["维", "生", "素", "a", "缺", "乏"]


def test_markers_are_no_part_of_a_prediction() -> None:
    assert without_markers("Sales fell [1]. Costs rose［2］[3, 4].") == "Sales fell. Costs rose."
    assert score("净利润增长[1]。", ["净利润增长。"])["rougeL"] == 1.0


def test_best_reference_counts() -> None:
    both = score("净利润增长", ["营业收入下降", "净利润增长"])
    assert both == pytest.approx(dict.fromkeys(OVERLAP, 1.0))


def test_bleu_is_that_of_sacrebleu() -> None:
    import sacrebleu

    ours, theirs = "The cat sat on the mat today.", "The cat lay on the mat today."
    assert bleu(ours, [theirs]) == pytest.approx(sacrebleu.sentence_bleu(ours, [theirs]).score / 100)
    zh = sacrebleu.sentence_bleu("公司净利润大幅增长", ["公司净利润增长"], tokenize="zh").score / 100
    assert bleu("公司净利润大幅增长", ["公司净利润增长"]) == pytest.approx(zh)
    assert 0 < zh < 1


words = st.lists(st.sampled_from(["sales", "rose", "5", "the", "净", "利润", "。", "mg"]), max_size=8).map(" ".join)


@given(words, words)
def test_f_measures_are_symmetric_and_bounded(ours: str, theirs: str) -> None:
    assert token_f1(ours, theirs) == pytest.approx(token_f1(theirs, ours))
    assert rouge(ours, [theirs]) == pytest.approx(rouge(theirs, [ours]))
    assert all(0 <= value <= 1 for value in score(ours, [theirs]).values())
