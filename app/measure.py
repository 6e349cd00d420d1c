"""The commands that measure: settings in, `results.json` out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands import ProgressBar, run_streamlit, settings_of
from rag.errors import UserError
from rag.settings import Settings

if TYPE_CHECKING:
    from eval.stamp import RunOptions


@contextmanager
def _options(settings: Settings, *, allow_seen: bool = False) -> Iterator[RunOptions]:
    """Yield what goes around a run: settings hash, a bar on stderr, the cache of indexed corpora, the models' cards."""
    from eval.leakage import cards_of
    from eval.stamp import RunOptions

    named = (settings.llm.name, settings.embed.model, settings.verify.name.partition(":")[2])
    with ProgressBar() as progress:
        yield RunOptions(
            settings_hash=settings.hash(),
            progress=progress,
            cache=settings.cache,
            cards=tuple(cards_of(named)),
            allow_seen=allow_seen,
            warn=lambda words: tell([words]),
        )


def run_retrieval(
    dataset: Path, split: str, out: Path, *, mode: str | None, metrics: Sequence[str], allow_seen: bool
) -> dict[str, Any]:
    """Measure retrieval on a dataset in BEIR layout."""
    from eval.ranking import METRICS
    from eval.retrieval import SearchOptions, evaluate
    from rag.assemble import embedder_of, reranker_of, understanding_of

    settings = settings_of(retrieve={"mode": mode} if mode else None)
    chosen = settings.retrieve
    search = SearchOptions(
        mode=chosen.mode,
        fetch_k=chosen.fetch_k,
        dense_weight=chosen.dense_weight,
        understanding=understanding_of(settings),
        closeness=chosen.closeness,
        reranker=reranker_of(settings),
        rerank_k=chosen.rerank_k,
    )
    embedder = embedder_of(settings)
    with _options(settings, allow_seen=allow_seen) as options:
        wanted = tuple(metrics) or METRICS
        return evaluate(dataset, split, out, embedder=embedder, search=search, metrics=wanted, options=options)


def run_answers(
    dataset: Path,
    out: Path,
    collection: str | None,
    *,
    llm: str | None,
    form: str | None,
    limit: int | None,
    allow_seen: bool,
) -> dict[str, Any]:
    """Measure answers: records with contexts from them alone, the others from the collection."""
    from eval.dataset import load_answers
    from eval.run import evaluate_answers
    from rag.assemble import assemble

    settings = settings_of(llm=llm)
    alone = collection is None and all(example.contexts is not None for example in load_answers(dataset, form))
    with (
        assemble(settings, collection=collection, without_collection=alone) as assistant,
        _options(settings, allow_seen=allow_seen) as options,
    ):
        return evaluate_answers(dataset, out, assistant=assistant, format=form, limit=limit, options=options)


def run_factuality(dataset: Path, out: Path, *, verifier: str | None, limit: int | None) -> dict[str, Any]:
    """Measure a verifier against human labels."""
    from eval.factuality import evaluate_factuality
    from rag.assemble import embedder_of, verifier_of

    settings = settings_of()
    checker = verifier_of(settings, embedder_of(settings), verifier)
    with _options(settings) as options:
        return evaluate_factuality(dataset, out, verifier=checker, limit=limit, options=options)


def run_agreement(
    folder: Path, out: Path, *, verifiers: Sequence[str], limit: int | None
) -> tuple[dict[str, Any], str]:
    """Measure every verifier and every answer metric against human judgments; return results and their table."""
    from eval.agreement import agreement_table, evaluate_agreement
    from rag.assemble import embedder_of, verifier_of
    from rag.verify import WEIGHTLESS

    settings = settings_of()
    embedder = embedder_of(settings)
    checkers = {name: verifier_of(settings, embedder, name) for name in verifiers or WEIGHTLESS}
    with _options(settings) as options:
        found = evaluate_agreement(folder, out, verifiers=checkers, embedder=embedder, limit=limit, options=options)
    return found, agreement_table(found)


def compare_runs(
    run_a: Path, run_b: Path, out: Path | None, fail_if: Sequence[str]
) -> tuple[dict[str, Any], str, list[str]]:
    """Compare two runs question by question; return the comparison, its table, and which conditions it failed."""
    from eval.compare import compare, comparison_table, failures

    found = compare(run_a, run_b, out=out)
    return found, comparison_table(found), failures(found, fail_if)


def draft_dataset(
    out: Path, collection: str | None, *, count: int, seed: int, llm: str | None
) -> tuple[dict[str, Any], str]:
    """Draft questions from a collection for a person to correct; with a language model when one is named."""
    from eval.make_dataset import draft
    from eval.stamp import check_folder, write_lines
    from rag.assemble import generator_of, open_collection

    if out.exists():
        raise UserError(f"{out} exists already and may hold somebody's corrections. Name another file.")
    check_folder(out.parent)
    settings = settings_of(llm=llm)
    tally: Counter[str] = Counter()
    with open_collection(settings, collection) as index, ProgressBar() as progress:
        model = generator_of(settings)
        rows = draft(index, count=count, seed=seed, generator=model, tally=tally, progress=progress)
        name = index.name
    write_lines(out, rows)
    words = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items()))
    found = {"out": str(out), "collection": name, "questions": len(rows), "kinds": dict(tally), "drafted": True}
    return found, f"{len(rows)} drafted questions ({words}) in {out}: correct them, then set reviewed to true"


def blind_sheet(
    run_a: Path, run_b: Path, out: Path, *, n: int | None, seed: int, references: bool
) -> tuple[dict[str, Any], str]:
    """Write a blinded sheet of two runs."""
    from eval.blind import build

    found = build(run_a, run_b, out, n=n, seed=seed, references=references)
    words = (
        f"{found['n']} pairs in {out}; left out: {found['identical']} with the same answer, "
        f"{found['unanswered']} unanswered, {found['errors']} failed"
    )
    return found, words


def judge_sheet(folder: Path, host: str, port: int) -> None:
    """Serve the page on which people judge a sheet, until it is stopped."""
    from app.web.blind_launch import blind_args

    arguments = blind_args(settings_of(), folder, host=host, port=port)
    run_streamlit(arguments, f"Judge at http://{host}:{port}  (Ctrl-C stops it; votes are kept in {folder / 'votes'})")


def preference_of(folder: Path) -> tuple[dict[str, Any], str]:
    """Return what the votes on a sheet say."""
    from eval.preference import preference, preference_table

    found = preference(folder)
    return found, preference_table(found)


def tell(lines: Sequence[str]) -> None:
    """Say something to the person, beside the JSON."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
