"""Is a claim carried by its passages, by any sequence classification model: three-way NLI or a hallucination detector.

The model reads (passage window, claim). Long passages are read in windows of whole sentences, and the window that
supports the claim most counts (as in SummaC-ZS, Laban et al. 2022, https://doi.org/10.1162/tacl_a_00453). A claim
that needs two windows at once is not supported. Code that comes with a model is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rag.errors import GenerationError, SettingsError, require
from rag.language import sentence_spans
from rag.local import hub_model, no_bars
from rag.schema import Label, Passage
from rag.support import Floats

Sense = Literal["entailment", "neutral", "contradiction"]
SUPPORTED = 0.5
_LABELS = "?labels="
_SENSES: Mapping[Sense, str] = {
    "entailment": "entailment entailed entails entail supported supports support consistent faithful factual "
    "correct grounded true yes",
    "neutral": "neutral notenoughinfo nei unknown unverifiable notentailment notentailed hallucinated hallucination "
    "inconsistent unsupported notsupported notsupport unfaithful nonfactual notgrounded incorrect false no",
    "contradiction": "contradiction contradictory contradicted contradicts contradict refuted refutes refute",
}
_SENSE_OF: Mapping[str, Sense] = {word: sense for sense, words in _SENSES.items() for word in words.split()}
_BATCH_TOKENS = 8192  # padded tokens read at once
_LONGEST = 512  # tokens of a window and its claim: what such models are trained on
_CLAIM_SHARE = 2  # a claim is cut at one part in so many of the tokens there are


@dataclass(frozen=True, slots=True)
class _Model:
    tokenizer: Any
    network: Any
    senses: tuple[Sense, ...]
    longest: int


class Entailment:
    """Judges claims by a sequence classification model, loaded at the first claim and kept.

    Three labels: entailment, neutral and contradiction in whatever order `config.id2label` gives. Two: supported or
    not. One: a score that grows with support, through a sigmoid. A model that leaves its labels unnamed is told them:
    `MODEL?labels=contradiction,entailment,neutral`.

    Args:
        model: folder or hub id, with or without `?labels=`.
        device: 'auto' (a GPU when there is one), 'cpu', 'cuda' or 'cuda:N'. bf16 on a GPU, fp32 on a CPU.

    Raises:
        SettingsError: no such folder, or labels that mean nothing.
    """

    def __init__(self, model: str, *, device: str = "auto") -> None:
        self._model, _, given = model.partition(_LABELS)
        self._given = tuple(word for word in given.split(",") if word.strip())
        self._device = device
        folder = Path(self._model).expanduser()
        self._folder = folder if folder.is_dir() else None
        if self._folder and not (folder / "config.json").is_file():
            raise SettingsError(f"verify.name: the folder {self._model!r} holds no config.json: no transformers model.")
        if not self._folder and not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", self._model):
            raise SettingsError(
                f"verify.name: {self._model!r} is neither a folder nor a hub id. Write nli:FOLDER or "
                "nli:ORGANISATION/NAME, the model being one for sequence classification."
            )
        if self._given:
            _senses({str(i): word for i, word in enumerate(self._given)}, self._model)

    @property
    def name(self) -> str:
        """Stamped on verdicts: the folder's name or the hub id."""
        return f"nli:{self._folder.resolve().name if self._folder else self._model}"

    def judge_all(self, pairs: Sequence[tuple[str, Sequence[Passage]]]) -> list[tuple[Label, float]]:
        """Return label and probability of support of each (claim, passages); (not_enough_info, 0) with no passages.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            SettingsError: the model is none for sequence classification, or its labels cannot be told.
            GenerationError: it cannot be loaded or fails.
        """
        inputs: list[tuple[str, str]] = []
        owner: list[int] = []
        for i, (claim, passages) in enumerate(pairs):
            for window in self._windows(claim, passages):
                inputs.append((window, claim))
                owner.append(i)
        chances = self._probabilities(inputs) if inputs else np.zeros((0, 2), dtype=np.float32)
        owners = np.asarray(owner)
        return [_judgement(chances[owners == i]) for i in range(len(pairs))]

    def _windows(self, claim: str, passages: Sequence[Passage]) -> Iterator[str]:
        model = self._loaded
        used = min(self._count(claim), model.longest // _CLAIM_SHARE)
        room = model.longest - used - model.tokenizer.num_special_tokens_to_add(pair=True)
        for passage in passages:
            text, begin, filled, end = passage.chunk.text, 0, 0, 0
            for start, stop, size in self._pieces(text, room):
                if filled and filled + size > room:
                    yield text[begin:end]
                    begin, filled = start, 0
                filled, end = filled + size, stop
            if filled:
                yield text[begin:end]

    def _pieces(self, text: str, room: int) -> Iterator[tuple[int, int, int]]:
        """Yield (start, end, tokens) of the sentences; one longer than a window comes in parts."""
        for start, end in sentence_spans(text):
            offsets = self._offsets(text[start:end])
            for first in range(0, len(offsets), room):
                part = offsets[first : first + room]
                yield start + part[0][0], start + part[-1][1], len(part) + 1

    def _count(self, text: str) -> int:
        return len(self._offsets(text))

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        made = self._loaded.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [tuple(pair) for pair in made["offset_mapping"]]

    def _probabilities(self, inputs: Sequence[tuple[str, str]]) -> Floats:
        """Return (support, contradiction) of each (window, claim), shape (n, 2); read by length, longest first."""
        import torch

        model = self._loaded
        sizes = [len(window) + len(claim) for window, claim in inputs]
        order = sorted(range(len(inputs)), key=lambda i: -sizes[i])
        found = np.zeros((len(inputs), 2), dtype=np.float32)
        while order:
            batch, order = _next_batch(model, inputs, order)
            made = model.tokenizer(
                [inputs[i][0] for i in batch],
                [_cut(inputs[i][1], model) for i in batch],
                padding=True,
                truncation="only_first",
                max_length=model.longest,
                return_tensors="pt",
            ).to(model.network.device)
            try:
                with torch.inference_mode():
                    logits = model.network(**made).logits.float().cpu().numpy()
            except (RuntimeError, ValueError, IndexError) as error:
                raise GenerationError(f"{self.name} failed: {error}. Choose another verify.name.") from error
            found[batch] = _chances(logits, model.senses)
        if not np.isfinite(found).all():
            raise GenerationError(f"{self.name} gave numbers that are not finite. Choose another verify.name.")
        return found

    @cached_property
    def _loaded(self) -> _Model:
        require("torch", extra="llm")
        require("transformers", extra="llm")
        import torch
        from safetensors import SafetensorError

        transformers = import_module("transformers")
        place = ("cuda" if torch.cuda.is_available() else "cpu") if self._device == "auto" else self._device
        dtype = torch.bfloat16 if place.startswith("cuda") else torch.float32
        where = str(self._folder) if self._folder else hub_model(self._model, step="Name a folder: nli:FOLDER.")
        try:
            with no_bars():
                config = transformers.AutoConfig.from_pretrained(where)
                senses = _senses(dict(enumerate(self._given)) or config.id2label, self._model, config.architectures)
                tokenizer = transformers.AutoTokenizer.from_pretrained(where)
                open_model = transformers.AutoModelForSequenceClassification.from_pretrained
                network = open_model(where, dtype=dtype).to(place).eval()
        except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:400]
            raise GenerationError(
                f"The verifier {self.name!r} cannot be loaded: {reason}. Check verify.name and verify.device."
            ) from error
        if not tokenizer.is_fast:
            raise SettingsError(
                f"verify.name: {self._model!r} has no fast tokenizer. Save one (tokenizer.json) with it."
            )
        if len(senses) != network.config.num_labels:
            raise SettingsError(
                f"verify.name: {self._model!r} has {network.config.num_labels} labels, {len(senses)} were named."
            )
        told = getattr(config, "max_position_embeddings", None)
        room = told - (2 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0) if told else _LONGEST
        return _Model(tokenizer, network, senses, min(_LONGEST, room, tokenizer.model_max_length))


