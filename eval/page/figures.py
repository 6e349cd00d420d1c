"""Which plots a run has, each with a heading and a sentence on how to read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.page.curves import histogram, recall_curve, reliability, risk_coverage, roc
from eval.page.draw import finite
from eval.page.plots import Bar, Group, bar_of, dot_rows, forest, interval_bars
from eval.page.words import METRICS, Text, both, metric, named

Row = Mapping[str, Any]

MAIN = {
    "answers": ("token_f1", "numeric_accuracy", "faithfulness", "citation_recall", "abstention_recall", "rougeL"),
    "retrieval": ("ndcg@10", "recall@100", "mrr@10", "precision@5"),
    "factuality": ("balanced_accuracy", "auroc", "f1", "span_f1"),
}
"""Figures that stand at the top, the first of them being what examples are ordered by."""

_EXAMPLE = {"factuality": "accuracy"}
_TILES = 5
_BEST = 12

_FAMILIES: dict[Text, tuple[str, ...]] = {
    Text("Likeness to the reference", "与参考答案的相似度"): (
        *("token_f1", "rouge1", "rouge2", "rougeL", "rougeLsum", "bleu", "chrf", "exact_match"),
    ),
    Text("Right figures", "数字是否正确"): ("numeric_accuracy",),
    Text("Faithfulness and citations", "忠实与引用"): (
        *("faithfulness", "citation_recall", "citation_precision", "gold_citation_precision"),
    ),
    Text("Knowing when not to answer", "该不答时能否不答"): (
        *("answered", "abstention_recall", "abstention_precision"),
    ),
    Text("Finding the right passages", "能否找到相关段落"): ("ndcg@", "recall@", "mrr@", "precision@", "map"),
    Text("Telling faithful from hallucinated", "分辨忠实与编造"): (
        *("balanced_accuracy", "balanced_accuracy_fitted", "auroc", "accuracy", "f1", "precision", "recall"),
        *("specificity", "span_f1", "span_f1_mean", "verdict_accuracy", "verdict_macro_f1"),
    ),
    Text("Trust in its confidence", "置信度是否可靠"): ("aurc", "risk@0.8", "ece", "brier"),
}
_OTHERS = Text("Other figures", "其他指标")

_READING = {
    "bars": Text(
        "Longer is better. The whisker is the 95 % interval: how far the choice of questions may have moved it.",
        "越长越好。须线为 95% 区间：换一批问题时，数值可能的波动范围。",
    ),
    "bars_down": Text(
        "Longer is better; for the dashed ones, shorter is. The whisker is the 95 % interval.",
        "越长越好；虚线边框的条越短越好。须线为 95% 区间。",
    ),
    "all_down": Text(
        "These are errors: shorter is better. The whisker is the 95 % interval.",
        "此处均为误差，越短越好。须线为 95% 区间。",
    ),
    "correlations": Text(
        "1: the metric ranks answers as people do; 0: it knows nothing of it. The whisker is the 95 % interval.",
        "1 表示与人工排序一致，0 表示毫无关系。须线为 95% 区间。",
    ),
    "groups": Text(
        "Each dot is a group's figure, its line the 95 % interval. Where lines overlap, the groups may be equal.",
        "圆点为各组数值，横线为 95% 区间。横线重叠时，各组可能并无差别。",
    ),
    "risk_coverage": Text(
        "Answering only the surest questions (left) should bring fewer errors. A low, rising line is good.",
        "只答最有把握的问题（左侧）时，错误应更少。曲线低而向右上升为好。",
    ),
    "reliability": Text(
        "On the dashed line, confidence can be trusted. Below it, the system is too sure of itself; above, too modest.",
        "圆点落在虚线上，说明置信度可信；落在下方，说明过于自信；落在上方，说明过于保守。",
    ),
    "recall": Text(
        "How much of what is relevant has been found after reading the first k passages. Steep and high is good.",
        "读完前 k 条段落时，相关内容已找到多少。上升快、位置高为好。",
    ),
    "roc": Text(
        "Each point is a threshold. Toward the upper left, more is rightly found with fewer false alarms.",
        "每一点对应一个阈值。越靠左上角，检出越多而误报越少。",
    ),
    "latency": Text(
        "Half of the examples took less than p50, 95 in 100 less than p95.",
        "一半样例用时低于 p50，百分之九十五低于 p95。",
    ),
    "forest": Text(
        "Right of the line, B is better; for errors (↓), left of it. A filled dot is more than chance (p < 0.05).",
        "在竖线右侧表示 B 更好，误差类指标 (↓) 则在左侧。实心圆点表示差异并非偶然（p < 0.05）。",
    ),
    "means": Text(
        "Mean over the labelled sets, with its 95 % interval. Guessing gives 0.5.",
        "各标注数据集上的平均，附 95% 区间。瞎猜为 0.5。",
    ),
}


def card(title: Text | str, drawing: str, reading: str) -> str:
    """Return a plot with its heading and how to read it; nothing where there is no drawing."""
    if not drawing:
        return ""
    caption = f"<figcaption>{both(_READING[reading])}</figcaption>"
    return f'<figure class="card"><h3>{both(title)}</h3>{drawing}{caption}</figure>'


def bars(metrics: Mapping[str, Row], names: Iterable[str]) -> list[Bar]:
    """Return the figures of a run as bars."""
    made = []
    for name in names:
        words = metric(name)
        title = Text(f"{words.name.en} ↓", f"{words.name.zh} ↓") if words.lower_is_better else words.name
        made.append(bar_of(title, metrics[name], words.lower_is_better))
    return made


def families(metrics: Mapping[str, Row]) -> dict[Text, list[str]]:
    """Return the metrics of a run by what they tell about; those nobody knows come last."""
    made: dict[Text, list[str]] = {}
    for title, known in _FAMILIES.items():
        found = [name for name in metrics if _family_name(name, known) in known]
        if found:
            made[title] = sorted(found, key=lambda name: known.index(_family_name(name, known)))
    rest = [name for name in metrics if all(name not in names for names in made.values())]
    return made | ({_OTHERS: rest} if rest else {})


def _family_name(name: str, known: Sequence[str]) -> str:
    """Return what a family calls a metric: ndcg@10 is "ndcg@"."""
    base, at, _ = name.partition("@")
    return name if name in known else base + at


def headline(kind: str, metrics: Mapping[str, Row]) -> list[str]:
    """Return the metrics for the top of the page: at most five that have a value."""
    names = [name for name in MAIN.get(kind, ()) if name in metrics] or list(metrics)
    return [name for name in names if finite(metrics[name].get("value")) is not None][:_TILES]


def ordering(kind: str, metrics: Mapping[str, Row], rows: Sequence[Row]) -> str:
    """Return the metric by which examples are ordered: the first main one that examples have."""
    scored = [row.get("scores") or {} for row in rows]
    for name in (_EXAMPLE.get(kind, ""), *MAIN.get(kind, ()), *metrics):
        if any(finite(scores.get(name)) is not None for scores in scored):
            return name
    return ""


def metric_cards(metrics: Mapping[str, Row]) -> str:
    """Return the bars of every family of metrics."""
    made = []
    for title, names in families(metrics).items():
        drawn = bars(metrics, [name for name in names if finite(metrics[name].get("value")) is not None])
        down = [bar.lower_is_better for bar in drawn]
        reading = "all_down" if all(down) else "bars_down" if any(down) else "bars"
        made.append(card(title, interval_bars(drawn, title), reading))
    return "".join(made)


def curve_cards(results: Row, rows: Sequence[Row]) -> str:
    """Return the plots whose data the run has."""
    curves, metrics = results.get("curves") or {}, results.get("metrics") or {}
    risk = Text("Errors among the surest answers", "越有把握，错误越少吗")
    trust = Text("Can its confidence be trusted?", "置信度可信吗")
    read = Text("How far down the list the answer lies", "答案排在第几条之内")
    trade = Text("Hits against false alarms (ROC)", "检出与误报 (ROC)")
    waiting = Text("How long it took", "用时")
    seconds = [_seconds(row) for row in rows if not row.get("error")]
    return "".join(
        (
            card(read, recall_curve(curves.get("recall") or (), read), "recall"),
            card(
                risk, risk_coverage(curves.get("risk_coverage") or (), _value(metrics, "aurc"), risk), "risk_coverage"
            ),
            card(trust, reliability(curves.get("reliability") or (), trust), "reliability"),
            card(trade, roc(curves.get("roc") or (), _value(metrics, "auroc"), trade), "roc"),
            card(waiting, histogram(seconds, waiting), "latency"),
        )
    )


def _seconds(row: Row) -> object:
    """Time an answer took by itself, where that is known; else the time of the example with its checks."""
    timings = row.get("timings")
    total = timings.get("total") if isinstance(timings, Mapping) else None
    return row.get("seconds") if total is None else total


def _value(metrics: Mapping[str, Row], name: str) -> float | None:
    return finite((metrics.get(name) or {}).get("value"))


def group_card(title: Text, metrics: Sequence[str], groups: Mapping[str, Mapping[str, Row]]) -> str:
    """Return a few figures of several groups as dots."""
    drawn = [
        Group(metric(name).name, [bar_of(named(key), group.get(name) or {}) for key, group in groups.items()])
        for name in metrics
    ]
    return card(title, dot_rows(drawn, title), "groups")


def mean_card(metrics: Mapping[str, Row]) -> str:
    """Return the verifiers of an agreement report as bars."""
    title = Text("Which verifier agrees with people most", "哪个核对者与人工最一致")
    order = sorted(metrics, key=lambda name: -(finite(metrics[name].get("value")) or 0.0))
    return card(title, interval_bars([bar_of(name, metrics[name]) for name in order], title), "means")


_CLAIMS = {
    "precision": Text("precision", "精确率"),
    "recall": Text("recall", "召回率"),
    "f1": Text("F1", "F1"),
}


def correlation_card(rows: Sequence[Row]) -> str:
    """Return how each metric ranks answers beside people, for the judgment that covers most metrics; the best."""
    title = Text("Which metric goes with people most", "哪个指标与人工评分最一致")
    targets: dict[tuple[str, str], list[Bar]] = {}
    for row in rows:
        found = row.get("spearman")
        bar = bar_of(title_of(row), found if isinstance(found, Mapping) else {"value": found, "n": row.get("n")})
        if bar.value is not None:
            targets.setdefault((str(row.get("set", "")), str(row.get("target", ""))), []).append(bar)
    if not targets:
        return ""
    (dataset, target), drawn = max(targets.items(), key=lambda item: (item[0][1] == "overall", len(item[1])))
    about = " · ".join(part for part in (dataset, target) if part)
    named_title = Text(f"{title.en} ({about})", f"{title.zh}（{about}）") if about else title
    ordered = sorted(drawn, key=lambda bar: -(bar.value or 0.0))[:_BEST]
    return card(named_title, interval_bars(ordered, named_title), "correlations")


def title_of(row: Row) -> Text:
    """Return what a metric is called beside human judgments; "human" is two people beside each other."""
    name = str(row.get("metric", ""))
    if name == "human":
        return Text("two people with each other", "两位标注者之间")
    verifier, _, part = name.rpartition("_")
    if verifier and name not in METRICS and part in _CLAIMS:
        return Text(f"{verifier}: claim {_CLAIMS[part].en}", f"{verifier}：论断{_CLAIMS[part].zh}")
    return metric(name).name


def forest_cards(metrics: Mapping[str, Row]) -> str:
    """Return the differences of two runs, one scale for all; corrected p values decide where there are some."""
    reach = max((abs(x) for row in metrics.values() for x in _ends(row)), default=0.0)
    made = []
    for title, names in families(metrics).items():
        rows = {name: {**metrics[name], "value": metrics[name].get("difference")} for name in names}
        ps = [finite(row.get("p_holm", row.get("p"))) for row in rows.values()]
        sure = [p is not None and p < 0.05 for p in ps]
        made.append(card(title, forest(bars(rows, names), sure, reach, title), "forest"))
    return "".join(made)


def _ends(row: Row) -> list[float]:
    found = (finite(row.get(key)) for key in ("difference", "low", "high"))
    return [value for value in found if value is not None]
