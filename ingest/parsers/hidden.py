"""What is in a file but not in front of the reader's eyes, and how much of it was left out.

Text that nobody sees is how documents give orders to assistants: white on white, of no size, off the page. The rules
of looks are those of CSS; Word, slides and sheets ask the same colours. It does not know pictures behind text.
"""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ingest.clean import clean_line
from rag.schema import Scalar

Colour = tuple[int, int, int, float]  # red, green, blue in 0 to 255; opacity in 0 to 1
BLACK: Colour = (0, 0, 0, 1.0)
WHITE: Colour = (255, 255, 255, 1.0)
MIN_SIZE = 2.0  # pixels of a letter below which nobody reads it
MIN_CONTRAST = 24  # of 255, in the channel that differs most
FAR = 300.0  # pixels off the page
_NAMED = {
    "white": WHITE, "black": BLACK, "transparent": (0, 0, 0, 0.0), "snow": (255, 250, 250, 1.0),
    "ivory": (255, 255, 240, 1.0), "whitesmoke": (245, 245, 245, 1.0), "ghostwhite": (248, 248, 255, 1.0),
    "floralwhite": (255, 250, 240, 1.0), "mintcream": (245, 255, 250, 1.0), "azure": (240, 255, 255, 1.0),
    "aliceblue": (240, 248, 255, 1.0), "seashell": (255, 245, 238, 1.0), "honeydew": (240, 255, 240, 1.0),
    "red": (255, 0, 0, 1.0), "blue": (0, 0, 255, 1.0), "navy": (0, 0, 128, 1.0), "green": (0, 128, 0, 1.0),
    "gray": (128, 128, 128, 1.0), "grey": (128, 128, 128, 1.0), "silver": (192, 192, 192, 1.0),
    "yellow": (255, 255, 0, 1.0), "darkblue": (0, 0, 139, 1.0), "maroon": (128, 0, 0, 1.0),
    "teal": (0, 128, 128, 1.0), "purple": (128, 0, 128, 1.0), "lightgray": (211, 211, 211, 1.0),
}  # fmt: skip
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "pc": 16.0, "in": 96.0}
_PIXELS |= {"cm": 37.8, "mm": 3.78, "vw": 10.24, "vh": 7.68, "%": 10.24}
_SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0}
_LENGTH = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]+|%|)", re.IGNORECASE)
_FONT_SIZE = re.compile(r"(?:^|\s)((?:\d+\.?\d*|\.\d+)(?:px|pt|r?em|ex|%)|0+(?:\.0+)?(?=[\s/]))", re.IGNORECASE)
_NUMBERS = re.compile(r"[\d.]+%?")


@dataclass(slots=True)
class Tally:
    """Characters left out, by the way they were hidden."""

    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, text: str) -> None:
        """Count the words of a hidden text; white space is not counted as text."""
        self.kinds[kind] += len(clean_line(text))

    def metadata(self) -> dict[str, Scalar]:
        """Return `hidden_text` (characters) and `hidden_kinds`, nothing where nothing was hidden."""
        found = [(kind, count) for kind, count in self.kinds.most_common() if count]
        if not found:
            return {}
        told = ", ".join(f"{kind} {count}" for kind, count in found)
        return {"hidden_text": sum(count for _, count in found), "hidden_kinds": told}


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks where it stands; handed down from element to element. `background` None: not known."""

    colour: Colour = BLACK
    background: Colour | None = WHITE
    size: float = 16.0  # pixels

    def unseen(self) -> str:
        """Return how text of this look is hidden, "" where it is seen."""
        if self.size < MIN_SIZE:
            return "too small to read"
        return "colour of its ground" if blends(self.colour, self.background) else ""


def blends(colour: Colour, background: Colour | None) -> bool:
    """Tell whether text of a colour cannot be told from what it stands on."""
    if colour[3] < 0.06:
        return True
    if background is None:
        return False
    pairs = zip(colour[:3], background[:3], strict=True)
    return max(abs(a - b) for a, b in pairs) * colour[3] < MIN_CONTRAST


def read_colour(text: str) -> Colour | None:
    """Read a colour of CSS ("#fff", "rgb(255 255 255 / 0)", "hsl(...)", "white"); None where it is not known."""
    text = text.strip().lower()
    if text in _NAMED:
        return _NAMED[text]
    digits = text.removeprefix("#")
    if text.startswith("#") and len(digits) in (3, 4, 6, 8) and re.fullmatch(r"[0-9a-f]+", digits):
        digits = "".join(c * 2 for c in digits) if len(digits) < 6 else digits
        red, green, blue, alpha = (int((digits + "ff")[i : i + 2], 16) for i in (0, 2, 4, 6))
        return red, green, blue, alpha / 255
    if text.startswith(("rgb", "hsl")):
        return _function_colour(text)
    return None


def _function_colour(text: str) -> Colour | None:
    parts = _NUMBERS.findall(text)
    if len(parts) < 3 or any(part.count(".") > 1 or not part.strip("%.") for part in parts[:4]):
        return None
    numbers = [float(part.rstrip("%")) / (100 if part.endswith("%") else 1) for part in parts[:4]]
    alpha = min(1.0, numbers[3]) if len(numbers) > 3 else 1.0
    if text.startswith("hsl"):
        red, green, blue = (255 * c for c in colorsys.hls_to_rgb(numbers[0] % 360 / 360, numbers[2], numbers[1]))
    else:
        red, green, blue = (255 * n if p.endswith("%") else n for n, p in zip(numbers[:3], parts, strict=False))
    return min(255, int(red)), min(255, int(green)), min(255, int(blue)), alpha


def over(front: Colour, back: Colour | None) -> Colour | None:
    """Return the colour seen where one lies over another; None where the one behind is not known and shines through."""
    alpha = front[3]
    if alpha >= 0.99 or back is None:
        return front if alpha >= 0.99 else None
    red, green, blue = (int(alpha * a + (1 - alpha) * b) for a, b in zip(front[:3], back[:3], strict=True))
    return red, green, blue, 1.0


def length(text: str) -> float | None:
    """Return a length of CSS in pixels of a usual page; None where it is none."""
    found = _LENGTH.match(text.strip())
    if not found:
        return None
    return float(found.group(1)) * _PIXELS.get(found.group(2).lower(), 1.0)


def inherit(look: Look, style: Mapping[str, str]) -> Look:
    """Return the look of an element's own text: the one around it, changed by its style."""
    changes: dict[str, object] = {}
    ground = style.get("background") or style.get("background-color")
    if ground is not None:
        changes["background"] = _ground(ground + " " + style.get("background-image", ""), look.background)
    elif "background-image" in style and "none" not in style["background-image"]:
        changes["background"] = None
    colour = read_colour(style.get("-webkit-text-fill-color") or style.get("color", ""))
    if colour is not None:
        changes["colour"] = colour
    size = _size(style, look.size)
    if size is not None:
        changes["size"] = size
    return replace(look, **changes) if changes else look  # type: ignore[arg-type]


