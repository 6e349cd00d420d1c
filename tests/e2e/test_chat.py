"""The chat in a real browser: ask, read the source, be refused, change the language, add and delete a document."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.made_pdf import write_pdf

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.model]

DOCUMENTS = {
    "warfarin.md": "# Warfarin clinic guide\n\n## Target range\n\n"
    "For mechanical mitral valves the target INR is 2.5 to 3.5.\n\n"
    "## Bleeding\n\nFor life-threatening bleeding give 5 to 10 mg of vitamin K intravenously.\n\n"
    "<script>document.title = 'owned'</script>\n\nA clinic visit costs $40 and a test strip costs $5.\n",
    "sales.csv": "item,2022,2021\nNet sales of Orchid Foods,394328,365817\n"
    "Cost of sales of Orchid Foods,223546,212981\n",
    "metformin.zh.md": "# 二甲双胍用药指南\n\n## 起始剂量\n\n二甲双胍的起始剂量为每次500毫克，每日两次，随餐服用。\n\n"
    "## 禁忌证\n\n估算肾小球滤过率低于30的患者禁用二甲双胍。\n",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the chat keeps its collections."""
    return tmp_path_factory.mktemp("chat") / "home"


@pytest.fixture(scope="module")
def site(browser: Any, home: Path, model_cache: Path, serve: Any, plain_environment: dict[str, str]) -> Iterator[str]:
    """Address of a running chat over a small collection."""
    folder = home.parent
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    leaflet = "The half-life of apixaban is about 12 hours in healthy adults."
    (folder / "apixaban.pdf").write_bytes(write_pdf([[(72, 700, "Apixaban leaflet"), (72, 640, leaflet)]]))
    environment = plain_environment | {"CONSILIUM_HOME": str(home), "CONSILIUM_CACHE_DIR": str(model_cache)}
    command = [sys.executable, "-m", "app.cli"]
    files = [str(folder / name) for name in (*DOCUMENTS, "apixaban.pdf")]
    root = Path(__file__).parents[2]
    subprocess.run([*command, "ingest", *files], env=environment, cwd=root, check=True, capture_output=True)
    with serve(lambda port: [*command, "chat", "--port", str(port)], environment, folder / "chat.log") as address:
        yield address


@pytest.fixture
def page(visit: Any, site: str) -> Iterator[Any]:
    """A fresh page on the chat."""
    with visit(site) as tab:
        yield tab


def ask(page: Any, question: str) -> Any:
    """Ask in the chat and return the last answer once it is checked (or refused)."""
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")
    page.locator(".con-asked").get_by_text(question, exact=True).wait_for()
    answer = page.locator(".con-answer, .con-refusal").nth(page.locator(".con-asked").count() - 1)
    answer.wait_for()
    return answer


def test_an_answer_is_cited_and_its_source_opens_with_the_quote(page: Any) -> None:
    answer = ask(page, "What is the target INR for mechanical mitral valves?")
    assert "2.5 to 3.5" in answer.locator(".con-said").inner_text()
    marker = answer.locator(".con-cite").first
    marker.press("Enter")
    passage = page.locator(".con-popover:popover-open")
    assert passage.count() == 1
    assert "2.5 to 3.5" in passage.locator("mark").inner_text()
    assert "Warfarin clinic guide" in passage.inner_text()
    assert "warfarin.md" in passage.inner_text()
    page.keyboard.press("Escape")
    assert passage.count() == 0


def test_the_printed_page_of_a_pdf_is_shown_with_the_quote_marked(page: Any) -> None:
    answer = ask(page, "What is the half-life of apixaban?")
    assert "12 hours" in answer.locator(".con-said").inner_text()
    answer.locator(".con-page").first.wait_for(state="attached")
    answer.locator(".con-cite").first.click()
    picture = page.locator(".con-popover:popover-open .con-page img")
    picture.wait_for()
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 600
    assert "Page 1 as printed" in page.locator(".con-popover:popover-open figcaption").inner_text()


