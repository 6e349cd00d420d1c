"""What the words of a table mean: scale, currency, period, sign, and what the scale does not reach."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from ingest.parsers.grid import Grid
from ingest.parsers.notice import Measure, Notice, measure_of, period_of, read_notice, strip_notice
from ingest.parsers.table import write_table
from rag.schema import Cell, Table


def write(rows: Sequence[Sequence[str]], **fields: object) -> tuple[list[str], Table]:
    found = write_table(Grid(rows, **fields), 0)  # type: ignore[arg-type]
    assert found is not None
    for row in found.table.rows[found.table.header_rows :]:
        assert all(found.text[cell.start : cell.end] == cell.text for cell in row)
    return found.text.splitlines(), found.table


def cell(table: Table, row: int, column: int = 1) -> Cell:
    return table.rows[table.header_rows + row][column]


def test_the_contract_lines() -> None:
    lines, table = write(
        [["", "2022", "2021"], ["Net sales", "394,328", "365,817"]],
        caption="Consolidated statements of income",
        notes=["(Dollars in millions)"],
    )
    assert lines == ["Consolidated statements of income (USD, in millions) | Net sales | 2022: 394,328 | 2021: 365,817"]
    assert table.periods == (None, "2022", "2021")
    lines, table = write(
        [["项目", "2022年", "2021年"], ["营业收入", "1,234", "1,100"]],
        caption="合并利润表",
        notes=["单位：万元 币种：人民币"],
    )
    assert lines == ["合并利润表（人民币，万元） | 营业收入 | 2022年: 1,234 | 2021年: 1,100"]
    assert (cell(table, 0).value, cell(table, 0).scale, cell(table, 0).currency) == (1234, 10**4, "CNY")


def test_the_scale_reaches_every_cell_it_applies_to_and_no_other() -> None:
    lines, table = write(
        [
            ["(in millions, except per share amounts)", "2022", "2021", "Change"],
            ["Net sales", "$1,234", "$1,100", "12.2%"],
            ["Loss", "(12)", "—", "n/m"],
            ["Gross margin", "45.1%", "44.0%", ""],
            ["Diluted earnings per share", "$5.12", "$4.90", ""],
            ["Weighted-average shares outstanding", "241", "245", ""],
        ],
        caption="Income",
    )
    assert (cell(table, 0).scale, cell(table, 0).currency) == (10**6, "USD")
    assert cell(table, 0, 3).unit == "percent" and cell(table, 0, 3).scale == 1
    assert (cell(table, 1).value, cell(table, 1).scale) == (Decimal(-12), 10**6)
    assert cell(table, 1, 2).value is None
    assert (cell(table, 2).unit, cell(table, 2).scale, cell(table, 2).currency) == ("percent", 1, None)
    assert (cell(table, 3).unit, cell(table, 3).scale, cell(table, 3).currency) == ("per_share", 1, "USD")
    assert (cell(table, 4).unit, cell(table, 4).scale, cell(table, 4).currency) == ("share", 10**6, None)
    assert "(USD, per share)" in lines[3]
    assert "(shares, in millions)" in lines[4]


def test_a_scale_in_any_cell_of_the_header_reaches_the_whole_table() -> None:
    rows = [["", "2019", "2018"], ["", "(dollars in thousands)", ""], ["Rent", "300", "(50)"]]
    written = write_table(Grid(rows), 0)
    assert written is not None
    assert written.table.scale == 1000
    assert "USD, in thousands | Rent | 2019: 300 | 2018: (50)" in written.text
    two = write_table(Grid([["", "(in millions)", "(in thousands)"], ["Rent", "3", "50"]], header_rows=1), 0)
    assert two is not None
    assert two.table.scale == 1  # two scales: neither is the table's


def test_shares_may_be_excepted_from_the_scale_or_have_their_own() -> None:
    assert read_notice(["(in thousands, except share and per share data)"]).shares == 1
    assert read_notice(["(in millions, shares in thousands)"]).shares == 1000
    assert read_notice(["(in millions, except per share amounts)"]).shares == 10**6
    apple = "(In millions, except number of shares which are reflected in thousands and per share amounts)"
    assert (read_notice([apple]).scale, read_notice([apple]).shares) == (10**6, 1000)


@pytest.mark.parametrize(
    ("notice", "label", "column", "scale"),
    [
        ("(Millions, except Employees)", "Employees", "2022", 1),
        ("(Millions, except Employees)", "Employee benefits", "2022", 10**6),
        ("(Millions, except Employees)", "Net sales", "2022", 10**6),
        ("(in millions, except ratios)", "Current ratio", "2022", 1),
        ("(in millions, except as otherwise noted)", "As noted", "2022", 10**6),
        ("(in millions, except store data)", "Store operating expenses", "2022", 10**6),
        ("（以百万元列示，每股数据及员工人数除外）", "员工人数", "2022年", 1),
        ("（以百万元列示，每股数据及员工人数除外）", "营业收入", "2022年", 10**6),
        ("除销售数量外，单位：万元", "产品销售数量", "2022年", 1),
    ],
)
def test_what_a_notice_excepts_keeps_its_scale(notice: str, label: str, column: str, scale: int) -> None:
    assert measure_of(read_notice([notice]), label, column, "57,000").scale == scale


def test_columns_may_be_excepted_from_the_scale() -> None:
    notice = read_notice(["In thousands, except weighted average exercise price and remaining contractual term"])
    assert measure_of(notice, "Outstanding", "Weighted Average Exercise Price", "$45.10").scale == 1
    assert measure_of(notice, "Outstanding", "Weighted-Average Remaining Contractual Term", "5.1").scale == 1
    assert measure_of(notice, "Outstanding", "Shares", "1,250") == Measure("share", 1000)
    assert measure_of(notice, "Outstanding", "Aggregate intrinsic value", "$1,250").scale == 1000


@pytest.mark.parametrize(
    ("label", "unit"),
    [("1.70% 2023 Notes", None), ("3.5 % 票据", None), ("% of net sales", "percent"), ("占比（%）", "percent")],
)
def test_a_rate_inside_a_name_makes_no_percentage(label: str, unit: str | None) -> None:
    assert measure_of(Notice(10**6), label, "2022", "500").unit == unit
    assert measure_of(Notice(10**6), "Notes", f"{label} 2022", "1,000").unit == unit


@pytest.mark.parametrize(("text", "currency"), [("RMB'Million", "CNY"), ("HK$’million", "HKD"), ("RMB'000", "CNY")])
def test_a_scale_behind_an_apostrophe(text: str, currency: str) -> None:
    written = write_table(Grid([["", "2022", "2021"], ["", text, text], ["Revenue 收入", "5,120", "4,870"]]), 0)
    assert written is not None
    found = cell(written.table, 0)
    assert (found.scale, found.currency) == (10**3 if "000" in text else 10**6, currency)
    assert written.table.header_rows == 2
    assert text not in written.text


def test_signs_in_cells_of_their_own_are_merged_and_empty_columns_dropped() -> None:
    lines, table = write(
        [
            ["", "", "2022", "", "", "2021", ""],
            ["Sales", "$", "1,234", "", "$", "1,100", ""],
            ["Loss", "", "(30", ")", "", "(2.5", ")%"],
        ]
    )
    assert lines[0].endswith("Sales | 2022: $1,234 | 2021: $1,100")
    assert lines[1].endswith("Loss | 2022: (30) | 2021: (2.5)%")
    assert cell(table, 1).value == Decimal(-30)


def test_sections_and_totals() -> None:
    lines, _ = write(
        [["", "2022"], ["Costs:", ""], ["Sales", "5"], ["Research", "6"], ["Total costs", "11"], ["Net income", "4"]]
    )
    assert [line.split(" | ")[-2] for line in lines] == [
        "Costs – Sales",
        "Costs – Research",
        "Costs – Total costs",
        "Net income",
    ]


def test_a_heading_that_nothing_goes_under_is_a_row() -> None:
    rows = [["", "2022"], ["Debt", "5"], ["Commitments (Note 7)", ""], ["Equity:", ""], ["Stock", "6"], ["Total", "11"]]
    lines, table = write(rows)
    assert [line.split(" | ")[0] for line in lines] == [
        "Debt",
        "Commitments (Note 7)",
        "Equity – Stock",
        "Equity – Total",
    ]
    assert cell(table, 1, 0).text == "Commitments (Note 7)"
    zh, _ = write([["项目", "2022年"], ["负债", "5"], ["或有事项（附注七）", ""], ["权益：", ""], ["股本", "6"]])
    assert [line.split(" | ")[0] for line in zh] == ["负债", "或有事项（附注七）", "权益 – 股本"]


def test_what_the_labels_are_dated_goes_into_the_caption() -> None:
    lines, _ = write([["At December 31,", "2022", "2021"], ["Goodwill", "5", "6"]], caption="Balance sheets")
    assert lines == ["Balance sheets, At December 31 | Goodwill | 2022: 5 | 2021: 6"]


def test_columns_have_scales_of_their_own() -> None:
    head = ["", "Number of accounts (thousands)", "Balances (millions)", "Term (# of months)", "Fair value"]
    _, table = write([head, ["Loans", "149", "$1,002", "14", "$3"]], notes=["(thousands) (millions)"])
    assert [cell(table, 0, j).scale for j in (1, 2, 3)] == [1000, 10**6, 1]


def test_basis_points_are_no_amounts() -> None:
    _, table = write([["(in millions)", "2022", "Change"], ["Sales", "$5", "3 %"], ["Margin", "22.9 %", "(16) bps"]])
    assert (cell(table, 1, 2).value, cell(table, 1, 2).unit, cell(table, 1, 2).scale) == (Decimal(-16), "bp", 1)
    assert measure_of(Notice(10**6), "毛利率", "变动", "1.2个百分点") == Measure("pp")


def test_indents_close_sections() -> None:
    lines, _ = write([["", "2022"], ["Assets", ""], ["Cash", "5"], ["Debt", "6"]], header_rows=1, indents=[0, 0, 10, 0])
    assert [line.split(" | ")[-2] for line in lines] == ["Assets – Cash", "Debt"]


def test_what_all_columns_share_goes_into_the_caption() -> None:
    lines, table = write(
        [["", "Three months ended June 30, 2023", "Three months ended June 30, 2022"], ["Sales", "5", "6"]],
        caption="Income",
    )
    assert lines == ["Income, Three months ended June 30 | Sales | 2023: 5 | 2022: 6"]
    assert table.periods[1:] == ("Three months ended June 30, 2023", "Three months ended June 30, 2022")


def test_a_column_of_rates_need_not_repeat_its_sign() -> None:
    _, table = write([["(in millions)", "2022", "Change"], ["Sales", "$5", "3.1 %"], ["Costs", "4", "(2.0)"]])
    assert cell(table, 1, 2).unit == "percent"
    assert cell(table, 1, 1).scale == 10**6


def test_footnote_marks_stay_in_the_text_alone() -> None:
    lines, table = write([["", "2022"], ["Sales", "1,234 (1)"]])
    assert "1,234 (1)" in lines[0]
    assert cell(table, 0).value == 1234


def test_a_table_of_words() -> None:
    lines, _ = write([["Drug", "Dose", "Note"], ["Aspirin", "100 mg", "with food"]], caption="Doses")
    assert lines == ["Doses | Aspirin | Dose: 100 mg | Note: with food"]


@pytest.mark.parametrize(
    ("label", "period"),
    [
        ("2022", "2022"),
        ("FY2022", "FY2022"),
        ("Year ended December 31, 2018", "2018"),
        ("Three months ended June 30, 2023", "Three months ended June 30, 2023"),
        ("December 31, 2018", "December 31, 2018"),
        ("2022年", "2022年"),
        ("2019 年 12 月 31 日", "2019年12月31日"),
        ("期末余额", "期末余额"),
        ("Q1 2023", "Q1 2023"),
        ("Change", None),
        ("", None),
    ],
)
def test_periods(label: str, period: str | None) -> None:
    assert period_of(label) == period


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Sales (in millions, except per share)", "Sales"),
        ("偿付示例（单位：万元，人民币，虚构数据）", "偿付示例"),
        ("合并资产负债表 单位：元 币种：人民币", "合并资产负债表"),
        ("Net sales (restated)", "Net sales (restated)"),
    ],
)
def test_a_caption_without_its_notice(text: str, bare: str) -> None:
    assert strip_notice(text) == bare


def test_a_row_may_bring_its_own_scale() -> None:
    assert measure_of(Notice(), "Net sales (millions)", "2022", "5").scale == 10**6
    assert measure_of(Notice(10**6), "Number of stores", "2022", "5").scale == 1


def test_quarters_keep_their_number_and_other_things_than_money_their_thousands() -> None:
    assert period_of("SECOND QUARTER 2022") == "SECOND QUARTER 2022"
    assert period_of("2023 Q2 Amount") == "Q2 2023"
    assert period_of("2023 Six months Amount") == "Six months 2023"
    assert period_of("2022 vs. 2021") == "2022"
    notice = read_notice(["(dollars in millions, except ARPA)"], "$")
    assert measure_of(notice, "Connections (‘000) – Postpaid", "2021", "91,543") == Measure(None, 10**3)
    assert measure_of(notice, "Postpaid revenue", "2021", "91,543") == Measure(None, 10**6, "USD")
    notice = read_notice(["(Shares in Thousands)"], "$")
    assert measure_of(notice, "Shares at year end", "Value (Dollars in Millions)", "5,364") == Measure(
        None, 10**6, "USD"
    )
    assert measure_of(notice, "Shares at year end", "Outstanding Shares", "111") == Measure("share", 10**3)
