"""Documents that are there already, word for word or nearly: found by signatures, decided by the texts.

It does not know which of two duplicates is the better one: the first stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ingest.differs import says_the_same
from ingest.signature import Signature, contradict, likeness, signature, version
from rag.schema import Document

CROWD: Final = 256
"""A band that more documents share tells little."""
NEAREST: Final = 32
"""How many candidates are compared."""
MOST_READ: Final = 3
"""How many of the most alike are read."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """`of` is the source that holds the same text; `similarity` in [0, 1], 1 for an exact one."""

    of: str
    similarity: float
    kind: Literal["exact", "near"]


class Kept(Protocol):
    """Where signatures are kept: with a collection (`rag.twins.TwinRecords`), or in memory."""

    def put(self, source: str, version: str, signature: bytes, bands: Iterable[int]) -> None:
        """Keep the signature of the document a source holds."""

    def alike(self, bands: Iterable[int], version: str, *, crowds: bool = False) -> list[tuple[list[str], bytes]]:
        """Return (sources, signature) of the documents that share a band, those that share most first."""


class Deduper:
    """Finds what a document repeats among those whose signatures are kept.

    Args:
        kept: where they are.
        held: gives the document a source holds; where it gives None, only word for word is found.
        threshold: the likeness from which two documents are duplicates; 1 asks for exact ones alone.
    """

    def __init__(self, kept: Kept, held: Callable[[str], Document | None], threshold: float = 0.9) -> None:
        if not 0.5 <= threshold <= 1:
            raise ValueError(f"Deduper: the threshold must lie in [0.5, 1], got {threshold}")
        self._kept, self._held, self.threshold = kept, held, threshold

    @property
    def rule(self) -> str:
        """What decides, besides the texts; a decision of another rule has to be made anew."""
        return f"{version()}|{self.threshold:g}"

    def keep(self, source: str, of: Signature) -> None:
        """Keep the signature of what a source holds now."""
        self._kept.put(source, version(), of.pack(), [of.exact_band, *of.bands])

    def find(self, document: Document, of: Signature | None = None, gone: Collection[str] = ()) -> Duplicate | None:
        """Return the document most like this one, where it is like enough.

        Args:
            document: one that comes in; what its own source holds does not count.
            of: its signature, where it has been computed.
            gone: sources that do not count either.
        """
        of, source = of or signature(document), document.source
        for held, other in self._others([of.exact_band], source, gone, crowds=True):
            if other.digest == of.digest and not contradict(of, other):
                return Duplicate(held, 1.0, "exact")
        if self.threshold == 1:
            return None
        near = [
            Duplicate(held, min(likeness(of, other), 0.999), "near")
            for held, other in self._others(of.bands, source, gone)[:NEAREST]
            if not contradict(of, other)
        ]
        likely = sorted((each for each in near if each.similarity >= self.threshold), key=lambda n: -n.similarity)
        return next((each for each in likely[:MOST_READ] if self._confirms(each.of, document)), None)

    def _confirms(self, source: str, document: Document) -> bool:
        kept = self._held(source)
        return kept is not None and says_the_same(kept.text, document.text)

    def _others(
        self, bands: list[int], source: str, gone: Collection[str], *, crowds: bool = False
    ) -> list[tuple[str, Signature]]:
        """Return the documents that share a band, each under the first of its sources that counts."""
        found = []
        for sources, signature_ in self._kept.alike(bands, version(), crowds=crowds):
            held = next((each for each in sources if each != source and each not in gone), None)
            if held is not None:
                found.append((held, Signature.unpack(signature_)))
        return found


class InMemory:
    """Signatures that live as long as this; about 11 kB of memory a document."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, tuple[int, ...]]] = {}
        self._bands: dict[int, dict[str, None]] = {}

    def __len__(self) -> int:
        """Return how many documents are held."""
        return len(self._held)

    def put(self, source: str, version: str, signature: bytes, bands: Iterable[int]) -> None:
        """Keep the signature of the document a source holds; all are of this version."""
        self.remove(source)
        self._held[source] = signature, tuple(bands)
        for band in self._held[source][1]:
            self._bands.setdefault(band, {})[source] = None

    def alike(self, bands: Iterable[int], version: str, *, crowds: bool = False) -> list[tuple[list[str], bytes]]:
        """Return (sources, signature) of the documents that share a band, those that share most first."""
        shared = Counter[str]()
        for band in bands:
            held = self._bands.get(band, {})
            shared.update(list(held) if crowds or len(held) <= CROWD else ())
        return [([source], self._held[source][0]) for source, _ in shared.most_common()]

    def remove(self, source: str) -> None:
        """Let a document go: what repeats it may come in from now on."""
        for band in self._held.pop(source, (b"", ()))[1]:
            self._bands[band].pop(source)
            if not self._bands[band]:
                del self._bands[band]
