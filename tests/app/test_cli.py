"""The command line as a person or a script meets it; contracts of docs/cli.md."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.model

METFORMIN = (
    "# Metformin\n\nMetformin is a first-line medicine for type 2 diabetes in adults.\n\n"
    "## Contraindications\n\nMetformin is contraindicated when the eGFR is below 30 mL/min/1.73 m2.\n\n"
    "## Dose\n\nThe usual starting dose for adults is 500 mg orally twice a day with meals.\n"
)
REVENUE = (
    "<html><head><title>Northwind 2022 results</title></head><body><h1>Income statement</h1>"
    "<table><caption>Income statement (USD, in millions)</caption><tr><th></th><th>2022</th><th>2021</th></tr>"
    "<tr><td>Net revenue</td><td>86,392</td><td>79,474</td></tr>"
    "<tr><td>Net income</td><td>8,978</td><td>(7,679)</td></tr>"
    "</table></body></html>"
)
CHINESE = "# 二甲双胍\n\n二甲双胍是成人2型糖尿病的一线用药。\n\n## 禁忌症\n\n当eGFR低于30 mL/min时禁用二甲双胍。\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    root.mkdir()
    (root / "metformin.md").write_text(METFORMIN, encoding="utf-8")
    (root / "northwind-2022.html").write_text(REVENUE, encoding="utf-8")
    (root / "二甲双胍.md").write_text(CHINESE, encoding="utf-8")
    (root / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of the kind")
    (root / "empty.txt").write_bytes(b"")
    (root / "picture.exe").write_bytes(b"MZ\x00\x01")
    return root


@pytest.fixture
def filled(run: Any, folder: Path) -> dict[str, Any]:
    code, report, _ = run("ingest", str(folder), "-c", "trial", "--json")
    assert code == 0
    return dict(report)


def test_ingest_reports_failures_and_goes_on(filled: dict[str, Any]) -> None:
    assert (filled["documents"], filled["unchanged"], filled["updated"]) == (3, 0, 0)
    assert filled["chunks"] >= 3
    failed = {Path(item["source"]).name: item["reason"] for item in filled["failed"]}
    assert set(failed) == {"broken.pdf", "empty.txt", "picture.exe"}
    assert all(failed.values())
    assert {"seconds", "pages_per_second", "deleted"} <= set(filled)


def test_again_changes_nothing(run: Any, folder: Path, filled: dict[str, Any]) -> None:
    _, report, _ = run("ingest", str(folder), "-c", "trial", "--json")
    assert (report["documents"], report["unchanged"], report["chunks"]) == (0, 3, 0)
    (folder / "metformin.md").write_text(METFORMIN + "\nTake it with meals.\n", encoding="utf-8")
    _, report, _ = run("ingest", str(folder), "-c", "trial", "--json")
    assert (report["updated"], report["unchanged"]) == (1, 2)
    _, listed, _ = run("docs", "list", "-c", "trial", "--json")
    assert len(listed["documents"]) == 3


def test_search_finds_text_and_filters(run: Any, filled: dict[str, Any]) -> None:
    _, found, _ = run("search", "metformin contraindicated kidney", "-c", "trial", "-k", "3", "--json")
    passages = found["passages"]
    assert "eGFR" in passages[0]["text"] and passages[0]["source"].endswith("metformin.md")
    assert [p["rank"] for p in passages] == list(range(1, len(passages) + 1))
    assert sorted((p["score"] for p in passages), reverse=True) == [p["score"] for p in passages]
    _, chinese, _ = run("search", "二甲双胍 禁忌", "-c", "trial", "--where", "language=zh", "--json")
    assert chinese["passages"] and all(p["source"].endswith("二甲双胍.md") for p in chinese["passages"])


def test_a_passage_is_a_span_of_the_document(run: Any, filled: dict[str, Any]) -> None:
    _, found, _ = run("search", "net revenue 2022", "-c", "trial", "--json")
    top = found["passages"][0]
    _, shown, _ = run("docs", "show", top["doc_id"], "-c", "trial", "--json")
    assert shown["text"][top["start"] : top["end"]] == top["text"]
    assert "86,392" in top["text"] and "million" in top["text"]


@pytest.mark.parametrize(
    ("question", "must", "source"),
    [
        ("When is metformin contraindicated?", "30 mL/min", "metformin.md"),
        ("What was Northwind's net revenue in 2022?", "86,392", "northwind-2022.html"),
        ("什么情况下禁用二甲双胍？", "低于30", "二甲双胍.md"),
    ],
)
def test_ask_answers_with_resolving_citations(
    run: Any, filled: dict[str, Any], question: str, must: str, source: str
) -> None:
    code, said, _ = run("ask", question, "-c", "trial", "--json")
    assert code == 0 and said["abstained"] is False
    assert must in said["answer"]
    by_rank = {p["rank"]: p for p in said["passages"]}
    for sentence in said["sentences"]:
        assert said["answer"][sentence["start"] : sentence["end"]] == sentence["text"]
        assert sentence["label"] == "supported" and 0 <= sentence["confidence"] <= 1
        assert sentence["citations"] and set(sentence["citations"]) <= set(by_rank)
    cited = {by_rank[n]["source"] for s in said["sentences"] for n in s["citations"] if must in s["text"]}
    assert any(name.endswith(source) for name in cited)
    assert said["model"] == "extractive" and len(said["settings_hash"]) == 16


def test_a_figure_carries_scale_and_currency(run: Any, filled: dict[str, Any]) -> None:
    _, said, _ = run("ask", "What was Northwind's net revenue in 2022?", "-c", "trial", "--json")
    figure = next(f for f in said["figures"] if f["text"] == "86,392")
    assert (figure["value"], figure["scale"], figure["unit"]) == ("86392", 1_000_000, "USD")
    assert figure["provenance"].startswith("cell of [")


@pytest.mark.parametrize(
    "question", ["Who won the football World Cup?", "How do I bake sourdough bread?", "今天天气怎么样？"]
)
def test_off_topic_questions_never_cite(run: Any, filled: dict[str, Any], question: str) -> None:
    code, said, _ = run("ask", question, "-c", "trial", "--json")
    assert code == 0 and said["abstained"] is True and said["reason"]
    assert said["sentences"] == [] and said["figures"] == []


def test_delete_is_gone_from_search_and_after_compact_from_disk(
    run: Any, tmp_path: Path, filled: dict[str, Any]
) -> None:
    _, listed, _ = run("docs", "list", "-c", "trial", "--json")
    row = next(d for d in listed["documents"] if d["source"].endswith("northwind-2022.html"))
    assert {"id", "source", "title", "language", "chunks", "pages", "added_at"} <= set(row)
    code, gone, _ = run("docs", "delete", row["id"][:10], "-c", "trial", "--json")
    assert code == 0 and gone["deleted"] == row["id"]
    _, found, _ = run("search", "net revenue 2022", "-c", "trial", "--json")
    assert not any("86,392" in p["text"] for p in found["passages"])
    assert run("docs", "compact", "-c", "trial", "--json")[0] == 0
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files and not any(b"Net revenue" in path.read_bytes() for path in files)


def test_collections_are_listed_and_deleted(run: Any, tmp_path: Path, filled: dict[str, Any]) -> None:
    _, listed, _ = run("collections", "list", "--json")
    assert [row["name"] for row in listed["collections"]] == ["trial"]
    assert run("collections", "delete", "trial", "--json")[0] == 0
    assert run("collections", "list", "--json")[1] == {"collections": []}
    assert not (tmp_path / "home" / "collections" / "trial").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("search", "x", "-c", "nowhere"), "nowhere"),
        (("ask", "x", "-c", "nowhere"), "nowhere"),
        (("docs", "delete", "abc", "-c", "nowhere"), "nowhere"),
        (("search", "x", "-c", "../evil"), "../evil"),
        (("ingest", "/no/such/file"), "/no/such/file"),
        (("settings", "show", "--bogus"), "--bogus"),
        (("collections", "delete", "nowhere"), "nowhere"),
    ],
)
def test_user_errors_are_words_and_exit_code_1(run: Any, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = run(*arguments)
    assert code == 1 and words in err and "Traceback" not in err


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_an_empty_question_is_refused(run: Any, filled: dict[str, Any], question: str) -> None:
    for command in ("ask", "search"):
        code, said, err = run(command, question, "-c", "trial", "--json")
        assert code == 1 and "empty" in err and said == {"error": err.removeprefix("consilium: ").strip()}


def test_a_failed_search_makes_no_collection(run: Any, tmp_path: Path) -> None:
    run("search", "x", "-c", "nowhere")
    run("docs", "delete", "x", "-c", "nowhere")
    assert not (tmp_path / "home" / "collections" / "nowhere").exists()


def test_a_wrong_filter_is_told(run: Any, filled: dict[str, Any]) -> None:
    code, _, err = run("search", "x", "-c", "trial", "--where", "year")
    assert code == 1 and "'year'" in err and "--where year=2022" in err


def test_filters_compare_and_leave_out(run: Any, filled: dict[str, Any]) -> None:
    def sources(*filters: str) -> set[str]:
        _, found, _ = run("search", "net revenue dose", "-c", "trial", "--json", *(f"--where={one}" for one in filters))
        return {passage["source"].rsplit("/", 1)[-1] for passage in found["passages"]}

    everything = sources()
    assert {"northwind-2022.html"} < everything
    assert sources("year>=2022") == {"northwind-2022.html"}
    assert sources("year>=2023") == sources("year<2022") == set()
    assert sources("language in en") | sources("language=zh") == everything
    assert sources("language!=zh") == sources("language in en")


def test_a_search_explains_itself(run: Any, filled: dict[str, Any]) -> None:
    asked = ("search", "What was the net revenue in FY2022?", "-c", "trial", "--explain")
    code, found, _ = run(*asked, "--json")
    steps = found["explain"]
    assert code == 0 and steps["understood"]["language"] == "en" and "2022" in steps["understood"]["periods"][0]
    returned = [c for c in steps["candidates"] if c["final"]]
    assert [c["chunk_id"] for c in returned] == [p["chunk_id"] for p in found["passages"]]
    assert [c["final"]["rank"] for c in returned] == [p["rank"] for p in found["passages"]]
    first = returned[0]
    assert first["lexical"]["rank"] and first["dense"]["rank"]
    assert first["fused"]["score"] == pytest.approx(sum(first["shares"].values()), abs=1e-5)
    assert {"lexical", "dense", "fuse", "search"} <= set(steps["timings"]) and steps["counts"]["returned"] == len(
        returned
    )
    code, words, _ = run(*asked)
    assert code == 0 and "2022" in words and "northwind-2022.html" in words


def test_a_text_of_200_mb_is_refused_by_name_and_the_rest_goes_on(run: Any, folder: Path) -> None:
    with (folder / "huge.txt").open("wb") as stream:
        stream.truncate(200_000_000)
        stream.write(b"words of a very long text\n" * 1000)
    code, report, _ = run("ingest", str(folder), "-c", "trial", "--json")
    assert code == 0 and report["documents"] == 3
    reason = next(item["reason"] for item in report["failed"] if item["source"].endswith("huge.txt"))
    assert "200 MB" in reason and "chunk.max_file_mb" in reason


NOTE = """Discharge summary
Patient: Jane Whitfield, MRN 4471203. Phone (212) 555-0143. Metformin 500 mg twice daily was started.

