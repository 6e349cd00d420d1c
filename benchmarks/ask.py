"""A question over an indexed collection, cold (a new process) and warm (one process): Consilium beside LangChain.

No language model speaks on either side. Consilium searches both indexes, chooses and cites sentences, traces figures
and checks each sentence; the peer (`benchmarks.peer`) prints its best passage. Also checked: what our path imports.

    python -m benchmarks.ask [--runs 7] [--data FOLDER] [--out FOLDER] [FILE.pdf...]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ingest import FILES, langchain
from benchmarks.ingest import _with_cache as ingest_here
from benchmarks.measure import data_folder, middle, python, run, table, write

COMPANIES = ("Amazon", "Best Buy", "Verizon")
TOPICS = (
    "What were the total revenues of {}?",
    "What was the net income of {}?",
    "How much cash and cash equivalents did {} hold at year end?",
    "What are the main risk factors of {}?",
    "How many employees does {} have?",
    "What legal proceedings does {} face?",
    "What was the effective tax rate of {}?",
    "How much did {} spend on capital expenditures?",
    "Does {} pay a dividend?",
    "What are the reportable segments of {}?",
)
QUESTIONS = [topic.format(company) for topic in TOPICS for company in COMPANIES]
UNWANTED = ("torch", "transformers", "langchain", "langchain_core", "streamlit", "sentence_transformers")


def warm(questions: list[str]) -> dict[str, Any]:
    """Answer in this process, after a first question that is not counted; return seconds a question."""
    from rag.assemble import assemble
    from rag.settings import load_settings

    seconds, abstained = [], 0
    with assemble(load_settings(), collection="bench") as assistant:
        assistant.ask("What was the revenue?")
        for question in questions:
            start = time.perf_counter()
            checked = assistant.ask(question)
            seconds.append(time.perf_counter() - start)
            abstained += checked.answer.abstained
    return {"seconds": seconds, "abstained": abstained}


def compare(files: list[Path], runs: int) -> dict[str, Any]:
    """Index on both sides, then ask: cold in turn, `runs` times each after one uncounted, and warm."""
    with tempfile.TemporaryDirectory(prefix="consilium-bench-") as scratch:
        home, index, questions = Path(scratch) / "home", Path(scratch) / "faiss", Path(scratch) / "questions.json"
        ingest_here(home, files)
        langchain(index, files)
        questions.write_text(json.dumps(QUESTIONS), encoding="utf-8")
        here = {"CONSILIUM_HOME": str(home)}
        cold: dict[str, list[float]] = {"consilium": [], "langchain": []}
        for number in range(runs + 1):
            question = QUESTIONS[number % len(QUESTIONS)]
            ours = run(python("app.cli", "ask", question, "-c", "bench", "--json"), here).seconds
            theirs = run(python("benchmarks.peer", "ask", str(index), question)).seconds
            if number:
                cold["consilium"].append(ours)
                cold["langchain"].append(theirs)
        mine = json.loads(run(python("benchmarks.ask", "--warm", str(questions)), here).stdout)
        peer = json.loads(run(python("benchmarks.peer", "warm", str(index), str(questions))).stdout)
        traced = run(
            [sys.executable, "-X", "importtime", *python("app.cli", "ask", QUESTIONS[0], "-c", "bench")[1:]], here
        )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in traced.stderr.splitlines() if "|" in line}
    sides = {side: middle(seconds) for side, seconds in cold.items()}
    return {
        "files": [file.name for file in files],
        "runs": runs,
        "cold_seconds": sides,
        "cold_ratio": round(sides["consilium"]["median"] / sides["langchain"]["median"], 3),
        "warm_seconds": {"consilium": middle(mine["seconds"]), "langchain": middle(peer["seconds"])},
        "questions": len(QUESTIONS),
        "abstained": mine["abstained"],
        "unwanted_imports": sorted(imported & set(UNWANTED)),
    }


def main() -> None:
    """Read the arguments, measure, print, write. Exit 1 where our path imports what it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="PDF files; default: three of the evaluation data")
    parser.add_argument("--runs", type=int, default=7, help="counted cold processes of each side")
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for ask.json")
    parser.add_argument("--warm", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.warm:
        print(json.dumps(warm(json.loads(given.warm.read_text(encoding="utf-8")))))
        return
    files = given.files or [data_folder(given.data) / "pdf" / "financebench" / name for name in FILES]
    results = compare([file.resolve() for file in files], given.runs)
    rows = [
        (
            side,
            f"{results['cold_seconds'][side]['median']:.2f} s",
            f"{results['warm_seconds'][side]['median'] * 1e3:.0f} ms",
        )
        for side in ("consilium", "langchain")
    ]
    shown = table(("pipeline", "cold process (median)", "warm question (median)"), rows)
    shown += (
        f"\n\ncold ratio {results['cold_ratio']}; {results['questions']} warm questions, {results['abstained']} of "
    )
    shown += f"them declined; unwanted imports on our path: {', '.join(results['unwanted_imports']) or 'none'}"
    write(given.out, "ask", results, shown)
    if results["unwanted_imports"]:
        raise SystemExit(os.EX_SOFTWARE)


if __name__ == "__main__":
    main()
