"""Plots of figures with intervals: bars, dots, a forest. Data in, SVG out; without data, an empty string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eval.page.draw import WIDTH, Scale, dot, finite, line, rect, short, svg, ticks, whisker, words
from eval.page.words import Text


class Bar(NamedTuple):
    """A figure with its interval; `value` None where nothing could be measured."""

    name: Text | str
    value: float | None
    low: float | None
    high: float | None
    n: int
    lower_is_better: bool = False


class Group(NamedTuple):
    """One figure over several groups."""

    name: Text | str
    bars: Sequence[Bar]


def bar_of(name: Text | str, row: Mapping[str, Any], lower_is_better: bool = False) -> Bar:
    """Return the bar of {"value", "low", "high", "n"}; without an interval, the value is drawn alone."""
    value = finite(row.get("value"))
    low, high = finite(row.get("low")), finite(row.get("high"))
    return Bar(name, value, low, high, int(row.get("n") or 0), lower_is_better)


def interval_words(bar: Bar) -> str:
    """Return "0.317 – 0.474", or nothing where there is no interval."""
    return "" if bar.low is None or bar.high is None else f"{bar.low:.3f} – {bar.high:.3f}".replace("-", "−")


def _tip(bar: Bar) -> str:
    name = bar.name if isinstance(bar.name, str) else bar.name.en
    span = interval_words(bar)
    return f"{name}: {bar.value:.3f}" + (f" (95 %: {span})" if span else "") + f", n = {bar.n}"


def _reach(bars: Sequence[Bar], start: float, end: float) -> Scale:
    """0 to 1, further where a figure lies outside."""
    seen = [x for bar in bars for x in (bar.value, bar.low, bar.high) if x is not None]
    return Scale(min([0.0, *seen]), max([1.0, *seen]), start, end)


def interval_bars(bars: Sequence[Bar], title: Text | str) -> str:
    """Draw a bar a figure, from 0, with its interval: name and number above, axis below."""
    if not any(bar.value is not None for bar in bars):
        return ""
    across, parts, y = _reach(bars, 6, WIDTH - 6), [], 0.0
    bottom = 42.0 * len(bars) + 2
    for tick in ticks(across.low, across.high):
        x = across.at(tick)
        parts.append(line(x, 4, x, bottom, "grid"))
        anchor = "start" if x < 12 else "end" if x > WIDTH - 12 else "middle"
        parts.append(words({"start": 1, "end": WIDTH - 1}.get(anchor, x), bottom + 15, short(tick), "tick", anchor))
    for bar in bars:
        parts.append(rect(0, y, WIDTH, 20, "ground"))
        parts.append(words(2, y + 15, fit(bar.name, 222), "label"))
        if bar.value is None:
            nothing = Text("does not apply here", "此处不适用")
            parts.append(words(WIDTH - 2, y + 15, nothing, "tick", "end"))
        else:
            parts.append(words(WIDTH - 2, y + 15, f"{bar.value:.3f}", "value", "end"))
            parts.append(words(WIDTH - 52, y + 15, interval_words(bar), "tick", "end"))
            zero, x = across.at(0), across.at(bar.value)
            parts.append(rect(min(zero, x), y + 23, abs(x - zero), 10, "bar down" if bar.lower_is_better else "bar"))
            parts.append(_flat(bar, across, y + 28, 6))
        y += 42
    return svg(bottom + 20, "".join(parts), title)


def dot_rows(groups: Sequence[Group], title: Text | str) -> str:
    """Draw figures over several groups (languages, domains, ways of searching): a dot with its interval each."""
    groups = [group for group in groups if any(bar.value is not None for bar in group.bars)]
    if not groups:
        return ""
    across = _reach([bar for group in groups for bar in group.bars], 112, WIDTH - 50)
    parts, y = [], 0.0
    for group in groups:
        parts.append(words(2, y + 15, group.name, "label"))
        y += 22
        for bar in group.bars:
            parts.append(_dot_row(bar, across, y))
            y += 20
        y += 8
    axis = ticks(across.low, across.high, 3)
    parts += [words(across.at(tick), y + 10, short(tick), "tick", "middle") for tick in axis]
    return svg(y + 18, "".join(parts), title)


def _dot_row(bar: Bar, across: Scale, y: float) -> str:
    made = line(across.start, y + 9, across.end, y + 9, "grid") + words(12, y + 13, fit(bar.name, 98, 11.5), "tick")
    if bar.value is None:
        return made + words(WIDTH - 2, y + 13, "–", "tick", "end")
    made += _flat(bar, across, y + 9, 4) + dot(across.at(bar.value), y + 9, "point", _tip(bar), 5)
    return made + words(WIDTH - 2, y + 13, f"{bar.value:.3f}", "value small", "end")


def _flat(bar: Bar, across: Scale, y: float, reach: float) -> str:
    """The interval of a figure, where it has one."""
    if bar.low is None or bar.high is None:
        return ""
    return whisker(across.at(bar.low), across.at(bar.high), y, reach)


def fit(name: Text | str, room: float, size: float = 13.0) -> Text | str:
    """Cut a name to the room there is: a Chinese character is as wide as `size`, a Latin one about 0.58 of it."""
    if isinstance(name, Text):
        return Text(*(str(fit(part, room, size)) for part in name))
    taken = 0.0
    for index, sign in enumerate(name):
        taken += size if ord(sign) > 0x2E80 else size * 0.58
        if taken > room:
            return f"{name[: max(1, index - 1)].rstrip()}…"
    return name


def _signed(value: float) -> str:
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}".replace("-", "−")


def forest(bars: Sequence[Bar], sure: Sequence[bool], reach: float, title: Text | str) -> str:
    """Draw differences around nought, to `reach` on both sides; a filled dot is a difference that is `sure`."""
    kept = [(bar, flag) for bar, flag in zip(bars, sure, strict=True) if bar.value is not None]
    if not kept:
        return ""
    reach = reach or 0.01
    across = Scale(-reach * 1.05, reach * 1.05, 12, WIDTH - 12)
    bottom = 40.0 * len(kept) + 4
    parts = [line(across.at(0), 20, across.at(0), bottom, "axis")]
    for index, (bar, flag) in enumerate(kept):
        y, value = 40.0 * index, bar.value or 0.0
        parts.append(rect(0, y, WIDTH, 18, "ground"))
        parts.append(words(2, y + 14, fit(bar.name, 290), "label"))
        parts.append(words(WIDTH - 2, y + 14, _signed(value), "value", "end"))
        parts.append(_flat(bar, across, y + 28, 4))
        parts.append(dot(across.at(value), y + 28, "point" if flag else "point hollow", _tip(bar), 5))
    for tick in ticks(across.low, across.high):
        parts.append(line(across.at(tick), bottom, across.at(tick), bottom + 4, "axis"))
        parts.append(words(across.at(tick), bottom + 17, short(tick), "tick", "middle"))
    return svg(bottom + 22, "".join(parts), title)


def tile_bar(bar: Bar) -> str:
    """Draw one figure as a thin line with its interval, for the top of the page."""
    if bar.value is None:
        return ""
    across = _reach([bar], 4, WIDTH - 4)
    body = rect(across.start, 8, across.end - across.start, 6, "track")
    body += rect(across.start, 8, across.at(bar.value) - across.start, 6, "bar")
    body += _flat(bar, across, 11, 8)
    return svg(22, body, _tip(bar))
