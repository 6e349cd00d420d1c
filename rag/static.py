"""Chinese texts to vectors: the weighted mean of the vectors of their characters and words, trained here.

No network: a row of an int8 table for each of the 15,000 commonest characters and words, weight included. So it is
quick (some forty times MiniLM on the same text) and knows synonyms (疼 and 痛, 高血压 and 降压), but neither order nor
negation. The table is turned so that a Chinese text lies near an English one of the same content in MiniLM's space,
as far as a few hundred parallel texts teach that. `rag/adapters/hanzi.md` is its card, `rag.tune.static` its maker.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from rag.errors import WeightsError
from rag.language import HAN, cut_han, detect_language, fold_han

FILE: Final = Path(__file__).parent / "adapters" / "hanzi.npz"
WEIGHTS_SHA256: Final = "407d9eaa62b27fcb974558ed17495e876ee632e6217aa4c7bd9129cdb8ad4b13"
VERSION: Final = "hanzi-1"
DIMENSION: Final = 384

_HEAD: Final = 400
"""Characters that tell the language of a text."""
_PIECE: Final = re.compile(rf"[{HAN}]+|[a-z0-9]+")


def is_for(text: str) -> bool:
    """Tell whether a text is Chinese, by its head."""
    head = text[:_HEAD]
    return not head.isascii() and detect_language(head) == "zh"


def tokens(text: str) -> list[str]:
    """Return what has a vector: every character, words of two and more characters, Latin words and numbers."""
    found: list[str] = []
    for piece in _PIECE.findall(fold_han(text).lower()):
        if piece[0].isascii():
            found.append(piece)
        else:
            found.extend(piece)
            found.extend(word for word in cut_han(piece) if len(word) > 1)
    return found


class Static:
    """Chinese texts to vectors. Making one loads nothing; the first text does.

    Args:
        file: the table: `words` (joined by line breaks, UTF-8), `rows` int8 (n, 384), `scales` float32 (n,).
        sha256: what the file must be; empty for a table of one's own.
    """

    def __init__(self, file: Path = FILE, *, sha256: str = WEIGHTS_SHA256) -> None:
        self._file = file
        self._sha256 = sha256

    @cached_property
    def _table(self) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
        try:
            data = self._file.read_bytes()
            if self._sha256 and hashlib.sha256(data).hexdigest() != self._sha256:
                raise WeightsError(f"{self._file} is not the table that was shipped. Reinstall consilium.")
            with np.load(io.BytesIO(data)) as held:
                words, rows, scales = (held[name] for name in ("words", "rows", "scales"))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{self._file} cannot be read: {error}. Reinstall consilium.") from error
        return {word: i for i, word in enumerate(words.tobytes().decode().split("\n"))}, rows, scales

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 vectors of unit length, shape (len(texts), 384); zero where no character is known.

        Raises:
            WeightsError: the table is missing or damaged.
        """
        places, rows, scales = self._table
        vectors = np.zeros((len(texts), rows.shape[1]), dtype=np.float32)
        for i, text in enumerate(texts):
            known = [places[token] for token in tokens(text) if token in places]
            if known:
                which, times = np.unique(known, return_counts=True)
                vectors[i] = (scales[which] * times) @ rows[which].astype(np.float32)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(length > 0, length, 1))
