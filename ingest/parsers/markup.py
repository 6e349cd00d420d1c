"""A page before it becomes a tree: its bytes as text, and what would make the tree take for ever refused.

A tree of 100,000 nested elements, or an element of 100,000 attributes, takes minutes to build; no honest page has them.
"""

from __future__ import annotations

import codecs
import re

from ingest.parsers.text import encoding_of
from rag.errors import DocumentError

MAX_NESTED = 3_000  # elements within elements
MAX_ATTRIBUTES = 1_000  # of one element
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
        return "gb18030"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return encoding_of(head)
