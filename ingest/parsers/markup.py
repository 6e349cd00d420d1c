"""Pages before they become a tree, and questions to the tree. What would make it take for ever is refused.

A tree of 100,000 nested elements, or an element of 100,000 attributes, takes minutes to build; no honest page has them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from ingest.parsers.encoding import encoding_of
from rag.errors import DocumentError

MAX_NESTED = 3_000  # elements within elements
MAX_ATTRIBUTES = 1_000  # of one element
MAX_SPAN = 200  # columns or rows that one cell may claim
_TAG = re.compile(r"<(/?)([a-zA-Z][\w:.-]*)")
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{4000,}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_OPEN_ENDED = re.compile(
    "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|p|li|dt|dd|tr|td|th|thead|tbody|tfoot"
    "|colgroup|option|optgroup|html|head|body|rt|rp|script|style",
    re.IGNORECASE,
)
_XML_EMPTY = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)[\s/])"
    r"([a-zA-Z][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*/>"
)
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)


def markup_of(data: bytes, source: str) -> str:
    """Return the text of a page of HTML or XHTML, elements closed in their own tag written out.

    Raises:
        DocumentError: elements nest, or carry attributes, beyond all use.
    """
    text = data.decode(encoding_of_page(data), errors="replace")
    check_markup(text, source)
    if re.match(r"\s*<\?xml|\s*<!DOCTYPE[^>]*XHTML|\s*<html[^>]*\sxmlns", text[:2000], re.IGNORECASE):
        text = _XML_EMPTY.sub(r"<\1\2></\1>", text)
    return text


def check_markup(text: str, source: str) -> None:
    """Refuse markup whose tree would take for ever.

    Raises:
        DocumentError: elements nest, or carry attributes, beyond all use.
    """
    depth = 0
    for slash, name in _TAG.findall(text):
        if _OPEN_ENDED.fullmatch(name):
            continue
        depth = max(0, depth - 1) if slash else depth + 1
        if depth > MAX_NESTED:
            raise DocumentError(
                f"{source}: more than {MAX_NESTED:,} elements nest in each other, or so many are never closed; "
                "no page is written like that. Save it anew from a browser."
            )
    for found in _LONG_TAG.finditer(text):
        count = len(_QUOTED.sub("", found.group()).split())
        if count > MAX_ATTRIBUTES:
            raise DocumentError(
                f"{source}: an element has {count:,} attributes, at most {MAX_ATTRIBUTES:,} are read. "
                "Save the page anew from a browser."
            )


def encoding_of_page(data: bytes) -> str:
    """Return the encoding that a page declares, if Python knows it and it is so; else the one that its bytes show."""
    head = data[: 1 << 20]
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    found = None if data.startswith(marks) else _DECLARED.search(data[:2048])
    if not found:
        return encoding_of(head)
    name = found.group(1).decode("ascii").lower()
    if name in ("gb2312", "gbk", "gb_2312-80", "x-gbk"):
        name = "gb18030"
    elif name == "big5":
        name = "big5hkscs"
    try:
        head[:65_536].decode(name)  # declared and true; a character cut at the end does not count
        return codecs.lookup(name).name
    except UnicodeDecodeError as error:
        return codecs.lookup(name).name if error.start > 65_000 else encoding_of(head)
    except LookupError:
        return encoding_of(head)


def children(node: Any) -> Iterator[Any]:
    """Yield the nodes right under an element, in order."""
    child = node.child
    while child is not None:
        yield child
        child = child.next


def all_words(node: Any) -> str:
    """Return all text under an element but scripts and the header of XBRL: what is counted when it is hidden."""
    parts: list[str] = []
    stack = [node.child]
    while stack:
        child = stack.pop()
        if child is None:
            continue
        stack.append(child.next)
        if child.tag == "-text":
            parts.append(child.text(deep=False))
        elif child.tag not in ("script", "style", "ix:header"):
            stack.append(child.child)
    return " ".join(parts)


def holds_blocks(node: Any) -> bool:
    """Tell whether anything within an element stands on lines of its own."""
    return node.css_first("p, div, table, ul, ol, li, h1, h2, h3, h4, h5, h6, br, section") is not None


def span(cell: Any, name: str) -> int:
    """Return how many columns ("colspan") or rows ("rowspan") a cell claims."""
    text = (cell.attributes.get(name) or "1").strip()
    return max(1, min(MAX_SPAN, int(text))) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def hang(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Fill the cells that rows above reach down into."""
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        if left > 1:
            hanging[len(line)] = (left - 1, text)
        line.append(text)
