"""Judging a blinded sheet in a real browser: by keyboard, with a reload in the middle, in both languages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.ballot import votes_by
from eval.blind import build, preference
from eval.stamp import RunOptions

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HOSTILE = "<script>document.title = 'owned'</script> costs $5 and $6 **bold** <img src=x onerror=alert(1)>"
PASSAGE = {"rank": 1, "source": "fees.md", "title": "Fees", "text": "A visit costs $40. 诊费为40美元。"}


def run(folder: Path, manner: str) -> Path:
    folder.mkdir()
    rows = [
        {"id": f"q{k}", "question": f"Question {k} about fees? {HOSTILE}", "prediction": f"{manner} {k}. {HOSTILE}"}
        | {"passages": [PASSAGE], "citations": [{"start": 0, "end": len(manner) + 3, "rank": 1}], "language": "en"}
        for k in range(4)
    ]
    results = {"kind": "answers", "per_example": "rows.jsonl", "dataset": {"name": "fees", "hash": "1"}}
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("blind")
    build(
        run(root / "run-alpha", "Short answer"), run(root / "run-beta", "Long answer"), root / "sheet", references=True
    )
    return root / "sheet"


@pytest.fixture(scope="module")
def site(browser: Any, sheet: Path, serve: Any, plain_environment: dict[str, str]) -> Iterator[str]:
    """Address of the page of the sheet."""
    from app.web.blind_launch import blind_args
    from rag.settings import load_settings

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "streamlit", *blind_args(load_settings(), sheet, port=port)]

    with serve(command, plain_environment, sheet.parent / "blind.log") as address:
        yield address


def shown(page: Any, number: int, total: int = 4) -> None:
    """Wait until a pair is shown, and for longer than a key that comes too soon."""
    page.wait_for_function(
        "([n, t]) => document.querySelector('[data-testid=stProgress]')?.innerText.match(/\\d+/g)?.slice(0, 2).join()"
        " === `${n},${t}`",
        arg=[number, total],
    )
    page.locator('.stApp[data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(700)


def begin(page: Any, label: str, name: str) -> None:
    page.get_by_label(label).fill(name)
    page.keyboard.press("Enter")


def test_a_sheet_is_judged_by_keyboard_with_a_reload_in_the_middle(visit: Any, site: str, sheet: Path) -> None:
    with visit(site) as page:
        begin(page, "Your name or initials", "Dr. <b>Müller</b> ../..")
        shown(page, 1)
        assert page.locator(".con-side").count() == 2 and HOSTILE in page.locator(".con-side").first.inner_text()
        assert page.title() == "Which answer is better?" and page.locator(".katex").count() == 0
        for hidden in ("alpha", "beta", "supported"):
            assert hidden not in page.locator(".stMain").inner_text()
        page.locator(".con-cite").first.click()
        assert "A visit costs $40." in page.locator(".con-popover:popover-open").inner_text()
        page.keyboard.press("Escape")
        reason = page.get_by_label("Why?")
        reason.press_sequentially("says 2 and 4")
        reason.press("Tab")
        page.keyboard.press("1")
        shown(page, 2)
        assert reason.input_value() == ""
        page.keyboard.press("2")
        shown(page, 3)
        page.reload()
        shown(page, 3)
        assert "2 of 4 are judged already" in page.locator(".con-done").inner_text()
        page.keyboard.press("b")
        shown(page, 2)
        assert "Your vote so far: Answer 2 is better" in page.locator(".stMain").inner_text()
        page.keyboard.press("4")
        shown(page, 3)
        page.keyboard.press("3")
        shown(page, 4)
        page.get_by_role("button", name="Answer 1 is better").click()
        page.get_by_text("Thank you, Dr. <b>Müller</b> ../..").wait_for()
    votes = votes_by(sheet, "Dr. <b>Müller</b> ../..")
    assert sorted(votes) == ["q0", "q1", "q2", "q3"]
    order = [json.loads(line)["item"] for line in (sheet / "sheet.jsonl").read_text().splitlines()]
    assert [votes[item].choice for item in order] == ["left", "both_bad", "tie", "left"]
    assert votes[order[0]].reason == "says 2 and 4" and all(vote.seconds > 0.5 for vote in votes.values())


def test_in_chinese_on_a_narrow_screen_and_the_votes_are_counted(visit: Any, site: str, sheet: Path) -> None:
    with visit(site, locale="zh-CN", viewport={"width": 390, "height": 844}) as page:
        begin(page, "您的姓名或代号", "李医生")
        for number, key in enumerate("1342", 1):
            shown(page, number)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            boxes = [page.locator(".con-side").nth(k).bounding_box() for k in (0, 1)]
            assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
            assert page.get_by_role("button", name="都不好").is_visible()
            page.keyboard.press(key)
        page.get_by_text("谢谢您，李医生").wait_for()
        page.locator('[data-testid="stButtonGroup"]').get_by_text("English", exact=True).click()
        page.get_by_text("Thank you, 李医生").wait_for()
        page.reload()
        page.get_by_text("Thank you, 李医生").wait_for()
    assert [vote.choice for vote in votes_by(sheet, "李医生").values()] == ["left", "tie", "both_bad", "right"]
    found = preference(sheet, options=RunOptions(command="test", resamples=50))
    assert "李医生" in [who["annotator"] for who in found["annotators"]] and found["n"] == 4
