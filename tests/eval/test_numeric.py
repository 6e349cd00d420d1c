import gzip
import json
from pathlib import Path

import pytest

from eval.numeric import is_figure, numeric_accuracy

MILLION, BILLION = {"scale": "million"}, {"scale": "billion"}
RIGHT = [  # (answer, reference, options): worked by hand, value x scale in one unit, within 0.5 %
    ("$1.5 billion", "1,500 million USD", {}),
    ("1,500 million USD", "15亿美元", {}),
    ("15亿美元", "$1.5 billion", {}),
    ("US$1.5bn", "150,000万美元", {}),
    ("营业收入为1,500百万美元", "$1.5B", {}),
    ("一共3千万元", "3,000万元", {}),
    ("0.3亿元", "30百万元", {}),
    ("市值约5万亿元", "50,000亿元", {}),
    ("Net sales in 2022 were $394,328 million, up from $365,817 million.", "394,328", MILLION),
    ("394.3 billion dollars", "394,328", MILLION),
    ("39432800万美元", "394.328", BILLION),
    ("Revenue rose 10% to $1.5 billion [1].", "$1.5 billion", {}),
    ("The margin was 12.5% on sales of $3 million.", "12.5", {"scale": "percent"}),
    ("It grew by 142.4%.", "1.42403", {"scale": "raw value: a ratio is a fraction"}),
    ("The ratio was 0.375.", "0.375", {"scale": "raw value: a ratio is a fraction"}),
    ("毛利率为百分之12.5", "12.5%", {}),
    ("12.50 per cent", "１２．５％", {}),
    ("The spread is 50 basis points.", "0.5%", {}),
    ("利差为0.5%", "50个基点", {}),
    ("It widened by 50 bps.", "0.5 percentage points", {}),
    ("死亡率为5‰", "0.5%", {}),
    ("Margin improved 2 percentage points to 12%.", "12%", {}),
    ("$1,504", "$1,500", {}),  # 0.27 % off
    ("公司有9819人", "9819", {}),
    ("2020年负债合计是294852232.89元。", "294852232.89元", {"question": "2020年负债合计是多少元？"}),
    ("$9,068 million", "$9068.00", {"question": "What is EBITDA in USD millions?"}),
    ("4.6", "$4.60", {"question": "What is capital expenditure (in USD billions)?"}),
    ("多少：0.75亿元", "7500", {"question": "收入是多少万元？"}),
    ("It fell by 949 thousand.", "-949", {"scale": "thousand"}),
    ("净利润为负949万元", "-949万元", {}),
    ("Net income: (1,234)", "-1,234", {}),
    ("(1,234)", "-1234", {}),
    ("minus 5.2%", "(5.2)%", {}),
    ("同比下降5.2%", "-5.2%", {}),
    ("同比下降了约5.2%", "5.2%", {"question": "同比下降多少？"}),
    ("Revenue decreased by 5%.", "5%", {"question": "By how much did revenue decrease?"}),
    ("The rate decreased to 5%.", "5%", {}),
    ("5 mg", "0.005 g", {}),
    ("每日500毫克", "0.5 g", {}),
    ("in 2019", "2019", {}),
    ("2019年5月", "2019年", {}),
    ("There were 2,015 patients in 2019.", "2015", {"question": "How many patients were enrolled?"}),
    ("Cash was 73,260 and debt 57,768.", "73,260, 57,768", {}),
    ("57,768 (2018) and 73,260 (2019)", "73,260 and 57,768", {}),
    ("研发费用为50201813.17元，财务费用为2382644.38元。", "研发费用：50201813.17元；财务费用：2382644.38元；", {}),
    ("5 to 10 mg", "5-10 mg", {}),
    ("$5 million", "$5 million or 3%", {}),  # another way to say it, no list
    ("The odds ratio was 1.8.", "1.8 (95% CI 1.2-3.4)", {}),
    ("汇思太平洋(3.310)亏损扩大119.04%至434.8万港元", "434.8万港元", {}),  # a bare number beside money is none
    ("It was 0.", "0", {}),
    (
        "Cash was $7,616 million and debt $9,542 million.\nThe ratio is $7,616 million / $9,542 million = 0.80.",
        "0.8",
        {},
    ),
    ("流动资产为57亿元，流动负债为38亿元。流动比率 = 57 / 38 = 1.5。", "1.5", {}),  # worked out: what it ends with
]


@pytest.mark.parametrize(("prediction", "reference", "options"), RIGHT)
def test_right(prediction: str, reference: str, options: dict) -> None:
    assert numeric_accuracy(prediction, [reference], **options) == 1.0


