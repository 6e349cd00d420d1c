import gzip
import json
from pathlib import Path

import pytest

from eval.dataset import Context, load_answers, load_retrieval, passages_of
from rag.errors import DocumentError

CORPUS = [{"_id": "d1", "title": "Aspirin", "text": "It thins blood."}, {"_id": "d2", "text": "胰岛素", "year": 2020}]
QUERIES = [{"_id": "q1", "text": "What thins blood?"}, {"_id": "q2", "text": "胰岛素是什么", "candidates": ["d2"]}]
GOOD = {"id": "a", "question": "Why?", "references": ["so"], "answerable": True}


def lines(path: Path, rows: list) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def beir(folder: Path, qrels: str, *, corpus: list = CORPUS, queries: list = QUERIES, end: str = ".jsonl") -> Path:
    lines(folder / f"corpus{end}", corpus)
    lines(folder / f"queries{end}", queries)
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return folder


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("header", ["query-id\tcorpus-id\tscore\n", ""])
def test_beir_folder(tmp_path: Path, end: str, header: str) -> None:
    data = load_retrieval(beir(tmp_path / "set", f"{header}q1\td1\t2\r\nq1\td2\t0\nq2\td2\t1\n", end=end), "test")
    assert (data.name, data.split) == ("set", "test")
    assert data.qrels == {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 1}}
    assert [query.candidates for query in data.queries] == [None, ("d2",)]
    assert [record.title for record in data.corpus] == ["Aspirin", ""]
    assert not any(data.dropped.values())


def test_judgements_of_unknown_things_are_counted_not_fatal(tmp_path: Path) -> None:
    data = load_retrieval(beir(tmp_path, "q1\td1\t1\nq1\tgone\t1\nq9\td1\t1\nq2\td2\t0\n"), "test")
    assert data.dropped == {"unknown_queries": 1, "unknown_documents": 1, "queries_without_relevant": 1}
    assert [query.id for query in data.queries] == ["q1"]


def test_hash_changes_with_what_can_change_a_score(tmp_path: Path) -> None:
    one = load_retrieval(beir(tmp_path / "a", "q1\td1\t1\n"), "test")
    two = load_retrieval(beir(tmp_path / "b", "q1\td1\t2\n"), "test")
    three = load_retrieval(beir(tmp_path / "c", "q1\td1\t1\n", corpus=CORPUS[:1]), "test")
    assert one.corpus_hash == two.corpus_hash != three.corpus_hash
    assert len({one.hash, two.hash, three.hash}) == 3


@pytest.mark.parametrize(
    ("qrels", "corpus", "message"),
    [
        ("q1\td1\t1\nq1 d1 1\n", CORPUS, r"test\.tsv:2: want query-id, corpus-id and score"),
        ("q1\td1\t1\nq1\td2\thigh\n", CORPUS, r"test\.tsv:2: score must be a whole number, got 'high'"),
        ("q1\td1\tnan\n", CORPUS, r"test\.tsv:1: score must be a whole number, got 'nan'"),
        ("q1\td1\t0.5\n", CORPUS, r"test\.tsv:1: score must be a whole number"),
        ("q1\td1\t1\nq1\td1\t2\n", CORPUS, r"test\.tsv:2: .* judged twice, 1 and 2"),
        ("q9\td1\t1\n", CORPUS, "nothing to measure"),
        ("q1\td1\t1\n", [*CORPUS, CORPUS[0]], r"corpus\.jsonl:3: id 'd1' already stands in line 1"),
        ("q1\td1\t1\n", [{"_id": "d1"}], r"corpus\.jsonl:1: field 'text' must be a string, got nothing"),
        ("q1\td1\t1\n", [{"text": "x"}], r"corpus\.jsonl:1: field '_id'"),
        ("q1\td1\t1\n", ["{"], r"corpus\.jsonl:1: not JSON"),
        ("q1\td1\t1\n", ["[1]"], r"corpus\.jsonl:1: want a JSON object, got list"),
    ],
)
def test_bad_beir_folder_is_told_with_file_and_line(tmp_path: Path, qrels: str, corpus: list, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        load_retrieval(beir(tmp_path, qrels, corpus=corpus), "test")


def test_missing_files_and_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"neither corpus\.jsonl nor corpus\.jsonl\.gz"):
        load_retrieval(tmp_path, "test")
    with pytest.raises(DocumentError, match=r"Splits of set: test\."):
        load_retrieval(beir(tmp_path / "set", "q1\td1\t1\n"), "dev")
    with pytest.raises(DocumentError, match="does not exist"):
        load_answers(tmp_path / "none.jsonl")


