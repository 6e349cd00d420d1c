"""The collections of Consilium on one Milvus: the list of them, and how one is deleted."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from rag.errors import UnknownCollectionError
from rag.integrations.milvus.ledger import Ledger
from rag.integrations.milvus.server import Server, base_of, bases, chunks_of, records_of
from rag.integrations.milvus.writer import Writer


def list_collections(uri: str, token: str = "") -> list[dict[str, Any]]:
    """Return one row a collection in the order of names: name, documents, chunks, generation, embedder, path (uri)."""
    with closing(Server(uri, token)) as server:
        rows: list[dict[str, Any]] = []
        for base in bases(server):
            server.load(base)
            ledger = Ledger(server, base)
            state = ledger.state()
            if state:
                told = {"documents": len(ledger.every_head()), "chunks": state.chunks, "generation": state.generation}
                rows.append({"name": state.name, **told, "embedder": state.embedder, "path": server.uri})
    return sorted(rows, key=lambda row: str(row["name"]))


def delete_collection(uri: str, name: str, token: str = "") -> None:
    """Delete a collection with everything in it.

    Raises:
        UnknownCollectionError: it does not exist.
        LockedError: it is being written.
    """
    with closing(Server(uri, token)) as server:
        base = base_of(name)
        if base not in bases(server):
            raise unknown_collection(server, name)
        server.load(base)
        Writer(server, base, name)
        for one in (records_of(base), chunks_of(base)):
            server.call("drop_collection", one)


def unknown_collection(server: Server, name: str) -> UnknownCollectionError:
    """Return the error for a collection that is not there, naming those that are."""
    states = []
    for base in bases(server):
        server.load(base)
        states.append(Ledger(server, base).state())
    names = sorted(state.name for state in states if state)
    there = f"There are: {', '.join(names)}." if names else "There is none yet."
    return UnknownCollectionError(
        f"There is no collection {name!r} at {server.uri}. {there} Make it with: consilium ingest PATH -c {name}"
    )
