"""What a timeline answers about instants: counts, sums, the last fact, the largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.clock import NEVER, Bools, Column, Floats, Ints

if TYPE_CHECKING:
    from features.windows import Timeline

FIXED_POINT = 2.0**32
"""Sums are kept as whole multiples of 2**-32 so that they are exact: a sum then does not depend,
not even in its last bit, on the facts of other groups or of later instants. A group's sum may
reach 2**31: what is summed here are flags, days and logarithms."""


@dataclass(slots=True, eq=False)
class Seen:
    """What each question found: facts `first[i]` to `past[i]` (left out) of the timeline.

    Made a hundred times for each deal: to freeze it would cost more than a search.
    """

    events: Timeline
    first: Ints
    past: Ints

    def any(self) -> Bools:
        """(n,) whether there is a fact."""
        return self.past > self.first

    def count(self) -> Floats:
        """(n,) number of facts."""
        return (self.past - self.first).astype(float)

    def total(self, column: str) -> Floats:
        """(n,) sum of a column; for a flag the number of facts that have it."""
        return from_fixed(self.fixed(column))

    def fixed(self, column: str) -> Column:
        """(n,) sum of a column as a whole number: of facts with the flag (int32), or fixed."""
        running = self.events.running(column)
        found: Column = running[self.past] - running[self.first]
        return found

    def tallies(self) -> Column:
        """(n, flags) number of facts that have each flag."""
        found = self.events.tallies.take(self.past, axis=0)
        found -= self.events.tallies.take(self.first, axis=0)
        return found

    def last(self, column: str) -> Floats:
        """(n,) column of the last fact; NaN where there is none."""
        return self._pick(self.events.values[column], self.past - 1, self.any())

    def last_time(self) -> Ints:
        """(n,) time of the last fact; -NEVER where there is none."""
        times = np.append(self.events.time, -NEVER)
        return times[np.where(self.any(), self.past - 1, len(self.events.time))]

    def largest(self, column: str, flag: str | None = None) -> Floats:
        """(n,) largest whole value of a column, over the facts of a flag; NaN where none."""
        first, past = (self.first, self.past) if flag is None else self.flagged(flag)
        return self._pick(self.events.peaks(column, flag), past - 1, past > first)

    def largest_of(self, column: str, flags: tuple[str, ...]) -> Floats:
        """(flags, n) largest whole value of a column over the facts of each flag."""
        place, begin, peaks = self.events.peaks_of(column, flags)
        tallies = self.events.tallies
        first, past = (
            np.ascontiguousarray(tallies.take(each, axis=0).T[place])
            for each in (self.first, self.past)
        )
        return self._pick(peaks, past + (begin - 1), past > first)

    def totals(self, columns: tuple[str, ...]) -> Floats:
        """(columns, n) sums of columns; for a flag the number of facts that have it."""
        ledger = self.events.ledger(columns)
        sums = ledger.take(self.past, axis=0) - ledger.take(self.first, axis=0)
        return from_fixed(sums.T)

    def flagged(self, flag: str) -> tuple[Ints, Ints]:
        """(n,) and (n,) the first of the facts with a flag, and past the last, among all such."""
        running = self.events.running(flag)
        return running[self.first], running[self.past]

    @staticmethod
    def _pick(values: Column, index: Column, valid: Bools) -> Floats:
        if not len(values):
            return np.full(index.shape, np.nan)
        if index.shape == (1,):
            return values[index].astype(float) if valid.item() else np.array([np.nan])
        return np.where(valid, values[np.maximum(index, 0)], np.nan)


def from_fixed(sums: Column) -> Floats:
    """(n,) sums as numbers: counts are int32, other sums whole multiples of 2**-32."""
    return np.asarray(sums.astype(float) if sums.dtype == np.int32 else sums / FIXED_POINT)
