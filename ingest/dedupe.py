"""Documents that are there already, word for word or nearly.

Likeness is the share of words (in Chinese: characters) that are the same in place. It is estimated from the Jaccard
index j of runs of k = 4 words, by (2j / (1 + j)) ** (1 / k) (Mash; Ondov et al. 2016, eq. 4), and j from 128 MinHash
values (standard error at most 0.045, so about 0.01 of likeness near 0.9).

Two versions of one filing are no duplicates, nor are two pages written after one pattern: their years or figures
differ, or one names again and again, or in its title, what the other does not (Acanthosis, Ablepharon). It does not
know which of two duplicates is the better one: the first stays. Texts under 20 words are compared word for word alone.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal

import numpy as np

from rag.language import HAN
from rag.schema import Document, content_id

RUN = 4  # words, or Chinese characters, in a shingle
VALUES, BANDS = 128, 32  # MinHash values; 32 bands of 4 find 85 % of pairs at likeness 0.9, 99.9 % at 0.95
FIGURE_VALUES = 64
LEAST_WORDS = 20
LEAST_FIGURES = 5
LIKE_FIGURES = 0.6  # Jaccard index of the sets of figures below which two texts tell of different things
SUBJECT_VALUES = 128
OFTEN = 4  # times from which a word is what a text is about; one more for every thousand words
CROWD, NEAREST = 256, 32  # a band that more documents share tells nothing; how many candidates are compared
_SEED = 2022
_WORD = re.compile(rf"[{HAN}]|\d+(?:[.,]\d+)*|[^\W\d_{HAN}]+")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_LAYOUT = struct.Struct("<16sHIIHHH")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """`of` is the source that holds the same text; `similarity` in [0, 1], 1 for an exact one."""

    of: str
    similarity: float
    kind: Literal["exact", "near"]


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What of a text is compared: at most 1.3 kB packed. `year` is 0 where none stands out, `size` counts words.

    `marks` is a hash of the numbers and single letters in the title ("type 2", "hemophilia A"), 0 where there are none.
    `subject` are hashes of the words it says twice or more, the 128 lowest; those said often are odd.
    """

    digest: bytes
    year: int
    size: int
    marks: int
    runs: np.ndarray
    figures: np.ndarray
    subject: np.ndarray

    def pack(self) -> bytes:
        """Return it as bytes, to be kept beside the document."""
        parts = (self.runs, self.figures, self.subject)
        head = _LAYOUT.pack(self.digest, self.year, self.size, self.marks, *map(len, parts))
        return head + b"".join(part.astype("<u4").tobytes() for part in parts)

    @classmethod
    def unpack(cls, data: bytes) -> Signature:
        """Read it back.

        Raises:
            ValueError: not as long as a signature.
        """
        try:
            digest, year, size, marks, *lengths = _LAYOUT.unpack_from(data)
            values = np.frombuffer(data, "<u4", count=sum(lengths), offset=_LAYOUT.size)
        except (struct.error, ValueError) as error:
            raise ValueError(f"signature: {len(data)} bytes are none. Compute it anew from the text.") from error
        runs, figures, subject = np.split(values, np.cumsum(lengths[:2]))
        return cls(digest, year, size, marks, runs, figures, subject)


def version() -> str:
    """Return what a kept signature depends on; one kept under another version has to be computed anew."""
    import rensa

    return f"1|{RUN}|{VALUES}|{FIGURE_VALUES}|{rensa.RMinHash.ALGORITHM_VERSION}"


