"""Take the pictures of docs/images anew: `python tests/e2e/screenshots.py http://127.0.0.1:8501 docs/images`.

The address is that of a running chat over the sample documents (`make demo`, then `make chat`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

QUESTIONS = {
    "en-US": ("Which dose of epinephrine is given for anaphylaxis?", "Who won the 2022 football World Cup?"),
    "zh-CN": ("糖化血红蛋白多少可以诊断糖尿病？", "2022年世界杯冠军是谁？"),
}


def conversation(browser: Any, url: str, locale: str) -> Any:
    """Return a page on which the questions of a language were asked."""
    page = browser.new_context(viewport={"width": 1280, "height": 820}, locale=locale, color_scheme="light").new_page()
    page.goto(url)
    for number, question in enumerate(QUESTIONS[locale]):
        page.get_by_test_id("stChatInputTextArea").fill(question)
        page.keyboard.press("Enter")
        page.locator(".con-answer, .con-refusal").nth(number).wait_for()
        page.locator('.stApp[data-test-script-state="notRunning"]').wait_for()
    page.mouse.move(640, 60)
    page.mouse.wheel(0, -5000)
    page.wait_for_timeout(700)
    return page


def main(url: str, folder: Path) -> None:
    """Write chat-en.png, chat-zh.png and source-en.png (a source opened over its answer)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        english, chinese = (conversation(browser, url, locale) for locale in QUESTIONS)
        english.screenshot(path=folder / "chat-en.png")
        chinese.screenshot(path=folder / "chat-zh.png")
        english.locator(".con-cite").first.click()
        english.locator(".con-popover:popover-open mark").first.wait_for()
        english.screenshot(path=folder / "source-en.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
