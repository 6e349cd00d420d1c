"""The one that asks: who it says it is, how fast, when it waits, when it gives up."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.connect.access import Access, Clock, check_contact, mail_of
from ingest.connect.client import Client, NotThere, shown
from rag.errors import FetchError, SettingsError

URL = "https://data.sec.gov/a.json"
Answer = Callable[[httpx.Request], httpx.Response]


def _client(network: Any, answer: Answer, *, per_second: float = 5.0, cache: Path | None = None) -> Client:
    return Client(network.access(answer, cache=cache), per_second=per_second, home="sec.gov")


def _answers(*answers: httpx.Response | Exception) -> tuple[list[httpx.Request], Answer]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = answers[min(len(asked), len(answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    return asked, answer


def test_it_says_who_asks(network: Any) -> None:
    asked, answer = _answers(httpx.Response(200, content=b"{}"))
    with _client(network, answer) as client:
        assert client.get(URL, read=json.loads) == {}
    assert asked[0].headers["user-agent"] == "Consilium Jane Doe jane@example.com"
    assert asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("contact", ["Jane Doe", "jane@example.com\r\nX: y", "简@例子.中国", "@", "a" * 300 + "@b.com"])
def test_a_contact_that_cannot_be_sent_is_refused(contact: str) -> None:
    with pytest.raises(SettingsError, match="e-mail address"):
        check_contact(contact)
    assert mail_of("Jane Doe <jane.doe+x@example.co.uk>") == "jane.doe+x@example.co.uk"


def test_it_keeps_to_the_rate(network: Any) -> None:
    asked, answer = _answers(httpx.Response(200, content=b"x"))
    with _client(network, answer, per_second=4.0) as client:
        for _ in range(9):
            client.get(URL, read=bytes)
        network.now += 10.0  # a pause saves nothing up: no burst after it
        for _ in range(3):
            client.get(URL, read=bytes)
    starts = network.starts
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert len(asked) == 12
    assert min(gaps) >= 0.25 - 1e-9
    assert starts[8] == pytest.approx(2.0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_it_tries_again_later(network: Any, status: int) -> None:
    asked, answer = _answers(httpx.Response(status), httpx.Response(status), httpx.Response(200, content=b"ok"))
    with _client(network, answer) as client:
        assert client.get(URL, read=bytes) == b"ok"
    assert len(asked) == 3
    assert network.now == pytest.approx(3.0)  # 1 s, then 2


def test_it_waits_as_long_as_it_is_told(network: Any) -> None:
    _, answer = _answers(httpx.Response(429, headers={"Retry-After": "17"}), httpx.Response(200, content=b"ok"))
    with _client(network, answer) as client:
        assert client.get(URL, read=bytes) == b"ok"
    assert network.slept == [17.0]


def test_it_waits_until_it_is_told(network: Any) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    _, answer = _answers(httpx.Response(503, headers={"Retry-After": when}), httpx.Response(200, content=b"ok"))
    with _client(network, answer) as client:
        assert client.get(URL, read=bytes) == b"ok"
    assert 30 < network.now <= 41


def test_a_server_that_wants_hours_is_left_alone(network: Any) -> None:
    asked, answer = _answers(httpx.Response(429, headers={"Retry-After": "3600"}))
    with _client(network, answer) as client, pytest.raises(FetchError, match="wait 3,600 seconds"):
        client.get(URL, read=bytes)
    assert len(asked) == 1
    assert not network.slept


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("no route"), httpx.ReadTimeout("slow"), httpx.ReadError("reset")]
)
def test_without_a_network_it_says_so(network: Any, failure: Exception) -> None:
    asked, answer = _answers(failure)
    with (
        _client(network, answer) as client,
        pytest.raises(FetchError, match=r"data\.sec\.gov/a\.json: .*5 times.*network"),
    ):
        client.get(URL, read=bytes)
    assert len(asked) == 5
    assert network.now == pytest.approx(15.0)


def test_a_broken_answer_is_asked_for_again(network: Any) -> None:
    asked, answer = _answers(httpx.Response(200, content=b'{"a": '), httpx.Response(200, content=b'{"a": 1}'))
    with _client(network, answer) as client:
        assert client.get(URL, read=json.loads) == {"a": 1}
    assert len(asked) == 2
    _, always = _answers(httpx.Response(200, content=b"<html>"))
    with _client(network, always) as client, pytest.raises(FetchError, match="the answer is broken"):
        client.get(URL, read=json.loads)


def test_blocked_is_told_apart(network: Any) -> None:
    page = "<html><title>SEC.gov | Request Rate Threshold Exceeded</title><style>h1{}</style><body>x</body></html>"
    asked, answer = _answers(httpx.Response(403, text=page))
    with _client(network, answer) as client, pytest.raises(FetchError, match="ten minutes"):
        client.get(URL, read=bytes)
    assert len(asked) == 1
    _, undeclared = _answers(
        httpx.Response(403, text="<p>Your Request Originates from an Undeclared Automated Tool</p>")
    )
    with _client(network, undeclared) as client, pytest.raises(FetchError, match=r"contact.*Undeclared Automated Tool"):
        client.get(URL, read=bytes)
    _, gone = _answers(httpx.Response(404))
    with _client(network, gone) as client, pytest.raises(NotThere, match="404"):
        client.get(URL, read=bytes)


def test_packed_answers(network: Any) -> None:
    headers = {"Content-Encoding": "gzip"}
    whole = gzip.compress("华例".encode())
    cut = httpx.Response(200, headers=headers, stream=httpx.ByteStream(whole[:-4]))
    _, answer = _answers(cut, httpx.Response(200, headers=headers, stream=httpx.ByteStream(whole)))
    with _client(network, answer) as client:
        assert client.get(URL, read=bytes).decode() == "华例"
    _, bomb = _answers(httpx.Response(200, headers=headers, stream=httpx.ByteStream(gzip.compress(bytes(10_000_000)))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.connect.client.MOST_BYTES", 1_000_000)
        with _client(network, bomb) as client, pytest.raises(FetchError, match="unpacks to more than 1,000,000 bytes"):
            client.get(URL, read=bytes)


def test_it_is_sent_on_only_within_the_source(network: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "data.sec.gov":
            return httpx.Response(301, headers={"Location": "https://www.sec.gov/b.json"})
        return httpx.Response(200, content=request.url.path.encode())

    with _client(network, answer) as client:
        assert client.get(URL, read=bytes) == b"/b.json"
    for target in ("https://evilsec.gov/x", "http://www.sec.gov/x", "//127.0.0.1/x", ""):
        _, away = _answers(httpx.Response(302, headers={"Location": target}))
        with _client(network, away) as client, pytest.raises(FetchError, match=r"is not asked|too often"):
            client.get(URL, read=bytes)


def test_what_has_not_changed_is_not_sent_again(network: Any, tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.headers.get("if-none-match") == '"v1"':
            return httpx.Response(304)
        return httpx.Response(
            200, content=b'{"a": 1}', headers={"ETag": '"v1"', "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}
        )

    for _ in range(2):
        with _client(network, answer, cache=tmp_path) as client:
            assert client.get(URL, read=json.loads, keep=True) == {"a": 1}
    assert asked[1].headers["if-modified-since"] == "Mon, 02 Nov 2026 10:00:00 GMT"
    for body in tmp_path.glob("*.body"):
        body.write_bytes(b'{"a": 2}')  # changed by others: asked for whole
    with _client(network, answer, cache=tmp_path) as client:
        assert client.get(URL, read=json.loads, keep=True) == {"a": 1}
    assert "if-none-match" not in asked[2].headers


def test_messages_hold_no_keys_and_no_addresses_of_people() -> None:
    told = shown(
        "https://user:pass@x.nih.gov/a?term=b&api_key=SECRET1",
        {"email": "jane@example.com", "api_key": "SECRET2", "id": 1},
    )
    assert told == "https://x.nih.gov/a?term=b&id=1"


class _Cutting(BaseHTTPRequestHandler):
    """Breaks off in the middle of the first answer, and goes on from there when asked to."""

    protocol_version = "HTTP/1.1"
    whole = bytes(range(256)) * 4000
    resumes = True
    ranges: list[str | None]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.resumes else 0
        self.send_response(206 if begin else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(self.whole) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(self.whole) - 1}/{len(self.whole)}")
        self.end_headers()
        stop = len(self.whole) // 2 if len(self.ranges) == 1 else len(self.whole)
        self.wfile.write(self.whole[begin:stop])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[True, False], ids=["resumes", "starts again"])
def cutting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[_Cutting]]]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    handler = type("Cutting", (_Cutting,), {"ranges": [], "resumes": request.param})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a.htm", handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_body_that_breaks_off_is_taken_up_where_it_broke(network: Any, cutting: tuple[str, type[_Cutting]]) -> None:
    url, handler = cutting
    with Client(Access(clock=Clock(lambda: network.now, network.sleep)), per_second=5.0, home="sec.gov") as client:
        assert client.get(url, read=bytes) == handler.whole
    first, second = handler.ranges
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= len(handler.whole) // 2
