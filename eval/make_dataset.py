"""Questions drafted from a collection for a person to correct; each says that it is drafted and by what.

A draft is a start, not a measure: templates ask what is easy to ask, and a run over unreviewed drafts says so
(`eval.dataset.drafted`).
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from eval.drafts import model, prose, tables, unanswerable
from eval.drafts.draft import KINDS, Draft, Page, Shelf, unique
from eval.stamp import Progress
from rag.errors import UserError
from rag.schema import Generator

_TEMPLATE: Final = "template"


def draft(
    collection: Shelf,
    *,
    count: int,
    seed: int,
    generator: Generator | None = None,
    tally: Counter[str] | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Draft questions over the documents of a collection, as records of our answers format.

    Without a language model: cells of tables, headings, definitions, instructions and thresholds by template, and
    about one in five unanswerable (the subject or period exchanged for one the collection does not hold). With one: a
    question and a verbatim answer a passage; what does not stand in its passage is dropped. Both spread over documents
    and kinds, repeat under the same seed, and ask in the language of the document. Records carry `drafted`,
    `drafted_by`, `reviewed` (false), `kind`, `source`, `page`, `evidence`; `gold_passages` are ids of chunks;
    `contexts` are left out, so that the questions are answered from the collection.

    Args:
        collection: where the documents are.
        count: how many questions at most; fewer where the documents yield fewer.
        seed: of the choice.
        generator: a language model that writes the questions.
        tally: is told how many drafts each kind yielded, and with a generator how many were `dropped` and why, and
            whether it was `stopped` by hand, which keeps what was drafted.
        progress: called as a generator goes on.

    Raises:
        UserError: `count` is less than 1, or the collection is empty or yields no question.
    """
    if count < 1:
        raise UserError(f"count must be at least 1, got {count}.")
    tally = Counter() if tally is None else tally
    listed = sorted(collection.documents(), key=lambda row: (str(row["source"]), str(row["id"])))
    pages = [Page.of(collection, str(row["id"])) for row in listed]
    if not pages:
        raise UserError("The collection holds no document to draft questions from. Ingest some first.")
    chance = random.Random(seed)
    if generator is None:
        made = _by_template(pages, chance)
    else:
        made = model.drafts(pages, generator, count, chance=chance, tally=tally, progress=progress)
    chosen = _choose(made, count, chance)
    if not chosen:
        raise UserError("The collection yields no question: no table, heading or sentence of a known kind is in it.")
    tally.update(one.kind for _, one in chosen)
    by = _TEMPLATE if generator is None else generator.name
    return [one.record(page, by) for page, one in chosen]


def _by_template(pages: Sequence[Page], chance: random.Random) -> list[tuple[Page, Draft]]:
    made = [(page, one) for page in pages for way in (tables, prose) for one in way.drafts(page)]
    kept = {id(one) for one in unique([one for _, one in made])}
    made = [(page, one) for page, one in made if id(one) in kept]
    rest = list(made)
    chance.shuffle(rest)
    return made + list(unanswerable.drafts(pages, rest, chance))


def _choose(made: Iterable[tuple[Page, Draft]], count: int, chance: random.Random) -> list[tuple[Page, Draft]]:
    """Take drafts in turn from each kind, and within a kind from each document; in document order at the end."""
    piles: dict[str, dict[str, list[tuple[Page, Draft]]]] = defaultdict(lambda: defaultdict(list))
    for page, one in made:
        piles[one.kind][page.document.id].append((page, one))
    used: Counter[str] = Counter()
    chosen: list[tuple[Page, Draft]] = []
    for documents in piles.values():
        for drafts in documents.values():
            chance.shuffle(drafts)
    while len(chosen) < count and any(piles.values()):
        for kind in (*KINDS, *sorted(set(piles) - set(KINDS))):
            pile = piles.get(kind)
            if not pile or len(chosen) == count:
                continue
            least = min(used[doc] for doc in pile)
            doc = chance.choice(sorted(doc for doc in pile if used[doc] == least))
            chosen.append(pile[doc].pop())
            used[doc] += 1
            if not pile[doc]:
                del pile[doc]
    return sorted(chosen, key=lambda item: (item[0].document.source, item[1].chunk.start, item[1].question))
