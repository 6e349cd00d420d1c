"""The page of a run in a real browser: language, search, filters, order, paging, opening; no fault, no request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from eval.report import write_report

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EVIL = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
COUNT = 60
OVER_THE_EDGE = """[...document.querySelectorAll('svg.plot text')].filter(text => {
    const a = text.getBoundingClientRect(), b = text.closest('svg').getBoundingClientRect();
    return a.width && (a.left < b.left - 2 || a.right > b.right + 2);
}).map(text => text.textContent)"""
OVER_EACH_OTHER = """[...document.querySelectorAll('svg.plot')].flatMap(plot => {
    const seen = [...plot.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    return seen.filter(one => one[1].width).flatMap((one, index, all) => all.slice(index + 1).filter(other =>
        Math.min(one[1].right, other[1].right) - Math.max(one[1].left, other[1].left) > 1 &&
        Math.min(one[1].bottom, other[1].bottom) - Math.max(one[1].top, other[1].top) > 4
    ).map(other => one[0] + ' / ' + other[0]));
})"""


def row(number: int) -> dict[str, Any]:
    """Sixty questions: every third Chinese, every tenth declined, number 7 failed, every fifth contradicted."""
    chinese, declined, failed = number % 3 == 0, number % 10 == 0, number == 7
    text = "" if declined or failed else f"The dose is {number} mg. {EVIL}"
    label = "contradicted" if number % 5 == 1 else "supported"
    return {
        "id": f"q{number}",
        "question": f"第{number}个问题：剂量是多少？" if chinese else f"Question {number}: which dose? {EVIL}",
        "references": [f"{number} mg"],
        "answerable": not declined,
        "language": "zh" if chinese else "en",
        "domain": "medical",
        "prediction": text,
        "abstained": declined,
        "reason": "nothing was found" if declined else "",
        "claims": [{"start": 0, "end": 15, "label": label, "confidence": 0.5, "ranks": [1]}] if text else [],
        "citations": [{"start": 0, "end": 15, "rank": 1, "source": "guide"}] if text else [],
        "passages": [{"rank": rank, "source": f"guide {rank}", "title": "", "text": f"text {EVIL}"} for rank in (1, 2)],
        "seconds": 0.1 + number / 100,
        "error": "TimeoutError: too slow" if failed else None,
        "scores": {"token_f1": 0.0 if failed else number / 100, "bleu": 1 - number / 100},
    }


def results() -> dict[str, Any]:
    figure = {"value": 0.4, "low": 0.3, "high": 0.5, "n": COUNT}
    names = ("token_f1", "bleu", "faithfulness", "citation_recall", "abstention_recall", "aurc")
    metrics = dict.fromkeys(names, figure)
    curves = {
        "risk_coverage": [{"coverage": c / 10, "risk": c / 20} for c in range(1, 11)],
        "reliability": [{"low": 0.5, "high": 1.0, "confidence": 0.7, "accuracy": 0.6, "n": COUNT}],
    }
    groups = {"by_language": {"en": metrics, "zh": metrics}}
    return {"kind": "answers", "n": COUNT, "metrics": metrics, "curves": curves, "dataset": {"name": EVIL}, **groups}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, results(), [row(number) for number in range(1, COUNT + 1)])
    return path.as_uri()


@pytest.fixture
def opened(browser: Any, report: str) -> Iterator[Any]:
    """Open the page under given conditions; it must ask for nothing else and end without a fault."""
    contexts, faults, asked = [], [], []

    def visited(suffix: str = "", **conditions: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **conditions})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(10_000)
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(report + suffix)
        return tab

    yield visited
    for context in contexts:
        assert [page.title() for page in context.pages if page.title() == "owned"] == []
        context.close()
    assert faults == []
    assert {url.partition("#")[0] for url in asked} == {report}


def questions(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("#list .q").all_inner_texts()]


def test_the_language_is_switched_and_remembered(opened: Any) -> None:
    page = opened()
    assert page.locator("h1").inner_text().startswith("Answers")
    page.locator("#in-en").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("h1").inner_text().startswith("问答")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert page.locator("select[data-facet=language] option").all_inner_texts() == ["全部", "英文", "中文"]
    assert page.locator("#where").inner_text() == "第 1–25 条，共 60 条"
    seen = "[...document.querySelectorAll('.{}')].filter(node => node.getClientRects().length).length"
    assert page.evaluate(seen.format("en")) == 0 and page.evaluate(seen.format("zh")) > 50
    page.reload()
    assert page.locator("h1").inner_text().startswith("问答")
    assert opened("#zh").locator("h1").inner_text().startswith("问答")
    assert opened(locale="zh-CN").locator("h1").inner_text().startswith("问答")
    assert opened("#en", locale="zh-CN").locator("h1").inner_text().startswith("Answers")


def test_search_filters_order_and_pages(opened: Any) -> None:
    page = opened()
    shown = page.locator("#where")
    assert shown.inner_text() == "1–25 of 60"
    assert questions(page)[0].startswith("Question 7:")  # the failed one
    assert questions(page)[1].startswith("Question 1:")  # then the worst
    page.locator("#next").click()
    assert shown.inner_text() == "26–50 of 60"
    page.locator("#next").click()
    assert shown.inner_text() == "51–60 of 60" and page.locator("#next").is_disabled()
    page.locator("#search").fill("WHICH 11")
    assert shown.inner_text() == "1–1 of 1" and questions(page)[0].startswith("Question 11:")
    page.locator("#search").fill("nowhere at all")
    assert "No example fits" in shown.inner_text()
    page.locator("#search").fill("")
    page.locator("select[data-facet=language]").select_option("zh")
    assert shown.inner_text() == "1–20 of 20"
    page.locator("select[data-facet=outcome]").select_option("declined")
    assert shown.inner_text() == "1–2 of 2"
    page.locator("select[data-facet=language]").select_option("")
    page.locator("select[data-facet=outcome]").select_option("")
    page.locator("select[data-facet=verdict]").select_option("contradicted")
    assert shown.inner_text() == "1–12 of 12"
    page.locator("#sort").select_option("bleu")
    assert questions(page)[0].startswith("Question 56:")
    assert page.locator("#shown").inner_text() == "BLEU"
    assert page.locator("#list .score").first.inner_text() == "0.440"
    page.locator("#turn").click()
    assert questions(page)[0].startswith("Question 1:")
    assert page.locator("#turn").get_attribute("aria-pressed") == "true"


def test_an_example_opens_by_keyboard_and_stays_open(opened: Any) -> None:
    page = opened()
    example = page.locator("#list details").nth(1)
    example.locator("summary").focus()
    page.keyboard.press("Enter")
    assert example.locator(".claim.contradicted").inner_text() == "The dose is 1 m"
    assert "contradicted" in example.locator(".answer .sign").inner_text()
    assert EVIL in example.locator(".answer").inner_text()
    example.locator("a.cite").click()
    assert page.url.endswith(f"#{example.get_attribute('id')}-1")
    page.get_by_text("中文", exact=True).first.click()
    assert example.locator(".answer .sign").inner_text() == "✗ 与原文矛盾"  # open still


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_runs_over_the_edge(opened: Any, width: int, language: str) -> None:
    page = opened(f"#{language}", viewport={"width": width, "height": 900}, color_scheme="dark")
    for more in page.locator("details.more > summary").all():
        more.click()
    page.locator("#list details summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVER_THE_EDGE) == []
    assert page.evaluate(OVER_EACH_OTHER) == []


def test_it_reads_without_scripts(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("#list details").count() == 25
    assert not page.locator("#controls").is_visible()
    assert page.get_by_text("The first 25; with JavaScript on").is_visible()
    page.get_by_text("中文", exact=True).first.click()
    assert page.locator("h1").inner_text().startswith("问答")
    page.locator("#list details summary").nth(1).click()
    assert page.locator("#list details .answer").nth(1).is_visible()
