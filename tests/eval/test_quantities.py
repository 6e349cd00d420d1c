from decimal import Decimal

import pytest

from eval.numeric import is_figure, numeric_accuracy
from eval.quantities import quantities

DAY = Decimal(20210303)


@pytest.mark.parametrize(
    "text",
    [
        "March 3, 2021",
        "on Mar. 3 2021",
        "3 March 2021",
        "the 3rd of March, 2021",
        "2021年3月3日",
        "2021 年 03 月 03 号",
        "2021-03-03",
    ],
)
def test_a_day_is_one_date_however_it_is_written(text: str) -> None:
    assert [(found.value, found.unit) for found in quantities(text)] == [(DAY, "date")]
    assert numeric_accuracy(f"It ended ({text}).", ["2021-03-03"]) == 1
    assert not is_figure(text)


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("2021年3月4日", "2021年3月3日"),
        ("April 3, 2021", "March 3, 2021"),
        ("3 March 2020", "March 3, 2021"),
        ("in 2021", "March 3, 2021"),
        ("30 days", "1 month"),
        ("2 days", "2 weeks"),
        ("between 5 and 12 mg", "5-10 mg"),
        ("在5和10克之间", "5-10 mg"),
        ("between 2020 and 2021", "2020 mg"),
        ("12.5", "2.5x"),
        ("$2.5", "2.5x"),
        ("2.5%", "2.5x"),
        ("2.5 million", "2.5倍"),
    ],
)
def test_another_day_span_or_ratio_is_wrong(prediction: str, reference: str) -> None:
    assert numeric_accuracy(prediction, [reference]) == 0


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("June 30, 2019", "2019"),
        ("As of December 31, 2019 there were 45 stores.", "45"),
        ("截至2019年12月31日，共有45家门店。", "45"),
        ("2 weeks", "14 days"),
        ("72小时", "3天"),
        ("90分钟", "1.5 hours"),
        ("12 months", "1 year"),
        ("between 5 and 10 mg", "5-10 mg"),
        ("介于5和10毫克之间", "5～10 mg"),
        ("The current ratio was 2.5.", "2.5x"),
        ("流动比率为2.5", "2.5倍"),
        ("In 3 segments the ratio was 2.5x.", "2.5 times"),
    ],
)
def test_the_same_said_otherwise_is_right(prediction: str, reference: str) -> None:
    assert numeric_accuracy(prediction, [reference]) == 1


def test_places_stay_those_of_the_text() -> None:
    text = "From March 3, 2021 on between 5 and 10 mg were given, 2周后为20 mg。"
    found = quantities(text)
    assert [(text[q.start : q.end], q.unit) for q in found] == [
        ("March 3, 2021", "date"),
        ("5", "mg"),
        ("10 mg", "mg"),
        ("2周", "weeks"),
        ("20 mg", "mg"),
    ]
