from __future__ import annotations

import json
import time
from typing import Any

import pytest

from rag.errors import GenerationError, SettingsError
from rag.remote import RemoteGenerator
from tests.rag.chat_server import Handler, Reply, Server, event, refusing, saying

pytestmark = pytest.mark.usefixtures("no_waiting")

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]


def answer(server: Server, *replies: Reply, **options: Any) -> str:
    server.replies = list(replies)
    generator = RemoteGenerator("tiny", url=server.url, **options)
    try:
        return "".join(generator.stream(ASK))
    finally:
        generator.close()


def test_streams_what_the_server_says_and_sends_what_was_asked(server: Server) -> None:
    assert answer(server, saying("The capital ", "is Paris."), api_key="k-1", max_tokens=7) == "The capital is Paris."
    (request,) = server.seen
    assert request["path"] == "/v1/chat/completions"
    assert request["auth"] == "Bearer k-1"
    assert request["body"] == {
        "model": "tiny",
        "messages": ASK,
        "temperature": 0.0,
        "max_tokens": 7,
        "stream": True,
    }


def test_pieces_arrive_before_the_answer_is_complete(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin()
        handler.send(event("first "))
        handler.server.release.wait(10)
        handler.send(event("second", finish="stop"))

    server.replies = [reply]
    generator = RemoteGenerator("tiny", url=server.url)
    pieces = iter(generator.stream(ASK))
    assert next(pieces) == "first "
    server.release.set()
    assert list(pieces) == ["second"]
    generator.close()


@pytest.mark.parametrize("text", ["糖尿病的症状", "one\u2028two\x85three", "a\n\nb", "data: [DONE] "])
def test_any_text_survives_the_wire(server: Server, text: str) -> None:
    assert answer(server, saying("x", text, "y")) == f"x{text}y"


def test_text_cut_inside_a_character_is_put_together(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin()
        for byte in event("净利润", finish="stop").encode():
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()

    assert answer(server, reply) == "净利润"


def test_comments_junk_and_usage_events_are_passed_over(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin()
        handler.send(': keep-alive\r\n\r\nevent: message\ndata: {"broken\n\ndata: 17\n\ndata: {"choices": []}\n\n')
        handler.send(event("Paris", finish="stop").replace("\n", "\r\n"))
        handler.send('data: {"choices": [], "usage": {"total_tokens": 9}}\n\ndata: [DONE]\n\n')

    assert answer(server, reply) == "Paris"


def test_a_server_that_does_not_stream_is_understood(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin(200, "application/json")
        handler.send(json.dumps({"choices": [{"message": {"role": "assistant", "content": "Paris."}}]}))

    assert answer(server, reply) == "Paris."


def test_thoughts_are_not_part_of_the_answer(server: Server) -> None:
    assert answer(server, saying("<thi", "nk>France? Hm", ".</th", "ink>\n\nParis.")) == "Paris."


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_server_is_asked_once_more(server: Server, status: int) -> None:
    assert answer(server, refusing(status, Retry_After="0"), saying("Paris.")) == "Paris."
    assert len(server.seen) == 2


def test_a_server_that_stays_broken_is_told_in_its_own_words(server: Server) -> None:
    with pytest.raises(GenerationError, match=r"127\.0\.0\.1.*500.*out of memory.*again") as caught:
        answer(server, refusing(500, "out of memory"))
    assert len(server.seen) == 2
    assert "\n" not in str(caught.value)


def test_a_refused_key_is_not_tried_again_and_not_shown(server: Server) -> None:
    with pytest.raises(GenerationError, match=r"401.*CONSILIUM_LLM__API_KEY") as caught:
        answer(server, refusing(401, "no such key"), api_key="secret-17")
    assert "secret-17" not in str(caught.value)
    assert len(server.seen) == 1


def test_an_unknown_model_is_named(server: Server) -> None:
    with pytest.raises(GenerationError, match=r"404.*'tiny'"):
        answer(server, refusing(404, "not found"))


def test_a_redirect_is_an_error_that_says_where_to(server: Server) -> None:
    with pytest.raises(GenerationError, match=r"308.*https://other\.example"):
        answer(server, refusing(308, Location="https://other.example/v1"))


def test_an_answer_that_is_no_completion_is_refused(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin(200, "text/html")
        handler.send("<html>welcome</html>")

    with pytest.raises(GenerationError, match=r"no chat completion.*base URL"):
        answer(server, reply)


def test_newer_names_of_the_same_options_are_used_when_the_server_asks(server: Server) -> None:
    first = refusing(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    second = refusing(400, "Unsupported value: 'temperature' does not support 0.")
    assert answer(server, first, second, saying("Paris."), max_tokens=5) == "Paris."
    body = server.seen[-1]["body"]
    assert body["max_completion_tokens"] == 5
    assert not {"max_tokens", "temperature"} & set(body)


def test_a_cut_stream_is_an_error_not_an_answer(server: Server) -> None:
    with pytest.raises(GenerationError, match="broke off"):
        answer(server, saying("The dose is 5", end=""))


def test_a_connection_lost_in_mid_answer_is_an_error(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.begin(Transfer_Encoding="chunked")
        data = event("The dose is 5").encode()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.flush()
        handler.close_connection = True

    with pytest.raises(GenerationError, match="broke off"):
        answer(server, reply)


def test_an_error_event_ends_the_answer(server: Server) -> None:
    with pytest.raises(GenerationError, match="context length exceeded"):
        answer(server, saying("The", end='data: {"error": {"message": "context length exceeded"}}\n\n'))


def test_an_empty_answer_is_an_error(server: Server) -> None:
    with pytest.raises(GenerationError, match="empty answer"):
        answer(server, saying())


def test_a_silent_server_is_given_up(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.server.release.wait(10)

    with pytest.raises(GenerationError, match=r"silent for 0\.2 seconds.*llm\.timeout"):
        answer(server, reply, timeout=0.2)
    assert len(server.seen) == 1


def test_comments_alone_do_not_keep_a_server_alive(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin()
        while not handler.server.release.wait(0.05):
            handler.send(": processing\n\n")

    with pytest.raises(GenerationError, match="silent"):
        answer(server, reply, timeout=0.3)


def test_closing_the_iterator_hangs_up(server: Server) -> None:
    def reply(handler: Handler) -> None:
        handler.begin()
        try:
            while not handler.server.release.wait(0.01):
                handler.send(event("word "))
        except OSError:
            handler.server.hung_up.set()

    server.replies = [reply]
    generator = RemoteGenerator("tiny", url=server.url)
    pieces = generator.stream(ASK)
    assert next(iter(pieces)) == "word "
    pieces.close()  # type: ignore[attr-defined]
    assert server.hung_up.wait(10)
    generator.close()


def test_two_answers_at_once_do_not_mix(server: Server) -> None:
    server.replies = [saying("a", "b", "c")]
    generator = RemoteGenerator("tiny", url=server.url)
    first, second = iter(generator.stream(ASK)), iter(generator.stream(ASK))
    assert [next(first), next(second), *first, *second] == ["a", "a", "b", "c", "b", "c"]
    generator.close()


def test_nobody_there_is_told_with_the_address_and_the_next_step(server: Server) -> None:
    url = server.url
    server.server_close()
    started = time.monotonic()
    with pytest.raises(GenerationError, match=rf"{url}.*Start the server"):
        list(RemoteGenerator("tiny", url=url, timeout=2).stream(ASK))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "", "http://"])
def test_a_bad_address_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match=r"llm\.url"):
        RemoteGenerator("tiny", url=url)


def test_a_password_in_the_address_is_not_shown() -> None:
    generator = RemoteGenerator("tiny", url="http://me:secret@127.0.0.1:9/v1", timeout=1)
    with pytest.raises(GenerationError) as caught:
        list(generator.stream(ASK))
    assert "secret" not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError) as caught:
        RemoteGenerator("tiny", url="http://localhost/v1", api_key="密钥\n17")
    assert "17" not in str(caught.value)


def test_the_whole_endpoint_may_be_given_as_the_address(server: Server) -> None:
    server.replies = [saying("Paris.")]
    generator = RemoteGenerator("tiny", url=server.url + "/chat/completions/")
    assert "".join(generator.stream(ASK)) == "Paris."
    generator.close()
