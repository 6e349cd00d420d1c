"""Lines that a whole batch repeats are found and told; lines about printing, copying and rights may be left out.

What a batch repeats stays where it is: a warning that the law puts into every label is repeated, too, and a reader
needs it. Only what tells nothing but how the page was made may go from the passages (never from the text), and that is
decided by the line alone, so that the order of files, a resumed run or the number of workers change nothing. A line
that holds a figure other than a year, a date or a number of pages stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.clean import running_key
from rag.language import HAN
from rag.schema import Chunk, Document

SHARE: Final = 0.2
"""Share of the documents from which a line counts as repeated, ..."""
LEAST: Final = 5
"""... and how many they must be."""
MOST_LINES: Final = 100_000
"""Lines that are counted at a time."""
LONGEST: Final = 2_000
"""Characters of such a line."""
_HAN = re.compile(f"[{HAN}]")
_PAGE_MAKING = re.compile(
    r"(?:©|\(c\)|copyright\b)[^.]*(?:\. ?all rights reserved)?|[^.]{0,60}\ball rights reserved"
    r"|(?:printed|downloaded|retrieved|exported) (?:from|on|by|at)\b[^.;]{0,120}(?:\.\w[^.;]{0,60}){0,4}"
    r"|this (?:document|copy|page) is uncontrolled when printed"
    r"|page \d{1,5} (?:of|/) \d{1,5}|back to top|skip to (?:main )?content|share this page|print this page"
    r"|no part of this (?:document|publication|report|book) may be (?:reproduced|copied|transmitted|stored)\b[^.]*"
    r"|unauthori[sz]ed (?:copying|reproduction|distribution|use)[^.]{0,120}\bprohibited"
    r"|.{0,40}版权所有.{0,30}|(?:本.{1,8})?未经.{0,16}(?:许可|授权|同意).{0,8}(?:不得|禁止|严禁).{0,6}(?:转载|复制|翻印|传播|摘编).{0,20}"
    r"|(?:打印|下载|导出)(?:日期|时间|人|自|于).{0,60}|第\s?\d{1,5}\s?页\s?[,，/]?\s?共\s?\d{1,5}\s?页|返回(?:顶部|搜狐).{0,30}"
    r"|扫(?:一扫|描二维码).{0,30}|责任编辑[:：]?.{0,12}",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\d")
_NO_FIGURE = re.compile(
    r"(?:19|20)\d\d(?:\s?[-–—/.年]\s?\d{1,4}){0,2}|\d{1,2}[/.:]\d{1,2}(?:[/.:]\d{2,4})?(?:\s?[ap]m\b)?|\d{1,2}\s?[月日时分秒]"
    r"|page \d+ (?:of|/) \d+|第\s?\d+\s?页\s?[,，/]?\s?共\s?\d+\s?页"
    r"|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*|\w*://\S+|www\.\S+",
    re.IGNORECASE,
)


class Repeats:
    """Counts the lines of a batch, within bounded memory.

    A line counts from six words (ten Chinese characters), outside of tables, once a document; numbers in it do not
    matter. Headings and labels are too short to be taken, whole articles in one line too long. Beyond 100,000 lines
    those seen in too few documents so far are let go (lossy counting; Manku & Motwani 2002), so that a count may fall
    short by half the share that matters.
    """

    def __init__(self) -> None:
        self._documents = 0
        self._seen: dict[str, tuple[int, str]] = {}  # key: in how many documents, and as it first stood

    def add(self, document: Document) -> None:
        """Count the lines of a document."""
        self._documents += 1
        for key, line in {running_key(line): line.strip() for _, _, line in _lines(document)}.items():
            times, first = self._seen.get(key, (0, line))
            self._seen[key] = times + 1, first
        if len(self._seen) > MOST_LINES:
            few = max(1, self._documents * SHARE / 2)
            self._seen = {key: item for key, item in self._seen.items() if item[0] > few}

    def found(self) -> dict[str, int]:
        """Return the lines that many documents repeat, the most repeated first, and in how many each stands."""
        most = max(LEAST, SHARE * self._documents)
        many = sorted((item for item in self._seen.values() if item[0] >= most), key=lambda item: (-item[0], item[1]))
        return {line: times for times, line in many}


def _lines(document: Document) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, line) of the lines of prose long enough to be boilerplate."""
    return ((start, end, line) for start, end, line in _prose(document) if _may_be(line))


def _may_be(line: str) -> bool:
    """Tell whether a line is of a length that counts: six words or ten Chinese characters, and no whole article."""
    return len(line) <= LONGEST and (len(line.split(maxsplit=5)) == 6 or len(_HAN.findall(line)) >= 10)


def _prose(document: Document) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, line) outside of tables, in order."""
    tables = sorted((table.start, table.end) for table in document.tables)
    at = 0
    for match in re.finditer(r"[^\n]+", document.text):
        while at < len(tables) and tables[at][1] <= match.start():
            at += 1
        if at == len(tables) or match.start() < tables[at][0]:
            yield match.start(), match.end(), match.group()


def page_making(line: str) -> bool:
    """Tell whether a line says nothing but how a page was made, by whom, and who may copy it."""
    plain = line.strip(" \t.。·|-–—*#")
    return bool(_PAGE_MAKING.fullmatch(plain)) and not _FIGURE.search(_NO_FIGURE.sub("", plain))


def without_page_making(document: Document, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks less such lines at their edges; one that holds nothing else goes, unless all would go.

    The text stays whole, so that `document.text[start:end] == chunk.text` holds; a line amid a chunk stays in it.
    """
    spans = [(start, end) for start, end, line in _prose(document) if page_making(line)]
    kept = []
    for chunk in chunks if spans else ():
        start, end = _trim(document.text, chunk.start, chunk.end, spans)
        if start >= end:
            continue
        same = (start, end) == (chunk.start, chunk.end)
        cut = {"headings": chunk.headings, "kind": chunk.kind, "metadata": chunk.metadata}
        kept.append(chunk if same else Chunk.of(document, start, end, **cut))
    return kept or list(chunks)


def _trim(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Move the edges of a chunk inwards over such lines and blanks."""
    moved = True
    while moved and start < end:
        moved = False
        for left, right in spans:
            if left <= start < right:
                start, moved = right, True
            if left < end <= right:
                end, moved = left, True
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
    return start, end