def _ground(text: str, behind: Colour | None) -> Colour | None:
    if "url(" in text or "gradient" in text:
        return None
    words = re.findall(r"(?:rgb|hsl)a?\([^)]*\)|#[0-9a-f]+|[a-z]+", text, re.IGNORECASE)
    found = next((colour for colour in map(read_colour, words) if colour is not None), None)
    if found is not None:
        return over(found, behind)
    known = {"none", "inherit", "initial", "unset", "transparent", "repeat", "scroll"}
    return behind if {word.lower() for word in words} <= known else None  # a colour that has no number here


def _size(style: Mapping[str, str], around: float) -> float | None:
    text = style.get("font-size", "").strip().lower()
    if not text and "font" in style:
        found = _FONT_SIZE.search(style["font"] + " ")
        text = found.group(1).lower() if found else ""
    if text in _SIZES:
        return _SIZES[text]
    found_length = _LENGTH.match(text)
    if not found_length:
        return None
    number, unit = float(found_length.group(1)), found_length.group(2).lower()
    relative = {"em": around, "%": around / 100, "ex": around / 2}
    return number * relative.get(unit, _PIXELS.get(unit, 1.0))


def hides(style: Mapping[str, str]) -> str:
    """Return how a style hides an element with all that is in it, "" where it does not."""
    if style.get("display") == "none" or style.get("content-visibility") == "hidden":
        return "not displayed"
    if style.get("visibility") in ("hidden", "collapse"):
        return "invisible"
    if _nothing(style.get("opacity", "1")) or re.search(r"opacity\(\s*0*\.?0*%?\s*\)", style.get("filter", "")):
        return "transparent"
    if _is_off_page(style):
        return "off the page"
    return "cut to nothing" if _is_cut(style) else ""


def _nothing(text: str) -> bool:
    found = length(text)
    return found is not None and found <= (50 if text.endswith("%") else 0.05)


def _is_off_page(style: Mapping[str, str]) -> bool:
    if style.get("position", "static") != "static":
        edges = [length(style.get(edge, "")) or 0.0 for edge in ("left", "top", "right", "bottom")]
        edges += [length(part) or 0.0 for part in style.get("inset", "").split()]
        if min(edges) <= -FAR or edges[0] > 20 * FAR:
            return True
    pushed = [length(style.get(name, "")) or 0.0 for name in ("text-indent", "margin-left", "margin-top")]
    moved = re.findall(r"translate[xy3d]*\(([^)]*)\)", style.get("transform", ""))
    pushed += [length(part) or 0.0 for found in moved for part in found.split(",")]
    return min(pushed) <= -FAR


def _is_cut(style: Mapping[str, str]) -> bool:
    if re.search(r"scale[xy3d]*\(\s*0*\.?0*\s*[,)]", style.get("transform", "")):
        return True
    if re.match(r"inset\(\s*(?:50|100)%|circle\(\s*0", style.get("clip-path", "")):
        return True
    clip = [length(part) for part in re.findall(r"[\d.]+\w*", style.get("clip", ""))]
    if clip and all(edge is not None and edge <= 1 for edge in clip):
        return True
    if not any(word in style.get("overflow", "") for word in ("hidden", "clip")):
        return False
    rooms = [length(style[name]) for name in ("width", "height", "max-width", "max-height") if name in style]
    return any(room is not None and room <= 1 for room in rooms)
