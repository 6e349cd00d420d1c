"""`consilium eval`: measure retrieval, answers and verifiers, compare runs, ask people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from app.options import Collection, Json, Llm, Mode, Out, show

evaluate = typer.Typer(no_args_is_help=True, help="Measure retrieval, answers and verifiers; compare runs; ask people.")

Limit = Annotated[Optional[int], typer.Option("--limit", min=1, help="At most N, always the same, drawn by hash.")]  # noqa: UP045
AllowSeen = Annotated[
    bool, typer.Option("--allow-seen", help="Report even where a model's card says it was trained on these questions.")
]
VerifierName = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--verifier", help="support, lexical, embedding, checks, nli:MODEL or judge:MODEL."),
]


@evaluate.command("retrieval")
def eval_retrieval(
    dataset: Annotated[Path, typer.Option("--dataset", help="Folder in BEIR layout.")],
    out: Out,
    split: Annotated[str, typer.Option("--split")] = "test",
    mode: Mode = None,
    metric: Annotated[list[str], typer.Option("--metric", help="Such as ndcg@5, recall@20, map; again for more.")] = [],  # noqa: B006
    allow_seen: AllowSeen = False,
    as_json: Json = False,
) -> None:
    """Measure retrieval against judgements."""
    from app.measure import run_retrieval

    found = run_retrieval(dataset, split, out, mode=mode, metrics=metric, allow_seen=allow_seen)
    conclude(found, as_json, out)


@evaluate.command("answers")
def eval_answers(
    dataset: Annotated[Path, typer.Option("--dataset", help="Questions and references; see docs/evaluation.md.")],
    out: Out,
    collection: Collection = None,
    llm: Llm = None,
    form: Annotated[Optional[str], typer.Option("--format", help="Of the data set; default: found out.")] = None,  # noqa: UP045
    limit: Limit = None,
    allow_seen: AllowSeen = False,
    as_json: Json = False,
) -> None:
    """Measure answers against references; an interrupted run goes on where it stopped."""
    from app.measure import run_answers

    found = run_answers(dataset, out, collection, llm=llm, form=form, limit=limit, allow_seen=allow_seen)
    conclude(found, as_json, out)


@evaluate.command("factuality")
def eval_factuality(
    dataset: Annotated[Path, typer.Option("--dataset", help="JSONL of contexts, responses and human labels.")],
    out: Out,
    verifier: VerifierName = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Measure a verifier against human labels."""
    from app.measure import run_factuality

    found = run_factuality(dataset, out, verifier=verifier, limit=limit)
    conclude(found, as_json, out)


@evaluate.command("agreement")
def eval_agreement(
    data: Annotated[Path, typer.Option("--data", help="Folder of human-labelled sets.")],
    out: Out = Path("agreement"),
    verifier: Annotated[
        list[str], typer.Option("--verifier", help="Again for more; default: the weightless ones.")
    ] = [],  # noqa: B006
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Measure how well each verifier and each metric agrees with people, on every labelled set of a folder."""
    from app.measure import run_agreement

    found, words = run_agreement(data, out, verifiers=verifier, limit=limit)
    show(found, as_json, f"{words}\nreport: {out / 'report.html'}")


@evaluate.command("compare")
def eval_compare(
    run_a: Path,
    run_b: Path,
    out: Annotated[Optional[Path], typer.Option("--out", help="Folder for a report of the comparison.")] = None,  # noqa: UP045
    fail_if: Annotated[
        list[str], typer.Option("--fail-if", help='Exit with 1 if B - A is so: "rougeL<-0.01", "ndcg@10<0@0.05".')
    ] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Compare two runs question by question: is B better than A, and how sure is that?"""
    from app.measure import compare_runs, tell

    found, words, failed = compare_runs(run_a, run_b, out, fail_if)
    show(found | {"failed": failed}, as_json, words)
    if failed:
        tell(failed)
        raise typer.Exit(1)


@evaluate.command("blind")
def eval_blind(
    run_a: Path,
    run_b: Path,
    out: Out,
    n: Annotated[Optional[int], typer.Option("-n", min=1, help="At most so many pairs.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option("--seed", help="Of order and sides.")] = 0,
    references: Annotated[bool, typer.Option("--references", help="Judges may unfold the reference answers.")] = False,
    only_build: Annotated[bool, typer.Option("--only-build", help="Write the sheet, do not open the page.")] = False,
    host: Annotated[str, typer.Option("--host", help="127.0.0.1: this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8502,
    as_json: Json = False,
) -> None:
    """Let people judge two runs side by side without knowing which is which; votes are kept, reload goes on."""
    from app.measure import blind_sheet, judge_sheet

    found, words = blind_sheet(run_a, run_b, out, n=n, seed=seed, references=references)
    show(found, as_json, words)
    if not only_build:
        judge_sheet(out, host, port)


@evaluate.command("preference")
def eval_preference(sheet: Path, as_json: Json = False) -> None:
    """Say which run people preferred on a blinded sheet, how surely, and how far they agree."""
    from app.measure import preference_of

    found, words = preference_of(sheet)
    show(found, as_json, words)


@evaluate.command("make-dataset")
def eval_make_dataset(
    out: Annotated[Path, typer.Option("--out", help="File to write, .jsonl.")],
    collection: Collection = None,
    count: Annotated[int, typer.Option("--count", min=1)] = 50,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    llm: Llm = None,
    as_json: Json = False,
) -> None:
    """Draft questions from a collection for a person to correct; they are marked as drafted."""
    from app.measure import draft_dataset

    found, words = draft_dataset(out, collection, count=count, seed=seed, llm=llm)
    show(found, as_json, words)


def conclude(found: dict[str, Any], as_json: bool, out: Path) -> None:
    """Show what a run found; a run in which every example failed measured nothing: exit code 1, the run is kept."""
    from app.measure import tell

    show(found, as_json, metric_words(found, out))
    if found["errors"] == found["n"]:
        tell([found["notes"][0]] if as_json else ["Nothing was measured."])
        raise typer.Exit(1)


def metric_words(found: dict[str, Any], out: Path) -> str:
    """Return metrics with their intervals, one a line, and what a reader must know beside them."""
    lines = []
    for name, m in found["metrics"].items():
        if m["value"] is not None:
            span = "" if m["low"] is None else f"[{m['low']:.4f}, {m['high']:.4f}]"
            lines.append(f"{name:26} {m['value']:.4f}  {span:18}  n={m['n']}")
    notes = [f"note: {words}" for words in found.get("notes", ())]
    return "\n".join([*lines, *notes, f"report: {out / 'report.html'}"])
