import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.resume import each, failed
from eval.stamp import RunOptions
from rag.errors import DocumentError, LockedError, StoreError, UserError

KEY = {"dataset": "d", "settings_hash": "s"}
ITEMS = ["one", "二", "three", "四", "five"]


class Work:
    """Doubles a word; words named in `bad` raise, `stop` is interrupted."""

    def __init__(self, bad: tuple[str, ...] = (), stop: str = "") -> None:
        self.bad, self.stop, self.seen = bad, stop, list[str]()

    def __call__(self, item: str) -> dict:
        self.seen.append(item)
        if item == self.stop:
            raise KeyboardInterrupt
        if item in self.bad:
            raise ValueError(f"no {item}")
        return {"twice": item * 2}


def run(out: Path, work: Work, items: list[str] = ITEMS, key: dict | None = None, **options) -> dict:
    return each(out, items, work, id_of=str, key=key or KEY, options=RunOptions(**options), what="double")


def rows(out: Path, name: str = "predictions.jsonl") -> list[dict]:
    return [json.loads(line) for line in (out / name).read_text(encoding="utf-8").splitlines()]


def test_every_item_is_a_line_with_its_outcome(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    found = run(tmp_path / "out", Work(), progress=lambda *a: told.append(a))
    assert list(found) == ITEMS
    assert found["二"].items() >= {"id": "二", "twice": "二二", "error": None}.items()
    assert found["二"]["seconds"] >= 0
    assert rows(tmp_path / "out") == list(found.values())
    assert told == [(at, 5, "double") for at in range(1, 6)]


def test_a_failure_is_recorded_and_tried_again(tmp_path: Path) -> None:
    found = run(tmp_path, Work(bad=("二", "five")))
    assert [found[name]["error"] for name in ITEMS] == [None, "ValueError: no 二", None, None, "ValueError: no five"]
    assert "twice" not in found["二"]
    again = Work()
    found = run(tmp_path, again)
    assert again.seen == ["二", "five"]
    assert [found[name]["twice"] for name in ITEMS] == [name * 2 for name in ITEMS]


@pytest.mark.parametrize(
    "given", [{"score": float("nan")}, {"score": float("inf")}, {"score": {1, 2}}, {1: [object()]}]
)
def test_what_is_no_json_is_an_error_of_its_item(tmp_path: Path, given: dict) -> None:
    found = each(
        tmp_path,
        ["a", "b"],
        lambda item: given if item == "a" else {},
        id_of=str,
        key=KEY,
        options=RunOptions(),
        what="",
    )
    assert found["a"]["error"].startswith(("ValueError: ", "TypeError: "))
    assert found["b"]["error"] is None
    assert len(rows(tmp_path)) == 2


def test_an_interruption_keeps_what_is_done_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt, match=r"2 of 5 examples are kept .* The same command goes on") as stop:
        run(tmp_path, Work(stop="three"), warn=told.append)
    assert told == [str(stop.value)]
    rest = Work()
    found = run(tmp_path, rest)
    assert rest.seen == ITEMS[2:]
    assert list(found) == ITEMS
    assert [row["id"] for row in rows(tmp_path)] == ITEMS


def test_without_a_settings_hash_the_words_promise_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="Without a settings hash all starts anew"):
        run(tmp_path, Work(stop="three"), key={"dataset": "d", "settings_hash": ""})


def test_a_limit_does_not_make_another_run(tmp_path: Path) -> None:
    run(tmp_path, Work(), ITEMS[1:3])
    rest = Work()
    assert list(run(tmp_path, rest)) == ITEMS
    assert rest.seen == ["one", "四", "five"]
    none = Work()
    assert list(run(tmp_path, none, ITEMS[:1])) == ["one"]
    assert none.seen == []


@pytest.mark.parametrize("key", [KEY | {"dataset": "other"}, KEY | {"settings_hash": ""}, {"dataset": "d"}])
def test_another_key_starts_anew_and_loses_nothing(tmp_path: Path, key: dict) -> None:
    run(tmp_path, Work())
    before = (tmp_path / "predictions.jsonl").read_bytes()
    anew = Work()
    run(tmp_path, anew, key=key)
    assert anew.seen == ITEMS
    assert (tmp_path / "predictions.1.jsonl").read_bytes() == before


def test_a_finished_run_is_run_again_and_never_written_over(tmp_path: Path) -> None:
    for number in range(1, 4):
        again = Work()
        run(tmp_path, again, ITEMS[:number])
        assert len(again.seen) == number
        assert not (tmp_path / "results.json").exists()
        (tmp_path / "results.json").write_text("{}")
        if number == 2:
            (tmp_path / "predictions.1.jsonl").rename(tmp_path / "predictions.2.jsonl")
    assert len(rows(tmp_path, "predictions.1.jsonl")) == 2
    assert len(rows(tmp_path, "predictions.2.jsonl")) == 1


