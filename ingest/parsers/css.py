"""The style sheets inside a page, as far as they can hide text: which rules reach an element, and in what order.

Sheets in files of their own are not seen. Of conditions the screen of 1,024 pixels counts; states such as `:hover` do
not. Rules are looked up by the last part of their selector, so that their number costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from rag.errors import DocumentError

MAX_CSS = 4_000_000  # characters of all sheets together that are read
MAX_WORK = 100_000_000  # elements looked at for all rules together
MAX_LOOSE = 60  # rules that name neither class nor id nor tag
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)|<!--|-->", re.DOTALL)
_TELLING = re.compile(
    r"display|visibility|opacity|font|colou?r|background|position|left|top|right|bottom|inset|text-indent|margin|clip"
    r"|width|height|overflow|transform|filter",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"::|:(?:hover|focus|active|visited|target|before|after|first-l|placeholder|checked|disabled)", re.I
)
_LAST = re.compile(r"(?:^|[\s>+~])([^\s>+~]+)$")
_COMPOUND = re.compile(r"([a-z][\w-]*|\*)?((?:[.#][\w-]+)*)(.*)", re.IGNORECASE | re.DOTALL)
_COMMA = re.compile(r",(?![^()]*\))")
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?", re.IGNORECASE)
_EDGE = re.compile(r"(min|max)-(?:device-)?width\s*:\s*([\d.]+)(px|em|rem)?", re.IGNORECASE)

Style = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Rule:
    selector: str
    tag: str
    names: frozenset[str]  # ".class" and "#id" of the last part
    simple: bool  # nothing but these
    weight: tuple[int, int, int, int, int]  # importance, ids, classes, tags, order
    style: Style


@lru_cache(maxsize=20_000)
def read_style(text: str) -> Style:
    """Read declarations ("color: #fff; display: none"); names and values in lower case, "!important" cut off."""
    return {name: value for name, value, _ in _declarations(text)}


def _declarations(text: str) -> Iterator[tuple[str, str, bool]]:
    for part in _plain(text).split(";"):
        name, colon, value = part.partition(":")
        name = name.strip().lower()
        if colon and (_TELLING.search(name)):
            bare = value.strip().lower()
            important = bare.endswith("important") and "!" in bare
            yield name, (bare.rpartition("!")[0].strip() if important else bare), important


def _plain(text: str) -> str:
    r"""Drop comments and write escaped letters out ("\64 isplay")."""
    if "/*" in text or "<!--" in text:
        text = _COMMENT.sub(" ", text)
    return _ESCAPE.sub(lambda found: chr(min(int(found.group(1), 16), 0xFFFF)), text) if "\\" in text else text


@dataclass(slots=True)
class Sheet:
    """The rules of a page by the class, id or tag that their last part names."""

    tree: Any = None
    source: str = "page"
    by_name: dict[str, list[_Rule]] = field(default_factory=dict)
    loose: list[_Rule] = field(default_factory=list)
    reached: dict[str, set[int]] = field(default_factory=dict)  # selector: the elements that it reaches
    size: int = 0  # elements of the page
    work: int = 0  # elements looked at so far, those reached counted fifty times

    @classmethod
    def of(cls, tree: Any, source: str) -> Sheet:
        """Read the style sheets of a page."""
        sheet = cls(tree, source)
        text = "\n".join(node.text() for node in tree.css("style"))
        for order, (selectors, body) in enumerate(_rules(_plain(text[:MAX_CSS]))):
            declared = list(_declarations(body))
            for important in (False, True):
                style = {name: value for name, value, force in declared if force == important}
                for selector in _COMMA.split(selectors) if style else ():
                    sheet._add(selector.strip(), style, order, important)
        return sheet

    @property
    def is_empty(self) -> bool:
        """Whether the page has no rules that can hide text."""
        return not self.by_name and not self.loose

    def _add(self, selector: str, style: Style, order: int, important: bool) -> None:
        last = _LAST.search(selector)
        if not last or _STATE.search(selector):
            return
        compound = _COMPOUND.fullmatch(last.group(1))
        if compound is None:
            return
        tag, names, rest = (compound.group(1) or "").lower().replace("*", ""), compound.group(2), compound.group(3)
        parts = frozenset(re.findall(r"[.#][\w-]+", names))
        weight = (
            int(important),
            selector.count("#"),
            selector.count(".") + selector.count("[") + selector.count(":"),
            len(re.findall(r"(?:^|[\s>+~])[a-z]", selector, re.IGNORECASE)),
            order,
        )
        rule = _Rule(selector, tag, parts, not rest and last.start() == 0, weight, style)
        key = next(iter(sorted(parts)), "") or tag
        if key:
            self.by_name.setdefault(key, []).append(rule)
        elif len(self.loose) < MAX_LOOSE:
            self.loose.append(rule)

    def style(self, node: Any, tag: str, attributes: Mapping[str, str | None]) -> Style:
        """Return the style that the rules and the element's own `style` give it together.

        Raises:
            DocumentError: the rules take more work than any page is worth.
        """
        own = attributes.get("style")
        if self.is_empty:
            return read_style(own) if own else {}
        names = {f".{name}" for name in (attributes.get("class") or "").split()}
        if attributes.get("id"):
            names.add(f"#{attributes['id']}")
        rules = [rule for key in (*names, tag) for rule in self.by_name.get(key, ())] + self.loose
        reached = sorted(
            (rule for rule in rules if self._reaches(rule, node, tag, names)), key=lambda rule: rule.weight
        )
        if not reached:
            return read_style(own) if own else {}
        style: dict[str, str] = {}
        for rule in reached:
            if not rule.weight[0]:
                _lay(style, rule.style)
        if own:
            _lay(style, read_style(own))
        for rule in reached:
            if rule.weight[0]:
                _lay(style, rule.style)
        return style

    def _reaches(self, rule: _Rule, node: Any, tag: str, names: set[str]) -> bool:
        if (rule.tag and rule.tag != tag) or not rule.names <= names:
            return False
        if rule.simple:
            return True
        if rule.selector not in self.reached:
            self.reached[rule.selector] = self._all(rule.selector)
        return node.mem_id in self.reached[rule.selector]

    def _all(self, selector: str) -> set[int]:
        """Return the elements of the page that a selector reaches; none where it cannot be read."""
        from selectolax.lexbor import SelectolaxError

        try:
            found = {node.mem_id for node in self.tree.css(selector)}
        except SelectolaxError:
            return set()
        self.size = self.size or len(self.tree.css("*"))
        self.work += self.size + 50 * len(found)
        if self.work > MAX_WORK:
            raise DocumentError(
                f"{self.source}: the style sheets of the page take too long to work out "
                f"({len(self.reached):,} rules so far). Print the page to PDF, or save it without them."
            )
        return found


def _lay(style: dict[str, str], above: Style) -> None:
    """Put declarations over others; a short form takes the place of the long one that came before."""
    if "background-color" in above or "background" in above:
        style.pop("background", None)
        style.pop("background-color", None)
    if "font" in above:
        style.pop("font-size", None)
    style.update(above)


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Yield (selectors, declarations); rules within conditions that hold on a screen are rules like any."""
    at = 0
    holds: list[bool] = []
    while at < len(css):
        brace = css.find("{", at)
        shut = css.find("}", at)
        if shut != -1 and (brace == -1 or shut < brace):
            if holds:
                holds.pop()
            at = shut + 1
            continue
        if brace == -1:
            return
        head = css[at:brace].rpartition(";")[2].strip()
        if head.startswith("@") and not head.startswith(("@font-face", "@page")):
            holds.append(_holds(head))
            at = brace + 1
            continue
        end = css.find("}", brace)
        end = len(css) if end == -1 else end
        if all(holds) and not head.startswith("@"):
            yield head, css[brace + 1 : end]
        at = end + 1


def _holds(condition: str) -> bool:
    """Tell whether an at-rule counts on a screen of 1,024 pixels."""
    words = condition.lower()
    if not words.startswith("@media"):
        return words.startswith(("@supports", "@layer", "@container"))
    if "print" in words and "screen" not in words and "all" not in words:
        return False
    for bound, number, unit in _EDGE.findall(words):
        pixels = float(number) * (16 if unit in ("em", "rem") else 1) if number.count(".") < 2 else 0
        if (bound == "min" and pixels > 1024) or (bound == "max" and pixels < 1024):
            return False
    return True
