"""Chat messages in, spoken text out: what every kind of generator shares. Standard library alone."""

from __future__ import annotations

from collections.abc import Generator as Pieces
from collections.abc import Iterable, Sequence
from contextlib import closing

from rag.errors import GenerationError
from rag.schema import Message

_OPEN, _SHUT = "<think>", "</think>"


def fold_system(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Move the system text to the head of the first user message, for chat templates without a system role."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    folded = [dict(message) for message in messages if message["role"] != "system"]
    for message in folded:
        if system and message["role"] == "user":
            message["content"] = f"{system}\n\n{message['content']}"
            break
    return folded


def plain_prompt(messages: Sequence[Message]) -> str:
    """Write messages for a base model, which has no chat template.

    The contents in order, a blank line between, what the assistant said after "Answer: ", and a last line "Answer:"
    unless the last message ends with a colon, which asks for the answer already.
    """
    parts = [f"Answer: {m['content']}" if m["role"] == "assistant" else m["content"] for m in messages]
    asked = bool(parts) and parts[-1].rstrip().endswith((":", "："))
    return "\n\n".join(parts if asked else [*parts, "Answer:"])


def spoken(pieces: Pieces[str], *, thinking: bool = False) -> Pieces[str]:
    """Pass pieces on without the thoughts some models write first between <think> and </think>.

    `thinking`: the prompt has opened the thoughts already. Closing this iterator closes `pieces`. A <think> after the
    first word is text like any other.

    Raises:
        GenerationError: the thoughts never ended, so nothing was said.
    """
    with closing(pieces):
        if thinking or (yield from _lead(pieces)):
            yield from _after_thoughts(pieces)
        yield from pieces


def _lead(pieces: Iterable[str]) -> Pieces[str, None, bool]:
    """Pass on the first words; tell whether they opened thoughts instead."""
    head = ""
    for piece in pieces:
        head = (head + piece).lstrip()
        if head.startswith(_OPEN):
            break
        if head and not _OPEN.startswith(head):
            yield head
            return False
    else:
        if head:
            yield head
        return False
    if _SHUT in head:
        rest = head.partition(_SHUT)[2].lstrip()
        if rest:
            yield rest
        return False
    return True


def _after_thoughts(pieces: Iterable[str]) -> Pieces[str]:
    held = ""
    for piece in pieces:
        held += piece
        if _SHUT in held:
            rest = held.partition(_SHUT)[2].lstrip()
            if rest:
                yield rest
            return
        held = held[-len(_SHUT) :]
    raise GenerationError(
        "The model spent all its tokens on thoughts and said nothing. Raise llm.max_tokens, or turn thinking off at "
        "the server."
    )
