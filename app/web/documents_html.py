"""Documents and the report of an upload as HTML. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.web.escape import escape
from app.web.passage_html import chunk_html, html_language, short_source
from app.web.words import Words
from rag.schema import Chunk


def document_html(row: Mapping[str, Any], words: Words) -> str:
    """Return one document of the list: title, file, and what is known of it."""
    title = str(row["title"] or row["source"])
    facts = [
        words.languages.get(str(row["language"]), str(row["language"])),
        words.pages.format(pages=f"{row['pages']:,}") if row["pages"] else "",
        words.chunks.format(chunks=f"{row['chunks']:,}"),
        words.added.format(date=f"{datetime.fromtimestamp(float(row['added_at'])):%Y-%m-%d}"),
    ]
    told = " · ".join(escape(fact) for fact in facts if fact)
    source = str(row["source"])
    path = f'<span class="con-path" title="{escape(source)}">{escape(short_source(source))}</span>'
    source = path if title != source else ""
    return (
        f'<div class="con-document"><b lang="{html_language(title)}">{escape(title)}</b>{source}'
        f'<span class="con-facts">{told}</span></div>'
    )


def report_html(report: Mapping[str, Any], words: Words) -> str:
    """Return what became of an upload, with the reason of every file that could not be read."""
    failed = report["failed"]
    counts = words.done_counts.format(
        documents=f"{report['documents'] - report['updated']:,}",
        updated=f"{report['updated']:,}",
        unchanged=f"{report['unchanged']:,}",
        failed=f"{len(failed):,}",
    )
    head = escape(words.done.format(seconds=f"{report['seconds']:.1f}"))
    done = f'<div class="con-done" role="status"><strong>{head}</strong><br>{escape(counts)}</div>'
    notes = [(item["source"], item["what"]) for item in report.get("warnings", ())]
    notes += [(item["source"], f"= {item['of']}") for item in report.get("duplicates", ())]
    faults = _listed("con-fault", words.failed_title, [(item["source"], item["reason"]) for item in failed])
    return done + faults + _listed("con-done", words.notes_title, notes)


def _listed(style: str, title: str, items: Sequence[tuple[str, str]]) -> str:
    """Return a box of sources, each with what is said of it; nothing where there are none."""
    if not items:
        return ""
    told = "".join(f"<li><b>{escape(str(source))}</b>: {escape(str(what))}</li>" for source, what in items)
    role = "alert" if style == "con-fault" else "status"
    return f'<div class="{style}" role="{role}"><strong>{escape(title)}</strong><ul>{told}</ul></div>'


def chunks_html(chunks: Sequence[Chunk], words: Words) -> str:
    """Return passages of one document as they were read, with page, headings and kind."""
    items = []
    for chunk in chunks:
        page = words.page.format(page=chunk.page) if chunk.page else ""
        facts = " · ".join(escape(fact) for fact in (page, " › ".join(chunk.headings)) if fact)
        kind = escape(words.passage_kinds[chunk.kind])
        items.append(
            f'<li><span class="con-facts"><span class="con-kind">{kind}</span> {facts}</span>'
            f"{chunk_html(chunk, words)}</li>"
        )
    return f'<ol class="con-chunks">{"".join(items)}</ol>'


def streamlit_css(words: Words) -> str:
    """Return the style that gives Streamlit's own buttons, which speak English only, the words of the page."""
    button = '[data-testid="stFileUploaderDropzone"] button p'
    live = '.stApp[data-test-script-state="notRunning"] .con-live'  # stopped half-way: nothing more can be drawn
    stop = '[data-testid="stStatusWidget"] button'
    return (
        f"<style>{button} {{ font-size: 0; }} {button}::after {{ content: '{words.choose_files}'; font-size: 1rem; }}"
        f"{stop} {{ font-size: 0; }} {stop}::after {{ content: '{words.stop}'; font-size: 1rem; }}"
        f"{live}::after {{ content: '{words.stopped}'; display: block; font-size: 0.875rem; color: var(--con-doubt); }}"
        '[data-testid="stFileUploaderDropzoneInstructions"] { display: none; }</style>'
    )
