"""What one of two texts that read alike says and the other does not, so that neither is taken for a copy of the other.

A copy may have another header or footer, other white space, some words more or less. It is none when it puts one word
for another (another drug, another company), brings a figure or a word on which the sense turns ("not", "twice",
"withdrawn", 不, 禁) where the kept text has none, has the same word more or less in two such places, or brings a whole
sentence. It does not know synonyms: a text put into other words is a text of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from ingest.signature import RUN, words_of

Span = tuple[int, int]
AMID: Final = 8
"""Words in a row that are new (half as many for a Chinese character): something is said that the kept text lacks."""
EDGE: Final = 20
"""The same before the beginning and after the end: headers, footers, credits."""
MOST_COMPARED: Final = 250_000
"""Pairs of words; a longer stretch without anchors counts as different."""
_FIGURE: Final = re.compile(r"[\d<>≤≥±%(−–-]")
TURNS: Final = re.compile(
    r"not?|nor|never|none|neither|without|cannot|don|doesn|isn|aren|un\w{3,}able|contraindicated|avoid|stop|unless|except"
    r"|only|must|may|should|increase[ds]?|decrease[ds]?|reduced?|raised?|lower|higher|above|below|before|after|more|less"
    r"|zero|one|two|three|four|five|six|seven|eight|nine|ten|once|twice|half|double|daily|weekly|hourly|monthly"
    r"|left|right|withdrawn|superseded|retracted|retraction|draft|obsolete|recalled|corrected|erratum|amended|revised"
    r"|profit|loss|gain|million|billion|thousand|percent|mg|mcg|µg|μg|g|kg|ml|l|iu"
    r"|[不未无無非否勿禁忌停减減增升降上下高低左右前后後仅僅限除一二两兩三四五六七八九十百千万萬亿億每次日周月年亏虧盈损損负負废廢撤作召]"
)

_STATUS: Final = re.compile(
    r"not?|never|withdrawn|superseded|retract\w*|draft|obsolete|recall\w*|correct\w*|errat\w*|amend\w*|revis\w*|replac\w*"
    r"|cancel\w*|expired|void|invalid|stop|warning|[不未勿禁废廢撤停替修]",
)
"""What a header or a footer may say that makes the text another one."""


def says_the_same(kept: str, coming: str) -> bool:
    """Tell whether a text that reads like a kept one is a copy of it that may be left out."""
    a, b = words_of(kept), words_of(coming)
    seen = set[tuple[str, ...]]()
    for mine, other in _differences(a, b):
        less, more = a[slice(*mine)], b[slice(*other)]
        if less and more:  # one word for another
            return False
        edge = mine[1] == 0 or mine[0] == len(a) or other[1] == 0 or other[0] == len(b)
        words = less or more
        if _length(more) > (EDGE if edge else AMID) or any(map((_STATUS if edge else TURNS).fullmatch, words)):
            return False
        if not edge and any(map(_FIGURE.match, words)):
            return False
        place = (*a[max(0, mine[0] - 1) : mine[0]], "+" if more else "-", *words)
        if not edge and place in seen:  # "hemophilia" all through one, "hemophilia A" all through the other
            return False
        seen.add(place)
    return True


def _differences(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[Span, Span]]:
    """Yield what stands in one and not in the other: (span of a, span of b), one of them may be empty.

    Runs of words that each holds once are anchors, in the longest order they share (patience diff); only what lies
    between them is compared word by word.
    """
    at, to = 0, 0
    for i, j in [*_anchors(_once(a), _once(b)), (len(a), len(b))]:
        if (i < at or j < to) and i - j != at - to:
            continue
        if i > at or j > to:
            yield from _between(a, b, (at, i), (to, j))
        at, to = i + RUN, j + RUN


def _between(a: Sequence[str], b: Sequence[str], mine: Span, other: Span) -> Iterator[tuple[Span, Span]]:
    x, y = a[slice(*mine)], b[slice(*other)]
    if len(x) * len(y) > MOST_COMPARED:
        yield mine, other
        return
    for what, i, j, k, m in SequenceMatcher(None, x, y, autojunk=False).get_opcodes():
        if what != "equal":
            yield (mine[0] + i, mine[0] + j), (other[0] + k, other[0] + m)


def _once(words: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Return the runs that come once, and where."""
    runs = [tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]
    times = Counter(runs)
    return {run: i for i, run in enumerate(runs) if times[run] == 1}


def _anchors(a: dict[tuple[str, ...], int], b: dict[tuple[str, ...], int]) -> list[Span]:
    """Return the longest sequence of shared runs whose places rise in both."""
    pairs = [(i, b[run]) for run, i in a.items() if run in b]
    tails: list[int] = []  # the lowest last place in b of a sequence of each length
    last: list[int] = []  # which pair that is
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(tails, j)
        before.append(last[length - 1] if length else -1)
        tails[length : length + 1], last[length : length + 1] = [j], [number]
    found: list[Span] = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _length(words: Sequence[str]) -> float:
    return sum(0.5 if word >= "\u3400" else 1 for word in words)
