"""Whether the pages that answer questions about filings come through parsing and chunking whole.

FinanceBench names, for each question, the page and the words of its evidence, as another reader of PDFs took them off
the page. Evidence is found whole when the chunks that touch its page hold each of its words, and each of its numbers
at least as often, white space, hyphens, the place of a line in a table and upper case apart. A question is found whole
when all its evidence is. What a chunk carries beside its text (its headings) counts: it is searched and shown with it.

Not asked for are running headers (lines that open or close at least three pages of the filing in the retrieval set, by
a fifth of all), page numbers, half words where the evidence was cut, and what a notice of scale says but the scale
itself: "(Dollars in millions, except per share amounts)" is written as "(USD, in millions)" on the rows it reaches.
The strict share counts these as lost, too.

With `--pages` each page of the filings is compared too, with its text in the retrieval set: a share of words, since
that text holds what is left out on purpose (running headers, footers, page numbers).

    python -m benchmarks.goldpages [--data FOLDER] [--out FOLDER] [--show 20] [--pages]
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.deidentify import wilson
from benchmarks.measure import data_folder, table, write
from ingest.chunk import chunk
from ingest.parsers import read
from ingest.parsers.blocks import Broken

MAX_TOKENS = 200
_AHEAD = "page number: page + {}"  # the running line that a page's number is
EDGE = 3  # lines at the top and bottom of a page
_NOTICE = re.compile(
    r"\(?(?:\b(?:u\.s\.|dollars|amounts|shares|tabular|and|in)\s+)*\b(thousands|millions|billions)\b"
    r"(?:,?\s*except[^()\n]*|\s+of\s+dollars)?\)?",
    re.IGNORECASE,
)
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_HYPHENS = re.compile("[\u00ad\u2010-\u2015\u2212-]")


def words(text: str) -> list[str]:
    """Return the words and numbers of a text in lower case, without marks."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "").replace("'", "")
    return _WORD.findall(_HYPHENS.sub(" ", plain.replace("-\n", "- ")).lower())


def _numbered(lines: list[str]) -> bool:
    return bool(lines) and lines[-1].isdecimal() and len(lines[-1]) < 5


def asked_of(text: str, page: int, running: set[str]) -> list[str]:
    """Return the words of evidence that page `page` has to hold: no running lines, of notices the scale alone."""
    kept = []
    lines = [line.strip() for line in text.strip().split("\n")]
    if _numbered(lines) and _AHEAD.format(int(lines[-1]) - page) in running:
        lines.pop()
    for line in lines:
        if " ".join(line.split()).lower() in running:
            continue
        notice = _NOTICE.search(line)
        kept.append(line.replace(notice[0], f"({notice[1]})") if notice else line)
    return words("\n".join(kept))


def cut(asked: list[str], page: Counter[str]) -> list[str]:
    """Return the words without a half one at the beginning or end, of which the page holds the whole."""
    if asked and not page[asked[0]] and any(word.endswith(asked[0]) for word in page):
        asked = asked[1:]
    if asked and not page[asked[-1]] and any(word.startswith(asked[-1]) for word in page):
        asked = asked[:-1]
    return asked


def lost(evidence: list[str], page: Counter[str]) -> list[str]:
    """Return the words of the evidence that a page lacks; a word cut in two by a hyphen may come whole."""
    asked = Counter(word for word in evidence if word[0].isdigit())
    gone = [number for number, count in asked.items() for _ in range(count - page[number])]
    for i, word in enumerate(evidence):
        joined = [word + after for after in evidence[i + 1 : i + 2]] + [before + word for before in evidence[:i][-1:]]
        parted = any(page[word[:at]] and page[word[at:]] for at in range(3, len(word) - 2))  # "revenues—product"
        if not word[0].isdigit() and not page[word] and not parted and not any(page[one] for one in joined):
            gone.append(word)
    return gone


