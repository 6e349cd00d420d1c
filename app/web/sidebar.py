"""The sidebar: which documents, which field, which language, who answers."""

from __future__ import annotations

import streamlit as st

from app.web.notes_html import aside_html
from app.web.session import fault_of, page_language, page_words, settings_in_force
from app.web.words import Words
from rag.settings import Settings


def known_collections(settings: Settings) -> dict[str, int]:
    """Return the number of documents by collection; the one of the settings is there even before it is made."""
    from rag.assemble import list_collections

    found = {str(row["name"]): int(row["documents"]) for row in list_collections(settings)}
    return found if settings.collection in found else {settings.collection: 0, **found}


def show() -> None:
    """Draw the sidebar."""
    settings = settings_in_force()
    words = page_words(settings)
    collections = known_collections(settings)
    names = list(collections)
    st.session_state.setdefault("con_collection", settings.collection)
    st.selectbox(words.collection, names, key="con_collection", help=words.collection_help)
    count = words.document_count.format(documents=f"{collections[st.session_state['con_collection']]:,}")
    st.html(aside_html(count))
    _new_collection(settings, words)
    _field(settings, words)
    st.session_state.setdefault("con_language", page_language(settings))
    languages = {"en": "English", "zh": "中文"}
    st.segmented_control(
        words.language_label, list(languages), key="con_language", format_func=languages.__getitem__, required=True
    )
    speaker = words.extractive if settings.llm.name == "extractive" and not settings.llm.url else settings.llm.name
    st.html(aside_html(f"{words.answered_by}: {speaker}"))


def _field(settings: Settings, words: Words) -> None:
    """Draw the choice of the field, one widget a language: the browser knows an option by its label alone."""
    fields = list(words.fields)
    key = f"con_field_{words.language}"

    def choose() -> None:
        st.session_state["con_domain"] = st.session_state[key]

    index = fields.index(settings.domain)
    st.selectbox(words.field, fields, index, words.fields.__getitem__, key=key, on_change=choose)


def _new_collection(settings: Settings, words: Words) -> None:
    with st.popover(words.new_collection, icon=":material/add:", type="tertiary"):
        st.text_input(words.new_collection_name, key="con_new", help=words.new_collection_rule, max_chars=64)
        st.caption(words.new_collection_rule)
        st.button(words.create, on_click=_create, args=(settings, words))
    if fault := st.session_state.pop("con_new_fault", ""):
        st.html(fault)


def _create(settings: Settings, words: Words) -> None:
    """Make the collection that was named and open it; a fault is kept for the next drawing."""
    from rag.assemble import open_collection

    name = str(st.session_state.get("con_new", "")).strip()
    if not name:
        return
    try:
        with open_collection(settings, name, writable=True):
            pass
    except Exception as error:  # the outermost edge: a callback has no page around it
        st.session_state["con_new_fault"] = fault_of(error, words)
        return
    st.session_state["con_collection"] = name
    st.session_state["con_new"] = ""