出院小结
姓名：王秀兰，电话 13800138000。二甲双胍每次500毫克，每日两次。
"""


def test_persons_are_numbered_come_back_and_go_with_their_collection(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    monkeypatch.setenv("CONSILIUM_INGEST__DEIDENTIFY", "pseudonym")
    assert run("ingest", str(tmp_path / "note.txt"), "-c", "ward", "--json")[0] == 0
    _, found, _ = run("search", "metformin 二甲双胍", "-c", "ward", "--json")
    text = " ".join(passage["text"] for passage in found["passages"])
    assert "500 mg" in text and "500毫克" in text
    assert not any(person in text for person in ("Whitfield", "4471203", "555-0143", "王秀兰", "13800138000"))
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    _, back, _ = run("docs", "restore", "-c", "ward")
    assert all(person in back for person in ("Jane Whitfield", "4471203", "王秀兰", "13800138000"))
    vault = Path(os.environ["CONSILIUM_HOME"]) / "vaults" / "ward.sqlite"
    other = vault.with_name("ward.sqlite2.sqlite")  # of a collection whose name begins alike
    other.write_bytes(b"kept")
    assert vault.is_file()
    assert run("collections", "delete", "ward", "--json")[0] == 0
    assert [path.name for path in vault.parent.iterdir()] == [other.name]
    vault.write_bytes(b"left by a deletion that was cut short")
    assert run("collections", "delete", "ward", "--json")[0] == 0
    assert not vault.exists()
    assert run("collections", "delete", "ward", "--json")[0] == 1


def test_a_duplicate_is_left_out_and_named_where_that_is_asked(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "copy.md").write_text(METFORMIN, encoding="utf-8")
    monkeypatch.setenv("CONSILIUM_INGEST__DUPLICATES", "skip")
    _, report, _ = run("ingest", str(folder), "-c", "once", "--json")
    assert report["documents"] == 3
    assert [(Path(item["source"]).name, item["kind"]) for item in report["duplicates"]] in (
        [("metformin.md", "exact")],
        [("copy.md", "exact")],
    )


def test_a_fetch_that_stopped_early_says_so_by_its_exit_code(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"folder": str(tmp_path), "written": ["a.htm"], "unchanged": [], "failed": [], "stopped": "No network."}
    monkeypatch.setattr("app.intake.fetch_filings", lambda *_, **__: found)
    code, told, _ = run("fetch", "edgar", "AMZN", "--out", str(tmp_path), "--contact", "Jane jane@example.com")
    assert code == 1
    assert "The same command goes on from there" in told
    monkeypatch.setattr("app.intake.fetch_filings", lambda *_, **__: found | {"stopped": ""})
    assert run("fetch", "edgar", "AMZN", "--out", str(tmp_path), "--contact", "Jane jane@example.com")[0] == 0


@pytest.mark.parametrize(
    "query", ["😀", "the of and", "'; DROP TABLE x; --", 'a AND (b OR "c', "药" * 3_000, "word " * 10_000]
)
def test_odd_queries_are_searched(run: Any, filled: dict[str, Any], query: str) -> None:
    code, found, _ = run("search", query, "-c", "trial", "-k", "2", "--json")
    assert code == 0
    assert [passage["rank"] for passage in found["passages"]] == [1, 2]


def test_too_many_and_too_few_passages(run: Any, filled: dict[str, Any]) -> None:
    code, found, _ = run("search", "metformin", "-c", "trial", "-k", "1000", "--json")
    assert (code, len(found["passages"])) == (0, filled["chunks"])
    for few in ("0", "-1"):
        code, _, err = run("search", "metformin", "-c", "trial", "-k", few)
        assert code == 1
        assert "greater than or equal to 1" in err


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers so
def test_tuning_an_embedder_ends_in_an_adapter_that_searches(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    topics = ("warfarin", "metformin", "dividends", "inventories")
    pairs = [
        {"query": f"what of {topic} in case {n}", "positive": f"{topic} is handled so in case {n} of the record"}
        for topic in topics
        for n in range(9)
    ]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    code, made, _ = run("tune", "embedder", "--data", str(data), "--out", str(tmp_path / "tuned"), "--json")
    assert code == 0 and made["pairs"] == len(pairs)
    assert (Path(made["adapter"]) / "adapter_model.safetensors").is_file()
    assert "36 pairs" in (Path(made["adapter"]) / "README.md").read_text(encoding="utf-8")
    data.write_text(json.dumps(pairs[0]) + "\n", encoding="utf-8")
    code, _, err = run("tune", "embedder", "--data", str(data), "--out", str(tmp_path / "few"))
    assert code == 1 and "fewer than one batch" in err
