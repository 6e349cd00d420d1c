"""The tables of the page: figures with what they mean, groups side by side, agreement, comparison, the stamp."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from eval.page.draw import finite
from eval.page.words import Text, both, metric, named

Row = Mapping[str, Any]


def number(value: object, digits: int = 3, sign: bool = False) -> str:
    """Return a number for a cell; a dash where there is none."""
    found = finite(value)
    return "–" if found is None else f"{found:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def span(row: Row) -> str:
    """Return the interval of a figure, or a dash."""
    if finite(row.get("low")) is None or finite(row.get("high")) is None:
        return "–"
    return f"{number(row['low'])} – {number(row['high'])}"


def grid(head: Sequence[str], body: Iterable[Sequence[str]], css: str = "") -> str:
    """Return a table of ready HTML cells: the first of each row names it, the others stand at the right."""
    top = "".join(f'<th scope="col"{"" if not index else " class=num"}>{cell}</th>' for index, cell in enumerate(head))
    rows = []
    for first, *others in body:
        cells = "".join(cell if cell.startswith("<td") else f'<td class="num">{cell}</td>' for cell in others)
        rows.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    table = f'<table class="{css}"><thead><tr>{top}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="scroll" tabindex="0" role="group" aria-label="table 表格">{table}</div>'


def metric_table(metrics: Mapping[str, Row], definitions: Mapping[str, str]) -> str:
    """Return every figure with interval, n, and what it says; `definitions` are the exact words of the run."""
    body = []
    for name, row in metrics.items():
        words = metric(name)
        exact = definitions.get(name, "")
        exact_html = f'<small class="exact">{escape(exact)}</small>' if exact else ""
        means = f'<td class="means">{both(words.meaning) if words.meaning.en else ""}{exact_html}</td>'
        arrow = ' <span class="down-sign">↓</span>' if words.lower_is_better else ""
        label = f"{both(words.name)}{arrow}<code>{escape(name)}</code>"
        body.append([label, f"<b>{number(row.get('value'))}</b>", span(row), str(row.get("n", "–")), means])
    head: list[Text | str] = [Text("figure", "指标"), Text("value", "值"), Text("95 % interval", "95% 区间"), "n"]
    return grid([*map(both, head), f'<span class="left">{both(Text("what it says", "含义"))}</span>'], body, "figures")


def group_table(metrics: Iterable[str], groups: Mapping[str, Mapping[str, Row]]) -> str:
    """Return figures (rows) by group (columns), with interval and n below each."""
    body = []
    for name in metrics:
        cells = [cell(group.get(name) or {}) for group in groups.values()]
        body.append([both(metric(name).name), *cells])
    return grid(["", *(both(named(name)) for name in groups)], body)


def cell(row: Row) -> str:
    """Return value, interval and n as the inside of a cell."""
    if finite(row.get("value")) is None:
        return '<span class="soft">–</span>'
    low = f"<small>{span(row)}</small>" if span(row) != "–" else ""
    return f"{number(row['value'])}{low}<small>n = {row.get('n', '–')}</small>"


def heat(share: float) -> str:
    """Return the class of a share in [0, 1]: eleven steps of one colour, h0 to h10."""
    return f"h{round(max(0.0, min(1.0, share)) * 10)}"


def agreement_table(table: Mapping[str, Any], name: str) -> str:
    """Return sets (rows) by verifiers (columns), coloured from guessing (0.5) to always right; the best is framed."""
    cells, verifiers = table.get("cells") or {}, [str(item) for item in table.get("verifiers") or ()]
    body = []
    for dataset in table.get("sets") or list(cells):
        rows = [((cells.get(dataset) or {}).get(verifier) or {}).get(name) or {} for verifier in verifiers]
        info = (table.get("info") or {}).get(dataset) or {}
        about = " · ".join(
            ", ".join(map(both, _names(info.get(key)))) for key in ("language", "domain") if info.get(key)
        )
        body.append([f"{escape(str(dataset))}<small>{about}</small>", *_heated(rows, name)])
    means = [((table.get("means") or {}).get(verifier) or {}).get(name) or {} for verifier in verifiers]
    if any(finite(row.get("value")) is not None for row in means):
        body.append([f"<b>{both(Text('mean of the sets', '各数据集平均'))}</b>", *_heated(means, name)])
    return grid(["", *map(escape, verifiers)], body, "heat")


def _names(value: object) -> list[Text | str]:
    return [named(item) for item in value] if isinstance(value, list | tuple) else [named(value)]


def _heated(rows: Sequence[Row], name: str) -> list[str]:
    values = [finite(row.get("value")) for row in rows]
    choose = min if metric(name).lower_is_better else max
    best = choose((value for value in values if value is not None), default=None)
    made = []
    for row, value in zip(rows, values, strict=True):
        css = "none" if value is None else heat(_goodness(name, value)) + (" best" if value == best else "")
        made.append(f'<td class="num {css}">{cell(row)}</td>')
    return made


def _goodness(name: str, value: float) -> float:
    """Place a figure between what guessing gets (0) and the best there is (1)."""
    if metric(name).lower_is_better:
        return 1 - 2 * value
    return value if name.endswith("f1") else 2 * value - 1


def correlation_table(rows: Sequence[Row], title: Callable[[Row], Text]) -> str:
    """Return how each metric goes with human judgments: {"set","target","metric", coefficients, "n"} a row.

    `title` says what the metric of a row is called.
    """
    kinds = {
        "spearman": Text("rank correlation", "等级相关"),
        "pearson": Text("linear correlation", "线性相关"),
        "spearman_each": Text("rank, within a question", "等级相关（逐题）"),
        "pearson_each": Text("linear, within a question", "线性相关（逐题）"),
        "kendall": Text("Kendall's tau", "Kendall τ"),
        "auroc": Text("AUROC", "AUROC"),
    }
    shown = [kind for kind in kinds if any(_coefficient(row.get(kind)) for row in rows)]
    body = []
    for row in rows:
        about = " · ".join(escape(str(row[key])) for key in ("set", "target") if row.get(key))
        cells = []
        for kind in shown:
            found = _coefficient(row.get(kind)) or {}
            value = finite(found.get("value"))
            css = "none" if value is None else heat(abs(value)) + (" minus" if value < 0 else "")
            cells.append(f'<td class="num {css}">{cell(found)}</td>')
        body.append([f"{both(title(row))}<small>{about}</small>", *cells])
    return grid([both(Text("metric", "指标")), *(both(kinds[kind]) for kind in shown)], body, "heat")


def _coefficient(value: object) -> Row | None:
    if isinstance(value, Mapping):
        return value
    return None if finite(value) is None else {"value": value}


def comparison_table(metrics: Mapping[str, Row]) -> str:
    """Return A, B, difference, interval, p, corrected p, wins and losses of each metric, as far as they are there."""
    columns: dict[str, Text | str] = {
        "a": "A",
        "b": "B",
        "difference": "B − A",
        "interval": Text("95 % interval", "95% 区间"),
        "p": "p",
        "p_permutation": Text("p, permutation", "p（置换检验）"),
        "p_holm": Text("p, corrected (Holm)", "p（Holm 校正）"),
        "wins": Text("B better", "B 更好"),
        "losses": Text("A better", "A 更好"),
        "ties": Text("equal", "持平"),
        "n": "n",
    }
    shown = [key for key in columns if key == "interval" or any(key in row for row in metrics.values())]
    body = []
    for name, row in metrics.items():
        cells = []
        for key in shown:
            if key == "interval":
                low, high = finite(row.get("low")), finite(row.get("high"))
                known = low is not None and high is not None
                cells.append(f"[{number(low, sign=True)}, {number(high, sign=True)}]" if known else "–")
            elif key in ("wins", "losses", "ties", "n"):
                cells.append(escape(str(row.get(key, "–"))))
            else:
                digits = number(row.get(key), 4 if key.startswith("p") else 3, key == "difference")
                cells.append(f"<b>{digits}</b>" if key == "difference" else digits)
        body.append([both(metric(name).name), *cells])
    return grid([both(Text("metric", "指标")), *(both(columns[key]) for key in shown)], body)


def definitions(pairs: Iterable[tuple[Text | str, str]]) -> str:
    """Return terms with ready HTML."""
    return f"<dl>{''.join(f'<dt>{both(name)}</dt><dd>{html}</dd>' for name, html in pairs)}</dl>"


def stamp_list(results: Mapping[str, Any]) -> str:
    """Return how to make the run again, and on what it was made."""
    versions = ", ".join(f"{name} {version}" for name, version in (results.get("versions") or {}).items())
    resamples = results.get("resamples")
    shown: dict[Text, object] = {
        Text("command", "命令"): results.get("command"),
        Text("date", "日期"): results.get("date"),
        Text("code (git)", "代码 (git)"): results.get("git"),
        Text("settings", "设置"): results.get("settings_hash"),
        Text("answered by", "作答者"): ", ".join(map(str, results.get("models") or ())),
        Text("checked by", "核对者"): results.get("verifier") or ", ".join(map(str, results.get("verifiers") or ())),
        Text("tokens", "词元"): pairs(results.get("tokens") or {}),
        Text("seen in training", "训练时见过"): pairs(results.get("memorisation") or {}),
        Text("data", "数据"): pairs(results.get("dataset") or {}),
        Text("hardware", "硬件"): results.get("hardware"),
        Text("libraries", "程序库"): versions,
        Text("time (s)", "用时（秒）"): pairs(results.get("timings") or {}),
        Text("intervals", "区间"): f"{resamples} resamples, seed {results.get('seed')}" if resamples else None,
    }
    return definitions((name, f"<code>{escape(str(value))}</code>") for name, value in shown.items() if value)


def pairs(values: Mapping[str, Any]) -> str:
    """Return "name value, name (name value)", for people."""
    parts = [
        f"{key} ({pairs(value)})" if isinstance(value, Mapping) else f"{key} {value}" for key, value in values.items()
    ]
    return ", ".join(parts)
