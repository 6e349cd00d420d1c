"""A search step by step as HTML: how it was read, where the time went, the order and both legs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.web.escape import Mark, escape, inline
from app.web.passage_html import html_language, place, popover_html
from app.web.steps_words import StepsWords
from app.web.words import Words
from rag.explain import Candidate, Explained, Hit, matches
from rag.schema import Where

MOST: Final = 10
"""Passages shown of each leg, and of those that were not returned."""
_SNIPPET: Final = 160
_BEFORE: Final = 40
_STEPS: Final = ("understand", "embed", "filter", "lexical", "dense", "fuse")


def understood_html(found: Explained, words: StepsWords) -> str:
    """Return what was read out of a query."""
    known = found.understood
    facts = {
        "expansions": [f"{text} ×{weight:g}" for text, weight in known.expansions],
        "companies": list(known.companies),
        "periods": [str(period) for period in known.periods],
        "boosts": [f"{_filter(where)} +{share:g}" for where, share in known.boosts],
        "where": [_filter({key: value}) for key, value in found.asked.where.items()],
    }
    rows = "".join(_fact(words.facts[name], told) for name, told in facts.items() if told)
    body = f'<dl class="con-read">{rows}</dl>' if rows else f'<p class="con-aside">{escape(words.as_it_is)}</p>'
    return _section(words.understood, body)


def _fact(name: str, told: Sequence[str]) -> str:
    chips = "".join(f'<span class="con-chip">{escape(one)}</span>' for one in told)
    return f"<dt>{escape(name)}</dt><dd>{chips}</dd>"


def time_html(found: Explained, words: StepsWords) -> str:
    """Return a bar of the steps, as long as each took."""
    total = found.timings["search"]
    parts = {step: found.timings.get(step, 0.0) for step in _STEPS}
    parts["rest"] = max(0.0, total - sum(parts.values()))
    whole = sum(parts.values()) or 1.0
    shown = {step: seconds for step, seconds in parts.items() if seconds >= 0.00005}
    bar = "".join(
        f'<span class="con-step-{step}" style="flex-grow:{seconds / whole:.4f}"></span>'
        for step, seconds in shown.items()
    )
    told = "".join(
        f'<li><i class="con-step-{step}"></i>{escape(words.steps[step])} <b>{seconds * 1000:.1f}</b></li>'
        for step, seconds in shown.items()
    )
    title = words.time.format(total=f"{total * 1000:.0f}")
    key = f'<ul class="con-key" title="{escape(words.time_help)}">{told}</ul>'
    return _section(title, f'<div class="con-time" aria-hidden="true">{bar}</div>{key}')


def order_html(found: Explained, words: StepsWords, page: Words) -> str:
    """Return the passages in their last order, each with the shares of its score; then the next that were left out."""
    back = [candidate for candidate in found.candidates if candidate.final]
    left = [candidate for candidate in found.candidates if not candidate.final][:MOST]
    if not found.candidates:
        return _section(words.order, f'<p class="con-aside">{escape(words.empty)}</p>')
    used = [
        name for name in words.legend if found.asked.mode == "hybrid" and (name != "boost" or found.counts["boosted"])
    ]
    key = "".join(f'<li><i class="con-by-{name}"></i>{escape(words.legend[name])}</li>' for name in used)
    note = escape(words.order_help)
    if found.asked.reranker:
        note += f" {escape(words.reranked.format(name=found.asked.reranker))}"
    head = f'<p class="con-aside">{note}</p><ul class="con-key">{key}</ul>'
    body = head + _list(back, found, words, page)
    if left:
        body += (
            f'<details class="con-left"><summary>{escape(words.not_returned)} ({len(left)})</summary>'
            f"{_list(left, found, words, page)}</details>"
        )
    return _section(words.order, body)


def legs_html(found: Explained, words: StepsWords, page: Words) -> str:
    """Return both legs side by side."""
    sides = "".join(_leg(leg, found, words, page) for leg in ("lexical", "dense"))
    return f'<div class="con-legs">{sides}</div>'


def popovers_html(found: Explained, words: StepsWords, page: Words) -> str:
    """Return the passages themselves, hidden until one is pressed, with the words they share with the query marked."""
    named = replace(page, quote=words.matched)
    shown = []
    for number, candidate in enumerate(found.candidates):
        rank = (candidate.final or candidate.fused).rank
        passage = replace(candidate.passage, rank=rank)
        shown.append(popover_html(_name(number), passage, named, matches(passage.chunk.text, found.understood)))
    return "".join(shown)


def _list(candidates: Sequence[Candidate], found: Explained, words: StepsWords, page: Words) -> str:
    rows = "".join(f"<li>{_row(candidate, found, words, page)}</li>" for candidate in candidates)
    return f'<ol class="con-order">{rows}</ol>'


def _row(candidate: Candidate, found: Explained, words: StepsWords, page: Words) -> str:
    hit = candidate.final or candidate.fused
    legs = ((words.by_words, candidate.lexical), (words.by_meaning, candidate.dense))
    notes = [escape(_place(leg, its, words)) for leg, its in legs if found.asked.mode == "hybrid"]
    if candidate.moved:
        told = words.moved_up if candidate.moved > 0 else words.moved_down
        notes.append(f"<b>{escape(told.format(places=abs(candidate.moved)))}</b>")
    if candidate.set_back:
        notes.append(f'<b class="con-caution">{escape(words.set_back)}</b>')
    number = found.candidates.index(candidate)
    line = _line(hit.rank, _title(candidate, page), f"{hit.score:.3f}")
    facts = f'<span class="con-facts">{" · ".join(notes)}</span>' if notes else ""
    return _button(number, f"{line}{_bar(candidate, found)}{facts}{_snippet(candidate, found)}")


def _bar(candidate: Candidate, found: Explained) -> str:
    if found.asked.mode != "hybrid":
        return ""
    shares = {"words": candidate.by_words, "meaning": candidate.by_meaning, "boost": candidate.boost}
    parts = "".join(
        f'<span class="con-by-{name}" style="width:{share * 100:.2f}%" title="{share:.3f}"></span>'
        for name, share in shares.items()
        if share > 0
    )
    return f'<span class="con-bar" aria-hidden="true">{parts}</span>'


def _leg(leg: str, found: Explained, words: StepsWords, page: Words) -> str:
    title, note = (
        (words.by_words, words.by_words_help) if leg == "lexical" else (words.by_meaning, words.by_meaning_help)
    )
    if found.asked.mode not in ("hybrid", leg):
        return _section(title, f'<p class="con-aside">{escape(words.not_searched)}</p>')
    candidates = found.best(leg)[:MOST]
    count = words.found_of.format(found=f"{found.counts[leg]:,}", chunks=f"{found.counts['chunks']:,}")
    rows = "".join(f"<li>{_leg_row(candidate, getattr(candidate, leg), found, page)}</li>" for candidate in candidates)
    body = f'<ol class="con-leg">{rows}</ol>' if rows else f'<p class="con-aside">{escape(words.none_found)}</p>'
    return _section(title, f'<p class="con-aside">{escape(note)} {escape(count)}</p>{body}')


def _leg_row(candidate: Candidate, hit: Hit, found: Explained, page: Words) -> str:
    line = _line(hit.rank, _title(candidate, page), f"{hit.score:.3g}")
    return _button(found.candidates.index(candidate), f"{line}{_snippet(candidate, found)}")


def _title(candidate: Candidate, page: Words) -> str:
    """Return title, page and the last heading: enough to tell the passages of one document apart."""
    passage = candidate.passage
    headings = [heading for heading in passage.chunk.headings if heading != passage.title]
    return " · ".join([place(passage, page), *headings[-1:]])


def _line(rank: int, title: str, score: str) -> str:
    return (
        f'<span class="con-line"><span class="con-rank">{rank}</span>'
        f'<span class="con-title" lang="{html_language(title)}">{escape(title)}</span>'
        f'<span class="con-score">{score}</span></span>'
    )


def _button(number: int, face: str) -> str:
    return f'<button type="button" class="con-source" popovertarget="{_name(number)}">{face}</button>'


def _snippet(candidate: Candidate, found: Explained) -> str:
    """Return the first lines of a passage about the first word it shares with the query."""
    text = candidate.passage.chunk.text
    spans = matches(text, found.understood)
    start = max(0, spans[0][0] - _BEFORE) if spans and spans[0][0] > _SNIPPET - _BEFORE else 0
    end = min(len(text), start + _SNIPPET)
    render = inline(text, [Mark(a, b, "<mark>", "</mark>") for a, b in spans])
    return (
        f'<span class="con-snippet" lang="{html_language(text)}">{"… " if start else ""}{render(start, end)}'
        f"{' …' if end < len(text) else ''}</span>"
    )


def _place(leg: str, hit: Hit | None, words: StepsWords) -> str:
    return words.place_of.format(leg=leg, rank=hit.rank) if hit else words.not_there.format(leg=leg)


def _filter(where: Where) -> str:
    told: list[str] = []
    for key, value in where.items():
        several = value if isinstance(value, list | tuple) else [value]
        told.append(f"{key}{'' if key[-1:] in '<>=' else '='}{', '.join(map(str, several))}")
    return ", ".join(told)


def _section(title: str, body: str) -> str:
    return f'<section class="con-part"><h3>{escape(title)}</h3>{body}</section>'


def _name(number: int) -> str:
    return f"con-found-{number}"
