"""The documents: add, list, read, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.web.documents_html import chunks_html, document_html, report_html
from app.web.escape import as_markdown
from app.web.notes_html import aside_html, done_html, lead_html
from app.web.session import fault_of, page_words, settings_in_force
from app.web.sidebar import known_collections
from app.web.uploads import on_disk
from app.web.words import Words
from rag.schema import content_id
from rag.settings import Settings

T = TypeVar("T")
Report = dict[str, Any]

PAGE = 20  # documents on one page of the list
CHUNKS = 10  # passages on one page of a document


def show() -> None:
    """Draw the documents of the collection."""
    settings = settings_in_force()
    words = page_words(settings)
    _add(settings, words)
    st.html(lead_html(words.list_title.format(collection=settings.collection)))
    if said := st.session_state.pop("con_deleted", ""):
        st.html(done_html(words.deleted.format(name=said)))
    if known_collections(settings)[settings.collection]:
        _list(settings, words)
    else:
        st.html(aside_html(words.list_empty))


def _add(settings: Settings, words: Words) -> None:
    """Draw the upload; when its button is pressed, read the files with a bar that moves."""
    st.html(lead_html(words.add_title, words.add_help))
    batch = st.session_state.setdefault("con_batch", 0)
    label = words.drop_here.format(megabytes=settings.chunk.max_file_mb)
    files = st.file_uploader(label, accept_multiple_files=True, key=f"con_upload_{words.language}_{batch}")
    if files and st.button(as_markdown(words.add_button.format(collection=settings.collection)), type="primary"):
        bar = st.progress(0.0)
        try:
            st.session_state["con_report"] = _ingest(files, settings, words, bar.progress)
            st.session_state["con_batch"] = batch + 1
        except Exception as error:  # the outermost edge: the files stay chosen, so that they can be tried again
            bar.empty()
            st.html(fault_of(error, words))
            return
        st.rerun()
    report = st.session_state.get("con_report")
    if report and report["collection"] == settings.collection and not files:
        st.html(report_html(report, words))


def _ingest(files: list[UploadedFile], settings: Settings, words: Words, bar: Callable[[float, str], object]) -> Report:
    """Read uploaded files into the collection and return what became of them."""
    from app.intake import ingest_options
    from ingest.pipeline import ingest
    from rag.assemble import embedder_of, open_collection

    def progress(done: int, total: int, what: str) -> None:
        told = words.adding.format(name=Path(what).name, done=min(done + 1, total), total=total)
        bar(done / max(total, 1), as_markdown(told if done < total else words.saving))

    embedder = embedder_of(settings)
    with (
        on_disk(files) as paths,
        ingest_options(settings, embedder, base=paths[0].parent) as options,
        open_collection(settings, writable=True, embedder=embedder) as index,
    ):
        found = ingest(paths, index, options=options, progress=progress).as_json()
    return {**found, "collection": settings.collection}


def _list(settings: Settings, words: Words) -> None:
    """Draw the documents that match the filter, a page at a time."""
    from rag.assemble import open_collection

    with open_collection(settings) as index:
        rows = index.documents()
    text = st.text_input(words.filter_documents, key="con_filter").strip()
    wanted = text.casefold()
    rows = [row for row in rows if wanted in f"{row['title']}\n{row['source']}".casefold()]
    if not rows:
        st.html(aside_html(words.none_match.format(text=text)))
    for row in pager("con_page", rows, PAGE, words):
        with st.container(border=True, gap=None, key=f"con_doc_{content_id(row['source'])}"):
            _row(row, settings, words)


def _row(row: Mapping[str, Any], settings: Settings, words: Words) -> None:
    st.html(document_html(row, words))
    key = content_id(row["source"])
    with st.container(horizontal=True, gap="small"):
        if st.button(words.read, key=f"con_read_{key}", icon=":material/article:", type="tertiary"):
            st.session_state["con_chunk_page"] = 0
            st.dialog(words.read_title, width="medium")(_read)(row, settings, words)
        if st.button(words.delete, key=f"con_delete_{key}", icon=":material/delete:", type="tertiary"):
            st.dialog(words.delete_title)(_delete)(row, settings, words)


def pager(key: str, items: Sequence[T], size: int, words: Words) -> Sequence[T]:
    """Draw the turning of pages where there is more than one, and return the items of the page that is open."""
    pages = max(1, -(-len(items) // size))
    page = min(int(st.session_state.setdefault(key, 0)), pages - 1)
    first, last = page * size, min((page + 1) * size, len(items))
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            _turn_page(words.earlier, key, page - 1, disabled=page == 0)
            told = words.range_of.format(first=f"{first + 1:,}", last=f"{last:,}", total=f"{len(items):,}")
            st.html(aside_html(told), width="content")
            _turn_page(words.later, key, page + 1, disabled=page == pages - 1)
    return items[first:last]


def _turn_page(label: str, key: str, page: int, *, disabled: bool) -> None:
    def turn() -> None:
        st.session_state[key] = page

    st.button(label, key=f"{key}_{label}", on_click=turn, disabled=disabled)


def _read(row: Mapping[str, Any], settings: Settings, words: Words) -> None:
    """Draw a document as it was read, passage by passage."""
    from rag.assemble import open_collection

    with open_collection(settings) as index:
        chunks = index.chunks(row["id"])
    st.html(document_html(row, words))
    st.html(chunks_html(pager("con_chunk_page", chunks, CHUNKS, words), words))


def _delete(row: Mapping[str, Any], settings: Settings, words: Words) -> None:
    """Ask before deleting; then delete, and take the text off the disk."""
    from rag.assemble import open_collection

    st.html(document_html(row, words))
    st.html(aside_html(words.delete_ask))
    with st.container(horizontal=True):
        sure = st.button(words.delete, type="primary", key="con_delete_sure")
        if st.button(words.keep, key="con_delete_not"):
            st.rerun()
    if not sure:
        return
    try:
        with st.spinner(words.saving), open_collection(settings, writable=True) as index:
            index.delete_source(row["source"])
            index.commit()
            st.session_state["con_deleted"] = row["title"] or row["source"]
            index.compact()
    except Exception as error:  # the outermost edge: a dialog has no page around it
        st.html(fault_of(error, words))
        return
    st.rerun()
