"""The browsable list of examples: what is embedded, in which order, with which filters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from eval.page.draw import finite
from eval.page.examples import DECLINED, FAILED, example_html, facets_of, search_text
from eval.page.words import Text, both, metric, named

Row = Mapping[str, Any]

LIMIT = 2000
"""Examples on a page at most; the worst ones stay. All of them are in per_example.jsonl."""

SIZE = 8_000_000
"""Bytes of examples on a page at most."""

PLAIN = 25
"""Examples that can be read without JavaScript."""

FACETS = {
    "outcome": Text("outcome", "结果"),
    "verdict": Text("contains", "含有"),
    "judged": Text("judged", "判断"),
    "label": Text("people say", "人工标注"),
    "rank": Text("first relevant passage", "首条相关段落"),
    "answerable": Text("answer exists", "有答案"),
    "language": Text("language", "语言"),
    "domain": Text("domain", "领域"),
}

_VALUES = {
    "failed": FAILED,
    "declined": DECLINED,
    "answered": Text("answered", "已作答"),
    "rightly": Text("rightly", "正确"),
    "wrongly": Text("wrongly", "有误"),
    "first": Text("ranked first", "排第一"),
    "later": Text("ranked lower", "排在后面"),
    "missed": Text("not shown", "未列出"),
}


def worst_first(rows: Sequence[Row], main: str, lower_is_better: bool = False) -> list[Row]:
    """Return failed examples, then those with the worst `main`; those without it last."""

    def order(row: Row) -> tuple[bool, bool, float]:
        value = finite((row.get("scores") or {}).get(main))
        return not row.get("error"), value is None, 0.0 if value is None else -value if lower_is_better else value

    return sorted(rows, key=order)


def embedded(rows: Sequence[Row], main: str) -> list[dict[str, Any]]:
    """Return what the page carries of each example, worst first, until `LIMIT` or `SIZE` is reached.

    h: HTML, s: text to search, f: facets, m: scores.
    """
    made: list[dict[str, Any]] = []
    left, varying = SIZE, _varying(rows)
    for index, row in enumerate(worst_first(rows, main, metric(main).lower_is_better)[:LIMIT]):
        scores = {
            name: round(value, 4)
            for name, raw in (row.get("scores") or {}).items()
            if (value := finite(raw)) is not None
        }
        entry = {
            "h": example_html(row, f"x{index}", main, varying),
            "s": search_text(row),
            "f": facets_of(row),
            "m": scores,
        }
        left -= len(json_for_script(entry).encode("utf-8", "replace"))
        if left < 0 and made:
            break
        made.append(entry)
    return made


def _varying(rows: Sequence[Row]) -> set[str]:
    """Return which of language and field differ among examples, and are therefore worth a tag."""
    return {key for key in ("language", "domain") if len({str(row[key]) for row in rows if row.get(key)}) > 1}


def browser(rows: Sequence[Row], metrics: Iterable[str], main: str) -> str:
    """Return filters, list and data of the examples; without JavaScript, the first ones stand open to read."""
    entries = embedded(rows, main)
    if not entries:
        return ""
    left_out = len(rows) - len(entries)
    plain = "".join(entry["h"] for entry in entries[:PLAIN])
    only = Text(
        f"The first {min(PLAIN, len(entries))}; with JavaScript on, all can be searched and sorted.",
        f"此处为前 {min(PLAIN, len(entries))} 条；启用 JavaScript 后可检索、排序全部样例。",
    )
    note = ""
    if left_out:
        more = Text(
            f"{left_out:,} examples that scored better are not on this page; all are in per_example.jsonl.",
            f"另有 {left_out:,} 条得分较好的样例未放入本页，全部样例见 per_example.jsonl。",
        )
        note = f'<p class="notice">{both(more)}</p>'
    return (
        f'{note}{_controls(entries, metrics, main)}<p class="soft" id="only">{both(only)}</p>'
        f'{_shown(main)}<div id="list">{plain}</div>{_PAGER}'
        f'<script type="application/json" id="data">{json_for_script({"main": main, "rows": entries})}</script>'
    )


def _shown(main: str) -> str:
    """Name the number that stands beside each example."""
    if not main:
        return ""
    en, zh = (escape(words) for words in metric(main).name)
    return f'<p class="shown soft"><span id="shown" data-en="{en}" data-zh="{zh}">{en}</span></p>'


def json_for_script(value: object) -> str:
    """Return JSON that cannot end the script element it stands in, nor start another."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


_PAGER = (
    '<nav class="pager" hidden aria-label="Pages 翻页"><button type="button" id="back">‹ '
    f"{both(Text('back', '上一页'))}</button>"
    '<span id="where" role="status" aria-live="polite"></span>'
    f'<button type="button" id="next">{both(Text("next", "下一页"))} ›</button></nav>'
)


def _controls(entries: Sequence[Mapping[str, Any]], metrics: Iterable[str], main: str) -> str:
    made = [
        f'<label class="wide"><span>{both(Text("search", "搜索"))}</span>'
        '<input type="search" id="search" autocomplete="off" spellcheck="false"></label>'
    ]
    for facet, title in FACETS.items():
        values = sorted({value for entry in entries for value in entry["f"].get(facet, ())})
        some = any(facet not in entry["f"] for entry in entries)
        if len(values) > 1 or (values and some):
            made.append(
                _select(title, [("", Text("all", "全部")), *((v, _value(v)) for v in values)], f'data-facet="{facet}"')
            )
    scored = {name for entry in entries for name in entry["m"]}
    names = [name for name in dict.fromkeys([main, *metrics, *sorted(scored)]) if name in scored]
    if names:
        order = [("", Text("worst first", "从差到好")), *((name, metric(name).name) for name in names)]
        made.append(_select(Text("sort by", "排序"), order, 'id="sort"'))
        turn = Text("reverse", "反转顺序")
        made.append(f'<button type="button" id="turn" aria-pressed="false">⇅ {both(turn)}</button>')
    return f'<form id="controls" hidden>{"".join(made)}</form>'


def _value(value: str) -> Text | str:
    return _VALUES.get(value) or named(value)


def _select(title: Text, options: Sequence[tuple[str, Text | str]], mark: str) -> str:
    made = []
    for value, words in options:
        en, zh = (words, words) if isinstance(words, str) else words
        made.append(
            f'<option value="{escape(value)}" data-en="{escape(en)}" data-zh="{escape(zh)}">{escape(en)}</option>'
        )
    return f"<label><span>{both(title)}</span><select {mark}>{''.join(made)}</select></label>"
