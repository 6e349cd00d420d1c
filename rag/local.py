"""Causal language models on this machine, by transformers.

Code that comes with a model is never run. Heavy packages are imported when the first answer is asked for.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Pieces
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from rag.chat import fold_system, plain_prompt, spoken
from rag.errors import GenerationError, SettingsError, require
from rag.schema import Message

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PROBE_SECONDS = 5.0


class LocalGenerator:
    """A causal language model in this process, loaded at the first question and kept.

    One worker thread a model: questions queue, and a question whose reader has left stops after the token at hand.
    A model without a chat template is asked with `rag.chat.plain_prompt`.

    Args:
        name: stamped on answers.
        find: returns the folder (or hub id) to load; called once, in the worker.
        device: 'auto' (a GPU when there is one), 'cpu', 'cuda' or 'cuda:N'. bf16 on a GPU, fp32 on a CPU.
        temperature: 0 is greedy and reproducible on one machine.
        max_tokens: longest answer.
    """

    def __init__(
        self,
        name: str,
        find: Callable[[], str],
        *,
        device: str = "auto",
        temperature: float = 0.0,
        max_tokens: int = 400,
    ) -> None:
        self._name, self._find, self._device = name, find, device
        self._temperature, self._max_tokens = temperature, max_tokens
        self._worker = ThreadPoolExecutor(1, "language-model")
        self._loaded: tuple[Any, Any] | None = None

    @property
    def name(self) -> str:
        """The name stamped on answers."""
        return self._name

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield pieces of text; closing the iterator stops the model.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            GenerationError: the model cannot be loaded or fails, or the prompt is longer than it can read.
        """
        return self._stream(messages)

    def _stream(self, messages: Sequence[Message]) -> Pieces[str]:
        require("torch", extra="llm")
        require("transformers", extra="llm")
        tokenizer, model = self.loaded()
        prompt, special = _prompt(tokenizer, messages)
        inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=special)
        length, longest = inputs["input_ids"].shape[1], _longest(model)
        if longest and length + self._max_tokens > longest:
            raise GenerationError(
                f"The prompt has {length} tokens and the answer may have {self._max_tokens}, but {self._name} reads "
                f"{longest} in all. Lower llm.context_tokens or llm.max_tokens."
            )
        yield from spoken(self._pieces(tokenizer, model, inputs), thinking=prompt.rstrip().endswith("<think>"))

    def loaded(self) -> tuple[Any, Any]:
        """Return tokenizer and model, loading them if need be.

        Raises:
            GenerationError: they cannot be loaded.
        """
        return self._worker.submit(self._load).result()

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = _open(self._name, self._find(), self._device)
        return self._loaded

    def _pieces(self, tokenizer: Any, model: Any, inputs: Any) -> Pieces[str]:
        import torch

        transformers = import_module("transformers")
        stop = threading.Event()
        streamer = transformers.TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)

        def stopped(ids: Any, _scores: Any, **_: Any) -> Any:
            return torch.full((ids.shape[0],), stop.is_set(), dtype=torch.bool, device=ids.device)

        def work() -> None:
            try:
                if not stop.is_set():
                    model.generate(
                        inputs["input_ids"].to(model.device),
                        attention_mask=inputs["attention_mask"].to(model.device),
                        generation_config=self._decoding(tokenizer, model),
                        stopping_criteria=[stopped],
                        streamer=streamer,
                    )
            finally:
                streamer.end()

        running = self._worker.submit(work)
        try:
            yield from (piece for piece in streamer if piece)
            running.result()
        except (RuntimeError, ValueError, IndexError) as error:
            raise GenerationError(
                f"{self._name} failed while answering: {error}. Lower llm.context_tokens, or choose another llm.name."
            ) from error
        finally:
            stop.set()

    def _decoding(self, tokenizer: Any, model: Any) -> Any:
        config = copy.deepcopy(model.generation_config)
        sampled = self._temperature > 0
        config.update(do_sample=sampled, max_new_tokens=self._max_tokens, max_length=None)
        if sampled:
            config.temperature = self._temperature
        else:
            config.update(temperature=None, top_p=None, top_k=None, min_p=None, typical_p=None)
        if config.eos_token_id is None:
            config.eos_token_id = tokenizer.eos_token_id
        if config.pad_token_id is None:
            eos = config.eos_token_id
            config.pad_token_id = eos[0] if isinstance(eos, list) else eos
        return config


def find_model(name: str) -> Callable[[], str]:
    """Return how to find the model `name`: an existing folder, or a hub id, which is only looked up when asked for.

    Raises:
        SettingsError: no such folder, or neither a folder nor a hub id.
    """
    folder = Path(name).expanduser()
    if name.strip() and (folder / "config.json").is_file():
        return lambda: str(folder)
    if name.strip() and folder.is_dir():
        raise SettingsError(
            f"llm.name is the folder {name!r}, which holds no config.json: it is no transformers model."
        )
    if not _HUB_ID.fullmatch(name):
        raise SettingsError(
            f"llm.name {name!r} is no model. Allowed: 'extractive', 'smollm2', an existing folder with a causal LM, "
            "a hub id ORGANISATION/NAME, 'langchain:PROVIDER:MODEL', or any name together with llm.url."
        )
    step = "Name a local folder, or llm.name='smollm2', or fetch the model where there is a network."
    return lambda: hub_model(name, step=step)


def hub_model(name: str, *, step: str) -> str:
    """Return the hub id if it is cached or the hub can be reached, without the minutes of retries of the hub client.

    Raises:
        GenerationError: neither; `step` says what to do instead.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return name
    if HF_HUB_OFFLINE:
        raise GenerationError(f"{name!r} is not in the hub cache, and HF_HUB_OFFLINE forbids to fetch it. {step}")
    import httpx

    try:
        httpx.head(ENDPOINT, timeout=_PROBE_SECONDS)
    except httpx.HTTPError as error:
        raise GenerationError(
            f"{name!r} is not in the hub cache, and {ENDPOINT} cannot be reached ({error}). {step}"
        ) from error
    return name


def _open(name: str, folder: str, device: str) -> tuple[Any, Any]:
    """Load tokenizer and model."""
    import torch
    from safetensors import SafetensorError

    transformers = import_module("transformers")
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    dtype = torch.bfloat16 if place.startswith("cuda") else torch.float32
    try:
        with no_bars():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(place).eval()
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:400]
        raise GenerationError(
            f"The language model {name!r} cannot be loaded: {reason}. "
            "Check llm.name and llm.device; if its files are damaged, delete them and fetch the model again."
        ) from error
    return tokenizer, model


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep transformers from drawing progress bars."""
    logging = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _prompt(tokenizer: Any, messages: Sequence[Message]) -> tuple[str, bool]:
    """Return the prompt, and whether the tokenizer is to add special tokens (a chat template writes them itself)."""
    if not tokenizer.chat_template:
        return plain_prompt(messages), True
    import jinja2

    plain = [dict(message) for message in messages]
    asked: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return tokenizer.apply_chat_template(plain, **asked), False
    except jinja2.TemplateError:  # some templates refuse the system role
        return tokenizer.apply_chat_template(fold_system(plain), **asked), False


def _longest(model: Any) -> int | None:
    found = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None
