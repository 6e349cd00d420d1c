import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.overlap import (
    OVERLAP,
    answer_tokens,
    bleu,
    chrf,
    exact_match,
    rouge,
    score,
    token_f1,
    tokens,
    without_markers,
)

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
def test_texts_without_a_common_token_score_zero(ours: str, theirs: str) -> None:
    found = score(ours, [theirs])
    assert found.pop("chrf") < 0.2  # Latin words share letters
    assert found == dict.fromkeys(found, 0.0)


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


def f(hits: int, ours: int, theirs: int) -> float:
    """F-measure of precision hits / ours and recall hits / theirs."""
    return 2 * hits / (ours + theirs)


# (prediction, reference, rouge1, rouge2, rougeL, rougeLsum), each by its definition: tokens or bigrams in common,
# each as often as it occurs on both sides; tokens in the same order; for Lsum, tokens of each reference sentence that
# stand in the same order in some predicted sentence
BY_HAND = [
    # the cat on mat shared and in order; "the cat" is the one shared bigram; one sentence, so Lsum = L
    ("the cat sat on the mat", "the cat lay on a mat", f(4, 6, 6), f(1, 5, 5), f(4, 6, 6), f(4, 6, 6)),
    # sentences exchanged: all 5 tokens; 3 of 4 bigrams, all but the seam; "sales have fallen" in order; Lsum whole
    ("Sales have fallen. Costs rose.", "Costs rose. Sales have fallen.", 1, f(3, 4, 4), f(3, 5, 5), 1),
    # the the the: clipped to the two of the reference; bigram "the the" clipped to one
    ("the the the", "the the", f(2, 3, 2), f(1, 2, 1), f(2, 3, 2), f(2, 3, 2)),
    # 净利润增长 (5) / 净利润大幅增长 (7): 净利 利润 增长 are 3 of 4 and 6 bigrams
    ("净利润增长", "净利润大幅增长", f(5, 5, 7), f(3, 4, 6), f(5, 5, 7), f(5, 5, 7)),
    # sentences exchanged: all 8 characters; 6 of 7 bigrams, all but the seam; 4 in order; Lsum whole
    ("收入下降。成本上升。", "成本上升。收入下降。", 1, f(6, 7, 7), f(4, 8, 8), 1),
    # two sentences (9) against one (8): 收缩压 心率 升高 shared; bigrams 收缩 缩压 心率 升高 of 8 and 7; in order
    # 收缩压 and one of 升高, 心率; the union of 收缩压升高 and 心率 is 7
    ("收缩压升高。心率加快。", "收缩压和心率升高", f(7, 9, 8), f(4, 8, 7), f(5, 9, 8), f(7, 9, 8)),
    # hba1c 降 至 7 / hba1c 升 至 7; full width does not count; bigram "至 7"
    ("HbA1c降至7", "ＨｂＡ１ｃ升至７", f(3, 4, 4), f(1, 3, 3), f(3, 4, 4), f(3, 4, 4)),
    # mixed, exchanged: eps 增 长 | revenue 下 降 3; 5 of 6 bigrams, all but the seam; the longer sentence in order
    ("EPS增长。 Revenue 下降3。", "Revenue 下降3。 EPS增长。", 1, f(5, 6, 6), f(4, 7, 7), 1),
]


@pytest.mark.parametrize(("ours", "theirs", "one", "two", "long", "sums"), BY_HAND)
def test_rouge_by_hand(ours: str, theirs: str, one: float, two: float, long: float, sums: float) -> None:
    expected = {"rouge1": one, "rouge2": two, "rougeL": long, "rougeLsum": sums}
    assert rouge(ours, [theirs]) == pytest.approx(expected)


