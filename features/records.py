"""The closings of a history by what deals are grouped by, in one timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.at import At
from features.dimensions import DIMENSIONS, closing_amount
from features.history import WON, History
from features.medians import running_median
from features.windows import DAY, Column, Floats, Ints, Timeline, days_between

SUMS = ("won", "won_timed", "won_log_days", "won_priced", "won_log_amount")
"""What is summed over the closings of a group."""
YEAR = 365 * DAY


@dataclass(frozen=True)
class Records:
    """Closings by group, once for each dimension.

    Attributes
    ----------
    closings : timeline of the groups of all dimensions; values SUMS
    a_year_old : the same closings, each at the instant from which it is no longer of the last
        year: a year after it happened, or when it became known, whichever is later
    begin : (dimensions,) number of the first group of each
    groups : (dimensions,) how many each has; after them stands one without closings
    """

    closings: Timeline
    a_year_old: Timeline
    begin: Ints
    groups: Ints

    @property
    def medians(self) -> Floats:
        """(timed wins,) median logarithm of 1 + days to win over those of the group so far."""

        def build() -> Floats:
            wins = self.closings.where(self.closings.values["won_timed"])
            return running_median(wins.group, wins.values["won_log_days"])

        found: Floats = self.closings.kept("medians", build)
        return found


def records(at: At) -> Records:
    """Index of the closings by the groups of every dimension."""

    def build() -> Records:
        terms, known = _terms(at.history), at.history.closings.time
        happened = at.history.closings.values["happened"].astype(np.int64)
        groups = np.array([dimension.groups(at) for dimension in DIMENSIONS.values()])
        then = [dimension.then(at) for dimension in DIMENSIONS.values()]

        def by(time: Ints) -> Timeline:
            pairs = zip(then, groups.tolist(), strict=True)
            return _joined([Timeline.of(of, time, groups=n + 1, **terms) for of, n in pairs])

        old = np.maximum(known, happened + YEAR)
        return Records(by(known), by(old), np.cumsum(groups + 1) - groups - 1, groups)

    return at.index("record:closings", build)


def _joined(timelines: Sequence[Timeline]) -> Timeline:
    """Join timelines with values of the same names: their groups come one after the other."""
    begin = np.cumsum([0, *(len(each.time) for each in timelines)])
    starts = [each.start[:-1] + first for each, first in zip(timelines, begin, strict=False)]
    values = {
        name: np.concatenate([each.values[name] for each in timelines])
        for name in timelines[0].values
    }
    time = np.concatenate([each.time for each in timelines])
    return Timeline(np.concatenate([*starts, begin[-1:]]), time, values)


def _terms(history: History) -> dict[str, Column]:
    """(closings,) what each adds to SUMS.

    A deal that was won the moment it was created (one moved in from elsewhere, which bears the
    date of the import) tells nothing of how long wins take.
    """
    closings, amount = history.closings, closing_amount(history)
    won = closings.values["outcome"] == WON
    life = days_between(history.created[closings.group], closings.values["happened"])
    return {
        "won": won,
        "won_timed": won & (life > 0),
        "won_log_days": won * np.log1p(np.maximum(life, 0)),
        "won_priced": won & (amount > 0),
        "won_log_amount": won * np.log(np.where(amount > 0, amount, 1.0)),
    }
