"""Domain presets: what an answer in medicine or finance must never leave out. Data, in `domains/*.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache

from rag.settings import DOMAINS


@dataclass(frozen=True, slots=True)
class Preset:
    """Words of one domain, by language: `rules` join the system prompt, `notice` stands under an answer."""

    rules_en: str = ""
    rules_zh: str = ""
    notice_en: str = ""
    notice_zh: str = ""

    def rules(self, language: str) -> str:
        """Return the rules in "en" or "zh"."""
        return self.rules_zh if language == "zh" else self.rules_en

    def notice(self, language: str) -> str:
        """Return the line that stands under an answer in "en" or "zh"."""
        return self.notice_zh if language == "zh" else self.notice_en


@cache
def load_preset(domain: str) -> Preset:
    """Return the preset of a domain; "general" has none."""
    path = DOMAINS / f"{domain}.toml"
    if not path.is_file():
        return Preset()
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    fields = {f"{part}_{lang}": text for part in ("rules", "notice") for lang, text in found.get(part, {}).items()}
    return Preset(**fields)
