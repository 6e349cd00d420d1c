"""Work over many items that an interruption cannot undo: every finished item is a line on disk before the next starts.

A folder holds `run.json` (the key: what the lines depend on) and `predictions.jsonl`, which grows. A folder without
`results.json` is an interrupted run: called again under the same key it goes on where it stopped, failed items
included. Lines of another key, or of a finished run, are moved to `predictions.N.jsonl` and all is done anew.

A line is flushed, not synced: it outlives the death of the process, not that of the machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from eval.stamp import RunOptions, check_folder, write_json
from rag.errors import DocumentError, LockedError, StoreError, UserError

T = TypeVar("T")


def each(
    out: Path,
    items: Sequence[T],
    work: Callable[[T], dict[str, Any]],
    *,
    id_of: Callable[[T], str],
    key: Mapping[str, str],
    options: RunOptions,
    what: str,
) -> dict[str, dict[str, Any]]:
    """Do the work of every item once, and return {id: {"id", …what work gave…, "error", "seconds"}} in order of items.

    An item whose work raises, or gives what is no JSON (NaN included), is kept as {"id", "error": "Type: words",
    "seconds"}; the others go on. Ctrl-C is passed on, and what is kept is said (`options.warn`). The caller writes
    `out/results.json` last: that is what marks the run as finished.

    Args:
        out: folder of the run; one process at a time.
        items: what there is to do. More or fewer of them (a limit) is still the same run.
        work: from an item to what is kept of it, ready for JSON.
        id_of: of an item; ids are unique.
        key: names and hashes of all that the outcome depends on. Where one of them is empty, nothing is resumed.
        options: progress, warn.
        what: word for the progress.

    Raises:
        UserError: an id occurs twice, or `out` cannot be written to.
        LockedError: another process is at work in the folder.
        StoreError: the disk refused a line; those before it are kept.
        DocumentError: a line of predictions.jsonl, other than a torn last one, is not what a run wrote.
    """
    ids = [id_of(item) for item in items]
    if len(set(ids)) < len(ids):
        twice = next(name for at, name in enumerate(ids) if name in ids[:at])
        raise UserError(f"id {twice!r} occurs twice among the items of {out}. Ids must be unique.")
    with _only_here(out):
        path = _open_run(out, key)
        kept = _finished(path)
        todo = [(name, item) for name, item in zip(ids, items, strict=True) if name not in kept]
        done = len(items) - len(todo)
        try:
            with path.open("a", encoding="utf-8") as stream:
                for name, item in todo:
                    line = _line(name, item, work)
                    stream.write(line)
                    stream.flush()
                    kept[name] = json.loads(line)
                    done += 1
                    options.tell(what, done, len(items))
        except KeyboardInterrupt as stop:
            words = f"stopped: {_so_far(done, len(items), path, key)}"
            options.say(words)
            raise KeyboardInterrupt(words) from stop
        except OSError as error:  # of our own file: what work raises is kept above
            raise StoreError(f"{path} cannot be written: {error}. {_so_far(done, len(items), path, key)}") from error
    return {name: kept[name] for name in ids}


def failed(rows: Sequence[Mapping[str, Any]], counted: str) -> dict[str, Any]:
    """Return {"errors": how many, "error_examples": the first 20, "notes": the words for a reader} of a run's rows.

    `counted` says how a failed example counts in the figures; where all failed there are none.
    """
    errors = [{"id": row["id"], "error": row["error"]} for row in rows if row["error"]]
    notes = []
    if errors:
        meaning = "Nothing was measured." if len(errors) == len(rows) else counted
        first = shorten(str(errors[0]["error"]), 300, placeholder=" …")
        notes.append(f"{len(errors)} of {len(rows)} failed. {meaning} First: {errors[0]['id']}: {first}")
    return {"errors": len(errors), "error_examples": errors[:20], "notes": notes}


def _so_far(done: int, total: int, path: Path, key: Mapping[str, str]) -> str:
    rest = "The same command goes on from there." if all(key.values()) else "Without a settings hash all starts anew."
    return f"{done} of {total} examples are kept in {path}. {rest}"


def _line(name: str, item: T, work: Callable[[T], dict[str, Any]]) -> str:
    start = time.perf_counter()
    ours: dict[str, Any] = {"id": name, "error": None, "seconds": 0.0}
    try:
        given = work(item)
        ours["seconds"] = round(time.perf_counter() - start, 6)
        return _whole(json.dumps({**ours, **given, **ours}, ensure_ascii=False, allow_nan=False))
    except Exception as error:  # one item of a batch: recorded, and the rest goes on
        ours |= {"error": f"{type(error).__name__}: {error}"[:2000], "seconds": round(time.perf_counter() - start, 6)}
        return _whole(json.dumps(ours, ensure_ascii=False))


def _whole(text: str) -> str:
    """Return a line as it will stand on disk: half a surrogate pair, which no file can hold, as "?"."""
    return text.encode("utf-8", "replace").decode() + "\n"


@contextmanager
def _only_here(out: Path) -> Iterator[None]:
    """Hold the folder against other processes; the death of this one frees it."""
    import filelock

    check_folder(out)
    try:
        lock = filelock.FileLock(out / ".run.lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        raise LockedError(f"{out} is in use by another run. Wait for it, or give another folder.") from error
    except OSError as error:
        raise UserError(f"{out} cannot hold a run: {error}. Give a folder that can be written to.") from error
    try:
        yield
    finally:
        lock.release()


def _open_run(out: Path, key: Mapping[str, str]) -> Path:
    """Return the predictions file to append to; predictions of another or a finished run are moved aside."""
    path, state, results = out / "predictions.jsonl", out / "run.json", out / "results.json"
    same = _read(state) == dict(key) and all(key.values()) and not results.exists()
    if path.exists() and not same:
        names = (out / f"predictions.{number}.jsonl" for number in count(1))
        path.replace(next(name for name in names if not name.exists()))
    results.unlink(missing_ok=True)
    write_json(state, key)
    return path


def _read(state: Path) -> Any:
    try:
        return json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _finished(path: Path) -> dict[str, dict[str, Any]]:
    """Return the whole lines of a predictions file by id, without failures; a torn last line is cut off the file."""
    if not path.is_file():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    rows: dict[str, dict[str, Any]] = {}
    for at, line in enumerate(whole.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows[row["id"]] = row
        except (ValueError, KeyError, TypeError) as error:
            told = f"{path}:{at}: not a line that a run wrote ({type(error).__name__}: {error})"
            raise DocumentError(f"{told}. Take the line out, or give another folder.") from error
    return {name: row for name, row in rows.items() if not row.get("error")}
