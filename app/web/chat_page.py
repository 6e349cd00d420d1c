"""The chat: a question, its answer sentence by sentence, each with its source."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial
from typing import cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

from app.web.answer_html import answer_html
from app.web.escape import as_markdown
from app.web.notes_html import aside_html, lead_html, live_html, question_html, stopped_html, waiting_html
from app.web.page_shot import page_shots
from app.web.session import Turn, assistant_of, fault_of, history, page_words, settings_in_force, turns, warm
from app.web.sidebar import known_collections
from app.web.suggestions import suggestions
from app.web.words import Words
from rag.assistant import MAX_QUESTION, Delta, Event, Found
from rag.domain import load_preset
from rag.settings import Settings


def show(documents_page: Page) -> None:
    """Draw the chat; somebody without documents is led to `documents_page`."""
    settings = settings_in_force()
    words = page_words(settings)
    past = turns(settings.collection)
    if not past and not known_collections(settings)[settings.collection]:
        _empty(words, documents_page)
        return
    asked = st.chat_input(words.ask_here, key="con_input", max_chars=MAX_QUESTION, submit_mode="stop")
    asked = asked or st.session_state.pop("con_asked", None)
    welcome = st.empty()  # emptied at once by the first question
    if not past and not asked:
        with welcome.container():
            _welcome(settings, words)
    for number, turn in enumerate(past):
        _turn(turn, number, settings, words)
    if asked:
        _answer(asked, past, settings, words)
    if past:
        st.button(words.new_conversation, icon=":material/restart_alt:", type="tertiary", on_click=past.clear)
    else:
        warm(settings)  # while the reader reads and types


def _empty(words: Words, documents_page: Page) -> None:
    """Draw the first step of somebody without documents."""
    st.html(lead_html(words.empty_title, words.empty_body))
    if st.button(words.to_documents, type="primary", icon=":material/upload_file:"):
        st.switch_page(documents_page)


def _welcome(settings: Settings, words: Words) -> None:
    """Draw what can be asked, before the first question."""
    st.html(lead_html(words.start_title, words.start_body))
    st.html(aside_html(words.try_asking))
    for number, example in enumerate(_examples(settings, words)):
        st.button(as_markdown(example), key=f"con_example_{number}", on_click=_ask, args=(example,))


def _examples(settings: Settings, words: Words) -> tuple[str, ...]:
    from rag.assemble import open_collection

    with open_collection(settings) as index:
        return suggestions(index.documents(), index.chunks, words)


def _ask(question: str) -> None:
    st.session_state["con_asked"] = question


def _question(question: str) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        st.html(question_html(question))


def _turn(turn: Turn, number: int, settings: Settings, words: Words) -> None:
    _question(turn.question)
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        _said(st.empty(), turn, number, settings, words)


def _said(place: DeltaGenerator, turn: Turn, number: int, settings: Settings, words: Words) -> None:
    """Draw what became of a question."""
    if turn.checked is not None:
        answer = turn.checked.answer
        notice = load_preset(settings.domain).notice(words.language)
        drawn = partial(answer_html, answer, turn.checked.verdict, words, f"a{number}", notice=notice)
        place.html(drawn())  # the answer does not wait for the pictures of its pages
        if pages := page_shots(answer, words):
            place.html(drawn(pages=pages))
    elif turn.fault:
        place.html(turn.fault)
    else:
        place.html(stopped_html(turn.said, words.stopped))


def _draw(event: Event, turn: Turn, place: DeltaGenerator, words: Words) -> None:
    if isinstance(event, Found):
        place.html(waiting_html(words.reading))
    elif isinstance(event, Delta):
        turn.said += event.text
        place.html(live_html(turn.said))
    else:
        turn.checked = event


def _answer(question: str, past: list[Turn], settings: Settings, words: Words) -> None:
    """Answer a question before the reader's eyes and keep it, also when it is stopped half-way or fails."""
    turn = Turn(question)
    before = history(past)
    past.append(turn)
    _question(question)
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        place = st.empty()
        place.html(waiting_html(words.searching))
        try:
            events = assistant_of(settings).stream(question, history=before)
            with closing(cast("Generator[Event, None, None]", events)):  # a reader who stops it stops the model
                for event in events:
                    _draw(event, turn, place, words)
        except Exception as error:  # the outermost edge: the question stays, with what went wrong
            turn.fault = fault_of(error, words)
        _said(place, turn, len(past) - 1, settings, words)
