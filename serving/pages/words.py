"""The words of the pages in the reader's language: one catalogue, every key in each language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from serving.figures import MISSING

CATALOGUE = Path(__file__).parents[1] / "messages.json"
LANGUAGES = {"en": "English", "th": "ไทย"}
DEFAULT = "en"


@dataclass(frozen=True)
class Words:
    """Texts of one language; a key that is not there is an error, not an empty label."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Give the text of a key with its values put in."""
        text = self.texts[key]
        return text.format(**values) if values else text

    def count(self, key: str, number: int) -> str:
        """Give the text of a number of things: `key.one` or `key.many`, with `{n}`."""
        return self(f"{key}.{'one' if number == 1 else 'many'}", n=f"{number:,}")

    def known(self, key: str, otherwise: str) -> str:
        """Give the text of a key, or a name of the firm's own where the catalogue has none."""
        return self.texts.get(key, otherwise)

    def day(self, at: pd.Timestamp | None, *, year: int | None = None) -> str:
        """Write a day; the year only where it is not the one given."""
        if at is None or pd.isna(at):
            return MISSING
        text = f"{at.day} {self(f'month.{at.month}')}"
        return text if year == at.year else f"{text} {at.year}"

    def instant(self, at: pd.Timestamp | None) -> str:
        """Write a day and a time with its zone."""
        if at is None or pd.isna(at):
            return MISSING
        return f"{self.day(at)}, {at:%H:%M %Z}"

    def period(self, name: str) -> str:
        """Write a period such as 2026-03 for people; quarters stand as they are."""
        year, _, part = name.partition("-")
        return name if part.startswith("Q") else f"{self(f'month.{int(part)}')} {year}"

    def days(self, value: float | None) -> str:
        """Write a number of days."""
        if value is None or pd.isna(value):
            return MISSING
        return self.count("days", int(value))

    def hours(self, value: float | None) -> str:
        """Write a number of hours, in days from two days on."""
        if value is None or pd.isna(value):
            return MISSING
        return self.count("hours", round(value)) if value < 48 else self.days(value / 24)


@lru_cache(maxsize=1)
def catalogue() -> dict[str, dict[str, str]]:
    """Read all texts: key -> language -> text."""
    found: dict[str, dict[str, str]] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=len(LANGUAGES))
def words_of(language: str) -> Words:
    """Give the words of a language."""
    return Words(language, {key: texts[language] for key, texts in catalogue().items()})


def preferred(asked: str, kept: str, accepted: str) -> str:
    """Choose a language: the one asked for, else the one kept, else what the browser prefers.

    >>> preferred("", "", "th-TH,th;q=0.9,en;q=0.8"), preferred("", "en", "th")
    ('th', 'en')
    """
    told = [part.split(";")[0].strip()[:2].lower() for part in accepted.split(",")]
    return next((each for each in (asked, kept, *told) if each in LANGUAGES), DEFAULT)
