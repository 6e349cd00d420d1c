from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.dates import every_date, first_date, han_number
from ingest.facts import find_facts, title_of
from ingest.filings import fiscal_year
from ingest.parsers import parse

KEYS = ("organisation", "document_type", "year", "fiscal_period", "period_end", "published")

# What pages 1 to 3 and the signature of each file say, read by a person.
TRUTH: dict[str, tuple[Any, ...]] = {
    "3M_2018_10K": ("3M COMPANY", "10-K", 2018, "FY", "2018-12-31", "2019-02-07"),
    "3M_2022_10K": ("3M COMPANY", "10-K", 2022, "FY", "2022-12-31", "2023-02-08"),
    "ACTIVISIONBLIZZARD_2019_10K": ("ACTIVISION BLIZZARD, INC.", "10-K", 2019, "FY", "2019-12-31", "2020-02-27"),
    "ADOBE_2022_10K": ("ADOBE INC.", "10-K", 2022, "FY", "2022-12-02", "2023-01-17"),
    "AMAZON_2017_10K": ("AMAZON.COM, INC.", "10-K", 2017, "FY", "2017-12-31", "2018-02-01"),
    "AMCOR_2023Q4_EARNINGS": ("Amcor", "earnings release", 2023, "Q4", "2023-06-30", None),
    "AMCOR_2023_10K": ("AMCOR PLC", "10-K", 2023, "FY", "2023-06-30", "2023-08-17"),
    "AMERICANEXPRESS_2022_10K": ("American Express Company", "10-K", 2022, "FY", "2022-12-31", "2023-02-10"),
    "BESTBUY_2023_10K": ("BEST BUY CO., INC.", "10-K", 2023, "FY", "2023-01-28", "2023-03-17"),
    "BESTBUY_2024Q2_10Q": ("BEST BUY CO., INC.", "10-Q", 2024, "Q2", "2023-07-29", "2023-09-01"),
    "BLOCK_2020_10K": ("SQUARE, INC.", "10-K", 2020, "FY", "2020-12-31", "2021-02-23"),
    "BOEING_2022_10K": ("THE BOEING COMPANY", "10-K", 2022, "FY", "2022-12-31", "2023-01-27"),
    "CORNING_2022_10K": ("CORNING INCORPORATED", "10-K", 2022, "FY", "2022-12-31", "2023-02-13"),
    "CVSHEALTH_2022_10K": ("CVS HEALTH CORPORATION", "10-K", 2022, "FY", "2022-12-31", "2023-02-08"),
    "FOOTLOCKER_2022_8K_dated-2022-05-20": ("Foot Locker, Inc.", "8-K", 2022, None, "2022-05-20", "2022-05-20"),
    "GENERALMILLS_2020_10K": ("GENERAL MILLS, INC.", "10-K", 2020, "FY", "2020-05-31", "2020-07-02"),
    "JOHNSON_JOHNSON_2022Q4_EARNINGS": (
        *("Johnson & Johnson", "earnings release", 2022, "Q4", "2023-01-01", "2023-01-24"),
    ),
    "JOHNSON_JOHNSON_2022_10K": ("JOHNSON & JOHNSON", "10-K", 2022, "FY", "2023-01-01", "2023-02-16"),
    "JOHNSON_JOHNSON_2023_8K_dated-2023-08-30": ("Johnson & Johnson", "8-K", 2023, None, "2023-08-30", "2023-08-30"),
    "JPMORGAN_2021Q1_10Q": ("JPMorgan Chase & Co.", "10-Q", 2021, "Q1", "2021-03-31", "2021-05-04"),
    "MGMRESORTS_2022Q4_EARNINGS": (
        *("MGM Resorts International", "earnings release", 2022, "Q4", "2022-12-31", "2023-02-08"),
    ),
    "PEPSICO_2022_10K": ("PepsiCo, Inc.", "10-K", 2022, "FY", "2022-12-31", "2023-02-08"),
    "PEPSICO_2023Q1_EARNINGS": ("PepsiCo, Inc.", "earnings release", 2023, "Q1", "2023-03-25", "2023-04-25"),
    "PEPSICO_2023_8K_dated-2023-05-05": ("PepsiCo, Inc.", "8-K", 2023, None, "2023-05-03", "2023-05-05"),
    "PEPSICO_2023_8K_dated-2023-05-30": ("PepsiCo, Inc.", "8-K", 2023, None, "2023-05-26", "2023-05-30"),
    "PFIZER_2021_10K": ("PFIZER INC.", "10-K", 2021, "FY", "2021-12-31", "2022-02-24"),
    "Pfizer_2023Q2_10Q": ("PFIZER INC.", "10-Q", 2023, "Q2", "2023-07-02", "2023-08-09"),
    "ULTABEAUTY_2023Q4_EARNINGS": ("Ulta Beauty, Inc.", "earnings release", 2022, "Q4", "2023-01-28", "2023-03-09"),
    "VERIZON_2021_10K": ("Verizon Communications Inc.", "10-K", 2021, "FY", "2021-12-31", "2022-02-11"),
    "VERIZON_2022_10K": ("Verizon Communications Inc.", "10-K", 2022, "FY", "2022-12-31", "2023-02-10"),
    "aicup2024_esun__finance-1021": (None, None, None, None, None, None),
    "aicup2024_esun__finance-918": ("光寶科技股份有限公司", None, None, None, None, None),
    "aicup2024_esun__insurance-536": (
        *("南山人壽保險股份有限公司", "insurance terms", 2024, None, None, "2024-04-13"),
    ),
    "fintextqa__208": (None, "regulation", 2022, None, None, "2022-01-01"),
    "fintextqa__Code of Banking Practice": (None, "code", 2021, None, None, "2021-12"),
    "fintextqa__Statement on Longer-Run Goals and Monetary Policy Strategy": (
        *("Federal Open Market Committee", None, 2023, None, None, "2023-01-31"),
    ),
    "kgrag_sec10q__2022 Q3 AAPL": ("Apple Inc.", "10-Q", 2022, "Q3", "2022-06-25", "2022-07-28"),
    "zh_finglm__2020-04-16__四方科技集团股份有限公司__603339__四方科技__2019年__年度报告": (
        *("四方科技集团股份有限公司", "annual report", 2019, "FY", "2019-12-31", "2020-04-16"),
    ),
}
NOT_FOUND = {
    ("AMCOR_2023Q4_EARNINGS", "period_end"),  # "June 2023 quarter" names no day
    ("JOHNSON_JOHNSON_2022Q4_EARNINGS", "period_end"),  # stands in the columns of tables alone
    ("fintextqa__Statement on Longer-Run Goals and Monetary Policy Strategy", "organisation"),  # in running text
}
"""Facts that are printed somewhere and not found; everything else must be right, and nothing may be wrong."""

