"""What a reader asks of a page: filters out of the address, the language, and how far one sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pandas as pd

from serving.pages.words import Words, words_of
from serving.records import Records
from serving.scores import Scores

LONGEST = 200
PAGE_SIZES = (25, 50, 100)


class OutOfSightError(LookupError):
    """Told to the reader as if there were no such owner."""


@dataclass(frozen=True)
class Asked:
    """A question to a page. An address that cannot be understood falls back to the usual answer.

    Attributes
    ----------
    path : address of the page
    params : filters as the address gives them
    now : the instant of asking
    sight : owners whose deals the reader may see; None for all
    whole : give every row, for a file, not one page of them
    records, scores : what people said, and what was served day by day; None where not kept
    workspace : folder of the store and the models
    caller : who is signed in, empty where keys are off; csrf_token : for the forms of the page
    """

    path: str
    params: Mapping[str, str]
    now: pd.Timestamp
    words: Words = field(default_factory=lambda: words_of("en"))
    sight: frozenset[str] | None = None
    whole: bool = False
    records: Records | None = None
    scores: Scores | None = None
    workspace: Path | None = None
    caller: str = ""
    csrf_token: str = ""

    def text(self, name: str) -> str:
        """Give a filter as text; empty where it is not asked for."""
        return self.params.get(name, "").strip()[:LONGEST]

    def check_owner(self) -> None:
        """Raise OutOfSightError where an owner is asked for whose deals the reader may not see."""
        owner = self.text("owner")
        if owner and self.sight is not None and owner not in self.sight:
            raise OutOfSightError(owner)

    def choice(self, name: str, allowed: Iterable[str], default: str = "") -> str:
        """Give a filter if it is one of those allowed."""
        got = self.text(name)
        return got if got in allowed else default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Give a filter as a whole number, kept within its bounds."""
        got = self.text(name)
        return min(max(int(got), low), high) if got.isdecimal() and len(got) < 10 else default

    def link(self, **changes: object) -> str:
        """Give the address of this view with some filters changed; a change of paging is first."""
        told = {**self.params, **({} if "page" in changes else {"page": ""})}
        told |= {name: "" if value is None else str(value) for name, value in changes.items()}
        query = urlencode({name: value for name, value in told.items() if value != ""})
        return f"{self.path}?{query}" if query else self.path

    def file(self, table: str) -> str:
        """Give the address of a table of this view as a CSV file."""
        return replace(self, path=f"{self.path.rstrip('/') or '/today'}.csv").link(table=table)


def deal_address(deal_id: str) -> str:
    """Give the address of a deal's page, whatever its identifier holds.

    >>> deal_address("A/7?#1"), deal_address("ดีล")
    ('/deals/A/7%3F%231', '/deals/%E0%B8%94%E0%B8%B5%E0%B8%A5')
    """
    return f"/deals/{quote(deal_id)}"


def paged(count: int, asked: Asked) -> dict[str, int]:
    """Give which rows of a list one page shows: page, pages, first and last (from 1), count."""
    size = asked.number("size", PAGE_SIZES[0], 1, 200)
    pages = max(1, -(-count // size))
    page = min(asked.number("page", 1, 1, 1_000_000), pages)
    first, last = (page - 1) * size, min(page * size, count)
    if asked.whole:
        first, last = 0, count
    return {"page": page, "pages": pages, "first": first + 1, "last": last, "count": count}
