"""Words of the page in both languages, and what each metric is called and means."""

from __future__ import annotations

from html import escape
from typing import NamedTuple


class Text(NamedTuple):
    """The same words in English and in Chinese."""

    en: str
    zh: str


class Metric(NamedTuple):
    """What a metric is called, and what it says, in plain words."""

    name: Text
    meaning: Text
    lower_is_better: bool = False


def both(text: Text | str) -> str:
    """Return words as HTML of which the page shows one language; a string is the same in both."""
    if isinstance(text, str) or text.en == text.zh:
        return escape(text if isinstance(text, str) else text.en)
    return f'<span class="en" lang="en">{escape(text.en)}</span><span class="zh" lang="zh-CN">{escape(text.zh)}</span>'


def either(text: Text | str) -> str:
    """Return words for an attribute, both languages in one; escaped."""
    return escape(text if isinstance(text, str) else f"{text.en} {text.zh}")


KINDS = {
    "answers": Text("Answers", "问答"),
    "retrieval": Text("Retrieval", "检索"),
    "factuality": Text("Factuality", "事实性核查"),
    "agreement": Text("Agreement with people", "与人工标注的一致性"),
    "comparison": Text("Comparison", "两次运行对比"),
}

NAMES = {
    "en": Text("English", "英文"),
    "zh": Text("Chinese", "中文"),
    "medical": Text("Medicine", "医学"),
    "financial": Text("Finance", "金融"),
    "general": Text("General", "通用"),
    "none": Text("Not stated", "未注明"),
    "hybrid": Text("Hybrid", "混合"),
    "lexical": Text("Lexical", "关键词"),
    "dense": Text("Dense", "向量"),
    "supported": Text("supported", "有依据"),
    "contradicted": Text("contradicted", "与原文矛盾"),
    "not_enough_info": Text("not confirmed", "未能证实"),
    "faithful": Text("faithful", "忠实"),
    "hallucinated": Text("hallucinated", "有编造"),
    "yes": Text("yes", "是"),
    "no": Text("no", "否"),
}


def named(value: object) -> Text | str:
    """Return a value of the data in words, where it has some."""
    return NAMES.get(str(value).lower(), str(value))


def metric(name: str) -> Metric:
    """Return the words of a metric; one without words of its own is called by its name."""
    base, at, depth = name.partition("@")
    found = METRICS.get(name) or (METRICS.get(f"{base}@") if at else None)
    if found is None:
        return Metric(Text(name, name), Text("", ""))
    if name in METRICS:
        return found
    name, zh_name = found.name
    rest = zh_name.removeprefix(name)
    title = Text(f"{name}@{depth}", f"{zh_name}@{depth}" if rest == zh_name else f"{name}@{depth}{rest}")
    en, zh = (text.replace("{k}", depth) for text in found.meaning)
    return Metric(title, Text(en, zh), found.lower_is_better)


def _m(en: str, zh: str, meaning_en: str, meaning_zh: str, lower: bool = False) -> Metric:
    return Metric(Text(en, zh), Text(meaning_en, meaning_zh), lower)


