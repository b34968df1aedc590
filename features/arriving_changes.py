"""Changes that arrive with deals, laid out value by value as the timelines of a history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from features.closings import StageRules
from features.facts import OPEN, PROPERTIES, as_dates, plain_time
from features.history import History
from features.windows import Column, Floats, Timeline

Columns = Mapping[str, list[Any]]
Names = dict[str, int]


class UnplacedError(Exception):
    """A name the store does not know, or a deal of which `deals` alone tells that it closed."""


@dataclass(frozen=True)
class Facts:
    """Changes of properties in the order known: deal by deal, then by both clocks."""

    deal: list[int]
    name: list[str]
    value: list[Any]
    happened: list[int]
    known: list[int]

    @classmethod
    def of(cls, changes: Columns, place: Names) -> Facts:
        """Bring the rows of deal_history into order."""
        deal = [place[deal_id] for deal_id in changes["deal_id"]]
        happened = changes["changed_at"]
        known = _later(happened, changes["recorded_at"])
        order = sorted(range(len(deal)), key=lambda n: (deal[n], known[n], happened[n]))
        columns: tuple[list[Any], ...] = (
            deal, changes["property"], changes["value"], happened, known,
        )  # fmt: skip
        return cls(*([column[n] for n in order] for column in columns))

    def rows(self, name: str) -> list[int]:
        """Rows of a property."""
        return [row for row, each in enumerate(self.name) if each == name]

    def standing(self, rows: list[int], closing: Collection[int] = ()) -> list[int]:
        """Rows without the late entries about a time before a change already known.

        Rows of `closing` count from when they were known, and always stand (`facts.superseded`).
        """
        found: list[int] = []
        latest: dict[int, int] = {}
        for row in rows:
            closes = row in closing
            deal, at = self.deal[row], (self.known if closes else self.happened)[row]
            before = latest.get(deal, at)
            if closes or at >= before:
                found.append(row)
            latest[deal] = max(at, before)
        return found

    def timeline(self, rows: list[int], deals: int, **values: Column) -> Timeline:
        """Give rows, which stand in the order known, as a timeline."""
        deal, known, happened = (
            np.array([column[row] for row in rows], np.int64)
            for column in (self.deal, self.known, self.happened)
        )
        start = deal.searchsorted(np.arange(deals + 1))
        return Timeline(start, known, {"happened": happened.astype(float), **values})


def _later(happened: list[int], recorded: list[int | None]) -> list[int]:
    """When each fact was known: recorded, but not before it happened."""
    return [h if r is None else max(h, r) for h, r in zip(happened, recorded, strict=True)]


def stages_of(store: History, facts: Facts, rules: StageRules, deals: int) -> Timeline:
    """Stage changes; those of one instant go forward through the stages, closed last."""
    places = places_of(store, "stages", lambda: store.stage_names)
    rows = facts.rows("stage")
    names = {facts.value[row] for row in rows}
    if not names <= set(places):
        raise UnplacedError
    outcome = {name: rules.outcome(name) for name in names}
    stand = {name: (outcome[name], rules.place(name)) for name in names}
    rows.sort(
        key=lambda n: (facts.deal[n], facts.known[n], facts.happened[n], *stand[facts.value[n]])
    )
    rows = facts.standing(rows, {row for row in rows if outcome[facts.value[row]] != OPEN})
    return facts.timeline(
        rows,
        deals,
        stage=np.array([places[facts.value[row]] for row in rows], float),
        outcome=np.array([outcome[facts.value[row]] for row in rows], float),
        told=np.zeros(len(rows), bool),
    )


def properties_of(
    store: History, facts: Facts, currency: list[str | None], deals: int
) -> tuple[dict[str, Timeline], dict[str, tuple[str, ...]]]:
    """Timelines of every other property, as `facts.property_timelines` has them."""
    owners = places_of(store, "owners", lambda: store.owners.names)
    custom = sorted(set(facts.name) - set(PROPERTIES))
    timelines, labels = {}, {}
    for name in [*PROPERTIES[1:], *custom]:
        rows = facts.standing(facts.rows(name))
        texts = [facts.value[row] for row in rows]
        if name == "owner_id":
            if not set(texts) <= set(owners):
                raise UnplacedError
            columns = {"value": np.array([owners[text] for text in texts], float)}
        elif name == "expected_close_date":
            columns = {"value": _dates(texts)}
        else:
            columns = {"value": _numbers(texts)}
        if name == "amount" and store.settings.rates:
            rate = [store.settings.rates.get(currency[facts.deal[row]] or "", 1.0) for row in rows]
            columns["value"] = columns["value"] * np.array(rate, float)
        if name in custom:
            code = {text: n for n, text in enumerate(dict.fromkeys(texts))}
            labels[name] = tuple(code)
            columns |= {"label": np.array([code[each] for each in texts], float)}
            columns |= {"date": _dates(texts)}
        timelines[name] = facts.timeline(rows, deals, **columns)
    return timelines, labels


def _numbers(texts: Sequence[Any]) -> Floats:
    found = pd.to_numeric(np.array(texts, object), errors="coerce")
    return np.asarray(found, float)


def _dates(texts: Sequence[str]) -> Floats:
    """Microseconds of dates; NaN where a text is none."""
    return np.array([_date(text) for text in texts], float)


@lru_cache(maxsize=4_096)
def _date(text: str) -> float:
    plain = plain_time(text)
    return float(as_dates(pd.Series([text], dtype="str"))[0]) if plain is None else float(plain)


def places_of(store: History, what: str, names: Callable[[], Iterable[str]]) -> Names:
    """Code of each of the store's names; made once."""
    return store.index(f"places:{what}", lambda: {name: n for n, name in enumerate(names())})
