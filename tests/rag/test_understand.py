"""What is understood of a query: other names, companies, periods, and the documents they favour."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.companies import Companies, table
from rag.errors import UserError
from rag.language import has_han
from rag.periods import Period, asked_year, find_periods
from rag.terms import LEXICON, MOST, SHIPPED, Terminology, read_concepts
from rag.understand import READ, Understanding

NAMED = (
    ("3M COMPANY", "MMM"),
    ("3M", ""),
    ("ACTIVISIONBLIZZARD", ""),
    ("Johnson & Johnson", "JNJ"),
    ("JOHNSON JOHNSON", ""),
    ("BLOCK", ""),
    ("AMERICANEXPRESS", ""),
    ("Pfizer Inc.", "PFE"),
    ("贵州茅台酒股份有限公司", "600519"),
    ("宁德时代新能源科技股份有限公司", ""),
    ("", "ZZZ"),
)


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    return Terminology.load()


def _names(found: tuple[tuple[str, float], ...]) -> set[str]:
    return {name for name, _ in found}


@pytest.mark.parametrize(
    ("text", "periods"),
    [
        ("FY22 revenue", [Period(2022, "", True)]),
        ("the second quarter of fiscal 2021", [Period(2021, "Q2", True)]),
        ("Q22023 and 3Q21", [Period(2023, "Q2", True), Period(2021, "Q3", True)]),
        ("FY2018 - FY2020 3 year average", [Period(2018, "", True), Period(2020, "", True)]),
        ("H1 FY2023", [Period(2023, "H1", True)]),
        ("2022年报", [Period(2022, "FY", True)]),
        ("2023年第二季度", [Period(2023, "Q2", True)]),
        ("2021年上半年营收", [Period(2021, "H1", True)]),
        ("二〇二二年年度报告", [Period(2022, "FY", True)]),
        ("Q3 results", [Period(None, "Q3")]),
        ("As of May 26, 2023", [Period(2023)]),
        ("$2019 million, 2,015 people, 20% of 12 patients, 1.2023", []),
    ],
)
def test_periods_are_read_in_both_languages(text: str, periods: list[Period]):
    assert list(find_periods(text)) == periods


def test_the_latest_fiscal_year_is_the_one_asked_for():
    assert asked_year(find_periods("As of FY 2021, what is paid in 2024?")) == 2021
    assert asked_year(find_periods("between 2019 and 2018")) == 2019
    assert asked_year(find_periods("比较2018年和2019年")) == 2019
    assert asked_year(()) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Is 3M a capital-intensive business?", {"3M", "3M COMPANY"}),
        ("Activision Blizzard's turnover", {"ACTIVISIONBLIZZARD"}),
        ("Are JnJ's FY2022 financials those of a high growth company?", {"Johnson & Johnson", "JOHNSON JOHNSON"}),
        ("Does AMEX grow?", {"AMERICANEXPRESS"}),
        ("Block (formerly Square) in 2016", {"BLOCK"}),
        ("heart block in the elderly", set()),
        ("PFE sales, pfizer vaccine", {"Pfizer Inc."}),
        ("茅台2022年营业收入", {"贵州茅台酒股份有限公司"}),
        ("600519的净利润", {"贵州茅台酒股份有限公司"}),
        ("宁德时代的毛利率是多少？", {"宁德时代新能源科技股份有限公司"}),
        ("What is the dose of metformin?", set()),
    ],
)
def test_companies_are_found_as_the_documents_spell_them(text: str, found: set[str]):
    assert set(Companies.of(NAMED).find(text)) == found


def test_no_company_is_found_that_no_document_is_of():
    assert Companies.of(()).find("Apple, 茅台 and $T") == ()
    assert Companies.of((("Globex Inc", ""),)).find("Apple against Globex") == ("Globex Inc",)


def test_a_short_ticker_needs_a_sign():
    companies = Companies.of((("AT&T Inc.", "T"),))
    assert companies.find("vitamin T or a T cell") == ()
    assert companies.find("shares of $T") == ("AT&T Inc.",)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Does HbA1c fall with metformin?", {"糖化血红蛋白", "glycated hemoglobin", "二甲双胍"}),
        ("心梗患者能用布洛芬吗？", {"myocardial infarction", "ibuprofen", "心肌梗死"}),
        ("Is it a capital-intensive business?", {"capital expenditures", "property, plant and equipment"}),
        ("FY2016 COGS", {"cost of sales", "营业成本"}),
        ("速动比率是多少", {"quick ratio", "total current assets"}),
        ("What is the P&L?", {"income statement", "利润表"}),
        ("What is the dose of Tylenol?", {"paracetamol", "对乙酰氨基酚"}),
    ],
)
def test_other_names_are_looked_for_in_both_languages(terminology: Terminology, text: str, wanted: set[str]):
    found = terminology.expand(text)
    assert wanted <= _names(found)
    assert all(0 < weight < 1 for _, weight in found)
    assert len(found) <= MOST


def test_ambiguous_abbreviations_need_company_and_case(terminology: Terminology):
    assert "myocardial infarction" not in _names(terminology.expand("MI in Michigan"))
    assert "myocardial infarction" in _names(terminology.expand("MI under clopidogrel"))
    assert terminology.expand("he was a md in la") == ()
    assert "age-related macular degeneration" not in _names(terminology.expand("AMD and its stock price"))


def test_what_is_written_is_not_looked_for_again(terminology: Terminology):
    assert "Metformin" not in _names(terminology.expand("Metformin for adults"))
    assert "metformin" not in _names(terminology.expand("Metformin for adults"))


def test_drugs_of_one_line_are_one_substance(terminology: Terminology):
    """A name that stood for two drugs would be dangerous: none does."""
    owners: dict[str, str] = {}
    for concept in read_concepts(LEXICON / "medicine.tsv"):
        if concept.kind == "drug":
            for name in {n.casefold() for n in (*concept.english, *concept.chinese)}:
                assert owners.setdefault(name, concept.english[0]) == concept.english[0]
    assert owners["salbutamol"] == owners["沙丁胺醇"] == "albuterol"
    assert owners["泼尼松"] == "prednisone"
    assert owners["泼尼松龙"] == "prednisolone"


def test_the_shipped_tables_are_sound():
    for name in SHIPPED:
        concepts = list(read_concepts(LEXICON / name))
        assert len(concepts) > 300
        names = [n.rstrip("?") for c in concepts for n in (*c.english, *c.chinese)]
        assert all(n == n.strip() and 1 < len(n) < 90 for n in names)
    assert all(names and codes for codes, names in table())
    assert len(table()) > 100


def test_own_terms_are_read_and_faults_are_told_with_their_line(tmp_path: Path):
    own = tmp_path / "own.tsv"
    own.write_text("# ours\nproduct\tZephyr|ZX-9 engine\t西风发动机\twarranty terms\n", encoding="utf-8")
    found = _names(Terminology.load([own]).expand("西风发动机的保修"))
    assert found == {"Zephyr", "ZX-9 engine", "warranty terms"}
    own.write_text("drug\tA|B\t丙\ndrug\tlonely\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"own\.tsv:2"):
        Terminology.load([own])
    own.write_text("drug\t甲\tB\n", encoding="utf-8")
    with pytest.raises(UserError, match="other language"):
        Terminology.load([own])
    with pytest.raises(UserError, match="cannot be read"):
        Terminology.load([tmp_path / "none.tsv"])


def test_company_and_period_favour_documents():
    understood = Understanding(None).understand("Is 3M capital-intensive in Q2 of FY2022?", NAMED)
    assert understood.companies == ("3M", "3M COMPANY")
    keys = [dict(where) for where, _ in understood.boosts]
    assert {"organisation": ("3M", "3M COMPANY")} in keys
    assert {"year": 2022} in keys
    assert {"year": 2022, "fiscal_period": ["Q2"]} in keys
    assert sum(share for _, share in understood.boosts) < 1
    assert understood.expansions == ()


def test_every_part_can_be_left_out(terminology: Terminology):
    text = "What was 3M's capex in FY2022?"
    whole = Understanding(terminology).understand(text, NAMED)
    assert whole.hints is not None
    assert whole.expansions and whole.companies and whole.periods
    bare = Understanding(None, companies=False, periods=False).understand(text, NAMED)
    assert (bare.expansions, bare.companies, bare.periods, bare.hints) == ((), (), (), None)
    assert not Understanding(None, periods=False).understand(text, NAMED).periods


@pytest.mark.parametrize(
    "text",
    ["😀😀", "the of and", "SELECT * FROM x; --", 'a AND (b OR "c")~2 ^9 [1 TO 2]', "的 了 吗", "混合 mixed ملف", "?"],
)
def test_nothing_is_read_into_signs_and_stop_words(terminology: Terminology, text: str):
    understood = Understanding(terminology).understand(text, NAMED)
    assert understood.text == text
    assert understood.boosts == ()
    assert not {name for name, _ in understood.expansions if has_han(name)}


def test_only_the_beginning_of_a_very_long_query_is_read(terminology: Terminology):
    late = "word " * READ + " 3M metformin FY2022"
    assert Understanding(terminology).understand(late, NAMED).hints is None
