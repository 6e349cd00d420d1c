"""What one of two texts that read alike says and the other does not, so that neither is taken for a copy of the other.

A copy may have another header or footer, other white space, some words more or less. It is none when it puts one word
for another (another drug, another company), brings a figure or a word on which the sense turns ("not", "twice",
"withdrawn", 不, 禁) where the kept text has none, or brings a whole sentence. It does not know synonyms: a text put
into other words is a text of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.signature import RUN, words_of

Span = tuple[int, int]
AMID: Final = 8
"""Words in a row that are new (half as many for a Chinese character): something is said that the kept text lacks."""
EDGE: Final = 40
"""The same before the beginning and after the end: headers, footers, credits."""
_FIGURE: Final = re.compile(r"[\d<>≤≥±%(−–-]")
TURNS: Final = re.compile(
    r"not?|nor|never|none|neither|without|cannot|don|doesn|isn|aren|un\w{3,}able|contraindicated|avoid|stop|unless|except"
    r"|only|must|may|should|increase[ds]?|decrease[ds]?|reduced?|raised?|lower|higher|above|below|before|after|more|less"
    r"|zero|one|two|three|four|five|six|seven|eight|nine|ten|once|twice|half|double|daily|weekly|hourly|monthly"
    r"|left|right|withdrawn|superseded|retracted|retraction|draft|obsolete|recalled|corrected|erratum|amended|revised"
    r"|profit|loss|gain|million|billion|thousand|percent|mg|mcg|µg|μg|g|kg|ml|l|iu"
    r"|[不未无無非否勿禁忌停减減增升降上下高低左右前后後仅僅限除一二两兩三四五六七八九十百千万萬亿億每次日周月年亏虧盈损損负負废廢撤作召]"
)


def says_the_same(kept: str, coming: str) -> bool:
    """Tell whether a text that reads like a kept one is a copy of it that may be left out."""
    a, b = words_of(kept), words_of(coming)
    news, lacks = list(_news(b, _runs(a))), list(_news(a, _runs(b)))
    added, dropped = _edges(news, lacks, len(b), len(a)), _edges(lacks, news, len(a), len(b))
    if any(_length(b[i:j]) > (EDGE if (i, j) in added else AMID) for i, j in news):
        return False
    if any(map(TURNS.fullmatch, [*_within(b, added), *_within(a, dropped)])):
        return False
    more = _within(b, [span for span in news if span not in added])
    less = _within(a, [span for span in lacks if span not in dropped])
    if not (_runs_through(more, less) or _runs_through(less, more)):  # one word for another
        return False
    other = (Counter(more) - Counter(less)) + (Counter(less) - Counter(more))
    return not any(_FIGURE.match(word) or TURNS.fullmatch(word) for word in other)


def _runs_through(few: Sequence[str], many: Sequence[str]) -> bool:
    """Tell whether some words stand among others in their order."""
    rest = iter(many)
    return all(word in rest for word in few)


def _edges(spans: list[Span], others: list[Span], length: int, other_length: int) -> list[Span]:
    """Return what stands before the beginning or after the end of the other text, which has nothing else there."""
    head = [span for span in spans[:1] if span[0] == 0 and not (others and others[0][0] == 0)]
    tail = [span for span in spans[-1:] if span[1] == length and not (others and others[-1][1] == other_length)]
    return head + tail


def _within(words: Sequence[str], spans: Sequence[Span]) -> list[str]:
    return [word for i, j in spans for word in words[i:j]]


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def _news(words: Sequence[str], known: set[tuple[str, ...]]) -> Iterator[Span]:
    """Yield the spans of words that stand in no run of words that is known."""
    covered = 0
    for i in range(len(words) - RUN + 1):
        if tuple(words[i : i + RUN]) in known:
            if i > covered:
                yield covered, i
            covered = i + RUN
    if covered < len(words):
        yield covered, len(words)


def _length(words: Sequence[str]) -> float:
    return sum(0.5 if word >= "\u3400" else 1 for word in words)
