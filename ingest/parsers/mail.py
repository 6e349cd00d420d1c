"""E-mail (EML): who wrote to whom, when, the words, and each attachment as a document of its own.

What a mail program would show is read: of a mail written twice, as text and as HTML, the HTML. Pictures, sounds and
signatures are left out and named. Outlook's own format (MSG) is not read.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import IO

from ingest.clean import clean_line
from ingest.parsers.blocks import Block, Broken, Parsed, Prose, compose
from ingest.parsers.hidden import Tally
from ingest.parsers.html import html_blocks
from ingest.parsers.text import text_blocks
from ingest.pulse import beat
from rag.errors import DocumentError
from rag.schema import Scalar

MAX_ATTACHMENTS = 500
MAX_DEPTH = 3  # mails within mails
_UNREAD = ("image", "audio", "video")
_UNREAD_KINDS = ("application/pkcs7-signature", "application/pgp-signature", "application/x-pkcs7-signature")


def parse_mail(stream: IO[bytes], source: str) -> Iterator[Parsed | Broken]:
    """Read a mail; attachments are named "mail.eml#report.pdf" and read by their own format.

    Raises:
        DocumentError: not a mail, or without words and attachments.
    """
    yield from _mail(stream.read(), source, MAX_DEPTH)


def _mail(data: bytes, source: str, depth: int) -> Iterator[Parsed | Broken]:
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        if not isinstance(message, EmailMessage) or not (message["from"] or message["subject"] or message["received"]):
            raise DocumentError(f"{source}: not an e-mail: it has neither sender nor subject.")
        subject, lines, metadata = _head(message)
        tally = Tally()
        body = _body(message, source, tally)
        every = list(message.iter_attachments())
        parts = every[:MAX_ATTACHMENTS]
    except (MessageError, RecursionError, LookupError, ValueError, AttributeError, TypeError) as error:
        raise DocumentError(f"{source}: the mail is broken ({error}). Save it again.") from error
    named = [_name(part, number) for number, part in enumerate(parts, start=1)]
    blocks: list[Block] = [Prose(line) for line in (subject, *lines) if line]
    read = [(part, name) for part, name in zip(parts, named, strict=True) if not _is_unread(part)]
    unread = [name for part, name in zip(parts, named, strict=True) if _is_unread(part)]
    if named:
        metadata["attachments"] = "; ".join(named)[:1000]
    parsed = compose([*blocks, *body], source, kind="eml", title=subject, metadata={**metadata, **tally.metadata()})
    notes = [f"attachment {name!r} is not read: no text in it" for name in unread]
    if len(every) > len(parts):
        notes.append(f"{len(every) - len(parts)} attachments after the first {MAX_ATTACHMENTS} are not read")
    yield replace(parsed, notes=(*parsed.notes, *notes))
    for part, name in read:
        beat()
        yield from _attachment(part, source, name, depth)


def _head(message: EmailMessage) -> tuple[str, list[str], dict[str, Scalar]]:
    """Return subject, the lines that say who, to whom and when, and the day it was sent."""
    metadata: dict[str, Scalar] = {}
    lines = [f"{name}: {clean_line(str(message[name]))}" for name in ("From", "To", "Cc", "Date") if message[name]]
    with suppress(TypeError, ValueError):  # no date, or none that can be read: the line says what stands there
        metadata["published"] = parsedate_to_datetime(str(message["date"])).date().isoformat()
    return clean_line(str(message["subject"] or "")), lines, metadata


def _body(message: EmailMessage, source: str, tally: Tally) -> list[Block]:
    body = message.get_body(("html", "plain"))
    if body is None:
        return []
    words = body.get_content()
    if not isinstance(words, str):
        return []
    return html_blocks(words, source, tally) if body.get_content_subtype() == "html" else list(text_blocks(words))


def _name(part: EmailMessage, number: int) -> str:
    name = clean_line(part.get_filename() or "").replace("#", "_").replace("/", "_").replace("\\", "_")
    return name[-120:] or f"attachment {number}" + (".eml" if part.get_content_type() == "message/rfc822" else "")


def _is_unread(part: EmailMessage) -> bool:
    return part.get_content_maintype() in _UNREAD or part.get_content_type() in _UNREAD_KINDS


def _attachment(part: EmailMessage, source: str, name: str, depth: int) -> Iterator[Parsed | Broken]:
    """Read one attachment by its own format; its failure stays its own."""
    from ingest.parsers import read

    place = f"{source}#{name}"
    try:
        content = part.get_content()
        inner = isinstance(content, EmailMessage)
        if inner and depth <= 1:
            raise DocumentError(f"mails nest more than {MAX_DEPTH} deep; save it as a file of its own.")
        data = content.as_bytes() if inner else content.encode() if isinstance(content, str) else bytes(content)
        for item in _mail(data, name, depth - 1) if inner else read(data, name):
            if isinstance(item, Broken):
                yield Broken(f"{source}#{item.source}", item.reason)
            else:
                document = replace(item.document, source=f"{source}#{item.document.source}")
                yield replace(item, document=document)
    except (DocumentError, LookupError, ValueError, AttributeError, TypeError, RecursionError) as error:
        yield Broken(place, str(error).removeprefix(f"{name}: "))
