"""Judging a blinded sheet: a name, then pair after pair, each vote on the disk before the next pair is shown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.web.blind_html import asked_html, pair_html, rules_html
from app.web.blind_words import ALL, BlindWords
from app.web.notes_html import aside_html, done_html, fault_html, lead_html
from app.web.session import fault_of, page_language, page_words
from eval.ballot import CHOICES, LONGEST_NAME, LONGEST_REASON, Vote, cast, sheet_of, votes_by, votes_file
from rag.errors import UserError
from rag.settings import Settings

TOO_SOON = 0.5  # seconds: nobody reads two answers so fast; a key that is held down, or pressed twice, does
_KEYS = {"left": "1", "right": "2", "tie": "3", "both_bad": "4"}
# Each pair starts at its top, and Enter does not press the button of the last vote again.
_TOP = (
    "<script>/* {number} */document.querySelector('[data-testid=\"stMain\"]')?.scrollTo(0, 0);"
    "if (document.activeElement instanceof HTMLButtonElement) document.activeElement.blur();</script>"
)


def show(folder: Path, settings: Settings) -> None:
    """Draw the page for the sheet in `folder`."""
    words = ALL[page_language(settings)]
    sheet = folder / "sheet.jsonl"
    pairs = _sheet(str(folder), sheet.stat().st_mtime if sheet.is_file() else 0.0)
    name = st.query_params.get("annotator", "")
    _header(name, settings, words)
    if not _usable(folder, name):
        _ask_name(words)
        return
    votes = votes_by(folder, name)
    open_ = [place for place, pair in enumerate(pairs) if pair["item"] not in votes]
    at = st.session_state.get("con_at")
    if at is None or not 0 <= at < len(pairs):
        at = open_[0] if open_ else None
    done = len(pairs) - len(open_)
    if at is None:
        _thanks(name, len(pairs), words)
        return
    st.progress(done / len(pairs), text=words.progress.format(number=at + 1, done=done, total=len(pairs)))
    if votes and not st.session_state.get("con_voted"):
        told = words.welcome_back.format(name=name, done=done, total=len(pairs))
        st.html(done_html(told))
    st.html(_TOP.format(number=at), unsafe_allow_javascript=True)
    st.html(asked_html(pairs[at]) + pair_html(pairs[at], words, page_words(settings)))
    _buttons(folder, name, pairs, at, votes, settings)


@st.cache_data(show_spinner=False, max_entries=4)
def _sheet(folder: str, changed: float) -> list[dict[str, Any]]:
    return sheet_of(Path(folder))


def _usable(folder: Path, name: str) -> bool:
    try:
        votes_file(folder, name)
    except UserError:
        return False
    return True


def _header(name: str, settings: Settings, words: BlindWords) -> None:
    """Draw who judges and in which language."""
    st.session_state.setdefault("con_language", page_language(settings))
    languages = {"en": "English", "zh": "中文"}
    with st.container(key="con_judge", horizontal=True, vertical_alignment="center"):
        if name.strip():
            st.html(aside_html(words.judging_as.format(name=name)), width="content")
            st.button(words.other_person, key="con_other", type="tertiary", on_click=_leave)
        st.segmented_control(
            words.language_label,
            list(languages),
            key="con_language",
            format_func=languages.__getitem__,
            required=True,
            label_visibility="collapsed",
            on_change=_remember_language,
        )


def _remember_language() -> None:
    st.query_params["lang"] = st.session_state["con_language"]


def _leave() -> None:
    st.query_params.pop("annotator", None)
    for key in ("con_at", "con_voted", "con_shown", "con_name"):
        st.session_state.pop(key, None)


def _ask_name(words: BlindWords) -> None:
    st.html(lead_html(words.title, words.lead) + rules_html(words))
    with st.form("con_who", border=False, enter_to_submit=True):
        st.text_input(words.name, key="con_name", max_chars=LONGEST_NAME)
        st.html(aside_html(words.name_help))
        st.form_submit_button(words.start, type="primary", on_click=_enter)


def _enter() -> None:
    name = " ".join(str(st.session_state.get("con_name", "")).split())
    if name:
        st.query_params["annotator"] = name


def _thanks(name: str, total: int, words: BlindWords) -> None:
    st.html(lead_html(words.done.format(name=name), words.done_saved.format(total=total)))
    st.html(aside_html(words.done_results))
    st.button(words.look_again, key="con_again", type="tertiary", on_click=_go, args=(total - 1,))


def _buttons(
    folder: Path, name: str, pairs: Sequence[Mapping[str, Any]], at: int, votes: Mapping[str, Vote], settings: Settings
) -> None:
    """Draw the reason and the bar of votes; note when the pair was first shown."""
    words, item = ALL[page_language(settings)], pairs[at]["item"]
    before = votes.get(item)
    reason = f"con_reason_{at}"
    st.session_state.setdefault(reason, before.reason if before else "")
    st.text_input(words.reason, key=reason, max_chars=LONGEST_REASON, placeholder=words.reason_hint)
    with st.container(key="con_bar"):
        if fault := st.session_state.pop("con_fault", ""):
            st.html(fault)
        with st.container(key="con_vote", horizontal=True, gap="small"):
            for choice in CHOICES:
                st.button(
                    words.choices[choice],
                    key=f"con_{choice}_{at}",
                    type="primary" if before and before.choice == choice else "secondary",
                    shortcut=_KEYS[choice],
                    on_click=_vote,
                    args=(folder, name, item, choice, at, settings),
                    width="stretch",
                )
        with st.container(key="con_way", horizontal=True, vertical_alignment="center"):
            st.button(
                words.back, key="con_back", type="tertiary", shortcut="B", disabled=not at, on_click=_go, args=(at - 1,)
            )
            if before:
                st.button(words.onward, key="con_onward", type="tertiary", on_click=_go, args=(None,))
                st.html(aside_html(words.chosen.format(choice=words.choices[before.choice])), width="content")
    if st.session_state.get("con_shown", ("", 0.0))[0] != item:
        st.session_state["con_shown"] = (item, time.monotonic())


def _go(place: int | None) -> None:
    st.session_state["con_at"] = place


def _vote(folder: Path, name: str, item: str, choice: str, at: int, settings: Settings) -> None:
    """Put a vote on the disk and open the next pair; a vote that cannot be saved keeps its pair open."""
    words = ALL[page_language(settings)]
    shown, since = st.session_state.get("con_shown", ("", 0.0))
    seconds = time.monotonic() - since if shown == item else 0.0
    if shown == item and seconds < TOO_SOON:
        st.session_state["con_fault"] = aside_html(words.too_soon)
        return
    reason = str(st.session_state.get(f"con_reason_{at}") or "").strip()
    try:
        cast(folder, Vote(item, choice, name, round(seconds, 1), reason))
    except OSError as error:
        st.session_state["con_fault"] = fault_html(words.not_saved, str(error))
    except Exception as error:  # the outermost edge: a callback has no page around it
        st.session_state["con_fault"] = fault_of(error, page_words(settings))
    else:
        st.session_state["con_voted"] = True
        st.session_state["con_at"] = None
