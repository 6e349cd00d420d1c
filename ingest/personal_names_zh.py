"""Names of persons in Chinese text: surnames, characters that given names are made of, labels and titles around them.

What the dictionary of the word cutter takes for a person's name counts where it begins with a surname. Words that begin
like a name (高血压, 白细胞, 何首乌) and companies named after persons are left.
It does not know a name of a rare surname that stands free in a sentence, nor names of one character alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

from ingest.identifiers import Span
from ingest.personal_names import lines_of, outermost, words_of

_HAN = r"\u4e00-\u9fff"
_TITLES = (
    "先生|女士|小姐|太太|医生|医师|大夫|主任|副主任|护士长|护士|教授|院长|经理|律师|老师|同志|阿姨|师傅|博士|科长"
    "|处长|局长|行长|董事长|总监|警官|叔叔|爷爷|奶奶|总"
)
_LABEL = (
    r"(?:(?:客户|患者|病人|申请人|投保人|被保险人|持卡人|账户|联系人|法人|家属|员工|乘客|驾驶员)?(?:姓名|名字"
    r"|称呼)|患者|病人|产妇|联系人|紧急联系人|投保人|被保险人"
    r"|受益人|法定代表人|法人代表|户名|持卡人|收款人|付款人|汇款人|申请人|借款人|担保人|监护人|委托人|代理人"
    r"|授权人|推荐人|介绍人|经办人|受理人|审核人?|复核人?|制表人?"
    r"|报告人|记录人?者?|陪护人?|家属|(?:主管|主治|住院|主任|副主任|责任|接诊|转诊|介绍|会诊|送检|检验|审核|报告"
    r"|首诊|手术|麻醉)?(?:医师|医生|护士|药师|技师)|主刀|助手"
    r"|客户经理|理财经理|业务员|发件人|收件人|抄送|寄件人|收货人|证人|驾驶员|司机|户主|配偶|父亲|母亲|丈夫|妻子)"
    r"(?:[(（]?(?:签名|签字|签章|盖章)[)）]?)?"
)
_SURE = re.compile(r"\S{0,4}(?:姓名|患者|病人|产妇|户名|联系人|保险人|投保人|签名|签字)")
_WHO = (
    r"(?:患者|病人|产妇|患儿|家属|其?(?:妻子?|丈夫|儿子?|女儿?|父亲?|母亲?|子|女|配偶|兄|弟|姐|妹|哥哥|弟弟|姐姐"
    r"|妹妹)|先生叫|我叫|我是|名叫|叫做|司机|护士|医生|医师|客户经理|经理"
    r"|董事长|总经理|行长|代表人|尊敬的|亲爱的|本人|兹有|投保人|被保险人|受益人|申请人|联系人)"
)
_POSTS = ("主任", "副主任", "院长", "经理", "科长", "处长", "局长", "行长", "董事长", "总监", "老师", "同志", "律师")
_TITLED = re.compile(rf"(?=([{_HAN}])({_TITLES}))")
_LABELLED = re.compile(rf"{_LABEL}[^\S\n]*[:：|][^\S\n]*([{_HAN}]{{2,14}}(?:[·•][{_HAN}]+)*)")
_TOLD = re.compile(rf"{_WHO}([{_HAN}]{{2,4}})")
_ALONE = re.compile(rf"(?m)^[^\S\n]*([{_HAN}]{{2,4}})[^\S\n]*(?:[:：]|$|\d{{4}}[年/-])")
_STOP = re.compile(
    r"性别|年龄|男|女|先生|女士|医生|医师|日期|电话|手机|住址|住院|门诊|病历|签|于|与|和|及|因|诉|在|自|来|为|是"
    r"|已|之|的|年|月|日|身份|身高|出生|系|共|经|由|向|等|将|应|可|需|并"
)
_ENDS = re.compile(
    rf"[^{_HAN}]|$|性别|年龄|[男女](?![{_HAN}])|因|于|自|诉|的|自述|系|在|来|已|与|和|及|为|今|目前|现|今日|驾|主"
    rf"|有|术后|生命|疼痛|一般|神志|明天|入院|出院|等|表示|认为|说|指出|签"
)
_NO_LAST = frozenset("人费率额性期者品药症病科部处局行款价费量值表")
_FIRM = re.compile(
    r"(?:股份|集团|公司|银行|医药|药业|科技|证券|保险|基金|珠宝|酒|牌|医院|大学|路|街|区|县|市|省|镇|乡|村|病|症"
    r"|综合征|片|胶囊|颗粒|注射液|丸|散|汤|素|酸|钠|酯|灵)"
)


def chinese_names(text: str) -> list[Span]:
    """Return the names of persons in a text in Chinese, in order, without titles; they do not overlap."""
    tokens = _tokens(text)
    edges = {start for start, _, _ in tokens} | {end for _, end, _ in tokens}
    found = set(_free(text, tokens)) | set(_titled(text, edges, {(a, b) for a, b, kind in tokens if kind == "nr"}))
    for match in _LABELLED.finditer(text):
        found.update(_labelled(text, *match.span(1), _SURE.match(match.group()) is not None))
    for pattern in (_TOLD, _ALONE):
        for match in pattern.finditer(text):
            found.update(_begun(text, match.start(1), False))
    found.update(match.span(1) for match in _foreign(text))
    named = {span for span in found if not _is_other(text, *span)}
    names = sorted({text[a:b] for a, b in named if b - a > 1}, key=len, reverse=True)
    if names:
        named.update(match.span() for match in re.finditer("|".join(map(re.escape, names)), text))
    return [Span(a, b, "NAME") for a, b in outermost(named)]


def _tokens(text: str) -> list[tuple[int, int, str]]:
    """Cut by dictionary; return (start, end, part of speech)."""
    import rjieba

    tagged = rjieba.tag(text)
    ends = list(accumulate(len(word) for word, _ in tagged))
    if "".join(word for word, _ in tagged) != text:
        return []
    return [(end - len(word), end, kind) for (word, kind), end in zip(tagged, ends, strict=True)]


@cache
def _given() -> frozenset[str]:
    return frozenset(char for word in words_of("given_zh") for char in word)


@cache
def _rare() -> frozenset[str]:
    """Surnames that are rather ordinary words."""
    return frozenset(
        "于时单成全应和方明国能从来那干都包白高黄金石马安常向左文章关解管计项车连位元银相平通但公哈者以原惠沙花商易阿信封展敬严卫权索终游谈储经农盛盖阳温水乐满冷曾华尹"
    )


@cache
def _common() -> frozenset[str]:
    """Surnames frequent enough, and rarely enough an ordinary word, to be believed in the middle of a sentence."""
    return frozenset(lines_of("surnames_zh")[0][:200]) - _rare()


def _surname(text: str) -> int:
    """Return the length of the surname that a text begins with, 0 for none."""
    surnames = _surnames()
    return 2 if text[:2] in surnames else 1 if text[:1] in surnames else 0


@cache
def _surnames() -> frozenset[str]:
    listed = words_of("surnames_zh")
    return frozenset(word for word in listed if len(word) == 2) | frozenset(
        char for word in listed if len(word) > 2 for char in word
    )


def _looks_given(text: str) -> bool:
    return bool(text) and all(char in _given() for char in text)


def _free(text: str, tokens: list[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Yield what the dictionary takes for a person's name and begins with a surname, be it cut off before it."""
    before = (0, 0)
    for start, end, kind in tokens:
        word = text[start:end]
        surname = _surname(word)
        if kind == "nr" and 2 <= len(word) <= 2 + surname and word[-1] not in _NO_LAST:
            usual = word[0] in _common() or (len(word) > 2 and word[0] not in _rare())
            if surname == 2 or (usual and _looks_given(word[surname:])):
                yield start, end
        cut_off = before[1] == start == before[0] + 1 and text[before[0]] in _common()
        if kind == "nr" and len(word) == 2 and not surname and cut_off and _looks_given(word):
            yield before[0], end
        before = (start, end)


