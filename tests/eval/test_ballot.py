"""The folder of a blinded comparison: names become files safely, votes survive everything short of the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.ballot import Vote, canonical, cast, sheet_of, votes_by, votes_file, votes_in
from rag.errors import DocumentError, UserError


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd", "..", ".", "/", "a/b", "a\\b", "con", "x" * 80, "李" * 80, "\x00", "*?<>|", "~root"),
        *("name.jsonl", "-rf", "\n../x", "𝒜/../b", "e\u0301"),
    ],
)
def test_a_name_never_leaves_the_folder_of_votes(tmp_path: Path, name: str) -> None:
    path = votes_file(tmp_path, name)
    assert path.parent == tmp_path / "votes" and path.resolve().parent == (tmp_path / "votes").resolve()
    assert len(path.name.encode()) <= 200 and path.name.endswith(".jsonl") and not path.name.startswith(".")
    assert not set(path.name) & set('/\\:*?"<>|\x00\n')
    cast(tmp_path, Vote("1", "left", name))
    assert votes_by(tmp_path, name)["1"].annotator == name
    assert [found.name for found in tmp_path.rglob("*.jsonl")] == [path.name]


@pytest.mark.parametrize("name", ["", "   ", "\u3000", "x" * 81])
def test_a_name_must_be_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="1 to 80"):
        votes_file(tmp_path, name)


def test_names_that_look_alike_are_kept_apart_and_spellings_of_one_are_not(tmp_path: Path) -> None:
    assert votes_file(tmp_path, "a/b") != votes_file(tmp_path, "a_b")
    assert votes_file(tmp_path, "李 医生") == votes_file(tmp_path, " 李  医生 ")
    assert votes_file(tmp_path, "Dr Li") == votes_file(tmp_path, "dr li") == votes_file(tmp_path, "ＤＲ Li")
    assert canonical("Dr  Li ") == "dr li"


def test_a_changed_vote_is_appended_and_the_last_counts(tmp_path: Path) -> None:
    cast(tmp_path, Vote("甲", "left", "李医生", 3.5, "更完整"))
    kept = cast(tmp_path, Vote("甲", "both_bad", "李医生", 1.0))
    assert kept.at.startswith("20") and kept.at.endswith("+00:00")
    path = votes_file(tmp_path, "李医生")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["choice"] for line in lines] == ["left", "both_bad"]
    assert lines[0]["reason"] == "更完整" and "reason" not in lines[1]
    assert votes_by(tmp_path, "李医生") == {"甲": kept}
    assert votes_by(tmp_path, "somebody else") == {}


def test_a_torn_last_line_is_passed_over_and_cut_off_by_the_next_vote(tmp_path: Path) -> None:
    cast(tmp_path, Vote("1", "left", "me"))
    path = votes_file(tmp_path, "me")
    for torn in (b'{"item": "2", "cho', '{"item": "二"'.encode()[:-2], b"7"):
        whole = path.read_bytes()
        path.write_bytes(whole + torn)
        assert set(votes_by(tmp_path, "me")) == {"1"}
        cast(tmp_path, Vote("1", "right", "me"))
        assert path.read_bytes().startswith(whole) and votes_by(tmp_path, "me")["1"].choice == "right"
    assert len(votes_in(path)) == 4


def test_a_whole_last_line_without_its_break_is_kept(tmp_path: Path) -> None:
    cast(tmp_path, Vote("1", "left", "me"))
    path = votes_file(tmp_path, "me")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert set(votes_by(tmp_path, "me")) == {"1"}
    cast(tmp_path, Vote("2", "tie", "me"))
    assert [vote.item for vote in votes_in(path)] == ["1", "2"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "want a JSON object"),
        ('{"item": "1", "choice": "up", "annotator": "me"}', "'up'"),
        ('{"choice": "left", "annotator": "me"}', "'item'"),
        ('{"item": "1", "choice": "left", "annotator": " "}', "'annotator'"),
    ],
)
def test_a_line_that_is_no_vote_is_told_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "me.jsonl"
    good = '{"item": "1", "choice": "left", "annotator": "me"}\n'
    path.write_text(good + line + "\n" + good, encoding="utf-8")
    with pytest.raises(DocumentError, match=rf"me\.jsonl:2: .*{said}"):
        votes_in(path)


def test_what_cannot_be_a_vote_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="left, right, tie, both_bad"):
        cast(tmp_path, Vote("1", "up", "me"))
    assert not (tmp_path / "votes").exists()
    cast(tmp_path, Vote("1", "tie", "me", reason="x" * 9000 + "\ud800"))
    assert len(votes_by(tmp_path, "me")["1"].reason) == 2000


def test_a_folder_without_a_sheet_or_with_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="consilium eval blind"):
        sheet_of(tmp_path)
    sheet = tmp_path / "sheet.jsonl"
    sheet.write_text("")
    with pytest.raises(DocumentError, match="holds no pair"):
        sheet_of(tmp_path)
    sheet.write_text('{"item": "1", "question": "?", "left": {"text": "a"}}\n')
    with pytest.raises(DocumentError, match=r"sheet\.jsonl:1: field 'right'"):
        sheet_of(tmp_path)
