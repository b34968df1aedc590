"""Outcomes: what happened to a snapshot's deal in `[as_of, as_of + h)`: they look forward only.

A closing entered late with a date before the as-of instant closed a deal that everybody took for
open: it counts as happening at the as-of instant. What was not known at the data cut is not known
here.

A date filled in backwards is no late entry: a deal that was still worked on was not closed. Where
activities follow the date that is stated, the deal closed when that was entered (`closed_at`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.conversation import latest_so_far
from features.history import LOST, OPEN, WON, History
from features.snapshots import Snapshots
from features.windows import DAY, NEVER, Bools, Floats, Ints


@dataclass(frozen=True)
class Outcomes:
    """The first closing of each snapshot's deal at or after its as-of instant, known before `cut`.

    Attributes
    ----------
    kind : (n,) OPEN (none known), WON or LOST
    days : (n,) days from as-of to the closing; inf where none is known
    watched : (n,) days from as-of to the cut: how far the outcome is known
    closing : (n,) index in `history.closings`, -1 where none
    """

    kind: Ints
    days: Floats
    watched: Floats
    closing: Ints

    def known(self, horizon: float) -> Bools:
        """(n,) the outcome in `[0, horizon)` days is known."""
        return (self.watched >= horizon) | (self.days < horizon)

    def won(self, horizon: float) -> Floats:
        """(n,) 1 where the deal was won within the horizon, else 0; NaN where not yet known."""
        return self._label(WON, horizon)

    def lost(self, horizon: float) -> Floats:
        """(n,) 1 where the deal was lost within the horizon, else 0; NaN where not yet known."""
        return self._label(LOST, horizon)

    def _label(self, kind: int, horizon: float) -> Floats:
        label = ((self.kind == kind) & (self.days < horizon)).astype(float)
        return np.where(self.known(horizon), label, np.nan)


def outcomes(history: History, snapshots: Snapshots, cut: int) -> Outcomes:
    """Outcomes of snapshots, by what was known strictly before `cut` (microseconds)."""
    closings = history.closings
    index = closings.next_index(snapshots.deal, snapshots.time)
    watched = (cut - snapshots.time) / DAY
    if not len(closings.time):
        none = np.full(len(snapshots), np.inf)
        return Outcomes(np.full(len(snapshots), OPEN), none, watched, index)
    found = (index >= 0) & (np.where(index >= 0, closings.time[index], NEVER) < cut)
    kind = np.where(found, closings.values["outcome"][index], OPEN).astype(np.int64)
    happened = np.maximum(closed_at(history)[index], snapshots.time)
    days = np.where(found, (happened - snapshots.time) / DAY, np.inf)
    return Outcomes(kind, days, watched, np.where(found, index, -1))


def closed_at(history: History) -> Floats:
    """(closings,) when deals closed, in microseconds.

    As stated; where an activity known by the time that the closing was entered came after the date
    stated, the time it was entered. A deal that was not there yet on that date was moved in with
    its past, activities after its closing among it: as stated.
    """

    def build() -> Floats:
        closings, activities = history.closings, history.activities
        worked = activities.having(latest=latest_so_far(activities).astype(float))
        latest = worked.last("latest", closings.group, closings.time + 1)
        stated = closings.values["happened"]
        filled_in = (latest > stated) & (history.known_from[closings.group] <= stated)
        return np.where(filled_in, closings.time.astype(float), stated)

    return history.index("closed_at", build)
