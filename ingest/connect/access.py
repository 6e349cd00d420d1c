"""How a public source is asked: who asks, how fast, over what."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rag.errors import SettingsError

_MAIL: Final = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, so that tests need not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class Access:
    """How a source is asked.

    Attributes:
        contact: an e-mail address, with a name before it if wanted ("Jane Doe jane@example.com").
        per_second: most requests a second; None for what the source recommends.
        api_key: of NCBI, which allows more requests with one.
        timeout: longest silence of a server in seconds.
        cache: folder of indexes that were fetched before; None to keep none.
        transport: an httpx transport in place of the network.
        clock: time.
    """

    contact: str = ""
    per_second: float | None = None
    api_key: str | None = None
    timeout: float = 30.0
    cache: Path | None = None
    transport: Any = None
    clock: Clock = field(default_factory=Clock)


def check_contact(contact: str) -> str:
    """Return a contact that can be sent.

    Raises:
        SettingsError: it holds no e-mail address, or characters that no header may hold.
    """
    plain = contact.strip(" ")
    if not _MAIL.search(plain) or not (plain.isascii() and plain.isprintable()) or len(plain) > 200:
        raise SettingsError(
            "The contact must hold an e-mail address in plain ASCII, such as 'Jane Doe jane@example.com', "
            f"got {contact!r}."
        )
    return plain


def mail_of(contact: str) -> str:
    """Return the e-mail address of a contact.

    Raises:
        SettingsError: as `check_contact`.
    """
    found = _MAIL.search(check_contact(contact))
    return found.group() if found else ""
