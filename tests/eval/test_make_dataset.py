"""Drafts: true to their documents, marked as drafts, spread and repeatable, in both languages."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.dataset import drafted, load_answers, read_answers
from eval.drafts.draft import Page, decapitalised, were
from eval.drafts.tables import spoken
from eval.make_dataset import draft
from eval.numeric import numeric_accuracy
from ingest.chunk import chunk
from ingest.parsers import parse, read
from rag.errors import UserError
from rag.schema import Cell, Chunk, Document
from rag.testing import FakeGenerator

ACME = """# Acme Tools Inc.: results for 2022 and 2021

Amounts are United States dollars in millions.

## Statement of income

| (In millions, except per share amounts) | 2022 | 2021 |
|---|---|---|
| Net sales | $ 1,250 | $ 1,100 |
| Cost of sales | 700 | 650 |
| Other income (loss) | (12) | 3 |
| Basic earnings per share | $ 2.40 | $ 2.10 |

## How the year went

The operating margin was 19.5 % in 2022. Net sales rose because two shops were opened in the north of the country.
"""
DRUG = """# Warfarin: doses and targets

## Terms

INR: the ratio of a patient's clotting time to the normal one, made comparable between laboratories.

## Contraindications

Pregnancy, except with mechanical valves.
Recent surgery of the brain or of the eye.
A tendency to bleed that cannot be treated.

## Doses

| Patient | Starting dose | Target INR |
|---|---|---|
| Mechanical mitral valve | 5 mg once daily | 2.5 to 3.5 |
| Older adults | 2 mg once daily | 2.0 to 3.0 |

Repeat the test when the dose changes by more than 15 %.
"""
REPORT = """# 远山电器股份有限公司2021年度利润表

## 合并利润表

单位：万元 币种：人民币

| 项目 | 2021年 | 2020年 |
|---|---|---|
| 一、营业收入 | 32,100.50 | 30,000.00 |
| 减：营业成本 | 20,100.25 | 19,500.00 |
| 净利润 | -1,200.75 | 800.00 |
"""
LEAFLET = """# 甲药片说明书要点

## 术语

血药浓度：药物吸收后在血浆内的总浓度，单位为毫克每升。

## 禁忌

对本药任何成分过敏者禁用。
严重肝功能不全者禁用，轻度者须减量并定期复查。

## 用法

成人口服后约 2 小时血药浓度达到高峰。