WRONG = [
    ("$1.5 million", "$1.5 billion", {}),
    ("1.5", "$1.5 billion", {}),
    ("1.5亿美元", "$1.5 billion", {}),
    ("15亿元", "$1.5 billion", {}),  # another currency
    ("€1.5 billion", "$1.5 billion", {}),
    ("294852232.89万元", "294852232.89元", {}),
    ("3百万元", "3千万元", {}),
    ("5千亿元", "5万亿元", {}),
    ("394,328", "394,328", MILLION),
    ("$394,328 thousand", "394,328", MILLION),
    ("$1.52 billion", "$1.5 billion", {}),  # 1.3 % off
    ("$1,508", "$1,500", {}),  # 0.53 % off
    ("0.664", "0.66", {}),  # 0.6 % off
    ("15", "15%", {}),
    ("0.15", "15%", {}),
    ("15%", "0.15", {}),
    ("15", "0.15", {"scale": "raw"}),
    ("15 percentage points", "15%", {}),
    ("利差为5%", "50个基点", {}),
    ("4.348万港元，即434.8万美元", "434.8万港元", {}),
    ("5 mg", "5 g", {}),
    ("5微克", "5 mg", {}),
    ("-949 thousand", "949", {"scale": "thousand"}),
    ("Revenue rose by 5%.", "-5%", {}),
    ("同比增长了5.2%", "-5.2%", {}),
    ("Revenue decreased by 5%.", "5%", {"question": "What was the change in revenue?"}),
    ("Net income: (1,234)", "1,234", {}),
    ("Sales were 365,817 and 394,328 million.", "394,328", MILLION),
    ("Sales rose. They were 365,817, then 394,328 million, then 1 million.", "394,328", MILLION),
    ("| Sales | 365,817 |\n| Costs | 394,328 |", "394,328", {}),  # rows are no conclusion
    ("It was in 2020.", "2019", {}),  # 0.05 % off, and wrong
    ("2020年", "2019年", {}),
    ("In 2015 there were 3,100.", "2015", {"question": "How many patients were enrolled?"}),
    ("Cash was 73,260.", "73,260, 57,768", {}),
    ("Cash was 73,260, debt 1,000, equity 57,768.", "73,260 and 57,768", {}),
    ("研发费用为50201813.17元。", "研发费用：50201813.17元；财务费用：2382644.38元；", {}),
    ("It was 3.", "0", {}),
    ("I do not know.", "5", {}),
    ("", "5", {}),
]


@pytest.mark.parametrize(("prediction", "reference", "options"), WRONG)
def test_wrong(prediction: str, reference: str, options: dict) -> None:
    assert numeric_accuracy(prediction, [reference], **options) == 0.0


def test_a_figure_of_the_question_is_not_an_answer() -> None:
    question = "What is 5% of the total?"
    assert numeric_accuracy("5% of the total is 7%.", ["7%"], question=question) == 1.0
    assert numeric_accuracy("The higher one is 7%, or $3 million.", ["7%"], question="Is 5% or 7% higher?") == 1.0


def test_any_reference_will_do() -> None:
    assert numeric_accuracy("30%", ["25%", "0.3 or 30%", "30%"]) == 1.0
    assert numeric_accuracy("25亿元", ["none", "25亿元"]) == 1.0


def test_a_traced_cell_completes_a_bare_number() -> None:
    cell = {"start": 11, "end": 18, "text": "394,328", "value": "394328", "unit": None, "scale": 10**6}
    assert numeric_accuracy("Net sales: 394,328", ["394,328"], scale="million", figures=[cell]) == 1.0
    assert numeric_accuracy("Net sales: 394,328", ["394,328"], scale="million") == 0.0


def test_unknown_without_a_figure_to_reach() -> None:
    assert numeric_accuracy("5", ["none given"]) is None


@pytest.mark.parametrize(
    "text",
    ["5", "约 12.5%", "$1,496.5", "18趟", "(1,234)", "143,699,358 元", "5-10 mg", "73,260 and 57,768", "about 5 %."],
)
def test_a_figure_alone(text: str) -> None:
    assert is_figure(text)


@pytest.mark.parametrize(
    "text", ["2019", "1905年", "five", "201不锈钢", "Type 2 diabetes", "sales of $5", "COVID-19", ""]
)
def test_no_figure_alone(text: str) -> None:
    assert not is_figure(text)


def test_it_agrees_with_people(shared_data: Path) -> None:
    file = shared_data / "factuality" / "financebench_model_answers.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    judged = [r for r in records if is_figure(r["reference"]) and r["label"] != "refusal"]
    right: dict[str, list[float]] = {"correct": [], "incorrect": []}
    for r in judged:
        found = numeric_accuracy(r["response"], [r["reference"]], question=r["question"])
        assert found is not None
        right[r["label"]].append(found)
    assert len(judged) > 200
    assert sum(right["correct"]) / len(right["correct"]) > 0.85
    assert sum(right["incorrect"]) / len(right["incorrect"]) < 0.15
