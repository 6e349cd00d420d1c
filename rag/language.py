"""Words, terms and sentences in English, Chinese and the mixture of both.

Everything that splits text asks this module, so that the index, the answerer, the checks and the metrics agree.
It knows two languages: text with a fair share of Han characters is "zh", everything else is treated as "en".
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, Literal

Language = Literal["en", "zh"]

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"
_HAN_RUN = re.compile(f"[{HAN}]+")
_WORD = re.compile(rf"[{HAN}]+|\d+(?:[.,]\d+)*|[^\W\d_{HAN}]+(?:['’][^\W\d_{HAN}]+)?")
_LINE = re.compile(r"[^\n]+")
_NUMBER = re.compile(r"[(（]?\d{1,3}[.)）、]")
_LONE = re.compile("[\ud800-\udfff]")  # half a character: no UTF-8, so the libraries below refuse it
_ZH_SHARE = 0.2
_GAP = re.compile(rf"(?<=[{HAN}])\s+(?=[{HAN}])")
_WIDE = re.compile("[\uff01-\uff5e]")
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
GRAMMAR_HAN: Final = frozenset(
    "的了吗呢吧啊呀么什怎哪谁几请问是有在和与及或被把将对为以于之其所而也都就会能可该这那个些多少如何"
)
"""Characters that say how something is asked or joined, not what about: the stop words of Chinese, simplified."""
CHARACTER, PAIR = 0.5, 0.35
"""What one character and what two in a row are worth in a query, where a Latin word is worth 1."""


def detect_language(text: str) -> Language:
    """Return "zh" when at least a fifth of the letters of the first 4,000 characters are Han, else "en"."""
    head = text[:4000]
    han = sum(len(run) for run in _HAN_RUN.findall(head))
    letters = sum(char.isalpha() for char in head)
    return "zh" if letters and han >= _ZH_SHARE * letters else "en"


def has_han(text: str) -> bool:
    """Tell whether the text holds any Han character."""
    return _HAN_RUN.search(text) is not None


def cut_han(text: str) -> list[str]:
    """Cut a run of Han characters into words by dictionary (jieba)."""
    import rjieba

    return list(rjieba.cut(text))


def han_names(text: str) -> list[str]:
    """Return the words of Han text that the dictionary takes for names: people, places, bodies, drugs, products."""
    import rjieba

    kinds = {"nr", "nrt", "nrfg", "ns", "nt", "nz"}
    return [word for word, kind in rjieba.tag(text) if kind in kinds and len(word) > 1 and has_han(word)]


def words(text: str) -> list[str]:
    """Return lower-case words in order: Han runs cut by dictionary, numbers whole ("1,234.5"), punctuation dropped."""
    found: list[str] = []
    for token in _WORD.findall(text.lower()):
        found.extend(cut_han(token) if _HAN_RUN.match(token) else (token,))
    return found


@cache
def english_analyzer() -> Any:
    """Return tantivy's analyzer for Latin text: words, lower case, English stop words out, Snowball stems."""
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase())
    return builder.filter(tantivy.Filter.stopword("english")).filter(tantivy.Filter.stemmer("english")).build()


def han_terms(text: str) -> list[str]:
    """Return what is compared of two Chinese texts: dictionary words of two and more characters, and all bigrams.

    A run of one character stands for itself. Word and bigram may coincide; then the term counts once a place.
    """
    terms: list[str] = []
    for run in _HAN_RUN.findall(text):
        if len(run) == 1:
            terms.append(run)
            continue
        terms.extend(run[i : i + 2] for i in range(len(run) - 1))
        terms.extend(word for word in cut_han(run) if len(word) > 2)
    return terms


@cache
def _simplifier() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def fold_han(text: str) -> str:
    """Return a text of Han characters in one form: simplified, narrow letters and digits, no gaps inside a run.

    Chinese is written without spaces, so that a gap is a broken line or a stretched heading ("合 併 損 益 表").
    Simplifying knows phrases (OpenCC: 頭髮 is 头发, 發現 is 发现), not the words of Taiwan or Hong Kong (軟體: 软体).
    """
    return _GAP.sub("", str(_simplifier().convert(_plain(text))))


def _plain(text: str) -> str:
    """Return the text as libraries take it, wide letters and digits (Ａ, １) made narrow."""
    text = _LONE.sub(" ", text)
    return text.translate(_NARROW) if _WIDE.search(text) else text


def han_index_terms(text: str) -> list[str]:
    """Return what stands for Chinese text in the index: its characters and all pairs in a row, of the folded text.

    No dictionary takes part, so that a word cut one way in the question and another way in the text is still found.
    """
    terms: list[str] = []
    for run in _HAN_RUN.findall(fold_han(text)):
        terms.extend(run)
        terms.extend(run[i : i + 2] for i in range(len(run) - 1))
    return terms


def han_query_terms(text: str) -> dict[str, float]:
    """Return the different index terms of a query with their weights; grammar (`GRAMMAR_HAN`) is left out.

    Single characters carry synonyms that share one (疼, 疼痛; 男性, 男人), pairs carry words and phrases.
    """
    found = dict.fromkeys(han_index_terms(text))
    return {
        term: CHARACTER if len(term) == 1 else PAIR for term in found if not all(char in GRAMMAR_HAN for char in term)
    }


def latin_part(text: str) -> str:
    """Return the text with a space for every run of Han, wide letters and digits made narrow."""
    return _plain(_HAN_RUN.sub(" ", text))


def latin_terms(text: str) -> list[str]:
    """Return stemmed index terms of the non-Han part of the text, without stop words."""
    return list(english_analyzer().analyze(latin_part(text)))


def terms(text: str) -> list[str]:
    """Return the terms of a text in either language: what "sharing a word" means when texts are compared.

    The index finds English by the same terms, Chinese by finer ones (`han_index_terms`).
    """
    return latin_terms(text) + (han_terms(text) if has_han(text) else [])


def query_weight(text: str) -> float:
    """Return the sum of the weights of the different index terms of a query: how long it is for the lexical leg."""
    return len(set(latin_terms(text))) + sum(han_query_terms(text).values())


def sentence_spans(text: str, language: Language | None = None) -> list[tuple[int, int]]:
    """Return half-open spans of the sentences, without surrounding white space and without empty ones.

    A line break always ends a sentence: parsers join the lines of a paragraph and put every table row on its own line.
    A "sentence" that starts with a small Latin letter is joined to the one before it (unknown abbreviations), and the
    number of a list item ("2.") to its words.
    """
    import sentencex

    spans: list[tuple[int, int]] = []
    for line in _LINE.finditer(text):
        body, base = line.group(), line.start()
        code = language or detect_language(body)
        first = len(spans)
        at = 0
        for piece in sentencex.segment(code, _LONE.sub("\ufffd", body)):
            start, at = at, at + len(piece)
            stripped = piece.strip()
            if not stripped:
                continue
            lead = len(piece) - len(piece.lstrip())
            begin, end = base + start + lead, base + start + lead + len(stripped)
            goes_on = stripped[0].islower() and stripped[0].isascii()
            if len(spans) > first and (goes_on or (len(spans) == first + 1 and _NUMBER.fullmatch(text, *spans[-1]))):
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((begin, end))
    return spans