def test_rouge_of_the_examples_in_its_paper() -> None:
    # Lin (2004), section 3.1: against "police killed the gunman", ROUGE-2 cannot tell S2 from S3, ROUGE-L can
    reference, s2, s3 = "police killed the gunman", "police kill the gunman", "the gunman kill police"
    assert rouge(s2, [reference])["rouge2"] == rouge(s3, [reference])["rouge2"] == pytest.approx(1 / 3)
    assert rouge(s2, [reference])["rougeL"] == 3 / 4
    assert rouge(s3, [reference])["rougeL"] == 2 / 4
    assert rouge("the gunman police killed", [reference])["rougeL"] == 2 / 4
    # section 3.2: the union of w1 w2 and w1 w3 w5 is 4 of 5; 4 of 10 predicted words
    found = rouge("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"])["rougeLsum"]
    assert found == pytest.approx(2 * (4 / 5) * (4 / 10) / (4 / 5 + 4 / 10))


def test_rouge_agrees_with_the_published_example_of_rouge_score() -> None:
    found = rouge("The quick brown dog jumps on the log.", ["The quick brown fox jumps over the lazy dog"], stem=True)
    assert found["rouge1"] == pytest.approx(0.705882, abs=1e-6)
    assert found["rougeL"] == pytest.approx(0.588235, abs=1e-6)


lines = st.lists(
    st.sampled_from(["net", "sales", "rose", "fell", "the", "by 5", "cash", "costs,", "payments (total)"]), max_size=9
)
texts = st.lists(lines.map(" ".join), max_size=3).map("\n".join)


@given(texts, st.lists(texts, min_size=1, max_size=3), st.booleans())
def test_rouge_of_english_is_that_of_rouge_score(ours: str, theirs: list[str], stem: bool) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    plainly = {name: score.fmeasure for name, score in RougeScorer(names, stem).score_multi(theirs, ours).items()}
    found = rouge(ours, theirs, stem=stem)
    if len(tokens(ours)) == 1:
        del plainly["rouge2"], found["rouge2"]
    assert found == pytest.approx(plainly)


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


def test_bleu_by_hand() -> None:
    # Papineni et al. (2002): precisions 5/6, 3/5, 1/4 and, exponential smoothing, 1/2 of 1/3; lengths equal
    assert bleu("the cat sat on the mat", ["the cat is on the mat"]) == pytest.approx(
        (5 / 6 * 3 / 5 * 1 / 4 * 1 / 6) ** 0.25
    )
    # 净利润增长 / 净利润大增长, characters: 5/5, 3/4, 1/3, 1/2 of 1/2; shorter by one: exp(1 - 6/5)
    assert bleu("净利润增长", ["净利润大增长"]) == pytest.approx(
        (5 / 5 * 3 / 4 * 1 / 3 * 1 / 4) ** 0.25 * 2.718281828 ** (1 - 6 / 5)
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [("aa", "ab", 0.25), ("a b c", "abc", 1.0), ("a", "a", 1.0), ("a", "b", 0.0), ("", "reference", 0.0)],
)
def test_chrf_has_the_values_sacrebleu_documents(ours: str, theirs: str, expected: float) -> None:
    assert chrf(ours, [theirs]) == pytest.approx(expected)


def test_chrf_by_hand() -> None:
    # 净利增 / 净利润增, precision 3/3, 1/2, 0/1 and recall 3/4, 1/3, 0/2 of 1, 2 and 3 characters; F with beta 2
    precision, recall = (1 + 1 / 2 + 0) / 3, (3 / 4 + 1 / 3 + 0) / 3
    expected = 5 * precision * recall / (4 * precision + recall)
    assert chrf("净利增", ["净利润增"]) == pytest.approx(expected)
    assert chrf("净利增", ["血压", "净利 润增"]) == pytest.approx(expected)


