"""The chat page, run without a browser and with an assistant that says what the test wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.assistant import Checked, Delta, Event, Found
from rag.errors import GenerationError, LockedError
from rag.schema import Answer, Chunk, Citation, Claim, Message, Passage, Verdict

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

ENTRY = Path(__file__).parents[2] / "app" / "web" / "chat.py"
TEXT = "A visit costs $40 and <b>no</b> strip costs $5."


class Spoken:
    """An assistant that answers every question with one cited sentence, or raises what it was given."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.ended = False
        self.asked: list[tuple[str, list[Message]]] = []

    def stream(self, question: str, *, history: Sequence[Message] = ()) -> Iterator[Event]:
        self.asked.append((question, list(history)))
        try:
            yield from self._said(question)
        finally:
            self.ended = True

    def _said(self, question: str) -> Iterator[Event]:
        passage = Passage(Chunk("c", "d", TEXT, 0, len(TEXT)), 1.0, 1, "hybrid", source="fees.md", title="Fees")
        yield Found((passage,))
        yield Delta(TEXT[:10])
        if self.fault:
            raise self.fault
        yield Delta(TEXT[10:])
        end = len(TEXT)
        answer = Answer(question, TEXT, (passage,), (Citation(0, end, 1, 0, end),), model="extractive")
        yield Checked(answer, Verdict((Claim(0, end, "supported", 0.9, (1,)),), "test"))


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> Spoken:
    from app.web import chat_page, session, sidebar

    assistant = Spoken()
    monkeypatch.setattr(session, "_assistant", lambda *_: assistant)
    for module in (chat_page, sidebar):
        monkeypatch.setattr(module, "known_collections", lambda _: {"default": 3, "other": 0})
    monkeypatch.setattr(chat_page, "_examples", lambda *_: ("What does it **cost**?",))
    monkeypatch.setattr(chat_page, "warm", lambda _: None)
    return assistant


def page() -> AppTest:
    app = AppTest.from_file(str(ENTRY), default_timeout=30).run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def ask(app: AppTest, question: str) -> AppTest:
    app = app.chat_input[0].set_value(question).run()
    assert not app.exception
    return app


def test_a_question_is_answered_with_its_source(spoken: Spoken) -> None:
    app = ask(page(), "What does a <i>visit</i> cost?")
    shown = html(app)
    assert "What does a &lt;i&gt;visit&lt;/i&gt; cost?" in shown
    assert "A visit costs $40 and &lt;b&gt;no&lt;/b&gt; strip costs $5." in shown
    assert 'popovertarget="a0-1-0-' in shown and "<mark>" in shown


def test_a_follow_up_hands_on_what_was_said_and_the_answers_stay(spoken: Spoken) -> None:
    app = ask(ask(page(), "first?"), "second?")
    assert spoken.asked[1] == (
        "second?",
        [{"role": "user", "content": "first?"}, {"role": "assistant", "content": TEXT}],
    )
    assert html(app).count('class="con-answer"') == 2


def test_a_new_conversation_forgets(spoken: Spoken) -> None:
    app = ask(page(), "first?")
    app = next(button for button in app.button if button.label == "New conversation").click().run()
    assert 'class="con-answer"' not in html(app)
    ask(app, "second?")
    assert spoken.asked[-1] == ("second?", [])


def test_an_example_is_asked_by_a_press(spoken: Spoken) -> None:
    app = page()
    first = next(button for button in app.button if button.key == "con_example_0")
    assert first.label == r"What does it \*\*cost\*\*?"
    first.click().run()
    assert spoken.asked[0][0] == "What does it **cost**?"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (LockedError("process 7 is writing [x](javascript:1) $1 $2"), "process 7 is writing [x](javascript:1) $1 $2"),
        (GenerationError("the server gave nothing"), "the server gave nothing"),
        (RuntimeError("secret detail"), "RuntimeError"),
    ],
)
def test_a_fault_is_told_in_words_and_the_question_stays(
    spoken: Spoken, fault: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoken.fault = fault
    app = ask(page(), "What does it cost?")
    assert spoken.ended
    shown = html(app)
    assert 'class="con-fault"' in shown and said in shown
    assert "secret detail" not in shown and "Traceback" not in shown
    assert "What does it cost?" in html(app.run())


def test_the_whole_page_changes_its_language(spoken: Spoken) -> None:
    app = page()
    app.session_state["con_language"] = "zh"
    app = ask(app.run(), "费用是多少？")
    assert app.chat_input[0].placeholder == "就这些文档提问"
    assert "已核对" in html(app)
    labels = [element.label for kind in ("selectbox", "button") for element in app.get(kind)]
    assert "文档库" in labels and "新对话" in labels and "Collection" not in labels


def test_the_field_stays_when_the_language_changes(spoken: Spoken) -> None:
    app = page()
    app = app.selectbox(key="con_field_en").select("medical").run()
    app.session_state["con_language"] = "zh"
    app = app.run()
    assert app.selectbox(key="con_field_zh").value == "medical"
    assert "不能替代临床判断" in html(ask(app, "费用是多少？"))


def test_without_documents_the_first_step_is_told(spoken: Spoken) -> None:
    app = page()
    app = app.selectbox(key="con_collection").select("other").run()
    assert "No documents yet" in html(app)
    assert not app.chat_input


def test_each_collection_has_its_own_conversation(spoken: Spoken, monkeypatch: pytest.MonkeyPatch) -> None:
    app = ask(page(), "first?")
    app = app.selectbox(key="con_collection").select("other").run()
    assert 'class="con-answer"' not in html(app)
    app = app.selectbox(key="con_collection").select("default").run()
    assert html(app).count('class="con-answer"') == 1


def test_wrong_settings_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIUM_RETRIEVE__K", "0")
    app: Any = page()
    assert "retrieve.k" in html(app) and 'class="con-fault"' in html(app)
