import pytest

from eval.numeric import numeric_accuracy


@pytest.mark.parametrize(
    ("prediction", "reference", "options"),
    [
        ("$1.5 billion", "1,500 million USD", {}),
        ("15亿美元", "$1.5 billion", {}),
        ("Net sales in 2022 were $394,328 million, up from $365,817 million.", "394,328", {"scale": "million"}),
        ("Revenue rose 10% to $1.5 billion [1].", "$1.5 billion", {}),
        ("The margin was 12.5% on sales of $3 million.", "12.5", {"scale": "percent"}),
        ("It grew by 142.4%.", "1.42403", {"scale": "raw value: a ratio is a fraction"}),
        ("公司有9819人", "9819", {}),
        ("2020年负债合计是294852232.89元。", "294852232.89元", {"question": "2020年负债合计是多少元？"}),
        ("$9,068 million", "$9068.00", {"question": "What is EBITDA in USD millions?"}),
        ("It fell by 949 thousand.", "-949", {"scale": "thousand"}),
        ("5 mg", "0.005 g", {}),
        ("in 2019", "2019", {}),
    ],
)
def test_right(prediction: str, reference: str, options: dict) -> None:
    assert numeric_accuracy(prediction, [reference], **options) == 1.0


@pytest.mark.parametrize(
    ("prediction", "reference", "options"),
    [
        ("$1.5 million", "$1.5 billion", {}),
        ("1.5", "$1.5 billion", {}),
        ("€1.5 billion", "$1.5 billion", {}),
        ("294852232.89万元", "294852232.89元", {}),
        ("$1.52 billion", "$1.5 billion", {}),
        ("15", "15%", {}),
        ("5 mg", "5 g", {}),
        ("-949 thousand", "949", {"scale": "thousand"}),
        ("Sales were 365,817 and 394,328 million.", "394,328", {"scale": "million"}),
        ("I do not know.", "5", {}),
        ("", "5", {}),
    ],
)
def test_wrong(prediction: str, reference: str, options: dict) -> None:
    assert numeric_accuracy(prediction, [reference], **options) == 0.0


def test_a_figure_of_the_question_is_not_an_answer() -> None:
    question = "What is 5% of the total?"
    assert numeric_accuracy("5% of the total is 7%.", ["7%"], question=question) == 1.0


def test_a_traced_cell_completes_a_bare_number() -> None:
    cell = {"start": 11, "end": 18, "text": "394,328", "value": "394328", "unit": None, "scale": 10**6}
    assert numeric_accuracy("Net sales: 394,328", ["394,328"], scale="million", figures=[cell]) == 1.0
    assert numeric_accuracy("Net sales: 394,328", ["394,328"], scale="million") == 0.0


def test_unknown_without_a_figure_to_reach() -> None:
    assert numeric_accuracy("5", ["none given"]) is None
