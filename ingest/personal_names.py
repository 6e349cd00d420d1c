"""Names of persons in English text, by word lists and by what stands around them: titles, labels, signatures.

A name found once is found everywhere in the text, its parts too where they are no ordinary word. A name that stands for
a disease, a test or a company is left ("Parkinson's disease", "Morgan Stanley").
It does not know names that are in no list and have nothing around them that tells.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from ingest.identifiers import Span

_UP = r"[A-ZÀ-ÖØ-ÞŁŚŠŻŽ]"
_LOW = r"[a-zß-öø-ÿłśšżžńćęąě]"
_TOKEN = rf"(?:{_UP}[’'])?(?:{_UP}{_LOW}+(?:{_UP}{_LOW}+)?|{_UP}{{2,}})(?:-{_UP}[\w]+)*"
_INITIAL = rf"{_UP}\.?"
_PARTICLE = (
    r"(?:van der|van den|van de|van|von|de la|de los|del|de|da|dos|di|la|le|al|el|bin|ibn|ter|VAN DER|VAN|VON|DE LA|DE)"
)
_NEXT = rf"(?:(?:{_PARTICLE} )*(?:{_TOKEN})|{_UP}\.|al-{_TOKEN})"
_NAME = rf"(?:{_TOKEN}|{_UP}\.)(?: {_NEXT}(?![\w@])){{0,3}}"
_LASTFIRST = rf"{_TOKEN}, {_TOKEN}(?: {_TOKEN})?"
_TITLE = r"(?:Dr|Mr|Mrs|Ms|Miss|Mx|Prof|Professor|Nurse|Sir|Dame|Rev|Sister|Judge|Capt|Sgt)\.?"
_LABEL = (
    r"(?:(?:patient|full|legal|first|last|middle|maiden|client|customer|member|insured|beneficiary|account holder"
    r"|doctor)(?:'s)? name|name"
    r"|pt\.?|patient|insured|policy ?holder|claimant|beneficiary|account ?holder|card ?holder|applicant|borrower"
    r"|payee|client|customer"
    r"|attending(?: physician| surgeon)?|referring (?:physician|provider)|ordering (?:physician|provider)"
    r"|(?:primary care )?physician"
    r"|provider|surgeon|(?:staff )?nurse|clinician|consultant|next of kin|emergency contact|guardian|spouse"
    r"|witness(?:ed)?|signed|signature"
    r"|dictated|transcribed|reviewed|from|to|cc|bcc|attn|attention|contact(?: person)?|employee|director|advisor"
    r"|agent|guarantor|co-signer)"
    r"(?: by)?"
)
_RELATION = (
    r"(?:wife|husband|son|daughter|brother|sister|mother|father|partner|spouse|fianc[ée]e?|niece|nephew|uncle|aunt"
    r"|cousin"
    r"|grand(?:son|daughter|mother|father)|caregiver|carer|guardian|friend|neighbou?r|veteran|female|male|lady"
    r"|gentleman|roommate)"
)
_CREDENTIAL = (
    r"(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|C\.?P\.?A|FNP|P\.?T|D\.?D\.?S|PharmD|LCSW|MBBS|FRCP|Esq|CFA"
    r"|LPN|BSN|DNP|APRN|OTR|MPH)\b"
)
_BEFORE: tuple[str, ...] = (
    rf"\b{_TITLE} (?P<n>{_NAME})",
    rf"\b(?i:{_LABEL})[^\S\n]*[:：|][^\S\n]*(?:{_TITLE} )?(?P<n>{_LASTFIRST}|{_NAME})",
    rf"(?m)^(?:Pt\.?|Patient) (?P<n>{_NAME})",
    rf"\bPt\.? (?P<n>{_NAME})",
    rf"\b(?:[Dd]ear|Hi|Hello|Hey) (?:{_TITLE} )?(?P<n>{_NAME})(?=\s*[,:!]|\s*$)",
    rf"\b(?i:signed|reviewed|dictated|seen|performed|prepared|written|witnessed|approved|transcribed"
    rf"|referred) by:? (?:{_TITLE} )?(?P<n>{_NAME})",
    rf"\b(?:my name is|name is|named|ask for|speak (?:to|with)|c/o|on behalf of|care of) (?:{_TITLE} )?(?P<n>{_NAME})",
    rf"\b(?i:{_RELATION}),? (?P<n>{_NAME})",
    rf"(?im:^(?:(?:with )?(?:kind|best|warm) |yours )?(?:regards|wishes|sincerely|faithfully|truly|thanks"
    rf"|thank you|best|cheers|respectfully)[,.]?)"
    rf"\s*\n\s*(?:{_TITLE} )?(?P<n>{_NAME})[^\S\n]*(?=\n|$|,)",
    rf"(?<![\w-])(?P<n>{_NAME}),? {_CREDENTIAL}",
    rf"(?<![\w-])(?P<n>{_LASTFIRST}),? {_CREDENTIAL}",
    rf"(?<![\w-])(?P<n>{_NAME}) <(?=[^\s@<>]+@|\[)",
)
_SURE = re.compile(rf"{_TITLE} |(?i:dear|hi |hello|hey|pt\b|patient|{_RELATION}\b|[\w ']{0, 30}name\b)")
_CONTEXT = tuple(re.compile(pattern) for pattern in _BEFORE)
_FREE = re.compile(rf"(?<![\w@/.-]){_NAME}")
_TURNED = re.compile(rf"(?<![\w@/.-])(?P<s>{_TOKEN}), (?P<g>{_TOKEN})(?: {_TOKEN}|(?: {_UP}\.))?(?![\w-])")
_AFTER_EPONYM = re.compile(
    r"(?:['’]s?)?[ -](?:(?:cell|type|body|bodies|coma|B|C|and \w+) )?(?:disease|syndrome|sign|test|palsy|score"
    r"|scale|lymphoma|colitis"
    r"|thyroiditis|phenomenon|stain|catheter|drain|index|criteria|classification|reflex|maneuver|manoeuvre|method"
    r"|model|rule|act|sarcoma"
    r"|tumou?r|fracture|contracture|lactate|esophagus|oesophagus|granulomatosis|anemia|anaemia|antibod|lines"
    r"|dementia|chorea|ulcer"
    r"|procedure|operation|incision|point|triad|law|effect|ratio|equation|distribution|regression|curve|estimate)",
    re.IGNORECASE,
)
_FIRM = re.compile(
    r"(?:['’]s)?,? (?:&|and [A-Z]|Inc|Corp|LLC|LLP|Ltd|PLC|plc|Co\b|Company|Group|Bank|Holdings?|Hospital|Clinic"
    r"|University|Institute|Foundation"
    r"|Pharma\w*|Laborator\w+|Partners|Capital|Securities|Financial|Insurance|Medical|Center|Centre|Street|St\b"
    r"|Avenue|Road|County|Trust|School"
    r"|College|Brothers|Bros|Industries|Technologies|Energy|Foods|Motors?|Stores|Airlines|Memorial|Fund|Award"
    r"|Act\b|Index|Report)"
)
_PINYIN = re.compile(
    r"(?:(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|an|ao|ei|en|er"
    r"|ia|ie|in|iu|ou|ua|ue|ui|un|uo"
    r"|a|e|i|o|u|v)){1,2}",
    re.IGNORECASE,
)


@cache
def lines_of(name: str) -> tuple[str, ...]:
    """Return the lines of a word list of this package, remarks left out."""
    text = (files("ingest") / "names" / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def words_of(name: str) -> frozenset[str]:
    """Return the words of a word list, lower-cased."""
    return frozenset(word.lower() for line in lines_of(name) for word in line.split())


def english_names(text: str) -> list[Span]:
    """Return the names of persons in a text in English, in order, without titles; they do not overlap."""
    firms = _firms(text)
    found: set[tuple[int, int]] = set()
    common = _ordinary(text)
    for pattern in _CONTEXT:
        for match in pattern.finditer(text):
            surely = _SURE.match(match.group()) is not None
            told = _trimmed(text, *match.span("n"))
            found.update(span for span in told if _told(text[slice(*span)], common, surely))
    for match in _FREE.finditer(text):
        found.update(span for span in _trimmed(text, *match.span()) if _is_name(text, *span))
    for match in _TURNED.finditer(text):
        if _turned(match["s"], match["g"]):
            found.add(match.span())
    named = {span for span in found if not _is_other(text, *span, firms)}
    named |= {span for span in _again(text, {text[a:b] for a, b in named}, common) if not _is_other(text, *span, firms)}
    return [Span(a, b, "NAME") for a, b in outermost(named)]


def outermost(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans in order, those that overlap joined."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span without the words at its edges that are no part of a name, cut at the first inside."""
    tokens = list(re.finditer(r"[^\s,]+", text[start:end]))
    no_name = words_of("not_names")
    while tokens and _plain(tokens[0].group()) in no_name:
        tokens.pop(0)
    for i, token in enumerate(tokens):
        if i and _plain(token.group()) in no_name and not _given(token.group()):
            tokens = tokens[:i]
            break
    body = " ".join(token.group() for token in tokens)
    if tokens and len(re.sub(r"[\W\d_]", "", body)) > 1:
        yield start + tokens[0].start(), start + tokens[-1].end()


