"""How fast a local language model reads and speaks here: SmolLM2, or any model folder, greedy.

The first token of a prompt of about 1,000 tokens is reading; tokens a second after it is speaking. Wall seconds need a
quiet machine; CPU seconds (of all threads together) hold on a busy one, too.

    python -m benchmarks.speak [--model smollm2] [--runs 3] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, middle, table, write
from rag.generate import LocalGenerator, open_generator
from rag.settings import load_settings

TOKENS = 64
QUESTION = "Write down, at length, what this text is about."
NAMES = {
    "first piece after 1,000 tokens, seconds": "first",
    "the same, CPU seconds": "first_cpu",
    "tokens a second": "tokens_s",
    "tokens a CPU second": "tokens_cpu_s",
}


def measure(generator: LocalGenerator, text: str) -> dict[str, float]:
    """Return wall and CPU seconds to the first piece and of the rest, and the pieces after the first."""
    start, cpu = time.perf_counter(), time.process_time()
    pieces = generator.stream([{"role": "user", "content": f"{text}\n\n{QUESTION}"}])
    said = [next(iter(pieces))]
    first, first_cpu = time.perf_counter() - start, time.process_time() - cpu
    said.extend(pieces)
    rest, rest_cpu = time.perf_counter() - start - first, time.process_time() - cpu - first_cpu
    tokenizer, _ = generator.loaded()
    tokens = len(tokenizer("".join(said[1:]))["input_ids"])
    return {"first": first, "first_cpu": first_cpu, "tokens_s": tokens / rest, "tokens_cpu_s": tokens / rest_cpu}


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2", help="'smollm2', a folder or a hub id")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--out", type=Path, help="folder for speak.json")
    given = parser.parse_args()
    cache = load_settings().cache
    generator = open_generator(given.model, cache=cache, max_tokens=TOKENS)
    if not isinstance(generator, LocalGenerator):
        raise SystemExit(f"{given.model} does not run here")
    start = time.perf_counter()
    tokenizer, _ = generator.loaded()
    loading = time.perf_counter() - start
    ids = tokenizer((ROOT / "LICENSE").read_text(encoding="utf-8"))["input_ids"][:1000]
    runs = [measure(generator, tokenizer.decode(ids)) for _ in range(given.runs + 1)][1:]
    found: dict[str, Any] = {key: middle([one[key] for one in runs]) for key in runs[0]}
    rows = [(name, f"{found[key]['median']:.2f}") for name, key in NAMES.items()]
    shown = table((generator.name, "median"), [("load, seconds", f"{loading:.2f}"), *rows])
    write(given.out, "speak", {"model": generator.name, "load_seconds": loading, "runs": given.runs, **found}, shown)


if __name__ == "__main__":
    main()
