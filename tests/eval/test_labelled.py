"""Labelled sets: what is read, and every fault told with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from eval.factuality import load_factuality
from eval.labelled import merged, overlap
from rag.errors import DocumentError

GOOD = {"id": "1", "context": "Sales fell by 5 %.", "response": "Sales fell.", "label": "faithful"}
CHINESE = {"id": "二", "context": "净利润增长。", "response": "净利润下降了一成。", "label": "hallucinated"}


def write(path: Path, *records: object) -> Path:
    text = "".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["set.jsonl", "set.jsonl.gz"])
def test_reads_both_languages_plain_and_gzipped(tmp_path: Path, name: str) -> None:
    spans = [{"start": 6, "end": 8, "type": "x"}, {"start": 3, "end": 5}, {"start": 5, "end": 6}]
    first, second = load_factuality(write(tmp_path / name, GOOD, CHINESE | {"spans": spans, "question": "如何？"}))
    assert (first.language, second.language) == ("en", "zh")
    assert first.spans == ()
    assert second.spans == ((3, 8),)
    assert (second.label, second.question, second.domain) == ("hallucinated", "如何？", "general")


def test_a_hallucinated_response_without_marks_has_unknown_spans(tmp_path: Path) -> None:
    (found,) = load_factuality(write(tmp_path / "s.jsonl", CHINESE))
    assert found.spans is None


def test_claims(tmp_path: Path) -> None:
    labels = ("supported", "contradicted", "not_enough_info", "not_supported")
    rows = [{"id": i, "claim": "水是湿的。", "evidence": "水。", "label": label} for i, label in enumerate(labels)]
    found = load_factuality(write(tmp_path / "c.jsonl", *rows))
    assert [one.label for one in found] == ["faithful", "hallucinated", "hallucinated", "hallucinated"]
    assert [one.gold for one in found] == list(labels)
    assert found[0].contexts == ("水。",) and found[0].id == "0"


def test_the_source_is_named_or_is_the_context(tmp_path: Path) -> None:
    rows = [GOOD, GOOD | {"id": "2"}, GOOD | {"id": "3", "context": "Else."}, GOOD | {"id": "4", "source_id": 7}]
    first, second, third, fourth = load_factuality(write(tmp_path / "s.jsonl", *rows))
    assert first.group == second.group != third.group
    assert fourth.group == "7"


def test_a_context_of_several_texts(tmp_path: Path) -> None:
    (found,) = load_factuality(write(tmp_path / "s.jsonl", GOOD | {"context": ["One.", " ", "Two."]}))
    assert found.contexts == ("One.", "Two.")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"context": None}, "'context' must be a string, got nothing"),
        ({"context": " "}, "'context' is empty"),
        ({"context": []}, "'context' holds no text"),
        ({"context": [1, {}]}, "'context' must be a list of strings"),
        ({"response": ""}, "'response' is empty"),
        ({"response": 0.5}, "'response' must be a string, got 0.5"),
        ({"label": "maybe"}, "'label' must be one of faithful, hallucinated, got 'maybe'"),
        ({"label": "忠实"}, "got '忠实'"),
        ({"label": None}, "'label' must be a string, got nothing"),
        ({"label": "supported"}, "got 'supported'"),
        ({"id": ""}, "'id' is empty"),
        ({"id": "1"}, "'1' already stands in line 1"),
        ({"spans": [{"start": 0, "end": 99}], "label": "hallucinated"}, "span 0 to 99 must be whole numbers inside"),
        ({"spans": [{"start": 3, "end": 3}], "label": "hallucinated"}, "span 3 to 3"),
        ({"spans": [{"start": -1, "end": 3}], "label": "hallucinated"}, "span -1 to 3"),
        ({"spans": [{"start": "0", "end": 3}], "label": "hallucinated"}, "span '0' to 3"),
        ({"spans": [{"start": True, "end": 3}], "label": "hallucinated"}, "span True to 3"),
        ({"spans": [{"end": 3}], "label": "hallucinated"}, "span nothing to 3"),
        ({"spans": [[0, 3]], "label": "hallucinated"}, "want an object"),
        ({"spans": "0-3", "label": "hallucinated"}, "'spans' must be a list of objects"),
        ({"spans": [{"start": 0, "end": 3}], "label": "faithful"}, "label is 'faithful' but 'spans' marks something"),
        ({"domain": 3.5}, "'domain' must be a string"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, record: dict, told: str) -> None:
    path = write(tmp_path / "s.jsonl", GOOD, "", CHINESE | record)
    with pytest.raises(DocumentError) as raised:
        load_factuality(path)
    assert f"{path}:3" in str(raised.value)
    assert told in str(raised.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.jsonl", GOOD | {"label": "x"}, "{", "[1]", '{"id": 1, "label": NaN}', CHINESE | {"id": 1}
    )
    with pytest.raises(DocumentError) as raised:
        load_factuality(path)
    for line in (1, 2, 3, 4):
        assert f"{path}:{line}: " in str(raised.value)
    assert "NaN is not a JSON number" in str(raised.value)


def test_a_missing_an_empty_and_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        load_factuality(tmp_path / "none.jsonl")
    with pytest.raises(DocumentError, match="holds no record"):
        load_factuality(write(tmp_path / "empty.jsonl"))
    with pytest.raises(DocumentError, match="is a folder"):
        load_factuality(tmp_path)
    broken = write(tmp_path / "set.jsonl.gz", *[GOOD | {"id": str(i)} for i in range(2000)])
    broken.write_bytes(broken.read_bytes()[:-40])
    with pytest.raises(DocumentError, match="cannot be read"):
        load_factuality(broken)


def test_ragtruth_as_published(tmp_path: Path) -> None:
    source = {
        "source_id": "9",
        "task_type": "QA",
        "source": "MARCO",
        "source_info": {"question": "Q?", "passages": "P."},
    }
    marks = [{"start": 0, "end": 4, "text": "Made", "label_type": "Evident Baseless Info"}]
    common = {"source_id": "9", "model": "m", "temperature": 0.7, "quality": "good", "split": "test"}
    write(tmp_path / "source_info.jsonl", source | {"prompt": "P. Q?"})
    write(
        tmp_path / "response.jsonl",
        common | {"id": "0", "labels": marks, "response": "Made up."},
        common | {"id": "1", "labels": [], "response": "P."},
    )
    first, second = load_factuality(tmp_path)
    assert (first.label, first.spans, first.group) == ("hallucinated", ((0, 4),), "9")
    assert (second.label, second.spans) == ("faithful", ())


def test_spans() -> None:
    assert merged([(5, 9), (0, 2), (2, 3), (6, 7)]) == ((0, 3), (5, 9))
    assert overlap([(0, 3), (5, 9)], [(2, 6), (8, 20)]) == 1 + 1 + 1
    assert overlap([], [(0, 5)]) == 0


def test_the_shared_sets_load(shared_data: Path) -> None:
    found = load_factuality(shared_data / "factuality" / "ragtruth_qa.jsonl.gz")
    assert sum(one.label == "hallucinated" for one in found) == sum(bool(one.spans) for one in found) == 72
    assert len({one.group for one in found}) == 65
    assert len(load_factuality(shared_data / "claims" / "ocnli.jsonl.gz")) == 12_935
