"""The house rules that a machine can keep: sizes, names, imports, errors."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("rag", "ingest", "eval", "app")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = sorted(
    path for folder in (*PACKAGES, "tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_NAMES = ("manager", "helper", "handler", "processor", "utils", "misc")
LONGER_FILES = {"rag/schema.py": "every noun and protocol of the house in one place"}  # path: why up to 400 lines


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _nesting(node: ast.AST, depth: int = 0) -> int:
    """Deepest level of branches, loops and tries; an `elif` is not deeper than its `if`, a `with` is not counted."""
    deepest = depth
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                continue
            if isinstance(child, ast.AST):
                block = isinstance(child, ast.If | ast.For | ast.While | ast.Try | ast.Match)
                elif_ = (
                    isinstance(node, ast.If) and name == "orelse" and isinstance(child, ast.If) and len(children) == 1
                )
                deepest = max(deepest, _nesting(child, depth + (block and not elif_)))
    return deepest


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = 400 if name in LONGER_FILES else 300
    assert lines <= limit, f"{name} has {lines} lines; {limit} are allowed"
    for function in _functions(_tree(path)):
        length = (function.end_lineno or 0) - function.lineno + 1
        arguments = function.args
        count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
        count -= bool(arguments.args) and arguments.args[0].arg in ("self", "cls")
        where = f"{name}:{function.lineno} {function.name}"
        assert length <= 60, f"{where} has {length} lines"
        commands = name in ("app/cli.py", "app/evaluate.py")  # typer reads a command's options from its parameters
        assert count <= 7 or commands, f"{where} has {count} parameters"
        assert _nesting(function) <= 3, f"{where} nests {_nesting(function)} deep"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names(path: Path) -> None:
    assert path.name != "types.py"
    names = [path.stem] + [node.name for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    found = [name for name in names for word in FORBIDDEN_NAMES if word in name.lower()]
    assert not found, f"{path}: {found} says nothing; name the thing"


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches everything and does not raise again (clean-up and translation do)."""
    broad = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )
    return broad and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_broad_except_only_at_the_edge() -> None:
    edges = {"app/cli.py", "ingest/pipeline.py", "ingest/reader.py", "eval/resume.py"}  # a command; one of a batch
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if any(isinstance(node, ast.ExceptHandler) and _swallows(node) for node in ast.walk(_tree(path)))
    }
    inner = {name for name in found - edges if not name.startswith("app/web/")}  # a page is an edge, too
    assert not inner, f"broad except in {sorted(inner)}"


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_imports_the_name_eval(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.asname or alias.name.split(".")[0] for alias in node.names]
            assert "eval" not in names, (
                f"{path}:{node.lineno}: `import eval...` kills the builtin; use `from eval.x import y`"
            )


def test_no_package_files_under_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_web_files_shadow_no_module() -> None:
    known = set(sys.stdlib_module_names) | {"streamlit", "rag", "ingest", "eval", "app", "pandas", "numpy", "altair"}
    assert not [path for path in (ROOT / "app/web").glob("*.py") if path.stem in known]


def test_importing_rag_is_light() -> None:
    heavy = "('torch', 'transformers', 'langchain', 'streamlit')"
    code = f"import rag, rag.schema, rag.assistant, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