COVER = """UNITED STATES
SECURITIES AND EXCHANGE COMMISSION
Washington, D.C. 20549
FORM {form}
{kind} REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE SECURITIES EXCHANGE ACT OF 1934
For the {ended}
Commission File Number 001-00001
ATLAS INSTRUMENTS, INC.
(Exact name of registrant as specified in its charter)
Title of each class Trading Symbol(s) Name of each exchange on which registered
Common Stock, par value $0.01 per share ATLS The Nasdaq Global Select Market
{text}
SIGNATURES
Pursuant to the requirements of Section 13 or 15(d) of the Securities Exchange Act of 1934, it is signed.
Date: {signed}
"""


def filing(form: str, ended: str, signed: str, text: str = "Item 1. Business", kind: str = "ANNUAL") -> str:
    return COVER.format(form=form, ended=ended, signed=signed, text=text, kind=kind)


def found(text: str, title: str = "", source: str = "a.txt", language: str = "en", **declared: Any) -> dict[str, Any]:
    return find_facts(text, source, title or text.split("\n", 1)[0], language, declared)


@pytest.mark.parametrize(
    ("printed", "iso"),
    [
        ("For the year ended December 31, 2022", "2022-12-31"),
        ("31st December 2022", "2022-12-31"),
        ("signed on the 16th day of February, 2022", "2022-02-16"),
        ("2022-12-31 and 2022/1/5", "2022-12-31"),
        ("二〇二二年四月十三日", "2022-04-13"),
        ("中華民國一百一十三年四月十三日", "2024-04-13"),
        ("民國 112 年 3 月 31 日", "2023-03-31"),
        ("December 2021", "2021-12"),
        ("2021 年 12 月", "2021-12"),
        ("February 30, 2022", None),
        ("03/04/2022", None),
        ("Regulation (EU) 2016/679", None),
        ("10.1371/journal.2009.1007", None),
        ("111年9月30日", None),  # whose years?
    ],
)
def test_dates_as_they_are_printed(printed: str, iso: str | None) -> None:
    assert first_date(printed) == iso


