"""A collection on Milvus: the same `Index` as a folder, for more than one machine holds.

Reading order: `collection` (the Index), `search` (both legs), `intake` and `ledger` (how a commit is made of rows),
`rows` (what is written), `server` (connection and schemas).
"""

from __future__ import annotations

from rag.integrations.milvus.collection import MilvusCollection
from rag.integrations.milvus.shelf import delete_collection, list_collections

__all__ = ["MilvusCollection", "delete_collection", "list_collections"]
