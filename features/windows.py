"""The one place with time arithmetic: what was known strictly before an instant.

Instants are int64 microseconds since 1970 UTC. A *group* is an integer code: a deal, or a source,
an owner, a stage whose statistics are asked. Facts are sorted once by (group, time known); every
question is then a binary search and a difference of cumulative sums, so it costs O(log
facts-of-the-group) a snapshot whatever the window.

Every question is half-open: a fact known *at* the as-of instant is not known before it.

Example
-------
>>> import numpy as np
>>> calls = Timeline.of(np.array([0, 0, 1]), np.array([1, 5, 3]), groups=2)
>>> calls.count(np.array([0, 0, 1]), np.array([5, 6, 3])).tolist()
[1.0, 2.0, 0.0]
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from features.clock import DAY, HOUR, NEVER, SECOND, Bools, Column, Floats, Ints
from features.order import by_group_and_time, largest_so_far
from features.seen import FIXED_POINT, Seen, from_fixed

if TYPE_CHECKING:
    from features.spans import Asked

__all__ = [
    "DAY",
    "HOUR",
    "NEVER",
    "SECOND",
    "Bools",
    "Column",
    "Floats",
    "Ints",
    "Seen",
    "Timeline",
    "days_between",
    "first_at_or_after",
    "from_fixed",
]

LARGEST_TERM = 1e6
TALLIES = "tallies"
BLOCK = 8_192
"""Facts whose tallies are made at once."""
FEW = 32
"""Questions up to which each is searched by itself."""


def first_at_or_after(low: Ints, high: Ints, times: Ints, at: Ints) -> Ints:
    """Index of the first fact from `low` on whose time is >= `at` (all groups searched at once).

    Parameters
    ----------
    low, high : (n,) where the facts of each question's group begin, and end (left out)
    times : (facts,) sorted inside each group
    at : (n,) instant of each question

    Returns
    -------
    (n,) indices; `high` where every fact of the group is earlier.
    """
    if len(at) <= FEW:
        each, view = zip(low.tolist(), high.tolist(), at.tolist(), strict=True), times.data
        past = [bisect_left(view, when, begin, end) for begin, end, when in each]
        return np.array(past, np.int64)
    found = low.copy()
    longest = int((high - low).max(initial=0))
    step = 1 << longest.bit_length() >> 1
    while step:
        ahead = found + step
        earlier = ahead <= high
        earlier &= times[np.minimum(ahead, high) - 1] < at
        found += step * earlier
        step >>= 1
    return found


@dataclass(frozen=True)
class Timeline:
    """Facts by (group, time); it answers about those strictly before an instant."""

    start: Ints
    time: Ints
    values: Mapping[str, Column] = field(default_factory=dict)
    _kept: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls, group: Ints, time: Ints, *, groups: int, by: Column | None = None, **values: Column
    ) -> Timeline:
        """Sort facts (any order) into a timeline; of one instant `by` a column, then as given.

        Facts with a negative group are left out: they belong to no group.
        """
        keep, ties = group >= 0, [] if by is None else [by]
        if not keep.all():
            group, time, ties = group[keep], time[keep], [column[keep] for column in ties]
            values = {name: column[keep] for name, column in values.items()}
        order = by_group_and_time(group, time, *ties)
        start = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))])
        columns = {name: np.asarray(column)[order] for name, column in values.items()}
        return cls(start, time[order].astype(np.int64, copy=False), columns)

    @property
    def group(self) -> Ints:
        """(facts,) the group of each, made anew from the offsets: cheaper than to keep it."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def where(self, mask: Bools) -> Timeline:
        """Give the facts for which `mask` (in sorted order) holds."""
        kept = np.flatnonzero(mask)
        start = np.searchsorted(kept, self.start).astype(np.int64)
        columns = {name: column[kept] for name, column in self.values.items()}
        return Timeline(start, self.time[kept], columns)

    def having(self, **values: Column) -> Timeline:
        """Give the same facts with these values instead (in sorted order)."""
        return Timeline(self.start, self.time, values)

    def kept(self, key: object, build: Callable[[], Any]) -> Any:
        """Compute once for this timeline what every question about it uses."""
        if key not in self._kept:
            self._kept[key] = build()
        return self._kept[key]

    def seen(self, group: Ints, at: Ints) -> Seen:
        """Find the facts strictly before `at`: one binary search for all that is asked of them."""
        first = self.start[group]
        if len(at) == 1:  # numbers are quicker than arrays of one
            begin, end = first.item(), self.start.item(group.item() + 1)
            return Seen(self, first, self.time[begin:end].searchsorted(at) + begin)
        return Seen(self, first, first_at_or_after(first, self.start[group + 1], self.time, at))

    def only(self, groups: Ints) -> Timeline:
        """Give the facts of some groups, which become groups 0, 1, ..."""
        length = self.start[groups + 1] - self.start[groups]
        start = np.concatenate([[0], np.cumsum(length)])
        kept = np.arange(start[-1]) + np.repeat(self.start[groups] - start[:-1], length)
        columns = {name: column[kept] for name, column in self.values.items()}
        return Timeline(start, self.time[kept], columns)

    def asked(self, asked: Asked) -> Seen:
        """Give the facts known strictly before the instant of each question."""
        return asked.seen(self)

    def count(self, group: Ints, at: Ints) -> Floats:
        """(n,) number of facts strictly before `at`."""
        return self.seen(group, at).count()

    def total(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) sum of `column` over the facts strictly before `at`."""
        return self.seen(group, at).total(column)

    def last(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) `column` of the last fact strictly before `at`; NaN where there is none."""
        return self.seen(group, at).last(column)

    def last_time(self, group: Ints, at: Ints) -> Ints:
        """(n,) time of the last fact strictly before `at`; -NEVER where there is none."""
        return self.seen(group, at).last_time()

    def next_index(self, group: Ints, at: Ints) -> Ints:
        """(n,) index of the first fact at or after `at`; -1 where there is none."""
        end = self.start[group + 1]
        position = first_at_or_after(self.start[group], end, self.time, at)
        return np.where(position < end, position, -1)

    def largest(self, column: str, group: Ints, at: Ints) -> Floats:
        """(n,) largest `column` over the facts strictly before `at`; NaN where there is none."""
        return self.seen(group, at).largest(column)

    def previous(self, column: str) -> Floats:
        """(facts,) `column` of the fact before in the same group; NaN for the first."""
        shifted = np.concatenate([[np.nan], self.values[column][:-1]])[: len(self.time)]
        shifted[self.start[:-1][self.start[:-1] < len(self.time)]] = np.nan
        return shifted

    def following_time(self) -> Ints:
        """(facts,) time of the next fact of the same group; NEVER for the last."""
        following = np.append(self.time[1:], NEVER)[: len(self.time)]
        following[self.start[1:][self.start[1:] > self.start[:-1]] - 1] = NEVER
        return following

    def running(self, column: str) -> Column:
        """(facts + 1,) sum of a column over all facts before: a flag's count, else fixed point.

        Sums may wrap around over all groups; the difference inside a group does not.
        """
        key = ("running", column)
        if key not in self._kept:
            values = self.values[column]
            if column in self.flags:
                self._kept[key] = self.tallies[:, self.flags.index(column)]
            else:
                self._kept[key] = _fixed_sums(values)
        found: Column = self._kept[key]
        return found

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags among the values."""
        return tuple(name for name, column in self.values.items() if column.dtype == np.bool_)

    @property
    def tallies(self) -> Column:
        """(facts + 1, flags) how many facts before have each flag: one look-up finds them all."""
        return np.asarray(self.kept(TALLIES, self._tallied))

    @classmethod
    def of_tallies(cls, start: Ints, time: Ints, tallies: Column) -> Timeline:
        """Make a timeline of which only tallies are asked; facts may count as one less."""
        return cls(start, time, {}, {TALLIES: tallies})

    def _tallied(self) -> Column:
        found = np.zeros((len(self.time) + 1, len(self.flags)), np.int32)
        # Block by block, so that the rows of a block are at hand for every flag.
        for begin in range(0, len(self.time), BLOCK):
            block = found[begin + 1 : begin + 1 + BLOCK]
            for place, name in enumerate(self.flags):
                flags = self.values[name][begin : begin + BLOCK]
                np.cumsum(flags, dtype=np.int32, out=block[:, place])
            block += found[begin]
        return found

    def flagged(self, flag: str) -> Ints:
        """(facts with the flag,) their indices."""
        found = self.kept(("flagged", flag), lambda: np.flatnonzero(self.values[flag]))
        return np.asarray(found)

    def peaks(self, column: str, flag: str | None) -> Ints:
        """(facts with the flag,) largest value so far in the group of a column of integers."""

        def build() -> Ints:
            if flag is None:
                values, starts = self.values[column], self.start
            else:
                values, starts = self.values[column][self.flagged(flag)], self.running(flag)
                starts = starts[self.start]
            values = values.astype(np.int64, copy=False)
            if len(self.start) == 2:
                return np.maximum.accumulate(values)
            begins = np.zeros(len(values) + 1, bool)
            begins[starts] = True
            return largest_so_far(values, begins[:-1])

        return np.asarray(self.kept(("peaks", column, flag), build))

    def peaks_of(self, column: str, flags: tuple[str, ...]) -> tuple[Ints, Ints, Ints]:
        """Peaks of several flags in one piece.

        Returns
        -------
        place : (flags,) of each among all flags
        begin : (flags, 1) where its peaks begin
        peaks : those of the first flag, then those of the second, ...
        """

        def build() -> tuple[Ints, Ints, Ints]:
            each = [self.peaks(column, flag) for flag in flags]
            begin = np.cumsum([0, *map(len, each[:-1])])
            place = np.array([self.flags.index(flag) for flag in flags])
            return place, begin[:, None], np.concatenate(each)

        found: tuple[Ints, Ints, Ints] = self.kept(("peaks", column, flags), build)
        return found

    def ledger(self, columns: tuple[str, ...]) -> Ints:
        """(facts + 1, columns) sums of columns over all facts before, in fixed point.

        One look-up finds what is asked of a record; flags stand in fixed point as numbers do.
        """

        def build() -> Ints:
            return np.stack([_fixed_sums(self.values[name]) for name in columns], axis=1)

        return np.asarray(self.kept(("ledger", columns), build))


def _fixed_sums(column: Column) -> Ints:
    terms = np.where(np.isnan(column), 0.0, column).clip(-LARGEST_TERM, LARGEST_TERM)
    sums = np.zeros(len(terms) + 1, np.int64)
    np.rint(terms * FIXED_POINT).astype(np.int64).cumsum(out=sums[1:])
    return sums


def days_between(earlier: Ints | Floats, later: Ints | Floats) -> Floats:
    """(n,) days from `earlier` to `later`; NaN where either is not known (+-NEVER or NaN)."""
    early, late = np.asarray(earlier, float), np.asarray(later, float)
    days = (late - early) / DAY
    return np.where(np.maximum(np.abs(early), np.abs(late)) >= NEVER, np.nan, days)
