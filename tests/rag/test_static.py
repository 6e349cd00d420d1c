"""The table of Chinese vectors: what it says of texts, and that int8 costs nothing that matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag.errors import WeightsError
from rag.static import DIMENSION, FILE, Static, tokens
from rag.tune.static import Table, means, write

TEXTS = [
    "高血压患者能吃党参吗？",
    "血压偏高的病人饮食要注意什么",
    "公司2022年营业收入同比增长",
    "宝宝十个月还没有长牙怎么办",
    "孩子快一岁了牙齿还没出来",
]


@pytest.fixture(scope="module")
def table() -> Static:
    return Static()


def test_tokens_are_characters_and_words_of_one_script() -> None:
    assert tokens("高血壓用藥 5 mg") == ["高", "血", "压", "用", "药", "高血压", "用药", "5", "mg"]
    assert tokens("") == [] == tokens("?!")


def test_vectors_have_unit_length_or_none_and_own_text_is_nearest(table: Static) -> None:
    vectors = table.embed([*TEXTS, "", "?!"])
    assert vectors.dtype == np.float32 and vectors.shape == (7, DIMENSION)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 1, 1, 0, 0], atol=1e-5)
    assert (vectors[:5] @ vectors[:5].T).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_like_is_nearer_than_unlike_and_script_makes_no_difference(table: Static) -> None:
    pressure, diet, sales, teeth, tooth = table.embed(TEXTS)
    assert pressure @ diet > max(pressure @ sales, pressure @ teeth, diet @ sales)
    assert teeth @ tooth > max(teeth @ sales, teeth @ pressure, tooth @ diet)
    simplified, traditional = table.embed(["糖尿病的诊断标准", "糖尿病的診斷標準"])
    assert np.allclose(simplified, traditional)


def test_int8_says_what_full_precision_says(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    words = tuple(dict.fromkeys(token for text in TEXTS for token in tokens(text)))
    rows = draw.normal(size=(len(words), DIMENSION)).astype(np.float32)
    made = Table(words, rows, draw.uniform(0.2, 2, len(words)).astype(np.float32))
    write(made, tmp_path / "small.npz")
    held = Static(tmp_path / "small.npz", sha256="").embed(TEXTS)
    assert ((held * means(made, TEXTS)).sum(axis=1) > 0.999).all()


def test_another_table_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        Static(tmp_path / "none.npz").embed(["血压"])
    (tmp_path / "cut.npz").write_bytes(FILE.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="not the table"):
        Static(tmp_path / "cut.npz").embed(["血压"])
    with pytest.raises(WeightsError, match="cannot be read"):
        Static(tmp_path / "cut.npz", sha256="").embed(["血压"])
