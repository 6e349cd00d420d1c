"""Which rows of a table stand under which heading inside it ("Assets", "Costs:"): told by colons and by indents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_SECTION = 80  # characters of section names put before a row label
_TOTAL = re.compile(r"total|net|合计|总计|小计", re.IGNORECASE)


@dataclass(slots=True)
class _Section:
    """An open section: `deep` once a row in it was set in further than its heading, `used` once one told its name.

    `row` is its heading, which itself stands in the section `inside`.
    """

    indent: float
    label: str
    row: int
    inside: str
    used: bool = False
    deep: bool = False
    closed: bool = False


def sections_of(body: Sequence[Sequence[str]], indents: Sequence[float]) -> list[str | None]:
    """Return the section each row of a table stands in, "" for none; None for a row that only opens one.

    Rows set in belong to the section; where nothing is set in, a heading with a colon holds up to the next total. A
    heading that no row goes under ("Commitments and contingencies (Note 7)") is a row itself.

    Args:
        body: rows of cells, the label first.
        indents: how far each label is set in, in any unit.
    """
    places: list[str | None] = []
    sections: list[_Section] = []
    last = max((i for i, row in enumerate(body) if any(row[1:])), default=-1)
    for i, (row, indent) in enumerate(zip(body, indents, strict=True)):
        if i > last:  # what stands below the figures is a note
            places.append("")
            continue
        opens = bool(row[0]) and not any(row[1:]) and len(row) > 1
        while sections and _ends(sections[-1], indent, opens):
            ended = sections.pop()
            places[ended.row] = None if ended.used else ended.inside
        shown = _shown(sections)
        inside = " – ".join(section.label.rstrip(":： ") for section in shown)
        if opens:
            sections.append(_Section(indent, row[0], i, inside))
            places.append(None)
            continue
        for section in sections:
            section.deep = section.deep or indent > section.indent + 1
            section.used = section.used or section in shown
        if sections and not sections[-1].deep and _TOTAL.match(row[0]):
            sections[-1].closed = True
        places.append(inside)
    return places


def _shown(sections: list[_Section]) -> list[_Section]:
    """Return the innermost sections, two where their names are short."""
    return sections[-2:] if sum(len(section.label) for section in sections[-2:]) < MAX_SECTION else sections[-1:]


def _ends(section: _Section, indent: float, opens: bool) -> bool:
    if indent > section.indent + 1:
        return False
    colon = section.label.endswith((":", "："))
    return section.closed or section.deep or opens or indent < section.indent - 1 or not colon
