"""`import eval.run` binds the package over the builtin `eval` in the importing module: only `from eval.x import y`."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("rag", "ingest", "eval", "app", "tests", "benchmarks", "examples")


def test_nobody_imports_eval_plainly() -> None:
    found = []
    for path in (p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [(a.name, a.asname) for a in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path}:{node.lineno}" for name, alias in names if name.split(".")[0] == "eval" and not alias]
    assert not found, f"write `from eval.x import y` in {found}"
