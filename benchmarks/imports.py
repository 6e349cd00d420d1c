"""How long `import rag` takes, and that it brings no heavy package. An empty Python process is taken off.

python -m benchmarks.imports [--runs 15] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.measure import middle, run, table, write

HEAVY = ("torch", "transformers", "langchain", "langchain_core", "streamlit", "faiss", "onnxruntime", "pydantic")
MODULES = ("rag", "rag.schema", "rag.settings", "rag.assemble", "app.cli")


def main() -> None:
    """Read the arguments, measure, print, write. Exit 1 where `import rag` brings torch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="processes a module")
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--out", type=Path, help="folder for imports.json")
    given = parser.parse_args()
    empty = middle([run([sys.executable, "-c", "pass"]).seconds for _ in range(given.runs)])
    results = {}
    for module in MODULES:
        code = f"import json, sys, {module}; print(json.dumps(sorted(set(sys.modules) & set({HEAVY!r}))))"
        runs = [run([sys.executable, "-c", code]) for _ in range(given.runs)]
        seconds = middle([max(0.0, one.seconds - empty["median"]) for one in runs])
        results[module] = {"seconds": seconds, "heavy": json.loads(runs[-1].stdout)}
    rows = [
        (module, f"{found['seconds']['median'] * 1e3:.0f} ms", ", ".join(found["heavy"]) or "none")
        for module, found in results.items()
    ]
    shown = table(("import", "median beyond an empty process", "heavy packages brought"), rows)
    write(given.out, "imports", {"runs": given.runs, "empty_process": empty, "imports": results}, shown)
    if "torch" in results["rag"]["heavy"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