@cache
def pages_of(path: Path) -> dict[int, Counter[str]]:
    """Return the words of the chunks that touch each page, by the number of the page from 0."""
    (parsed,) = read(path)
    if isinstance(parsed, Broken):
        raise SystemExit(f"{path.name} cannot be read: {parsed.reason}")
    document = parsed.document
    starts = [*document.page_starts, len(document.text) + 1]
    found: dict[int, Counter[str]] = defaultdict(Counter)
    page = 0
    for one in chunk(document, max_tokens=MAX_TOKENS, headings=parsed.headings):
        while starts[page + 1] <= one.start:
            page += 1
        bag = Counter(words(" ".join((*one.headings, one.text))))
        number = page
        while number < len(starts) - 1 and starts[number] < one.end:
            found[number] += bag
            number += 1
    return found


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a compressed file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def running_lines(data: Path) -> dict[str, set[str]]:
    """Return the lines that open or close at least three and a fifth of the pages of each filing."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    pages: Counter[str] = Counter()
    for record in records(data / "retrieval" / "financebench_pages" / "corpus.jsonl.gz"):
        name = record["_id"].partition("#p")[0]
        lines = [" ".join(line.split()).lower() for line in record["text"].split("\n") if line.strip()]
        ahead = [_AHEAD.format(int(lines[-1]) - int(record["_id"].rpartition("#p")[2]))] if _numbered(lines) else []
        seen[name].update({*lines[:EDGE], *lines[-EDGE:], *ahead})
        pages[name] += 1
    return {
        name: {line for line, count in found.items() if count >= max(3, pages[name] // 5)}
        for name, found in seen.items()
    }


def questions(data: Path, show: int) -> dict[str, Any]:
    """Measure the questions whose PDF is there."""
    running = running_lines(data)
    counts: Counter[str] = Counter()
    shown = 0
    for record in records(data / "answers" / "financebench.jsonl.gz"):
        path = data / "pdf" / "financebench" / f"{record.get('doc_name')}.pdf"
        if not record["answerable"] or not path.exists():
            continue
        whole = strict = True
        for evidence in record["evidence"]:
            number = int(evidence["id"].rpartition("#p")[2])
            page = pages_of(path)[number]
            asked = cut(asked_of(evidence["text"], number, running[path.stem]), page)
            gone = lost(asked, page)
            whole = whole and not gone
            strict = strict and not lost(words(evidence["text"]), page)
            counts["evidence"] += 1
            counts["evidence whole"] += not gone
            counts["words"] += len(asked)
            counts["words lost"] += len(gone)
            if gone and shown < show:
                shown += 1
                print(f"  {record['id']} {evidence['id']}: {len(gone)} of {len(asked)} lost: {' '.join(gone[:24])}")
        counts["questions"] += 1
        counts["questions whole"] += whole
        counts["questions strictly whole"] += strict
    return dict(counts)


def all_pages(data: Path, show: int) -> dict[str, Any]:
    """Measure the words of each page of the filings against the text of the retrieval set."""
    counts: Counter[str] = Counter()
    gone_most: Counter[str] = Counter()
    worst: list[tuple[int, str, str]] = []
    for record in records(data / "retrieval" / "financebench_pages" / "corpus.jsonl.gz"):
        name, _, number = record["_id"].partition("#p")
        path = data / "pdf" / "financebench" / f"{name}.pdf"
        if not path.exists():
            continue
        asked = words(record["text"])
        gone = lost(asked, pages_of(path)[int(number)])
        counts["pages"] += 1
        counts["words"] += len(asked)
        counts["words lost"] += len(gone)
        gone_most.update(gone)
        worst.append((len(gone), record["_id"], " ".join(gone[:12])))
    for count, name, some in sorted(worst, reverse=True)[:show]:
        print(f"  {name}: {count} lost: {some}")
    if show:
        print("  " + " ".join(f"{word}:{count}" for word, count in gone_most.most_common(100)))
    return dict(counts)


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for goldpages.json")
    parser.add_argument("--show", type=int, default=0, help="faults to show")
    parser.add_argument("--pages", action="store_true", help="compare all pages of the filings, too")
    given = parser.parse_args()
    data = data_folder(given.data)
    found = questions(data, given.show)
    rows = [
        (what, found[what], found[f"{what} whole"], round(found[f"{what} whole"] / found[what], 4))
        for what in ("questions", "evidence")
    ]
    strict = found["questions strictly whole"]
    rows.append(("questions, strictly", found["questions"], strict, round(strict / found["questions"], 4)))
    rows.append(("words", found["words"], found["words"] - found["words lost"], _kept(found)))
    if given.pages:
        pages = all_pages(data, given.show)
        found["all pages"] = pages
        rows.append(
            (f"words of {pages['pages']} pages", pages["words"], pages["words"] - pages["words lost"], _kept(pages))
        )
    low, high = wilson(found["questions whole"], found["questions"])
    shown = table(("what", "n", "whole", "share"), rows)
    write(given.out, "goldpages", {**found, "low": low, "high": high}, f"{shown}\n\nquestions: {low:.3f} to {high:.3f}")


def _kept(counts: dict[str, Any]) -> float:
    return round(1 - float(counts["words lost"]) / float(counts["words"]), 5)


if __name__ == "__main__":
    main()