def test_han_numbers() -> None:
    assert [han_number(text) for text in ("二十", "十二", "一百零五", "一百一十三", "二〇二二", "112", "")] == [
        *(20, 12, 105, 113, 2022, 112, None),
    ]
    assert every_date("自2021年1月1日至2021年12月31日") == ["2021-01-01", "2021-12-31"]


def test_the_cover_of_an_annual_report() -> None:
    facts = found(filing("10-K", "fiscal year ended June 30, 2023", "August 17, 2023"))
    assert {key: facts[key] for key in KEYS} == {
        "organisation": "ATLAS INSTRUMENTS, INC.",
        "document_type": "10-K",
        "year": 2023,
        "fiscal_period": "FY",
        "period_end": "2023-06-30",
        "published": "2023-08-17",
    }
    assert facts["ticker"] == "ATLS"
    assert "amendment" not in facts
    assert title_of("UNITED STATES", facts) == "ATLAS INSTRUMENTS, INC. 10-K 2023"
    assert title_of("Annual report of Atlas", facts) == "Annual report of Atlas"
    assert title_of("CORP FY23 vF", facts) == "ATLAS INSTRUMENTS, INC. 10-K 2023"


@pytest.mark.parametrize(
    ("end", "period", "text", "name", "year"),
    [
        ("2023-01-01", "FY", "", "a", 2022),  # a year of 52 weeks that ran over by a day
        ("2022-10-02", "Q3", "", "a", 2022),
        ("2023-01-28", "FY", "fiscal 2023 " * 5 + "fiscal 2022 " * 4, "a", 2023),  # named by the year it ends in
        ("2023-01-28", "FY", "fiscal 2022 " * 9 + "fiscal 2023 ", "a", 2022),  # named by the year it began in
        ("2023-01-28", "FY", "", "SHOP_2023_10K", 2023),
        ("2023-01-28", "FY", "", "shop", None),
        ("2023-07-29", "Q2", "fiscal 2024 " * 5, "a", 2024),
        ("2022-06-25", "Q3", "", "a", 2022),
        ("2021-03-31", "Q1", "", "a", 2021),
    ],
)
def test_the_fiscal_year_of_a_period(end: str, period: str, text: str, name: str, year: int | None) -> None:
    assert fiscal_year(end, period, text, name) == year


def test_a_quarter_is_told_by_its_year_to_date() -> None:
    text = "Consolidated statements\nThree Months Ended June 25, 2022 Nine Months Ended June 25, 2022"
    facts = found(filing("10-Q", "quarterly period ended June 25, 2022", "July 28, 2022", text, "QUARTERLY"))
    assert (facts["document_type"], facts["fiscal_period"], facts["year"]) == ("10-Q", "Q3", 2022)
    assert title_of("UNITED STATES", facts) == "ATLAS INSTRUMENTS, INC. 10-Q Q3 2022"


def test_a_form_named_in_passing_is_no_form() -> None:
    text = "Atlas: results\nRestated from the company's public Form 10-K for the fiscal year ended December 31, 2018."
    assert found(text) == {}
    facts = found("Square, Inc. (now Block, Inc.): statements, 2020\n" + text.split("\n")[1], source="block-2020.html")
    assert facts == {"organisation": "Square, Inc.", "year": 2020}


def test_an_earnings_release() -> None:
    text = (
        "Atlas Reports First-Quarter 2023 Results\nNet revenue rose by 10%.\n"
        "PURCHASE, N.Y. - April 25, 2023 - Atlas, Inc. (NASDAQ: ATLS) today reported results for the first quarter.\n"
        "12 weeks ended March 25, 2023"
    )
    assert {key: found(text)[key] for key in (*KEYS, "ticker")} == {
        "organisation": "Atlas, Inc.",
        "document_type": "earnings release",
        "year": 2023,
        "fiscal_period": "Q1",
        "period_end": "2023-03-25",
        "published": "2023-04-25",
        "ticker": "ATLS",
    }
    assert "document_type" not in found("The news reports results of Atlas.\nThey were fiscal 2023 results.")