METRICS = {
    "rouge1": _m("ROUGE-1", "ROUGE-1 单词重合", "Words shared with the reference.", "与参考答案共有的词。"),
    "rouge2": _m("ROUGE-2", "ROUGE-2 双词重合", "Word pairs shared with the reference.", "与参考答案共有的相邻词对。"),
    "rougeL": _m(
        "ROUGE-L",
        "ROUGE-L 最长公共子序列",
        "Longest run of words in the same order as the reference.",
        "与参考答案顺序相同的最长词序列。",
    ),
    "rougeLsum": _m("ROUGE-Lsum", "ROUGE-Lsum 逐句", "ROUGE-L, sentence by sentence.", "逐句计算的 ROUGE-L。"),
    "bleu": _m(
        "BLEU", "BLEU 短语精度", "Phrases of the answer found in the reference.", "回答中的短语见于参考答案的比例。"
    ),
    "chrf": _m("chrF", "chrF 字符重合", "Character sequences shared with the reference.", "与参考答案共有的字符序列。"),
    "exact_match": _m(
        "Exact match", "完全一致", "The answer is the reference, word for word.", "回答与参考答案逐字相同。"
    ),
    "token_f1": _m("Token F1", "词级 F1", "Balance of missing and surplus words.", "兼顾漏词与多词的重合度。"),
    "numeric_accuracy": _m(
        "Figures right",
        "数字正确率",
        "The first figure is right, unit and scale included.",
        "首个数字连同单位与量级均正确。",
    ),
    "faithfulness": _m(
        "Faithfulness", "忠实度", "Sentences the cited passages support.", "有所引段落支持的句子的比例。"
    ),
    "citation_precision": _m(
        "Citation precision", "引用精确率", "Citations that are needed and right.", "必要且正确的引用的比例。"
    ),
    "citation_recall": _m(
        "Citation recall", "引用召回率", "Sentences fully backed by their citations.", "被其引用充分支持的句子的比例。"
    ),
    "gold_citation_precision": _m(
        "Citations at gold passages",
        "引用命中标准段落",
        "Citations that point at a passage people marked.",
        "指向人工标注段落的引用的比例。",
    ),
    "abstention_precision": _m(
        "Refusals that were right",
        "拒答精确率",
        "Of the questions declined, those without an answer.",
        "拒答的问题中确实无答案的比例。",
    ),
    "abstention_recall": _m(
        "Traps declined",
        "拒答召回率",
        "Of the questions without an answer, those declined.",
        "无答案的问题中被拒答的比例。",
    ),
    "answered": _m("Answered", "作答率", "Answerable questions that got an answer.", "可回答的问题中得到回答的比例。"),
    "aurc": _m(
        "Area under risk-coverage",
        "风险—覆盖曲线下面积",
        "Mean error when the least certain answers are left out first.",
        "先舍去最没把握的回答时的平均错误率。",
        True,
    ),
    "ece": _m(
        "Calibration error", "校准误差", "How far confidence lies from being right.", "置信度与实际正确率的差距。", True
    ),
    "brier": _m(
        "Brier score",
        "Brier 分数",
        "Squared distance of confidence from being right.",
        "置信度与实际对错之差的平方。",
        True,
    ),
    "risk@0.8": _m(
        "Error at 80 % coverage",
        "覆盖 80% 时的错误率",
        "Error among the surest 80 % of the answers.",
        "最有把握的 80% 回答中的错误率。",
        True,
    ),
    "accuracy": _m("Accuracy", "准确率", "Share of right calls.", "判断正确的比例。"),
    "precision": _m(
        "Precision", "精确率", "Of what was flagged, what people flag too.", "被标出者中人工也标出的比例。"
    ),
    "recall": _m("Recall", "召回率", "Of what people flag, what was found.", "人工标出者中被找到的比例。"),
    "specificity": _m("Specificity", "特异度", "Of the faithful ones, those let through.", "忠实者中未被误报的比例。"),
    "ndcg@": _m(
        "nDCG",
        "nDCG 归一化折损累计增益",
        "Relevant passages near the top of the first {k}.",
        "相关段落在前 {k} 条中排得多靠前。",
    ),
    "recall@": _m(
        "Recall", "召回率", "Relevant passages found among the first {k}.", "前 {k} 条中找到的相关段落的比例。"
    ),
    "precision@": _m("Precision", "精确率", "Relevant ones among the first {k}.", "前 {k} 条中相关段落的比例。"),
    "mrr@": _m("MRR", "MRR 平均倒数排名", "How high the first relevant passage stands.", "第一条相关段落排得多高。"),
    "map": _m(
        "MAP", "MAP 平均精度均值", "Precision, averaged over the relevant passages.", "在各相关段落处的精确率的平均。"
    ),
    "balanced_accuracy": _m(
        "Balanced accuracy",
        "平衡准确率",
        "Right calls, both classes counted alike; guessing gives 0.5.",
        "两类同等计权的正确率；瞎猜为 0.5。",
    ),
    "balanced_accuracy_fitted": _m(
        "Balanced accuracy, fitted",
        "平衡准确率（拟合阈值）",
        "Threshold set on one half, scored on the other.",
        "阈值在一半数据上选定，在另一半上评分。",
    ),
    "auroc": _m(
        "AUROC",
        "ROC 曲线下面积",
        "Chance that a faithful one scores above a hallucinated one.",
        "忠实者得分高于编造者的概率。",
    ),
    "f1": _m("F1, hallucinated", "编造类 F1", "Catching hallucinations without false alarms.", "找出编造而不误报。"),
    "cosine": _m("Likeness of meaning", "语义相似度", "Cosine to the reference's embedding.", "与参考答案向量的余弦。"),
    "span_f1_mean": _m(
        "Span F1, mean", "片段 F1（逐条平均）", "Span F1 of each response, averaged.", "逐条片段 F1 的平均。"
    ),
    "verdict_accuracy": _m(
        "Verdicts right", "三类判断正确率", "Right among the three verdicts.", "三类判断中正确的比例。"
    ),
    "verdict_macro_f1": _m(
        "Verdicts, macro F1", "三类判断宏 F1", "F1 of the three verdicts, counted alike.", "三类判断 F1 的平均。"
    ),
    "span_f1": _m("Span F1", "片段 F1", "Overlap with the spans people marked.", "与人工标注片段的重合度。"),
}
