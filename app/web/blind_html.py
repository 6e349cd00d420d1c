"""Two answers side by side, their passages below. Pure: a line of the sheet to HTML, nothing of it obeyed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.web.blind_words import BlindWords
from app.web.escape import escape
from app.web.passage_html import html_language, marker_html, passage_html, popover_html
from app.web.words import Words
from rag.schema import Chunk, Passage

SIDES = ("left", "right")


def asked_html(pair: Mapping[str, Any]) -> str:
    """Return the question."""
    question = str(pair["question"])
    head = f'<div class="con-asked" role="heading" aria-level="1" lang="{html_language(question)}">'
    return f"{head}{escape(question)}</div>"


def pair_html(pair: Mapping[str, Any], words: BlindWords, page_words: Words) -> str:
    """Return the two answers, dressed alike, with the passages their numbers open and all passages folded below."""
    passages = _passages(pair)
    answers = "".join(
        f'<section class="con-side" aria-label="{escape(words.answers[side])}">'
        f'<p class="con-side-name">{escape(words.answers[side])}</p>{_said(pair[side], passages, side, page_words)}'
        f"</section>"
        for side in SIDES
    )
    return f'<div class="con-pair">{answers}</div>{_folded(pair, passages, words, page_words)}'


def rules_html(words: BlindWords) -> str:
    """Return what a judge should know before the first pair."""
    items = "".join(f"<li>{escape(rule)}</li>" for rule in words.rules)
    return f'<ul class="con-rules">{items}</ul>'


def _passages(pair: Mapping[str, Any]) -> dict[int, Passage]:
    found = {}
    for got in pair.get("passages") or ():
        number, text = int(got["number"]), str(got["text"])
        source, title = str(got.get("source") or ""), str(got.get("title") or "")
        chunk = Chunk(f"p{number}", f"p{number}", text, 0, len(text))
        found[number] = Passage(chunk, 0.0, number, "sheet", source=source or f"[{number}]", title=title)
    return found


def _said(side: Mapping[str, Any], passages: Mapping[int, Passage], name: str, words: Words) -> str:
    """Return an answer with a button behind every cited stretch, and what the buttons open."""
    text = str(side["text"])
    pieces, popovers, at = [], {}, 0
    for end, number in sorted(map(tuple, side.get("cited") or ())):
        if number not in passages or not at <= end <= len(text):
            continue
        target = f"con-{name}-{number}"
        pieces += [
            escape(text[at:end]),
            f'<span class="con-behind">{marker_html(target, passages[number], words)}</span>',
        ]
        popovers[number] = popover_html(target, passages[number], words, [])
        at = end
    said = "".join((*pieces, escape(text[at:])))
    return f'<div class="con-said" lang="{html_language(text)}">{said}</div>{"".join(popovers.values())}'


def _folded(pair: Mapping[str, Any], passages: Mapping[int, Passage], words: BlindWords, page_words: Words) -> str:
    """Return the passages and, where the sheet has them, the reference answers; both closed."""
    if passages:
        summary = escape(words.passages.format(count=len(passages)))
        items = "".join(f"<li>{passage_html(passage, page_words)}</li>" for passage in passages.values())
        folded = f'<details class="con-fold"><summary>{summary}</summary><ol class="con-found">{items}</ol></details>'
    else:
        folded = f'<p class="con-aside">{escape(words.passages_none)}</p>'
    references: Sequence[str] = pair.get("references") or ()
    if not references:
        return folded
    told = "".join(f'<li lang="{html_language(text)}">{escape(text)}</li>' for text in map(str, references))
    summary = escape(words.reference)
    return f'{folded}<details class="con-fold"><summary>{summary}</summary><ul class="con-rules">{told}</ul></details>'
