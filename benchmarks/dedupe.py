"""Duplicates found among planted ones and refused among real neighbours, and documents a second.

    python -m benchmarks.dedupe DATA [--limit 800]

DATA is the folder of evaluation data. For each corpus every document is planted again: word for word with other white
space and case ("exact"), with 2 % and 5 % of its words replaced by words of the corpus, and with another header and
footer. Nobody planted anything among the documents themselves: pairs found there are printed, to be read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.deidentify import wilson
from ingest.dedupe import Deduper, Duplicate, signature
from rag.language import HAN
from rag.schema import Document

CORPORA = ("medquad_documents", "obliqa_documents", "zh_crud_news_fin", "covidqa_papers")
_WORD = re.compile(rf"[{HAN}]{{1,2}}|[^\W_{HAN}]+")


def replaced(text: str, share: float, words: list[str], rng: random.Random) -> str:
    """Replace a share of the words by others of the corpus."""
    return _WORD.sub(lambda found: rng.choice(words) if rng.random() < share else found.group(), text)


def headed(text: str) -> str:
    """Put another header and footer around a text."""
    return f"Printed from the intranet on another day, copy for internal use only\n{text}\nEnd of page 17/44"


def plants(words: list[str], rng: random.Random) -> dict[str, Callable[[str], str]]:
    """Return the ways in which a document is planted again."""
    return {
        "exact": lambda text: text.upper().replace(" ", "  "),
        "2 % words": lambda text: replaced(text, 0.02, words, rng),
        "5 % words": lambda text: replaced(text, 0.05, words, rng),
        "header": headed,
    }


def main() -> None:
    """Print a table for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=800)
    parser.add_argument("--threshold", type=float, default=0.9)
    given = parser.parse_args()
    for corpus in CORPORA:
        with gzip.open(given.data / f"corpora/{corpus}.jsonl.gz", "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines][: given.limit]
        texts = {str(record["_id"]): str(record["text"]) for record in records}
        titles = {str(record["_id"]): str(record["title"]) for record in records}
        began = time.process_time()
        deduper, own = Deduper(given.threshold), list[tuple[str, Duplicate]]()
        for name, text in texts.items():
            duplicate = deduper.add(Document.of(text, name, title=titles[name]))
            if duplicate:
                own.append((name, duplicate))
        seconds = time.process_time() - began
        size = sum(map(len, texts.values())) / 1e6
        print(f"\n{corpus}: {len(texts)} documents, {size:.1f} M characters, {len(texts) / seconds:,.0f} documents/s")
        gone = {name for name, _ in own}
        rng = random.Random(7)
        words = [word for text in list(texts.values())[:50] for word in _WORD.findall(text)]
        for how, plant in plants(words, rng).items():
            found = right = wrong = 0
            held = [(name, text) for name, text in texts.items() if name not in gone]
            for name, text in held:
                title = "Printed copy" if how == "header" else titles[name]
                duplicate = deduper.find(signature(Document.of(plant(text), "planted", title=title)))
                found += duplicate is not None
                right += duplicate is not None and duplicate.of == name
                wrong += duplicate is not None and duplicate.of != name
            low, high = wilson(right, len(held))
            print(f"  {how:<10} recall {right}/{len(held)} = {right / len(held):.3f} [{low:.3f}, {high:.3f}]", end="")
            print(f"   another named: {wrong}   precision {right / max(1, found):.3f}")
        print(f"  among the documents themselves: {len(own)}")
        for name, duplicate in own[:4]:
            how = f"{duplicate.kind} {duplicate.similarity:.3f}"
            print(f"    {name} ~ {duplicate.of} {how}: {titles[name]} | {texts[name][:60]!r}")


if __name__ == "__main__":
    main()
