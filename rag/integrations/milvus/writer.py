"""Who writes to a collection on Milvus: a row that names the writer and says until when.

Milvus cannot compare and swap, so that two who begin at the same instant may both get in; each looks again before it
commits. Whoever was killed is known by its process on the same machine, elsewhere by its time being up.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from typing import Any, Final

from rag.encoding import dumps
from rag.errors import LockedError
from rag.integrations.milvus.rows import record
from rag.integrations.milvus.server import Server, records_of

_SECONDS: Final = 600.0
_PK: Final = "writer"
_LIVE: Final[set[str]] = set()
"""Writers of this process."""


class Writer:
    """The right to write, as far as the others look.

    Raises:
        LockedError: another one is writing.
    """

    def __init__(self, server: Server, base: str, name: str) -> None:
        self._server = server
        self._records = records_of(base)
        self._name = name
        self._token = uuid.uuid4().hex
        holder = self._holder()
        if holder and _at_work(holder):
            raise self._refused(holder)
        self._write()
        self.check()
        _LIVE.add(self._token)

    def check(self) -> None:
        """See that nobody else has taken over, and go on for another while.

        Raises:
            LockedError: somebody has.
        """
        holder = self._holder()
        if holder is None or holder["token"] != self._token:
            raise self._refused(holder or {})
        if holder["until"] - time.time() < _SECONDS / 2:
            self._write()

    def release(self) -> None:
        """Let others write; harmless when somebody has taken over."""
        _LIVE.discard(self._token)
        holder = self._holder()
        if holder and holder["token"] == self._token:
            self._server.call("delete", self._records, ids=[_PK])

    def _write(self) -> None:
        who = {"token": self._token, "pid": os.getpid(), "host": socket.gethostname(), "until": time.time() + _SECONDS}
        self._server.call("upsert", self._records, [record("writer", "", "", 0, body=dumps(who), pk=_PK)])

    def _holder(self) -> dict[str, Any] | None:
        found = self._server.get(self._records, [_PK], ["body"])
        return dict(json.loads(found[0]["body"])) if found else None

    def _refused(self, holder: dict[str, Any]) -> LockedError:
        who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
        return LockedError(
            f"{self._name!r} is being written by {who}. Wait for it; one that was killed on another machine is "
            f"forgotten after {_SECONDS / 60:.0f} minutes."
        )


def _at_work(holder: dict[str, Any]) -> bool:
    if holder["until"] < time.time():
        return False
    if holder["host"] != socket.gethostname():
        return True
    if holder["pid"] == os.getpid():
        return holder["token"] in _LIVE
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, but somebody else's
        return True
    return True
