"""An answer as people read it: sentences with their markers and verdicts, sources below. Pure: values to HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.web.escape import Inline, Mark, escape, inline
from app.web.passage_html import columns_of, html_language, marker_html, passage_html, popover_html, where_html
from app.web.table_html import RowLine, Span, read_row, table_html
from app.web.words import Words
from rag.schema import Answer, Citation, Claim, Figure, Passage, Verdict

_SIGNS = {"supported": "✓", "contradicted": "✗", "not_enough_info": "?"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of an answer that is judged as one: its span, its claim if it was checked, the citations behind it."""

    start: int
    end: int
    claim: Claim | None
    citations: tuple[Citation, ...]


def sentences_of(answer: Answer, verdict: Verdict) -> list[Sentence]:
    """Return the pieces of an answer in order: all that is claimed or cited; a citation goes behind its end."""
    spans: dict[Span, Claim | None] = {(claim.start, claim.end): claim for claim in verdict.claims}
    for cited in answer.citations:
        if not any(start < cited.end and cited.start < end for start, end in spans):
            spans[cited.start, cited.end] = None
    if not spans:
        spans[0, len(answer.text)] = None
    ordered = sorted(spans)
    behind: dict[Span, list[Citation]] = {span: [] for span in ordered}
    for cited in answer.citations:
        behind[[span for span in ordered if span[0] < max(cited.end, 1)][-1]].append(cited)
    return [Sentence(*span, spans[span], tuple(behind[span])) for span in ordered]


def answer_html(
    answer: Answer,
    verdict: Verdict,
    words: Words,
    name: str,
    *,
    notice: str = "",
    pages: Mapping[tuple[int, Span], str] | None = None,
) -> str:
    """Return a checked answer, or the refusal, as HTML.

    Args:
        answer: what was said.
        verdict: what the verifier found, sentence by sentence.
        words: the language of the page.
        name: a word that no other answer on the page has; prefix of the ids.
        notice: the line of the domain that stands under every answer.
        pages: HTML of the printed page of a quote, by rank and span (`app.web.page_shot`).
    """
    if answer.abstained:
        return refusal_html(answer, words)
    passages = {passage.rank: passage for passage in answer.passages}
    sentences = sentences_of(answer, verdict)
    body = _body(answer, sentences, passages, words, name)
    quotes: dict[int, set[Span]] = {}
    for cited in answer.citations:
        quotes.setdefault(cited.rank, set()).add((cited.quote_start, cited.quote_end))
    single = {(rank, span) for rank, spans in quotes.items() for span in spans}
    pages = pages or {}
    popovers = [
        popover_html(_id(name, rank, span), passages[rank], words, [span], pages.get((rank, span), ""))
        for rank, span in sorted(single)
    ]
    popovers += [
        popover_html(f"{name}-{rank}", passages[rank], words, sorted(spans)) for rank, spans in sorted(quotes.items())
    ]
    sources = "".join(f"<li>{_source(name, passages[rank], words)}</li>" for rank in sorted(quotes))
    listed = f'<ul class="con-sources" aria-label="{escape(words.sources)}">{sources}</ul>' if sources else ""
    return (
        f'<div class="con-answer"><div class="con-said" lang="{html_language(answer.text)}">{body}</div>'
        f"{_checked_line(verdict, words)}{listed}{_foot(answer, words, notice)}{''.join(popovers)}</div>"
    )


def refusal_html(answer: Answer, words: Words) -> str:
    """Return an abstention: that there is no answer, why, and what was found instead."""
    found = "".join(f"<li>{passage_html(passage, words)}</li>" for passage in answer.passages)
    summary = escape(words.was_found.format(passages=len(answer.passages)))
    fold = f'<details><summary>{summary}</summary><ol class="con-found">{found}</ol></details>' if found else ""
    nothing = "" if found else f"<p>{escape(words.nothing_found)}</p>"
    return (
        f'<div class="con-refusal" role="status"><p class="con-refusal-head">{escape(words.no_answer)}</p>'
        f'<p lang="{html_language(answer.reason)}">{escape(answer.reason)}</p>{nothing}{fold}</div>'
    )


def _id(name: str, rank: int, span: Span) -> str:
    return f"{name}-{rank}-{span[0]}-{span[1]}"


