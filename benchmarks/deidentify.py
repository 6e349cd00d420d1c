"""Recall and precision of de-identification on labelled letters, notes and forms, by kind, language and fold.

    python -m benchmarks.deidentify [--fold dev|test] [--strike] [--errors]

A labelled item counts as hidden when all of its letters and digits are covered, whatever kind was said; a find counts
as right when at least half of it is labelled. Kept are stretches that must survive (doses, amounts, eponyms, firms).
`--strike` takes every word of the labelled names out of the word lists first: what is left are titles, labels and
layout. `--errors` lists what was missed, of the dev fold alone. Intervals: Wilson, 95 %.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ingest.personal_names import words_of as _WORDS_OF

FILE = Path(__file__).parents[1] / "tests/ingest/deidentify.jsonl"
_MARK = re.compile(r"\[\[(\w+)\|(.*?)\]\]", re.DOTALL)
_TITLE = re.compile(r"^(?:Dr|Mr|Mrs|Ms|Miss|Nurse)\.? |(?:女士|先生|护士长|护士|主任|教授)$")


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text: `spans` are (start, end, kind); kind "keep" must survive."""

    id: str
    fold: str
    language: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


def load(path: Path = FILE) -> list[Example]:
    """Read the labelled set; labels stand in the text as `[[KIND|words]]`."""
    examples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        text, spans, at = "", [], 0
        for match in _MARK.finditer(record["marked"]):
            text += record["marked"][at : match.start()]
            spans.append((len(text), len(text) + len(match[2]), match[1]))
            text += match[2]
            at = match.end()
        text += record["marked"][at:]
        examples.append(Example(record["id"], record["fold"], record["language"], text, tuple(spans)))
    return examples


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return middle - half, middle + half


def _solid(text: str, start: int, end: int) -> set[int]:
    """Return the places of the letters and digits of a label, those of a title left out."""
    label = text[start:end]
    title = _TITLE.search(label)
    skip = set(range(start + title.start(), start + title.end())) if title else set()
    return {i for i in range(start, end) if text[i].isalnum()} - skip


Counts = dict[tuple[str, str], list[int]]


def score(examples: Iterable[Example]) -> tuple[Counts, list[str]]:
    """Return {(measure, group): [right, n]} over the examples, and the errors in words."""
    from ingest.deidentify import deidentify

    counts: Counts = defaultdict(lambda: [0, 0])
    errors = []

    def count(measure: str, groups: tuple[str, ...], right: bool) -> None:
        for group in groups:
            counts[measure, group][0] += right
            counts[measure, group][1] += 1

    for example in examples:
        text = example.text
        found = deidentify(text, mode="mask", language=example.language).found
        hidden = {i for item in found for i in range(item.start, item.end)}
        labelled: set[int] = set()
        for start, end, kind in example.spans:
            if kind == "keep":
                kept = not hidden & set(range(start, end))
                count("kept", ("all", example.language), kept)
                errors += [] if kept else [f"{example.id} not kept: {text[start:end]!r}"]
                continue
            labelled |= set(range(start, end))
            covered = _solid(text, start, end) <= hidden
            count("recall", ("all", example.language, kind), covered)
            errors += [] if covered else [f"{example.id} missed {kind}: {text[start:end]!r}"]
        for item in found:
            places = {i for i in range(item.start, item.end) if text[i].isalnum()}
            right = 2 * len(places & labelled) >= len(places)
            count("precision", ("all", example.language, item.kind), right)
            errors += [] if right else [f"{example.id} wrong {item.kind}: {text[item.start : item.end]!r}"]
    return counts, errors


def strike(examples: Iterable[Example]) -> None:
    """Take every word of the labelled names out of the word lists, for the rest of this process."""
    from ingest import personal_names, personal_names_zh

    names = [e.text[a:b] for e in examples for a, b, kind in e.spans if kind == "NAME"]
    gone = {part.lower() for name in names for part in re.findall(r"[^\W\d_]+", name)}
    gone |= {char for name in names for char in name if char >= "\u4e00"}

    def struck(name: str) -> frozenset[str]:
        words_of = _WORDS_OF
        if name not in ("given_en", "surnames_en", "pinyin_surnames", "given_zh"):
            return words_of(name)
        return frozenset("".join(c for c in w if c not in gone) for w in words_of(name) if w not in gone)

    personal_names.words_of = struck  # type: ignore[assignment]
    personal_names_zh.words_of = struck  # type: ignore[assignment]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fold", choices=("dev", "test"))
    parser.add_argument("--strike", action="store_true")
    parser.add_argument("--errors", action="store_true")
    given = parser.parse_args()
    examples = load()
    for fold in [given.fold] if given.fold else ["dev", "test"]:
        chosen = [example for example in examples if example.fold == fold]
        if given.strike:
            strike(chosen)
        counts, errors = score(chosen)
        print(f"\n{fold}: {len(chosen)} texts")
        for measure, group in sorted(counts, key=lambda key: (key[0], key[1] not in ("all", "en", "zh"), key[1])):
            right, n = counts[measure, group]
            low, high = wilson(right, n)
            print(f"  {measure:<10}{group:<11}{right:>4}/{n:<4}{right / n:>7.3f}  [{low:.3f}, {high:.3f}]")
        if given.errors and fold == "dev":
            print("\n".join(errors))


if __name__ == "__main__":
    main()