def _ordinary(text: str) -> frozenset[str]:
    """Return the words that the text also writes in small letters: they name nobody."""
    return frozenset(re.findall(rf"(?<![\w@.-]){_LOW}{{3,}}(?![\w@])", text))


def _told(name: str, common: frozenset[str], surely: bool) -> bool:
    """Tell whether what stands behind a title or a label can be a name: a lone word must be known, or told surely."""
    tokens = name.split()
    if len(tokens) > 1:
        return not all(_plain(token) in common for token in tokens)
    known = _given(name) or _surname(name)
    ordinary = _plain(name) in common or _plain(name).removesuffix("s") in common or name.isupper()
    return known or (surely and not ordinary)


def _plain(token: str) -> str:
    return token.strip(".,'’").lower()


def _given(token: str) -> bool:
    plain = _plain(token)
    return plain in words_of("given_en") or ("-" in plain and plain.split("-")[0] in words_of("given_en"))


def _surname(token: str) -> bool:
    return any(part in words_of("surnames_en") for part in _plain(token).split("-"))


def _is_name(text: str, start: int, end: int) -> bool:
    """Tell whether capitalised words with nothing around them are a person's name, by the word lists."""
    tokens = text[start:end].split()
    if len(tokens) < 2:
        return False
    first, last = tokens[0], tokens[-1]
    known = _plain(last) in words_of("eponyms") or _plain(last) in words_of("not_names")
    if _given(first) and len(_plain(last)) > 1:
        return not known or _surname(last)
    if re.fullmatch(_INITIAL, first):
        return _surname(last) and first.endswith(".")
    return _pinyin(tokens)


