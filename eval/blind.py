"""A blinded side-by-side sheet: two runs' answers to the same questions, for people to say which is better.

Left and right are drawn by the seed, each run on the left of half the pairs, so that a liking for one side favours
neither. What is hidden: which run gave which answer, the verifier's findings, and the runs' model names where an answer
speaks them. What cannot be hidden: manner and length.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.ballot import fingerprint
from eval.preference import preference, preference_table
from eval.stamp import check_folder, write_json, write_lines
from rag.errors import DocumentError, UserError

__all__ = ["build", "preference", "preference_table"]

_FAMILIES = (
    *("qwen", "通义千问", "deepseek", "llama", "mistral", "mixtral", "gemma", "gemini", "claude", "chatgpt", "smollm"),
    *("chatglm", "baichuan", "internlm", "ernie", "文心一言", "kimi", "doubao", "豆包", "huatuogpt", "华佗gpt"),
)  # how models call themselves; "GPT" alone is not here: in a clinic it is an enzyme
HIDDEN = "[model]"

Row = Mapping[str, Any]


def build(
    run_a: Path | str,
    run_b: Path | str,
    out: Path | str,
    *,
    n: int | None = None,
    seed: int = 0,
    references: bool = False,
) -> dict[str, Any]:
    """Write sheet.jsonl and key.json, and return the counts that key.json then holds beside the sides.

    Pairs: examples of one data set that both runs answered, differently. Examples that a run abstained from or failed
    at, and those with the same answer in both (ties by construction), are left out and counted. Building the same
    sheet again keeps its votes.

    Args:
        run_a: folder of a finished answers run.
        run_b: folder of another.
        out: folder of the sheet.
        n: at most so many pairs, always the same ones, drawn by a hash of their ids; None: all.
        seed: of the order and of the sides.
        references: whether judges may look at the reference answers, which are folded away at first.

    Returns:
        {"a", "b", "dataset", "seed", "n", "available", "identical", "unanswered", "errors", "only_a", "only_b"};
        `identical` counts all of the data set, `available` the pairs that n was drawn from.

    Raises:
        DocumentError: a run is not a finished run.
        UserError: the runs read different data, share no pair, or are the same; `out` holds votes on another sheet.
    """
    if n is not None and n < 1:
        raise UserError(f"n must be at least 1, got {n}. Leave it out for all pairs.")
    out = Path(out)
    results_a, rows_a = _load(Path(run_a))
    results_b, rows_b = _load(Path(run_b))
    _same_data((run_a, results_a, rows_a), (run_b, results_b, rows_b))
    mask = _mask([*rows_a.values(), *rows_b.values()])
    chosen, counts = _choose(rows_a, rows_b, mask)
    if not chosen:
        raise UserError(_nothing(run_a, run_b, counts))
    drawn = sorted(chosen, key=lambda key: hashlib.sha256(key.encode("utf-8", "replace")).digest())[:n]
    order = random.Random(seed)
    order.shuffle(drawn)
    lefts = ["ab"[place % 2] for place in range(len(drawn))]
    order.shuffle(lefts)
    pairs = [_pair(rows_a[key], rows_b[key], left, mask, references) for key, left in zip(drawn, lefts, strict=True)]
    about = {"a": str(run_a), "b": str(run_b), "dataset": results_a.get("dataset", {}), "seed": seed, "n": len(pairs)}
    about |= {"available": len(chosen), **counts}
    check_folder(out)
    _write(out, pairs, about, dict(zip(drawn, lefts, strict=True)))
    return about


def _load(run: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the results of an answers run and its rows by id."""
    path = run if run.is_file() else run / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        text = (path.parent / results["per_example"]).read_text(encoding="utf-8")
        rows = {row["id"]: row for row in (json.loads(line) for line in text.split("\n") if line.strip())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DocumentError(f"{path} is not the result of a finished run ({why}). Give its folder.") from error
    if results.get("kind") != "answers":
        raise DocumentError(f"{path} is a run of kind {results.get('kind')!r}; people compare runs of kind 'answers'.")
    missing = next((key for key, row in rows.items() if not {"question", "prediction"} <= row.keys()), None)
    if missing is not None:
        raise DocumentError(
            f"{path.parent / results['per_example']}: example {missing!r} lacks question or prediction."
        )
    return results, rows


def _same_data(*runs: tuple[Path | str, Mapping[str, Any], Mapping[str, Row]]) -> None:
    (a, results_a, rows_a), (b, results_b, rows_b) = runs
    data_a, data_b = results_a.get("dataset", {}), results_b.get("dataset", {})
    if data_a.get("hash") and data_b.get("hash") and data_a["hash"] != data_b["hash"]:
        told = f"{a} answered {data_a.get('name')}, {b} answered {data_b.get('name')} (hashes differ)"
        raise UserError(f"The runs read different data: {told}. Measure both on the same file.")
    for key in rows_a.keys() & rows_b.keys():
        if rows_a[key]["question"] != rows_b[key]["question"]:
            raise UserError(f"The runs read different data: example {key!r} has another question in {b} than in {a}.")


def _choose(
    rows_a: Mapping[str, Row], rows_b: Mapping[str, Row], mask: re.Pattern[str] | None
) -> tuple[list[str], Any]:
    """Return the ids of the pairs worth judging, and how many examples are not, by reason."""
    shared = [key for key in rows_a if key in rows_b]
    failed = [key for key in shared if rows_a[key].get("error") or rows_b[key].get("error")]
    answered = [key for key in shared if _answered(rows_a[key]) and _answered(rows_b[key])]
    plain = {
        key: [" ".join(_hide(row[key]["prediction"], mask).split()) for row in (rows_a, rows_b)] for key in answered
    }
    chosen = [key for key in answered if plain[key][0] != plain[key][1]]
    counts = {
        "identical": len(answered) - len(chosen),
        "unanswered": len(shared) - len(answered) - len(failed),
        "errors": len(failed),
        "only_a": len(rows_a) - len(shared),
        "only_b": len(rows_b) - len(shared),
    }
    return chosen, counts


def _answered(row: Row) -> bool:
    return not row.get("error") and not row.get("abstained") and bool(str(row["prediction"]).strip())


def _nothing(run_a: Path | str, run_b: Path | str, counts: Mapping[str, int]) -> str:
    if counts["identical"]:
        return (
            f"{run_a} and {run_b} gave the same answer to all {counts['identical']} examples that both answered: "
            "there is nothing to judge. Compare runs of different settings."
        )
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{run_a} and {run_b} share no example that both answered ({told}). Compare runs over the same data set."


def _mask(rows: Sequence[Row]) -> re.Pattern[str] | None:
    """Return what finds the names by which the runs' models may call themselves; None where none has such a name."""
    names: set[str] = set()
    for model in {str(row["model"]) for row in rows if row.get("model")} - {"extractive"}:
        names |= {model, model.rsplit("/", 1)[-1]} | {family for family in _FAMILIES if family in model.lower()}
    found = [re.escape(name) for name in sorted(names, key=len, reverse=True) if len(name) > 3]
    if not found:
        return None
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(found)})[\w.:-]*(?<![.:-])", re.IGNORECASE | re.ASCII)


