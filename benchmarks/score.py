"""How long scoring takes: 1,000 answers for ROUGE-L, token F1 and numeric accuracy, and for every overlap score.

Answers are the first sentences of a question's own contexts, up to 600 characters, from every set of the evaluation
data alike; without the data they are made up, in both languages. Beside it the rouge-score library on the same texts,
with its own tokenizer (which drops Chinese) and with ours, which gives the same figures as Consilium's.

Wall seconds need a quiet machine; CPU seconds of the one thread hold on a busy one, too.

    python -m benchmarks.score [--count 1000] [--runs 5] [--data FOLDER] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import data_folder, middle, table, write
from eval.dataset import Example, load_answers
from eval.numeric import numeric_accuracy
from eval.overlap import rouge, score, token_f1, tokens

Pair = tuple[str, Example]
LONGEST = 600
NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
SAID = (
    "net sales rose by 5 % to $3 million in 2022 . the dose was 500 mg daily , "
    "净利润 同比 增长 血压 下降 营业收入 为 3 亿元 。"
)


class Tokenizer:
    """Our tokens, as rouge-score asks for them."""

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        return tokens(text)


def real(folder: Path, count: int, seed: int) -> list[Pair]:
    """Return answers and examples, as many of each set as there is room for."""
    files = sorted(folder.glob("*.jsonl.gz"))
    drawn = random.Random(seed)
    pairs: list[Pair] = []
    for number, file in enumerate(files):
        examples = [example for example in load_answers(file) if example.answerable]
        room = (count - len(pairs)) // (len(files) - number)
        for example in drawn.sample(examples, min(room, len(examples))):
            text = " ".join(context.text for context in example.contexts or ()) or example.question
            pairs.append((text[: drawn.randint(50, LONGEST)], example))
    return pairs


def made_up(count: int, seed: int) -> list[Pair]:
    """Return as many answers and examples of drawn words."""
    drawn, words = random.Random(seed), SAID.split()

    def text() -> str:
        return " ".join(drawn.choices(words, k=drawn.randint(10, 100)))

    return [(text(), Example(str(i), text(), (text(),), True, answer_type="number")) for i in range(count)]


def three(prediction: str, example: Example) -> None:
    """Score an answer for ROUGE (with ROUGE-L in it), token F1 and numeric accuracy."""
    rouge(prediction, example.references)
    max(token_f1(prediction, reference) for reference in example.references)
    references = example.exact or example.references
    numeric_accuracy(prediction, references, scale=example.scale, question=example.question)


def scorers() -> dict[str, Callable[[str, Example], object]]:
    """Return what is timed, by name: ours first."""
    from rouge_score.rouge_scorer import RougeScorer

    plain, ours = RougeScorer(["rougeL"]), RougeScorer(["rougeL"], tokenizer=Tokenizer())
    all_plain, all_ours = RougeScorer(list(NAMES)), RougeScorer(list(NAMES), tokenizer=Tokenizer())
    return {
        "consilium: ROUGE-1/2/L/Lsum + token F1 + numeric accuracy": three,
        "consilium: every overlap score": lambda text, example: score(text, example.references),
        "consilium: ROUGE-1/2/L/Lsum": lambda text, example: rouge(text, example.references),
        "rouge-score: ROUGE-L, its tokenizer": lambda text, example: plain.score_multi(example.references, text),
        "rouge-score: ROUGE-L, our tokenizer": lambda text, example: ours.score_multi(example.references, text),
        "rouge-score: ROUGE-1/2/L/Lsum, its tokenizer": lambda text, example: all_plain.score_multi(
            example.references, text
        ),
        "rouge-score: ROUGE-1/2/L/Lsum, our tokenizer": lambda text, example: all_ours.score_multi(
            example.references, text
        ),
    }


def measure(work: Callable[[str, Example], object], pairs: Sequence[Pair], runs: int) -> dict[str, Any]:
    """Return wall and CPU seconds of each run over all pairs, after ten pairs that are not counted."""
    wall, cpu = [], []
    for text, example in pairs[:10]:
        work(text, example)
    for _ in range(runs):
        start, spent = time.perf_counter(), time.process_time()
        for text, example in pairs:
            work(text, example)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - spent)
    return {"wall": middle(wall), "cpu": middle(cpu)}


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--made-up", action="store_true", help="made-up answers even where the data is here")
    parser.add_argument("--data", type=Path, help="folder of evaluation data")
    parser.add_argument("--out", type=Path, help="folder for score.json")
    given = parser.parse_args()
    try:
        pairs = made_up(given.count, 0) if given.made_up else real(data_folder(given.data) / "answers", given.count, 0)
    except SystemExit as error:
        if given.data is not None:
            raise
        print(f"{error}; made-up answers instead\n")
        pairs = made_up(given.count, 0)
    found = {name: measure(work, pairs, given.runs) for name, work in scorers().items()}
    base = found["consilium: ROUGE-1/2/L/Lsum"]["cpu"]["median"]
    rows = [
        (name, f"{row['wall']['median']:.2f} s", f"{row['cpu']['median']:.2f} s", f"{row['cpu']['median'] / base:.2f}")
        for name, row in found.items()
    ]
    size = sum(len(tokens(text)) for text, _ in pairs) / len(pairs)
    shown = table(
        (f"{len(pairs):,} answers of {size:.0f} tokens", "wall, median", "CPU, median", "CPU to our ROUGE"), rows
    )
    write(given.out, "score", {"answers": len(pairs), "mean_tokens": size, "runs": given.runs, "seconds": found}, shown)


if __name__ == "__main__":
    main()
