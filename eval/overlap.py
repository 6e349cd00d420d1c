"""Overlap of a prediction with its references: ROUGE, BLEU, chrF, token F1 and exact match; English, Chinese and both.

Every score lies in [0, 1]; identical texts give 1 and texts without a common token 0. Overlap knows no meaning: a
paraphrase scores low and a wrong figure inside the right sentence scores high.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from eval.sequence import common_length, common_places
from rag.errors import require
from rag.language import HAN, has_han, sentence_spans

OVERLAP = ("rouge1", "rouge2", "rougeL", "rougeLsum", "bleu", "chrf", "exact_match", "token_f1")

_ROUGE_TOKEN = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")
_MARKER = re.compile(r"\s*\[\d{1,3}(?:\s*[,，]\s*\d{1,3})*\]")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_KEPT = "\ue000"
_HAN_CHAR = re.compile(rf"([{HAN}])")


def plain(text: str) -> str:
    """Return the text in Unicode NFKC: full-width letters, digits and punctuation become half-width."""
    return unicodedata.normalize("NFKC", text)


def without_markers(text: str) -> str:
    """Return the text without citation markers such as [1] or [2, 3]."""
    return _MARKER.sub("", plain(text)).strip()


def tokens(text: str, *, stem: bool = False) -> list[str]:
    """Return ROUGE tokens: Latin words and numbers as rouge-score cuts them, each Han character by itself.

    Characters, not dictionary words, follow the practice of Chinese summarisation since LCSTS (Hu et al., EMNLP 2015):
    no segmenter can then make two equal texts differ. On ASCII text the result equals that of `rouge_score.tokenize`;
    accented letters, which that library drops, are kept. `stem` applies Porter's stemmer to Latin words of four and
    more letters, as there. Traditional and simplified characters are different tokens.
    """
    found: list[str] = _ROUGE_TOKEN.findall(plain(text).lower())
    return [_stemmer().stem(token) if len(token) > 3 else token for token in found] if stem else found


def answer_tokens(text: str, *, chinese: bool | None = None) -> list[str]:
    """Return the tokens that exact match and token F1 compare.

    English: SQuAD 1.1's normalisation (Rajpurkar et al., 2016): lower case, no punctuation, no articles, split at
    white space. Chinese (any Han character; `chinese` decides for a pair): the mixed segmentation of CMRC 2018 (Cui et
    al., 2019): no punctuation, one token a Han character, Latin words whole. One departure from both: the point inside
    a decimal stays, so that 1.5 and 15 differ.
    """
    return list(_answer_tokens(text, has_han(text) if chinese is None else chinese))


def token_f1(prediction: str, reference: str) -> float:
    """Return the F1 of the bags of `answer_tokens`; symmetric.

    For Chinese this is MLQA's definition (Lewis et al., 2020); CMRC's own script counts the longest common substring
    instead. Two texts without tokens are equal: 1.
    """
    ours, theirs = _answer_pair(prediction, reference)
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


def exact_match(prediction: str, reference: str) -> float:
    """Return 1 where the `answer_tokens` are the same in the same order, else 0."""
    ours, theirs = _answer_pair(prediction, reference)
    return float(ours == theirs)


def bleu(prediction: str, references: Sequence[str]) -> float:
    """Return sentence BLEU / 100 of sacrebleu (exponential smoothing, effective order), cased.

    Tokenised by `zh` when any text holds Han characters, else by `13a`. Several references are taken together, as BLEU
    defines it. A mean of sentence scores is not corpus BLEU.
    """
    texts = [plain(text) for text in references]
    ours = plain(prediction)
    if not ours.strip():
        return 0.0
    chinese = any(has_han(text) for text in (ours, *texts))
    return min(1.0, float(_bleu("zh" if chinese else "13a").sentence_score(ours, texts).score) / 100)


def chrf(prediction: str, references: Sequence[str]) -> float:
    """Return sentence chrF2 / 100 of sacrebleu (Popović, 2015; character 6-grams, beta 2), the best reference; cased.

    White space does not count. It needs no words, so English and Chinese are treated alike.
    """
    return min(1.0, float(_chrf().sentence_score(plain(prediction), [plain(text) for text in references]).score) / 100)


def rouge(prediction: str, references: Sequence[str], *, stem: bool = False) -> dict[str, float]:
    """Return the F-measures rouge1, rouge2, rougeL and rougeLsum (Lin, 2004), each the best over the references.

    The first two are rouge-score's. The longest common subsequences give rouge-score's numbers too, computed on bit
    vectors. For rougeLsum both sides are cut into sentences (`rag.language.sentence_spans`; a line break always ends
    one), and every reference sentence is compared with the union of its common subsequences with the predicted ones
    (Lin's section 3.2; like ROUGE-1.5.5, no token counts twice). A text of one token has no bigram, so its rouge2 is 1
    against itself by agreement and 0 otherwise.
    """
    ours = _tokens(prediction, stem)
    theirs = [_tokens(text, stem) for text in references]
    best = _rouge(stem).score_multi(list(references), prediction)
    scores = {name: float(score.fmeasure) for name, score in best.items()}
    if len(ours) == 1 and ours in theirs:
        scores["rouge2"] = 1.0
    scores["rougeL"] = max(_f_measure(common_length(text, ours), len(text), len(ours)) for text in theirs)
    said = _sentences(prediction, stem)
    scores["rougeLsum"] = max(_summary_level(_sentences(text, stem), said) for text in references)
    return scores


def score(prediction: str, references: Sequence[str], *, stem: bool = False) -> dict[str, float]:
    """Return all overlap scores of a prediction, markers removed, the best over the references.

    Raises:
        ValueError: there is no reference.
        MissingExtraError: the packages of the extra `eval` are not installed.
    """
    if not references:
        raise ValueError("score: need at least one reference, got none")
    ours = without_markers(prediction)
    return {
        **rouge(ours, references, stem=stem),
        "bleu": bleu(ours, references),
        "chrf": chrf(ours, references),
        "exact_match": max(exact_match(ours, reference) for reference in references),
        "token_f1": max(token_f1(ours, reference) for reference in references),
    }


def _answer_pair(prediction: str, reference: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    chinese = has_han(prediction) or has_han(reference)
    return _answer_tokens(prediction, chinese), _answer_tokens(reference, chinese)


@lru_cache(maxsize=256)
def _answer_tokens(text: str, chinese: bool) -> tuple[str, ...]:
    kept = _DECIMAL_POINT.sub(_KEPT, plain(text).lower()).translate(_PUNCTUATION).replace(_KEPT, ".")
    return tuple((_HAN_CHAR.sub(r" \1 ", kept) if chinese else _ARTICLE.sub(" ", kept)).split())


class _Punctuation(dict[int, int | None]):
    """For `str.translate`: drops punctuation of any script, and ASCII's signs as SQuAD does."""

    def __missing__(self, code: int) -> int | None:
        drop = unicodedata.category(chr(code)).startswith("P") or chr(code) in "$+<=>^`|~"
        self[code] = None if drop else code
        return self[code]


_PUNCTUATION = _Punctuation()


@lru_cache(maxsize=256)
def _tokens(text: str, stem: bool) -> tuple[str, ...]:
    return tuple(tokens(text, stem=stem))


@lru_cache(maxsize=256)
def _sentences(text: str, stem: bool) -> tuple[tuple[str, ...], ...]:
    text = plain(text)
    return tuple(_tokens(text[start:end], stem) for start, end in sentence_spans(text))


def _summary_level(reference: Sequence[Sequence[str]], prediction: Sequence[Sequence[str]]) -> float:
    ours, theirs = (Counter(token for part in side for token in part) for side in (prediction, reference))
    left, hits = ours & theirs, 0
    for part in reference:
        union = set().union(*(common_places(part, other) for other in prediction))
        for place in union:
            if left[part[place]] > 0:
                hits += 1
                left[part[place]] -= 1
    return _f_measure(hits, theirs.total(), ours.total())


def _f_measure(hits: int, wanted: int, given: int) -> float:
    return 2 * hits / (wanted + given) if hits else 0.0


class _Tokenizer:
    """What rouge-score asks for."""

    def __init__(self, stem: bool) -> None:
        self._stem = stem

    def tokenize(self, text: str) -> list[str]:
        return list(_tokens(text, self._stem))


@cache
def _stemmer() -> Any:
    require("rouge_score", extra="eval")
    from nltk.stem import porter  # type: ignore[import-untyped]

    return porter.PorterStemmer()


@cache
def _rouge(stem: bool) -> Any:
    require("rouge_score", extra="eval")
    from rouge_score import rouge_scorer

    return rouge_scorer.RougeScorer(["rouge1", "rouge2"], tokenizer=_Tokenizer(stem))


@cache
def _bleu(tokenize: str) -> Any:
    require("sacrebleu", extra="eval")
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True, tokenize=tokenize)


@cache
def _chrf() -> Any:
    require("sacrebleu", extra="eval")
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
