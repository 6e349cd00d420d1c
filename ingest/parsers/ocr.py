"""Scanned pages read by tesseract, called by its command line: lines with places, English and Chinese.

Tesseract comes with the system (Debian: tesseract-ocr, tesseract-ocr-chi-sim, tesseract-ocr-chi-tra). Without it
nothing fails: `Reader.find` returns None, and who reads the file names the pages that hold no text.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.clean import clean_line, close_han_gaps
from ingest.parsers.eyes import tesseract
from ingest.parsers.pdf_lines import GAP, NUMBER_GAP, Line, Piece

DPI = 250
SECONDS = 60.0  # for one page
CHOICES = ("eng", "chi_sim+eng", "chi_tra+eng")
SURE = 85.0  # of 100: mean confidence below which the other languages are tried too
DOUBT = 40.0  # confidence below which a word speaks against the languages it was read in
LEAST = 20.0  # confidence of a word that is kept
_NUMBERS = re.compile(r"\d [\d(-]")
_GOES_ON = re.compile(r"\d[,.]$")
_SPLIT_NUMBER = re.compile(r"(?<=\d)(, (?=\d{3}(?!\d))|\. (?=\d{1,2}(?!\d)))")


@dataclass(frozen=True, slots=True)
class Word:
    """A word as tesseract sees it: pixels from the upper left corner, confidence 0 to 100."""

    text: str
    left: int
    top: int
    width: int
    height: int
    line: tuple[int, int, int]
    confidence: float


@dataclass(slots=True)
class Reader:
    """Reads pictures of pages; keeps to the languages that served the page before."""

    command: str
    languages: tuple[str, ...]
    _last: str = field(default="")

    @classmethod
    def find(cls) -> Reader | None:
        """Return a reader, None where tesseract is not installed, has no language of ours, or is not to be used."""
        command = tesseract()
        if command is None:
            return None
        listed = subprocess.run([command, "--list-langs"], capture_output=True, text=True, timeout=SECONDS, check=False)
        held = set(listed.stdout.split())
        languages = tuple(choice for choice in CHOICES if set(choice.split("+")) <= held)
        return cls(command, languages) if languages else None

    def lines(self, picture: bytes, *, scale: float, height: float) -> list[Line]:
        """Return the lines on a picture of a page, top down, in points; empty where no word is sure enough.

        Args:
            picture: PNG.
            scale: pixels a point.
            height: of the page, in points.
        """
        order = sorted(self.languages, key=lambda choice: choice != self._last)
        best: list[Word] = []
        most = float("-inf")
        for choice in order:
            words = self._words(picture, choice, round(72 * scale))
            gain = sum((word.confidence - DOUBT) * len(word.text) for word in words)
            if gain > most:
                best, most, self._last = words, gain, choice
            if _confidence(words) >= SURE:
                break
        return _lines([word for word in best if word.confidence >= LEAST], scale, height)

    def _words(self, picture: bytes, languages: str, dpi: int) -> list[Word]:
        """Return the words of a picture; none where tesseract fails or takes too long."""
        command = [self.command, "stdin", "stdout", "-l", languages, "--dpi", str(dpi), "--psm", "3", "tsv"]
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}  # one page, one core: pages are read side by side
        try:
            done = subprocess.run(
                command, input=picture, capture_output=True, timeout=SECONDS, env=environment, check=True
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
            return []
        rows = csv.DictReader(
            done.stdout.decode("utf-8", "replace").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
        )
        words = []
        for row in rows:
            text = clean_line(row["text"] or "")
            if text:
                left, top, width, height = (int(row[key]) for key in ("left", "top", "width", "height"))
                line = (int(row["block_num"]), int(row["par_num"]), int(row["line_num"]))
                words.append(Word(text, left, top, width, height, line, float(row["conf"])))
        return words


def _confidence(words: Sequence[Word]) -> float:
    """Return the mean confidence by characters."""
    total = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / total if total else 0.0


def _lines(words: Sequence[Word], scale: float, height: float) -> list[Line]:
    """Gather words into lines of pieces, turned to points with y upwards."""
    rows: dict[tuple[int, int, int], list[Word]] = {}
    for word in words:
        rows.setdefault(word.line, []).append(word)
    made = []
    for row in rows.values():
        row.sort(key=lambda word: word.left)
        top = min(word.top for word in row)
        size = max(word.height for word in row)
        pieces: list[Piece] = []
        right = 0
        for word in row:
            parted = pieces and _NUMBERS.search(f"{pieces[-1].text[-1:]} {word.text[:1]}")
            goes_on = bool(pieces) and _GOES_ON.search(pieces[-1].text) and word.text[:1].isdigit()
            room = 1.5 if goes_on else NUMBER_GAP if parted else GAP
            if pieces and word.left - right <= room * size:
                pieces[-1].text += f" {word.text}"
                pieces[-1].x1 = (word.left + word.width) / scale
            else:
                pieces.append(Piece(word.text, word.left / scale, (word.left + word.width) / scale))
            right = word.left + word.width
        for piece in pieces:
            piece.text = _SPLIT_NUMBER.sub(lambda found: found.group()[0], close_han_gaps(piece.text))
        made.append(Line(pieces, height - (top + size) / scale, height - top / scale))
    return _side_by_side(sorted(made, key=lambda line: -line.top))


def _side_by_side(lines: list[Line]) -> list[Line]:
    """Join lines of different blocks at one height, as the columns of a table are."""
    joined: list[Line] = []
    for line in lines:
        last = joined[-1] if joined else None
        shared = min(last.top, line.top) - max(last.bottom, line.bottom) if last is not None else 0.0
        if last is not None and shared > 0.6 * min(last.height, line.height):
            pieces = sorted([*last.pieces, *line.pieces], key=lambda piece: piece.x0)
            joined[-1] = Line(pieces, min(last.bottom, line.bottom), max(last.top, line.top))
        else:
            joined.append(line)
    return joined
