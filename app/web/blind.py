"""The page on which people judge a blinded sheet: `streamlit run` starts here. See `app.web.blind_launch`."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from app.web import blind_page
from app.web.blind_words import ALL
from app.web.session import fault_of, guarded, page_language, page_words, settings_in_force
from app.web.words import ALL as PAGE_WORDS
from rag.errors import SettingsError


def main() -> None:
    """Draw the page for the folder that the command line names."""
    st.set_page_config(page_title="Consilium 会诊", layout="wide")
    for name in ("style.css", "blind.css"):
        st.html(Path(__file__).with_name(name))
    if (language := st.query_params.get("lang")) in ALL:
        st.session_state.setdefault("con_language", language)
    try:
        settings = settings_in_force()
    except SettingsError as error:
        st.html(fault_of(error, PAGE_WORDS["en"]))
        return
    st.set_page_config(page_title=ALL[page_language(settings)].title)
    guarded(lambda: blind_page.show(Path(sys.argv[1]), settings), page_words(settings))


main()
