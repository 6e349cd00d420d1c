"""How much of printed tables comes back: tables drawn as PDF in several layouts, each number looked up again.

A number counts as recovered when a cell of the parsed table holds it with its sign, in a row with the label printed
before it and under the headings printed over it, counted in the scale the table announces.

    python -m benchmarks.tables [--data FOLDER] [--out FOLDER] [--keep FOLDER] [--show 20] [--layout NAME]
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.made_tables import CHINESE, LAYOUTS, Layout, Made, Truth, chinese, code_of, english, print_tables
from benchmarks.measure import data_folder, table, write
from ingest.parsers import parse
from rag.schema import Cell, Document

_NOTE = re.compile(r"^Note ([A-Z]{3})\. Amounts of the period$", re.MULTILINE)
FAULTS = ("value", "row", "column", "scale")
FILINGS = ("filings", "filings_second")  # the second was drawn and read by eye before anything was mended after it


@dataclass(frozen=True, slots=True)
class Found:
    """A number of a parsed table with the words that name it."""

    row: str
    column: str
    cell: Cell

    @property
    def value(self) -> Decimal:
        """The number."""
        return self.cell.value if self.cell.value is not None else Decimal(0)


def found_in(document: Document, start: int, end: int) -> Iterator[Found]:
    """Yield the numbers of the tables that begin in a stretch of the text."""
    for one in document.tables:
        if not start <= one.start < end:
            continue
        head, body = one.rows[: one.header_rows], one.rows[one.header_rows :]
        names = [" ".join(row[j].text for row in head if j < len(row)) for j in range(max(map(len, one.rows)))]
        for row in body:
            label = row[0].text
            for j, cell in enumerate(row):
                if cell.value is not None:
                    yield Found(label if j else "", f"{names[j]} {one.caption}", cell)


def plain(text: str) -> str:
    """Return letters, digits and per cent alone: white space and marks may differ."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).lower() if char.isalnum() or char == "%")


def fault_of(truth: Truth, pool: list[Found]) -> str:
    """Return what is wrong with the best cell of the pool for a number, "" for nothing; that cell leaves the pool."""
    best: tuple[int, int] | None = None
    for i, found in enumerate(pool):
        if found.value != truth.value:
            continue
        row = plain(found.row) == plain(truth.row)
        column = all(plain(part) in plain(found.column) for part in truth.column)
        scale = truth.scale is None or found.cell.scale == truth.scale
        fault = 3 if not row else 2 if not column else 1 if not scale else 0
        if best is None or fault < best[0]:
            best = (fault, i)
    if best is None:
        return "value"
    pool.pop(best[1])
    return ("", "scale", "column", "row")[best[0]]


def score(tables: Sequence[Made], document: Document) -> tuple[Counter[str], list[str]]:
    """Return counts ("n", "" for recovered, faults) and a line a fault."""
    counts: Counter[str] = Counter()
    lines: list[str] = []
    places = {found.group(1): found.start() for found in _NOTE.finditer(document.text)}
    for number, made in enumerate(tables, start=1):
        code = code_of(number)
        start = places.get(code, 0)
        end = min((place for place in places.values() if place > start), default=len(document.text))
        pool = list(found_in(document, start, end)) if code in places else []
        for truth in made.truth:
            fault = fault_of(truth, pool)
            counts["n"] += 1
            counts[fault] += 1
            if fault:
                lines.append(
                    f"{code} {made.name} {fault}: {truth.value} | {truth.row} | {truth.column} | {truth.scale}"
                )
    return counts, lines


def measure(tables: Sequence[Made], layout: Layout, folder: Path, show: int) -> dict[str, Any]:
    """Print, parse and score one layout."""
    target = folder / (re.sub(r"\W+", "-", layout.name) + ".pdf")
    if not target.exists():
        print_tables(list(tables), layout, target)
    (document,) = parse(target)
    counts, lines = score(tables, document)
    for line in lines[:: max(1, len(lines) // show)] if show else ():
        print(f"  {layout.name}: {line}")
    return {
        "tables": len(tables),
        "cells": counts["n"],
        "recovered": round(counts[""] / counts["n"], 4),
        **{fault: counts[fault] for fault in FAULTS},
    }


def filings(folder: Path, name: str, show: int) -> dict[str, Any]:
    """Look up the cells of real filings that were read by eye: `NAME.json` beside this file.

    A cell may tell its unit, currency and period, its section, and words that head other columns ("without"), too.
    """
    truths = json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    counts: Counter[str] = Counter()
    files: dict[str, Document] = {}
    for one in truths:
        file = one["file"]
        if file not in files:
            (files[file],) = parse(folder / f"{file}.pdf")
        document = files[file]
        starts = [*document.page_starts, len(document.text) + 1]
        pool = list(found_in(document, starts[one["page"] - 1], starts[one["page"]]))
        truth = Truth(one["row"], one["column"], Decimal(one["value"]), one["scale"])
        fault = fault_of(truth, [found for found in pool if _fits(found, one, document)]) and (
            fault_of(truth, pool) or "scale"
        )
        counts["n"] += 1
        counts[fault] += 1
        if fault and show:
            print(f"  {file} p. {one['page']} {fault}: {one['value']} | {one['row']} | {one['column']}")
    share = round(counts[""] / counts["n"], 4)
    return {"cells": counts["n"], "recovered": share, **{fault: counts[fault] for fault in FAULTS}}


def _fits(found: Found, told: dict[str, Any], document: Document) -> bool:
    """Tell whether a number has the unit, currency and period that are told, where they are told, and its section."""
    cell = found.cell
    known = {"unit": cell.unit, "currency": cell.currency, "period": cell.period}
    line = document.text[document.text.rfind("\n", 0, cell.start) + 1 : cell.start]
    return (
        all(told[key] == value for key, value in known.items() if key in told)
        and told.get("section", "") in line
        and ("without" not in told or told["without"] not in found.column)
    )


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for tables.json")
    parser.add_argument("--keep", type=Path, help="folder for the PDFs; those that lie there are not printed again")
    parser.add_argument("--show", type=int, default=0, help="faults to show of each layout")
    parser.add_argument("--layout", default="", help="only layouts whose name holds this")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consilium-tables-") as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        sets = [(english(data_folder(given.data) / "answers" / "tatqa.jsonl.gz"), LAYOUTS), (chinese(), CHINESE)]
        results = {
            layout.name: measure(tables, layout, folder, given.show)
            for tables, layouts in sets
            for layout in layouts
            if given.layout in layout.name
        }
    rows = [(name, *found.values()) for name, found in results.items()]
    folder = data_folder(given.data) / "pdf" / "financebench"
    real = {name: filings(folder, name, given.show) for name in FILINGS if not given.layout}
    cells = sum(found["cells"] for found in results.values())
    share = sum(found["recovered"] * found["cells"] for found in results.values()) / cells
    shown = table(("layout", "tables", "cells", "recovered", *(f"wrong {fault}" for fault in FAULTS)), rows)
    for name, found in real.items():
        shown += f"\n\n{name}: {found['recovered']:.4f} of {found['cells']} cells read by eye"
    write(
        given.out,
        "tables",
        {"layouts": results, "cells": cells, "recovered": round(share, 4)},
        f"{shown}\n\n{share:.4f} of {cells} cells",
    )


if __name__ == "__main__":
    main()
