"""`consilium tune`: adapt the parts of Consilium to a field. A run that was cut short goes on where it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.options import Json, Out, show

tune = typer.Typer(no_args_is_help=True, help="Adapt the parts of Consilium to a field.")


@tune.callback()
def _tune() -> None:
    """Keep the name of the part in the command while there is only one."""


@tune.command("embedder")
def tune_embedder(
    data: Annotated[Path, typer.Option("--data", help='JSON lines {"query", "positive", "source"?}, plain or .gz.')],
    out: Out,
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=100)] = 1,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    strength: Annotated[float, typer.Option("--strength", min=0, max=1, help="Below 1 forgets less (WiSE-FT).")] = 1.0,
    as_json: Json = False,
) -> None:
    """Train a LoRA adapter of MiniLM on pairs of query and passage; OUT is then an embedder and reader by name."""
    from app.commands import settings_of
    from rag.tune.data import read_pairs
    from rag.tune.embedder import Options, export_adapter
    from rag.tune.embedder import tune_embedder as train

    pairs = read_pairs(data, seed=seed)
    run = train(pairs, out / "run", cache=settings_of().cache, options=Options(epochs=epochs, seed=seed), tell=_told)
    how = f"{data.name}, {len(pairs)} pairs; epochs {epochs}, seed {seed}, strength {strength}"
    card = f"# MiniLM, adapted\n\nTrained on {how}. Not measured yet.\n"
    folder = export_adapter(run, out / "adapter", strength=strength, card=card)
    found = {"adapter": str(folder), "pairs": len(pairs), "epochs": epochs, "seed": seed, "strength": strength}
    use = f"CONSILIUM_EMBED__MODEL=minilm:{folder}"
    show(found, as_json, f"{folder}: try it with {use}, and measure both with `consilium eval retrieval`")


def _told(what: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{what}: {done} of {total}   {'' if done < total else chr(10)}")
    sys.stderr.flush()