def _titled(text: str, edges: set[int], names: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the surname, or the whole name, before a title."""
    for match in _TITLED.finditer(text):
        end = match.start(2)
        for size in (4, 3, 2, 1):
            start = end - size
            if start < 0:
                continue
            candidate = text[start:end]
            surname = _surname(candidate)
            edge = start in edges or not re.match(rf"[{_HAN}]", text[max(0, start - 1) : start] or " ")
            rest = candidate[surname:]
            if (size == 1 and candidate in _rare() and match[2] in _POSTS) or (size == 1 and match[2] == "总"):
                continue
            if surname and edge and len(rest) <= 2 and ((start, end) in names or not rest or _looks_given(rest)):
                yield start, end
                break


def _labelled(text: str, start: int, end: int, sure: bool) -> Iterator[tuple[int, int]]:
    """Yield the name behind a label and a colon: up to the end of the run where it is short, else by its surname."""
    run = text[start:end]
    if "·" in run or "•" in run:
        yield start, end
        return
    stop = _STOP.search(run, 2)
    run = run[: stop.start()] if stop else run
    if len(run) <= 4:
        likely = len(run) <= 2 + _surname(run) <= 4 and _surname(run)
        if len(run) >= 2 and (likely or sure) and run not in words_of("not_names_zh"):
            yield start, start + len(run)
        return
    yield from _begun(text, start, True)


def _begun(text: str, start: int, sure: bool) -> Iterator[tuple[int, int]]:
    """Yield the name that begins here: a surname, then one or two characters of given names, then an end."""
    surname = _surname(text[start : start + 2])
    if not surname:
        return
    for size in (2, 1):
        end = start + surname + size
        rest = text[start + surname : end]
        ended = _ENDS.match(text, end)
        likely = _looks_given(rest) or (sure and text[start] not in _rare())
        if len(rest) == size and ended and likely and re.fullmatch(rf"[{_HAN}]+", rest):
            yield start, end
            return


def _foreign(text: str) -> Iterator[re.Match[str]]:
    """Yield names of several parts with a dot between them, without the word that stands before."""
    lead = rf"(?:{_WHO}|{_LABEL}|(?<![{_HAN}]))"
    yield from re.finditer(
        rf"{lead}((?!患者|病人|[{_HAN}]{{0,5}}(?:网|报|记者|公司))[{_HAN}]{{2,6}}(?:[·•][{_HAN}]{{1,6}}?)+)(?=[^{_HAN}]|的|说"
        rf"|表示|因|于|自|系|$)",
        text,
    )


def _is_other(text: str, start: int, end: int) -> bool:
    """Tell whether what looks like a name is an ordinary word or part of one, a drug, a company."""
    word = text[start:end]
    if end - start == 1:
        return False
    others = words_of("not_names_zh")
    if any(text[start : start + size] in others for size in (2, 3, 4, 5)):
        return True
    return _FIRM.match(text, end) is not None or (not _surname(word) and "·" not in word and len(word) < 2)
