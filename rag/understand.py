"""What a query says beyond its words: other names, companies, periods, and so which documents it means.

Nothing of it keeps a passage out: further words count less than the query's own, and documents of the company and
period asked about get a share of the score (`rag.schema.Hints`). It reads the query alone; a follow-up is made whole by
`rag.question` before. What it does not know: which of several years is meant where none is called fiscal (the latest is
taken), and any company that no document of the collection is filed under.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rag.companies import Companies
from rag.language import Language, detect_language
from rag.periods import Period, asked_year, find_periods
from rag.schema import Hints, Where
from rag.terms import Terminology

COMPANY: Final = 0.4
"""Share of the score for a document of the company asked about."""
YEAR: Final = 0.12
"""Share for one of the year asked about; half of it for one of the year after, which prints the year before, too."""
PART: Final = 0.06
"""Share for one of the quarter or half asked about, or of a full year where no quarter is."""
READ: Final = 1200
"""Characters of a query that are looked at."""


@dataclass(frozen=True, slots=True)
class Understood:
    """A query understood. `companies` are organisations as the documents spell them; `boosts` are filter and share."""

    text: str
    language: Language
    expansions: tuple[tuple[str, float], ...] = ()
    companies: tuple[str, ...] = ()
    periods: tuple[Period, ...] = ()
    boosts: tuple[tuple[Where, float], ...] = ()

    @property
    def hints(self) -> Hints | None:
        """What an index can use of it; None where there is nothing."""
        return Hints(self.expansions, self.boosts) if self.expansions or self.boosts else None


@dataclass(frozen=True, slots=True)
class Understanding:
    """How queries are understood; every part can be left out, to measure what it is worth.

    Args:
        terminology: knows other names; None: no expansion.
        companies: whether companies asked about favour their documents.
        periods: whether years and quarters do.
    """

    terminology: Terminology | None = None
    companies: bool = True
    periods: bool = True

    def understand(self, query: str, named: Iterable[tuple[str, str]] = ()) -> Understood:
        """Read a query.

        Args:
            query: as asked.
            named: the (organisation, ticker) pairs of the documents to be searched.
        """
        head = query[:READ]
        expansions = self.terminology.expand(head) if self.terminology else ()
        companies = _companies(tuple(named)).find(head) if self.companies else ()
        periods = find_periods(head) if self.periods else ()
        return Understood(
            query, detect_language(query), expansions, companies, periods, tuple(_boosts(companies, periods))
        )


@lru_cache(maxsize=8)
def _companies(named: tuple[tuple[str, str], ...]) -> Companies:
    return Companies.of(named)


def _boosts(companies: tuple[str, ...], periods: tuple[Period, ...]) -> Iterable[tuple[Where, float]]:
    if companies:
        yield {"organisation": companies}, COMPANY
    year = asked_year(periods)
    if year is None:
        return
    yield {"year": year}, YEAR
    yield {"year": year + 1}, YEAR / 2
    parts = {period.part for period in periods if period.part and period.year in (year, None)}
    if parts:
        yield {"year": year, "fiscal_period": sorted(parts)}, PART
