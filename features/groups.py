"""What became of the deals of a group (a source, an owner, a stage) before an instant, shrunk.

Only closings *known* strictly before the instant count. A rate over few deals is pulled towards
its parent's by 20 pseudo-deals, and the firm's towards one half by two (empirical Bayes with a
fixed prior weight).

Of many snapshots a dimension is asked when a feature needs it, each (group, instant) once; of one
snapshot all dimensions are asked together, for seventeen small searches cost more than one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from features.at import At, Grouped, once
from features.dimensions import DIMENSIONS, FIRM, PLACES, groups_of_one
from features.records import SUMS, Records, records
from features.spans import Asked
from features.windows import Floats, Ints, Seen

PSEUDO_DEALS = 20.0
PSEUDO: Floats = np.array([PSEUDO_DEALS])
"""As an array: of one deal it takes longer to make one of a number than to add it."""
USUAL = {
    "won_log_days": "won_timed",
    "median_log_days": "won_timed",
    "won_log_amount": "won_priced",
}
"""What is usual of the wins of a group, and the count of wins that stands behind it."""


@dataclass(eq=False)
class Statistics:
    """What became of the groups asked about; every array is (dimensions, questions).

    Attributes
    ----------
    asked : (dimensions x questions) groups among all of `records`
    firm : statistics of the firm; None: row 0 of these are it
    instant : of each question the place of its instant among the firm's; None: the same
    """

    records: Records
    asked: Asked
    dimensions: int
    firm: Statistics | None = None
    instant: Ints | None = None
    known_answers: dict[Any, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def _ever(self) -> Seen:
        return self.asked.seen(self.records.closings)

    @cached_property
    def _old(self) -> Seen:
        """The closings known that are not of the last 365 days."""
        return self.asked.seen(self.records.a_year_old)

    def _rows(self, values: Floats) -> Floats:
        return values.reshape(*values.shape[:-1], self.dimensions, -1)

    def _totals(self, seen: Seen) -> dict[str, Floats]:
        return dict(zip(SUMS, self._rows(seen.totals(SUMS)), strict=True))

    @cached_property
    def closed(self) -> Floats:
        """Closings that stand behind the statistics."""
        return self._rows(self._ever.count())

    @cached_property
    def total(self) -> dict[str, Floats]:
        """Sums over all closings, by SUMS."""
        return self._totals(self._ever)

    @cached_property
    def total_of_year(self) -> dict[str, Floats]:
        """Sums over the closings of the last 365 days, by SUMS."""
        old = self._totals(self._old)
        return {name: total - old[name] for name, total in self.total.items()}

    @cached_property
    def base(self) -> Floats:
        """(questions,) win rate of the firm, shrunk to one half by two deals."""
        firm = self.firm or self
        return self._then((firm.total["won"][0] + 1.0) / (firm.closed[0] + 2.0))

    def _then(self, of_firm: Floats) -> Floats:
        return of_firm if self.instant is None else of_firm[self.instant]

    @cached_property
    def win_rate(self) -> Floats:
        """Win rate shrunk to that of the firm."""
        return shrunk(self.total["won"], self.closed, self.base)

    @cached_property
    def trend(self) -> Floats:
        """Win rate of the last 365 days less that of ever, both shrunk to ever."""
        ever, closed = self.win_rate, self.closed - self._rows(self._old.count())
        return shrunk(self.total_of_year["won"], closed, ever) - ever

    @cached_property
    def _median_log_days(self) -> Floats:
        medians = self.records.medians
        if not len(medians):
            return np.full(self.closed.shape, np.nan)
        begin, past = self._ever.flagged("won_timed")
        return self._rows(np.where(past > begin, medians[np.maximum(past, 1) - 1], np.nan))

    @once
    def ever(self, what: str) -> Floats:
        """Mean (or median) over the wins of one of USUAL; NaN without one."""
        if what == "median_log_days":
            return self._median_log_days
        return mean(self.total[what], self.total[USUAL[what]])

    @once
    def trend_of(self, what: str) -> Floats:
        """One of USUAL over the wins of the last 365 days less that of ever.

        Shrunk to ever; NaN before the first win. Of the days to win this is the mean's trend: a
        median has no window.
        """
        year, ever = self.total_of_year, self.ever(what)
        return shrunk(year[what], year[USUAL[what]], ever) - ever

    @once
    def usual(self, what: str) -> Floats:
        """One of USUAL, shrunk to the firm's."""
        firm = (self.firm or self).ever(what)[0]
        return shrunk(*self.part_of(what), self._then(firm))

    @once
    def part_of(self, what: str) -> tuple[Floats, Floats]:
        """Sum (mean or median times the count) of one of USUAL, and the count behind it."""
        count, found = self.total[USUAL[what]], self.ever(what)
        return np.where(count > 0, found, 0.0) * count, count


