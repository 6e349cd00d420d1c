"""Texts to unit vectors: the shipped MiniLM, with a table for Chinese (no torch), or any sentence-transformers model.

Both are lazy: making one loads nothing; the first text does. The shipped model takes texts of the same number of tokens
together and quantises activations over them, so that the vector of a short text depends a little on the texts it was
with (cosine about 0.99, as to the original model); one of more than 128 tokens is always alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag import minilm, static
from rag.errors import SettingsError, WeightsError, require
from rag.schema import Embedder

_WINDOW: Final = 2048
"""Texts that are tokenised and sorted by length together."""
_CACHED_TOKENS: Final = 256
"""Most tokens MiniLM takes at once: more would leave the core's cache and be slower, not faster."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be equal for two embedders' vectors to be compared."""

    id: str
    weight_hash: str
    dimension: int

    def __str__(self) -> str:
        weights = f", weights {self.weight_hash[:12]}" if self.weight_hash else ""
        return f"{self.id} ({self.dimension} dimensions{weights})"


def open_embedder(
    model: str = "minilm", *, cache: Path, device: str = "auto", batch_tokens: int = 4096, threads: int = 0
) -> Embedder:
    """Return the embedder called `model`: "minilm", "minilm:ADAPTER", or a sentence-transformers folder or hub id.

    Args:
        model: its name; ADAPTER is the folder of a LoRA adapter, "adapted" the one that ships, "plain" none.
        cache: folder for the exported graph of "minilm".
        device: "auto", "cpu", "cuda" or "cuda:N"; "minilm" always runs on the CPU.
        batch_tokens: tokens in one batch, with padding where the model pads; bounds memory.
        threads: CPU threads of "minilm"; 0 means one a core this process may use.

    Raises:
        MissingExtraError: `model` needs sentence-transformers, which is not installed.
    """
    name, _, adapter = model.partition(":")
    if name == "minilm":
        return MiniLM(cache, adapter=_adapter(adapter), batch_tokens=batch_tokens, threads=threads)
    require("sentence_transformers", extra="llm")
    return SentenceEmbedder(model, device=device, batch_tokens=batch_tokens)


def _adapter(name: str) -> Path | None:
    """Return the folder of the adapter that is named, None for the weights as published."""
    if name in ("", "plain"):
        return None
    return minilm.ADAPTER if name == "adapted" else Path(name)


def identity(embedder: Embedder) -> Identity:
    """Return who an embedder is. One without an `identity` of its own is known by class, model name and dimension."""
    own = getattr(embedder, "identity", None)
    if isinstance(own, Identity):
        return own
    named = (getattr(embedder, name, None) for name in ("model", "model_name", "model_id", "deployment"))
    model = next((value for value in named if isinstance(value, str)), "")
    name = type(embedder).__name__ + (f":{model}" if model else "")
    return Identity(name, "", int(np.asarray(embedder.embed_query("word")).shape[-1]))


def unit(found: Any, dimension: int) -> np.ndarray:
    """Return what an embedder found, one vector or several, as float32 (n, dimension) of unit length; zero stays zero.

    Raises:
        WeightsError: another shape, or numbers that are not finite.
    """
    vectors = np.asarray(found, dtype=np.float32)
    vectors = vectors.reshape(1, -1) if vectors.ndim == 1 else vectors
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise WeightsError(f"Vectors must have shape (n, {dimension}), got {vectors.shape}. Check the embedder.")
    if not np.isfinite(vectors).all():
        raise WeightsError("The embedder returned numbers that are not finite. Check its precision and its files.")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))


class MiniLM:
    """all-MiniLM-L6-v2, int8 on onnxruntime, cut at 256 tokens; Chinese texts, which it cannot read, by `rag.static`.

    The two share one space: a Chinese question finds Chinese passages, and to some degree English ones.

    Args:
        cache: folder for the graph.
        adapter: folder of a LoRA adapter to merge into the weights.
        batch_tokens: tokens in one batch.
        threads: batches side by side; 0 means one a core this process may use.
    """

    def __init__(self, cache: Path, *, adapter: Path | None = None, batch_tokens: int = 4096, threads: int = 0) -> None:
        self._cache = cache
        self._adapter = adapter
        self._batch_tokens = min(batch_tokens, _CACHED_TOKENS)
        self._threads = threads or _cores()
        self._static = static.Static()

    @cached_property
    def identity(self) -> Identity:
        """Who this is; loads no model.

        Raises:
            WeightsError: there is no adapter where one was named.
        """
        name = f"minilm-{minilm.VERSION}+{static.VERSION}"
        return Identity(name, minilm.weight_hash(self._adapter), minilm.DIMENSION)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # batches run side by side instead
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        file = minilm.graph_file(self._cache, self._adapter)
        try:
            return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common base class of its errors
            raise WeightsError(f"{file} cannot be loaded: {error}. Remove it; it is made again.") from error

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = _tokenizer()
        tokenizer.enable_truncation(minilm.MAX_TOKENS)
        return tokenizer

    @cached_property
    def _counter(self) -> Any:
        tokenizer = _tokenizer()
        tokenizer.no_truncation()
        return tokenizer

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has, without the two the model adds and without cutting."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit length, shape (len(texts), 384), in the order of the texts."""
        vectors = np.empty((len(texts), minilm.DIMENSION), dtype=np.float32)
        for start in range(0, len(texts), _WINDOW):
            self._embed_window(texts[start : start + _WINDOW], vectors[start : start + _WINDOW])
        return vectors

    def embed_query(self, text: str) -> np.ndarray:
        """Return the float32 vector of one text, shape (384,)."""
        return np.asarray(self.embed_documents([text])[0])

    def token_vectors(self, texts: list[str]) -> list[np.ndarray]:
        """Return the vectors of each text's tokens in context, float32 (tokens, 384) of unit length.

        The two tokens the model adds are not among them; an empty text has none.
        """
        found: list[np.ndarray] = [np.empty((0, minilm.DIMENSION), dtype=np.float32)] * len(texts)

        def keep(batch: list[int], outputs: Any) -> None:
            tokens = outputs[0][:, 1:-1]
            tokens /= np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), 1e-9)
            for row, i in enumerate(batch):
                found[i] = tokens[row]

        self._read(texts, "tokens", keep)
        return found

    def _embed_window(self, texts: list[str], vectors: np.ndarray) -> None:
        chinese = [i for i, text in enumerate(texts) if static.is_for(text)]
        if chinese:
            vectors[chinese] = self._static.embed([texts[i] for i in chinese])
        others = np.setdiff1d(np.arange(len(texts)), chinese)
        if not others.size:
            return

        def keep(batch: list[int], outputs: Any) -> None:
            vectors[others[batch]] = outputs[0]

        self._read([texts[i] for i in others], "vectors", keep)

    def _read(self, texts: list[str], output: str, keep: Callable[[list[int], Any], None]) -> None:
        """Run the graph over texts; `keep` gets positions of texts of one length and what came out for them."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
        batches: list[list[int]] = []
        for length, found in groupby(order, key=lambda i: len(ids[i])):
            same, size = list(found), max(1, self._batch_tokens // length)
            batches += [same[start : start + size] for start in range(0, len(same), size)]

        def run(batch: list[int]) -> None:
            together = np.array([ids[i] for i in batch], dtype=np.int32)
            keep(batch, session.run([output], {"ids": together}))

        session = self._session
        if len(batches) < 2 or self._threads == 1:
            for batch in batches:
                run(batch)
            return
        with ThreadPoolExecutor(self._threads) as pool:  # onnxruntime lets go of the interpreter while it computes
            list(pool.map(run, batches))


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm.folder() / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


class SentenceEmbedder:
    """Any sentence-transformers model, on the GPU where there is one. Looks a name up on the hub unless offline."""

    def __init__(self, model: str, *, device: str = "auto", batch_tokens: int = 4096) -> None:
        self._name = model
        self._device = None if device == "auto" else device
        self._batch_tokens = batch_tokens

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        offline = os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}
        try:
            return SentenceTransformer(self._name, device=self._device, local_files_only=offline)
        except (OSError, ValueError, RuntimeError) as error:
            where = "HF_HUB_OFFLINE is set, so nothing was downloaded. " if offline else ""
            raise SettingsError(
                f"embed.model = {self._name!r} cannot be loaded: {str(error).splitlines()[0]} {where}"
                "Name 'minilm', a folder with a sentence-transformers model, or a hub id that can be reached."
            ) from error

    @cached_property
    def identity(self) -> Identity:
        """Who this is; loads the model. The hash covers name, shape and up to 1,024 spread values of every tensor."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            flat = tensor.detach().flatten()
            sample = flat[:: max(1, flat.numel() // 1024)].float().cpu().numpy()
            digest.update(f"{name}{tuple(tensor.shape)}".encode() + sample.tobytes())
        name = Path(self._name).name if Path(self._name).is_dir() else self._name
        return Identity(name, digest.hexdigest(), int(self._model.get_embedding_dimension()))

    @property
    def _batch_size(self) -> int:
        longest = self._model.max_seq_length or 512
        return max(1, self._batch_tokens // int(longest))

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has, without those the model adds and without cutting."""
        return len(self._model.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit length, shape (len(texts), dimension); with the model's own prompt."""
        if not texts:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        found = self._model.encode_document(
            texts, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, dtype=np.float32)

    def embed_query(self, text: str) -> np.ndarray:
        """Return the float32 vector of one query, shape (dimension,), with the model's own query prompt."""
        found = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)
