"""Questions the collection cannot answer: asked of one document, with its subject or period exchanged for another."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from eval.drafts.draft import Draft, Page

_COMPANIES: Final = {
    "en": "Halvorsen Marine plc|Brightwater Mills Inc.|Corvane Optics Corp.|Ashgrove Dairy Group|Tessaly Rail Co.",
    "zh": "海陵远航股份有限公司|云杉乳业股份有限公司|北固精密机械股份有限公司|青梧医药集团股份有限公司",
}
"""Invented: no collection of real reports holds them."""

_DRUGS: Final = {
    "en": "metformin|warfarin|acetaminophen|amoxicillin|aspirin|ibuprofen|linagliptin|apixaban|colchicine|tofacitinib|"
    "doxycycline|levothyroxine|gabapentin|azathioprine|prednisone|insulin|statin|clopidogrel|heparin|digoxin",
    "zh": "阿司匹林|二甲双胍|华法林|布洛芬|对乙酰氨基酚|秋水仙碱|利伐沙班|多西环素|硫唑嘌呤|左甲状腺素|阿莫西林|"
    "氯吡格雷|他汀",
}
"""Drugs that take each other's place; one that occurs anywhere in the collection is not put in."""

_TERMS: Final = {
    ("en", "medical"): "myasthenia gravis|aortic dissection|nephrotic syndrome|acute pancreatitis|status epilepticus",
    (
        "en",
        "financial",
    ): "contango|a credit default swap|a reverse stock split|an inverted yield curve|negative goodwill",
    ("zh", "medical"): "重症肌无力|主动脉夹层|肾病综合征|急性胰腺炎|癫痫持续状态",
    ("zh", "financial"): "期货升水|信用违约互换|反向拆股|收益率曲线倒挂|可转换债券的回售条款",
}
_MEDICAL: Final = re.compile(r"\bmg\b|mmol|mm ?Hg|patient|dose|患者|治疗|用药|诊断", re.IGNORECASE)
_FINANCIAL: Final = re.compile(r"[$€£]|\bUSD\b|income|assets|capital|元|银行|资产|利润|债券", re.IGNORECASE)
_DOSING: Final = re.compile(
    r"(?:.* )?(?:dose|maximum|frequency|interval)|.*(?:剂量|频次|间隔|最大量|用量)", re.IGNORECASE
)
_SECTION: Final = re.compile(
    r"contra-?indications|(?:drug )?interactions|overdose|(?:side|adverse|unwanted) (?:effects|reactions)|warnings"
    r"|storage|pregnancy|monitoring|禁忌(?:症)?|不良反应|(?:药物)?相互作用|注意事项|用法用量|过量|贮藏|适应症",
    re.IGNORECASE,
)
_SHIFT: Final = 20  # years


def drafts(
    pages: Sequence[Page], made: Sequence[tuple[Page, Draft]], chance: random.Random
) -> Iterator[tuple[Page, Draft]]:
    """Yield unanswerable questions made from answerable ones; none whose new subject the collection mentions."""
    everything = "\n".join(f"{page.document.title}\n{page.document.text}" for page in pages).casefold()
    asked: set[str] = set()
    for number, (page, one) in enumerate(made):
        question = _exchanged(page, one, everything, chance, by_period=number % 2 == 0)
        if not question or question in asked:
            continue
        asked.add(question)
        empty = replace(one, kind="unanswerable", question=question, references=(), exact=(), answerable=False)
        yield page, replace(empty, made_from=one.question)


def _exchanged(page: Page, one: Draft, everything: str, chance: random.Random, *, by_period: bool) -> str:
    """Return the question about something that is not there, "" where nothing in it can be exchanged."""
    language = page.language
    year = re.search(r"\d{4}", one.period)
    if one.subject and one.kind == "table" and not (by_period and year):
        other, label = _absent(_COMPANIES[language], everything, chance), one.question.replace(one.subject, "")
        named = one.subject.split(" ")[0].strip(",.") in label
        return one.question.replace(one.subject, other, 1) if other and not named else ""
    if year and one.kind == "table":
        earlier = str(int(year.group()) - _SHIFT - chance.randrange(5))
        plain = re.sub(r"as of [A-Z][a-z]+ \d+, ", "at the end of ", one.question)
        title, mark, asked = plain.rpartition("》" if page.zh else "”")
        known = earlier in everything or year.group() not in asked
        return "" if known else f"{title}{mark}{asked.replace(year.group(), earlier)}"
    if one.kind == "sentence" and one.asked[1]:
        other = _absent(_TERMS[language, _field(page)], everything, chance)
        return one.question.replace(f"“{one.asked[1]}”", f"“{other}”" if page.zh else other) if other else ""
    return _of_another_drug(page, one, everything, chance)


def _of_another_drug(page: Page, one: Draft, everything: str, chance: random.Random) -> str:
    """Return a question asked of a document on a drug, about a drug the collection does not know."""
    names = _DRUGS[page.language]
    dosing = (_SECTION if one.kind == "heading" else _DOSING).fullmatch(one.asked[0])
    if not re.match(names, page.document.title, re.IGNORECASE) or not one.asked[0] or not dosing:
        return ""
    if re.search(names, " ".join(one.asked), re.IGNORECASE):
        return ""
    other = _absent(names, everything, chance)
    if not other:
        return ""
    noun, label = one.asked[0].lower(), one.asked[1]
    if one.kind == "heading":
        return (
            f"关于{other}的{noun}，文档是怎么说的？"
            if page.zh
            else f"What do the documents say about {other} and {noun}?"
        )
    return f"{other}用于{label}，{noun}是多少？" if page.zh else f"What is the {noun} of {other} for {label}?"


def _absent(names: str, everything: str, chance: random.Random) -> str:
    """Return one of the names, parted by bars, that the collection does not mention."""
    free = [name for name in names.split("|") if re.sub(r"^an? ", "", name).casefold() not in everything]
    return chance.choice(free) if free else ""


def _field(page: Page) -> str:
    medical, financial = (len(pattern.findall(page.document.text)) for pattern in (_MEDICAL, _FINANCIAL))
    return "medical" if medical > financial else "financial"
