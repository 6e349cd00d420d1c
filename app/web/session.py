"""What the pages share: settings in force, words, the conversation, one assistant for all sessions, faults as words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app.web.notes_html import fault_html
from app.web.words import ALL, Words
from rag.assistant import Assistant, Checked
from rag.errors import ConsiliumError, UserError
from rag.language import Language
from rag.schema import Message
from rag.settings import Settings, load_settings

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Turn:
    """One question of a conversation and what became of it: checked, stopped half-way, or failed."""

    question: str
    checked: Checked | None = None
    said: str = ""
    fault: str = ""


def settings_in_force() -> Settings:
    """Return the settings with what was chosen in the sidebar laid on top."""
    chosen = {key: st.session_state.get(f"con_{key}") for key in ("domain", "collection")}
    return load_settings(**{key: value for key, value in chosen.items() if value})


def page_language(settings: Settings) -> Language:
    """Return the language of the pages: as chosen, else as set, else as the browser prefers."""
    chosen = st.session_state.get("con_language")
    if chosen in ALL:
        return "zh" if chosen == "zh" else "en"
    preferred = settings.language if settings.language != "auto" else (st.context.locale or "en")
    return "zh" if preferred.lower().startswith("zh") else "en"


def page_words(settings: Settings) -> Words:
    """Return the words of the pages."""
    return ALL[page_language(settings)]


def turns(collection: str) -> list[Turn]:
    """Return the conversation about a collection; each has its own, as long as the browser tab lives."""
    conversations: dict[str, list[Turn]] = st.session_state.setdefault("con_turns", {})
    return conversations.setdefault(collection, [])


def history(past: list[Turn]) -> list[Message]:
    """Return the answered turns as chat messages, oldest first."""
    messages: list[Message] = []
    for turn in past:
        if turn.checked is not None and not turn.checked.answer.abstained:
            messages.append({"role": "user", "content": turn.question})
            messages.append({"role": "assistant", "content": turn.checked.answer.text})
    return messages


def assistant_of(settings: Settings) -> Assistant:
    """Return the assistant of the collection, one for all sessions with the same settings."""
    return _assistant(settings.collection, f"{settings.hash()} {settings.home}", settings)


def warm(settings: Settings) -> None:
    """Load the models before the first question, once for all sessions."""
    _warm(settings.collection, f"{settings.hash()} {settings.home}", settings)


@st.cache_resource(show_spinner=False)
def _warm(collection: str, key: str, _settings: Settings) -> bool:
    _assistant(collection, key, _settings).search("ready", 1)
    return True


@st.cache_resource(show_spinner=False, max_entries=16)
def _assistant(collection: str, key: str, _settings: Settings) -> Assistant:
    # What falls out of the cache is not closed here: another session may be in the middle of an answer with it.
    from rag.assemble import assemble

    return assemble(_settings, collection=collection)


def fault_of(error: Exception, words: Words) -> str:
    """Return what to show of an error; what nobody foresaw goes to the log with its traceback, not to the reader."""
    if isinstance(error, UserError):
        return fault_html(words.user_fault, str(error))
    if isinstance(error, ConsiliumError):
        return fault_html(words.fault, str(error))
    log.error("a page failed", exc_info=error)
    return fault_html(words.fault, words.bug.format(kind=type(error).__name__))


def guarded(run: Callable[[], None], words: Words) -> None:
    """Run a part of a page; a fault ends it as words."""
    try:
        run()
    except Exception as error:  # the outermost edge of the page
        st.html(fault_of(error, words))
