"""Answers of before, kept with the marks by which a server tells whether they still hold (ETag, date)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Known:
    """A folder of answers by address; without a folder nothing is kept."""

    folder: Path | None = None

    def find(self, url: str) -> tuple[bytes, dict[str, str]] | None:
        """Return an answer of before and the headers that ask whether it still holds."""
        place = self._place(url)
        if place is None:
            return None
        try:
            marks = json.loads(place.with_suffix(".json").read_bytes())
            content = place.with_suffix(".body").read_bytes()
        except (OSError, ValueError):
            return None
        if not isinstance(marks, dict) or marks.get("sha256") != hashlib.sha256(content).hexdigest():
            return None
        asked = {"If-None-Match": marks.get("etag"), "If-Modified-Since": marks.get("last-modified")}
        headers = {key: value for key, value in asked.items() if isinstance(value, str) and value}
        return (content, headers) if headers else None

    def keep(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Keep an answer, if the server gave a mark with it."""
        place = self._place(url)
        marks = {key: headers[key] for key in ("etag", "last-modified") if key in headers}
        if place is None or not marks:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        told = json.dumps({**marks, "url": url, "sha256": hashlib.sha256(content).hexdigest()}).encode()
        for suffix, data in ((".body", content), (".json", told)):
            part = place.with_suffix(f"{suffix}.part{os.getpid()}")
            part.write_bytes(data)
            part.replace(place.with_suffix(suffix))

    def _place(self, url: str) -> Path | None:
        return None if self.folder is None else self.folder / hashlib.sha256(url.encode()).hexdigest()[:32]
