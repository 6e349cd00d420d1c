"""The pages of Consilium: `streamlit run` starts here. See `app.web.launch` for its flags."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.web import chat_page, documents_page, sidebar, steps_page
from app.web.documents_html import streamlit_css
from app.web.session import fault_of, guarded, page_words, settings_in_force
from app.web.steps_words import ALL as STEPS
from app.web.words import ALL
from rag.errors import SettingsError

# Drawn here: an icon by name would be fetched from the network by the browser.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32">'
    '<rect width="32" height="32" rx="7" fill="#0b5f63"/>'
    '<path d="M8 11h16M8 16h16M8 21h7" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/>'
    '<path d="M18 21.5l2.5 2.5 4.5-5" stroke="#ffe9a3" stroke-width="2.4" fill="none" stroke-linecap="round"/></svg>'
)


def main() -> None:
    """Draw the page that is asked for, with the sidebar beside it."""
    st.set_page_config(page_title="Consilium 会诊", page_icon=ICON, layout="centered")
    st.html(Path(__file__).with_name("style.css"))
    try:
        words = page_words(settings_in_force())
    except SettingsError as error:
        st.html(fault_of(error, ALL["en"]))
        return
    st.set_page_config(menu_items={"About": words.about})
    documents = st.Page(documents_page.show, title=words.documents, icon=":material/folder_open:", url_path="documents")
    chat = st.Page(
        lambda: chat_page.show(documents), title=words.chat, icon=":material/forum:", url_path="chat", default=True
    )
    steps = st.Page(
        steps_page.show, title=STEPS[words.language].title, icon=":material/manage_search:", url_path="search"
    )
    page = st.navigation([chat, documents, steps])
    st.html(streamlit_css(words))
    with st.container(key="con_narrow", horizontal=True):  # a narrow screen shows these instead of the sidebar's
        st.page_link(chat)
        st.page_link(documents)
        st.page_link(steps)
    with st.sidebar:
        guarded(sidebar.show, words)
    guarded(page.run, page_words(settings_in_force()))


main()