@dataclass(eq=False, slots=True)
class GroupAt:
    """The group of each snapshot with its record: the statistics of one dimension.

    `where` leads from snapshots to questions; None: they are the same.
    """

    statistics: Statistics
    row: int
    where: Ints | None

    def _of(self, values: Floats) -> Floats:
        found: Floats = values[self.row]
        return found if self.where is None else found[self.where]

    @property
    def closed(self) -> Floats:
        """(n,) closings that stand behind the statistics."""
        return self._of(self.statistics.closed)

    @property
    def won(self) -> Floats:
        """(n,) wins among them."""
        return self._of(self.statistics.total["won"])

    @property
    def win_rate(self) -> Floats:
        """(n,) win rate shrunk to that of the firm."""
        return self._of(self.statistics.win_rate)

    def win_rate_within(self, parent: Floats) -> Floats:
        """(n,) win rate shrunk to that of a parent group."""
        return shrunk(self.won, self.closed, parent)

    @property
    def trend(self) -> Floats:
        """(n,) win rate of the last 365 days less that of ever, both shrunk to ever."""
        return self._of(self.statistics.trend)

    def ever(self, what: str) -> Floats:
        """(n,) mean (or median) over the wins of one of USUAL; NaN without one."""
        return self._of(self.statistics.ever(what))

    def trend_of(self, what: str) -> Floats:
        """(n,) one of USUAL over the wins of the last 365 days less that of ever."""
        return self._of(self.statistics.trend_of(what))

    def usual(self, what: str) -> Floats:
        """(n,) one of USUAL, shrunk to the firm's."""
        return self._of(self.statistics.usual(what))

    def usual_within(self, what: str, parent: Floats) -> Floats:
        """(n,) one of USUAL, shrunk to a parent's."""
        part, count = self.statistics.part_of(what)
        return shrunk(self._of(part), self._of(count), parent)


def mean(total: Floats, count: Floats) -> Floats:
    """(n,) total a count; NaN where there is none."""
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def shrunk(part: Floats, count: Floats, parent: Floats) -> Floats:
    """(n,) `part / count`, a mean or a rate, pulled to the parent's by PSEUDO_DEALS."""
    found: Floats = (part + PSEUDO * parent) / (count + PSEUDO)
    return found


@once
def grouped_by(at: At, dimension: str) -> Grouped:
    """Questions about the group of each snapshot in a dimension."""
    return at.grouped(DIMENSIONS[dimension].now(at), int(records(at).groups[PLACES[dimension]]))


@once
def record_of(at: At, dimension: str) -> GroupAt:
    """Statistics of the group of each snapshot in a dimension (one of DIMENSIONS)."""
    if at.size == 1:
        return GroupAt(_of_one(at), PLACES[dimension], None)
    found, grouped = records(at), grouped_by(at, dimension)
    group = grouped.asked.group + found.begin[PLACES[dimension]]
    asked = Asked(group, grouped.asked.time)
    if dimension == FIRM:
        return GroupAt(Statistics(found, asked, 1), 0, grouped.where)
    firm = everyone(at).statistics
    statistics = Statistics(found, asked, 1, firm, grouped.instant)
    return GroupAt(statistics, 0, grouped.where)


@once
def _of_one(at: At) -> Statistics:
    """Statistics of every dimension of one snapshot."""
    found = records(at)
    code = groups_of_one(at, found.groups)
    group = found.begin + np.where(code < 0, found.groups, code)
    return Statistics(found, Asked(group, np.repeat(at.time, len(group))), len(group))


def everyone(at: At) -> GroupAt:
    """Statistics of all closings together."""
    return record_of(at, FIRM)


@once
def base_rate(at: At) -> Floats:
    """(n,) win rate over all closings known then, shrunk to one half by two deals."""
    firm = everyone(at)
    return firm.statistics.base if firm.where is None else firm.statistics.base[firm.where]
