"""Text made plain: what every parser does to the characters it found, before offsets are counted.

Nothing here knows about documents or formats. Meaning is never normalised away: superscripts, fractions, full-width
punctuation and scripts written right to left stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_SPACE = re.compile(r"[\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_DROP = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f\u00ad\u200b\u2060\ufeff\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    r"\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_FOLD = re.compile(r"[\ufb00-\ufb06\uf900-\ufaff\u2f00-\u2fdf\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_C1 = re.compile(r"[\x80-\x9f]")  # control characters: where text holds one, its bytes were Windows-1252
_BULLETS = re.compile(r"[\uf0a7\uf0b7\uf0d8\uf0fc\uf076\uf06e\uf0a8]")
_BROKEN = re.compile(r"[\ud800-\udfff]")
HAN_SIDE = r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff01-\uff60]"
_HAN_GAP = re.compile(rf"(?<={HAN_SIDE}) (?={HAN_SIDE})")
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:page\s*)?[-–—]?\s*(?:[a-z]-)?\d{1,4}\s*[-–—]?(?:\s*(?:of|/)\s*\d{1,4})?|[ivxlc]{1,6}|第\s*\d+\s*页.*|\d+\s*/\s*\d+",
    re.IGNORECASE,
)


def clean_line(text: str) -> str:
    """Return one line of text: ligatures, CJK compatibility forms and full-width letters and digits folded.

    Control and zero-width characters go, those that turn the order of writing and invisible tags too; lone surrogates
    become U+FFFD, white space becomes single spaces.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    if not text.isascii():
        text = _FOLD.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)
        text = _BROKEN.sub("\ufffd", _BULLETS.sub("•", text))
        text = _C1.sub(lambda found: bytes([ord(found.group())]).decode("cp1252", "ignore"), text)
    text = _DROP.sub("", text)
    return _SPACE.sub(" ", text).strip()


def clean_lines(text: str) -> list[str]:
    """Return the cleaned lines of a text; every kind of line end counts, empty lines come back as ""."""
    return [clean_line(line) for line in text.splitlines()]


def close_han_gaps(text: str) -> str:
    """Remove the blanks that a layout put between Chinese characters."""
    return text if text.isascii() else _HAN_GAP.sub("", text)


def join_wrapped(lines: Iterable[str], words: Counter[str] | None = None) -> str:
    """Join the lines of one paragraph.

    No blank is put between Chinese lines. A hyphen at the end of a line is kept, unless `words` (the words of the
    document) knows the joined word and never the hyphenated one. U+0002 is PDFium's own sign for a soft hyphen.
    """
    joined = ""
    for line in lines:
        if not joined:
            joined = line
        elif joined[-1] == "\x02":
            joined = joined[:-1] + line
        elif joined[-1] == "-" and len(joined) > 1 and joined[-2].isalpha() and line[:1].islower():
            joined = _join_hyphen(joined, line, words)
        elif re.match(HAN_SIDE, joined[-1]) and re.match(HAN_SIDE, line[:1]):
            joined += line
        else:
            joined += " " + line
    return joined.replace("\x02", "")


def _join_hyphen(left: str, right: str, words: Counter[str] | None) -> str:
    head = re.split(r"[\s(]", left[:-1])[-1].lower()
    tail = re.split(r"[^\w-]", right, maxsplit=1)[0].lower()
    if words and words[head + tail] > words[f"{head}-{tail}"]:
        return left[:-1] + right
    return left + right


def is_page_number(line: str) -> bool:
    """Tell whether a line at the edge of a page is nothing but its number."""
    return len(line) <= 24 and _PAGE_NUMBER.fullmatch(line.strip()) is not None


def running_lines(pages: Sequence[Sequence[str]], edge: int = 3) -> set[str]:
    """Return the running headers and footers: lines that recur, digits apart, at the top or bottom of the pages.

    A line recurs when it stands on at least three pages and on a fifth of all. Keys are made by `running_key`.
    """
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({running_key(line) for line in (*lines[:edge], *lines[-edge:])})
    least = max(3, len(pages) // 5)
    return {key for key, count in seen.items() if count >= least and key.strip("# ")}


def running_key(line: str) -> str:
    """Return the line with every number replaced by "#"."""
    return _DIGITS.sub("#", line.strip().lower())
