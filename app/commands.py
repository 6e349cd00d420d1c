"""What each command does: settings in, plain dictionaries out. Heavy imports stay inside the functions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rag.errors import GenerationError, UnknownCollectionError, UnknownDocumentError, UserError
from rag.settings import Settings, load_settings


def settings_of(**named: Any) -> Settings:
    """Return the settings with what the command line named laid on top."""
    return load_settings(**{key: value for key, value in named.items() if value is not None})


class ProgressBar:
    """A bar on stderr; `with ProgressBar() as progress` gives None when stderr is not a terminal."""

    def __enter__(self) -> Any:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:40.40}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("reading")
        return self._advance

    def _advance(self, done: int, total: int, what: str) -> None:
        self._bar.update(self._task, completed=done, total=total, description=what)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()


def search_passages(
    query: str,
    *,
    k: int | None,
    collection: str | None,
    where: Sequence[str],
    mode: str | None,
    explain: bool = False,
) -> tuple[dict[str, Any], str]:
    """Find passages; return the JSON and the words. With `explain`, each step of the search goes along."""
    from app.explained import explained_json, explained_words
    from app.render import passage_words, search_json
    from rag.assemble import explanation, open_collection, search_of
    from rag.where import parse_where

    wanted, k = parse_where(where), k or 10
    settings = settings_of(retrieve={"mode": mode} if mode else None)
    start = time.perf_counter()
    with open_collection(settings, collection) as index:
        opened = time.perf_counter()
        passages = search_of(settings, index).retrieve(query, k, where=wanted)
        searched = time.perf_counter()
        steps = explanation(settings, index, query, k, wanted) if explain else None
    timings = {"open": opened - start, "search": searched - opened}
    words = "\n".join(passage_words(passage) for passage in passages) or "nothing found"
    if steps is None:
        return search_json(query, passages, timings), words
    return {**search_json(query, passages, timings), "explain": explained_json(steps)}, explained_words(steps)


def ask_question(
    question: str,
    overrides: Mapping[str, Any],
    *,
    k: int | None,
    collection: str | None,
    where: Sequence[str],
    stream: bool,
) -> tuple[dict[str, Any], str]:
    """Answer a question; return the JSON and the words. With `stream`, a language model's words show as they come."""
    from app.render import answer_words, ask_json
    from rag.assemble import assemble
    from rag.assistant import Checked, Delta
    from rag.language import detect_language
    from rag.where import parse_where

    with assemble(settings_of(**overrides), collection=collection) as assistant:
        live = stream and assistant.model != "extractive" and sys.stderr.isatty()
        for event in assistant.stream(question, k=k, where=parse_where(where)):
            if isinstance(event, Checked):
                notice = assistant.manner.preset.notice(detect_language(question))
                return ask_json(event), answer_words(event, notice)
            if live and isinstance(event, Delta):
                sys.stderr.write(event.text)
                sys.stderr.flush()
    raise GenerationError("The answer ended before it was checked. Ask again.")


def list_documents(collection: str | None) -> list[dict[str, Any]]:
    """Return one row a source."""
    from rag.assemble import open_collection

    with open_collection(settings_of(), collection) as index:
        return index.documents()


def _find_document(index: Any, wanted: str) -> str:
    """Return the id of the document named by id, by the beginning of its id, or by source."""
    ids = {row["id"] for row in index.documents() if row["id"].startswith(wanted) or row["source"] == wanted}
    if len(ids) != 1:
        what = "No document" if not ids else f"{len(ids)} documents"
        raise UnknownDocumentError(
            f"{what} in {index.name!r} for {wanted!r}. See `consilium docs list -c {index.name}`."
        )
    return str(ids.pop())


