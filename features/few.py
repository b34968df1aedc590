"""Counts over a few deals, of which to look at each takes less time than to lay out an index.

Of a store the open deals of an owner, or the contacts of a deal, are counted by searches in spans.
Of a history of one deal, or of some, they are counted by looking at its facts as of the instant;
the answers are those that the indexes would give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from features.at import At, as_codes
from features.dimensions import account_codes, team_of_owner
from features.history import History
from features.size import amount_class
from features.snapshots import is_open
from features.spans import Asked
from features.stages import cells_of_stays, of_stages, stage_stays
from features.windows import DAY, Floats, Ints


@dataclass(frozen=True)
class Few:
    """A small history; `at` asks about its deals as of instants."""

    history: History
    at: Callable[[Ints, Ints], At]
    _open: dict[int, At] = field(default_factory=dict, repr=False)

    def open_at(self, instant: int) -> At:
        """Give the deals open at an instant as questions in hand."""
        if instant not in self._open:
            deal = np.arange(self.history.size)
            time = np.full(self.history.size, instant)
            still = np.flatnonzero(is_open(self.history, deal, time))
            self._open[instant] = self.at(deal[still], time[still])
        return self._open[instant]

    def alone(self) -> At:
        """Give no questions, but what has indexes."""
        nothing = np.zeros(0, np.int64)
        return self.at(nothing, nothing)

    def recent(self, instant: int, days: int) -> Ints:
        """Rows of the activities known before an instant that happened in the days before it."""
        events = self.history.activities
        happened = events.values["happened"]
        return np.flatnonzero((events.time < instant) & (happened >= instant - days * DAY))


Codes = Callable[[Few, int], Ints]
"""Group of each thing to count at an instant; negative for those of no group."""


def _load(few: Few, instant: int) -> Ints:
    events, rows = few.history.activities, few.recent(instant, 30)
    owners = few.history.changes["owner_id"]
    return as_codes(owners.last("value", events.group[rows], events.time[rows] + 1))


def _stays(few: Few, instant: int) -> Ints:
    at = few.alone()
    cell, time, _ = cells_of_stays(of_stages(at, "stays", stage_stays))
    return cell[time < instant]


def _contacts(days: int) -> Codes:
    def codes(few: Few, instant: int) -> Ints:
        events, rows = few.history.activities, few.recent(instant, days)
        met = zip(
            events.group[rows].tolist(), events.values["contact"][rows].tolist(), strict=True
        )
        return np.array([deal for deal, contact in {*met} if contact >= 0], np.int64)

    return codes


def _booked(few: Few, instant: int) -> Ints:
    events = few.history.activities
    ahead = events.values["meeting"] & (events.time >= instant)
    return events.group[ahead & (events.values["recorded"] < instant)]


SHARED: dict[str, Codes] = {
    "owner_open": lambda few, instant: few.open_at(instant).owner,
    "team_open": lambda few, instant: team_of_owner(few.alone())[0][few.open_at(instant).owner],
    "account_open": lambda few, instant: account_codes(few.alone())[0][few.open_at(instant).deal],
    "open_amounts": lambda few, instant: amount_class(few.open_at(instant).amount),
    "owner_load": _load,
    "stays:class": _stays,
}
"""Indexes of the deals of many that are counted here, and by what their counts are told apart."""
OWN: dict[str, Codes] = {
    "contacts:30": _contacts(30),
    "contacts:90": _contacts(90),
    "booked": _booked,
}
"""Indexes of facts of each deal that are counted here."""


@dataclass(frozen=True)
class Counts:
    """Counts by group: answers as an index does."""

    few: Few
    codes: Codes

    def asked(self, asked: Asked) -> CountsOf:
        """Ask about groups at instants."""
        return CountsOf(self, asked)

    def counts(self, instants: Ints, classes: int) -> Floats:
        """(instants, classes) number of each class at each instant."""
        found = [self._at(instant) for instant in instants.tolist()]
        return np.array([np.bincount(codes, minlength=classes) for codes in found], float)

    def count(self, group: Ints, time: Ints) -> Floats:
        """(n,) number of each group at each instant."""
        if len(group) == 1:
            return np.array([np.count_nonzero(self._at(time.item()) == group)], float)
        found = np.zeros(len(group))
        for instant in {*time.tolist()}:
            codes, rows = np.sort(self._at(instant)), time == instant
            mine = group[rows]
            found[rows] = codes.searchsorted(mine, "right") - codes.searchsorted(mine)
        return found

    def _at(self, instant: int) -> Ints:
        codes = self.codes(self.few, instant)
        return codes[codes >= 0]


@dataclass(frozen=True)
class CountsOf:
    """Counts of the groups asked about."""

    by: Counts
    of: Asked

    def count(self) -> Floats:
        """(n,) number of each."""
        return self.by.count(self.of.group, self.of.time)