def signature(document: Document) -> Signature:
    """Compute the signature of a document: a pure function of its text and its year."""
    words, title = _words(document.text), _words(document.title)
    runs = {" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}
    figures = {word for word in words if len(word) > 1 and word[0].isdigit()}
    return Signature(
        digest=bytes.fromhex(content_id(" ".join(words))),
        year=_year(document),
        size=min(len(words), 2**32 - 1),
        marks=_marks(title),
        runs=_minhash(runs, VALUES),
        figures=_minhash(figures, FIGURE_VALUES if len(figures) >= LEAST_FIGURES else 0),
        subject=_subject(words, title),
    )


def _minhash(items: Collection[str], values: int) -> np.ndarray:
    import rensa

    if not values:
        return np.empty(0, np.uint32)
    sketch = rensa.RMinHash(values, _SEED)
    sketch.update(list(items))
    return np.asarray(sketch.digest(), dtype=np.uint32)


def _marks(title: Sequence[str]) -> int:
    marks = [word for word in title if word < "\u3400" and (len(word) == 1 or not word.isalpha())]
    return zlib.crc32(" ".join(marks).encode()) if marks else 0


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _said(words: Sequence[str]) -> Counter[str]:
    """Count words, of Chinese pairs of characters."""
    pairs = (a + b for a, b in pairwise(words) if a >= "\u3400" and b >= "\u3400")
    return Counter(chain((word for word in words if word < "\u3400"), pairs))


def _subject(words: Sequence[str], title: Sequence[str]) -> np.ndarray:
    """Return the hashes of words said twice and more, the title read with the text; odd where said often.

    For a word of the title it is often to stand twice in the text as well.
    """
    said, often, titled = _said(words), OFTEN + len(words) // 1000, _said(title).keys()
    said.update(titled & said.keys())
    hashed = sorted(
        (zlib.crc32(word.encode()) & ~1) | (times >= (3 if word in titled else often))
        for word, times in said.items()
        if times > 1
    )
    return np.asarray(hashed[:SUBJECT_VALUES], dtype=np.uint32)


def _year(document: Document) -> int:
    """Return the year a document tells of: that of its metadata, else the one its text names most; 0 for none."""
    known = document.metadata.get("year")
    if isinstance(known, int):
        return known
    most = Counter(_YEAR.findall(document.text)).most_common(2)
    if not most or most[0][1] < 3 or (len(most) > 1 and most[1][1] * 1.2 > most[0][1]):
        return 0
    return int(most[0][0])


def likeness(a: Signature, b: Signature) -> float:
    """Estimate the share of words that two texts have the same in place, in [0, 1]."""
    jaccard = float(np.mean(a.runs == b.runs))
    return float((2 * jaccard / (1 + jaccard)) ** (1 / RUN))


def _same_matter(a: Signature, b: Signature) -> bool:
    """Tell whether two texts that read alike also tell of the same year and the same figures."""
    if (a.year and b.year and a.year != b.year) or (a.marks and b.marks and a.marks != b.marks):
        return False
    if len(a.figures) and len(b.figures) and float(np.mean(a.figures == b.figures)) < LIKE_FIGURES:
        return False
    return not _strange(a.subject, b.subject) and not _strange(b.subject, a.subject)


def _strange(a: np.ndarray, b: np.ndarray) -> int:
    """Count the words that `a` says often and `b` not twice, among those that a full sample of `b` would show."""
    reach = b[-1] if len(b) == SUBJECT_VALUES else np.uint32(2**32 - 1)
    told = a[(a % 2 == 1) & (a <= reach)] // 2
    return int((~np.isin(told, b // 2)).sum())


class Deduper:
    """The signatures of a collection and of the batch that is coming in; about 11 kB of memory a document.

    `threshold` is the likeness from which two documents are duplicates; 1 asks for exact ones alone.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        if not 0.5 <= threshold <= 1:
            raise ValueError(f"Deduper: the threshold must lie in [0.5, 1], got {threshold}")
        self.threshold = threshold
        self._held: dict[str, Signature] = {}
        self._exact: dict[bytes, str] = {}
        self._bands: defaultdict[bytes, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        """Return how many documents are held."""
        return len(self._held)

    def add(self, document: Document) -> Duplicate | None:
        """Hold a document, or say which one it repeats; a duplicate is not held. A source's older text is let go."""
        return self.keep(document.source, signature(document))

    def keep(self, source: str, of: Signature) -> Duplicate | None:
        """As `add`, by signature: one that was kept, or was computed in another process."""
        self.remove(source)
        found = self.find(of)
        if found is None:
            self._held[source] = of
            self._exact[of.digest] = source
            for band in self._bands_of(of):
                self._bands[band].add(source)
        return found

    def find(self, of: Signature) -> Duplicate | None:
        """Return the document most like this one, where it is like enough."""
        same = self._exact.get(of.digest)
        if same is not None:
            return Duplicate(same, 1.0, "exact")
        near = Counter[str]()
        for band in self._bands_of(of):
            held = self._bands.get(band, ())
            near.update(held if len(held) <= CROWD else ())
        likely = sorted(near, key=lambda source: (-near[source], source))[:NEAREST]
        best = max(((likeness(of, self._held[s]), s) for s in likely if _same_matter(of, self._held[s])), default=None)
        if best is None or best[0] < self.threshold:
            return None
        return Duplicate(best[1], min(best[0], 0.999), "near")

    def remove(self, source: str) -> None:
        """Let a document go: what repeats it may come in from now on."""
        held = self._held.pop(source, None)
        if held is None:
            return
        self._exact.pop(held.digest, None)
        for band in self._bands_of(held):
            self._bands[band].discard(source)
            if not self._bands[band]:
                del self._bands[band]

    def _bands_of(self, of: Signature) -> list[bytes]:
        if of.size < LEAST_WORDS or self.threshold == 1:
            return []
        rows = of.runs.reshape(BANDS, -1)
        return [bytes([i]) + row.tobytes() for i, row in enumerate(rows)]
