"""What can be checked word for word: numbers, dates, names, negation; and which part of a claim is not borne out."""

from __future__ import annotations

import pytest

from rag.checks import findings, said
from rag.errors import SettingsError
from rag.schema import Answer, Citation
from rag.settings import load_settings
from rag.signals import in_order
from rag.support import lines
from rag.testing import FakeEmbedder
from rag.verify import WEIGHTLESS, open_verifier
from tests.rag.test_verify import EN, ZH, passages

NEWS = (
    "On 5 March 2021 the World Health Organization met Pfizer in Geneva. Escherichia coli was found in 3, 700 samples. "
    "Revenue was 1,250 million in 2022 and 1,000 million in 2021."
)
ZH_NEWS = "2021年3月5日，拜耳公司在上海发布了阿司匹林的数据。辉瑞公司在北京召开会议。"


def told(claim: str, text: str) -> list[tuple[str, str]]:
    found, _ = findings(claim, [text], lines(passages(text)))
    assert all(claim[one.start : one.end] == one.text for one in found)
    return [(one.kind, one.text) for one in found]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("WHO met Pfizer in Geneva on March 5, 2021.", []),
        ("On 5 March the World Health Organization met Pfizer.", []),
        ("On 2021-03-05 Pfizer was met in Geneva.", []),
        ("Pfizer was met on 6 March 2021.", [("number", "6"), ("date", "6 March 2021")]),
        ("The World Health Organization met Moderna.", [("name", "Moderna")]),
        ("E. coli was found in 3,700 samples.", [("name", "E. coli")]),
        ("Escherichia coli was found in 3,700 samples.", []),
        ("Escherichia coli was found in 3,800 samples.", [("number", "3,800")]),
        ("Revenue grew by 25% from 2021 to 2022.", []),
        ("Revenue grew by 26% from 2021 to 2022.", [("number", "26%")]),
        ("The increase of revenue was 250 million.", []),
        ("Revenue was 250 million.", [("number", "250 million")]),
        ("Escherichia coli was not found in 3,700 samples.", [("negation", "not")]),
    ],
)
def test_each_finding_names_its_part_of_the_claim(claim: str, expected: list[tuple[str, str]]) -> None:
    assert told(claim, NEWS) == expected


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("拜耳公司于2021年3月5日在上海发布数据。", []),
        ("拜耳公司于2021年3月在上海发布数据。", []),
        ("拜耳公司于2021年4月5日在上海发布数据。", [("date", "2021年4月5日"), ("number", "4月")]),
        ("拜耳公司在广州发布了阿司匹林的数据。", [("name", "广州")]),
    ],
)
def test_chinese_dates_and_names(claim: str, expected: list[tuple[str, str]]) -> None:
    assert told(claim, ZH_NEWS) == expected


@pytest.mark.parametrize(
    "claim",
    [
        "Aspirin was not given to three patients [2].",
        "4. Aspirin was not given to three patients (Passage 7).",
        "According to passage 9, aspirin was not given to three patients [8, 11].",
    ],
)
def test_markers_of_citations_and_lists_are_no_figures(claim: str) -> None:
    assert told(claim, EN) == []
    assert len(said(claim)) == len(claim)
    assert open_verifier("support", embedder=FakeEmbedder()).judge(claim, passages(EN))[0] == "supported"


def test_a_score_is_no_negative_number() -> None:
    assert told("Porto lost 6 - 1 to Bayern.", "Bayern beat Porto 6-1; Porto lost to Bayern.") == []


def test_who_does_what_to_whom_counts() -> None:
    every = lines(passages("Bayern beat Porto in the second leg on Tuesday."))
    assert in_order("Bayern beat Porto.", every) == 1.0
    assert in_order("Porto beat Bayern.", every) < 0.5
    assert in_order("拜耳收购辉瑞", lines(passages("辉瑞收购拜耳"))) < in_order(
        "辉瑞收购拜耳", lines(passages("辉瑞收购拜耳"))
    )


@pytest.mark.parametrize(
    "claim",
    [
        "Metformin is the first-line drug of Moderna for type 2 diabetes.",
        "二甲双胍在广州是2型糖尿病的一线用药。",
        "The drug Semaglutide is the first-line drug for type 2 diabetes.",
    ],
)
def test_a_name_from_elsewhere_is_not_supported(claim: str) -> None:
    text = f"{EN} {ZH} Geneva was mild."
    assert open_verifier("support", embedder=FakeEmbedder(512)).judge(claim, passages(text))[0] != "supported"


def test_a_chinese_name_of_another_sentence_is_not_supported() -> None:
    verifier = open_verifier("support", embedder=FakeEmbedder(512))
    assert verifier.judge("在上海，拜耳公司发布了阿司匹林的数据。", passages(ZH_NEWS))[0] == "supported"
    assert verifier.judge("在北京，拜耳公司发布了阿司匹林的数据。", passages(ZH_NEWS))[0] != "supported"


def test_a_negation_in_another_clause_turns_nothing() -> None:
    text = "The mayor opened the new bridge on Monday but did not speak to the press about the costs of the tunnel."
    assert told("The mayor opened the new bridge on Monday.", text) == []
    assert told("The mayor never opened the new bridge.", "The mayor opened the new bridge.")[0][0] == "negation"


@pytest.mark.parametrize("name", WEIGHTLESS)
def test_every_weightless_verifier_keeps_the_contract(name: str) -> None:
    verifier = open_verifier(name, embedder=FakeEmbedder(512))
    first = "The usual starting dose of metformin is 500 mg twice daily."
    claims = [first, "Penguins of Antarctica sang 17 operas in Vienna.", "二甲双胍是2型糖尿病的一线用药。"]
    pairs = [(claim, found) for claim in claims for found in (passages(EN), passages(EN, ZH), ())]
    together = verifier.judge_all(pairs)
    assert together == [verifier.judge(*pair) for pair in pairs]
    assert all((label == "supported") == (confidence >= 0.5) for label, confidence in together)
    assert together[0][0] == "supported" and together[2] == ("not_enough_info", 0.0)
    assert together[0][1] > together[3][1]
    cited = Answer("?", first, passages(EN), (Citation(0, len(first), 1, 0, 5),))
    verdict = verifier.verify(cited)
    assert verdict.verifier == verifier.name and verdict.verifier.startswith(name)
    assert verdict.claims[0].label == "supported"


def test_the_settings_choose_the_verifier() -> None:
    from rag.assemble import verifier_of

    embedder = FakeEmbedder()
    assert verifier_of(load_settings(), embedder).name.startswith("support-")
    assert verifier_of(load_settings(verify="checks"), embedder).name.startswith("checks-")
    assert verifier_of(load_settings(verify="checks"), embedder, "lexical").name.startswith("lexical-")
    served = load_settings(verify="judge:big", llm={"url": "http://localhost:9/v1"})
    assert verifier_of(served, embedder).name == "judge-1:big"
    with pytest.raises(SettingsError, match=r"verify\.name 'semantic'"):
        verifier_of(load_settings(verify="semantic"), embedder)
    keyed = load_settings(verify={"api_key": "secret"})
    assert keyed.hash() == load_settings().hash() and "secret" not in repr(keyed)