def _body(
    answer: Answer, sentences: Sequence[Sentence], passages: Mapping[int, Passage], words: Words, name: str
) -> str:
    """Return the sentences; those that are table rows stand together as tables, the others as running text."""
    text = answer.text
    render = inline(text, [_figure(figure, words) for figure in answer.figures])
    pieces: list[str] = []
    rows: list[tuple[RowLine, str]] = []
    at = 0
    for sentence in sentences:
        between = render(at, max(at, sentence.start))
        at = max(at, sentence.end)
        end = _behind(sentence, passages, words, name)
        row = _row_of(sentence, text, passages)
        if row is not None and not between.strip():
            rows.append((row, end))
            continue
        tables = _flush(rows, render)
        pieces += (tables, between.lstrip("\n") if tables else between)  # a table ends its line by itself
        said = render(sentence.start, sentence.end)
        pieces.append(f'<span class="con-sentence">{said}<span class="con-behind">{end}</span></span>')
    return "".join((*pieces, _flush(rows, render), render(at, len(text))))


def _row_of(sentence: Sentence, text: str, passages: Mapping[int, Passage]) -> RowLine | None:
    line = text[sentence.start : sentence.end]
    cited = [passages[citation.rank].chunk for citation in sentence.citations]
    quoted = any(chunk.kind != "prose" for chunk in cited)
    return read_row(line, sentence.start, columns_of(cited[0])) if quoted and "\n" not in line else None


def _flush(rows: list[tuple[RowLine, str]], render: Inline) -> str:
    """Return the gathered rows as tables, and forget them."""
    found = table_html([row for row, _ in rows], render, [end for _, end in rows])
    rows.clear()
    return found


def _behind(sentence: Sentence, passages: Mapping[int, Passage], words: Words, name: str) -> str:
    """Return what stands behind a sentence: its markers, then its verdict."""
    first: dict[int, Citation] = {}
    for citation in sentence.citations:
        first.setdefault(citation.rank, citation)
    markers = "".join(
        marker_html(_id(name, rank, (cited.quote_start, cited.quote_end)), passages[rank], words)
        for rank, cited in sorted(first.items())
    )
    return f"{markers}{_sign(sentence.claim, words)}"


def _sign(claim: Claim | None, words: Words) -> str:
    """Return the verdict's sign; its word is read out always, and shown where the reader must look."""
    if claim is None:
        return ""
    told = str(getattr(words, f"{claim.label}_help")).format(confidence=f"{claim.confidence:.0%}")
    quiet = "con-sr" if claim.label == "supported" else "con-word"
    return (
        f'<span class="con-verdict con-{claim.label}" title="{escape(told)}"><span aria-hidden="true">'
        f'{_SIGNS[claim.label]}</span><span class="{quiet}">{escape(getattr(words, claim.label))}</span></span>'
    )


def _figure(figure: Figure, words: Words) -> Mark:
    """Return what is put around a figure: where it comes from, or the flag that no passage carries it."""
    if figure.rank is None:
        flag = f'<span class="con-flag">{escape(words.not_in_sources)}</span>'
        told = escape(words.not_in_sources_help)
        return Mark(figure.start, figure.end, f'<span class="con-unsourced" title="{told}">', f"{flag}</span>")
    told = escape(words.from_source.format(provenance=figure.provenance))
    return Mark(figure.start, figure.end, f'<span class="con-figure" title="{told}">', "</span>")


def _checked_line(verdict: Verdict, words: Words) -> str:
    """Return one line on the whole answer: how many of its sentences hold."""
    claims = len(verdict.claims)
    supported = sum(claim.label == "supported" for claim in verdict.claims)
    if not claims:
        return f'<p class="con-checked">{escape(words.unchecked)}</p>'
    if supported == claims:
        return f'<p class="con-checked"><span aria-hidden="true">✓</span> {escape(words.all_supported)}</p>'
    told = escape(words.some_supported.format(supported=supported, claims=claims))
    return f'<p class="con-checked con-doubt">{told}</p>'


def _source(name: str, passage: Passage, words: Words) -> str:
    return marker_html(f"{name}-{passage.rank}", passage, words, label=where_html(passage, words))


def _foot(answer: Answer, words: Words, notice: str) -> str:
    model = words.extractive if answer.model == "extractive" else answer.model
    seconds = answer.timings.get("total")
    spoke = words.spoke.format(model=model, seconds=f"{seconds:.2f}") if seconds is not None else model
    said = f'<p class="con-notice">{escape(notice)}</p>' if notice else ""
    return f'<div class="con-foot">{said}<p class="con-spoke">{escape(spoke)}</p></div>'
