"""The closings of a history by what deals are grouped by, in one timeline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.at import At
from features.dimensions import DIMENSIONS, closing_amount
from features.history import WON, History
from features.medians import running_median
from features.windows import Column, Floats, Ints, Timeline, days_between

SUMS = ("won", "won_log_days", "won_priced", "won_log_amount")
"""What is summed over the closings of a group."""


@dataclass(frozen=True)
class Records:
    """Closings by group, once for each dimension.

    Attributes
    ----------
    closings : timeline of the groups of all dimensions; values SUMS
    begin : (dimensions,) number of the first group of each
    groups : (dimensions,) how many each has; after them stands one without closings
    """

    closings: Timeline
    begin: Ints
    groups: Ints

    @property
    def medians(self) -> Floats:
        """(wins,) median logarithm of 1 + days to win over the wins of the group so far."""

        def build() -> Floats:
            wins = self.closings.where(self.closings.values["won"])
            return running_median(wins.group, wins.values["won_log_days"])

        found: Floats = self.closings.kept("medians", build)
        return found


def records(at: At) -> Records:
    """Index of the closings by the groups of every dimension."""

    def build() -> Records:
        dimensions, closings = DIMENSIONS.values(), at.history.closings
        groups = np.array([dimension.groups(at) for dimension in dimensions])
        begin = np.cumsum(groups + 1) - groups - 1
        codes = np.array([dimension.then(at) for dimension in dimensions])
        group = np.where(codes < 0, -1, codes + begin[:, None]).ravel()
        columns = {k: np.tile(v, len(codes)) for k, v in _terms(at.history).items()}
        time, total = np.tile(closings.time, len(codes)), int((groups + 1).sum())
        return Records(Timeline.of(group, time, groups=total, **columns), begin, groups)

    return at.index("record:closings", build)


def _terms(history: History) -> dict[str, Column]:
    """(closings,) what each adds to SUMS."""
    closings, amount = history.closings, closing_amount(history)
    won = closings.values["outcome"] == WON
    life = days_between(history.created[closings.group], closings.values["happened"])
    return {
        "won": won,
        "won_log_days": won * np.log1p(np.maximum(life, 0)),
        "won_priced": won & (amount > 0),
        "won_log_amount": won * np.log(np.where(amount > 0, amount, 1.0)),
    }
