"""Counts of many classes at an instant: of spans that go on, or of facts that have become known.

Where a question needs the counts of *all* classes (a rank, a distribution), searching each class
costs as much as there are classes. Here the facts stand in one order of time; the counts of every
class are written down at regular steps, and those since the last step are counted anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.order import by_group_and_time
from features.windows import Floats, Ints

STEP = 256


@dataclass(frozen=True)
class Census:
    """Facts in the order of time, each of a class and with a weight of 1 or -1."""

    time: Ints
    cell: Ints
    weight: Floats
    step: int
    written: Floats

    @classmethod
    def of(cls, cell: Ints, time: Ints, *, cells: int, weight: Ints | None = None) -> Census:
        """Order facts by time; `cell` is (facts,) their class, negative ones are left out."""
        kept = np.flatnonzero(cell >= 0)
        order = kept[by_group_and_time(np.zeros(len(kept), np.int64), time[kept])]
        cell, time = cell[order], time[order]
        one = np.ones(len(order)) if weight is None else weight[order].astype(float)
        # A step as long as there are classes keeps the table no larger than the facts.
        step = max(STEP, cells)
        rows = len(order) // step
        whole = slice(rows * step)
        place = np.arange(rows * step) // step
        each = np.bincount(place * cells + cell[whole], one[whole], minlength=rows * cells)
        written = np.zeros((rows + 1, cells))
        np.cumsum(each.reshape(rows, cells), axis=0, out=written[1:])
        return cls(time, cell, one, step, written)

    def counts(self, instants: Ints) -> Floats:
        """(instants, classes) sum of the weights of each class strictly before each instant."""
        past = self.time.searchsorted(instants)
        found = self.written[past // self.step].copy()
        for row, end in enumerate(past.tolist()):
            since = slice(end - end % self.step, end)
            found[row] += np.bincount(
                self.cell[since], self.weight[since], minlength=found.shape[1]
            )
        return found