def _hide(text: str, mask: re.Pattern[str] | None) -> str:
    return mask.sub(HIDDEN, text) if mask else text


def _pair(a: Row, b: Row, left: str, mask: re.Pattern[str] | None, references: bool) -> dict[str, Any]:
    """Return one line of the sheet; passages of both sides are one list, in which neither side comes first."""
    sides = (a, b) if left == "a" else (b, a)
    numbers: dict[tuple[str, str], int] = {}
    shown: list[dict[str, Any]] = []
    offered = [_passages(side) for side in sides]
    for rank in range(max(map(len, offered))):
        for passages in offered:
            if rank >= len(passages) or _identity(passages[rank]) in numbers:
                continue
            numbers[_identity(passages[rank])] = len(shown) + 1
            passage = {key: str(passages[rank].get(key) or "") for key in ("source", "title", "text")}
            shown.append({"number": len(shown) + 1, **passage})
    pair: dict[str, Any] = {"item": a["id"], "question": a["question"]}
    for name, side, passages in zip(("left", "right"), sides, offered, strict=True):
        ranks = {int(p.get("rank") or place): numbers[_identity(p)] for place, p in enumerate(passages, 1)}
        pair[name] = _said(side, ranks, mask)
    pair |= {"passages": shown, "language": a.get("language", ""), "domain": a.get("domain", "")}
    if references:
        pair["references"] = [str(reference) for reference in a.get("references") or ()]
    return pair


def _passages(row: Row) -> list[Mapping[str, Any]]:
    """Return what a run gave its answerer to read, as far as its rows tell."""
    contexts = [{"source": c.get("id", ""), **c} for c in row.get("contexts") or ()]
    return list(row.get("passages") or contexts)


def _identity(passage: Mapping[str, Any]) -> tuple[str, str]:
    return str(passage.get("source") or ""), str(passage.get("text") or "")


def _said(row: Row, ranks: Mapping[int, int], mask: re.Pattern[str] | None) -> dict[str, Any]:
    """Return {"text", "cited": [[offset, number], …]}: an answer and where its citations point."""
    text, said, cited = str(row["prediction"]), "", []
    at = 0
    for end, rank in sorted({(int(c["end"]), int(c["rank"])) for c in row.get("citations") or ()}):
        if rank in ranks and at <= end <= len(text):
            said += _hide(text[at:end], mask)
            cited.append([len(said), ranks[rank]])
            at = end
    return {"text": said + _hide(text[at:], mask), "cited": cited}


def _write(out: Path, pairs: Sequence[Row], about: Mapping[str, Any], left: Mapping[str, str]) -> None:
    """Write sheet and key; a sheet that people have voted on is never replaced by another."""
    draft = out / ".draft"
    write_lines(draft / "sheet.jsonl", pairs)
    made = fingerprint(draft)
    voted = any((out / "votes").glob("*.jsonl"))
    same = (out / "sheet.jsonl").is_file() and fingerprint(out) == made
    if voted and not same:
        (draft / "sheet.jsonl").unlink()
        draft.rmdir()
        raise UserError(
            f"{out} holds votes on another sheet. Give another folder with --out, or the same runs, n and seed."
        )
    (draft / "sheet.jsonl").replace(out / "sheet.jsonl")
    draft.rmdir()
    write_json(out / "key.json", {**about, "sheet": made, "left": dict(left)})
