"""What the answerer and the verifier share: candidate lines of passages, term weights, sentence vectors, a logistic.

A `Line` is what can be quoted: a sentence of prose, or a whole table row, which holds its caption, label and cells.
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np

from rag.language import HAN, Language, detect_language, sentence_spans, terms
from rag.schema import Embedder, Passage

Floats = np.ndarray[Any, np.dtype[np.float32]]
LineKind = Literal["sentence", "row", "heading", "question", "notice"]
_LINE = re.compile(r"[^\n]+")
HAN_CHARS = re.compile(f"[{HAN}]")
_CELL = re.compile(r"\s*\|\s*")
_ITEM = re.compile(r"(?:[-–•·*▪]|\d{1,2}[.)、）]|[（(]\d{1,2}[)）])\s*\S")
_CLOSED = re.compile(r"[.!?。！？;；:：…][\"'”’)\]）】」』]*$")
_ASKS = re.compile(r"[?？][\"'”’)\]）】]*$")
_YEAR_PREFIX = re.compile(r"\b(?:FY|CY|fy)\s?(?='?\d{2,4}\b)")
_NOTICE = re.compile(
    r"(?:sources?|references?|prepared (?:for|by))\b\s*[:：]?\s|(?:数据|数字|资料|信息)?来源\s*[:：]|参考文献", re.I
)
_HEADING_WORDS = 9
_WEIGHTS = Path(__file__).with_name("term_weights.json")
UNSEEN = 7.0


@dataclass(frozen=True, slots=True)
class Line:
    """One quotable piece of a passage: `passage.chunk.text[start:end] == text`, in passage `rank`."""

    rank: int
    start: int
    end: int
    text: str
    kind: LineKind
    terms: frozenset[str]
    context: frozenset[str] = frozenset()  # terms of title, source and the headings above

    @property
    def held(self) -> frozenset[str]:
        """The terms of the line and of what it stands under."""
        return self.terms | self.context

    @property
    def label(self) -> str:
        """The label of a row without caption and cells; "" for prose."""
        return row_parts(self.text)[1] if self.kind == "row" else ""

    @property
    def meaning(self) -> str:
        """What is embedded: the text, or of a row its label, caption and column names without the figures."""
        if self.kind != "row":
            return self.text
        caption, label, columns = row_parts(self.text)
        return " ".join(part for part in (label, caption, columns) if part)


def row_parts(row: str) -> tuple[str, str, str]:
    """Split a row line into caption, label and its column names: `CAPTION | LABEL | COLUMN: VALUE | ...`.

    A row that does not follow the pattern (`| Net sales | 1,234 |`) has its first cell as label and no columns.
    """
    cells = [cell for cell in _CELL.split(row.strip()) if cell]
    named = [i for i, cell in enumerate(cells) if i and re.search(r"[:：]\s*\S", cell)]
    if not named:
        return "", cells[0] if cells else "", ""
    first = max(named[0], 1)
    columns = " ".join(re.split(r"[:：]", cells[i], maxsplit=1)[0] for i in named)
    return " ".join(cells[: first - 1]), cells[first - 1], columns


def _kind(text: str, whole_line: bool) -> LineKind:
    if _ASKS.search(text):
        return "question"
    if _NOTICE.match(text):
        return "notice"
    if whole_line and not _CLOSED.search(text) and _length(text) <= _HEADING_WORDS:
        return "heading"
    return "sentence"


def _length(text: str) -> float:
    """Return words, a Han character counting as half of one."""
    return len(text.split()) + sum(char > "\u2e80" for char in text) / 2


def is_row(line: str) -> bool:
    """Tell whether a line is a table row: cells divided by upright bars."""
    return line.count("|") >= 2 or (" | " in line and ":" in line)


@lru_cache(maxsize=2048)
def _lines_of(text: str) -> tuple[tuple[int, int, LineKind, frozenset[str]], ...]:
    found: list[tuple[int, int, LineKind, frozenset[str]]] = []
    for match in _LINE.finditer(text):
        body, base = match.group(), match.start()
        if is_row(body):
            lead, tail = len(body) - len(body.lstrip()), len(body.rstrip())
            if re.search(r"\w", body):
                found.append((base + lead, base + tail, "row", term_set(body)))
            continue
        spans = sentence_spans(body)
        for start, end in spans:
            piece = body[start:end]
            found.append((base + start, base + end, _kind(piece, len(spans) == 1), term_set(piece)))
    return tuple(found)


def lines(passages: Iterable[Passage]) -> list[Line]:
    """Return all quotable lines of the passages, in passage and reading order, each text once."""
    found: dict[str, Line] = {}
    for passage in passages:
        text = passage.chunk.text
        above, under = surroundings(passage), frozenset[str]()
        for start, end, kind, held in _lines_of(text):
            if kind == "heading":
                under = held
            piece = text[start:end]
            found.setdefault(piece, Line(passage.rank, start, end, piece, kind, held, above | under))
    return list(found.values())


def items_around(text: str, at: int) -> list[tuple[int, int]]:
    """Return the spans of all items of the list that holds offset `at`, marks included; none where it is no list."""
    run: list[tuple[int, int]] = []
    for line in [*_LINE.finditer(text), None]:
        if line is not None and _ITEM.match(line.group()):
            run.append((line.start(), line.start() + len(line.group().rstrip())))
            continue
        if any(start <= at < end for start, end in run):
            return run
        run = []
    return []


def surroundings(passage: Passage) -> frozenset[str]:
    """Return the terms of a passage's title, file name and headings."""
    name = re.split(r"[/#]", passage.source)[-1].rpartition(".")[0]
    return term_set(" ".join((passage.title, re.sub(r"[_-]", " ", name), *passage.chunk.headings)))


