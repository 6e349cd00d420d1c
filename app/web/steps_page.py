"""The search, step by step: for whoever wants to know why a passage was found, or why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.explained import explained_json
from app.web.notes_html import aside_html, lead_html
from app.web.session import page_words, settings_in_force
from app.web.sidebar import known_collections
from app.web.steps_html import legs_html, order_html, popovers_html, time_html, understood_html
from app.web.steps_words import ALL, StepsWords
from app.web.words import Words
from rag.errors import UserError
from rag.explain import Explained
from rag.retrieve import MAX_QUERY_CHARS, Search
from rag.schema import Where
from rag.settings import Settings


def show() -> None:
    """Draw the page."""
    settings = settings_in_force()
    page = page_words(settings)
    words = ALL[page.language]
    st.html(Path(__file__).with_name("steps.css"))
    st.html(lead_html(words.title, words.lead))
    if not known_collections(settings)[settings.collection]:
        st.html(aside_html(page.list_empty))
        return
    chosen = _form(settings, words)
    query = str(chosen["query"]).strip()
    if query:
        with st.spinner(words.searching):
            found = _explained(settings, query, chosen, words)
        _draw(found, settings, words, page)


def _form(settings: Settings, words: StepsWords) -> Mapping[str, Any]:
    """Draw the query with its switches; return what is set. Pressing Enter searches."""
    retrieve = settings.retrieve
    with st.form("con_steps", border=False):
        query = st.text_input(
            words.query, key="con_steps_query", placeholder=words.query_hint, max_chars=MAX_QUERY_CHARS
        )
        with st.expander(words.options):
            where = st.text_area(words.where, key="con_steps_where", help=words.where_help, height=68)
            left, right = st.columns([1, 2])
            k = left.number_input(words.k, 1, 50, min(retrieve.k, 50), key="con_steps_k")
            names = list(words.modes)
            mode = right.selectbox(
                words.mode, names, names.index(retrieve.mode), format_func=words.modes.__getitem__, key="con_steps_mode"
            )
            switches = {
                name: st.toggle(label, value=getattr(retrieve, name) not in (False, "off"), key=f"con_steps_{name}")
                for name, label in words.switches.items()
            }
        st.form_submit_button(words.search, type="primary", icon=":material/search:")
    return {"query": query, "where": where, "k": int(k), "mode": mode, "switches": switches}


def _where(text: str, words: StepsWords) -> Where:
    """Return the filter that is written, a condition a line."""
    from rag.where import parse_where

    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return parse_where(lines)
    except UserError as error:
        raise UserError(words.where_wrong) from error


def _explained(settings: Settings, query: str, chosen: Mapping[str, Any], words: StepsWords) -> Explained:
    """Return the search explained, under what was chosen on the page.

    Raises:
        UserError: the filter is written wrong.
    """
    from rag.assemble import explanation

    where = _where(str(chosen["where"]), words)
    switches = dict(chosen["switches"])
    named = "shipped" if settings.retrieve.rerank == "off" else settings.retrieve.rerank
    switches["rerank"] = named if switches["rerank"] else "off"
    wanted = settings.retrieve.model_copy(update={"mode": chosen["mode"], **switches})
    settings = settings.model_copy(update={"retrieve": wanted})
    index = _index(settings.collection, str(settings.home), str(settings.store.uri), settings)
    search = _search(settings.collection, f"{settings.hash()} {settings.home} {settings.store.uri}", settings, index)
    return explanation(settings, index, query, chosen["k"], where, search)


@st.cache_resource(show_spinner=False, max_entries=4)
def _index(collection: str, home: str, uri: str, _settings: Settings) -> Any:
    """Return the collection, opened once for all sessions; what it loads at its first search is loaded here."""
    from rag.assemble import open_collection

    index = open_collection(_settings, collection)
    index.retrieve("ready", 1)
    return index


@st.cache_resource(show_spinner=False, max_entries=16)
def _search(collection: str, key: str, _settings: Settings, _index: Any) -> Search:
    """Return the search that the settings want, made once for all sessions; its models are loaded here."""
    from rag.assemble import search_of

    search = search_of(_settings, _index)
    search.retrieve("ready", 1)
    return search


def _draw(found: Explained, settings: Settings, words: StepsWords, page: Words) -> None:
    st.html(
        f'<div class="con-steps">{understood_html(found, words)}{time_html(found, words)}'
        f"{order_html(found, words, page)}{legs_html(found, words, page)}{popovers_html(found, words, page)}</div>"
    )
    told = words.index.format(
        name=settings.collection, chunks=f"{found.counts['chunks']:,}", generation=found.generation
    )
    st.html(aside_html(told))
    packed = json.dumps({"query": found.asked.query, **explained_json(found)}, ensure_ascii=False, indent=2)
    st.download_button(words.download, packed, "search.json", "application/json", icon=":material/download:")