def _next_batch(model: _Model, inputs: Sequence[tuple[str, str]], order: list[int]) -> tuple[list[int], list[int]]:
    """Cut the next batch off: its padded tokens are bounded by the first, which is the longest (about)."""
    longest = min(model.longest, sum(len(text) for text in inputs[order[0]]) + 3)
    size = max(1, _BATCH_TOKENS // longest)
    return order[:size], order[size:]


def _cut(claim: str, model: _Model) -> str:
    """Return the claim, or of one longer than half of what the model reads the first half."""
    most = model.longest // _CLAIM_SHARE
    made = model.tokenizer(claim, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = made["offset_mapping"]
    return claim if len(offsets) <= most else claim[: offsets[most - 1][1]]


def _chances(logits: np.ndarray, senses: Sequence[Sense]) -> np.ndarray:
    """Return (support, contradiction) of each row of logits."""
    if logits.shape[1] == 1:
        score = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
        support = score if senses[0] == "entailment" else 1 - score
        return np.stack([support, np.zeros_like(support)], axis=1)
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = scaled / scaled.sum(axis=1, keepdims=True)
    against = shares[:, senses.index("contradiction")] if "contradiction" in senses else np.zeros(len(shares))
    return np.stack([shares[:, senses.index("entailment")], against], axis=1)


def _judgement(windows: np.ndarray) -> tuple[Label, float]:
    """Return label and confidence from (support, contradiction) of the windows of one claim."""
    if not len(windows):
        return "not_enough_info", 0.0
    support, against = (float(value) for value in windows.max(axis=0))
    if support >= SUPPORTED:
        return "supported", min(support, 1.0)
    return ("contradicted" if against >= SUPPORTED else "not_enough_info"), support


def _senses(labels: Mapping[Any, str], model: str, architectures: Sequence[str] | None = None) -> tuple[Sense, ...]:
    """Return what each output of the model means.

    Raises:
        SettingsError: it cannot be told.
    """
    names = [str(labels[key]) for key in sorted(labels, key=int)]
    if architectures and not any("SequenceClassification" in name for name in architectures):
        raise SettingsError(f"verify.name: {model!r} is a {architectures[0]}, not a model for sequence classification.")
    if len(names) == 1 and names[0] in ("LABEL_0", "0"):
        return ("entailment",)
    senses = [_SENSE_OF.get(re.sub(r"[^a-z]", "", name.lower())) for name in names]
    if len(names) == 2:  # refuted, against supported: simply not supported
        senses = ["neutral" if sense == "contradiction" else sense for sense in senses]
    known = tuple(sense for sense in senses if sense)
    if len(known) < len(names) or len(set(known)) < len(known) or (len(known) > 1 and "entailment" not in known):
        raise SettingsError(
            f"verify.name: the labels of {model!r} are {names}; which of them means that the claim is supported cannot "
            f"be told. Name them in order: nli:{model}{_LABELS}contradiction,entailment,neutral (or, of two, "
            "supported,unsupported)."
        )
    return known
