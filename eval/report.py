"""One self-contained page a run: figures with their intervals, the run's stamp, and the examples one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from eval.stamp import write_text

SHOWN = 200
"""Examples on the page: failed ones first, then the lowest scores. All of them are in per_example.jsonl."""

TEMPLATE = Path(__file__).with_name("report.html")
_MAIN = {"retrieval": "ndcg@10", "answers": "token_f1"}
_TITLES = {"retrieval": ("Retrieval", "检索"), "answers": ("Answers", "问答")}
_WIDTH = 260


def write_report(path: Path, results: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the page of a run.

    Args:
        path: file to write.
        results: what results.json holds.
        rows: what per_example.jsonl holds.
    """
    write_text(path, render(results, rows))


def render(results: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page as HTML. Nothing is loaded from anywhere, and all text of the data is escaped."""
    kind = str(results["kind"])
    english, chinese = _TITLES.get(kind, (kind, ""))
    dataset = results.get("dataset", {})
    name = " · ".join(str(part) for part in (dataset.get("name"), dataset.get("split")) if part)
    failed = f", {results['errors']} failed 失败" if results.get("errors") else ""
    sections = [
        _section("Metrics", "指标", _metric_table(results["metrics"], results.get("definitions", {}))),
        *(_matrix(results, field, *titles) for field, titles in _MATRICES.items() if len(results.get(field, {})) > 1),
        _section("This run", "本次运行", _stamp(results)),
        _section("Examples", "样例", _examples(rows, _MAIN.get(kind, ""))),
    ]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{english} {chinese} · {name}"),
        subtitle=escape(f"{results.get('n', len(rows))} examples 条{failed} · {results.get('date', '')}"),
        sections="\n".join(sections),
    )


_MATRICES = {
    "modes": ("By mode", "按检索方式"),
    "by_language": ("By language", "按语言"),
    "by_domain": ("By domain", "按领域"),
}


def _section(english: str, chinese: str, body: str) -> str:
    return f'<section><h2>{escape(english)} <span class="zh">{escape(chinese)}</span></h2>{body}</section>'


def _metric_table(metrics: Mapping[str, Any], definitions: Mapping[str, str]) -> str:
    rows = []
    for name, row in metrics.items():
        span = "–" if row["value"] is None else f"{row['low']:.3f} – {row['high']:.3f}"
        rows.append(
            f'<tr><td title="{escape(definitions.get(name, ""))}">{escape(name)}</td>'
            f'<td class="num">{_number(row)}</td><td>{_bar(row)}</td>'
            f'<td class="num">{span}</td><td class="num">{row["n"]}</td></tr>'
        )
    titles = ("value 值", "", "95 %", "n")
    cells = "".join(f'<th class="num">{title}</th>' for title in titles)
    head = f"<tr><th>metric 指标</th>{cells}</tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _bar(row: Mapping[str, Any]) -> str:
    """A bar from 0 to 1 with its interval."""
    if row["value"] is None:
        return ""
    value, low, high = (max(0.0, min(1.0, row[key])) * _WIDTH for key in ("value", "low", "high"))
    return (
        f'<svg width="{_WIDTH}" height="14" role="img" aria-label="{row["value"]:.3f}">'
        f'<rect class="track" y="4" width="{_WIDTH}" height="6" rx="3"/>'
        f'<rect class="bar" y="4" width="{value:.1f}" height="6" rx="3"/>'
        f'<path class="whisker" d="M{low:.1f} 7H{high:.1f}M{low:.1f} 2V12M{high:.1f} 2V12"/></svg>'
    )


def _number(row: Mapping[str, Any]) -> str:
    return "–" if row["value"] is None else f"{row['value']:.3f}"


def _matrix(results: Mapping[str, Any], field: str, english: str, chinese: str) -> str:
    groups = results[field]
    head = "".join(f'<th class="num">{escape(name)}</th>' for name in groups)
    body = []
    for metric in results["metrics"]:
        cells = [
            f'<td class="num" title="{_span(group[metric])}">{_number(group[metric])}</td>' for group in groups.values()
        ]
        body.append(f"<tr><td>{escape(metric)}</td>{''.join(cells)}</tr>")
    return _section(english, chinese, f"<table><tr><th></th>{head}</tr>{''.join(body)}</table>")


def _span(row: Mapping[str, Any]) -> str:
    return "n = 0" if row["value"] is None else f"{row['low']:.3f} – {row['high']:.3f}, n = {row['n']}"


def _stamp(results: Mapping[str, Any]) -> str:
    shown = {
        "command 命令": results.get("command"),
        "git": results.get("git"),
        "settings 设置": results.get("settings_hash"),
        "hardware 硬件": results.get("hardware"),
        "versions 版本": ", ".join(f"{name} {version}" for name, version in results.get("versions", {}).items()),
        "data 数据": _pairs(results.get("dataset", {})),
        "timings 用时 (s)": _pairs(results.get("timings", {})),
        "bootstrap": f"{results.get('resamples')} resamples, seed {results.get('seed')}",
    }
    return _definitions((name, escape(str(value))) for name, value in shown.items() if value)


def _pairs(values: Mapping[str, Any]) -> str:
    parts = [
        f"{key} ({_pairs(value)})" if isinstance(value, dict) else f"{key} {value}" for key, value in values.items()
    ]
    return ", ".join(parts)


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """`pairs`: a term, and HTML."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{html}</dd>' for name, html in pairs)}</dl>"


def _examples(rows: Sequence[Mapping[str, Any]], main: str) -> str:
    def order(row: Mapping[str, Any]) -> tuple[bool, float]:
        value = row["scores"].get(main)
        return not row.get("error"), 2.0 if value is None else value

    chosen = sorted(rows, key=order)[:SHOWN]
    note = f"{len(chosen)} of {len(rows)}, lowest {main} first · 共 {len(rows)} 条，按 {main} 从低到高"
    return f'<p class="soft">{escape(note)}</p>' + "".join(_example(row, main) for row in chosen)


def _example(row: Mapping[str, Any], main: str) -> str:
    value = row["scores"].get(main)
    scores = ", ".join(f"{name} {score:.3f}" for name, score in row["scores"].items() if score is not None)
    pairs = [("id", f"<code>{escape(str(row['id']))}</code>")]
    if row.get("error"):
        pairs.append(("error 错误", f'<span class="error">{escape(str(row["error"]))}</span>'))
    if "prediction" in row:
        answer = _marked(row) if row["prediction"] else f'<em class="soft">{escape(str(row.get("reason") or "–"))}</em>'
        pairs.append(("answer 回答", answer))
        pairs.append(("references 参考答案", escape("\n".join(row["references"])) or "– (unanswerable 无答案)"))
        cited = ", ".join(dict.fromkeys(f"[{c['rank']}] {c['source']}" for c in row.get("citations") or []))
        pairs.append(("citations 引用", escape(cited) or "–"))
    if "retrieved" in row:
        relevant = row["relevant"]
        found = [f"<b>{escape(key)}</b>" if key in relevant else escape(key) for key in row["retrieved"]]
        pairs.append(("retrieved 检索结果", ", ".join(found) or "–"))
        pairs.append(("relevant 相关", escape(_pairs(relevant))))
    pairs.append(("scores 得分", escape(scores)))
    shown = "" if value is None else f"{value:.3f}"
    head = f'<span>{escape(str(row["question"]))}</span><span class="main">{shown}</span>'
    return f"<details><summary>{head}</summary>{_definitions(pairs)}</details>"


def _marked(row: Mapping[str, Any]) -> str:
    """The answer with each checked sentence underlined by its label."""
    text, at, parts = str(row["prediction"]), 0, []
    for claim in sorted(row.get("claims") or [], key=lambda item: item["start"]):
        start, end = claim["start"], claim["end"]
        if start < at:
            continue
        tip = f"{claim['label']} {claim['confidence']:.2f}"
        parts.append(escape(text[at:start]))
        parts.append(f'<span class="{escape(claim["label"])}" title="{escape(tip)}">{escape(text[start:end])}</span>')
        at = end
    return "".join(parts) + escape(text[at:])
