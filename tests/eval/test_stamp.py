import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from eval.lines import objects
from eval.stamp import RunOptions, check_folder, git_version, percentiles, stamp, write_json, write_lines
from rag.errors import StoreError, UserError


def test_a_run_says_what_it_was() -> None:
    found = stamp(RunOptions(command="consilium eval answers --dataset a.jsonl", settings_hash="abc", seed=7))
    assert found["command"] == "consilium eval answers --dataset a.jsonl"
    assert (found["settings_hash"], found["seed"]) == ("abc", 7)
    assert {"numpy", "rouge-score", "sacrebleu", "ir-measures"} <= found["versions"].keys()
    json.dumps(found)


def test_the_command_line_stands_in_without_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/venv/bin/consilium", "eval", "answers", "--out", "my run"])
    assert stamp(RunOptions())["command"] == "consilium eval answers --out 'my run'"


def test_git_version_of_a_checkout_and_of_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_version(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    clean = git_version(tmp_path)
    assert clean is not None
    assert len(clean) == 12
    (tmp_path / "file").write_text("two")
    assert git_version(tmp_path) == f"{clean}-dirty"


def test_percentiles() -> None:
    assert percentiles([float(n) for n in range(101)]) == {"p50": 50, "p95": 95, "mean": 50, "n": 101}
    assert percentiles([]) == {"p50": None, "p95": None, "mean": None, "n": 0}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"results.json cannot be written: disk full"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})


def test_lines_are_gzipped_where_the_name_says_so_and_read_back(tmp_path: Path) -> None:
    rows = [{"id": "1", "question": "剂量？"}, {"id": "2", "question": "Which dose?"}]
    write_lines(tmp_path / "plain.jsonl", rows)
    write_lines(tmp_path / "packed.jsonl.gz", rows)
    assert [row for _, row in objects(tmp_path / "packed.jsonl.gz")] == rows
    assert gzip.decompress((tmp_path / "packed.jsonl.gz").read_bytes()) == (tmp_path / "plain.jsonl").read_bytes()


def test_a_place_that_cannot_hold_a_file_is_the_users_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="Give a folder that can be written to"):
            write_json(folder / "results.json", {})
        with pytest.raises(UserError, match="Give a folder that can be written to"):
            check_folder(folder)
