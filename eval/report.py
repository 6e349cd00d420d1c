"""One self-contained page a run: plots, figures with their intervals, the examples to browse, the run's stamp.

The page loads nothing, runs only the script it was written with (its hash stands in the page's own security policy),
and shows text of the data as text. Which language it shows is the reader's choice; without JavaScript it reads too.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from eval.page.browser import browser
from eval.page.draw import finite
from eval.page.examples import first_rank
from eval.page.figures import (
    correlation_card,
    curve_cards,
    forest_cards,
    group_card,
    headline,
    mean_card,
    metric_cards,
    ordering,
    title_of,
)
from eval.page.plots import bar_of, tile_bar
from eval.page.tables import (
    agreement_table,
    comparison_table,
    correlation_table,
    group_table,
    metric_table,
    number,
    span,
    stamp_list,
)
from eval.page.words import KINDS, Text, both, metric
from eval.stamp import write_text

Row = Mapping[str, Any]

PARTS = Path(__file__).with_name("page")

_GROUPS = {
    "by_language": Text("By language", "按语言"),
    "by_domain": Text("By field", "按领域"),
    "modes": Text("By way of searching", "按检索方式"),
}


def write_report(path: Path, results: Row, rows: Sequence[Row]) -> None:
    """Write the page of a run.

    Args:
        path: file to write.
        results: what results.json holds.
        rows: what per_example.jsonl holds.
    """
    write_text(path, render(results, rows))


def render(results: Row, rows: Sequence[Row]) -> str:
    """Return the page as HTML: of kind answers, retrieval, factuality, agreement or comparison.

    What a run does not have (curves, groups, examples) is left out. All text of the data is escaped.
    """
    kind = str(results.get("kind", ""))
    metrics = _metrics(results)
    body = [_head(kind, results, rows), *_figures(kind, results, rows)]
    main = ordering(str(results.get("of") or kind), metrics, rows)
    listed = browser(rows, metrics, main)
    if listed:
        body.append(_section("examples", Text("Examples", "样例"), listed))
    body.append(_section("run", Text("This run", "本次运行"), stamp_list(results)))
    style = (PARTS / "page.css").read_text(encoding="utf-8")
    script = (PARTS / "page.js").read_text(encoding="utf-8")
    words = KINDS.get(kind, Text(kind, kind))
    name = f"{words.en} {words.zh}" + (f" · {_data_name(results)}" if _data_name(results) else "")
    return Template((PARTS / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(name),
        skip=both(Text("Skip to the figures", "跳到正文")),
        body="\n".join(part for part in body if part),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
    )


def _metrics(results: Row) -> Mapping[str, Row]:
    return results.get("metrics") or {}


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data_name(results: Row) -> str:
    dataset = results.get("dataset") or {}
    return " · ".join(str(part) for part in (dataset.get("name"), dataset.get("split")) if part)


def _section(anchor: str, title: Text, html: str) -> str:
    head = f'<h2 id="{anchor}-title">{both(title)}</h2>'
    return f'<section id="{anchor}" aria-labelledby="{anchor}-title">{head}{html}</section>'


def _cards(html: str) -> str:
    """Lay plots out: a few in a row, many in columns."""
    few = " grid" if html.count("<figure") <= 3 else ""
    return f'<div class="cards{few}">{html}</div>' if html else ""


def _more(title: Text, html: str) -> str:
    return f'<details class="more"><summary>{both(title)}</summary>{html}</details>'


def _head(kind: str, results: Row, rows: Sequence[Row]) -> str:
    name = _data_name(results)
    title = f"<h1>{both(KINDS.get(kind, Text(kind, kind)))}{f' <span>{escape(name)}</span>' if name else ''}</h1>"
    lead = "".join(f"<p class='lead'>{both(text)}</p>" for text in _lead(kind, results, rows))
    metrics = _metrics(results)
    tiles = (
        "" if kind in ("comparison", "agreement") else "".join(_tile(n, metrics[n]) for n in headline(kind, metrics))
    )
    return f'<div class="head">{title}{lead}{_warnings(results)}</div>' + (
        f'<div class="tiles">{tiles}</div>' if tiles else ""
    )


def _warnings(results: Row) -> str:
    """Say what a reader must know first: failed examples, then the notes of the run."""
    errors = results.get("errors")
    count = len(errors) if isinstance(errors, list) else int(errors or 0)
    notes = [str(note) for note in results.get("notes") or () if not (count and str(note).startswith(f"{count} of "))]
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    made = [f'<ul class="notice">{listed}</ul>'] if listed else []
    if count:
        first: Row = next(iter(results.get("error_examples") or ()), {})
        told = f" {first.get('id')}: {first.get('error')}" if first else ""
        words = Text(
            f"{count} failed.{' First:' if told else ''}{told}", f"{count} 条出错。{'首条：' if told else ''}{told}"
        )
        made.insert(0, f'<p class="notice">✗ {both(words)}</p>')
    return "".join(made)


def _tile(name: str, row: Row) -> str:
    words = metric(name)
    interval = f"95 %: {span(row)} · n = {row.get('n', '–')}" if span(row) != "–" else f"n = {row.get('n', '–')}"
    return (
        f'<div class="tile"><p class="name">{both(words.name)}</p><p class="big">{number(row.get("value"))}</p>'
        f'{tile_bar(bar_of(words.name, row))}<p class="soft num">{interval}</p>'
        f'<p class="soft">{both(words.meaning)}</p></div>'
    )


def _lead(kind: str, results: Row, rows: Sequence[Row]) -> list[Text]:
    """Say in a sentence what was measured."""
    n = results.get("n", len(rows))
    if kind == "answers" and rows:
        declined = sum(bool(row.get("abstained")) for row in rows)
        failed = sum(bool(row.get("error")) for row in rows)
        given = len(rows) - declined - failed
        traps = sum(row.get("answerable") is False for row in rows)
        en = f"{n} questions: {given} answered, {declined} declined. {traps} of them have no answer in their passages."
        return [Text(en, f"共 {n} 个问题：作答 {given} 个，拒答 {declined} 个。其中 {traps} 个在所给段落中没有答案。")]
    if kind == "retrieval" and rows:
        ranks = [first_rank(row) for row in rows]
        first, missed = ranks.count("first"), ranks.count("missed")
        documents = (results.get("dataset") or {}).get("documents", "?")
        en = f"{n} questions over {documents} passages. A relevant one comes first for {first}, never for {missed}."
        return [
            Text(
                en, f"{n} 个问题，{documents} 条段落。{first} 个问题的首条结果即相关，{missed} 个问题的相关段落未列出。"
            )
        ]
    if kind == "factuality" and rows:
        right = sum(row.get("label") == row.get("predicted") for row in rows)
        name = results.get("verifier") or "?"
        en = f"{n} responses labelled by people. The verifier “{name}” agrees with them on {right}."
        return [Text(en, f"{n} 条有人工标注的回答。核对者“{name}”与人工一致 {right} 条。")]
    if kind == "comparison":
        en = f"A: {results.get('a')}, B: {results.get('b')}. {n} examples that both runs have."
        made = [Text(en, f"A：{results.get('a')}，B：{results.get('b')}。两次运行共有 {n} 条样例。")]
        if results.get("same_dataset") is False:
            made.append(Text("The two runs read different files.", "两次运行读取的文件不同。"))
        return made
    if kind == "agreement":
        en = "Verifiers against human labels: how often each is right, on each set, when both classes count alike."
        made = [Text(en, "各核对者与人工标注的比对：两类同等计权时，在各数据集上的正确率。")]
        means = {
            name: value for name, row in _metrics(results).items() if (value := finite(row.get("value"))) is not None
        }
        if means:
            best = max(means, key=lambda name: means[name])
            made.append(Text(f"Best on average: {best}, {means[best]:.3f}.", f"平均最好：{best}，{means[best]:.3f}。"))
        return made
    return [Text(f"{n} examples.", f"共 {n} 条样例。")]


def _figures(kind: str, results: Row, rows: Sequence[Row]) -> list[str]:
    """Return the sections between the head and the examples."""
    metrics = _metrics(results)
    if kind == "agreement":
        return _agreement(results)
    if kind == "comparison":
        table = comparison_table(metrics)
        drawn = _cards(forest_cards(metrics))
        return [_section("figures", Text("Differences", "差异"), drawn + table)]
    cards = metric_cards(metrics) + curve_cards(results, rows)
    table = _more(Text("All figures as a table, and what they mean", "全部指标列表及含义"), _table(results))
    return [
        _section("figures", Text("Figures", "指标"), _cards(cards) + table),
        _grouped(results, headline(kind, metrics)),
    ]


def _table(results: Row) -> str:
    return metric_table(_metrics(results), results.get("definitions") or {})


def _grouped(results: Row, names: Sequence[str]) -> str:
    """Return the groups of a run that has more than one of a kind."""
    cards, tables = "", ""
    for field, title in _GROUPS.items():
        groups = results.get(field) or {}
        if len(groups) > 1:
            cards += group_card(title, names, groups)
            tables += f"<h4>{both(title)}</h4>{group_table(results.get('metrics') or {}, groups)}"
    if not cards:
        return ""
    more = _more(Text("All figures by group", "各组全部指标"), tables)
    return _section(
        "groups",
        Text("Where it is strong and where it is weak", "强在哪里，弱在哪里"),
        _cards(cards) + more,
    )


def _agreement(results: Row) -> list[str]:
    table, parts = results.get("table") or {}, []
    parts.append(_cards(mean_card(_metrics(results)) + correlation_card(results.get("correlations") or ())))
    known = [
        name
        for name in ("balanced_accuracy_fitted", "balanced_accuracy", "auroc", "f1", "span_f1", "ece")
        if any(finite((row.get(name) or {}).get("value")) is not None for row in _cells(table))
    ]
    key = Text(
        "Darker is better, from guessing (0.5) to always right (1). The best of a row is framed.",
        "颜色越深越好，从瞎猜 (0.5) 到全对 (1)。每行最好者加框。",
    )
    for index, name in enumerate(known):
        about = f"{both(metric(name).meaning)} {both(key) if not index else ''}"
        html = f"<p class='soft'>{about}</p>{agreement_table(table, name)}"
        parts.append(f"<h3>{both(metric(name).name)}</h3>{html}" if not index else _more(metric(name).name, html))
    made = [_section("figures", Text("Sets and verifiers", "数据集与核对者"), "".join(parts))]
    for field, title in (
        ("correlations", Text("How metrics go with human judgments", "各指标与人工评分的相关")),
        ("graded", Text("How metrics go with human grades", "各指标与人工等级的相关")),
    ):
        rows = results.get(field)
        if isinstance(rows, Sequence) and rows:
            made.append(_section(field, title, correlation_table(rows, title_of)))
    return made


def _cells(table: Row) -> list[Row]:
    return [cell for row in (table.get("cells") or {}).values() for cell in row.values()]
