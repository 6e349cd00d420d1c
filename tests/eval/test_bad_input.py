"""What people's files get wrong: every fault is told with its place, all of a file at once."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.dataset import load_answers, load_retrieval
from rag.errors import DocumentError

OWN = {"id": "a", "question": "为什么？", "references": ["因为"], "answerable": True}
BAD = [
    {"question": "Why?", "references": ["so"]},
    OWN | {"id": "b", "references": ["", " "]},
    OWN | {"id": "c", "references": [], "answerable": None},
    OWN | {"id": "d", "answerable": "true"},
    OWN | {"id": "e", "references": [None]},
    OWN | {"id": "f", "references": True},
    OWN | {"id": "g", "question": ["Why?"]},
    OWN | {"id": "h", "contexts": {"id": "x"}},
    OWN,
]


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def told(path: Path, load: Callable[[Path], object] = load_answers) -> str:
    with pytest.raises(DocumentError) as error:
        load(path)
    return str(error.value)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(OWN, *BAD))
    message = told(tmp_path / "a.jsonl")
    assert message.startswith("9 faults; ")
    for line, part in enumerate(
        [
            "field 'id' must be a string, got nothing",
            "'answerable' is true but 'references' is empty",
            "without references 'answerable' must be true or false, got nothing",
            "'answerable' must be true or false, got 'true'",
            "field 'references' must be a list of strings, got [None]",
            "field 'references' must be a list of strings, got True",
            "field 'question' must be a string, got ['Why?']",
            "field 'contexts' must be a list of objects, got {'id': 'x'}",
            "id 'a' already stands in line 1",
        ],
        2,
    ):
        (found,) = [row for row in message.split("\n") if f"a.jsonl:{line}: " in row]
        assert part in found


def test_more_than_twenty_faults_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*[{"id": str(i), "references": ["x"]} for i in range(50)]))
    message = told(tmp_path / "a.jsonl")
    assert message.startswith("50 faults")
    assert message.count("a.jsonl:") == 20
    assert message.endswith("... and 30 more.")


QAS = {"id": "q", "question": "Why?", "answers": [{"text": "so", "answer_start": 0}]}


def squad(*qas: Any) -> dict[str, Any]:
    return {"data": [{"title": "T", "paragraphs": [{"context": "so it is", "qas": list(qas)}]}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no question. Give one JSON object a line"),
        (b"\r\n \n", "holds no question"),
        (b"[]", "holds no question"),
        (b'{"data": []}', "holds no question"),
        (b'"text"', "a.json:1: want a JSON object, got str"),
        (b"[1, 2]", "a.json: [0]: want an object, got int"),
        (b'[{"id": "a",\n"question": }]', "a.json:2: not JSON: Expecting value"),
        (b'{\n"data": [\n', "a.json:2: not JSON"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3", "a.json:1: cannot be read on"),
        (b"PK\x03\x04\x00\x00", "a.json:1: not JSON"),
        ('{"id": "a"}'.encode("utf-16"), "It looks like UTF-16; save it as UTF-8."),
        (lines(OWN, OWN | {"id": "b"})[:-4], "a.json:2: not JSON"),
        (b'{"id": "a", "id": "b", "question": "?", "references": ["x"]}', "the key 'id' stands twice in one object"),
        (lines(OWN) + b'{"id": "b", "question": "?", "score": NaN}\n', "a.json:2: not JSON: NaN is not a JSON number"),
        (b'[{"id": "a", "question": "?", "references": [NaN]}]', "a.json: [0].references[0]: want a number or null"),
        (b"[" * 100_000, "a.json: not JSON: nested too deep"),
        (
            lines(OWN, {"financebench_id": "f", "question": "?", "answer": "x", "evidence": []}),
            "a.json:2: is in the format 'financebench', but the file began as 'consilium'. Keep one format a file.",
        ),
        (
            json.dumps(squad(QAS, QAS)).encode(),
            "a.json: data[0].paragraphs[0].qas[1]: id 'q' already stands in data[0]",
        ),
        (
            json.dumps(squad(QAS | {"answers": []})).encode(),
            "a.json: data[0].paragraphs[0].qas[0]: no answer, and 'is_impossible' is not true",
        ),
        (json.dumps(squad(QAS | {"is_impossible": True})).encode(), "'is_impossible' is true, but there is an answer"),
        (json.dumps(squad(QAS | {"is_impossible": "no"})).encode(), "field 'is_impossible' must be true or false"),
        (json.dumps(squad(QAS | {"question": None})).encode(), "qas[0]: field 'question' must be a string"),
        (json.dumps(squad(QAS | {"answers": [{"text": 1.5}]})).encode(), "qas[0].answers[0]: field 'text' must be"),
        (
            json.dumps(
                {"1": {"QUESTION": "?", "CONTEXTS": ["a", "b"], "LABELS": ["A"], "final_decision": "so"}}
            ).encode(),
            "a.json: 1: field 'LONG_ANSWER' must be a string, got nothing",
        ),
        (json.dumps({"1": {"QUESTION": "?", "LONG_ANSWER": "x", "final_decision": "so"}}).encode(), "yes, no or maybe"),
        (
            lines({"user_input": "?", "reference": ""}),
            "a.json:1: without references 'answerable' must be true or false",
        ),
        (
            lines({"user_input": "?", "reference": "x", "retrieved_contexts": [3]}),
            "'retrieved_contexts' must be a list",
        ),
        (
            lines({"financebench_id": "f", "question": "?", "answer": None, "evidence": [{"evidence_page_num": -1}]}),
            "a.json:1: evidence[0]: field 'evidence_page_num' must be a whole number from 0, got -1",
        ),
        (
            json.dumps([{"table": {"uid": "t", "table": "x"}, "paragraphs": [], "questions": []}]).encode(),
            "a.json: [0].table: field 'table' must be a list of rows",
        ),
        (
            json.dumps(
                [
                    {
                        "table": {"uid": "t", "table": []},
                        "paragraphs": [],
                        "questions": [{"uid": "q", "question": "?", "answer_type": "sum", "answer": ""}],
                    }
                ]
            ).encode(),
            "a.json: [0].questions[0]: field 'answer_type' must be one of span, multi-span",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    for name, data in (("a.json", content), ("a.json.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(data)
        assert message.replace("a.json:", f"{name}:") in told(tmp_path / name)


def test_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    plain = lines(OWN, OWN | {"id": "b"})
    (tmp_path / "plain.jsonl").write_bytes(plain)
    (tmp_path / "windows.jsonl").write_bytes(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
    assert load_answers(tmp_path / "plain.jsonl") == load_answers(tmp_path / "windows.jsonl")


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    assert "is a folder. Give a .jsonl or .json file" in told(tmp_path)
    assert "does not exist" in told(tmp_path / "none.json")


def beir(folder: Path, *, corpus: bytes, queries: bytes, qrels: bytes) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_bytes(corpus)
    (folder / "queries.jsonl").write_bytes(queries)
    (folder / "qrels" / "test.tsv").write_bytes(qrels)
    return folder


def test_all_faults_of_a_retrieval_folder_are_told_at_once(tmp_path: Path) -> None:
    folder = beir(
        tmp_path / "set",
        corpus=lines({"_id": "d1", "text": "x"}, {"_id": "d1", "text": "y"}, {"_id": "d2", "text": 3.5}) + b"{\n",
        queries=lines({"_id": "q1", "text": " "}, {"_id": "q2", "text": "为什么？", "candidates": 4}),
        qrels=b"query-id\tcorpus-id\tscore\nq1\td1\tNaN\nq1\td1\nq2\td1\t0.5\nq2\td2\t1\r\nq2\td2\t2\nq2\td1\tinf\n",
    )
    message = told(folder, load_retrieval)
    assert message.startswith("10 faults")
    for part in (
        "corpus.jsonl:2: id 'd1' already stands in line 1",
        "corpus.jsonl:3: field 'text' must be a string, got 3.5",
        "corpus.jsonl:4: not JSON",
        "queries.jsonl:1: field 'text' is empty",
        "queries.jsonl:2: field 'candidates' must be a list of strings, got 4",
        "test.tsv:2: score must be a whole number, got 'NaN'",
        "test.tsv:3: want query-id, corpus-id and score between tabs",
        "test.tsv:4: score must be a whole number, got '0.5'",
        "test.tsv:6: 'q2' and 'd2' are judged twice, 1 and 2. Keep one",
        "test.tsv:7: score must be a whole number, got 'inf'",
    ):
        assert part in message


def test_judgements_of_unknown_ids_are_counted_and_placed(tmp_path: Path) -> None:
    folder = beir(
        tmp_path / "set",
        corpus=lines({"_id": "d1", "text": "x"}),
        queries=lines({"_id": "q1", "text": "?"}, {"_id": "q2", "text": "?"}),
        qrels=b"q1\td1\t1\nq1\td7\t1\nq9\td1\t1\nq9\td7\t1\nq2\td1\t0\n",
    )
    data = load_retrieval(folder)
    assert data.dropped == {"unknown_queries": 1, "unknown_documents": 1, "queries_without_relevant": 1}
    assert [place.partition("qrels/")[2] for place in data.unknown] == [
        "test.tsv:2: no record 'd7' in corpus.jsonl",
        "test.tsv:3: no query 'q9' in queries.jsonl",
        "test.tsv:4: no query 'q9' in queries.jsonl",
    ]
    (folder / "qrels" / "test.tsv").write_text("q1\td7\t1\n")
    assert "nothing to measure. First: " in told(folder, load_retrieval)
