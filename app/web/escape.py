"""Text from documents, made harmless: for HTML, and for the few places where Streamlit reads Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:<>&])")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Mark:
    """HTML to put around `text[start:end]`; `before` and `after` are trusted."""

    start: int
    end: int
    before: str
    after: str


Inline = Callable[[int, int], str]
"""Gives the HTML of `text[start:end]`, with whatever is marked inside it."""


def escape(text: str) -> str:
    """Return text as HTML: shown as it is, never obeyed; fit for attributes too."""
    return html.escape(text, quote=True)


def as_markdown(text: str) -> str:
    """Return text on one line that Markdown shows as it is: no links, no emphasis, no `$formula$`, no `:icon:`."""
    return _MARKDOWN.sub(r"\\\1", _SPACE.sub(" ", text).strip())


def inline(text: str, marks: Sequence[Mark]) -> Inline:
    """Return a function that renders spans of `text`; marks are clipped to them, of two that overlap the first wins."""
    ordered = sorted(marks, key=lambda mark: (mark.start, -mark.end))

    def render(start: int, end: int) -> str:
        pieces: list[str] = []
        at = start
        for mark in ordered:
            low, high = max(mark.start, at), min(mark.end, end)
            if low < high:
                pieces += (escape(text[at:low]), mark.before, escape(text[low:high]), mark.after)
                at = high
        return "".join((*pieces, escape(text[at:end])))

    return render
