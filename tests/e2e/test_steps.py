"""The search step by step in a real browser: ask, read why, open a passage, filter, switch, in both languages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.model]

DOCUMENTS = {
    "warfarin.md": "# Warfarin\n\n## Target\n\nFor mechanical mitral valves the target INR is 2.5 to 3.5.\n\n"
    "## Bleeding\n\nFor life-threatening bleeding give vitamin K.\n\n<script>document.title = 'owned'</script>\n",
    "heart.md": "# Heart attack\n\nAspirin is given at once after myocardial infarction.\n",
    "metformin.zh.md": "# 二甲双胍\n\n## 起始剂量\n\n二甲双胍的起始剂量为每次500毫克，每日两次，随餐服用。\n",
}


@pytest.fixture(scope="module")
def site(
    browser: Any, tmp_path_factory: pytest.TempPathFactory, model_cache: Path, serve: Any,
    plain_environment: dict[str, str],
) -> Iterator[str]:  # fmt: skip
    """Address of the page over a small collection."""
    folder = tmp_path_factory.mktemp("steps")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    environment = plain_environment | {"CONSILIUM_HOME": str(folder / "home"), "CONSILIUM_CACHE_DIR": str(model_cache)}
    command = [sys.executable, "-m", "app.cli"]
    files = [str(folder / name) for name in DOCUMENTS]
    root = Path(__file__).parents[2]
    subprocess.run([*command, "ingest", *files], env=environment, cwd=root, check=True, capture_output=True)
    with serve(lambda port: [*command, "chat", "--port", str(port)], environment, folder / "chat.log") as address:
        yield address


def search(page: Any, query: str) -> Any:
    """Search and return the list of passages in their last order."""
    if not page.url.endswith("/search"):
        page.goto(f"{page.url.rstrip('/')}/search")
        page.get_by_test_id("stForm").wait_for()
    box = page.get_by_role("textbox").first
    box.fill(query)
    box.press("Enter")
    page.locator('.stApp[data-test-script-state="notRunning"]').wait_for()
    page.locator(".con-steps, .con-fault").first.wait_for()
    page.wait_for_timeout(500)
    return page.locator(".con-order").first


def options(page: Any) -> None:
    page.locator('[data-testid="stExpander"] summary').click()
    page.locator("textarea").wait_for()


def test_a_search_says_why_and_its_passage_opens(visit: Any, site: str, tmp_path: Path) -> None:
    with visit(site) as page:
        order = search(page, "target INR of a mechanical valve")
        assert "Warfarin" in order.locator("li").first.inner_text()
        assert "By words 1 · By meaning 1" in order.locator("li").first.inner_text()
        assert page.locator(".con-legs > section").count() == 2
        boxes = [page.locator(".con-legs > section").nth(n).bounding_box() for n in (0, 1)]
        assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
        order.locator("button").first.press("Enter")
        passage = page.locator(".con-popover:popover-open")
        assert "2.5 to 3.5" in passage.inner_text()
        marked = " ".join(passage.locator("mark").all_inner_texts())
        assert "target" in marked and "INR" in marked and "for" not in marked
        page.keyboard.press("Escape")
        assert passage.count() == 0
        assert page.title() != "owned"
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as JSON").click()
        told = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        assert told["query"] == "target INR of a mechanical valve"
        assert told["candidates"][0]["final"]["rank"] == 1


def test_filter_and_switches(visit: Any, site: str) -> None:
    with visit(site) as page:
        search(page, "MI aspirin")
        assert "心肌梗死" in page.locator(".con-read").inner_text()
        options(page)
        page.get_by_text("Look for other names, too").click()
        page.get_by_role("button", name="Search").click()
        page.get_by_text("Nothing beyond its words").wait_for()
        page.locator("textarea").fill("language=zh")
        page.get_by_role("button", name="Search").click()
        page.locator(".con-chip").get_by_text("language=zh").wait_for()
        assert "Warfarin" not in page.locator(".con-order").first.inner_text()
        page.locator("textarea").fill("language")
        page.get_by_role("button", name="Search").click()
        assert "A condition cannot be read" in page.locator(".con-fault").inner_text()
        page.locator("textarea").fill("language=fr")
        page.get_by_role("button", name="Search").click()
        page.get_by_text("Nothing was found").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_chinese_on_a_narrow_screen(visit: Any, site: str, scheme: str) -> None:
    with visit(site, locale="zh-CN", viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        order = search(page, "二甲双胍起始剂量")
        assert "二甲双胍" in order.locator("li").first.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [page.locator(".con-legs > section").nth(n).bounding_box() for n in (0, 1)]
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
        order.locator("button").first.click()
        assert "每次500毫克" in page.locator(".con-popover:popover-open").inner_text()
