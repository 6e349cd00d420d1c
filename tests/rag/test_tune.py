"""Pairs, batches of one topic, what is no negative; and a training so small that it takes seconds."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag import minilm
from rag.errors import DocumentError, UserError
from rag.tune.data import Pair, batches, known_positives, negatives, read_pairs
from rag.tune.embedder import Options, export_adapter, tune_embedder

PAIRS = tuple(
    Pair(f"What is {name} for?", f"{name} is taken against {ill}.", "own")
    for name, ill in (("Metformin", "diabetes"), ("Aspirin", "pain"), ("Warfarin", "clots"), ("Insulin", "high sugar"))
)
TINY = Options(rank=2, layers=(5,), learning_rate=1e-2, batch=2, query_tokens=8, passage_tokens=12, save_every=1)


def write(file: Path, rows: list[dict[str, str]]) -> Path:
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def test_a_query_and_a_source_are_thinned_and_the_seed_decides(tmp_path: Path) -> None:
    rows = [{"query": f"q{i % 5}", "positive": f"p{i}", "source": "many" if i % 2 else "few"} for i in range(40)]
    file = write(tmp_path / "pairs.jsonl.gz", rows)
    found = read_pairs(file, per_query=3, most={"many": 4}, seed=1)
    assert sum(pair.source == "many" for pair in found) == 4
    assert max(sum(pair.query == f"q{i}" for pair in found) for i in range(5)) <= 3
    assert found == read_pairs(file, per_query=3, most={"many": 4}, seed=1)
    assert found != read_pairs(file, per_query=3, most={"many": 4}, seed=2)


def test_chinese_pairs_are_read_like_others(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", [{"query": " 二甲双胍 ", "positive": "降低血糖"}])
    assert read_pairs(file) == (Pair("二甲双胍", "降低血糖", ""),)


@pytest.mark.parametrize("row", [{"query": "q"}, {"query": 1, "positive": "p"}, {}])
def test_a_line_that_is_no_pair_is_told(tmp_path: Path, row: dict[str, str]) -> None:
    with pytest.raises(DocumentError, match='"query" and "positive"'):
        read_pairs(write(tmp_path / "pairs.jsonl", [row]))
    with pytest.raises(DocumentError, match="nowhere"):
        read_pairs(tmp_path / "nowhere.jsonl")


def test_batches_are_of_like_topics_and_nothing_comes_twice() -> None:
    centres = np.eye(4, dtype=np.float32)
    vectors = np.repeat(centres, 8, axis=0) + np.random.default_rng(0).normal(0, 0.05, (32, 4)).astype(np.float32)
    found = batches(vectors, 8, seed=3)
    assert sorted(np.concatenate(found).tolist()) == list(range(32))
    together = [np.bincount(batch // 8, minlength=4).max() for batch in found]
    assert np.mean(together) >= 5  # of 8; by chance 3.5
    assert len(batches(vectors[:30], 8)) == 3
    assert [b.tolist() for b in batches(vectors, 8, seed=3)] == [b.tolist() for b in found]


def test_other_positives_and_near_ones_are_no_negatives() -> None:
    pairs = [Pair("q", "a", ""), Pair("q", "b", ""), Pair("r", "c", ""), Pair("s", "d", "")]
    queries = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    passages = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]], dtype=np.float32)
    wrong = negatives(pairs, queries, passages, known_positives(pairs))
    assert not wrong.diagonal().any()
    assert not wrong[0, 1]  # another positive of the same query
    assert not wrong[3, 1]  # cosine .96 against 1.0
    assert wrong[0, 2]
    assert wrong[2, 0]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers so
def test_training_learns_goes_on_where_it_was_and_ships(tmp_path: Path, model_cache: Path) -> None:
    pytest.importorskip("peft")
    from rag.embed import open_embedder

    told: list[tuple[int, int]] = []
    run = tune_embedder(
        PAIRS,
        tmp_path / "run",
        cache=model_cache,
        options=replace(TINY, epochs=3),
        tell=lambda what, done, total: told.append((done, total)),
    )
    assert told == [(0, 4), *((step, 6) for step in range(1, 7))]
    tune_embedder(
        PAIRS, run, cache=model_cache, options=replace(TINY, epochs=3), tell=lambda *now: told.append(now[1:])
    )
    assert told[7:] == [(0, 4)]  # nothing was left to do
    with pytest.raises(UserError, match="holds another run"):
        tune_embedder(PAIRS, run, cache=model_cache, options=TINY)
    shipped = export_adapter(run, tmp_path / "shipped", card="# Card")
    weak = export_adapter(run, tmp_path / "weak", strength=0.0)
    assert (shipped / "adapter_model.safetensors").stat().st_size < 60_000
    plain, tuned, same = (
        open_embedder(f"minilm:{name}", cache=tmp_path / "cache") for name in ("plain", str(shipped), str(weak))
    )
    text = PAIRS[0].query
    assert np.array_equal(plain.embed_query(text), same.embed_query(text))
    assert np.asarray(plain.embed_query(text)) @ np.asarray(tuned.embed_query(text)) < 0.9999


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers so
def test_merging_equals_that_of_peft(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    import torch
    from safetensors.numpy import load_file

    from rag.tune.embedder import base_model, with_adapter

    torch.manual_seed(0)
    model = with_adapter(base_model(), TINY)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    ours = minilm.merged(load_file(minilm.folder() / "model.safetensors"), tmp_path)
    theirs = model.merge_and_unload().state_dict()
    for name, value in theirs.items():
        assert np.allclose(ours[name], value.numpy(), atol=1e-6), name


def test_too_few_pairs_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    with pytest.raises(UserError, match="4 pairs are fewer than"):
        tune_embedder(PAIRS, tmp_path, cache=tmp_path)
    with pytest.raises(DocumentError, match="holds no adapter"):
        export_adapter(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="strength"):
        export_adapter(tmp_path, tmp_path / "out", strength=2.0)