def show_document(wanted: str, collection: str | None) -> dict[str, Any]:
    """Return a document with its text, tables and chunks."""
    from rag.assemble import open_collection

    with open_collection(settings_of(), collection) as index:
        document = index.document(_find_document(index, wanted))
        chunks = index.chunks(document.id)
    tables = [
        {"caption": t.caption, "unit": t.unit, "scale": t.scale, "currency": t.currency, "periods": list(t.periods)}
        | {"page": t.page, "rows": [[cell.text for cell in row] for row in t.rows]}
        for t in document.tables
    ]
    pieces = [
        {"id": c.id, "start": c.start, "end": c.end, "page": c.page, "kind": c.kind, "text": c.text} for c in chunks
    ]
    return {
        "id": document.id,
        "source": document.source,
        "title": document.title,
        "language": document.language,
        "metadata": dict(document.metadata),
        "pages": len(document.page_starts),
        "text": document.text,
        "tables": tables,
        "chunks": pieces,
    }


def delete_document(wanted: str, collection: str | None) -> dict[str, Any]:
    """Delete a document and make that durable."""
    from rag.assemble import open_collection

    settings = settings_of()
    with open_collection(settings, collection):
        pass  # reading must not make a collection that is not there
    with open_collection(settings, collection, writable=True) as index:
        doc_id = _find_document(index, wanted)
        chunks = index.delete(doc_id)
        index.commit()
    return {"deleted": doc_id, "chunks": chunks}


def compact_collection(collection: str | None) -> dict[str, Any]:
    """Take deleted text off the disk."""
    from rag.assemble import open_collection

    settings = settings_of()
    with open_collection(settings, collection) as index:
        before = index.stats().get("bytes")
    with open_collection(settings, collection, writable=True) as index:
        index.compact()
        return {"collection": index.name, "bytes_before": before, "bytes_after": index.stats().get("bytes")}


def all_collections() -> list[dict[str, Any]]:
    """Return one row a collection."""
    from rag.assemble import list_collections

    return list_collections(settings_of())


def drop_collection(name: str) -> dict[str, Any]:
    """Delete a collection with all its files, and the vault of its pseudonyms."""
    from app.intake import vault_path
    from rag.assemble import delete_collection

    settings = settings_of()
    vault = vault_path(settings, name)
    try:
        delete_collection(settings, name)
    except UnknownCollectionError:
        if not vault.exists():  # else an earlier deletion was cut short before its vault went
            raise
    for suffix in ("", "-journal", "-wal", "-shm"):
        vault.with_name(vault.name + suffix).unlink(missing_ok=True)
    return {"deleted": name}


def start_chat(collection: str | None, host: str, port: int) -> None:
    """Serve the chat until it is stopped."""
    from app.web.launch import streamlit_args

    arguments = streamlit_args(settings_of(collection=collection), host=host, port=port)
    environment = {"CONSILIUM_COLLECTION": collection} if collection else {}
    run_streamlit(arguments, f"Consilium is at http://{host}:{port}  (Ctrl-C stops it)", environment)


def run_streamlit(arguments: Sequence[str], greeting: str, environment: Mapping[str, str] | None = None) -> None:
    """Run the Streamlit server in a process of its own until it is stopped.

    Raises:
        UserError: it ended by itself.
    """
    from rag.errors import require

    require("streamlit", extra="ui")
    sys.stderr.write(f"{greeting}\n")
    command = [sys.executable, "-m", "streamlit", *arguments]
    code = subprocess.call(command, env={**os.environ, **(environment or {})})
    if code not in (0, 130, -2):
        raise UserError(f"The page ended with code {code}. Is the port free? Name another with --port.")


def warm_models() -> str:
    """Export and load the embedder of the settings (and the language model, when one is set)."""
    from rag.assemble import embedder_of, generator_of

    settings = settings_of()
    vector = embedder_of(settings).embed_query("ready")
    said = f"embedder {settings.embed.model}: {len(vector)} dimensions, cached in {settings.cache}"
    generator = generator_of(settings)
    if generator is not None:
        words = "".join(generator.stream([{"role": "user", "content": "Say: ready."}]))
        said += f"\nmodel {generator.name}: {words.strip()[:60]!r}"
    return said


def settings_in_force() -> dict[str, Any]:
    """Return the settings with their hash; keys are masked."""
    settings = settings_of()
    return {**settings.model_dump(mode="json"), "hash": settings.hash()}
