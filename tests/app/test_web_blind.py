"""The page of a blinded sheet, run without a browser: what is shown, what is kept, and that neither run is named."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from app.web.blind_html import asked_html, pair_html
from app.web.blind_launch import PAGE, blind_args
from app.web.blind_words import ALL, EN, ZH
from app.web.words import ALL as PAGE_WORDS
from eval.ballot import votes_by, votes_file
from rag.settings import load_settings

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

HOSTILE = '<script>alert(1)</script> "q" <img src=x onerror=alert(2)> [x](javascript:alert(3)) $5 & $6'
PAIRS = [
    {
        "item": f"item-{number}",
        "question": f"问题{number}是什么？" if number == 2 else f"Question {number}? {HOSTILE}",
        "left": {"text": f"left {number}. {HOSTILE}", "cited": [[7, 1]]},
        "right": {"text": f"右边 {number}。", "cited": [[1, 9]]},
        "passages": [{"number": 1, "source": "a.md", "title": HOSTILE, "text": f"passage {HOSTILE}"}],
        "language": "en",
    }
    for number in (1, 2, 3)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from app.web import blind_page

    (tmp_path / "sheet.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    (tmp_path / "key.json").write_text("this is not read by the page")
    monkeypatch.setattr(sys, "argv", ["blind.py", str(tmp_path)])
    monkeypatch.setattr(blind_page, "TOO_SOON", 0.0)
    return tmp_path


def page(name: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=30)
    for key, value in ({"annotator": name} if name else {} | query).items():
        app.query_params[key] = value
    app = app.run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def test_the_name_comes_first_and_stays_in_the_address(folder: Path) -> None:
    app = page()
    assert "Which answer is better?" in html(app) and 'class="con-pair"' not in html(app)
    app = press(app, "Start")
    assert 'class="con-pair"' not in html(app)
    app.text_input(key="con_name").set_value("  Dr.  Li ")
    app = press(app, "Start")
    assert app.query_params["annotator"] in ("Dr. Li", ["Dr. Li"])
    assert 'class="con-pair"' in html(app) and "Judging as Dr. Li" in html(app)
    app = press(app, "Not you?")
    assert "annotator" not in app.query_params and 'class="con-pair"' not in html(app)


def test_votes_are_kept_one_by_one_and_the_next_visit_goes_on(folder: Path) -> None:
    app = press(page("Li"), "Answer 1 is better")
    assert votes_by(folder, "Li")["item-1"].choice == "left"
    assert "问题2是什么？" in html(app) and "Welcome back" not in html(app)
    app = page("li")
    assert "问题2是什么？" in html(app) and "1 of 3 are judged already" in html(app)
    app.text_input(key="con_reason_1").set_value("更准确").run()
    app = press(press(app, "Both bad"), "Equally good")
    kept = votes_by(folder, "LI")
    assert [(vote.item, vote.choice, vote.reason) for vote in kept.values()] == [
        ("item-1", "left", ""),
        ("item-2", "both_bad", "更准确"),
        ("item-3", "tie", ""),
    ]
    assert "Thank you, li" in html(app) and "All 3 questions" in html(app)


def test_going_back_shows_the_vote_and_a_new_one_replaces_it(folder: Path) -> None:
    app = press(press(page("Li"), "Answer 2 is better"), "Back")
    assert "Your vote so far: Answer 2 is better" in html(app)
    app = press(app, "Go on")
    assert "问题2是什么？" in html(app)
    app = press(press(app, "Back"), "Equally good")
    assert "问题2是什么？" in html(app)
    assert votes_by(folder, "Li")["item-1"].choice == "tie"
    assert len(votes_file(folder, "Li").read_text(encoding="utf-8").splitlines()) == 2


def test_a_vote_that_comes_too_soon_is_not_counted_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.web import blind_page

    monkeypatch.setattr(blind_page, "TOO_SOON", 3600.0)
    app = press(page("Li"), "Equally good")
    assert votes_by(folder, "Li") == {} and "was not counted" in html(app) and "left 1." in html(app)


def test_a_vote_that_cannot_be_saved_keeps_its_pair_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.web import blind_page

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blind_page, "cast", full)
    app = press(page("Li"), "Equally good")
    assert "This vote was not saved" in html(app) and "No space left" in html(app) and "left 1." in html(app)


def test_a_name_in_the_address_cannot_leave_the_folder(folder: Path) -> None:
    name = "../../../evil<script>"
    app = press(page(name), "Equally good")
    assert "evil&lt;script&gt;" in html(app) and "evil<script>" not in html(app)
    assert [path.parent for path in folder.rglob("*evil*")] == [folder / "votes"]
    assert not list(folder.parent.glob("*evil*"))
    assert 'class="con-pair"' not in html(page("x" * 81))


def test_the_page_speaks_chinese_and_the_address_remembers(folder: Path) -> None:
    app = page("李医生")
    app.session_state["con_language"] = "zh"
    app = press(app.run(), "回答 2 更好")
    assert "评审者：李医生" in html(app) and votes_by(folder, "李医生")["item-1"].choice == "right"
    app = page(lang="zh")
    assert "哪个回答更好？" in html(app)


def test_a_folder_without_a_sheet_is_told_in_words(folder: Path) -> None:
    (folder / "sheet.jsonl").unlink()
    shown = html(page("Li"))
    assert 'class="con-fault"' in shown and "consilium eval blind" in shown


def test_both_answers_are_dressed_alike_and_nothing_is_obeyed() -> None:
    shown = asked_html(PAIRS[0]) + pair_html(PAIRS[0], EN, PAGE_WORDS["en"])
    assert "<script" not in shown and "<img" not in shown and shown.count("&lt;script&gt;") >= 3
    assert shown.count('class="con-side"') == 2
    for verdict in ("con-verdict", "con-checked", "con-doubt", "con-flag", "con-spoke"):
        assert verdict not in shown
    assert 'popovertarget="con-left-1"' in shown and 'id="con-left-1"' in shown
    assert "con-right-9" not in shown  # a number that no passage has opens nothing
    left, right = shown.index("left 1."), shown.index("右边 1。")
    assert left < right and shown[:right].endswith('lang="zh-Hans">')


def test_references_are_folded_and_only_there_when_the_sheet_has_them() -> None:
    assert "Reference answer" not in pair_html(PAIRS[0], EN, PAGE_WORDS["en"])
    shown = pair_html(PAIRS[0] | {"references": ["<b>参考</b>"], "passages": []}, ZH, PAGE_WORDS["zh"])
    assert "&lt;b&gt;参考&lt;/b&gt;" in shown and shown.count("<details") == 1 and "<details open" not in shown
    assert ZH.passages_none in shown


def test_both_languages_say_the_same_things() -> None:
    def holes(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for field in fields(EN):
        one, other = getattr(EN, field.name), getattr(ZH, field.name)
        assert type(one) is type(other) and one and other
        if isinstance(one, str):
            assert holes(one) == holes(other), field.name
        elif isinstance(one, dict):
            assert one.keys() == other.keys()
        else:
            assert len(one) == len(other)
    assert ALL.keys() == PAGE_WORDS.keys()


def test_the_server_is_told_the_page_the_safe_flags_and_the_folder(tmp_path: Path) -> None:
    args = blind_args(load_settings(), tmp_path / "a b" / ".." / "sheet", port=9000)
    assert args[:2] == ["run", str(PAGE)] and PAGE.is_file()
    assert args[-2:] == ["--", str((tmp_path / "sheet").resolve())]
    assert {"--server.port=9000", "--server.address=127.0.0.1", "--client.showErrorDetails=none"} <= set(args)
