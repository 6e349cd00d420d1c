"""Words that stand together come before words that lie about."""

from __future__ import annotations

from rag.closeness import READ, SPAN, closer
from rag.schema import Chunk, Document, Passage

FAR = "公司" + "，其他事项见附注" * SPAN


def passages(*texts: str, scores: tuple[float, ...] = ()) -> list[Passage]:
    made = []
    for rank, text in enumerate(texts, start=1):
        document = Document.of(text, f"{rank}.txt")
        score = scores[rank - 1] if scores else 1 - rank / 1000
        made.append(Passage(Chunk.of(document, 0, len(text)), score, rank, "hybrid", document.source))
    return made


def order(query: str, *texts: str) -> list[int]:
    found = closer(query, passages(*texts))
    assert [passage.rank for passage in found] == list(range(1, len(texts) + 1))
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert all(0 <= passage.score <= 1 for passage in found)
    return [int(passage.source.removesuffix(".txt")) for passage in found]


def test_words_that_stand_together_come_first() -> None:
    scattered = f"综合{FAR}损益{FAR}总额{FAR}2022年"
    together = f"{FAR}2022年综合损益总额为三元{FAR}"
    assert order("2022年的综合损益总额是多少？", scattered, together) == [2, 1]


def test_one_script_is_close_to_the_other_and_gaps_do_not_part_words() -> None:
    assert order("综合损益表", f"{FAR}综合{FAR}损益表", f"{FAR}合 併 綜 合 損 益 表 {FAR}") == [2, 1]


def test_what_all_passages_hold_tells_nothing_apart() -> None:
    names = "台达电子工业股份有限公司"
    assert order(f"{names}的存货", f"{names}董事名单", f"{names}存货明细", f"{names}会计师报告")[0] == 2


def test_a_query_of_grammar_or_unknown_words_leaves_the_order() -> None:
    texts = ("高血压的治疗", "糖尿病的诊断", "English only")
    assert order("是什么吗", *texts) == order("鼹鼠", *texts) == [1, 2, 3]
    assert closer("血压", []) == []


def test_passages_beyond_those_looked_at_stay_behind() -> None:
    texts = ["无关"] * READ + ["血压升高"]
    assert order("血压升高", *texts)[-1] == READ + 1
