"""Articles of PubMed Central (JATS) and records of PubMed, by way of the HTML that they mean.

An article gives title, abstract, sections, tables with captions and footnotes; its references are left out and counted.
A file of many records gives a document a record: the first under the name of the file, others as "file.xml#PMID".
Formulas in TeX are left out. Articles of books are not read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import name2codepoint
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from ingest.clean import clean_line
from ingest.parsers.blocks import Block, Broken, Parsed, Prose, Title, compose
from ingest.parsers.html import html_blocks
from ingest.pulse import beat
from rag.errors import DocumentError
from rag.schema import Scalar

MAX_DEPTH = 300  # elements within elements
MAX_AUTHORS = 20
_BLOCK = 1 << 20
_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]{1,8});")
_KEPT_ENTITIES = (b"amp", b"lt", b"gt", b"quot", b"apos")
_DROPPED = re.compile(
    "ref-list|tex-math|annotation|graphic|media|inline-graphic|object-id|permissions|colgroup|col|alt-text|long-desc"
    "|processing-meta|supplementary-material|floats-group"
)
_AS = {
    "sec": "section", "app": "section", "ack": "section", "p": "p", "list": "ul", "list-item": "li", "fn": "p",
    "disp-quote": "blockquote", "boxed-text": "div", "disp-formula": "p", "def-list": "div", "def-item": "p",
    "italic": "i", "bold": "b", "sup": "sup", "sub": "sub", "break": "br", "table": "table", "thead": "thead",
    "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "td": "td", "th": "th", "abstract": "div", "trans-abstract": "div",
    "body": "div", "back": "div", "fn-group": "div", "table-wrap-foot": "div", "glossary": "div", "statement": "div",
    "speech": "div", "verse-group": "div", "verse-line": "p", "app-group": "div", "table-wrap-group": "div",
    "fig-group": "div", "attrib": "p", "floats": "div", "notes": "section",
}  # fmt: skip
_DATES = ("epub", "epub-ppub", "ppub", "pub", "collection")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"


def parse_articles(stream: IO[bytes], source: str) -> Iterator[Parsed | Broken]:
    """Read the articles or records of an XML file, as a stream.

    Raises:
        DocumentError: not XML, nested beyond all use, or without an article; what came before a break is kept.
    """
    count = 0
    try:
        for node in _articles(stream, source):
            record = node.tag == "PubmedArticle"
            blocks, title, metadata = _record(node) if record else _article(node, source)
            name = source if not count else f"{source}#{metadata.get('pmid') or metadata.get('doi') or count + 1}"
            count += 1
            try:
                yield compose(blocks, name, kind="pubmed" if record else "jats", title=title, metadata=metadata)
            except DocumentError as error:
                yield Broken(name, str(error).removeprefix(f"{name}: "))
    except ParseError as error:
        reason = f"the XML is broken ({error}). Download the file again."
        if not count:
            raise DocumentError(f"{source}: {reason}") from error
        yield Broken(f"{source}#after {count}", reason)
    if not count:
        raise DocumentError(f"{source}: XML without an article or a record of PubMed. Readable XML is JATS and PubMed.")


def _articles(stream: IO[bytes], source: str) -> Iterator[Element]:
    """Yield the elements that are documents, and let each go behind it."""
    path: list[Element] = []
    for event, node in _events(stream):
        if event == "start":
            path.append(node)
            if len(path) > MAX_DEPTH:
                raise DocumentError(f"{source}: elements nest more than {MAX_DEPTH} deep. Download the file again.")
            continue
        path.pop()
        if node.tag in ("PubmedArticle", "article"):
            beat()
            yield node
            node.clear()
            if path:
                path[-1].clear()


def _events(stream: IO[bytes]) -> Iterator[tuple[str, Element]]:
    """Yield the elements of a stream as they open and close."""
    parser: Any = XMLPullParser(["start", "end"])
    tail = b""
    while block := stream.read(_BLOCK):
        text = _ENTITY.sub(_numbered, tail + block)
        cut = text.rfind(b"&", max(0, len(text) - 12))
        tail, text = (text[cut:], text[:cut]) if cut >= 0 else (b"", text)
        parser.feed(text)
        yield from parser.read_events()
    parser.feed(_ENTITY.sub(_numbered, tail))
    parser.close()
    yield from parser.read_events()


def _numbered(found: re.Match[bytes]) -> bytes:
    """Write a named entity of HTML as a number: the DTD that names it is not fetched."""
    name = found.group(1)
    code = None if name in _KEPT_ENTITIES else name2codepoint.get(name.decode())
    return found.group() if code is None else b"&#%d;" % code


def _text(node: Element | None) -> str:
    return "" if node is None else clean_line("".join(node.itertext()))


def _find(node: Element, *paths: str) -> str:
    """Return the text at the first path that holds any."""
    return next((text for path in paths if (text := _text(node.find(path)))), "")


def _article(node: Element, source: str) -> tuple[list[Block], str, dict[str, Any]]:
    meta = node.find("front/article-meta")
    meta = meta if meta is not None else Element("article-meta")
    title = _find(meta, "title-group/article-title")
    blocks: list[Block] = [Title(title, 1)] if title else []
    pieces = [*meta.findall("abstract"), *meta.findall("trans-abstract"), node.find("body"), node.find("back")]
    pieces += [piece for sub in node.findall("sub-article") for piece in (sub.find("body"),)]
    pieces.append(node.find("floats-group"))
    for piece in pieces:
        if piece is not None:
            blocks += html_blocks(_markup(piece, 2, whole=True), source)
    return blocks, title, _article_metadata(node, meta)


def _article_metadata(node: Element, meta: Element) -> dict[str, Any]:
    found: dict[str, Scalar] = {"journal": _find(node, "front/journal-meta//journal-title")}
    for mark in meta.findall("article-id"):
        kind = mark.get("pub-id-type", "")
        if kind in ("doi", "pmid", "pmc", "pmcid"):
            text = _text(mark)
            found["pmcid" if kind.startswith("pmc") else kind] = (
                f"PMC{text}" if kind == "pmc" and text.isdigit() else text
            )
    dates = {d.get("pub-type") or d.get("date-type") or "": d for d in meta.findall("pub-date")}
    dated = next((dates[kind] for kind in _DATES if kind in dates), next(iter(dates.values()), None))
    if dated is not None:
        _dated(found, _find(dated, "year"), _find(dated, "month"), _find(dated, "day"))
    licence = meta.find("permissions/license")
    if licence is not None:
        link = next((value for key, value in licence.attrib.items() if key.endswith("href")), "")
        reference = next((_text(child) for child in licence.iter() if child.tag.endswith("license_ref")), "")
        found["licence"] = link or reference or _text(licence)[:200]
    people = meta.findall("contrib-group/contrib[@contrib-type='author']/name")
    names = [f"{_find(one, 'given-names')} {_find(one, 'surname')}".strip() for one in people]
    kind = node.get("article-type", "")
    related = {one.get("related-article-type", "") for one in meta.findall("related-article")}
    title = _find(meta, "title-group/article-title")
    notices = ("retraction", "partial-retraction", "retracted-article")
    if kind in notices or "retraction-forward" in related or _is_retracted(title):
        found["retracted"] = True
    references = len(node.findall("back//ref-list//ref"))
    found |= {"authors": _names(names), "document_type": kind, "references": references or None}
    return {key: value for key, value in found.items() if value not in ("", None)}


def _is_retracted(title: str) -> bool:
    return (
        re.match(r"\W*(?:retracted|retraction|withdrawn|撤稿|撤回)\b|\W*(?:retracted article|撤稿)", title, re.I)
        is not None
    )


def _names(names: list[str]) -> str:
    return "; ".join(names[:MAX_AUTHORS]) + (" et al." if len(names) > MAX_AUTHORS else "")


def _dated(found: dict[str, Scalar], year: str, month: str, day: str) -> None:
    """Set `year`, and `published` as far as it is known (2020, 2020-03, 2020-03-17)."""
    if not re.fullmatch(r"(?:1[5-9]|20)\d\d", year):
        return
    number = int(month) if month.isdigit() else _MONTHS.find(month[:3].lower()) // 4 + 1 if len(month) > 2 else 0
    parts = [year]
    if 1 <= number <= 12:
        parts.append(f"{number:02}")
        if day.isdigit() and 1 <= int(day) <= 31:
            parts.append(f"{int(day):02}")
    found |= {"year": int(year), "published": "-".join(parts)}


def _markup(node: Element, level: int, *, whole: bool = False) -> str:
    """Write an element as the HTML that it means, its tail with it unless it stands alone."""
    tag = node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
    tail = "" if whole else html.escape(node.tail or "")
    if not tag or (_DROPPED.fullmatch(tag) and not whole):
        return tail
    if tag in ("table-wrap", "fig"):
        return _floating(node, level) + tail
    inner = html.escape(node.text or "")
    label = node.find("label") if node.find("title") is not None else None
    for child in node:
        if child is label:
            continue
        if child.tag == "title" and tag != "list":
            words = f"{_text(label)} {_text(child)}".strip()
            inner += f"<h{min(6, level)}>{html.escape(words)}</h{min(6, level)}>"
            continue
        inner += _markup(
            child, level + (tag in ("sec", "app", "ack", "notes", "abstract", "trans-abstract")), whole=False
        )
    name = _AS.get(tag, "div" if whole else "span")
    if tag == "abstract" and node.find("title") is None:
        inner = f"<h2>{'摘要' if _is_chinese(inner) else 'Abstract'}</h2>{inner}"
    spans = "".join(f' {key}="{html.escape(node.get(key, ""))}"' for key in ("colspan", "rowspan") if node.get(key))
    return f"<{name}{spans}>{inner}</{name}>{tail}"


def _is_chinese(text: str) -> bool:
    from rag.language import detect_language

    return detect_language(re.sub(r"<[^>]*>", "", text)) == "zh"


def _floating(node: Element, level: int) -> str:
    """Write a table with its caption above and its footnotes below, or the words of a figure."""
    label = _text(node.find("label")).rstrip(".")
    told = ". ".join(part for part in (label, _text(node.find("caption"))) if part)
    if node.tag == "fig":
        return f"<p>{html.escape(told)}</p>" if told else ""
    parts = []
    for child in node.iter():
        if child.tag == "table":
            body = _markup(child, level, whole=True)
            parts.append(body.replace(">", f"><caption>{html.escape(told)}</caption>", 1))
        elif child.tag == "table-wrap-foot":
            parts.append(_markup(child, level, whole=True))
    return "".join(parts) or (f"<p>{html.escape(told)}</p>" if told else "")


def _record(node: Element) -> tuple[list[Block], str, dict[str, Any]]:
    """Read one record of PubMed: title, abstract by its labels, keywords."""
    cited = node.find("MedlineCitation")
    cited = cited if cited is not None else Element("MedlineCitation")
    title = _find(cited, "Article/ArticleTitle", "Article/VernacularTitle")
    blocks: list[Block] = [Title(title, 1)] if title else []
    foreign = _find(cited, "Article/VernacularTitle")
    if foreign and foreign != title:
        blocks.append(Prose(foreign))
    for piece in [*cited.findall("Article/Abstract"), *cited.findall("OtherAbstract")]:
        for words in piece.findall("AbstractText"):
            text, label = _text(words), words.get("Label", "")
            if text:
                blocks.append(Prose(f"{label.capitalize()}: {text}" if label else text))
    keywords = [_text(word) for word in cited.findall("KeywordList/Keyword")]
    if any(keywords):
        blocks.append(Prose(f"Keywords: {'; '.join(filter(None, keywords))}"))
    return blocks, title, _record_metadata(node, cited)


def _record_metadata(node: Element, cited: Element) -> dict[str, Any]:
    ids = {mark.get("IdType", ""): _text(mark) for mark in node.findall("PubmedData/ArticleIdList/ArticleId")}
    places = {mark.get("EIdType", ""): _text(mark) for mark in cited.findall("Article/ELocationID")}
    kinds = [_text(kind) for kind in cited.findall("Article/PublicationTypeList/PublicationType")]
    found: dict[str, Scalar] = {
        "pmid": _find(cited, "PMID") or ids.get("pubmed", ""),
        "doi": ids.get("doi") or places.get("doi", ""),
        "pmcid": ids.get("pmc", ""),
        "journal": _find(cited, "Article/Journal/Title", "MedlineJournalInfo/MedlineTA"),
        "document_type": "; ".join(kind for kind in kinds if not kind.startswith(("Research Support", "Retracted")))[
            :200
        ],
    }
    electronic, issue = cited.find("Article/ArticleDate"), cited.find("Article/Journal/JournalIssue/PubDate")
    for dated in (issue, electronic):  # the day it could first be read wins
        if dated is not None:
            year = _find(dated, "Year") or _find(dated, "MedlineDate")[:4]
            _dated(found, year, _find(dated, "Month"), _find(dated, "Day"))
    people = cited.findall("Article/AuthorList/Author")
    names = [f"{_find(one, 'ForeName')} {_find(one, 'LastName', 'CollectiveName')}".strip() for one in people]
    marks = {one.get("RefType", "") for one in cited.findall("CommentsCorrectionsList/CommentsCorrections")}
    retracted = {"Retracted Publication", "Retraction of Publication", "Retraction Notice"} & set(kinds)
    if retracted or "RetractionIn" in marks or _is_retracted(_find(cited, "Article/ArticleTitle")):
        found["retracted"] = True
    found["authors"] = _names([name for name in names if name])
    return {key: value for key, value in found.items() if value not in ("", None)}
