"""One polite reader of public sources: it says who asks, keeps to a rate, waits when told to, gives up in words.

Only GET. Answers may come packed by gzip; a body that breaks off is taken up where it broke, if the server can.
Indexes may be kept with their ETag or date (`ingest.connect.known`), so that asking again costs the server nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from ingest.connect.access import Access, check_contact
from ingest.connect.known import Known
from rag.errors import FetchError, SettingsError, require

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")
Params = Mapping[str, str | int]

TRIES: Final = 5
LONGEST_WAIT: Final = 120.0
"""Seconds; a server that asks for more is left alone, and the user is told when to come back."""
MOST_BYTES: Final = 300_000_000
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_SECRET: Final = ("api_key", "email", "tool", "WebEnv")
_MARKUP: Final = re.compile(r"<(style|script)\b.*?(?:</\1>|$)|<[^>]*>", re.DOTALL | re.IGNORECASE)


class NotThere(FetchError):
    """The source has nothing at this address."""


class Again(Exception):
    """A failure that may pass. `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(slots=True)
class _Body:
    """What has come of one answer, as it was sent."""

    data: bytearray = field(default_factory=bytearray)
    mark: str = ""
    packed: bool = False


class Client:
    """Asks one source; close it when done (`with` does). Not for several threads.

    Args:
        access: how.
        per_second: most requests a second.
        home: the domain it may be redirected within, such as "sec.gov".

    Raises:
        SettingsError: the contact cannot be sent, or a figure is out of bounds.
        MissingExtraError: httpx is not installed.
    """

    def __init__(self, access: Access, *, per_second: float, home: str) -> None:
        require("httpx", extra="fetch")
        import httpx

        if per_second <= 0 or access.timeout <= 0:
            raise SettingsError(f"per_second and timeout must be above 0, got {per_second} and {access.timeout}.")
        agent = f"Consilium {check_contact(access.contact)}" if access.contact else "Consilium"
        self._http = httpx.Client(
            headers={"User-Agent": agent, "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(access.timeout, connect=min(access.timeout, 10.0)),
            transport=access.transport,
        )
        self._clock, self._known = access.clock, Known(access.cache)
        self._space, self._home = 1.0 / per_second, home
        self._next = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(
        self, url: str, params: Params | None = None, *, read: Callable[[bytes], Answer], keep: bool = False
    ) -> Answer:
        """Return what `read` makes of the body; a ValueError of it is taken for a broken answer, and asked for again.

        Args:
            url: the address.
            params: of the query.
            read: makes an answer of the body. May raise `Again`.
            keep: keep it, and next time ask only whether it has changed.

        Raises:
            NotThere: there is nothing at this address.
            FetchError: not to be had; says what was asked, what came, and what to do.
        """
        body, reason, where = _Body(), "", shown(url, params)
        for tried in range(TRIES):
            try:
                return _read(self._once(url, params, body, keep), read)
            except Again as failure:
                reason, wait = str(failure), failure.wait
            if wait is not None and wait > LONGEST_WAIT:
                raise FetchError(f"{where}: {reason}; it asks to wait {wait:,.0f} seconds. Try again after that.")
            if tried < TRIES - 1:
                self._clock.sleep(2.0**tried if wait is None else wait)
        raise FetchError(f"{where}: {reason}, {TRIES} times. Check the network, or try again later.")

    def _once(self, url: str, params: Params | None, body: _Body, keep: bool) -> bytes:
        """Ask once, following redirects within the source."""
        import httpx

        target, known = url, self._known.find(url) if keep else None
        headers = dict(known[1]) if known else {}
        if body.data and body.mark:
            headers |= {"Range": f"bytes={len(body.data)}-", "If-Range": body.mark}
        try:
            for _ in range(4):
                self._pace()
                with self._http.stream("GET", target, params=params, headers=headers) as response:
                    if response.status_code in _MOVED:
                        target, params = self._moved(response), None
                        continue
                    if response.status_code == 304 and known:
                        return known[0]
                    plain = _whole(response, body)
                    if keep:
                        self._known.keep(url, plain, response.headers)
                    return plain
        except httpx.TimeoutException as error:
            raise Again("no answer in time") from error
        except httpx.RemoteProtocolError as error:
            raise Again(f"the connection broke off after {len(body.data):,} bytes") from error
        except httpx.RequestError as error:
            raise Again(f"no connection ({error or type(error).__name__})") from error
        raise FetchError(f"{shown(url)}: moved too often. Report this address.")

    def _moved(self, response: httpx.Response) -> str:
        target: str = urljoin(str(response.url), response.headers.get("location", ""))
        address, here = urlsplit(target), response.url
        host = address.hostname or ""
        at_home = host == here.host or host == self._home or host.endswith(f".{self._home}")
        if not at_home or address.scheme != here.scheme:
            raise FetchError(f"{shown(str(here))}: sends on to {host or 'nowhere'}, which is not asked.")
        return target

    def _pace(self) -> None:
        now = self._clock.now()
        if now < self._next:
            self._clock.sleep(self._next - now)
        self._next = max(now, self._next) + self._space


def shown(url: str, params: Params | None = None) -> str:
    """Return an address fit for a message and a side file: without keys and addresses of people."""
    split = urlsplit(url)
    pairs = [*parse_qsl(split.query), *((key, str(value)) for key, value in (params or {}).items())]
    query = urlencode([(key, value[:80]) for key, value in pairs if key not in _SECRET])
    return f"{split.scheme}://{split.hostname}{split.path}{'?' if query else ''}{query}"


def _whole(response: httpx.Response, body: _Body) -> bytes:
    """Read a body to its end, going on where an earlier try broke off."""
    where, status = shown(str(response.url)), response.status_code
    if status in _BUSY:
        raise Again(f"the server answers {status}", _wait(response.headers.get("retry-after", "")))
    begun = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    if status == 416 or (status == 206 and (begun is None or int(begun[1]) != len(body.data))):
        body.data.clear()
        raise Again("the part that is missing cannot be had")
    if status not in (200, 206):
        raise _refused(response, where)
    if status == 200:
        _begin(response, body, where)
    for block in response.iter_raw():
        body.data += block
        if len(body.data) > MOST_BYTES:
            raise FetchError(f"{where}: more than {MOST_BYTES:,} bytes; not fetched.")
    data = bytes(body.data)
    body.data.clear()
    return _unpacked(data, where) if body.packed else data


def _begin(response: httpx.Response, body: _Body, where: str) -> None:
    body.data.clear()
    etag, coding = response.headers.get("etag", ""), response.headers.get("content-encoding", "identity").lower()
    body.mark = "" if etag.startswith("W/") else etag or response.headers.get("last-modified", "")
    body.packed = coding in ("gzip", "x-gzip")
    if not body.packed and coding != "identity":
        raise FetchError(f"{where}: packed by {coding!r}, which was not asked for and is not read.")


def _refused(response: httpx.Response, where: str) -> FetchError:
    head = b""
    for block in response.iter_bytes():
        head += block
        if len(head) > 20_000:
            break
    status, words = response.status_code, " ".join(_MARKUP.sub(" ", head.decode("utf-8", "replace")).split())
    if status in (404, 410):
        return NotThere(f"{where}: there is no such thing ({status}).")
    if status == 403 and re.search(r"rate threshold|too many requests|rate limit", words, re.IGNORECASE):
        return FetchError(f"{where}: blocked for asking too often. Wait ten minutes, then ask with a lower rate.")
    said = f"It said: {words[:200]}" if words else "It said nothing."
    if status in (401, 403):
        return FetchError(
            f"{where}: refused ({status}). The source wants to know who asks: give a real e-mail address as contact, "
            f"and check that this network may reach it. {said}"
        )
    return FetchError(f"{where}: the server answers {status}. {said}")


def _read(content: bytes, read: Callable[[bytes], Answer]) -> Answer:
    try:
        return read(content)
    except (ValueError, RecursionError) as error:
        raise Again(f"the answer is broken ({error})") from error


def _unpacked(data: bytes, where: str) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        plain = unpack.decompress(data, MOST_BYTES + 1)
    except zlib.error as error:
        raise Again(f"the answer cannot be unpacked ({error})") from error
    if len(plain) > MOST_BYTES:
        raise FetchError(f"{where}: unpacks to more than {MOST_BYTES:,} bytes; not fetched.")
    if not unpack.eof:
        raise Again("the packed answer breaks off")
    return plain


def _wait(header: str) -> float | None:
    """Return the seconds a Retry-After header asks for."""
    if header.strip().isdigit():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
