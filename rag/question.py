"""A question read: its telling terms, the names and numbers in it, and the kind of answer it wants.

It knows English and Chinese question words; it does not parse grammar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from rag.companies import well_known
from rag.language import HAN, Language, cut_han, han_names, has_han
from rag.periods import find_periods, without_periods
from rag.schema import Message
from rag.support import UNSEEN, Line, language_of, term_set, weight

_ASKED_EN = """what which who whom whose when where why how do does did is are was were be been can could should would
will may have has had many much please tell me my give list describe explain name i you your we our about there any some
if then than ok okay hello hi hey thank thanks good morning mean meant"""
_DOSE_EN = """maximum minimum maximal minimal recommended recommendation initial initially immediate release extended
milligram milligrams microgram frequency titration titrate paediatric pediatric elderly renal hepatic impairment
contraindicated contraindication contraindications administered administration breastfeeding pregnancy interaction
interactions overdose safely tablet tablets capsule weight"""
_ASKED_ZH = re.compile(
    "请问|请|什么时候|什么样|为什么|什么|多少|哪些|哪一|哪个|哪里|哪儿|哪|怎么样|怎么办|怎么|怎样|如何|是否|有没有|能否|能不能|可不可以|"
    "是不是|吗|呢|几|谁|何时|何地|为何|何|多久|多长|多大|多高|多远|多|简要|介绍|说明|分别|您好|你好|谢谢|的|了|是|在|有|和|与|及|等|被|由|于"
)
_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|old|far|big|large|high|tall|often|fast)\b|\b(?:dose|dosage|percent|percentage|ratio|rate|"
    r"amount|number|total|price|revenues?|sales|income|profits?|earnings|eps|assets|liabilities|equity|margin|limit|"
    r"size|prevalence|incidence|value|cost)\b|多少|几|多长|多大|多高|多久|剂量|比例|"
    r"金额|收入|利润|占比|百分",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\bwhen\b|\b(?:what|which|in what|in which) (?:year|date|month|day|century|decade)\b|"
    r"何时|什么时候|哪一?年|哪一天|几月|日期|年份",
    re.IGNORECASE,
)
_WIDE = re.compile(
    r"^\s*(?:how|why|explain|describe|list|what are)\b|为什么|如何|怎么|怎样|哪些|介绍|说明|分别", re.IGNORECASE
)
_TO_THE_MACHINE = re.compile(
    r"\b(?:are you|your name|tell (?:me|us) a (?:joke|story)|write (?:me )?a (?:poem|song|story))\b|"
    r"^你(?:是|叫|能)|笑话|写一首",
    re.I,
)
_LIVE = re.compile(
    r"\b(?:today|tomorrow|tonight|yesterday|last night|right now)\b|今天|明天|昨天|昨晚|今晚|今日股价", re.I
)
_FIGURE = re.compile(
    r"(?<!\d)(?!(?:19|20)\d\d(?![\d.,]\d|\d))\d|[一二三四五六七八九十百千万亿]|\b(?:one|two|three|four|five|six|seven|"
    r"eight|nine|ten|once|twice)\b",
    re.I,
)
_YEARISH = re.compile(
    r"\b1[0-9]{3}\b|\b20\d\d\b|\d+\s*[年月日世]|century|\b(?:January|February|March|April|May|June|July|August|"
    r"September|October|November|December)\b"
)
_DOSING = re.compile(
    r"\b(?:dos(?:e|es|age|ages|ing)|mg|mcg|contraindicat\w*|overdose\w*|administer\w*|given?|tak(?:e|en|ing)|safe(?:ly)?|"
    r"interact\w*|pregnan\w*|breastfe\w*)\b|剂量|用量|用法|服用|使用|禁用|禁忌|慎用|能用|可用|可以用|给药|毫克|每日|孕|哺乳",
    re.IGNORECASE,
)
_DRUG_EN = re.compile(  # stems of international names, and names that have none
    r"\b\w+(?:pril|sartan|olol|dipine|statin|gliptin|gliflozin|glutide|glitazone|formin|xaban|gatran|parin|farin|grel|cillin|"
    r"m[iy]cin|floxacin|cycline|penem|azole|tidine|profen|coxib|sone|lone|nide|terol|tropium|caine|pam|lam|apine|idone|"
    r"oxetine|triptyline|triptan|setron|mab|tinib|ciclib|platin|taxel|rubicin|vir|semide|thiazide|lactone|darone|oxin|"
    r"thyroxine|trexate|phine|codone|odeine|tanyl|adol|cef\w+|barbital|toin|azepine|gabalin)\b|"
    r"\b(?:aspirin|acetaminophen|paracetamol|insulin|lithium|colchicine|allopurinol|morphine|sertraline)\b",
    re.IGNORECASE,
)
_DRUG_ZH = re.compile(
    rf"(?:(?![的和与对用给服每及日是了人童妇年者性])[{HAN}]){{1,4}}?(?:双胍|脲|列[汀净奈酮]|鲁肽|普利|沙坦|洛尔|地平|他汀|沙班|加群|肝素|"
    r"法林|格雷|洛芬|昔布|尼松龙?|米松|可的松|奈德|拉唑|替丁|西林|霉素|沙星|环素|硝唑|康唑|韦林?|甲状腺素|胰岛素|曲林|西汀|"
    r"西泮|唑仑|氮平|利酮|高辛|茶碱|特罗|塞米|噻嗪|内酯|单抗|替尼|铂|紫杉醇|蝶呤|莫司|膦酸|吗啡|可待因|太尼|氨基酚|匹林|胺碘酮)"
)
_NAMING = 5.0  # weight from which a single word says what a question is about
_TELLING = 3.0  # weight from which a missing word is worth naming
_NAMED = re.compile(r"(?<![.!?]\s)(?<!^)\b(?:[A-Z][\w&'’-]*|\w*\d\w*)")
_LATIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.&-]*")
YEAR = re.compile(r"(?:19|20)\d\d")
_YEAR_PREFIX = re.compile(r"\b(?:FY|CY)\s?(?=\d)")
_BRACKETS = re.compile(r"\([^)]*\)|（[^）]*）")
_MONTHS = frozenset("January February March April May June July August September October November December".split())  # noqa: SIM905
_FOLLOWS_UP = re.compile(
    r"^(?:(?:ok|okay|so|then|now)[ ,]+)?(?:and|but|also|what about|how about|same for)\b|^(?:那|还有|换成)|呢[？?]?$",
    re.I,
)
_POINTS_BACK = re.compile(
    r"\b(?:they|them|their|theirs|its|this|these|those|that|he|she|his|her|the (?:same|former|latter|company|drug|"
    r"patient|study|trial))\b|\bit\b(?! (?:take|safe|possible|true|normal|common|ok|okay|necessary|dangerous|rain))"
    r"|它|他们|她们|其(?![他它余实中])|该(?:公司|药|病|患者|产品|指标|研究)|这(?:个|些|种|家|款)|那(?:个|些|种|家|款)|上述|前者|后者",
    re.I,
)
_WHOLE = 4
"""Telling words from which a question that names something stands by itself, however it begins."""
_BACK = 4
"""So many questions are looked back at."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question read: its telling terms, those that name something, and what kind of answer it wants."""

    text: str
    language: Language
    terms: frozenset[str]
    names: tuple[frozenset[str], ...]  # of each name, code and year the terms that would show it
    about: tuple[frozenset[str], ...] = ()  # of a dose or a figure: whose it is; each must be met in one document
    words: tuple[frozenset[str], ...] = ()  # the terms of each telling word
    wants: str = ""  # "quantity", "date" or ""
    wide: bool = False  # asks how, why or for several things: one sentence is seldom enough

    @classmethod
    def read(cls, text: str, history: Sequence[Message] = ()) -> Question:
        """Read a question; a follow-up that names little borrows the words of the questions before it."""
        language = language_of(text)
        own = _own(text)
        before = borrowed(text, [m["content"] for m in history if m.get("role") == "user"])
        if before:
            text = f"{before} {text}"
            own = own | _telling(before, language_of(before))
        wants = "date" if _DATE.search(text) else "quantity" if _QUANTITY.search(text) else ""
        wide = not wants and _WIDE.search(text) is not None
        names = _names(text, language)
        about = _about(text, language, own, names, wants)
        return cls(text, language, own, names, about, _words(text, own), wants, wide)

    @property
    def years(self) -> frozenset[str]:
        """The calendar years it names."""
        return frozenset(term for term in self.terms if YEAR.fullmatch(term))

    @property
    def subject(self) -> frozenset[str]:
        """What is asked about the names: the terms that are no name, code or year."""
        return self.terms.difference(*self.names)

    def strange_lost(self, held: frozenset[str]) -> bool:
        """Tell whether a rare Latin word is not among the terms held."""
        return any(map(_is_strange, self.terms - held))

    def is_about(self, held: frozenset[str]) -> bool:
        """Tell whether all that a dose or a figure is asked of is among the terms held."""
        return all(one & held for one in self.about)

    def names_lost(self, held: frozenset[str]) -> bool:
        """Tell whether one of the names, codes and years is not among the terms held, or today is asked about."""
        return _LIVE.search(self.text) is not None or any(not name & held for name in self.names)

    def barely_met(self, held: frozenset[str]) -> bool:
        """Tell whether of two or more telling words at most one is met: the subject alone, or a chance word."""
        return len(self.words) > 1 and sum(bool(word & held) for word in self.words) < 2

    def satisfied_by(self, line: Line) -> bool:
        """Tell whether the line holds the kind of thing asked for (a figure, a date); True when no kind is."""
        if self.wants == "date":
            return _YEARISH.search(line.text) is not None
        return self.wants != "quantity" or _FIGURE.search(line.text) is not None