def squad(prediction: str, reference: str) -> tuple[float, float]:
    """Exact match and F1 as the official script of SQuAD 1.1 computes them."""
    import re
    import string
    from collections import Counter

    def normal(text: str) -> list[str]:
        bare = "".join(char for char in text.lower() if char not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", bare).split()

    ours, theirs = normal(prediction), normal(reference)
    same = sum((Counter(ours) & Counter(theirs)).values())
    if not same:
        return float(ours == theirs), 0.0
    precision, recall = same / len(ours), same / len(theirs)
    return float(ours == theirs), 2 * precision * recall / (precision + recall)


pieces = st.sampled_from(
    ["The", "a", "an", "dose", "(5", "mg)", "U.S.", "don't", "well-known", "$1,234", "rose,", "rose!"]
)
english = st.lists(pieces, min_size=1, max_size=7).map(" ".join)


@given(english, english)
def test_english_answers_are_scored_as_squad_does(ours: str, theirs: str) -> None:
    exact, f1 = squad(ours, theirs)
    assert exact_match(ours, theirs) == exact
    if answer_tokens(ours) or answer_tokens(theirs):
        assert token_f1(ours, theirs) == pytest.approx(f1)


def cmrc(prediction: str, reference: str) -> tuple[float, float]:
    """Exact match and F1 as the official script of CMRC 2018 computes them: longest common substring of segments."""
    import re

    dropped = set("-:_*^/\\~`+=，。：？！“”；’《》…·、「」（）－～『』")

    def segments(text: str) -> list[str]:
        kept = "".join(char for char in text.lower() if char not in dropped)
        return re.findall(r"[\u4e00-\u9fa5]|[^\s\u4e00-\u9fa5]+", kept)

    ours, theirs = segments(prediction), segments(reference)
    longest = max(
        (k for i in range(len(ours)) for j in range(len(theirs)) for k in [_run(ours[i:], theirs[j:])]), default=0
    )
    if not longest:
        return float(ours == theirs), 0.0
    precision, recall = longest / len(ours), longest / len(theirs)
    return float(ours == theirs), 2 * precision * recall / (precision + recall)


def _run(a: list[str], b: list[str]) -> int:
    same = [x == y for x, y in zip(a, b, strict=False)]
    return same.index(False) if False in same else len(same)


han = st.lists(
    st.sampled_from(["高血压；是", "2型", "糖尿病", "mg", "5", "《药典》", "。", "用药、"]), min_size=1, max_size=6
)


@given(han.map("".join), han.map("".join))
def test_chinese_answers_are_matched_as_cmrc_does(ours: str, theirs: str) -> None:
    exact, f1 = cmrc(ours + "压", theirs + "压")
    assert exact_match(ours + "压", theirs + "压") == exact
    # the bag of tokens holds every common substring, so it is never below; a rearranged answer may be above
    assert token_f1(ours + "压", theirs + "压") >= f1 - 1e-9


def test_where_a_bag_of_tokens_and_cmrc_differ() -> None:
    # 血压高 / 高血压: substring 血压 2 of 3, all 3 in the bag; 364.6公里 within a longer answer: the same
    assert cmrc("血压高", "高血压")[1] == pytest.approx(2 / 3)
    assert token_f1("血压高", "高血压") == 1
    assert token_f1("大约高血压", "高血压") == pytest.approx(cmrc("大约高血压", "高血压")[1]) == pytest.approx(6 / 8)


words = st.lists(st.sampled_from(["sales", "rose", "5", "the", "净", "利润", "。", "mg"]), max_size=8).map(" ".join)


@given(words, words)
def test_f_measures_are_symmetric_and_bounded(ours: str, theirs: str) -> None:
    assert token_f1(ours, theirs) == pytest.approx(token_f1(theirs, ours))
    one, other = rouge(ours, [theirs]), rouge(theirs, [ours])
    assert one.pop("rougeLsum") <= one["rouge1"] + 1e-9  # the union is taken on the reference's side: not symmetric
    del other["rougeLsum"]
    assert one == pytest.approx(other)
    assert all(0 <= value <= 1 for value in score(ours, [theirs]).values())
