"""Duplicates found among planted ones and refused among real neighbours, and documents a second.

    python -m benchmarks.dedupe DATA [--limit 800] [--files FOLDER ...]

DATA is the folder of evaluation data. For each corpus every document is planted again: word for word with other white
space and case ("exact"), less 1 % and 2 % of the words on which nothing turns, and with another header and footer; and
changed in one place (a figure, a "not", a word, a sentence), when it must not be left out. Nobody
planted anything among the documents themselves: pairs found there are printed, to be read. With `--files` the files of
folders are read instead and compared with one another, and each is planted again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.deidentify import wilson
from ingest.dedupe import Deduper, Duplicate, InMemory
from ingest.differs import TURNS
from ingest.discover import discover
from ingest.facts import find_facts
from ingest.parsers import read
from ingest.parsers.blocks import Broken
from ingest.signature import signature, words_of
from rag.errors import DocumentError
from rag.language import HAN, detect_language
from rag.schema import Document

CORPORA = ("medquad_documents", "obliqa_documents", "zh_crud_news_fin", "covidqa_papers")
_WORD = re.compile(rf"[{HAN}]{{1,2}}|[^\W_{HAN}]+")


def thinned(text: str, share: float, rng: random.Random) -> str:
    """Leave out a share of the words on which nothing turns."""

    def told(found: re.Match[str]) -> str:
        word = found.group()
        fixed = re.search(r"\d", word) or any(map(TURNS.fullmatch, [word.casefold(), *word]))
        return word if fixed or rng.random() >= share else ""

    return _WORD.sub(told, text)


def headed(text: str) -> str:
    """Put another header and footer around a text."""
    return f"Printed from the intranet on another day, copy for internal use only\n{text}\nEnd of page 17/44"


def retold(text: str, what: re.Pattern[str], tell: Callable[[str], str], rng: random.Random) -> str:
    """Change one place of a text; "" where there is none."""
    places = list(what.finditer(text))
    if not places:
        return ""
    place = rng.choice(places)
    return text[: place.start()] + tell(place.group()) + text[place.end() :]


def plants(rng: random.Random) -> dict[str, Callable[[str], str]]:
    """Return the ways in which a document is planted again, to be found."""
    return {
        "exact": lambda text: text.upper().replace(" ", "  "),
        "1 % less": lambda text: thinned(text, 0.01, rng),
        "2 % less": lambda text: thinned(text, 0.02, rng),
        "header": headed,
    }


def traps(words: list[str], rng: random.Random) -> dict[str, Callable[[str], str]]:
    """Return the ways in which a document is planted changed in one place, not to be found; "" where it cannot be."""
    long = [word for word in words if len(word) > 4 or word >= "\u3400"]
    sentence = " ".join(rng.choice(words) for _ in range(25))
    return {
        "a figure": lambda text: retold(text, re.compile(r"\d+"), lambda found: str(int(found[:6]) + 1), rng),
        "a negation": lambda text: retold(
            text, re.compile(r"\bnot\b|[不未无]"), lambda found: "also" if found == "not" else "也", rng
        ),
        "a word": lambda text: retold(
            text, re.compile(rf"\b[a-z]{{5,}}\b|[{HAN}]{{2}}"), lambda _: rng.choice(long), rng
        ),
        "a sentence": lambda text: retold(text, re.compile("[.。] ?"), lambda found: f"{found}{sentence}{found}", rng),
    }


def records_of(path: Path, limit: int) -> Iterator[Document]:
    """Read the documents of a corpus, with what is known of them."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in islice(lines, limit):
            record = json.loads(line)
            text, title, source = str(record["text"]), str(record["title"]), f"corpus.jsonl#{record['_id']}"
            language = detect_language(text[:2000])
            known = {key: value for key, value in record.items() if key in ("date", "published", "year")}
            facts = {**known, **find_facts(text, source, title, language, known)}
            yield Document.of(text, source, title=title, language=language, metadata=facts)


def files_of(folders: Sequence[Path]) -> Iterator[Document]:
    """Read the documents of the files in folders; those that cannot be read are named."""
    for found in discover(folders):
        try:
            for item in read(found.path, found.source):
                if not isinstance(item, Broken):
                    yield item.document
        except DocumentError as error:
            print(f"left out: {error}")


def compare(name: str, documents: Sequence[Document], threshold: float) -> None:
    """Print what is found among documents, and among plants of them."""
    began = time.process_time()
    by_source = {document.source: document for document in documents}
    deduper, own = Deduper(InMemory(), by_source.get, threshold), list[tuple[Document, Duplicate]]()
    for document in documents:
        of = signature(document)
        duplicate = deduper.find(document, of)
        if duplicate:
            own.append((document, duplicate))
        else:
            deduper.keep(document.source, of)
    seconds = time.process_time() - began
    size = sum(len(document.text) for document in documents) / 1e6
    rate = len(documents) / seconds
    print(f"\n{name}: {len(documents)} documents, {size:.1f} M characters, {rate:,.0f} documents/s")
    gone = {document.source for document, _ in own}
    rng = random.Random(7)
    words = [word for document in documents[:50] for word in _WORD.findall(document.text[:100_000])]
    held = [document for document in documents if document.source not in gone]
    for how, plant in plants(rng).items():
        found = right = 0
        for document in held:
            title = "Printed copy" if how == "header" else document.title
            copy = replace(document, text=plant(document.text), source="planted", title=title)
            duplicate = deduper.find(copy)
            found += duplicate is not None
            right += duplicate is not None and duplicate.of == document.source
        low, high = wilson(right, len(held))
        print(f"  {how:<10} recall {right}/{len(held)} = {right / len(held):.3f} [{low:.3f}, {high:.3f}]", end="")
        print(f"   another named: {found - right}   precision {right / max(1, found):.3f}")
    for how, plant in traps(words, rng).items():
        copies = [(document, replace(document, text=plant(document.text), source="planted")) for document in held]
        asked = [
            (document, copy) for document, copy in copies if words_of(copy.text) not in ([], words_of(document.text))
        ]
        answers = [(document, deduper.find(copy)) for document, copy in asked]
        wrong = sum(twin is not None and twin.of == document.source for document, twin in answers)
        print(f"  {how:<10} left out wrongly {wrong}/{len(asked)}")
    print(f"  among the documents themselves: {len(own)}")
    for document, duplicate in own[:12]:
        how = f"{duplicate.kind} {duplicate.similarity:.3f}"
        print(f"    {document.source} ~ {duplicate.of} {how}: {document.title} | {document.text[:60]!r}")


def main() -> None:
    """Print a table for each corpus, or one for the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=800)
    parser.add_argument("--threshold", type=float, default=0.9)
    parser.add_argument("--files", type=Path, nargs="+", default=[])
    given = parser.parse_args()
    if given.files:
        compare("files", list(files_of(given.files)), given.threshold)
        return
    for corpus in CORPORA:
        path = given.data / f"corpora/{corpus}.jsonl.gz"
        compare(corpus, list(records_of(path, given.limit)), given.threshold)


if __name__ == "__main__":
    main()
