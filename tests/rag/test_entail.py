"""Models for sequence classification as verifiers: plumbing on a tiny BERT with random weights, made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.entail import Entailment
from rag.errors import SettingsError
from rag.language import sentence_spans
from rag.testing import FakeEmbedder
from rag.verify import SentenceVerifier, open_verifier
from tests.rag.test_verify import EN, ZH, passages

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

CLAIM = "Aspirin was not given to three patients."
ORDERS = [
    {"contradiction": 0, "entailment": 1, "neutral": 2},
    {"ENTAILMENT": 0, "NEUTRAL": 1, "CONTRADICTION": 2},
    {"Neutral": 0, "Contradiction": 1, "Entailment": 2},
]


def save(folder: Path, labels: list[str], positions: int = 512, **config: Any) -> str:
    """Write a tiny BERT; equal seeds give equal weights whatever the labels are called."""
    import torch

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,;:-%()。，；"
    han = sorted({char for char in ZH if char > "\u2e7f"} - set(letters))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *han]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=positions).save_pretrained(folder)
    torch.manual_seed(5)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    made = transformers.BertConfig(
        vocab_size=len(words), max_position_embeddings=positions, initializer_range=1.0, num_labels=len(labels), **shape
    )
    made.id2label, made.label2id = dict(enumerate(labels)), {name: i for i, name in enumerate(labels)}
    transformers.BertForSequenceClassification(made).eval().save_pretrained(folder)
    if config:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return str(folder)


def logits(folder: str, text: str, claim: str) -> np.ndarray:
    """What the model itself says, without any code of ours."""
    import torch

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return np.asarray(model(**tokenizer(text, claim, return_tensors="pt")).logits[0].numpy(), dtype=np.float64)


def softmax(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(values) / np.exp(values).sum())


def open_nli(name: str) -> SentenceVerifier:
    return open_verifier(f"nli:{name}", embedder=FakeEmbedder(), device="cpu")


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_labels_are_found_by_name_in_any_order(tmp_path: Path, order: dict[str, int]) -> None:
    folder = save(tmp_path / "nli", list(order))
    expected = softmax(logits(folder, EN, CLAIM))
    by_name = {name.lower(): expected[i] for name, i in order.items()}
    label, confidence = open_nli(folder).judge(CLAIM, passages(EN))
    assert confidence == pytest.approx(by_name["entailment"], abs=1e-5)
    best = max(by_name.values())
    if by_name["entailment"] >= 0.5:
        assert label == "supported"
    elif by_name["contradiction"] >= 0.5:
        assert label == "contradicted"
    else:
        assert (label, best) == ("not_enough_info", best)


def test_every_label_is_reached_by_some_order(tmp_path: Path) -> None:
    """The same weights under turned names give each of the three labels, so that none is hard-wired."""
    names = ["entailment", "neutral", "contradiction"]
    found = set()
    for turn in range(3):
        folder = save(tmp_path / str(turn), names[turn:] + names[:turn])
        found.add(open_nli(folder).judge(CLAIM, passages(EN))[0])
    assert softmax(logits(folder, EN, CLAIM)).max() > 0.5
    assert found == {"supported", "contradicted", "not_enough_info"}


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        (["entailment", "not_entailment"], 0),
        (["hallucinated", "consistent"], 1),
        (["REFUTES", "SUPPORTS"], 1),
        (["unsupported", "supported"], 1),
    ],
)
def test_two_labels_are_supported_or_not(tmp_path: Path, labels: list[str], column: int) -> None:
    folder = save(tmp_path / "two", labels)
    label, confidence = open_nli(folder).judge(CLAIM, passages(EN))
    assert confidence == pytest.approx(softmax(logits(folder, EN, CLAIM))[column], abs=1e-5)
    assert label == ("supported" if confidence >= 0.5 else "not_enough_info")


@pytest.mark.parametrize(("labels", "sign"), [(["LABEL_0"], 1), (["consistent"], 1), (["hallucination"], -1)])
def test_one_label_is_a_score_through_a_sigmoid(tmp_path: Path, labels: list[str], sign: int) -> None:
    folder = save(tmp_path / "one", labels)
    raw = logits(folder, EN, CLAIM)[0]
    assert open_nli(folder).judge(CLAIM, passages(EN))[1] == pytest.approx(1 / (1 + np.exp(-sign * raw)), abs=1e-5)


def test_a_cross_encoder_folder_gives_what_its_library_gives(tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    plain = save(tmp_path / "plain", ["LABEL_0"])
    encoder = library.CrossEncoder(plain, device="cpu")
    encoder.save_pretrained(str(tmp_path / "cross"))
    confidence = open_nli(str(tmp_path / "cross")).judge(CLAIM, passages(EN))[1]
    assert confidence == pytest.approx(float(encoder.predict([(EN, CLAIM)])[0]), abs=1e-5)


@pytest.mark.parametrize(
    "labels", [["LABEL_0", "LABEL_1"], ["LABEL_0", "LABEL_1", "LABEL_2"], ["sport", "news"], ["true", "supported"]]
)
def test_labels_that_cannot_be_told_are_asked_for(tmp_path: Path, labels: list[str]) -> None:
    folder = save(tmp_path / "unnamed", labels)
    with pytest.raises(SettingsError, match="Name them in order") as told:
        open_nli(folder).judge(CLAIM, passages(EN))
    assert repr(labels) in str(told.value)


def test_labels_can_be_told_by_the_reader(tmp_path: Path) -> None:
    folder = save(tmp_path / "unnamed", ["LABEL_0", "LABEL_1", "LABEL_2"])
    expected = softmax(logits(folder, EN, CLAIM))
    told = open_nli(f"{folder}?labels=contradiction,neutral,entailment").judge(CLAIM, passages(EN))
    assert told[1] == pytest.approx(expected[2], abs=1e-5)
    with pytest.raises(SettingsError, match="has 3 labels, 2 were named"):
        open_nli(f"{folder}?labels=supported,unsupported").judge(CLAIM, passages(EN))
    with pytest.raises(SettingsError, match="cannot be told"):
        open_nli(f"{folder}?labels=yes,perhaps")


def test_a_long_passage_is_read_in_windows_and_the_best_counts(tmp_path: Path) -> None:
    folder = save(tmp_path / "small", ["contradiction", "entailment", "neutral"], positions=128)
    text = f"{EN} The weather was mild that day. Nobody was hurt in the fall. {EN}"
    entailment = Entailment(folder, device="cpu")
    windows = list(entailment._windows(CLAIM, passages(text)))
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    assert len(windows) > 2
    assert " ".join(windows).split() == text.split()  # nothing lost, nothing twice
    assert all(any(window.startswith(sentence) for sentence in sentences) for window in windows)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert max(len(tokenizer(window, CLAIM)["input_ids"]) for window in windows) <= 128
    each = [softmax(logits(folder, window, CLAIM))[1] for window in windows]
    assert entailment.judge_all([(CLAIM, passages(text))])[0][1] == pytest.approx(max(each), abs=1e-5)


def test_a_sentence_longer_than_a_window_is_read_to_its_end(tmp_path: Path) -> None:
    folder = save(tmp_path / "small", ["contradiction", "entailment", "neutral"], positions=64)
    text = "a b c d e f g " * 40 + "aspirin."
    windows = list(Entailment(folder, device="cpu")._windows("Aspirin was given.", passages(text)))
    assert len(windows) > 3
    assert "".join(windows).replace(" ", "") == text.replace(" ", "")


def test_a_claim_longer_than_the_model_reads_is_no_error(tmp_path: Path) -> None:
    folder = save(tmp_path / "small", ["contradiction", "entailment", "neutral"], positions=64)
    assert 0 <= open_nli(folder).judge("word " * 200, passages(EN))[1] <= 1


def test_together_is_as_one_by_one(tmp_path: Path) -> None:
    verifier = open_nli(save(tmp_path / "nli", ["contradiction", "entailment", "neutral"], positions=96))
    claims = [
        CLAIM,
        "二甲双胍是2型糖尿病的一线用药。",
        "No.",
        "The usual starting dose of metformin is 500 mg twice daily.",
    ]
    pairs = [(claim, found) for claim in claims for found in (passages(EN), passages(ZH), passages(EN, ZH), ())]
    together = verifier.judge_all(pairs)
    alone = [verifier.judge(claim, found) for claim, found in pairs]
    assert [label for label, _ in together] == [label for label, _ in alone]
    assert [c for _, c in together] == pytest.approx([c for _, c in alone], abs=1e-5)
    assert {round(c, 3) for _, c in together} > {0.0}
    assert together[3] == ("not_enough_info", 0.0)


def test_several_passages_are_each_read_alone(tmp_path: Path) -> None:
    verifier = open_nli(save(tmp_path / "nli", ["contradiction", "entailment", "neutral"]))
    each = [verifier.judge(CLAIM, passages(text))[1] for text in (EN, ZH)]
    assert verifier.judge(CLAIM, passages(EN, ZH))[1] == pytest.approx(max(each), abs=1e-5)


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", ["entailment", "not_entailment"], architectures=["BertForMaskedLM"])
    with pytest.raises(SettingsError, match="BertForMaskedLM, not a model for sequence classification"):
        open_nli(folder).judge(CLAIM, passages(EN))


@pytest.mark.parametrize("name", ["nli:", "judge:", "nli", "semantic", ""])
def test_an_unknown_name_is_told_with_the_choices(name: str) -> None:
    with pytest.raises(SettingsError, match=r"'lexical', 'embedding', 'checks', 'support', 'nli:MODEL'"):
        open_verifier(name, embedder=FakeEmbedder())


def test_a_folder_without_a_model_and_a_name_of_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no config\.json"):
        open_nli(str(tmp_path))
    with pytest.raises(SettingsError, match="neither a folder nor a hub id"):
        open_nli("no-such-thing")


def test_nothing_is_loaded_before_the_first_claim(tmp_path: Path) -> None:
    folder = save(tmp_path / "nli", ["sport", "news"])
    assert open_nli(folder).name == "nli:nli"