def test_a_torn_last_line_is_cut_and_any_other_is_told(tmp_path: Path) -> None:
    run(tmp_path, Work(), ITEMS[:2])
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-4])  # in the middle of the second
    rest = Work()
    run(tmp_path, rest, ITEMS[:2])
    assert rest.seen == ["二"]
    assert [row["id"] for row in rows(tmp_path)] == ["one", "二"]
    path.write_text("nonsense\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(DocumentError, match=r"predictions\.jsonl:1: not a line that a run wrote"):
        run(tmp_path, Work())


def test_ids_that_occur_twice_and_folders_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'one' occurs twice"):
        run(tmp_path / "a", Work(), ["one", "二", "one"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Give a folder that can be written to"):
        run(tmp_path / "file", Work())


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(KEY))
    (tmp_path / "predictions.jsonl").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"cannot be written: .*No space left.* 0 of 5 examples are kept .* goes on"):
        run(tmp_path, Work())


def test_a_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    def within(item: str) -> dict:
        with pytest.raises(LockedError, match="in use by another run"):
            run(tmp_path, Work())
        return {}

    found = each(tmp_path, ["a"], within, id_of=str, key=KEY, options=RunOptions(), what="")
    assert found["a"]["error"] is None


SLOW = """
import sys, time
from pathlib import Path
from eval.resume import each, failed
from eval.stamp import RunOptions

def work(item):
    time.sleep(0.01)
    return {"text": f"答案 {item} " * 2000}

each(Path(sys.argv[1]), range(200), work, id_of=str, key={"dataset": "d", "settings_hash": "s"},
     options=RunOptions(), what="答")
"""


def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    for floor in (3, 9):  # killed twice, resumed twice
        process = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path)], cwd=Path(__file__).parents[2])
        deadline = time.monotonic() + 60
        while (not path.exists() or path.read_bytes().count(b"\n") < floor) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    finished = [json.loads(line) for line in whole.splitlines()]
    assert 9 <= len(finished) < 200
    seen: list[int] = []
    found = each(
        tmp_path,
        range(200),
        lambda item: seen.append(item) or {"text": f"答案 {item} " * 2000},
        id_of=str,
        key=KEY,
        options=RunOptions(),
        what="",
    )
    assert seen == list(range(len(finished), 200))
    assert [row["id"] for row in rows(tmp_path)] == [str(number) for number in range(200)]
    assert rows(tmp_path)[: len(finished)] == finished
    assert all(found[str(number)]["text"] == f"答案 {number} " * 2000 for number in range(200))


RUN = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from eval.run import RunOptions, evaluate_answers
from rag.schema import Answer, Verdict

@dataclass
class Outcome:
    answer: Answer
    verdict: Verdict

class Slow:
    def ask(self, question, *, history=(), passages=None):
        time.sleep(float(sys.argv[3]))
        return Outcome(Answer(question, f"{question} 是的。", confidence=0.5, model="slow"), Verdict((), "none"))

options = RunOptions(command="run", settings_hash="s", resamples=50)
evaluate_answers(Path(sys.argv[1]), Path(sys.argv[2]), assistant=Slow(), options=options)
"""


def test_a_killed_run_gives_the_results_of_a_whole_one(tmp_path: Path) -> None:
    data = tmp_path / "questions.jsonl"
    made = [
        {"id": f"{at}", "question": f"{at}？", "references": [f"{at}？ 是的。" if at % 3 else "No."]}
        for at in range(60)
    ]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")

    def start(out: Path, pause: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", RUN, str(data), str(out), pause], cwd=Path(__file__).parents[2])

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process, path = start(killed, "0.05"), killed / "predictions.jsonl"
    deadline = time.monotonic() + 120
    while (not path.exists() or path.read_bytes().count(b"\n") < 5) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = path.read_bytes().count(b"\n")
    assert 5 <= kept < 60
    assert not (killed / "results.json").exists()
    assert start(killed, "0").wait() == start(whole, "0").wait() == 0
    assert [row["id"] for row in rows(killed)] == [str(at) for at in range(60)]
    found = [json.loads((out / "results.json").read_text(encoding="utf-8")) for out in (killed, whole)]
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["metrics"]["exact_match"]["value"] == pytest.approx(40 / 60)
    assert sum(row["seconds"] >= 0.05 for row in rows(killed)) >= kept


def test_half_a_surrogate_pair_is_kept_as_it_stands_on_disk(tmp_path: Path) -> None:
    kept = run(tmp_path, lambda _: {"text": "dose \ud83d mg 剂量"}, items=["a"])
    assert kept["a"]["text"] == rows(tmp_path)[0]["text"] == "dose ? mg 剂量"


def test_the_words_about_failures_are_one_short_line() -> None:
    told = failed([{"id": "a", "error": "ValueError: " + "long\n" * 900}, {"id": "b", "error": None}], "They score 0.")
    assert told["errors"] == 1
    assert told["notes"][0].startswith("1 of 2 failed. They score 0. First: a: ValueError: long long")
    assert len(told["notes"][0]) < 400
    assert "\n" not in told["notes"][0]
