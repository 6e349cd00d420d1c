"""`consilium`: JSON on stdout with --json, words and progress on stderr otherwise; exit 0 ok, 1 user error, 2 bug."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from app.evaluate import evaluate
from app.options import Collection, Domain, Json, K, Llm, Mode, WhereOption, show
from app.tune import tune
from rag.errors import ConsiliumError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
docs = typer.Typer(no_args_is_help=True, help="Look at and delete documents.")
collections = typer.Typer(no_args_is_help=True, help="Look at and delete collections.")
fetch = typer.Typer(no_args_is_help=True, help="Fetch documents from public sources into a folder.")
settings_app = typer.Typer(no_args_is_help=True, help="What is set, and by what.")
app.add_typer(docs, name="docs")
app.add_typer(collections, name="collections")
app.add_typer(evaluate, name="eval")
app.add_typer(tune, name="tune")
app.add_typer(fetch, name="fetch")
app.add_typer(settings_app, name="settings")


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    collection: Collection = None,
    domain: Domain = None,
    prune: Annotated[bool, typer.Option("--prune", help="Delete documents whose file is gone.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on: keep the collection equal to the folders.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks of --watch.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Read documents into a collection; what did not change is left alone."""
    from app.intake import ingest_paths, report_words, watch_paths

    if not watch:
        report = ingest_paths(paths, collection, domain, prune=prune)
        show(report, as_json, report_words(report))
        return
    for report in watch_paths(paths, collection, domain, every=every):
        show(report, as_json, report_words(report), flush=True)


