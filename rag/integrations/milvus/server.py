"""One Milvus, inside this process (Milvus Lite, a file) or away (a server or cluster): connection, schemas, errors.

A collection is two collections there: `..._chunks`, which is searched, and `..._records`, which says what is in it.
Everything is read with strong consistency: a reader sees every commit at its next call, and waits for it where a
cluster lags behind.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rag.errors import LockedError, SettingsError, StoreError, require
from rag.schema import content_id

MOST_BYTES: Final = 65_535
"""UTF-8 bytes in one field of text; Milvus' own bound."""
MOST_FOUND: Final = 16_384
"""Rows of one answer; Milvus' own bound."""
BATCH: Final = 1_000
_PREFIX: Final = "consilium_"
_TIMEOUT: Final = 30.0
_REMOTE: Final = re.compile(r"(https?|tcp)://[^\s/]+.*", re.ASCII)
_USERS: Counter[str] = Counter()
_MUTEX: Final = threading.Lock()


class Server:
    """A connection; close it. The file of Milvus Lite is let go with the last connection of this process.

    Args:
        uri: a file that ends in ".db" (Milvus Lite), or http(s)://host:port.
        token: "user:password" or the key of a server that wants one.

    Raises:
        SettingsError: `uri` is neither.
        LockedError: another process has the file open.
        StoreError: the server cannot be reached.
        MissingExtraError: pymilvus is not installed.
    """

    def __init__(self, uri: str, token: str = "") -> None:
        self.lite = not _REMOTE.fullmatch(uri)
        if self.lite and not (uri.endswith(".db") and "://" not in uri):
            raise SettingsError(
                f"store.uri = {uri!r} names no Milvus. Allowed are a file ending in '.db' (Milvus Lite, in this "
                "process) and http(s)://HOST:PORT (a server). Unset it to keep collections in folders."
            )
        self.uri = str(Path(uri).expanduser().absolute()) if self.lite else uri
        require("pymilvus", extra="milvus")
        if self.lite:
            require("milvus_lite", extra="milvus")
            Path(self.uri).parent.mkdir(parents=True, exist_ok=True)
        self._client = self._connect(token)

    def _connect(self, token: str) -> Any:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException

        for name in ("pymilvus", "milvus_lite"):  # what they log is raised, too
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        with _MUTEX:
            try:
                client = MilvusClient(self.uri, token=token, timeout=_TIMEOUT)
            except MilvusException as error:
                if self.lite:
                    raise LockedError(
                        f"{self.uri} cannot be opened: another process has it open, or it is no file of Milvus Lite. "
                        "Close the other one; for several processes at once run a Milvus server and set store.uri to "
                        "its address."
                    ) from error
                raise self._away(error) from error
            _USERS[self.uri] += 1
        return client

    def close(self) -> None:
        """Let go; harmless when done twice."""
        if self._client is None:
            return
        with _MUTEX:
            self._client.close()
            self._client = None
            _USERS[self.uri] -= 1
            if self.lite and not _USERS[self.uri]:
                from milvus_lite.server_manager import server_manager_instance

                server_manager_instance.release_server(self.uri)

    def size(self) -> int | None:
        """Return the bytes of the file of Milvus Lite with all its collections; a server does not tell."""
        files = (path.stat().st_size for path in Path(self.uri).rglob("*") if path.is_file())
        return sum(files) if self.lite else None

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the client.

        Raises:
            StoreError: the server refused or cannot be reached.
        """
        import grpc
        from pymilvus.exceptions import MilvusException

        if self._client is None:
            raise StoreError(f"The connection to {self.uri} is closed. Open the collection again.")
        try:
            return getattr(self._client, method)(*arguments, timeout=_TIMEOUT, **named)
        except (MilvusException, grpc.RpcError) as error:
            raise self._away(error) from error

    def query(self, collection: str, condition: str, fields: list[str]) -> list[dict[str, Any]]:
        """Return every row that matches, in no order. Few are asked for once; an iterator looks several times."""
        rows = list(self.call("query", collection, filter=condition, output_fields=fields, limit=BATCH))
        if len(rows) < BATCH:
            return rows
        return [row for rows in self.pages(collection, condition, fields) for row in rows]

    def pages(self, collection: str, condition: str, fields: list[str]) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows that match, a batch at a time."""
        pages = self.call("query_iterator", collection, batch_size=BATCH, filter=condition, output_fields=fields)
        try:
            while rows := list(pages.next()):
                yield rows
        finally:
            pages.close()

    def get(self, collection: str, keys: list[str], fields: list[str]) -> list[dict[str, Any]]:
        """Return the rows of these primary keys that are there, in no order."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(keys), BATCH):
            ids = keys[start : start + BATCH]
            found += self.call("get", collection, ids=ids, output_fields=fields)
        return found

    def make(self, base: str, dimension: int) -> None:
        """Make the two collections of one; those that are there already stay."""
        from pymilvus import DataType, MilvusClient

        there = self.call("list_collections")
        if chunks_of(base) not in there:
            self._create(chunks_of(base), self._chunks(dimension), "meaning", ("doc", "born"))
        if records_of(base) not in there:
            schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("pk", DataType.VARCHAR, max_length=64, is_primary=True)
            for name, length in (("kind", 16), ("key", 2048), ("doc", 64), ("series", 64), ("body", MOST_BYTES)):
                schema.add_field(name, DataType.VARCHAR, max_length=length)
            schema.add_field("born", DataType.INT64)
            schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)  # Milvus wants a vector in every collection
            self._create(records_of(base), schema, "nothing", ("kind", "key", "doc", "series"))

    def load(self, base: str) -> None:
        """Make the two collections ready to be searched."""
        for name in (chunks_of(base), records_of(base)):
            self.call("load_collection", name)

    def _chunks(self, dimension: int) -> Any:
        from pymilvus import DataType, Function, FunctionType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("pk", DataType.VARCHAR, max_length=64, is_primary=True)
        schema.add_field("doc", DataType.VARCHAR, max_length=64)
        schema.add_field("key", DataType.VARCHAR, max_length=64)
        schema.add_field("born", DataType.INT64)
        schema.add_field("place", DataType.INT64)
        schema.add_field("text", DataType.VARCHAR, max_length=MOST_BYTES)
        schema.add_field("chunk", DataType.VARCHAR, max_length=MOST_BYTES)
        schema.add_field("facets", DataType.JSON)
        # The terms come ready, cut as everywhere in Consilium; Lite has no tokenizer for white space, but one for words
        tokenizer = {"tokenizer": "standard" if self.lite else "whitespace"}
        terms = {"max_length": MOST_BYTES, "enable_analyzer": True, "enable_match": True, "analyzer_params": tokenizer}
        schema.add_field("terms", DataType.VARCHAR, **terms)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field("meaning", DataType.FLOAT_VECTOR, dim=dimension)
        schema.add_function(Function("bm25", FunctionType.BM25, ["terms"], ["words"]))
        return schema

    def _create(self, name: str, schema: Any, vector: str, scalars: tuple[str, ...]) -> None:
        from pymilvus import MilvusClient

        self.call("create_collection", name, schema=schema, consistency_level="Strong")
        indexes = MilvusClient.prepare_index_params()
        indexes.add_index(vector, index_type="FLAT" if self.lite else "AUTOINDEX", metric_type="IP")
        if vector == "meaning":
            tuned = {"bm25_k1": 1.2, "bm25_b": 0.75}  # as in the lexical leg of a folder
            told = {"params": tuned} if self.lite else tuned  # Lite reads them in the older place and else passes over
            indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params=told)
        for field in scalars:
            indexes.add_index(field, index_type="INVERTED")
        self.call("create_index", name, indexes, sync=False)

    def _away(self, error: Exception) -> StoreError:
        told = str(getattr(error, "message", "") or error).splitlines()[0]
        step = "Free some space, then do it again." if self.lite else "See that it runs and that store.uri is right."
        return StoreError(f"Milvus at {self.uri} did not do what was asked: {told}. {step}")


def base_of(name: str) -> str:
    """Return what the two collections of one are called, without their endings: letters, digits and signs it allows."""
    return f"{_PREFIX}{re.sub('[^A-Za-z0-9_]', '_', name)[:64]}_{content_id(name)[:8]}"


def chunks_of(base: str) -> str:
    """Return the name of the collection that is searched."""
    return f"{base}_chunks"


def records_of(base: str) -> str:
    """Return the name of the collection that says what is in it."""
    return f"{base}_records"


def bases(server: Server) -> list[str]:
    """Return the bases of all collections of Consilium there."""
    names = [name for name in server.call("list_collections") if name.startswith(_PREFIX)]
    return sorted(name.removesuffix("_records") for name in names if name.endswith("_records"))
