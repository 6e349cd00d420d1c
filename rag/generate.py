"""Language models by name: the one place that chooses among them.

A generator streams text for chat messages and knows nothing of passages or citations. `RemoteGenerator` asks an
OpenAI-compatible server, `LocalGenerator` runs a causal LM here, `LangChainGenerator` asks any LangChain chat model.
"""

from __future__ import annotations

from collections.abc import Generator as Pieces
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.chat import spoken
from rag.errors import GenerationError, SettingsError, require
from rag.local import LocalGenerator, find_model
from rag.remote import RemoteGenerator
from rag.schema import Generator, Message
from rag.smollm2 import SMOLLM2, smollm2_folder

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["LangChainGenerator", "LocalGenerator", "RemoteGenerator", "open_generator"]

_LANGCHAIN = "langchain:"


def open_generator(
    name: str,
    *,
    url: str | None = None,
    api_key: str | None = None,
    temperature: float = 0.0,
    max_tokens: int = 400,
    timeout: float = 60.0,
    cache: Path,
) -> Generator:
    """Return the language model `name`. Nothing is loaded or asked before its first `stream`.

    A local model runs on the GPU when there is one (`CUDA_VISIBLE_DEVICES=` keeps it off).

    Args:
        name: 'smollm2', a folder or hub id of a causal LM, or 'langchain:PROVIDER:MODEL'; with `url`, the model's name
            at that server.
        url: base URL of an OpenAI-compatible server.
        api_key: its key (or the LangChain provider's; providers also read their own environment variables).
        temperature: 0 = greedy.
        max_tokens: longest answer in tokens.
        timeout: longest silence of a server, in seconds.
        cache: folder for converted weights.

    Raises:
        SettingsError: the name means no model, with what is allowed.
    """
    if name.startswith(_LANGCHAIN):
        options = {"temperature": temperature, "max_tokens": max_tokens, "timeout": timeout}
        given = {"base_url": url, "api_key": api_key}
        return LangChainGenerator.of(name, {**options, **{key: value for key, value in given.items() if value}})
    if url:
        return RemoteGenerator(
            name, url=url, api_key=api_key, temperature=temperature, max_tokens=max_tokens, timeout=timeout
        )
    if name == "extractive":
        raise SettingsError("'extractive' quotes the documents and has no language model. Choose another llm.name.")
    find = (lambda: str(smollm2_folder(cache))) if name == SMOLLM2 else find_model(name)
    shown = name if name == SMOLLM2 else Path(name).name
    return LocalGenerator(shown, find, temperature=temperature, max_tokens=max_tokens)


class LangChainGenerator:
    """Any LangChain chat model.

    Args:
        model: a `BaseChatModel`, set up as wished.
        name: stamped on answers; default: what the model says of itself.
    """

    def __init__(self, model: BaseChatModel, name: str | None = None) -> None:
        self._model = model
        self._name = name or str(getattr(model, "model_name", "") or getattr(model, "model", "") or model.get_name())

    @classmethod
    def of(cls, name: str, options: dict[str, Any]) -> LangChainGenerator:
        """Make the model 'langchain:PROVIDER:MODEL' by LangChain's own `init_chat_model`.

        Raises:
            SettingsError: not of that form, an unknown provider, or options the provider refuses.
            MissingExtraError: LangChain or the provider's package is not installed.
        """
        provider, _, model = name.removeprefix(_LANGCHAIN).partition(":")
        if not provider or not model:
            raise SettingsError(
                f"llm.name must be 'langchain:PROVIDER:MODEL', got {name!r}. Example: langchain:openai:gpt-4.1-mini"
            )
        require("langchain", extra="langchain")
        from langchain.chat_models import init_chat_model

        try:
            return cls(init_chat_model(model, model_provider=provider, **options), model)
        except ImportError as error:
            raise SettingsError(f"LangChain's provider {provider!r} needs a package: {error}") from error
        except Exception as error:  # a provider's constructor may raise anything
            raise SettingsError(
                f"LangChain cannot make {name!r}: {error} Check the provider's name and its key in the environment."
            ) from error

    @property
    def name(self) -> str:
        """The name stamped on answers."""
        return self._name

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield pieces of text; closing the iterator closes the model's stream.

        Raises:
            GenerationError: the provider failed, in its words.
        """
        return spoken(self._pieces([(message["role"], message["content"]) for message in messages]))

    def _pieces(self, messages: list[tuple[str, str]]) -> Pieces[str]:
        pieces: Any = self._model.stream(messages)
        try:
            with closing(pieces):
                for piece in pieces:
                    if text := str(piece.text):
                        yield text
        except Exception as error:  # a provider may raise anything
            raise GenerationError(f"{self._name} failed: {error}. Ask again, or choose another llm.name.") from error
