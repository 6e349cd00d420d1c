"""Words, terms and sentences in English, Chinese and the mixture of both.

Everything that splits text asks this module, so that the index, the answerer, the checks and the metrics agree.
It knows two languages: text with a fair share of Han characters is "zh", everything else is treated as "en".
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal

Language = Literal["en", "zh"]

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef"
_HAN_RUN = re.compile(f"[{HAN}]+")
_WORD = re.compile(rf"[{HAN}]+|\d+(?:[.,]\d+)*|[^\W\d_{HAN}]+(?:['’][^\W\d_{HAN}]+)?")
_LINE = re.compile(r"[^\n]+")
_NUMBER = re.compile(r"[(（]?\d{1,3}[.)）、]")
_LONE = re.compile("[\ud800-\udfff]")  # half a character: no UTF-8, so the libraries below refuse it
_ZH_SHARE = 0.2


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
    """Return what stands for Chinese text in the index: dictionary words of two and more characters, and all bigrams.

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


def latin_terms(text: str) -> list[str]:
    """Return stemmed index terms of the non-Han part of the text, without stop words."""
    return list(english_analyzer().analyze(_LONE.sub(" ", _HAN_RUN.sub(" ", text))))


def terms(text: str) -> list[str]:
    """Return all index terms of a text in either language: what "sharing a word" means throughout the project."""
    return latin_terms(text) + (han_terms(text) if has_han(text) else [])


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
