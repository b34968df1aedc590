"""The one place with time arithmetic: what was known strictly before an instant.

Instants are int64 microseconds since 1970 UTC. A *group* is an integer code: a deal, or a source, an
owner, a stage whose statistics are asked. Facts are sorted once by (group, time known); every
question is then a binary search and a difference of cumulative sums, so it costs
O(log facts-of-the-group) a snapshot whatever the window.

Every question is half-open: a fact known *at* the as-of instant is not known before it.

Example
-------
>>> import numpy as np
>>> calls = Timeline.of(np.array([0, 0, 1]), np.array([1, 5, 3]), groups=2)
>>> calls.count(np.array([0, 0, 1]), np.array([5, 6, 3])).tolist()
[1, 2, 0]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 86_400 * SECOND
NEVER = np.int64(2**62)
"""Later than every instant: the time of what has not happened."""
FIXED_POINT = 2.0**20
"""Sums are kept as whole multiples of 2**-20 so that they are exact: a sum then does not depend, not
even in its last bit, on the facts of other groups or of later instants."""
LARGEST_TERM = 1e10


def first_at_or_after(start: Ints, times: Ints, group: Ints, at: Ints) -> Ints:
    """Index of the first fact of `group` whose time is >= `at` (all groups searched at once).

    Parameters
    ----------
    start : (groups + 1,) offsets of each group in `times`
    times : (facts,) sorted inside each group
    group, at : (n,) the questions

    Returns
    -------
    (n,) indices; `start[group + 1]` where every fact of the group is earlier.
    """
    low, high = start[group], start[group + 1]
    if not len(times):
        return low
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        earlier = open_ & (times[np.minimum(middle, len(times) - 1)] < at)
        low = np.where(earlier, middle + 1, low)
        high = np.where(open_ & ~earlier, middle, high)
    return low


@dataclass(frozen=True)
class Timeline:
    """Facts of groups sorted by (group, time); answers about the facts strictly before an instant."""

    start: Ints
    time: Ints
    group: Ints
    values: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, group: Ints, time: Ints, *, groups: int, **values: Floats) -> Timeline:
        """Sort facts (any order; ties keep the order given) into a timeline.

        Facts with a negative group are left out: they belong to no group.
        """
        keep = group >= 0
        if not keep.all():
            group, time = group[keep], time[keep]
            values = {name: column[keep] for name, column in values.items()}
        order = np.lexsort((time, group))
        group = group[order].astype(np.int64)
        start = np.searchsorted(group, np.arange(groups + 1)).astype(np.int64)
        columns = {name: np.asarray(column, float)[order] for name, column in values.items()}
        return cls(start, time[order].astype(np.int64), group, columns)

    def where(self, mask: Bools) -> Timeline:
        """Give the facts for which `mask` (in sorted order) holds."""
        start = np.concatenate([[0], np.cumsum(mask)])[self.start].astype(np.int64)
        columns = {name: column[mask] for name, column in self.values.items()}
        return Timeline(start, self.time[mask], self.group[mask], columns)

    def before(self, group: Ints, at: Ints) -> Ints:
        """(n,) index one past the last fact strictly before `at`."""
        return first_at_or_after(self.start, self.time, group, at)

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of facts strictly before `at`."""
        return (self.before(group, at) - self.start[group]).astype(float)

    def total(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) sum of `column` over the facts strictly before `at`."""
        terms = np.clip(np.nan_to_num(self.values[column]), -LARGEST_TERM, LARGEST_TERM)
        running = np.concatenate([[0], np.cumsum(np.rint(terms * FIXED_POINT).astype(np.int64))])
        return (running[self.before(group, at)] - running[self.start[group]]) / FIXED_POINT

    def last(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) `column` of the last fact strictly before `at`; NaN where there is none."""
        position = self.before(group, at)
        return self._at(self.values[column], position - 1, position > self.start[group])

    def last_time(self, group: Ints, at: Ints) -> Ints:
        """(n,) time of the last fact strictly before `at`; -NEVER where there is none."""
        position = self.before(group, at)
        if not len(self.time):
            return np.full(len(at), -NEVER)
        return np.where(
            position > self.start[group], self.time[np.maximum(position - 1, 0)], -NEVER
        )

    def next_index(self, group: Ints, at: Ints) -> Ints:
        """(n,) index of the first fact at or after `at`; -1 where there is none."""
        position = self.before(group, at)
        return np.where(position < self.start[group + 1], position, -1)

    def largest(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) largest `column` over the facts strictly before `at`; NaN where there is none."""
        column_values = self.values[column]
        order = np.lexsort((column_values, self.group))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        # Ranks grow with the group, so the running maximum never carries over from another group.
        running = column_values[order][np.maximum.accumulate(rank)] if len(rank) else column_values
        position = self.before(group, at)
        return self._at(running, position - 1, position > self.start[group])

    def previous(self, column: str) -> Floats:
        """(facts,) `column` of the fact before in the same group; NaN for the first."""
        shifted = np.concatenate([[np.nan], self.values[column][:-1]])[: len(self.time)]
        shifted[self.start[:-1][self.start[:-1] < len(self.time)]] = np.nan
        return shifted

    @staticmethod
    def _at(values: Floats, index: Ints, valid: Bools) -> Floats:
        if not len(values):
            return np.full(len(index), np.nan)
        return np.where(valid, values[np.maximum(index, 0)], np.nan)


@dataclass(frozen=True)
class Spans:
    """Intervals of groups: a span counts at t when begin < t <= end.

    A sliding window is a set of spans: a fact that happened at h and is known from k on counts in
    `[t - w, t)` exactly while `max(k, h) < t <= h + w`. So both clocks and every window need only
    two searches: spans begun before t less spans ended before t.
    """

    begun: Timeline
    ended: Timeline

    @classmethod
    def of(cls, group: Ints, begin: Ints, end: Ints, *, groups: int, **weights: Floats) -> Spans:
        """Build from spans in any order; a span that ends before it begins never counts."""
        return cls(
            Timeline.of(group, begin, groups=groups, **weights),
            Timeline.of(group, np.maximum(begin, end), groups=groups, **weights),
        )

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of spans that count at `at`."""
        return self.begun.count(group, at) - self.ended.count(group, at)

    def total(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) sum of a weight over the spans that count at `at`."""
        return self.begun.total(column, group, at) - self.ended.total(column, group, at)


def window(events: Timeline, days: float, *weights: str) -> Spans:
    """Spans of the facts of `[t - days, t)` that are known before t.

    `events` is sorted by the time known and carries `happened` (microseconds) as a value; `weights`
    names the values that will be summed.
    """
    happened = events.values["happened"].astype(np.int64)
    end = np.maximum(events.time, happened + np.int64(days * DAY))
    order = np.lexsort((end, events.group))
    columns = {name: events.values[name][order] for name in weights}
    return Spans(events, Timeline(events.start, end[order], events.group, columns))


def days_between(earlier: Ints | Floats, later: Ints | Floats) -> Floats:
    """(n,) days from `earlier` to `later`; NaN where either is not known (+-NEVER or NaN)."""
    early, late = np.asarray(earlier, float), np.asarray(later, float)
    days = (late - early) / DAY
    return np.where((np.abs(early) >= NEVER) | (np.abs(late) >= NEVER), np.nan, days)
