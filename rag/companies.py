"""Companies a question names, as the documents of a collection spell them: "JnJ" -> "JOHNSON & JOHNSON".

What is looked for are the organisations and tickers in the metadata of the collection's own documents; a small table of
well-known companies (`lexicon/companies.tsv`) adds other names for them. Names are compared without case, signs, spaces
and legal forms. A Latin name needs a capital or a digit where it stands, unless it is a rare word; a ticker of one or
two letters needs "$" or ":" before it. It does not know subsidiaries, nor who was bought by whom.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from rag.errors import UserError
from rag.language import HAN
from rag.support import UNSEEN, term_set, weight

TABLE: Final = Path(__file__).parent / "lexicon" / "companies.tsv"
MOST_WORDS: Final = 6
_FORMS: Final = re.compile(
    r"(?:[\s,]+(?:incorporated|inc|corporation|corp|company|co|plc|ltd|limited|llc|lp|nv|n\.v|sa|s\.a|ag|se|kgaa|holdings?|"
    r"group|international|the))+\.?$|^the\s+",
    re.IGNORECASE,
)
_FORMS_ZH: Final = re.compile(r"(?:控股|集团|集團)?(?:股份有限公司|有限责任公司|有限公司|股份公司|公司)$")
_PLACE_ZH: Final = re.compile(
    r"^(?:中国|北京|上海|深圳|广东|浙江|江苏|山东|四川|贵州|福建|安徽|湖北|湖南|河南|河北|天津|重庆)"
)
_TOKEN: Final = re.compile(rf"[^\W_{HAN}]+(?:['’&.-][^\W_{HAN}]+)*|&")
_SIGNS: Final = re.compile(r"[\W_]+")
_OWNS: Final = re.compile(r"['’]s$")
_TICKER: Final = re.compile(r"(?P<mark>[$:]\s?)?(?<![A-Za-z0-9.])(?P<code>[A-Z]{1,5}(?:\.[A-Z])?|\d{6})(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Companies:
    """The companies of one collection. `keys`: of each squeezed name and ticker the organisations it may mean."""

    keys: Mapping[str, frozenset[str]]
    tickers: Mapping[str, frozenset[str]]
    initials: frozenset[str]
    longest_han: int = 0

    @classmethod
    def of(cls, named: Iterable[tuple[str, str]]) -> Companies:
        """Take the (organisation, ticker) pairs of a collection's documents; either may be empty."""
        keys: dict[str, set[str]] = {}
        tickers: dict[str, set[str]] = {}
        for organisation, ticker in named:
            if not organisation:
                continue
            for key in _keys_of(organisation):
                keys.setdefault(key, set()).add(organisation)
            if ticker:
                tickers.setdefault(ticker.upper(), set()).add(organisation)
        for codes, names in table():
            its = set().union(*(keys.get(key, ()) for name in names for key in _keys_of(name)))
            its.update(*(tickers.get(code, ()) for code in codes))
            if its:
                for key in (key for name in names for key in _keys_of(name)):
                    keys.setdefault(key, set()).update(its)
                for code in codes:
                    tickers.setdefault(code, set()).update(its)
        for ticker, its in tickers.items():  # a file by the name of the company, another one with its ticker
            for key in {key for name in its for key in _keys_of(name)}:
                its |= keys[key]
                keys[key] |= its
            tickers[ticker] = its
        longest = max((len(key) for key in keys if _is_han(key)), default=0)
        initials = frozenset(key[0] for key in keys)
        filed = {key: frozenset(its) for key, its in keys.items()}
        codes_of = {code: frozenset(its) for code, its in tickers.items()}
        return cls(filed, codes_of, initials, longest)

    def find(self, text: str) -> tuple[str, ...]:
        """Return the organisations a text names, as the documents spell them, sorted."""
        if not self.keys:
            return ()
        return tuple(sorted(frozenset().union(*(names for _, _, names in self.spans(text)))))

    def spans(self, text: str) -> list[tuple[int, int, frozenset[str]]]:
        """Return where a text names which organisations."""
        codes = (m for m in _TICKER.finditer(text) if m["code"] in self.tickers and (len(m["code"]) > 2 or m["mark"]))
        listed = [(match.start(), match.end(), self.tickers[match["code"]]) for match in codes]
        return [*self._latin(text), *self._han(text), *listed]

    def _latin(self, text: str) -> Iterable[tuple[int, int, frozenset[str]]]:
        tokens = list(_TOKEN.finditer(text))
        bare = [_SIGNS.sub("", token.group().casefold()) for token in tokens]
        at = 0
        while at < len(tokens):
            ends = range(min(at + MOST_WORDS, len(tokens)), at, -1) if bare[at][:1] in self.initials else ()
            end = next((end for end in ends if self._named(text, tokens[at:end], bare[at:end])), None)
            if end:
                yield tokens[at].start(), tokens[end - 1].end(), self._named(text, tokens[at:end], bare[at:end])
            at = end or at + 1

    def _named(self, text: str, tokens: Sequence[re.Match[str]], bare: Sequence[str]) -> frozenset[str]:
        """Return the organisations some words name, with or without the s of a genitive."""
        key = "".join(bare)
        written = text[tokens[0].start() : tokens[-1].end()]
        its = self.keys.get(key) or (self.keys.get(key[:-1]) if _OWNS.search(written) else None)
        return its if its and _is_named(written) else frozenset()

    def _han(self, text: str) -> Iterable[tuple[int, int, frozenset[str]]]:
        at = 0
        while at < len(text):
            longest = min(self.longest_han, len(text) - at) if _is_han(text[at]) else 0
            name = next((n for k in range(longest, 1, -1) if (n := text[at : at + k]) in self.keys), "")
            if name:
                yield at, at + len(name), self.keys[name]
            at += len(name) or 1


