"""Every format as its authors publish it; the samples are written for these tests, in the native shapes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from eval.dataset import FORMATS, guess, load_answers, passages_of, read_answers
from eval.examples import title_of
from eval.loaders.ragtruth import is_ragtruth, ragtruth
from rag.errors import DocumentError, UserError

OWN = {"id": "own-1", "question": "Is it safe?", "references": ["yes"], "answerable": True}
RAGAS = {
    "user_input": "阿司匹林每天吃几次？",
    "reference": "每天一次。",
    "response": "每天三次。",
    "retrieved_contexts": ["阿司匹林肠溶片每天一次，每次100毫克。", "布洛芬每天三次。"],
    "reference_contexts": ["阿司匹林肠溶片每天一次，每次100毫克。"],
}
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Harbour",
            "paragraphs": [
                {
                    "context": "The harbour opened in 1911 and closed in 1974.",
                    "qas": [
                        {
                            "id": "s1",
                            "question": "When did it open?",
                            "is_impossible": False,
                            "answers": [{"text": "1911", "answer_start": 22}, {"text": "1911", "answer_start": 22}],
                        },
                        {
                            "id": "s2",
                            "question": "Who built it?",
                            "is_impossible": True,
                            "answers": [],
                            "plausible_answers": [{"text": "1974", "answer_start": 41}],
                        },
                    ],
                }
            ],
        }
    ],
}
CMRC = [
    {
        "context_id": "T1",
        "context_text": "这座桥建于1957年，全长1670米。",
        "title": "大桥",
        "qas": [{"query_id": "T1_Q0", "query_text": "这座桥多长？", "answers": ["1670米", "1670米", "全长1670米"]}],
    }
]
PUBMEDQA = {
    "90000001": {
        "QUESTION": "Does walking lower blood pressure?",
        "CONTEXTS": ["We asked whether walking helps.", "Pressure fell by 4 mmHg."],
        "LABELS": ["OBJECTIVE", "RESULTS"],
        "MESHES": ["Walking"],
        "YEAR": "2011",
        "reasoning_required_pred": "yes",
        "final_decision": "yes",
        "LONG_ANSWER": "Walking lowers blood pressure a little.",
    }
}
FINANCEBENCH = {
    "financebench_id": "financebench_id_90001",
    "company": "Acme Tools",
    "doc_name": "ACMETOOLS_2021_10K",
    "question_type": "metrics-generated",
    "question": "What is Acme's FY2021 revenue in USD millions?",
    "answer": "$12.00",
    "evidence": [
        {
            "evidence_text": "Revenue 12",
            "doc_name": "ACMETOOLS_2021_10K",
            "evidence_page_num": 41,
            "evidence_text_full_page": "Acme\nRevenue 12\nCosts 7",
        },
        {"evidence_text": "Costs 7", "doc_name": "ACMETOOLS_2021_10K", "evidence_page_num": 41},
    ],
}
TATQA = [
    {
        "table": {
            "uid": "tab-1",
            "table": [
                ["", "2019", "2018"],
                ["", "(dollars in thousands)", ""],
                ["Sales", "$1,200", "$1,000"],
                ["Rent", "300", "(50)"],
            ],
        },
        "paragraphs": [{"uid": "p-1", "order": 1, "text": "Sales grew in both shops, Alton and Brook."}],
        "questions": [
            {
                "uid": "t1", "order": 1, "question": "What was the change in sales?", "answer": 200,
                "scale": "thousand", "derivation": "1,200-1,000", "answer_type": "arithmetic", "answer_from": "table",
                "rel_paragraphs": [], "req_comparison": False,
            },
            {
                "uid": "t2", "order": 2, "question": "Which shops are there?", "answer": ["Alton", "Brook"],
                "scale": "", "derivation": "", "answer_type": "multi-span", "answer_from": "text",
                "rel_paragraphs": ["1"],
            },
            {
                "uid": "t3", "order": 3, "question": "How many shops grew?", "answer": "2", "scale": "",
                "derivation": "Alton##Brook", "answer_type": "count", "answer_from": "table-text",
                "rel_paragraphs": ["1"],
            },
        ],
    }
]  # fmt: skip


def put(path: Path, value: Any, *, lines: bool = False, indent: int | None = 1) -> Path:
    if lines:
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in value)
    else:
        text = json.dumps(value, ensure_ascii=False, indent=indent)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


NATIVE = {
    "consilium": [OWN],
    "ragas": [RAGAS],
    "squad": SQUAD,
    "cmrc2018": CMRC,
    "pubmedqa": PUBMEDQA,
    "financebench": [FINANCEBENCH],
    "tatqa": TATQA,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("file", "indent"), [("set.json", 1), ("set.json", None), ("set.json.gz", None)])
def test_format_is_told_from_the_content(tmp_path: Path, name: str, file: str, indent: int | None) -> None:
    told = read_answers(put(tmp_path / file, NATIVE[name], indent=indent))
    named = read_answers(tmp_path / file, name)
    assert told.format == name
    assert told == named
    assert told.examples


@pytest.mark.parametrize("name", ["consilium", "ragas", "financebench", "cmrc2018", "tatqa"])
def test_lists_may_be_written_as_lines(tmp_path: Path, name: str) -> None:
    whole = read_answers(put(tmp_path / "set.json", NATIVE[name]))
    lines = read_answers(put(tmp_path / "set.jsonl", NATIVE[name], lines=True))
    assert whole.examples == lines.examples


def test_a_format_can_be_overruled_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", [OWN | {"reference": "no"}], lines=True)
    assert load_answers(path)[0].references == ("yes",)
    assert load_answers(path, "ragas")[0].references == ("no",)
    with pytest.raises(UserError, match=r"no question format 'csv'\. Choose one of: auto, consilium"):
        load_answers(path, "csv")


def test_ragas(tmp_path: Path) -> None:
    (example,) = load_answers(put(tmp_path / "r.json", [RAGAS]))
    assert example.references == ("每天一次。",)
    assert example.extra["response"] == "每天三次。"
    assert [context.text for context in example.contexts or ()] == RAGAS["retrieved_contexts"]
    assert example.gold_passages == ("c0",)
    assert (example.language, example.answerable, example.id) == ("zh", True, "row-1")


def test_ragas_of_older_versions_and_rows_of_the_hub(tmp_path: Path) -> None:
    rows = [
        {"question": "a?", "answer": "guess", "ground_truth": "truth", "contexts": ["text"]},
        {"question": "b?", "answer": "guess", "ground_truths": ["one", "two"], "contexts": []},
        {"question": "c?", "answer": "the only answer there is"},
        {"id": "h1", "title": "T", "context": "x 5 y", "question": "d?",
         "answers": {"text": ["5"], "answer_start": [2]}},
        {"id": "h2", "title": "T", "context": "x", "question": "e?", "answers": {"text": [], "answer_start": []}},
        {"pubid": 7, "question": "f?", "context": {"contexts": ["one", "two"], "labels": ["A", "B"]},
         "long_answer": "So it is.", "final_decision": "maybe"},
        {"user_input": [{"type": "human", "content": "Hi"}, {"type": "ai", "content": "Yes?"},
                        {"type": "human", "content": "g?"}], "reference": "so"},
    ]  # fmt: skip
    a, b, c, d, e, f, g = load_answers(put(tmp_path / "r.jsonl", rows, lines=True))
    assert (a.references, a.extra["response"]) == (("truth",), "guess")
    assert (b.references, b.contexts) == (("one", "two"), ())
    assert (c.references, c.contexts) == (("the only answer there is",), None)
    assert (d.references, d.contexts[0].title if d.contexts else "") == (("5",), "T")
    assert (e.answerable, e.references) == (False, ())
    assert (f.id, f.exact, len(f.contexts or ()), f.answer_type) == ("7", ("maybe",), 2, "yesno")
    assert (g.question, [turn["role"] for turn in g.history]) == ("g?", ["user", "assistant"])


def test_squad_and_cmrc(tmp_path: Path) -> None:
    one, two = load_answers(put(tmp_path / "s.json", SQUAD))
    assert (one.references, one.answerable, one.gold_passages) == (("1911",), True, ("Harbour-0",))
    assert (two.references, two.answerable, two.gold_passages) == ((), False, ())
    assert one.contexts == two.contexts
    assert passages_of(one.contexts or ())[0].title == "Harbour"
    (zh,) = load_answers(put(tmp_path / "c.json", CMRC))
    assert (zh.id, zh.references, zh.language) == ("T1_Q0", ("1670米", "全长1670米"), "zh")


def test_pubmedqa(tmp_path: Path) -> None:
    (example,) = load_answers(put(tmp_path / "p.json", PUBMEDQA))
    assert (example.id, example.exact, example.domain) == ("90000001", ("yes",), "medical")
    assert example.references == ("Walking lowers blood pressure a little.",)
    assert [context.title for context in example.contexts or ()] == ["Objective", "Results"]
    assert example.extra["YEAR"] == "2011"


def test_financebench_names_the_document_and_the_page(tmp_path: Path) -> None:
    (example,) = load_answers(put(tmp_path / "f.jsonl", [FINANCEBENCH], lines=True))
    assert (example.answer_type, example.domain) == ("number", "financial")
    (context,) = example.contexts or ()
    assert (context.id, context.page) == ("ACMETOOLS_2021_10K#p41", 42)
    assert context.text == "Acme\nRevenue 12\nCosts 7"
    (passage,) = passages_of([context])
    assert passage.title == "Acme Tools ACMETOOLS 2021 10K"
    assert (passage.source, passage.chunk.page) == (context.id, 42)


def test_tatqa_writes_its_table_as_ingestion_does(tmp_path: Path) -> None:
    change, shops, count = load_answers(put(tmp_path / "t.json", TATQA))
    table = (change.contexts or ())[0].text
    assert "Sales | 2019: $1,200 | 2018: $1,000" in table
    assert "in thousands" in table
    assert "Rent | 2019: 300 | 2018: (50)" in table
    assert (change.references, change.scale, change.answer_type) == (("200",), "thousand", "number")
    assert change.gold_passages == ("tab-1-table",)
    assert (shops.references, shops.exact, shops.answer_type) == (("Alton; Brook",), ("Alton", "Brook"), "list")
    assert shops.gold_passages == ("tab-1-p1",)
    assert (count.references, count.gold_passages) == (("2",), ("tab-1-table", "tab-1-p1"))


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("3M_2022_10K#p47", "3M 2022 10K"),
        ("MRO/2007/page_134.pdf-text", "MRO 2007 page 134"),
        ("江化微2019年报#p3", "江化微2019年报"),
        ("p0", ""),
        ("34022131-0", ""),
        ("f6368ece2c45f8080d07ccc5817d2431-table", ""),
        ("cq2:346-2395", ""),
    ],
)
def test_title_of_an_id(key: str, title: str) -> None:
    assert title_of(key) == title


def test_company_of_a_record_is_known_to_its_passages(tmp_path: Path) -> None:
    contexts = [{"id": "AMERICANEXPRESS_2022_10K#p3", "text": "x"}, {"id": "3M_2022_10K#p3", "text": "x", "page": 4}]
    path = put(tmp_path / "a.jsonl", [OWN | {"company": "American Express", "contexts": contexts}], lines=True)
    first, second = passages_of(load_answers(path)[0].contexts or ())
    assert first.title == "American Express AMERICANEXPRESS 2022 10K"
    assert second.chunk.page == 4


RESPONSES = [
    {"id": "1", "source_id": "9", "model": "m-7b", "temperature": 0.7, "split": "train", "quality": "good",
     "response": "水在100度沸腾，在5度结冰。",
     "labels": [{"start": 9, "end": 14, "text": "在5度结冰", "label_type": "Evident Conflict",
                 "implicit_true": False, "due_to_null": False, "meta": "0 度"}]},
    {"id": "2", "source_id": "9", "model": "m-13b", "split": "test", "quality": "good",
     "response": "水在100度沸腾。", "labels": []},
    {"id": "3", "source_id": "8", "model": "m-13b", "split": "test", "quality": "truncated",
     "response": "Wa", "labels": []},
    {"id": "4", "source_id": "8", "model": "m-13b", "split": "test", "quality": "good",
     "response": "A café.", "labels": []},
]  # fmt: skip
SOURCES = [
    {"source_id": "9", "task_type": "QA", "source": "MARCO", "prompt": "…",
     "source_info": {"question": "水几度结冰？", "passages": "passage 1:水在100度沸腾，0度结冰。"}},
    {"source_id": "8", "task_type": "Data2txt", "source": "Yelp", "prompt": "…", "source_info": {"name": "Café"}},
]  # fmt: skip


def test_ragtruth(tmp_path: Path) -> None:
    put(tmp_path / "response.jsonl", RESPONSES, lines=True)
    assert not is_ragtruth(tmp_path)
    put(tmp_path / "source_info.jsonl.gz", SOURCES, lines=True)
    assert is_ragtruth(tmp_path)
    marked, clean, data = ragtruth(tmp_path)
    assert (marked["label"], clean["label"]) == ("hallucinated", "faithful")
    (span,) = marked["spans"]
    assert marked["response"][span["start"] : span["end"]] == "在5度结冰"
    assert (marked["question"], marked["task"], marked["language"]) == ("水几度结冰？", "QA", "zh")
    assert marked["context"].startswith("passage 1:")
    assert json.loads(data["context"]) == {"name": "Café"}
    assert [record["id"] for record in ragtruth(tmp_path, "test")] == ["2", "4"]
    with pytest.raises(DocumentError, match=r"no answer of split 'dev'\. Splits: test, train"):
        list(ragtruth(tmp_path, "dev"))


def test_faults_of_ragtruth(tmp_path: Path) -> None:
    bad = [RESPONSES[0] | {"labels": [{"start": 9, "end": 14, "text": "在6度结冰", "label_type": "x"}]},
           RESPONSES[1] | {"source_id": "77"}, RESPONSES[1] | {"labels": [{"start": 3, "end": 99}]}]  # fmt: skip
    put(tmp_path / "response.jsonl", bad, lines=True)
    put(tmp_path / "source_info.jsonl", SOURCES, lines=True)
    with pytest.raises(DocumentError) as told:
        list(ragtruth(tmp_path))
    for part in (
        "4 faults",
        "response.jsonl:1: labels[0]: the response has '在5度结冰' there, but 'text' is '在6度结冰'",
        "response.jsonl:2: source_id '77' is not in source_info.jsonl",
        "response.jsonl:3: id '2' already stands in line 2",
        "response.jsonl:3: labels[0]: want 0 <= start < end <= 9, got 3 and 99",
    ):
        assert part in str(told.value)


def test_guess_says_nothing_of_a_record_without_a_question() -> None:
    assert guess({"id": "x", "text": "y"}) is None


def test_native_financebench_agrees_with_the_shared_copy(tmp_path: Path, shared_data: Path) -> None:
    """The shared copy turned back into the native shape reads as the same questions, pages, gold and types."""
    copies = [e for e in load_answers(shared_data / "answers" / "financebench.jsonl.gz") if e.answerable]
    native = [
        {
            "financebench_id": example.id,
            "question": example.question,
            "answer": example.references[0],
            "company": example.extra["company"],
            "doc_name": example.extra["doc_name"],
            "question_type": example.extra["question_type"],
            "evidence": [
                {"evidence_text": piece["text"], "doc_name": piece["id"].split("#p")[0],
                 "evidence_page_num": int(piece["id"].split("#p")[1]),
                 "evidence_text_full_page": next(c.text for c in example.contexts or () if c.id == piece["id"])}
                for piece in example.extra["evidence"]
            ],
        }
        for example in copies
    ]  # fmt: skip
    read = load_answers(put(tmp_path / "f.jsonl", native, lines=True))
    for one, copy in zip(read, copies, strict=True):
        assert (one.id, one.references, one.answer_type) == (copy.id, copy.references, copy.answer_type)
        assert set(one.gold_passages) == set(copy.gold_passages)
        assert {c.id: c.title for c in one.contexts or ()} == {c.id: c.title for c in copy.contexts or ()}