def borrowed(text: str, earlier: Sequence[str]) -> str:
    """Return what a follow-up takes from the questions before it, "" where it stands by itself.

    It takes the question before, with what that one took itself; but not the period, the companies or the drugs of
    that one where it names others: "and in 2021?", "那辉瑞呢？", "what about ibuprofen?".
    """
    if not earlier or not _leans(text):
        return ""
    last = earlier[-1]
    before = f"{borrowed(last, earlier[-_BACK:-1])} {last}".strip()
    if find_periods(text):
        before = without_periods(before)
    for places in (_company_places, _drug_places):
        if places(text):
            for start, end in sorted(places(before), reverse=True):
                before = f"{before[:start]} {before[end:]}"
    return " ".join(before.split())


def _company_places(text: str) -> list[tuple[int, int]]:
    return [(start, end) for start, end, _ in well_known().spans(text)]


def _drug_places(text: str) -> list[tuple[int, int]]:
    return [match.span() for pattern in (_DRUG_EN, _DRUG_ZH) for match in pattern.finditer(text)]


def _leans(text: str) -> bool:
    """Tell whether a question leans on the one before: few and common words, a beginning or a word that points back."""
    text = text.strip()
    language, own = language_of(text), _own(text)
    asked = frozenset(term for term in own if not YEAR.fullmatch(term))
    if len(asked) < 3 and max(map(weight, asked), default=0.0) < _NAMING:
        return True
    names = [name for name in _names(text, language) if not any(map(YEAR.fullmatch, name))]
    if _FOLLOWS_UP.search(text):
        return len(asked) < _WHOLE or not (names or _drug_places(text))
    return _POINTS_BACK.search(text) is not None and not names and not _drug_places(text)


