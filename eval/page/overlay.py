"""Text with what is known about its parts drawn over it: claims by verdict, human marks, citation numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from eval.page.words import NAMES, Text, both, either

SIGNS = {"supported": "✓", "contradicted": "✗", "not_enough_info": "?"}


class Layer(NamedTuple):
    """A part of a text: half-open code points, a class, words for who points at it."""

    start: int
    end: int
    css: str
    tip: str = ""


def overlay(text: str, layers: Iterable[Layer], notes: Mapping[int, str] | None = None) -> str:
    """Return `text` as HTML, its parts wrapped; parts may overlap, and those outside the text are cut to it.

    `notes` is ready HTML to stand after so many code points.
    """
    notes = notes or {}
    kept = [
        layer._replace(start=max(0, layer.start), end=min(len(text), layer.end))
        for layer in layers
        if min(len(text), layer.end) > max(0, layer.start)
    ]
    inside = {min(len(text), max(0, at)) for at in notes}
    cuts = sorted({0, len(text), *inside, *(layer.start for layer in kept), *(layer.end for layer in kept)})
    made = []
    for start, end in pairwise(cuts):
        over = [layer for layer in kept if layer.start <= start and end <= layer.end]
        piece = escape(text[start:end])
        if over:
            css = escape(" ".join(dict.fromkeys(layer.css for layer in over)))
            tip = escape(" · ".join(layer.tip for layer in over if layer.tip))
            piece = f'<span class="{css}"{f" title={chr(34)}{tip}{chr(34)}" if tip else ""}>{piece}</span>'
        made.append(piece)
        made.append("".join(html for at, html in notes.items() if min(len(text), max(0, at)) == end))
    return "".join(made)


def claim_layers(claims: Sequence[Mapping[str, Any]] | None) -> list[Layer]:
    """Return claims as layers; a claim without a place is left out."""
    made = []
    for claim in claims or ():
        if not isinstance(claim, Mapping) or not (_whole(claim.get("start")) and _whole(claim.get("end"))):
            continue
        made.append(Layer(claim["start"], claim["end"], f"claim {_label(claim)}", _tip(claim)))
    return made


def claim_notes(
    claims: Sequence[Mapping[str, Any]] | None, citations: Sequence[Mapping[str, Any]] | None, anchor: str
) -> dict[int, str]:
    """Return what stands behind each claim: the sign of its verdict, then the numbers it cites, linked to passages."""
    notes: dict[int, str] = {}
    for claim in claims or ():
        if isinstance(claim, Mapping) and _whole(claim.get("end")):
            label = _label(claim)
            word = "" if label == "supported" else f" {both(NAMES[label])}"
            sign = f'<span class="sign {label}" title="{escape(_tip(claim))}">{SIGNS[label]}{word}</span>'
            notes[claim["end"]] = notes.get(claim["end"], "") + sign
    seen: set[tuple[int, Any]] = set()
    for mark in citations or ():
        end, rank = mark.get("end"), mark.get("rank")
        if not _whole(end) or (end, rank) in seen:
            continue
        seen.add((end, rank))
        number = escape(str(rank))
        notes[end] = notes.get(end, "") + f'<a class="cite" href="#{anchor}-{number}">{number}</a>'
    return notes


def human_layers(spans: Sequence[Any] | None) -> list[Layer]:
    """Return the parts people marked: [start, end] or {"start", "end"} each."""
    made = []
    for span in spans or ():
        start, end = (span.get("start"), span.get("end")) if isinstance(span, Mapping) else (*span, None, None)[:2]
        if _whole(start) and _whole(end):
            made.append(Layer(start, end, "human", either(Text("marked by people", "人工标注"))))
    return made


def _label(claim: Mapping[str, Any]) -> str:
    label = str(claim.get("label"))
    return label if label in SIGNS else "not_enough_info"


def _tip(claim: Mapping[str, Any]) -> str:
    name = NAMES[_label(claim)]
    confidence = claim.get("confidence")
    tail = f" {confidence:.2f}" if isinstance(confidence, float | int) else ""
    return f"{name.en} {name.zh}{tail}"


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
