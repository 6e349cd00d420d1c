"""Longest common subsequences on bit vectors: one step a token of the second sequence, whatever the first one's length.

Allison and Dix (1986) in the form of Hyyrö (2004). Bit i of `row[j]` is 0 where place i of the first sequence lengthens
the common subsequence with the first j tokens of the second: the zeros below bit i are the length table's entry (i, j).
"""

from __future__ import annotations

from collections.abc import Sequence


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    return len(first) - _rows(first, second)[-1].bit_count()


def common_places(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Return the places in `first`, ascending, of one longest common subsequence: of several, the one ROUGE takes.

    It is read from the end: a match is taken, else the step goes to the longer rest, in `first` where both are equal.
    """
    if set(first).isdisjoint(second):
        return []
    rows = _rows(first, second)
    places = []
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j = i - 1, j - 1
            places.append(i)
        elif _entry(rows[j - 1], i) > _entry(rows[j], i - 1):
            j -= 1
        else:
            i -= 1
    return places[::-1]


def _entry(row: int, i: int) -> int:
    return i - (row & ((1 << i) - 1)).bit_count()


def _rows(first: Sequence[str], second: Sequence[str]) -> list[int]:
    where: dict[str, int] = {}
    for i, token in enumerate(first):
        where[token] = where.get(token, 0) | 1 << i
    full = (1 << len(first)) - 1
    rows = [full]
    for token in second:
        row = rows[-1]
        matched = row & where.get(token, 0)
        rows.append((row + matched | row - matched) & full if matched else row)
    return rows
