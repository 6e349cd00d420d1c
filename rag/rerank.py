"""The best passages read once more together with the query: by the shipped late interaction, or any cross-encoder.

    new(passage) = score + best score * LATE * z(late)
    late         = mean over the tokens of the query of the best cosine with a token of the passage
    z            = over the passages read: less their mean, divided by their deviation

Late interaction (ColBERT, Khattab and Zaharia 2020, https://arxiv.org/abs/2004.12832) reads with MiniLM and the adapter
in `rag/adapters/minilm`, which was trained for it; a long passage is read in pieces. A cross-encoder's scores replace
the ones there were.

Reading takes time in proportion to the text. Passages are read from the best on, until `budget_ms` would be overrun;
what is not read keeps its order, behind what is. How long it takes is judged by the first few thousand characters.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag import minilm
from rag.embed import MiniLM
from rag.errors import SettingsError, UserError, require
from rag.language import detect_language
from rag.schema import Passage, Reranker

LATE: Final = 0.04
"""Weight of the late interaction: of ten the largest without a loss on a set, judged on dev queries (model card)."""

_FIRST: Final = 4000
"""Characters read before the clock is looked at for the first time."""
_PIECE: Final = 1000
"""Characters of a piece: about 200 of the 256 tokens the encoder reads."""


def open_reranker(
    name: str,
    *,
    cache: Path,
    device: str = "auto",
    most: int = 30,
    budget_ms: int = 250,
) -> Reranker | None:
    """Return the reranker called `name`; nothing is loaded before the first query.

    Args:
        name: "off" (gives None), "shipped", or a sentence-transformers CrossEncoder: a folder or hub id.
        cache: folder for the graph of "shipped".
        device: of a CrossEncoder: "auto", "cpu", "cuda" or "cuda:N".
        most: passages that are read at most.
        budget_ms: reading stops before so many milliseconds are over, after one passage at least; 0: no limit.

    Raises:
        UserError: `budget_ms` is negative.
        MissingExtraError: a CrossEncoder is named and sentence-transformers is not installed.
    """
    if budget_ms < 0:
        raise UserError(f"budget_ms must be at least 0, got {budget_ms}. 0 means no limit.")
    if name == "off":
        return None
    if name == "shipped":
        return LateInteraction(MiniLM(cache, adapter=minilm.ADAPTER), most=most, budget_ms=budget_ms)
    require("sentence_transformers", extra="llm")
    return CrossEncoderReranker(name, device=device, most=most, budget_ms=budget_ms)


class LateInteraction:
    """Query tokens against passage tokens, mixed with the score there was. Chinese queries are left as they are."""

    def __init__(self, encoder: MiniLM, *, most: int = 30, budget_ms: int = 250) -> None:
        self.encoder = encoder
        self._most = most
        self._budget = budget_ms / 1000

    def rerank(self, query: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most k passages, best first, ranks anew; scores are comparable within this list alone."""
        if not passages or detect_language(query) != "en":
            return list(passages[:k])
        asked = self.encoder.token_vectors([query])[0]

        def late(texts: list[str]) -> list[float]:
            read = [pieces(text) for text in texts]
            tokens = iter(self.encoder.token_vectors([piece for found in read for piece in found]))
            return [best_match(asked, np.concatenate([next(tokens) for _ in found])) for found in read]

        found = np.array(read_in_time(late, [p.chunk.embedded_text for p in passages[: self._most]], self._budget))
        share = LATE * (max(abs(p.score) for p in passages) or 1.0) * standardised(found)
        scores = [p.score + more for p, more in zip(passages, share.tolist(), strict=False)]
        return in_order(passages, scores, k)


class CrossEncoderReranker:
    """Any sentence-transformers CrossEncoder with one score a pair. Looks a name up on the hub unless offline."""

    def __init__(self, name: str, *, device: str = "auto", most: int = 30, budget_ms: int = 250) -> None:
        self._name = name
        self._most = most
        self._device = None if device == "auto" else device
        self._budget = budget_ms / 1000

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import CrossEncoder

        offline = os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}
        try:
            model = CrossEncoder(self._name, device=self._device, local_files_only=offline)
        except (OSError, ValueError, RuntimeError) as error:
            where = "HF_HUB_OFFLINE is set, so nothing was downloaded. " if offline else ""
            raise SettingsError(
                f"retrieve.rerank = {self._name!r} cannot be loaded: {str(error).splitlines()[0]} {where}"
                "Name 'off', 'shipped', a folder with a CrossEncoder, or a hub id that can be reached."
            ) from error
        if model.num_labels != 1:
            raise SettingsError(
                f"retrieve.rerank = {self._name!r} gives {model.num_labels} scores a pair, not one: a classifier. "
                "Name a CrossEncoder made for ranking."
            )
        return model

    def rerank(self, query: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """Return at most k passages, best first, ranks anew, with the scores of the model; unread ones below them."""
        model = self._model

        def judge(texts: list[str]) -> list[float]:
            found = model.predict([(query, text) for text in texts], show_progress_bar=False)
            return [float(score) for score in found]

        return in_order(
            passages, read_in_time(judge, [p.chunk.indexed_text for p in passages[: self._most]], self._budget), k
        )


def best_match(asked: np.ndarray, found: np.ndarray) -> float:
    """Return the mean over the rows of `asked` of the best cosine with a row of `found`; 0 where there is none."""
    return float((asked @ found.T).max(axis=1).mean()) if len(asked) and len(found) else 0.0


def pieces(text: str) -> list[str]:
    """Return a text cut at spaces into pieces of at most `_PIECE` characters, which the encoder reads whole."""
    found = []
    while len(text) > _PIECE:
        gap = text.rfind(" ", _PIECE // 2, _PIECE) + 1 or _PIECE
        found.append(text[:gap])
        text = text[gap:]
    return [*found, text]


def standardised(values: np.ndarray) -> np.ndarray:
    """Return values less their mean, over their deviation; all 0 where they are equal."""
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros_like(values))


def read_in_time(judge: Callable[[list[str]], list[float]], texts: Sequence[str], seconds: float) -> list[float]:
    """Return scores of the first texts: as many as can be read in time, one at least; 0 seconds: all.

    The first few characters tell the pace; then as many texts as the time left allows at that pace are read at once.
    """
    if not seconds:
        return judge(list(texts))
    scores: list[float] = []
    done, started, room = 0, time.perf_counter(), float(_FIRST)
    while len(scores) < len(texts):
        sizes = np.cumsum([len(text) + 1 for text in texts[len(scores) :]])
        count = int(np.searchsorted(sizes, room, side="right")) or (not scores)
        if not count:
            break
        scores += judge(list(texts[len(scores) : len(scores) + count]))
        done += int(sizes[count - 1])
        spent = time.perf_counter() - started
        room = done / spent * (seconds - spent) if spent else float(_FIRST)
    return scores


def in_order(passages: Sequence[Passage], scores: Sequence[float], k: int) -> list[Passage]:
    """Return at most k passages, those with scores first and best first, the others behind them as they were.

    Equal scores keep their order. Scores of passages that were not read are moved below the lowest that was.
    """
    read = sorted(zip(passages, scores, strict=False), key=lambda pair: -pair[1])
    found = [replace(passage, score=score) for passage, score in read]
    rest = passages[len(scores) :]
    if rest and found:
        shift = min(0.0, found[-1].score - rest[0].score)
        rest = [replace(passage, score=passage.score + shift) for passage in rest]
    return [replace(passage, rank=rank) for rank, passage in enumerate([*found, *rest][:k], start=1)]
