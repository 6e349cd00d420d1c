import gzip
import hashlib
import json
from pathlib import Path

import pytest

from eval.leakage import cards_of, guard, guard_notes, hash_question, questions_of, read_card, seen, write_questions
from eval.stamp import RunOptions
from rag.errors import DocumentError, UserError

TRAINED = ["What lowers the risk of a heart attack?", "二甲双胍的一线适应症是什么？", "Did sales rise by 1.5 %?"]
ASKED = {
    "same": "What lowers the risk of a heart attack?",
    "dressed": "  what LOWERS the risk, of a heart-attack ?!",
    "zh": "二甲双胍 的一线适应症,是什么?",
    "wide": "Ｄｉｄ ｓａｌｅｓ ｒｉｓｅ ｂｙ １.５％？",
    "new": "What raises the risk of a heart attack?",
    "新": "二甲双胍的二线适应症是什么？",
}
SEEN = ["same", "dressed", "zh", "wide"]


def card(folder: Path, *data: dict, **more) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "card.json").write_text(json.dumps({"training_data": list(data)} | more), encoding="utf-8")
    return folder / "card.json"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Why?", "why"),
        ("Ａspirin　１００ｍｇ", "aspirin 100mg"),
        ("糖尿病，怎么办？", "糖尿病怎么办"),
        ("Straße", "STRASSE"),
        ("a\u200bb\ufeffc", "abc"),
        ("cafe\u0301", "café"),
    ],
)
def test_the_same_question_in_other_dress(one: str, other: str) -> None:
    assert hash_question(one) == hash_question(other)
    assert len(hash_question(one)) == 16


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("2021", "2022"), ("是", "否"), ("?", "!"), ("", "?")])
def test_another_question_is_another(one: str, other: str) -> None:
    assert hash_question(one) != hash_question(other)


def test_the_hash_is_of_letters_and_digits_alone() -> None:
    assert hash_question("Is 糖 OK?") == hashlib.sha256("is糖ok".encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", ["questions.txt", "questions.txt.gz"])
def test_questions_are_known_by_their_hashes_where_the_data_is_not(tmp_path: Path, name: str) -> None:
    assert write_questions(tmp_path / "a" / name, [*TRAINED, TRAINED[0].upper()]) == 3
    given = card(tmp_path / "a", {"name": "set", "questions": name, "path": "gone.jsonl"})
    assert seen(ASKED, given) == seen(ASKED, given.parent) == SEEN
    assert not [source.unknown for source in read_card(given) if source.unknown]
    before = (tmp_path / "a" / name).read_bytes()
    write_questions(tmp_path / "a" / name, TRAINED[::-1])
    assert (tmp_path / "a" / name).read_bytes() == before


@pytest.mark.parametrize(("name", "key"), [("train.jsonl", "question"), ("train.jsonl.gz", "query")])
def test_questions_are_read_from_the_data_where_it_is(tmp_path: Path, name: str, key: str) -> None:
    data = "".join(json.dumps({"id": str(at), key: text}) + "\n" for at, text in enumerate(TRAINED)).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert seen(ASKED, card(tmp_path / "a", {"name": "set", "path": f"../{name}"})) == SEEN
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert seen(ASKED, card(tmp_path / "a", {"name": "set", "path": f"../{name}", "sha256": digest})) == SEEN


def test_a_run_on_seen_questions_is_refused(tmp_path: Path) -> None:
    write_questions(tmp_path / "a" / "q.gz", TRAINED)
    cards = (card(tmp_path / "a", {"name": "heart", "questions": "q.gz"}), card(tmp_path / "b"))
    with pytest.raises(UserError) as told:
        guard(ASKED, RunOptions(cards=cards))
    for words in ("4 of 6 questions occur", "'heart' of", "first ids: 'same', 'dressed', 'zh', 'wide'", "--allow-seen"):
        assert words in str(told.value)
    assert str(cards[1]) not in str(told.value)


def test_the_override_is_recorded(tmp_path: Path) -> None:
    write_questions(tmp_path / "a" / "q.gz", TRAINED)
    cards = (card(tmp_path / "a", {"name": "heart", "questions": "q.gz"}),)
    found = guard(ASKED, RunOptions(cards=cards, allow_seen=True))
    assert (found["seen_in_training"], found["allowed"], found["seen_examples"]) == (4, True, SEEN)
    assert guard_notes(found) == ["4 questions occur in the training data of a model used: allowed."]
    clean = guard({"new": ASKED["new"]}, RunOptions(cards=cards, allow_seen=True))
    assert (clean["seen_in_training"], clean["allowed"], clean["unverifiable"]) == (0, False, [])
    assert guard_notes(clean) == []
    assert guard(ASKED, RunOptions()) == {}


def test_a_file_that_was_trained_on_is_seen_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text("anything\n")
    given = card(tmp_path / "a", {"name": "set", "sha256": hashlib.sha256(b"anything\n").hexdigest().upper()})
    with pytest.raises(UserError, match="6 of 6 questions"):
        guard(ASKED, RunOptions(cards=(given,)), file=file)
    file.write_text("another\n")
    told: list[str] = []
    found = guard(ASKED, RunOptions(cards=(given,), warn=told.append), file=file)
    assert found["seen_in_training"] == 0
    assert "no file with its questions is named" in told[0]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "set"}, "set: no file with its questions is named, nor are hashes"),
        ({"name": "set", "path": "gone.jsonl"}, "set: gone.jsonl is no file here, nor are hashes"),
        ({"name": "集", "questions": "gone.txt"}, "集: no file with its questions is named"),
        ({"path": "chat.jsonl"}, "entry 0: no record of .*chat.jsonl has a 'question' or 'query'"),
        ({"name": "set", "path": "chat.jsonl", "sha256": "0" * 64}, "set: .* has another sha256 than the card says"),
    ],
)
def test_what_cannot_be_checked_is_said(tmp_path: Path, entry: dict, words: str) -> None:
    import re

    given = card(tmp_path / "a", entry)
    (tmp_path / "a" / "chat.jsonl").write_text('{"messages": []}\n')
    told: list[str] = []
    found = guard(ASKED, RunOptions(cards=(given,), warn=told.append))
    assert (found["seen_in_training"], len(found["unverifiable"])) == (0, 1)
    assert re.search(words, found["unverifiable"][0])
    assert found["unverifiable"][0] in told[0]
    assert found["unverifiable"][0] in guard_notes(found)[0]