def _pinyin(tokens: list[str]) -> bool:
    """Tell whether two words are a Chinese name in Latin letters, surname first or last."""
    if len(tokens) != 2 or any(token.isupper() for token in tokens):
        return False
    surnames = words_of("pinyin_surnames")
    for surname, given in (tokens, tokens[::-1]):
        plain = given.replace("-", "").lower()
        if surname.lower() in surnames and len(plain) > 3 and _PINYIN.fullmatch(plain):
            return plain not in words_of("not_names")
    return False


def _turned(surname: str, given: str) -> bool:
    """Tell whether "Surname, Given" is a name: both known, or the surname in capitals and the other known."""
    if min(len(surname), len(given)) < 3:
        return False
    return (
        _given(given) and _plain(given) not in words_of("not_names") and (_surname(surname) or surname[1:].isupper())
    ) or (_surname(surname) and surname[1:].isupper() and given[1:].isupper())


def _firms(text: str) -> list[tuple[int, int]]:
    pattern = _firm_pattern()
    return [match.span() for match in pattern.finditer(text)]


@cache
def _firm_pattern() -> re.Pattern[str]:
    names = sorted(lines_of("organisations"), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)


def _is_other(text: str, start: int, end: int, firms: list[tuple[int, int]]) -> bool:
    """Tell whether what looks like a name is a company, a place or a term named after somebody."""
    at = bisect_right(firms, (start, len(text)))
    if any(a < end and start < b for a, b in firms[max(0, at - 1) : at + 1]):
        return True
    last = text[start:end].split()[-1]
    eponym = any(part in words_of("eponyms") for part in (_plain(last), *_plain(last).split("-")))
    if eponym and (_AFTER_EPONYM.match(text, end) or (" " not in text[start:end] and re.match(r"['’]", text[end:]))):
        return not re.search(rf"\b{_TITLE} $", text[max(0, start - 12) : start])
    return _FIRM.match(text, end) is not None and not re.search(rf"\b{_TITLE} $", text[max(0, start - 12) : start])


def _again(text: str, names: set[str], common: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yield every other place of the names, and of their parts that mean nothing else."""
    parts: set[str] = set()
    for name in names:
        parts.add(name)
        for token in re.split(r"[\s,]+", name):
            plain = _plain(token)
            usual = plain in words_of("not_names") or plain in words_of("eponyms") or plain in common
            if len(plain) > 2 and token[:1].isupper() and not usual:
                parts.add(token.strip("."))
    if not parts:
        return
    wanted = "|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True))
    for match in re.finditer(rf"(?<![\w@/.-])(?:{wanted})(?![\w@])(?!-[A-Z])", text):
        yield match.span()
