"""The command line of the page on which people judge a blinded sheet."""

from __future__ import annotations

from pathlib import Path

from app.web.launch import streamlit_args
from rag.settings import Settings

PAGE = Path(__file__).with_name("blind.py")


def blind_args(settings: Settings, folder: Path | str, *, host: str = "127.0.0.1", port: int = 8502) -> list[str]:
    """Return what follows `python -m streamlit` to judge the sheet in `folder`: the page, its flags, the folder.

    The page has no sign-in: whoever reaches it can vote under any name.
    """
    return [*streamlit_args(settings, host=host, port=port, page=PAGE), "--", str(Path(folder).resolve())]
