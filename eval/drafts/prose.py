"""Questions from running text: what a heading covers, definitions, instructions and thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from eval.drafts.draft import Draft, Page, according, decapitalised
from rag.language import HAN, detect_language, has_han, sentence_spans
from rag.schema import Chunk

_GENERIC: Final = re.compile(
    r"(?:summary|notes?|introduction|overview|sources?|references|appendix|about|conclusions?|contents|disclaimer"
    r"|other points|worked example|examples?"
    r"|说明|小结|总结|前言|概述|来源|参考文献|附录|注|提示|目录|其他|计算示例|示例)s?", re.IGNORECASE
)  # fmt: skip
_ASIDE: Final = re.compile(
    r"advice|prepared for|written for|this (?:summary|document|page|note|text)|restate|本文|不构成|依据公开"
    r"|数字来源|示例|资料来源"
    r"|^sources?:|^[-=*_#]{2}|invented|虚构",
    re.IGNORECASE,
)
_POINTS_BACK: Final = re.compile(
    r"(?:it|its|this|that|these|those|they|their|there|he|she|such|both|all|each|one|some|other|another|here|then|also|but|and"
    r"|so|thus|if|when|although|though|while|as|since|because|however|no|any|what|how)\b"
    r"|the (?:former|latter|two|same|table|figures?|other|last|first|rest|company|price|estimate|part)\b"
    r"|这|那|它|其|该|此|两者|二者|上述|以上|同样|因此|但|而|且|并|如果|若|前者|后者|公司|也|另|即|则|其中",
    re.IGNORECASE,
)
_GLOSS: Final = re.compile(r"^(?P<term>[^:：。.;；,，“”\d]{2,60}?)\s?[:：]\s*(?P<body>\S.{14,})$")
_GLOSSARY: Final = re.compile(r"definition|glossary|terms?\b|术语|定义|概念|含义", re.IGNORECASE)
_NO_KIND: Final = (
    r"(?:contraindication|reason|sign|risk|cause|problem|side|common|known|rare|frequent|useful|matter|few)\b"
)
_RANKED: Final = (
    r"(?:\w+est|better|most|least|first|second|last|only|same|usual|main|common|standard|estimated|preferred)\b"
)
_IS_EN: Final = re.compile(
    r"^(?P<term>(?:An? |The )?[A-Z]?[\w'’()/ -]{2,50}?) (?P<verb>is|are|means) "
    rf"(?:an? (?!{_NO_KIND})|the (?!{_RANKED}))(?P<rest>\w.{{10,}})"
)
_IS_ZH: Final = re.compile(
    r"^(?P<term>[^，。：；、（）“”\d]{2,14}?)(?:（[^）]{1,30}）)?(?P<verb>是指|指的是|指(?![定标数导引出南])|是)(?P<rest>[^否不由].{7,})"
)
_ONE: Final = (
    r"(?:[$€£]\s?)?\d[\d,]*(?:\.\d+)?"
    r"(?: ?%| (?!(?:to|and|or|in|of|for|by|with|at|an?|when|if)\b)[a-zA-Zµμ/²³]+(?: ?/ ?\w+)?)?"
    r"(?: (?:a|per) (?:day|week|month|year))?"
)
_VALUE_EN: Final = re.compile(
    r"^(?P<subject>[A-Z](?:(?! (?:is|are|was|were|when|if|until|that|which) )[\w'’()/ -]){4,70}?) "
    r"(?P<verb>is|was|are|were) (?P<value>(?:about |at least |at most |up to |between )?"
    rf"{_ONE}(?: (?:to|and|or) {_ONE})?(?: or (?:less|more|above|below))?)(?P<when> (?:in|for|of) (?:fiscal )?\d{{4}})?"
)
_PLACED: Final = re.compile(r"(?:from|in|at|on|of|for|since|until|before|after|by|with|to|if|when|as)\b", re.IGNORECASE)
_DO_EN: Final = re.compile(
    r"^(?P<verb>Start|Stop|Give|Repeat|Measure|Check|Begin|Restart|Use|Take|Refer|Call|Inject|Test|Monitor|Treat|Reduce|Increase"
    r"|Delay|Withhold|Offer) (?P<rest>[^\d,;:()]{3,60}?) "
    r"(?P<when>(?:only )?(?:when|if|within|every|before|after|until|at least)\b.*\d.*)"
)  # fmt: skip
_WHEN_EN: Final = re.compile(
    r"^(?P<subject>[A-Z][\w'’()/ -]{2,60}?) (?P<verb>is|are) "
    r"(?P<done>(?:not )?(?:\w{3,}ed|given|taken|begun|due|needed))"
    r"(?: only)? (?P<when>(?:when|if|within|every|before|after|until|once)\b[^;]*\d.*)"
)
_ADVERB: Final = re.compile(r" (?:again|only|at once|as soon as possible)$")
_NO_HEADING: Final = re.compile(rf"[-–—]$|^PART\b|[√□|]|\d{{5}}|\d,\d{{3}}|[{HAN}] +[{HAN}]")
_BROKEN: Final = re.compile(rf"[{HAN}] +[{HAN}]|[√□]")
_NUM: Final = r"\d[\d,]*(?:\.\d+)?(?:\s*(?:%|mg|ml|g)?\s*(?:至|～|~|到|—|–|-)\s*\d[\d,]*(?:\.\d+)?)?"
_NO_TERM: Final = re.compile(r"^[一二两三四五六七八九十几]|[均都也分主通常即不]$")
_QUANTITY_ZH: Final = re.compile(
    rf"(?<![\d.,A-Za-z第月/])(?P<number>{_NUM})\s*(?P<unit>%|％|mg/kg|mg/周|mg|μg|g/L|kg|g|ml|mL|mmol/L"
    rf"|mL/min(?:/1\.73 ?m²)?|ml/min|mmHg|cm|mm|岁|天|小时|分钟|周龄|周"
    r"|个月|个工作日|个百分点|万元|亿元|元|倍|次|支|片|剂|(?<!\d{4})年|(?<!\d{4} )年)(?![A-Za-z/月])"
)
_UNIT_LINE: Final = re.compile(r"单位[:：]|\bin (?:thousands|millions|billions)\b", re.IGNORECASE)
_SUM: Final = re.compile(r"[=＝÷×]|\bfor example\b|例如|假设|比如", re.IGNORECASE)
_WH: Final = re.compile(
    r"(?:what|how|when|who|why|where|which|if|before|after|then|next|also|reading|[\d\W])", re.IGNORECASE
)


def drafts(page: Page) -> Iterator[Draft]:
    """Yield questions from the prose of a document."""
    for chunk in page.chunks:
        if chunk.kind == "prose":
            yield from _of_chunk(page, chunk)


def _of_chunk(page: Page, chunk: Chunk) -> Iterator[Draft]:
    lines = [line.strip() for line in chunk.text.split("\n") if line.strip()]
    lines = lines[1:] if lines and lines[0] == page.document.title else lines
    heading = _heading(lines)
    lines = lines[1:] if heading else lines
    if heading and page.named and not _GENERIC.fullmatch(heading) and heading not in page.document.title:
        yield from _section(page, chunk, heading, lines)
    under = " ".join((*chunk.headings, heading))
    for line in lines:
        spans = sentence_spans(line, page.language)
        made = (_sentence(page, chunk, line[start:end].strip(), under) for start, end in spans)
        yield from (one for one in made if one is not None)


def _heading(lines: list[str]) -> str:
    """Return the heading the lines of a chunk begin with, "" where they begin with text."""
    first = lines[0] if len(lines) > 1 else ""
    plain = len(first) <= (24 if has_han(first) else 60) and not _NO_HEADING.search(first)
    plain = plain and not re.search(r"[.。;；:：,，!！?？]$|^\d+[.、)]|^[-•·]", first)
    return first if plain else ""


def _section(page: Page, chunk: Chunk, heading: str, lines: list[str]) -> Iterator[Draft]:
    """What the document says under a heading: all of a short section or list, else its first lines or sentences."""
    lines = [line for line in lines if not _ASIDE.search(line) and not _UNIT_LINE.search(line)]
    most = 260 if page.zh else 600
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) > most:
        lines = lines[:-1]
    body = "\n".join(lines)
    if len(body) > most:
        spans = sentence_spans(body, page.language)
        body = body[: spans[min(1, len(spans) - 1)][1]]
    if (
        not (28 if page.zh else 40) <= len(body) <= most
        or body.endswith((":", "：", ";", "；", ",", "，"))
        or _BROKEN.search(body)
        or re.search(r" \| |[:：]\n[^\n]*$", body)
    ):
        return
    title = page.document.title
    if page.zh:
        question = f"《{title}》中关于“{heading}”是怎么说的？"
    elif _WH.match(heading) or ":" in heading:
        question = f"What does “{title}” say under “{heading}”?"
    else:
        question = f"What does “{title}” say about {decapitalised(page, heading)}?"
    about = "" if _WH.match(heading) or len(heading) > 30 or re.search(r"\d", heading) else decapitalised(page, heading)
    yield Draft("heading", question, (body,), chunk, body, asked=(about, ""))


def _sentence(page: Page, chunk: Chunk, sentence: str, under: str) -> Draft | None:
    zh = detect_language(sentence) == "zh"
    most = 110 if zh else 320
    if (
        len(sentence) > most
        or _BROKEN.search(sentence)
        or sentence in page.document.title
        or _ASIDE.search(sentence)
        or _SUM.search(sentence)
        or " | " in sentence
    ):
        return None
    gloss = _GLOSS.match(sentence)
    back = _POINTS_BACK.match(sentence)
    if gloss and not back and _GLOSSARY.search(f"{page.document.title} {under}") and len(gloss["term"].split()) <= 6:
        return _definition(page, chunk, gloss["term"], sentence)
    if back or gloss:
        return None
    return _in_chinese(page, chunk, sentence) if zh else _in_english(page, chunk, sentence)


def _definition(page: Page, chunk: Chunk, term: str, sentence: str) -> Draft:
    bare = re.sub(r"\s?[(（][^()（）]*[)）]$", "", re.sub(r"^(?:An?|The) ", "", term.strip()))
    question = f"“{bare}”是什么意思？" if has_han(bare) else f"What is meant by “{bare}”?"
    return Draft("sentence", question, (sentence,), chunk, sentence, asked=("", bare))


def _in_english(page: Page, chunk: Chunk, sentence: str) -> Draft | None:
    value = _VALUE_EN.match(sentence)
    if value and not _PLACED.match(value["subject"]):
        subject = decapitalised(page, value["subject"])
        body = f"what {value['verb']} {subject}{value['when'] or ''}?"
        exact = value["value"].strip(" .,")
        return _figure(page, chunk, according(page, body), exact, sentence)
    order = _DO_EN.match(sentence)
    if order:
        body = f"when should one {order['verb'].lower()} {_ADVERB.sub('', order['rest'])}?"
        return Draft("sentence", according(page, body), (sentence,), chunk, sentence)
    under = _WHEN_EN.match(sentence)
    if under and not re.fullmatch(r"The \w+", under["subject"]):
        subject = decapitalised(page, under["subject"])
        body = f"when {under['verb']} {subject} {under['done']}?"
        return Draft("sentence", according(page, body), (sentence,), chunk, sentence)
    meant = _IS_EN.match(sentence)
    if (
        meant
        and len(meant["term"].split()) <= 6
        and not re.search(r"\b(?:of|which|that|what|if|and|or)\b", meant["term"])
    ):
        return _definition(page, chunk, meant["term"], sentence)
    return None


def _in_chinese(page: Page, chunk: Chunk, sentence: str) -> Draft | None:
    meant = _IS_ZH.match(sentence)
    if (
        meant
        and not _NO_TERM.search(meant["term"])
        and (meant["verb"] != "是" or re.match(r"一种|一类|以|企业|银行|公司|衡量|反映|用|指|商业", meant["rest"]))
    ):
        return _definition(page, chunk, meant["term"], sentence)
    found = list(_QUANTITY_ZH.finditer(sentence))
    fit = [one for one in found if one.start() > 3 and not _is_date(one, sentence)]
    if not fit or len(found) > 3 or len(sentence) < 12 or re.search(r"[；：]", sentence):
        return None
    one = fit[0]
    unit = one["unit"]
    asked = "百分之多少" if unit in "%％" else f"多少{'' if not unit.isascii() else ' '}{unit}"
    rest, comma, beyond = sentence[one.end() :].partition("，")
    rest = f"{rest}{comma}{beyond}" if comma and not re.search(r"\d", beyond) else rest
    rest = rest.lstrip() if not unit.isascii() or unit == "%" else rest
    body = f"{sentence[: one.start()].rstrip()}{asked}{rest}".rstrip("。；;.")
    return _figure(page, chunk, according(page, f"{body}？"), one.group(), sentence)


def _is_date(one: re.Match[str], sentence: str) -> bool:
    """Tell whether a number is a year, or the end of a range that begins in words."""
    year = one["unit"] == "年" and len(one["number"]) == 4
    each = sentence[: one.start()].rstrip().endswith(("每上升", "每下降", "每增加", "每减少"))
    return year or each or sentence[: one.start()].rstrip().endswith(("至", "到", "～", "或", "和", "、"))


def _figure(page: Page, chunk: Chunk, question: str, exact: str, sentence: str) -> Draft | None:
    """A question for a figure: the figure alone and the sentence that holds it are both right."""
    return Draft("sentence", question, (exact, sentence), chunk, sentence, "number", exact=(exact,))
