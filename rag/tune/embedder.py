"""MiniLM adapted to a domain by contrast: a LoRA adapter on its upper layers, a few MB, merged when the graph is made.

Each query is to find its passage among those of its batch, twice: by the cosine of the pooled vectors, which search
uses, and by the mean over the query's tokens of the best cosine with a token of the passage (late interaction, Khattab
and Zaharia 2020, https://arxiv.org/abs/2004.12832), which the reranker uses. Both are learned in one pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag import minilm
from rag.embed import open_embedder
from rag.errors import DocumentError, UserError, require
from rag.folder import write_atomic
from rag.tune.data import Pair, batches, known_positives, negatives

MODULES: Final = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")
_STATE: Final = "state.pt"
_GROUP: Final = 8
"""Passages padded together; more would waste more padding."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    Args:
        rank: of the adapter.
        layers: those it changes; the ones below stay as they are and cost no gradient.
        learning_rate: at its peak; it rises over a tenth of the steps and falls to zero as a cosine.
        temperature: cosines are divided by it.
        late: weight of the late interaction's loss.
        batch: pairs of a step.
        query_tokens: a longer query is cut.
        passage_tokens: a longer passage is cut.
        epochs: passes over the pairs, each with other batches.
        seed: of everything drawn.
        save_every: steps between two saves.
    """

    rank: int = 16
    layers: tuple[int, ...] = (3, 4, 5)
    learning_rate: float = 4e-4
    temperature: float = 0.05
    late: float = 0.5
    batch: int = 32
    query_tokens: int = 48
    passage_tokens: int = 112
    epochs: int = 1
    seed: int = 0
    save_every: int = 20


def tune_embedder(
    pairs: Sequence[Pair],
    out: Path,
    *,
    cache: Path,
    options: Options | None = None,
    start: Path | None = None,
    tell: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Path:
    """Train an adapter and return its folder, in the layout of peft; a run that was cut short goes on where it was.

    Args:
        pairs: what to learn from (`rag.tune.data.read_pairs`).
        out: folder of the adapter; with another option or other pairs give another folder.
        cache: where the graph of the untuned model lies, which judges negatives.
        options: how.
        start: folder of an earlier run with the same rank and layers, to go on from; None: from the published weights.
        tell: called with what is going on, how far, and how much there is.

    Raises:
        MissingExtraError: torch, transformers or peft is not installed.
        UserError: fewer pairs than a batch, or `out` holds another run.
    """
    options = options or Options()
    for package in ("torch", "transformers", "peft"):
        require(package, extra="tune")
    if len(pairs) < options.batch:
        raise UserError(
            f"{len(pairs)} pairs are fewer than one batch ({options.batch}). Give more, or a smaller batch."
        )
    import torch

    torch.manual_seed(options.seed)
    judge = open_embedder("minilm:plain", cache=cache)
    tell("vectors of the untuned model", 0, len(pairs))
    queries = np.stack([judge.embed_query(pair.query) for pair in pairs])
    passages = np.asarray(judge.embed_documents([_head(pair.positive, options) for pair in pairs]))
    plan = [b for epoch in range(options.epochs) for b in batches(queries, options.batch, seed=options.seed + epoch)]
    run = _Run(options, out, len(plan), start)
    known = known_positives(pairs)
    for step in range(run.step, len(plan)):
        picked = [pairs[i] for i in plan[step]]
        wrong = negatives(picked, queries[plan[step]], passages[plan[step]], known)
        loss = run.learn(picked, wrong)
        tell(f"loss {loss:.3f}", step + 1, len(plan))
        if (step + 1) % options.save_every == 0 or step + 1 == len(plan):
            run.save()
    return out


def export_adapter(run: Path, out: Path, *, strength: float = 1.0, card: str = "") -> Path:
    """Write what a run learned as it ships: float16, weakened by `strength`, with a model card; return the folder.

    A strength below 1 stands between the model as it was and as it was tuned, which forgets less (WiSE-FT, Wortsman et
    al. 2022, https://arxiv.org/abs/2109.01903); for a LoRA adapter that is a smaller `lora_alpha`.

    Args:
        run: folder of `tune_embedder`.
        out: folder to write; `open_embedder("minilm:OUT")` reads it.
        strength: from 0 to 1.
        card: text of README.md: data, command, seed, figures before and after.

    Raises:
        UserError: the strength is outside [0, 1].
        DocumentError: there is no adapter in `run`.
    """
    from safetensors.numpy import load_file, save

    if not 0 <= strength <= 1:
        raise UserError(f"strength must be in [0, 1], got {strength}. 1 is as it was trained.")
    try:
        parts = load_file(run / "adapter_model.safetensors")
        told = json.loads((run / "adapter_config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise DocumentError(f"{run} holds no adapter: {error}. Name the folder of a training.") from error
    kept = ("peft_type", "r", "lora_alpha", "target_modules", "layers_to_transform", "layers_pattern", "bias")
    config = {name: told[name] for name in kept} | {"lora_alpha": strength * told["lora_alpha"]}
    config["target_modules"] = sorted(config["target_modules"])
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "adapter_model.safetensors", save({name: p.astype(np.float16) for name, p in parts.items()}))
    write_atomic(out / "adapter_config.json", json.dumps(config, indent=1).encode())
    write_atomic(out / "README.md", card.encode())
    return out


def base_model() -> Any:
    """Return MiniLM as transformers' BertModel, float32, from the weights of the package."""
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    folder = minilm.folder()
    model = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    return model


def with_adapter(model: Any, options: Any) -> Any:
    """Return the model with a fresh LoRA adapter on the layers of `options`; all else is frozen."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.rank,
        target_modules=list(MODULES),
        layers_to_transform=list(options.layers),
        layers_pattern="layer",
    )
    return get_peft_model(model, config)


def _head(text: str, options: Options) -> str:
    return text[: 8 * options.passage_tokens]


class _Run:
    """Model, optimiser and step of one training, kept in a folder."""

    def __init__(self, options: Options, out: Path, steps: int, start: Path | None) -> None:
        import torch
        from tokenizers import Tokenizer

        self._options, self._out, self.step = options, out, 0
        self._tokenizer = Tokenizer.from_file(str(minilm.folder() / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._model = with_adapter(base_model(), options).train()
        free = [p for p in self._model.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(free, lr=options.learning_rate, weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda at: _pace(at, steps))
        self._key = json.dumps(asdict(options) | {"steps": steps}, sort_keys=True)
        if (out / _STATE).exists():
            self._resume(torch.load(out / _STATE, weights_only=True))
        elif start is not None:
            self._model.load_state_dict(torch.load(start / _STATE, weights_only=True)["weights"], strict=False)

    def _resume(self, state: dict[str, Any]) -> None:
        import torch

        if state["key"] != self._key:
            raise UserError(f"{self._out} holds another run: {state['key']}. Name another folder, or remove it.")
        self._model.load_state_dict(state["weights"], strict=False)
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        torch.manual_seed(self._options.seed + self.step)

    def save(self) -> None:
        """Write the adapter, and what is needed to go on."""
        import torch

        self._out.mkdir(parents=True, exist_ok=True)
        self._model.save_pretrained(self._out, save_embedding_layers=False)
        weights = {name: p.detach() for name, p in self._model.named_parameters() if p.requires_grad}
        state = {"key": self._key, "weights": weights, "optimiser": self._optimiser.state_dict(), "step": self.step}
        torch.save({**state, "schedule": self._schedule.state_dict()}, self._out / (_STATE + ".new"))
        (self._out / (_STATE + ".new")).replace(self._out / _STATE)

    def learn(self, pairs: Sequence[Pair], wrong: np.ndarray) -> float:
        """Take one step; return the loss."""
        import torch

        with torch.autocast("cpu", torch.bfloat16):
            asked, asked_mask = self._read([pair.query for pair in pairs], self._options.query_tokens)
            texts = [pair.positive for pair in pairs]
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            groups = [order[i : i + _GROUP] for i in range(0, len(order), _GROUP)]
            read = [self._read([texts[i] for i in group], self._options.passage_tokens) for group in groups]
        back = torch.tensor(order).argsort()
        pooled = torch.cat([_pooled(*one) for one in read])[back]
        late = torch.cat([_late(asked, asked_mask, *one) for one in read], dim=1)[:, back]
        allowed = torch.from_numpy(wrong) | torch.eye(len(pairs), dtype=torch.bool)
        target = torch.arange(len(pairs))
        scores = (_pooled(asked, asked_mask) @ pooled.T, late)
        each = [
            torch.nn.functional.cross_entropy(
                (found / self._options.temperature).masked_fill(~allowed, -torch.inf), target
            )
            for found in scores
        ]
        loss = each[0] + self._options.late * each[1]
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for p in self._model.parameters() if p.requires_grad], 1.0)
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        return float(loss.detach())

    def _read(self, texts: list[str], most: int) -> tuple[Any, Any]:
        """Return token states (n, length, 384) and which are tokens, (n, length)."""
        import torch

        self._tokenizer.enable_truncation(most)
        ids = [encoded.ids for encoded in self._tokenizer.encode_batch(texts)]
        padded = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
        mask = torch.zeros_like(padded)
        for row, found in enumerate(ids):
            padded[row, : len(found)] = torch.tensor(found)
            mask[row, : len(found)] = 1
        return self._model(input_ids=padded, attention_mask=mask).last_hidden_state.float(), mask


def _pooled(states: Any, mask: Any) -> Any:
    from torch.nn.functional import normalize

    return normalize((states * mask[..., None]).sum(1), dim=-1)


def _late(asked: Any, asked_mask: Any, states: Any, mask: Any) -> Any:
    """Return the mean over query tokens of the best cosine with a passage token, (queries, passages)."""
    import torch
    from torch.nn.functional import normalize

    found = torch.einsum("qid,pjd->qpij", normalize(asked, dim=-1), normalize(states, dim=-1))
    best = found.masked_fill(mask[None, :, None, :] == 0, -1.0).amax(-1)
    weights = asked_mask[:, None, :].float()
    return (best * weights).sum(-1) / weights.sum(-1)


def _pace(at: int, steps: int) -> float:
    """Return the share of the peak learning rate at a step."""
    rise = max(1, steps // 10)
    return (at + 1) / rise if at < rise else 0.5 * (1 + float(np.cos(np.pi * (at - rise) / max(1, steps - rise))))