def term_set(text: str) -> frozenset[str]:
    """Return the distinct index terms of a text; "FY2022" holds the term "2022"."""
    return frozenset(terms(_YEAR_PREFIX.sub("", text)))


@cache
def _term_weights() -> Mapping[str, float]:
    found: dict[str, float] = json.loads(_WEIGHTS.read_text(encoding="utf-8"))["weights"] if _WEIGHTS.is_file() else {}
    return found


def weight(term: str) -> float:
    """Return how telling a term is: ln(N / documents that hold it); a term not among the frequent ones is rare."""
    return _term_weights().get(term, UNSEEN)


def coverage(wanted: Iterable[str], held: frozenset[str] | set[str]) -> float:
    """Return the share of `wanted` terms that are held, by weight, in [0, 1]; 0 when nothing is wanted.

    Summed exactly, so that the order of a set, which differs from process to process, changes nothing.
    """
    wanted = list(wanted)
    total = math.fsum(map(weight, wanted))
    return math.fsum(weight(term) for term in wanted if term in held) / total if total else 0.0


class SentenceVectors:
    """Unit vectors of sentences, the latest kept, so that the verifier does not embed again what the answerer read.

    Args:
        embedder: texts to vectors; vectors are brought to unit length here.
        capacity: how many are kept.
    """

    def __init__(self, embedder: Embedder, capacity: int = 16_384) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._kept: OrderedDict[str, Floats] = OrderedDict()
        self._lock = Lock()

    def of(self, texts: Sequence[str]) -> Floats:
        """Return an array of shape (len(texts), dimension); (0, 0) for no texts."""
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        with self._lock:
            known = {text: self._kept[text] for text in texts if text in self._kept}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            made = np.asarray(self._embedder.embed_documents(missing), dtype=np.float32)
            made = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
            known.update(zip(missing, made, strict=True))
        with self._lock:
            for text in texts:
                self._kept[text] = known[text]
                self._kept.move_to_end(text)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return np.stack([known[text] for text in texts])


_OPEN: WeakValueDictionary[int, SentenceVectors] = WeakValueDictionary()  # by id of the embedder each keeps alive


def vectors_for(embedder: Embedder) -> SentenceVectors:
    """Return the one store of sentence vectors of an embedder, shared by answerer and verifier."""
    found = _OPEN.get(id(embedder))
    if found is None:
        found = _OPEN[id(embedder)] = SentenceVectors(embedder)
    return found


def logistic(features: Mapping[str, float], constants: Mapping[str, float]) -> float:
    """Return 1 / (1 + exp(-(bias + sum of constant * feature))); features without a constant are left out."""
    total = constants["bias"] + sum(value * features[name] for name, value in constants.items() if name != "bias")
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, total))))


def language_of(text: str) -> Language:
    """Return the language a question is asked in."""
    return "zh" if re.search(f"[{HAN}]", text) and detect_language(text) == "zh" else "en"
