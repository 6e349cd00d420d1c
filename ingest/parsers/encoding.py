"""In what encoding a text is written: by its mark, else by what its bytes would say in each that is likely.

English and Chinese are told apart: UTF-8, UTF-16 (with or without a mark), GB18030 (with GBK and GB2312), Big5, else
Windows-1252. Japanese and Korean encodings are not known.
"""

from __future__ import annotations

import codecs

SAMPLE = 1 << 20  # bytes that are looked at
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The characters that make up some half of modern Chinese text, simplified and traditional.
_COMMON = frozenset(
    "的一是不了在人有我他这这個个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好看起发当没"
    "成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知世什两次使身者被高已亲其进"
    "此话常与活正感见明问力理尔点文几定本公特做外孩相西果走将月十实向声车全信重三机工物气每并别真打太新比才便夫再书部水像眼等体却加电主界门利"
    "这個們來時為說國著後會過對麼學發當沒還樣種開總從無現頭動經長兒愛給間兩親進話與見問點幾將實聲車機氣並別書體電門於"
    "收入利润资产负债股份公司银行基金投资年度报告同比增长下降百分元万亿金额营业净额现金流量期末期初合并项目单位"
    "潤資產負債銀行報告增長營業淨額現萬億幣險貸款醫療藥劑病患者治療診斷檢查"
    "患者治疗诊断检查药物剂量症状临床研究血压糖尿病高血压医院手术感染建议，。、；：？！（）“”《》％"
)


def encoding_of(head: bytes) -> str:
    """Guess the encoding of a text from its first bytes."""
    head = head[:SAMPLE]
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\x00" not in head and _is_utf8(head):
        return "utf-8"
    wide = utf16_of(head)
    if wide:
        return wide
    if _is_utf8(head):
        return "utf-8"
    scores = {name: _score(head[:65_536], name) for name in ("gb18030", "big5hkscs")}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= 0.25 else "cp1252"


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return True


def utf16_of(head: bytes) -> str | None:
    """Return the UTF-16 that bytes without a mark are written in; None where they are not."""
    sample = head[: min(4096, len(head) - len(head) % 2)]
    if len(sample) < 4:
        return None
    for name in ("utf-16-le", "utf-16-be"):
        text = sample.decode(name, "replace")
        likely = sum(char in "\t\r\n" or " " <= char <= "~" or _is_plain(char) for char in text)
        known = sum(char in "\t\r\n" or " " <= char <= "~" or char in _COMMON for char in text)
        if likely >= 0.97 * len(text) and known >= 0.3 * len(text):
            return name
    return None


def _is_plain(char: str) -> bool:
    """Tell whether a character is one of Western or Chinese text."""
    code = ord(char)
    latin = 0xA0 <= code <= 0x17F or 0x2010 <= code <= 0x203F or code == 0x20AC
    return latin or 0x3000 <= code <= 0x303F or 0x4E00 <= code <= 0x9FFF or 0xFF00 <= code <= 0xFFEF


def _score(head: bytes, name: str) -> float:
    """Return the share of common Chinese characters among those that are not ASCII, less the broken ones."""
    text = codecs.getincrementaldecoder(name)("replace").decode(head)
    other = [char for char in text if char > "\x7f"]
    if not other:
        return 0.0
    common = sum(char in _COMMON for char in other)
    broken = other.count("\ufffd")
    return (common - 4 * broken) / len(other)
