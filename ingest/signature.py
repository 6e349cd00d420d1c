"""What of a text is compared to find the same text again, word for word or nearly.

Likeness is the share of words (in Chinese: characters) that are the same in place. It is estimated from the Jaccard
index j of runs of k = 4 words, by (2j / (1 + j)) ** (1 / k) (Mash; Ondov et al. 2016, eq. 4), and j from 128 MinHash
values (standard error at most 0.045, so about 0.01 of likeness near 0.9).

Two of whom something is known that differs (`TOLD`: version, period, issuer, ...) are no duplicates however alike they
are; of the others the texts themselves decide (`ingest.differs`). Texts under 20 words are compared word for word
alone, and so are their titles.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from rag.language import HAN
from rag.schema import Document, content_id

RUN = 4  # words, or Chinese characters, in a shingle
VALUES, BANDS = 128, 32  # MinHash values; 32 bands of 4 find 85 % of pairs at likeness 0.9, 99.9 % at 0.95
LEAST_WORDS = 20
TOLD: Final = (
    *("series", "organisation", "document_type", "fiscal_period", "period_end", "published"),
    *("version", "version_date", "version_number", "amendment"),
)
"""Metadata of which two duplicates say the same, where both say it; besides the year and the title."""
_SEED = 2022
_WORD = re.compile(rf"[{HAN}]|\d+(?:[.,]\d+)*|[^\W\d_{HAN}]+|(?<!\w)[-−–](?=\d)|\((?=\d)|[<>≤≥±%]")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_LAYOUT = struct.Struct("<16sIHH")


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What of a text is compared: at most 600 bytes packed. `size` counts words.

    `told` are hashes of what is known of it: of the year, of the numbers and single letters in the title ("type 2",
    "hemophilia A"), of the title of a short text, of `TOLD`; 0 where it is not known.
    """

    digest: bytes
    size: int
    told: np.ndarray
    runs: np.ndarray

    def pack(self) -> bytes:
        """Return it as bytes, to be kept beside the document."""
        parts = (self.told, self.runs)
        head = _LAYOUT.pack(self.digest, self.size, *map(len, parts))
        return head + b"".join(part.astype("<u4").tobytes() for part in parts)

    @classmethod
    def unpack(cls, data: bytes) -> Signature:
        """Read it back.

        Raises:
            ValueError: not as long as a signature.
        """
        try:
            digest, size, *lengths = _LAYOUT.unpack_from(data)
            values = np.frombuffer(data, "<u4", count=sum(lengths), offset=_LAYOUT.size)
        except (struct.error, ValueError) as error:
            raise ValueError(f"signature: {len(data)} bytes are none. Compute it anew from the text.") from error
        return cls(digest, size, *np.split(values, np.cumsum(lengths[:-1])))

    @property
    def exact_band(self) -> int:
        """What all texts of the same words share."""
        return int.from_bytes(self.digest[:8], "little", signed=True)

    @property
    def bands(self) -> list[int]:
        """What texts that are alike share some of; none of a short text."""
        if self.size < LEAST_WORDS:
            return []
        rows = self.runs.astype("<u4").reshape(BANDS, -1)
        digests = (content_id(bytes([i]) + row.tobytes()) for i, row in enumerate(rows))
        return [int.from_bytes(bytes.fromhex(digest[:16]), "little", signed=True) for digest in digests]


def version() -> str:
    """Return what a kept signature depends on; one kept under another version has to be computed anew."""
    import rensa

    return f"4|{RUN}|{VALUES}|{rensa.RMinHash.ALGORITHM_VERSION}"


def signature(document: Document) -> Signature:
    """Compute the signature of a document: a pure function of its text, title and metadata."""
    words = words_of(document.text)
    runs = {" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}
    return Signature(
        digest=bytes.fromhex(content_id(" ".join(words) or document.text)),
        size=min(len(words), 2**32 - 1),
        told=_told(document, words_of(document.title), short=len(words) < LEAST_WORDS),
        runs=_minhash(runs),
    )


def words_of(text: str) -> list[str]:
    """Return what is compared of a text: words, Chinese characters, numbers, and signs that change a number."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _told(document: Document, title: Sequence[str], *, short: bool) -> np.ndarray:
    """Return the hashes of what is known of a document; a title that is the name of its file tells nothing."""
    known = document.metadata
    if title == words_of(PurePosixPath(document.source.split("#", 1)[0]).stem):
        title = ()
    marks = [word for word in title if word < "\u3400" and (len(word) == 1 or not word.isalpha())]
    said = [" ".join(words_of(str(known[key]))) if known.get(key) not in (None, "") else "" for key in TOLD]
    if known.get("document_type") and not known.get("amendment"):
        said[TOLD.index("amendment")] = "false"
    named = " ".join(marks) or ("none" if title else "")
    told = [str(_year(document) or ""), named, " ".join(title) if short else "", *said]
    return np.asarray([zlib.crc32(each.encode()) or 1 if each else 0 for each in told], dtype=np.uint32)


def _minhash(items: Collection[str]) -> np.ndarray:
    import rensa

    sketch = rensa.RMinHash(VALUES, _SEED)
    sketch.update(list(items))
    return np.asarray(sketch.digest(), dtype=np.uint32)


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


def contradict(a: Signature, b: Signature) -> bool:
    """Tell whether something is known of two texts that differs: they are versions, or of two years."""
    return bool(((a.told != b.told) & (a.told != 0) & (b.told != 0)).any())