def _own(text: str) -> frozenset[str]:
    return frozenset() if _TO_THE_MACHINE.search(text) else _telling(text, language_of(text))


def _telling(text: str, language: Language) -> frozenset[str]:
    """Return the terms without question words; of Chinese the pairs of characters, so that no word counts twice."""
    found = term_set(_ASKED_ZH.sub(" ", text) if language == "zh" else text) - _asked_terms()
    return frozenset(term for term in found if len(term) < 3 or term.isascii()) if language == "zh" else found


def _words(text: str, wanted: frozenset[str]) -> tuple[frozenset[str], ...]:
    """Return the terms of each word of two and more characters that is wanted."""
    pieces = _ZH_PIECE.findall(_ASKED_ZH.sub(" ", text) if has_han(text) else text)
    cut = [word for piece in pieces for word in (cut_han(piece) if has_han(piece) else [piece]) if len(word) > 1]
    return tuple(its for word in dict.fromkeys(cut) if (its := term_set(word) & wanted))


def _names(text: str, language: Language) -> tuple[frozenset[str], ...]:
    """Return the terms of each name, code and year, one of which must be met: inner capitals, "MEF2C", "2021".

    Of a Chinese name the first two characters must be met (辉瑞 of 辉瑞公司). Not counted: what stands in brackets,
    single letters, months, bare amounts, and capitals where most words have one.
    """
    text = _BRACKETS.sub(" ", _YEAR_PREFIX.sub("", text))
    if language == "zh":
        found = [word for word in _LATIN.findall(text) if len(word) > 1] + [name[:2] for name in han_names(text)]
    else:
        words = text.split()
        shouted = sum(word[0].isupper() for word in words) > max(3, 0.6 * len(words))
        found = [m.group() for m in _NAMED.finditer(text) if not shouted or any(c.isdigit() for c in m.group())]
    kept = [word for word in found if not word.isdecimal() or YEAR.fullmatch(word)]
    held = [frozenset(t for t in term_set(word) if len(t) > 1) for word in kept if word not in _MONTHS]
    return tuple(terms - _asked_terms() for terms in held if terms - _asked_terms())


