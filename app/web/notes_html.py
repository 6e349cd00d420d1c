"""The small boxes and lines of the pages. Pure: plain text in, HTML out."""

from __future__ import annotations

from app.web.escape import escape
from app.web.passage_html import html_language


def lead_html(title: str, body: str = "") -> str:
    """Return a heading with the sentence below it."""
    said = f'<p class="con-lead">{escape(body)}</p>' if body else ""
    return f'<p class="con-lead-title" role="heading" aria-level="2">{escape(title)}</p>{said}'


def aside_html(text: str) -> str:
    """Return a quiet line."""
    return f'<p class="con-aside">{escape(text)}</p>'


def waiting_html(text: str) -> str:
    """Return the line that says what is being done; read out when it changes."""
    return f'<p class="con-aside con-live" role="status">{escape(text)}</p>'


def done_html(text: str) -> str:
    """Return a box that says something is done."""
    return f'<div class="con-done" role="status">{escape(text)}</div>'


def fault_html(title: str, message: str) -> str:
    """Return a fault as a calm box."""
    return f'<div class="con-fault" role="alert"><strong>{escape(title)}</strong>{escape(message)}</div>'


def question_html(text: str) -> str:
    """Return the reader's own question."""
    return f'<div class="con-asked" lang="{html_language(text)}">{escape(text)}</div>'


def live_html(text: str) -> str:
    """Return an answer that is still being spoken."""
    return f'<div class="con-said con-live" lang="{html_language(text)}">{escape(text)}</div>'


def stopped_html(text: str, why: str) -> str:
    """Return an answer that was stopped half-way, and the line that says so."""
    said = f'<div class="con-said" lang="{html_language(text)}">{escape(text)}</div>' if text else ""
    return f'{said}<p class="con-checked con-doubt">{escape(why)}</p>'