@cache
def well_known() -> Companies:
    """Return the companies of the shipped table, by their first names."""
    return Companies.of((names[0], codes[0]) for codes, names in table())


def squeeze(name: str) -> str:
    """Return what is compared of a name: "3M COMPANY" -> "3m", "Johnson & Johnson" -> "johnsonjohnson"."""
    if _is_han(name):
        return _FORMS_ZH.sub("", _SIGNS.sub("", name)) or name
    bare = _FORMS.sub("", name.strip(" .,"))
    return _SIGNS.sub("", (bare or name).casefold())


@cache
def table() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Return the shipped table: of each company its tickers and its names.

    Raises:
        UserError: a line has not three columns.
    """
    found = []
    for number, line in enumerate(TABLE.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            columns = line.split("\t")
            if len(columns) != 3:
                raise UserError(
                    f"{TABLE}:{number}: three columns are wanted (tickers, English, Chinese), got {line!r}."
                )
            tickers, english, chinese = ([v.strip() for v in column.split("|") if v.strip()] for column in columns)
            found.append((tuple(tickers), tuple(english + chinese)))
    return tuple(found)


def _keys_of(name: str) -> set[str]:
    """Return the squeezed name; of a Chinese one also without its place, and its first four characters (宁德时代…)."""
    key = squeeze(name)
    if not _is_han(key):
        return {key} if len(key) > 1 else set()
    forms = (key, _PLACE_ZH.sub("", key))
    return {form for form in (*forms, *(f[:4] for f in forms if not f.startswith("中国"))) if len(form) > 1}


def _is_han(name: str) -> bool:
    return bool(re.match(f"[{HAN}]", name))


def _is_named(written: str) -> bool:
    """Tell whether it is written like a name: a capital or digit first, or a rare long word."""
    if written[0].isupper() or written[0].isdigit():
        return True
    return len(written) > 5 and max(map(weight, term_set(written)), default=0.0) >= UNSEEN