@fetch.command("edgar")
def fetch_edgar(
    company: Annotated[str, typer.Argument(help="Ticker or CIK.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the filings.")],
    contact: Annotated[str, typer.Option("--contact", help="Name and e-mail, which the SEC wants to know.")] = "",
    form: Annotated[list[str], typer.Option("--form", help="10-K, 10-Q, 8-K, ...; again for more.")] = ["10-K"],  # noqa: B006
    years: Annotated[Optional[str], typer.Option("--years", help="2022 or 2021-2023.")] = None,  # noqa: UP045
    limit: Annotated[Optional[int], typer.Option("--limit", min=1, help="The newest N.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Fetch filings of a company from the SEC's EDGAR, with their metadata, ready to ingest."""
    from app.intake import fetch_filings, fetched_words

    found = fetch_filings(company, out, forms=form, years=years, limit=limit, contact=contact)
    show(found, as_json, fetched_words(found))
    raise typer.Exit(bool(found["stopped"]))


@fetch.command("pubmed")
def fetch_pubmed(
    query: Annotated[str, typer.Argument(help="As typed into PubMed.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the articles.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=9999)] = 50,
    full_text: Annotated[bool, typer.Option("--full-text", help="Where PMC has it under an open licence.")] = False,
    contact: Annotated[str, typer.Option("--contact", help="Your e-mail, which NCBI asks for.")] = "",
    api_key: Annotated[Optional[str], typer.Option("--api-key", envvar="NCBI_API_KEY", help="Of NCBI.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Fetch articles from PubMed, with their metadata, ready to ingest."""
    from app.intake import fetch_articles, fetched_words

    found = fetch_articles(query, out, limit=limit, full_text=full_text, contact=contact, api_key=api_key)
    show(found, as_json, fetched_words(found))
    raise typer.Exit(bool(found["stopped"]))


@app.command()
def search(
    query: str,
    k: K = None,
    collection: Collection = None,
    where: WhereOption = [],  # noqa: B006  # typer reads the default, nobody writes to it
    mode: Mode = None,
    explain: Annotated[bool, typer.Option("--explain", help="How each passage was found, step by step.")] = False,
    as_json: Json = False,
) -> None:
    """Find passages."""
    from app.commands import search_passages

    found, words = search_passages(query, k=k, collection=collection, where=where, mode=mode, explain=explain)
    show(found, as_json, words)


@app.command()
def ask(
    question: str,
    collection: Collection = None,
    llm: Llm = None,
    domain: Domain = None,
    k: K = None,
    where: WhereOption = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, cited and checked, or say that they do not hold the answer."""
    from app.commands import ask_question

    overrides = {"llm": llm, "domain": domain}
    found, words = ask_question(question, overrides, k=k, collection=collection, where=where, stream=not as_json)
    show(found, as_json, words)


@docs.command("list")
def docs_list(collection: Collection = None, as_json: Json = False) -> None:
    """List the documents of a collection."""
    from app.commands import list_documents

    rows = list_documents(collection)
    words = "\n".join(
        f"{d['id'][:12]}  {d['language']}  {d['chunks']:>5} chunks  {d['source']}  {d['title']}" for d in rows
    )
    show({"documents": rows}, as_json, words or "no documents")


@docs.command("show")
def docs_show(document: str, collection: Collection = None, as_json: Json = False) -> None:
    """Show a document as it was parsed: its text, tables and chunks. DOCUMENT is an id, its beginning, or a source."""
    from app.commands import show_document

    found = show_document(document, collection)
    show(found, as_json, f"{found['title']}  ({found['source']})\n\n{found['text']}")


@docs.command("delete")
def docs_delete(document: str, collection: Collection = None, as_json: Json = False) -> None:
    """Delete a document: gone from search at once, from the disk after `docs compact`."""
    from app.commands import delete_document

    found = delete_document(document, collection)
    show(
        found,
        as_json,
        f"deleted {found['deleted']} ({found['chunks']} chunks); run `consilium docs compact` to free the disk",
    )


@docs.command("restore")
def docs_restore(collection: Collection = None) -> None:
    """Put the originals back into a text on stdin that holds pseudonyms of a collection."""
    from app.intake import restored

    sys.stdout.write(restored(sys.stdin.read(), collection))


@docs.command("compact")
def docs_compact(collection: Collection = None, as_json: Json = False) -> None:
    """Take deleted text off the disk and shrink the files."""
    from app.commands import compact_collection

    found = compact_collection(collection)
    known = found["bytes_before"] is not None  # a Milvus server does not tell
    words = f"{found['bytes_before']:,} -> {found['bytes_after']:,} bytes" if known else "compacted"
    show(found, as_json, words)


@collections.command("list")
def collections_list(as_json: Json = False) -> None:
    """List the collections."""
    from app.commands import all_collections

    rows = all_collections()
    words = "\n".join(f"{row['name']}  {row['documents']} documents  {row['chunks']} chunks" for row in rows)
    show({"collections": rows}, as_json, words or "no collections")


@collections.command("delete")
def collections_delete(name: str, as_json: Json = False) -> None:
    """Delete a collection with all its files."""
    from app.commands import drop_collection

    show(drop_collection(name), as_json, f"deleted {name}")


@app.command()
def chat(
    collection: Collection = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8501,
    host: Annotated[str, typer.Option("--host", help="127.0.0.1: this machine alone.")] = "127.0.0.1",
) -> None:
    """Open the chat in the browser."""
    from app.commands import start_chat

    start_chat(collection, host, port)


@app.command()
def warm() -> None:
    """Prepare the models of the settings now, so that the first question need not wait."""
    from app.commands import warm_models

    show({}, False, warm_models())


@settings_app.command("show")
def settings_show(as_json: Json = False) -> None:
    """Show the settings in force."""
    from app.commands import settings_in_force

    values = settings_in_force()
    show(values, as_json, json.dumps(values, ensure_ascii=False, indent=2))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the one place where every fault ends, as words and an exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, standalone_mode=False) or 0
    except ConsiliumError as error:
        code = complain(str(error), 1, arguments)
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = complain("stopped", 130, arguments)
    except Exception as error:  # the outermost edge: a bug, told as one
        code = _unexpected(error, arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def complain(message: str, code: int, arguments: Sequence[str]) -> int:
    """Say an error on stderr, and as JSON on stdout when JSON was asked for."""
    if "--json" in arguments:
        sys.stdout.write(json.dumps({"error": message}, ensure_ascii=False) + "\n")
    sys.stderr.write(f"consilium: {message}\n")
    return code


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    show_usage = getattr(error, "format_message", None)
    if show_usage is not None:  # a usage error of typer's
        return complain(f"{show_usage()} Try `consilium --help`.", 1, arguments)
    if os.environ.get("CONSILIUM_DEBUG"):
        raise error
    name = type(error).__name__
    hint = "This is a bug in Consilium; set CONSILIUM_DEBUG=1 to see where, and please report it."
    return complain(f"{name}: {error}. {hint}", 2, arguments)


if __name__ == "__main__":
    main()
