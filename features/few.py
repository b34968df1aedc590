"""How a few deals stand at an instant: counts of open deals without an index of them.

Of a store the open deals of an owner are counted by searches in spans; to lay the spans of one
deal out would take longer than to look at the deal itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from features.at import At
from features.snapshots import is_open
from features.spans import Asked
from features.windows import Floats, Ints

GroupOf = Callable[[At], Ints]


@dataclass(frozen=True)
class Few:
    """Deals of a small history: `at` asks about deals as of instants."""

    deals: int
    at: Callable[[Ints, Ints], At]
    _open: dict[int, At] = field(default_factory=dict, repr=False)

    def open_at(self, instant: int) -> At:
        """Give the deals open at an instant as questions in hand."""
        if instant not in self._open:
            deal, time = np.arange(self.deals), np.full(self.deals, instant)
            still = np.flatnonzero(is_open(self.at(deal, time).history, deal, time))
            self._open[instant] = self.at(deal[still], time[still])
        return self._open[instant]


@dataclass(frozen=True)
class OpenBy:
    """Open deals by group: answers as the index of a large history does."""

    few: Few
    group: GroupOf
    classes: int = 0

    def asked(self, asked: Asked) -> OpenOf:
        """Ask about groups at instants."""
        return OpenOf(self, asked)

    def counts(self, instants: Ints) -> Floats:
        """(instants, classes) open deals of each class at each instant."""
        found = [self._codes(instant) for instant in instants.tolist()]
        return np.array([np.bincount(codes, minlength=self.classes) for codes in found], float)

    def count(self, group: Ints, time: Ints) -> Floats:
        """(n,) open deals of each group at each instant."""
        found = np.zeros(len(group))
        for instant in set(time.tolist()):
            codes, rows = np.sort(self._codes(instant)), time == instant
            mine = group[rows]
            found[rows] = codes.searchsorted(mine, "right") - codes.searchsorted(mine)
        return found

    def _codes(self, instant: int) -> Ints:
        codes = self.group(self.few.open_at(instant))
        return codes[codes >= 0]


@dataclass(frozen=True)
class OpenOf:
    """Open deals of the groups asked about."""

    by: OpenBy
    of: Asked

    def count(self) -> Floats:
        """(n,) number of deals."""
        return self.by.count(self.of.group, self.of.time)
