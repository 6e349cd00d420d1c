"""A model behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp, DeepSeek, Qwen and their like.

Speaks `POST URL/chat/completions` with `stream: true` and reads server-sent events. Nothing else of the API is used.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Generator as Pieces
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rag.chat import spoken
from rag.errors import GenerationError, SettingsError, require
from rag.schema import Message

if TYPE_CHECKING:
    import httpx

_CONNECT_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0


class RemoteGenerator:
    """Streams chat completions.

    Args:
        name: the model's name at the server.
        url: base URL, such as http://localhost:8000/v1.
        api_key: sent as a bearer token; never shown in an error.
        temperature: 0 asks for greedy decoding.
        max_tokens: longest answer.
        timeout: longest silence of the server in seconds; connecting has at most 10 of them.

    Raises:
        SettingsError: `url` is no http(s) address, or the key cannot be sent.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        api_key: str | None = None,
        temperature: float = 0.0,
        max_tokens: int = 400,
        timeout: float = 60.0,
    ) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SettingsError(
                f"llm.url must be an http or https address, got {url!r}. Example: http://localhost:8000/v1"
            )
        if api_key and not (api_key.isascii() and api_key.strip().isprintable()):
            raise SettingsError("llm.api_key holds characters that no key has. Set CONSILIUM_LLM__API_KEY again.")
        self._name = name
        self._endpoint = url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._shown = self._endpoint.replace(address.netloc, address.netloc.rpartition("@")[2], 1)
        self._headers = {"Authorization": f"Bearer {api_key.strip()}"} if api_key else {}
        self._temperature, self._max_tokens, self._timeout = temperature, max_tokens, timeout
        self._client: httpx.Client | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._name

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield pieces of text; closing the iterator hangs up, on which servers stop the model.

        Raises:
            GenerationError: the server cannot be reached, refuses, falls silent or breaks off. Connecting, 429 and
                5xx are tried a second time as long as nothing has been said.
        """
        return spoken(self._deltas(messages))

    def close(self) -> None:
        """Close the idle connection; a later stream opens another one."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _deltas(self, messages: Sequence[Message]) -> Pieces[str]:
        require("httpx", extra="llm")
        import httpx

        payload: dict[str, Any] = {
            "model": self._name,
            "messages": [dict(message) for message in messages],
            "temperature": self._temperature,
            "max_tokens": self._max_tokens,
            "stream": True,
        }
        response = self._open(payload)
        try:
            if "text/event-stream" not in response.headers.get("content-type", "text/event-stream"):
                yield self._whole(response.read())
            else:
                yield from self._events(response)
        except httpx.TimeoutException as error:
            raise self._silent() from error
        except httpx.HTTPError as error:
            raise self._cut(str(error)) from error
        finally:
            response.close()

    def _open(self, payload: dict[str, Any]) -> httpx.Response:
        import httpx

        client, tries = self._connected(), 0
        while True:
            pause = _PAUSE_SECONDS
            try:
                response = client.send(client.build_request("POST", self._endpoint, json=payload), stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError, httpx.ReadError) as error:
                failure: GenerationError = GenerationError(
                    f"No language model answers at {self._shown} ({error or type(error).__name__}). "
                    "Start the server, or correct llm.url."
                )
            except httpx.TimeoutException as error:
                raise self._silent() from error
            except httpx.HTTPError as error:
                raise GenerationError(f"The request to {self._shown} failed: {error}. Check llm.url.") from error
            else:
                if response.is_success:
                    return response
                body = self._body(response)
                if response.status_code == 400 and _adapt(payload, body):
                    continue
                failure = self._refused(response, body)
                if response.status_code != 429 and response.status_code < 500:
                    raise failure
                pause = _pause(response.headers.get("retry-after", ""))
            tries += 1
            if tries == 2:
                raise failure
            time.sleep(pause)

    def _connected(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                wait = httpx.Timeout(self._timeout, connect=min(self._timeout, _CONNECT_SECONDS))
                self._client = httpx.Client(headers=self._headers, timeout=wait)
                weakref.finalize(self, self._client.close)
            return self._client

    def _events(self, response: httpx.Response) -> Iterator[str]:
        ended, said, last = False, False, time.monotonic()
        for line in _lines(response.iter_bytes()):
            if not line.startswith("data:"):  # comments keep the line open, they are no sign of an answer
                if time.monotonic() - last > self._timeout:
                    raise self._silent()
                continue
            last, data = time.monotonic(), line[5:].strip()
            if data == "[DONE]":
                ended = True
                break
            event = _event(data)
            if event.get("error"):
                raise GenerationError(f"{self._shown} stopped with an error: {_reason(data)}. Ask again.")
            text, finished = _choice(event, "delta")
            ended = ended or finished
            said = said or bool(text)
            if text:
                yield text
        if not ended:
            raise self._cut("it closed before the answer was complete")
        if not said:
            raise GenerationError(f"{self._shown} gave an empty answer. Ask again, or use another llm.name.")

    def _whole(self, body: bytes) -> str:
        text, _ = _choice(_event(body.decode("utf-8", "replace")), "message")
        if not text:
            raise GenerationError(
                f"{self._shown} gave no chat completion: {_reason(body.decode('utf-8', 'replace'))!r}. "
                "Check that llm.url is the base URL of an OpenAI-compatible server, such as http://localhost:8000/v1."
            )
        return text

    def _body(self, response: httpx.Response) -> str:
        import httpx

        try:
            return response.read().decode("utf-8", "replace")
        except httpx.HTTPError:
            return ""
        finally:
            response.close()

    def _refused(self, response: httpx.Response, body: str) -> GenerationError:
        status = response.status_code
        if status in (401, 403):
            step = "Set the key of this server: CONSILIUM_LLM__API_KEY."
        elif status == 404:
            step = f"Check that llm.url ends as the server wants it (often /v1) and that it has a model {self._name!r}."
        elif status == 429:
            step = "The server is busy or the quota is used up: ask again later."
        elif status >= 500:
            step = "The server failed: ask again, or look into its log."
        else:
            step = "Check llm.url, llm.name and llm.max_tokens."
        moved = response.headers.get("location")
        said = f"it moved to {moved}" if moved else _reason(body)
        return GenerationError(f"{self._shown} answered {status} for model {self._name!r}: {said}. {step}")

    def _silent(self) -> GenerationError:
        return GenerationError(
            f"{self._shown} was silent for {self._timeout:g} seconds. Ask again, or raise llm.timeout."
        )

    def _cut(self, why: str) -> GenerationError:
        return GenerationError(f"The answer from {self._shown} broke off ({why}). Ask again, or look into its log.")


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Split at line feeds only: text may hold U+2028 and the like, at which `str.splitlines` would cut it in two."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if held:
        yield held.decode("utf-8", "replace")


def _event(data: str) -> dict[str, Any]:
    """Read one event; what is not a JSON object is an empty one."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _choice(event: dict[str, Any], part: str) -> tuple[str, bool]:
    """Return the text of the first choice and whether it is finished."""
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = first.get(part)
    text = message.get("content") if isinstance(message, dict) else None
    return (text if isinstance(text, str) else ""), bool(first.get("finish_reason"))


def _reason(body: str) -> str:
    """Return the server's own words, at most 300 characters of them."""
    error = _event(body).get("error", body)
    words = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(words).split())[:300].rstrip(".") or "no reason given"


def _adapt(payload: dict[str, Any], body: str) -> bool:
    """Say it as a newer or stricter server wants it, if that is what it complains about; tell whether it did."""
    if "max_tokens" in payload and "max_completion_tokens" in body:
        payload["max_completion_tokens"] = payload.pop("max_tokens")
        return True
    if "temperature" in payload and "temperature" in body and "support" in body:
        del payload["temperature"]
        return True
    return False


def _pause(retry_after: str) -> float:
    return min(float(retry_after), _LONGEST_PAUSE_SECONDS) if retry_after.isdigit() else _PAUSE_SECONDS