def _about(
    text: str, language: Language, own: frozenset[str], names: Sequence[frozenset[str]], wants: str
) -> tuple[frozenset[str], ...]:
    """Return what a question for a dose, a figure or a drug's safety is about: the names, and of a drug its word.

    Another drug's dose, or another company's revenue, is the worst of answers. Drugs are told by the stems of
    international names (of a Chinese one all pairs of characters are needed), in English by rarity too. A name that
    begins another one (泼尼松, 泼尼松龙) is not told from it.
    """
    dosing = _DOSING.search(text) is not None
    if not dosing and wants != "quantity":
        return ()
    found = [name for name in names if not any(YEAR.fullmatch(term) for term in name)]
    if dosing:
        drugs = frozenset().union(*(term_set(word) for word in _DRUG_EN.findall(text)))
        pairs = frozenset(w[i : i + 2] for w in _DRUG_ZH.findall(text) for i in range(len(w) - 1))
        rare = frozenset(term for term in own - _dose_terms() if _is_strange(term)) if language == "en" else drugs
        found += [frozenset((term,)) for term in sorted(pairs or (drugs or rare) & own)]
    return tuple(dict.fromkeys(found))


@cache
def _dose_terms() -> frozenset[str]:
    return term_set(_DOSE_EN)


def _is_strange(term: str) -> bool:
    """Tell whether a term is a rare Latin word: a drug, a company, a technical term."""
    return weight(term) >= UNSEEN and len(term) > 4 and term.isascii() and term.isalpha()


@cache
def _asked_terms() -> frozenset[str]:
    return term_set(_ASKED_EN)


_ZH_PIECE = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")


def missing_words(asked: Question, held: frozenset[str], most: int = 3) -> list[str]:
    """Return the question's most telling words of which no term is held, as they are written in it, at most `most`."""
    text = _ASKED_ZH.sub(" ", asked.text) if asked.language == "zh" else asked.text
    found: dict[str, float] = {}
    for piece in _ZH_PIECE.findall(text):
        for word in cut_han(piece) if has_han(piece) else [piece]:
            its = term_set(word) & asked.terms
            if its and not its & held:
                found.setdefault(word, max(weight(term) for term in its))
    telling = [word for word in found if found[word] >= _TELLING]
    best = sorted(telling, key=lambda word: -found[word])[:most]
    return sorted(best, key=asked.text.find)