@pytest.mark.parametrize(
    ("head", "kind", "period", "end", "amended"),
    [
        ("2021 年年度报告", "annual report", "FY", "2021-12-31", False),
        ("2021年年度报告摘要", "annual report summary", "FY", "2021-12-31", False),
        ("2021年半年度报告（修订版）", "half-year report", "H1", "2021-06-30", True),
        ("2021年第三季度报告", "quarterly report", "Q3", "2021-09-30", False),
    ],
)
def test_reports_of_chinese_companies(head: str, kind: str, period: str, end: str, amended: bool) -> None:
    text = f"公司代码：600001 公司简称：海川股份\n海川科技股份有限公司\n{head}\n重要提示\n保证年度报告内容的真实。"
    facts = found(text, language="zh", source="报告.pdf")
    assert (facts["document_type"], facts["fiscal_period"], facts["period_end"]) == (kind, period, end)
    assert (facts["organisation"], facts["ticker"], facts["year"]) == ("海川科技股份有限公司", "600001", 2021)
    assert facts.get("amendment", False) is amended


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Hypertension: guideline\nNational Institute of Cardiology\nLast updated: 3 March 2023\nVersion 2.1",
            ("guideline", "National Institute of Cardiology", "2023-03-03", "Version 2.1"),
        ),
        (
            "KDIGO 2024 Clinical Practice Guideline for Chronic Kidney Disease\nText.",
            ("guideline", "KDIGO", None, None),
        ),
        (
            "中国高血压防治指南（2018年修订版）\n中华医学会心血管病学分会\n发布日期：2018年12月1日",
            ("guideline", "中华医学会心血管病学分会", "2018-12-01", "2018年修订版"),
        ),
        ("阿司匹林肠溶片说明书\n【药品名称】阿司匹林\n【适应症】镇痛\n【用法用量】口服", ("label", None, None, None)),
        ("Package leaflet: Information for the patient\nAtlasin 20 mg tablets", ("label", None, None, None)),
        ("关于加强药品管理的通知\n2023年5月6日\n各医院：", ("notice", None, "2023-05-06", None)),
        ("支付机构管理办法\n第一条 为规范支付。", ("regulation", None, None, None)),
        (
            "A trial of x\nDate: 2017-05-25\nDOI: 10.1128/x.00319-17\nAbstract: We tried.",
            ("paper", None, "2017-05-25", None),
        ),
        # what only speaks of such things
        ("Adherence to hypertension guidelines: a survey\nText.", (None, None, None, None)),
        ("阿司匹林肠溶片说明书要点\n本文依据公开的药品说明书（2020年版）。", (None, None, None, None)),
        ("海川股份首次公开发行股票招股说明书（申报稿）\n正文", (None, None, None, None)),
        ("The Deposit Act, in force since 1 May 2015, covers deposits.\nText.", (None, None, None, None)),
    ],
)
def test_kind_issuer_day_and_version(text: str, expected: tuple[str | None, ...]) -> None:
    facts = found(text, language="zh" if text[0] > "\u4e00" else "en")
    assert tuple(facts.get(key) for key in ("document_type", "organisation", "published", "version")) == expected


def test_what_the_file_declares_wins() -> None:
    text = filing("10-K", "fiscal year ended January 28, 2023", "March 17, 2023")
    facts = found(text, source="SHOP_2023_10K.htm", year=2022, organisation="Shop Corp.", period_end="2023-01-28")
    assert "year" not in facts
    assert "organisation" not in facts
    assert facts["document_type"] == "10-K"
    assert facts["series"] == found(text, organisation="SHOP CORP")["series"]
    dated = found("Some news.", date="2023-08-16 10:30:00")
    assert (dated["published"], dated["year"]) == ("2023-08-16", 2023)
    (document,) = parse(b"---\ntitle: Sepsis guideline\nyear: 2021\n---\n# Other\nText of 2019.", "sepsis-2018.md")
    assert (document.metadata["year"], document.metadata["document_type"]) == (2021, "guideline")


def test_a_year_glued_to_a_word_is_no_year() -> None:
    assert found("text", source="aicup2024_esun.pdf") == {}
    assert found("text", source="FY2022 report.pdf") == {"year": 2022}
    assert found("text", source="2023-05-30 minutes.pdf") == {}


def test_facts_of_the_real_documents(shared_data: Path) -> None:
    wrong, missed = [], set()
    folder = shared_data / "pdf"
    assert {file.stem for file in folder.rglob("*.pdf")} <= set(TRUTH)
    for name in SMALL:
        (document,) = parse(next(folder.rglob(f"{name}.pdf")))
        for key, true in zip(KEYS, TRUTH[name], strict=True):
            told = document.metadata.get(key)
            if told is None and true is not None:
                missed.add((name, key))
            elif told != true:
                wrong.append((name, key, told, true))
    assert wrong == []
    assert missed <= NOT_FOUND