def test_a_card_that_says_nothing_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "adapter_config.json").write_text("{}")
    (given,) = cards_of([str(tmp_path / "a"), "extractive", "", "org/model", str(tmp_path)])
    assert given == tmp_path / "a"
    assert "no model card" in guard(ASKED, RunOptions(cards=(given,)))["unverifiable"][0]
    (tmp_path / "a" / "card.json").write_text("{}")
    assert cards_of([str(tmp_path / "a")] * 2) == [tmp_path / "a" / "card.json"]
    assert "no 'training_data'" in guard(ASKED, RunOptions(cards=(given,)))["unverifiable"][0]
    assert guard(ASKED, RunOptions(cards=(card(tmp_path / "b"),)))["unverifiable"] == []  # trained on nothing


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"card\.json: not JSON"),
        ('{"training_data": "all"}', r"card\.json: 'training_data' must be a list of objects, got 'all'"),
        ('{"training_data": ["all"]}', r"'training_data' must be a list of objects"),
        ('{"training_data": [{"name": 7}]}', r"training_data\[0\]: 'name' must be a string, got 7"),
        (
            '{"training_data": [{"name": "x", "questions": "bad.txt"}]}',
            r"bad\.txt:2: want 16 hex digits .*, got 'Why\?'",
        ),
    ],
)
def test_bad_cards_are_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "card.json").write_text(text)
    (tmp_path / "bad.txt").write_text(f"{hash_question('a')}\nWhy?\n")
    with pytest.raises(DocumentError, match=words):
        read_card(tmp_path)


def test_questions_of_examples_and_queries() -> None:
    from eval.dataset import Example, Query

    assert questions_of([Example("a", "Why?", (), False)]) == {"a": "Why?"}
    assert questions_of([Example("a", "", (), False)]) == {"a": ""}
    assert questions_of([Query("q", "为什么")]) == {"q": "为什么"}
