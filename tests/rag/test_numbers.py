"""Numbers in prose, in cells and in captions: hand-worked cases and laws that hold for any input."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.numbers import Quantity, find_quantities, find_scale, parse_number, rounds_to, same_quantity

MILLION, BILLION = 10**6, 10**9

PROSE = [
    ("sales of $32.8 billion", [("$32.8 billion", "32.8", None, BILLION, "USD")]),
    ("from US$31,657 million", [("US$31,657 million", "31657", None, MILLION, "USD")]),
    ("1,500 million USD", [("1,500 million USD", "1500", None, MILLION, "USD")]),
    ("€3.5bn or HK$5m", [("€3.5bn", "3.5", None, BILLION, "EUR"), ("HK$5m", "5", None, MILLION, "HKD")]),
    ("£200 thousand", [("£200 thousand", "200", None, 1000, "GBP")]),
    ("5 trillion yen", [("5 trillion yen", "5", None, 10**12, "JPY")]),
    ("30亿日元、5日内", [("30亿日元", "30", None, 10**8, "JPY"), ("5日", "5", "day", 1, None)]),
    ("$3MM of 5 mm film", [("$3MM", "3", None, MILLION, "USD"), ("5 mm", "5", "mm", 1, None)]),
    ("RMB 500 million", [("RMB 500 million", "500", None, MILLION, "CNY")]),
    ("a loss of $(0.55) a share", [("$(0.55)", "-0.55", None, 1, "USD")]),
    ("-$5 million", [("-$5 million", "-5", None, MILLION, "USD")]),
    ("up 12.5%, then −3 percent", [("12.5%", "12.5", "percent", 1, None), ("−3 percent", "-3", "percent", 1, None)]),
    (
        "50 bps or 1.2 percentage points",
        [("50 bps", "50", "bp", 1, None), ("1.2 percentage points", "1.2", "pp", 1, None)],
    ),
    ("in 2018 and FY2022", [("2018", "2018", "year", 1, None), ("2022", "2022", "year", 1, None)]),
    ("as of 2021-12-31", [("2021-12-31", "20211231", "date", 1, None)]),
    ("over 5 years, a 30-day supply", [("5 years", "5", "years", 1, None), ("30-day", "30", "days", 1, None)]),
    ("营业收入15.3亿元", [("15.3亿元", "15.3", None, 10**8, "CNY")]),
    ("实现1,234万元", [("1,234万元", "1234", None, 10**4, "CNY")]),
    ("共1.2万亿元", [("1.2万亿元", "1.2", None, 10**12, "CNY")]),
    ("3千万美元", [("3千万美元", "3", None, 10**7, "USD")]),
    ("200万港元", [("200万港元", "200", None, 10**4, "HKD")]),
    ("人民币3,000元", [("人民币3,000元", "3000", None, 1, "CNY")]),
    ("15億元", [("15億元", "15", None, 10**8, "CNY")]),
    ("2022年提升1.2个百分点", [("2022年", "2022", "year", 1, None), ("1.2个百分点", "1.2", "pp", 1, None)]),
    ("百分之30", [("百分之30", "30", "percent", 1, None)]),
    ("５０％", [("５０％", "50", "percent", 1, None)]),
    ("500千克, 5千人", [("500千克", "500", "kg", 1, None), ("5千人", "5", "person", 1000, None)]),
    ("take 5 mg daily", [("5 mg", "5", "mg", 1, None)]),
    ("10mcg or 10 µg", [("10mcg", "10", "ug", 1, None), ("10 µg", "10", "ug", 1, None)]),
    ("120 mmHg", [("120 mmHg", "120", "mmhg", 1, None)]),
    ("5.6 mmol/L", [("5.6 mmol/L", "5.6", "mmol/l", 1, None)]),
    ("每次100毫克，3次/日", [("100毫克", "100", "mg", 1, None), ("3次/日", "3", "per_day", 1, None)]),
    ("5-10 mg", [("5", "5", "mg", 1, None), ("10 mg", "10", "mg", 1, None)]),
    ("$1.5 to 2 billion", [("$1.5", "1.5", None, 1, "USD"), ("2 billion", "2", None, BILLION, None)]),
    ("COVID-19, IL-6, 10-K, 401(k), 3M Company, version 1.2.3", []),
]


@pytest.mark.parametrize(("text", "expected"), PROSE)
def test_quantities_of_a_sentence(text: str, expected: list[tuple[str, str, str | None, int, str | None]]) -> None:
    found = [(q.text, q.value, q.unit, q.scale, q.currency) for q in find_quantities(text)]
    assert found == [(t, Decimal(v), u, s, c) for t, v, u, s, c in expected]


CELLS = [
    ("1,234", "1234"),
    ("(1,234)", "-1234"),
    ("$ 5.0", "5.0"),
    ("$(1,234)", "-1234"),
    ("$ (12", "-12"),
    ("(5.2)%", "-5.2"),
    ("12.5%", "12.5"),
    ("−3", "-3"),
    ("3-", "-3"),
    ("1,234 (1)", "1234"),
    ("1,234(a)", "1234"),
    ("12.5%*", "12.5"),
    ("1.2亿元", "1.2"),
    ("5 mg", "5"),
    ("（1,234）", "-1234"),
    ("—", None),
    ("-", None),
    ("N/A", None),
    ("", None),
    ("abc", None),
    ("5)", None),
    ("12 and 13", None),
]


@pytest.mark.parametrize(("text", "value"), CELLS)
def test_number_of_a_cell(text: str, value: str | None) -> None:
    assert parse_number(text) == (None if value is None else Decimal(value))


NOTICES = [
    ("(in millions, except per share)", (MILLION, None, None)),
    ("(Millions, except per share amounts)", (MILLION, None, None)),
    ("(in thousands, except share data)", (1000, None, None)),
    ("Dollars in thousands", (1000, None, "USD")),
    ("In millions of U.S. dollars", (MILLION, None, "USD")),
    ("$ in billions", (BILLION, None, "USD")),
    ("€ million", (MILLION, None, "EUR")),
    ("RMB'000", (1000, None, "CNY")),
    ("US$m", (MILLION, None, "USD")),
    ("(shares in thousands)", (1000, "share", None)),
    ("单位：万元 币种：人民币", (10**4, None, "CNY")),
    ("单位:千元 币种:美元", (1000, None, "USD")),
    ("单位：元", (1, None, "CNY")),
    ("（人民币百万元）", (MILLION, None, "CNY")),
    ("新臺幣仟元", (1000, None, "TWD")),
    ("千股", (1000, "share", None)),
    ("Percent change", (1, "percent", None)),
    ("Net sales", (1, None, None)),
    ("The company sold 5 million units", (1, None, None)),
]


@pytest.mark.parametrize(("text", "expected"), NOTICES)
def test_scale_of_a_caption(text: str, expected: tuple[int, str | None, str | None]) -> None:
    assert find_scale(text) == expected


def one(text: str) -> Quantity:
    (found,) = find_quantities(text)
    return found


def test_same_amount_in_another_scale_is_the_same_and_a_wrong_scale_is_not() -> None:
    assert same_quantity(one("$1.5 billion"), one("$1,500 million"))
    assert same_quantity(one("15亿元"), one("1,500,000,000元"))
    assert same_quantity(one("5 mg"), one("5000 µg"))
    assert same_quantity(one("50 bps"), one("0.5 percentage points"))
    assert not same_quantity(one("$1.5 billion"), one("$1.5 million"))
    assert not same_quantity(one("$1.5 billion"), one("€1.5 billion"))
    assert not same_quantity(one("5 mg"), one("5%"))
    assert not same_quantity(one("5 mg"), one("5 mL"))


def test_rounding_follows_the_digits_printed() -> None:
    assert rounds_to(one("$394.3 billion"), one("$394,328 million"))
    assert not rounds_to(one("$394.4 billion"), one("$394,328 million"))
    assert not rounds_to(one("$394 million"), one("$394,328 million"))


@given(
    st.text(alphabet=st.sampled_from("0123456789.,-()%$ €元亿万百千mgkM年月日次/股至to５％—\n"), max_size=60)
    | st.text()
)
def test_spans_are_exact_ordered_and_apart(text: str) -> None:
    end = 0
    for quantity in find_quantities(text):
        assert text[quantity.start : quantity.end] == quantity.text
        assert end <= quantity.start < quantity.end
        end = quantity.end


@given(st.text())
def test_any_text_is_taken_by_cells_and_captions(text: str) -> None:
    parse_number(text)
    scale, _, _ = find_scale(text)
    assert scale >= 1


@given(st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False))
def test_a_printed_number_is_read_back(value: Decimal) -> None:
    assert parse_number(f"{value:,}") == value
    assert parse_number(f"({value:,})") == -value
    (found,) = find_quantities(f"It was ${value:,} million.")
    assert (found.value, found.scale, found.currency) == (value, MILLION, "USD")


def test_a_number_on_a_new_line_begins_with_its_digit() -> None:
    assert [q.text for q in find_quantities("below 30 mL.\n2. Twice\nUSD\n5")][1] == "2"