SMALL = (  # those of few pages, so that reading them all takes seconds
    "AMCOR_2023Q4_EARNINGS",
    "BESTBUY_2024Q2_10Q",
    "FOOTLOCKER_2022_8K_dated-2022-05-20",
    "JOHNSON_JOHNSON_2022Q4_EARNINGS",
    "MGMRESORTS_2022Q4_EARNINGS",
    "PEPSICO_2023Q1_EARNINGS",
    "PEPSICO_2023_8K_dated-2023-05-05",
    "ULTABEAUTY_2023Q4_EARNINGS",
    "aicup2024_esun__finance-1021",
    "aicup2024_esun__finance-918",
    "aicup2024_esun__insurance-536",
    "fintextqa__Statement on Longer-Run Goals and Monetary Policy Strategy",
    "kgrag_sec10q__2022 Q3 AAPL",
)


def test_a_span_of_years_is_not_the_year_of_a_document() -> None:
    assert "year" not in found("正文", title="交通强国五年行动计划（2023—2027年）", language="zh")
    assert found("正文", title="流感疫苗接种要点（2023—2024年流行季）", language="zh") == {"year": 2024}


def test_one_date_of_many_lines_is_not_that_of_the_document() -> None:
    assert found("Standards\nNew rules\n1 January 2024\nOther rules\n1 January 2025") == {}
    assert found("Code of Banking Practice\nDecember 2021\nContents")["published"] == "2021-12"


def test_the_samples_are_notes_about_reports_and_guidelines_and_no_such_things_themselves() -> None:
    samples = Path(__file__).parents[2] / "examples"
    told = {}
    for file in sorted((*samples.glob("financial/*.*"), *samples.glob("medical/*.*"))):
        for document in parse(file):
            told[file.name] = {
                k: v for k, v in document.metadata.items() if k in (*KEYS, "version", "series", "ticker")
            }
    assert len(told) == 40
    assert {key for facts in told.values() for key in facts} == {"organisation", "year", "published"}
    named = {name: facts["organisation"] for name, facts in told.items() if "organisation" in facts}
    assert named == {
        "3m-2018.md": "3M Company",
        "3m-2022.pdf": "3M Company",
        "adobe-2022.docx": "Adobe Inc.",
        "amazon-2017.html": "Amazon.com, Inc.",
        "bestbuy-2023.pdf": "Best Buy Co., Inc.",
        "block-2020.html": "Square, Inc.",
        "pepsico-2022.xlsx": "PepsiCo, Inc.",
        "sifang-2019.zh.pdf": "四方科技集团股份有限公司",
        "sifang-2019.zh.xlsx": "四方科技集团股份有限公司",
    }
    years = {name: facts["year"] for name, facts in told.items() if "year" in facts}
    assert years == {
        **{name: int(name.split("-")[-1][:4]) for name in named},
        "ratios.zh.html": 2019,
        "hypertension-2003.md": 2003,
        "hypertension-2017.pdf": 2017,
        "influenza-vaccine.zh.pdf": 2024,
    }
    dated = {name: facts["published"] for name, facts in told.items() if "published" in facts}
    assert dated == {"hypertension-2003.md": "2003-05", "hypertension-2017.pdf": "2017-11"}


def test_titles_that_name_the_company_alone() -> None:
    terms = (
        "安心人壽保險股份有限公司\n（以下簡稱「本公司」）\n安心人壽長青終身保險\n第一條 保險契約的構成\n本保險單條款。"
    )
    facts = found(terms, language="zh")
    assert (facts["document_type"], facts["organisation"]) == ("insurance terms", "安心人壽保險股份有限公司")
    assert title_of("安心人壽保險股份有限公司", facts, terms) == "安心人壽長青終身保險"
    other = found(terms.replace("長青", "新福"), language="zh")
    assert facts["series"] != other["series"]
    report = "公司代码：600001\n海川科技股份有限公司\n2021年年度报告\n正文"
    told = found(report, title="海川科技股份有限公司", language="zh")
    assert title_of("海川科技股份有限公司", told, report) == "海川科技股份有限公司 2021年年度报告"
    code = "Pt. 208 12 CFR Ch. II (1–1–22 Edition)\nMembership"
    facts = found(code, title="CFR-2022-title12-vol2")
    assert (facts["published"], title_of("CFR-2022-title12-vol2", facts, code)) == ("2022-01-01", "12 CFR Part 208")
    assert facts["series"] != found(code.replace("208", "211"), title="CFR-2022-title12-vol2")["series"]
    assert facts["series"] == found(code.replace("–22", "–23"), title="CFR-2023-title12-vol3")["series"]