| 人群 | 剂量 | 频次 |
|---|---|---|
| 成人 | 100～200 mg | 每日 1 次 |
| 儿童 | 每千克体重 5 mg | 每日 2 次 |
"""


class FakeShelf:
    """Documents in memory."""

    def __init__(self, **texts: str) -> None:
        self._parsed = {}
        for name, text in texts.items():
            (parsed,) = read(text.encode(), f"{name}.md")
            self._parsed[parsed.document.id] = parsed

    def documents(self) -> list[dict[str, Any]]:
        return [{"id": one.id, "source": one.source} for one in self._listed()]

    def document(self, doc_id: str) -> Document:
        return self._parsed[doc_id].document

    def chunks(self, doc_id: str) -> list[Chunk]:
        parsed = self._parsed[doc_id]
        return chunk(parsed.document, max_tokens=128, headings=parsed.headings)

    def _listed(self) -> list[Document]:
        return [parsed.document for parsed in reversed(self._parsed.values())]


@pytest.fixture(scope="module")
def shelf() -> FakeShelf:
    return FakeShelf(acme=ACME, drug=DRUG, report=REPORT, leaflet=LEAFLET)


@pytest.fixture(scope="module")
def everything(shelf: FakeShelf) -> list[dict[str, Any]]:
    return draft(shelf, count=1000, seed=3)


def answers(rows: list[dict[str, Any]], *, kind: str = "") -> dict[str, list[str]]:
    return {row["question"]: row["references"] for row in rows if kind in ("", row["kind"])}


def test_figures_carry_sign_currency_scale_and_unit(everything: list[dict[str, Any]]) -> None:
    found = answers(everything, kind="table")
    assert found["What were Acme Tools Inc.'s net sales in 2022?"] == ["$1,250 million"]
    assert found["What was Acme Tools Inc.'s cost of sales in 2021?"] == ["$650 million"]
    assert found["What was Acme Tools Inc.'s other income (loss) in 2022?"] == ["-$12 million"]
    assert found["What were Acme Tools Inc.'s basic earnings per share in 2021?"] == ["$2.10 per share"]
    assert found["远山电器股份有限公司2021年的营业收入是多少？"] == ["32,100.50万元"]
    assert found["远山电器股份有限公司2021年的净利润是多少？"] == ["-1,200.75万元"]


def test_references_of_figures_are_read_as_the_figures_of_their_cells(everything: list[dict[str, Any]]) -> None:
    rows = [row for row in everything if row["kind"] == "table"]
    assert len(rows) == 14
    for row in rows:
        (reference,) = row["references"]
        assert numeric_accuracy(reference, [reference], question=row["question"]) == 1
        digits = re.sub(r"[^\d.]", "", reference)
        assert digits in re.sub(r",", "", row["evidence"])


def test_cells_headings_and_sentences_in_both_languages(everything: list[dict[str, Any]]) -> None:
    found = answers(everything)
    title = "“Warfarin: doses and targets”"
    assert found[f"According to {title}, what is the starting dose for older adults?"] == ["2 mg once daily"]
    assert found[f"What does {title} say about contraindications?"][0].startswith("Pregnancy, except")
    assert found["What is meant by “INR”?"][0].startswith("INR: the ratio")
    assert found[f"According to {title}, when should one repeat the test?"] == [
        "Repeat the test when the dose changes by more than 15 %."
    ]
    margin = "According to “Acme Tools Inc.: results for 2022 and 2021”, what was the operating margin in 2022?"
    assert found[margin] == ["19.5 %", "The operating margin was 19.5 % in 2022."]
    assert found["根据《甲药片说明书要点》，成人的剂量是多少？"] == ["100～200 mg"]
    assert "严重肝功能不全者禁用" in found["《甲药片说明书要点》中关于“禁忌”是怎么说的？"][0]
    assert found["“血药浓度”是什么意思？"][0].startswith("血药浓度：")
    assert found["根据《甲药片说明书要点》，成人口服后约多少小时血药浓度达到高峰？"][0] == "2 小时"


def test_answers_stand_in_the_chunk_they_name(shelf: FakeShelf, everything: list[dict[str, Any]]) -> None:
    chunks = {one.id: one for row in shelf.documents() for one in shelf.chunks(row["id"])}
    answered = [row for row in everything if row["answerable"]]
    assert answered
    for row in answered:
        (gold,) = row["gold_passages"]
        for line in row["evidence"].split("\n"):
            assert line in chunks[gold].text
        if row["kind"] in ("heading", "sentence"):
            assert row["references"][-1] == row["evidence"]


def test_unanswerable_ones_ask_for_what_no_document_holds(everything: list[dict[str, Any]]) -> None:
    rows = [row for row in everything if not row["answerable"]]
    text = "\n".join((ACME, DRUG, REPORT, LEAFLET)).casefold()
    questions = {row["question"] for row in everything if row["answerable"]}
    assert {row["language"] for row in rows} == {"en", "zh"}
    for row in rows:
        assert not row["references"] and not row["gold_passages"]
        assert row["made_from"] in questions
        new = set(re.findall(r"[\w'-]+", row["question"])) - set(re.findall(r"[\w'-]+", row["made_from"]))
        assert any(word.casefold() not in text for word in new), row
    assert any("starting dose of" in row["question"] for row in rows)


def test_every_draft_is_marked_and_loads(tmp_path: Path, everything: list[dict[str, Any]]) -> None:
    path = tmp_path / "drafts.jsonl"
    rows = [dict(row) for row in everything]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    read = read_answers(path)
    assert (read.format, read.drafted) == ("consilium", len(rows))
    assert all(example.contexts is None for example in read.examples)
    assert {example.extra["drafted_by"] for example in read.examples} == {"template"}
    for row in rows[:5]:
        row["reviewed"] = True
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert drafted(load_answers(path)) == len(rows) - 5


def test_the_choice_repeats_and_is_spread(shelf: FakeShelf) -> None:
    first, again, other = (draft(shelf, count=20, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({row["id"] for row in first}) == len(first) == 20
    assert max(Counter(row["kind"] for row in first).values()) <= 5
    assert len({row["source"] for row in first}) == 4
    tally: Counter[str] = Counter()
    draft(shelf, count=7, seed=1, tally=tally)
    assert sum(tally.values()) == 7


def test_one_question_with_two_answers_is_left_out() -> None:
    twice = FakeShelf(one=ACME, two=ACME.replace("1,250", "1,260").replace("rose because", "rose since"))
    found = answers(draft(twice, count=1000, seed=0))
    assert "What were Acme Tools Inc.'s net sales in 2022?" not in found
    assert "What were Acme Tools Inc.'s net sales in 2021?" in found


def test_a_model_writes_questions_and_what_is_not_in_the_passage_is_dropped(shelf: FakeShelf) -> None:
    passages = [one.text for row in shelf.documents() for one in shelf.chunks(row["id"]) if len(one.text) >= 80]
    good = json.dumps({"question": "What did sales do in 2022?", "answer": "two shops were opened"})
    bad = json.dumps({"question": "What is the moon made of?", "answer": "green cheese"})

    class Model:
        name = "tiny"

        def stream(self, messages: Any) -> Any:
            asked = messages[-1]["content"]
            assert sum(text in asked for text in passages) == 1
            yield from ("Sure: ", good if "two shops" in asked else bad if "INR" in asked else "no idea")

    tally: Counter[str] = Counter()
    (row,) = draft(shelf, count=3, seed=0, generator=Model(), tally=tally)
    assert (row["references"], row["drafted_by"], row["kind"]) == (["two shops were opened"], "tiny", "model")
    assert tally["dropped: answer not in the passage"] >= 1
    assert tally["dropped: no JSON"] >= 1
    with pytest.raises(UserError, match="yields no question"):
        draft(shelf, count=3, seed=0, generator=FakeGenerator("none"))


def test_what_is_drafted_before_a_stop_is_kept(shelf: FakeShelf) -> None:
    class Stopped:
        name = "tiny"

        def __init__(self) -> None:
            self.asked = 0

        def stream(self, messages: Any) -> Any:
            self.asked += 1
            if self.asked > 2:
                raise KeyboardInterrupt
            first = messages[-1]["content"].split("<passage>\n")[1].split()[0]
            yield json.dumps({"question": f"What is question {self.asked}?", "answer": first})

    tally: Counter[str] = Counter()
    seen: list[tuple[int, int, str]] = []
    rows = draft(shelf, count=5, seed=0, generator=Stopped(), tally=tally, progress=lambda *told: seen.append(told))
    assert [row["drafted_by"] for row in rows] == ["tiny", "tiny"]
    assert (tally["stopped"], seen) == (1, [(1, 5, "draft"), (2, 5, "draft")])


def test_a_mixed_document_is_asked_in_the_language_of_its_sentences() -> None:
    text = "# Metformin\n\n## Dose\n\nThe usual starting dose of metformin for adults is 500 mg orally.\n\n"
    text += "Metformin is stopped when the eGFR falls below 30.\n\n# 二甲双胍\n\n当eGFR低于30 mL/min时禁用二甲双胍。\n"
    found = answers(draft(FakeShelf(metformin=text), count=50, seed=0))
    dose = "According to “Metformin”, what is the usual starting dose of metformin for adults?"
    assert found[dose][0] == "500 mg"
    assert "According to “Metformin”, when is metformin stopped?" in found
    assert found["根据《Metformin》，当eGFR低于多少 mL/min时禁用二甲双胍？"][0] == "30 mL/min"


def test_nothing_to_draft_from() -> None:
    with pytest.raises(UserError, match="count must be at least 1, got 0"):
        draft(FakeShelf(acme=ACME), count=0, seed=0)
    with pytest.raises(UserError, match="holds no document"):
        draft(FakeShelf(), count=1, seed=0)
    with pytest.raises(UserError, match="yields no question"):
        draft(FakeShelf(bare="Just one line of text without anything to ask."), count=1, seed=0)


@pytest.mark.parametrize(
    ("cell", "zh", "text"),
    [
        (Cell("$ 34,229", scale=10**6, currency="USD"), False, "$34,229 million"),
        (Cell("(2,724)", scale=10**6, currency="USD"), False, "-$2,724 million"),
        (Cell("23.15%", unit="percent"), True, "23.15%"),
        (Cell("588.5", unit="share", scale=10**6), False, "588.5 million shares"),
        (Cell("-9,093,637.39", currency="CNY"), True, "-9,093,637.39元"),
        (Cell("42", scale=10**8, currency="CNY"), True, "42亿元"),
        (Cell("n/a"), False, "n/a"),
    ],
)
def test_spoken_quantities(cell: Cell, zh: bool, text: str) -> None:
    assert spoken(cell, zh) == text


def test_words_of_questions() -> None:
    (document,) = parse(b"# Notes on firms\n\nThe goodwill of Verizon was tested.", "a.md")
    page = Page(document, ())
    assert decapitalised(page, "Net sales") == "net sales"
    assert decapitalised(page, "Goodwill") == "goodwill"
    assert decapitalised(page, "Verizon 2022") == "Verizon 2022"
    assert decapitalised(page, "Digital Media") == "Digital Media"
    assert decapitalised(page, "EBITDA") == "EBITDA"
    assert [were(label) for label in ("net sales", "cost of sales", "gross loss", "selling and other expenses")] == [
        "were", "was", "was", "were"
    ]  # fmt: skip