def test_answers_with_all_fields(tmp_path: Path) -> None:
    full = GOOD | {
        "contexts": [{"id": "c1", "text": "so it is"}, {"text": "x"}],
        "history": ["first?", ["user", "second?"], ["agent", "yes"], {"role": "assistant", "content": "no"}],
        "gold_passages": ["c1"],
        "exact_answer": [["so", "thus"]],
        "answer_type": "number",
        "scale": "million",
        "domain": "financial",
        "fold": "dev",
    }
    (example,) = load_answers(lines(tmp_path / "a.jsonl.gz", [full]))
    assert example.contexts == (Context("c1", "so it is"), Context("1", "x"))
    assert [turn["role"] for turn in example.history] == ["user", "user", "assistant", "assistant"]
    assert example.history[1]["content"] == "second?"
    assert (example.exact, example.scale, example.extra["fold"]) == (("so", "thus"), "million", "dev")


def test_what_may_be_left_out(tmp_path: Path) -> None:
    rows = [{"id": 1, "question": "为什么？", "references": "so"}, GOOD | {"answerable": False, "references": []}]
    one, two = load_answers(lines(tmp_path / "a.jsonl", rows))
    assert (one.id, one.references, one.answerable, one.language) == ("1", ("so",), True, "zh")
    assert (two.answerable, two.contexts) == (False, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": None}, ":2: field 'question' must be a string, got nothing"),
        ({"references": []}, ":2: 'answerable' is true but 'references' is empty"),
        ({"references": ["  "]}, ":2: 'answerable' is true but 'references' is empty"),
        ({"references": [], "answerable": None}, ":2: without references 'answerable' must be true or false"),
        ({"references": {"a": 1}}, ":2: field 'references' must be a list of strings"),
        ({"answerable": "yes"}, ":2: .*'answerable' must be true or false"),
        ({"contexts": "text"}, ":2: field 'contexts' must be a list of objects, got 'text'"),
        ({"contexts": ["text"]}, r":2: contexts\[0\]: want an object, got 'text'"),
        ({"contexts": [{"text": "a"}, {"id": "0", "text": "b"}]}, r":2: contexts\[1\]: id '0' already stands in"),
        ({"contexts": [{"text": "a", "page": 0}]}, r":2: contexts\[0\]: field 'page' must be a whole number from 1"),
        ({"contexts": [{"id": "c"}]}, r":2: contexts\[0\]: field 'text' must be a string, got nothing"),
        ({"history": [["narrator", "x"]]}, ":2: a turn of 'history'"),
        ({"history": [None]}, ":2: a turn of 'history'"),
        ({"history": "x"}, ":2: field 'history' must be a list"),
        ({"id": "a"}, ":2: id 'a' already stands in line 1"),
    ],
)
def test_bad_answers_are_told_with_file_and_line(tmp_path: Path, change: dict, message: str) -> None:
    path = lines(tmp_path / "a.jsonl", [GOOD, GOOD | {"id": "b"} | change])
    with pytest.raises(DocumentError, match=r"a\.jsonl" + message):
        load_answers(path)


def test_unreadable_files(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps(GOOD).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-6])
    (tmp_path / "not.jsonl.gz").write_bytes(b"plain")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    (tmp_path / "empty.jsonl").write_bytes(b"\n")
    for name in ("cut.jsonl.gz", "not.jsonl.gz", "latin.jsonl"):
        with pytest.raises(DocumentError, match=r"cannot be read on"):
            load_answers(tmp_path / name)
    with pytest.raises(DocumentError, match="holds no question"):
        load_answers(tmp_path / "empty.jsonl")


def test_contexts_become_passages_in_order() -> None:
    first, second = passages_of([Context("p7", "血压"), Context("p8", "")])
    assert (first.source, first.rank, first.chunk.text, second.rank) == ("p7", 1, "血压", 2)
    assert first.score >= second.score
    assert first.chunk.doc_id != second.chunk.doc_id


def test_all_shared_answer_sets_load(shared_data: Path) -> None:
    files = sorted((shared_data / "answers").glob("*.jsonl.gz"))
    assert files
    for file in files:
        examples = load_answers(file)
        assert all(example.references for example in examples if example.answerable), file


def test_shared_retrieval_sets_load(shared_data: Path) -> None:
    data = load_retrieval(shared_data / "retrieval" / "aicup2024", "dev")
    assert all(query.candidates for query in data.queries)
    assert not data.dropped["unknown_documents"]