def test_what_the_documents_do_not_hold_is_refused_with_what_was_found(page: Any) -> None:
    refusal = ask(page, "Who won the football World Cup in 1998?")
    assert "con-refusal" in (refusal.get_attribute("class") or "")
    assert "No answer in these documents" in refusal.inner_text()
    assert page.locator(".con-fault").count() == 0
    fold = refusal.locator("summary")
    if fold.count():
        fold.click()
        assert refusal.locator(".con-found li").first.is_visible()


def test_text_of_documents_is_shown_and_not_obeyed(page: Any) -> None:
    answer = ask(page, "How much does a clinic visit cost?")
    assert "costs $40 and a test strip costs $5" in answer.locator(".con-said").inner_text()
    assert page.locator(".katex").count() == 0
    assert page.title() != "owned"


def test_a_figure_from_a_table_is_shown_in_its_table(page: Any) -> None:
    answer = ask(page, "What were the net sales of Orchid Foods in 2022?")
    assert re.sub(r"\D", "", answer.locator(".con-said").inner_text()).count("394328")
    answer.locator(".con-cite").first.click()
    passage = page.locator(".con-popover:popover-open")
    assert passage.locator("table").count() == 1
    assert "Net sales of Orchid Foods" in passage.locator("mark").first.inner_text()


def test_in_chinese_the_page_and_the_answer_are_chinese(page: Any) -> None:
    page.get_by_test_id("stSidebar").get_by_text("中文", exact=True).click()
    page.get_by_placeholder("就这些文档提问").wait_for()
    answer = ask(page, "二甲双胍的起始剂量是多少？")
    assert "500毫克" in answer.locator(".con-said").inner_text()
    assert "已核对" in answer.inner_text()
    answer.locator(".con-cite").first.click()
    assert "500毫克" in page.locator(".con-popover:popover-open mark").first.inner_text()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="文档").click()
    page.get_by_text("二甲双胍用药指南").first.wait_for()


def test_a_document_is_added_read_and_deleted(page: Any, tmp_path: Path) -> None:
    page.get_by_role("link", name="Documents").click()
    page.get_by_text("Warfarin clinic guide").first.wait_for()
    note = tmp_path / "sepsis note.md"
    note.write_text(
        "# Sepsis <b>bundle</b>\n\nGive 30 mL/kg of crystalloid within the first 3 hours.\n", encoding="utf-8"
    )
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 this is no PDF")
    page.locator("input[type=file]").set_input_files([str(note), str(broken)])
    page.get_by_role("button", name="Add to").click()
    page.get_by_text("Could not be read").wait_for()
    assert "broken.pdf" in page.locator(".con-fault").inner_text()
    page.get_by_role("link", name="Chat").click()
    answer = ask(page, "How much crystalloid is given in sepsis?")
    assert "30 mL/kg" in answer.inner_text()
    page.get_by_role("link", name="Documents").click()
    row = page.locator("[class*=st-key-con_doc_]", has_text="sepsis note.md")
    row.get_by_role("button", name="Read").click()
    page.get_by_role("dialog").get_by_text("30 mL/kg").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted: ").wait_for()
    row.wait_for(state="detached")
    page.get_by_role("link", name="Chat").click()
    assert "30 mL/kg" not in ask(page, "And how much crystalloid is given in sepsis?").inner_text()


def test_while_another_process_writes_the_upload_says_so_and_can_be_tried_again(
    page: Any, home: Path, tmp_path: Path
) -> None:
    from rag.store import Collection

    page.get_by_role("link", name="Documents").click()
    note = tmp_path / "short note.txt"
    note.write_text("A short note on hand washing.\n", encoding="utf-8")
    page.locator("input[type=file]").set_input_files(str(note))
    with Collection.open(home / "collections" / "default", None, writable=True):
        page.get_by_role("button", name="Add to").click()
        page.locator(".con-fault").wait_for()
        assert "That did not work" in page.locator(".con-fault").inner_text()
    page.get_by_role("button", name="Add to").click()
    page.get_by_text("1 added").wait_for()


def test_on_a_narrow_screen_nothing_runs_out_of_sight(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    answer = ask(page, "What is given for life-threatening bleeding?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    answer.locator(".con-cite").first.click()
    box = page.locator(".con-popover:popover-open").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
