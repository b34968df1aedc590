"""What became of the deals of a group (a source, an owner, a stage) before an instant, shrunk.

Only closings *known* strictly before the instant count. A rate over few deals is pulled towards
its parent's by 20 pseudo-deals, and the firm's towards one half by two (empirical Bayes with a
fixed prior weight).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.at import At, Grouped, as_codes, once
from features.history import WON, History
from features.medians import running_median
from features.windows import DAY, Floats, Ints, Seen, Timeline, days_between

PSEUDO_DEALS = 20.0
PSEUDO: Floats = np.array([PSEUDO_DEALS])
"""As an array: of one deal it takes longer to make one of a number than to add it."""
YEAR = 365 * DAY
SUMS = ("won", "won_log_days", "won_priced", "won_log_amount")
"""What is summed over the closings of a group."""
USUAL = {"won_log_days": "won", "median_log_days": "won", "won_log_amount": "won_priced"}
"""What is usual of the wins of a group, and the count of wins that stands behind it."""


def record_of_closings(history: History, group: Ints, groups: int) -> Timeline:
    """Closings by group, each belonging to `group[closing]` (-1: none); values SUMS."""
    closings = history.closings
    won = closings.values["outcome"] == WON
    life = days_between(history.created[closings.group], closings.values["happened"])
    amount = closing_amount(history)
    return Timeline.of(
        group,
        closings.time,
        groups=groups + 1,
        won=won,
        won_log_days=won * np.log1p(np.maximum(life, 0)),
        won_priced=won & (amount > 0),
        won_log_amount=won * np.log(np.where(amount > 0, amount, 1.0)),
    )


def medians(record: Timeline) -> Timeline:
    """Wins by group; value median: of the logarithms of 1 + days to win so far."""

    def build() -> Timeline:
        wins = record.where(record.values["won"])
        return wins.having(median=running_median(wins.group, wins.values["won_log_days"]))

    found: Timeline = record.kept("medians", build)
    return found


def closing_amount(history: History) -> Floats:
    """(closings,) amount known when a closing became known; NaN where none."""
    closings = history.closings
    return history.changes["amount"].last("value", closings.group, closings.time)


def closing_owner(history: History) -> Ints:
    """(closings,) owner known when a closing became known; -1 where none."""
    closings = history.closings
    return as_codes(history.changes["owner_id"].last("value", closings.group, closings.time))


@dataclass(eq=False)
class GroupAt:
    """The group of each snapshot with its record: the statistics of one dimension.

    Attributes
    ----------
    record : closings by group, as `record_of_closings` has them
    base : (n,) win rate of the firm
    closed, won : (n,) closings that stand behind the statistics, and wins among them
    """

    grouped: Grouped
    record: Timeline
    base: Floats
    closed: Floats
    won: Floats
    _ever: Seen
    _totals: Floats

    @classmethod
    def of(cls, grouped: Grouped, record: Timeline, base: Floats) -> GroupAt:
        """Ask the record what every statistic reads."""
        ever = grouped.asked.seen(record)
        totals = ever.totals(SUMS)
        closed, won = grouped.spread(ever.count()), grouped.spread(totals[0])
        return cls(grouped, record, base, closed, won, ever, totals)

    @cached_property
    def win_rate(self) -> Floats:
        """(n,) win rate shrunk to that of the firm."""
        return self.win_rate_within(self.base)

    def win_rate_within(self, parent: Floats) -> Floats:
        """(n,) win rate shrunk to that of a parent group."""
        return shrunk(self.won, self.closed, parent)

    @cached_property
    def trend(self) -> Floats:
        """(n,) win rate of the last 365 days less that of ever, both shrunk to ever."""
        ever, closed = self.win_rate, self.grouped.spread(self._year[0])
        return shrunk(self._total_of_year("won"), closed, ever) - ever

    def trend_of(self, what: str) -> Floats:
        """(n,) `what` is usual of the wins (one of USUAL) of the last 365 days less that of ever.

        Shrunk to ever; NaN before the first win. Of the days to win this is the mean's trend: a
        median has no window.
        """
        ever: Floats = getattr(self, what)
        return shrunk(self._total_of_year(what), self._total_of_year(USUAL[what]), ever) - ever

    @cached_property
    def won_log_days(self) -> Floats:
        """(n,) mean logarithm of 1 + days to win; NaN without a win."""
        return mean(self._total("won_log_days"), self.won)

    @cached_property
    def won_log_amount(self) -> Floats:
        """(n,) mean logarithm of the amount of won deals; NaN without one."""
        return mean(self._total("won_log_amount"), self.won_priced)

    @cached_property
    def median_log_days(self) -> Floats:
        """(n,) median logarithm of 1 + days to win; NaN without a win."""
        return self.grouped.spread(self.grouped.asked.seen(medians(self.record)).last("median"))

    @cached_property
    def won_priced(self) -> Floats:
        """(n,) wins whose amount was known."""
        return self._total("won_priced")

    def usual(self, what: str, parent: Floats) -> Floats:
        """(n,) `what` is usual of the wins, one of USUAL, shrunk to the parent's."""
        count, found = getattr(self, USUAL[what]), getattr(self, what)
        return shrunk(np.where(count > 0, found, 0.0) * count, count, parent)

    @cached_property
    def _year(self) -> tuple[Floats, Floats]:
        """Count of the closings of the last 365 days, and their sums, of each group.

        None was recorded late: each counts from when it was known.
        """
        before = self.grouped.asked.seen(self.record, YEAR)
        year = Seen(self.record, before.past, self._ever.past)
        return year.count(), year.totals(SUMS)

    def _total(self, column: str) -> Floats:
        return self.grouped.spread(self._totals[SUMS.index(column)])

    def _total_of_year(self, column: str) -> Floats:
        return self.grouped.spread(self._year[1][SUMS.index(column)])


def mean(total: Floats, count: Floats) -> Floats:
    """(n,) total a count; NaN where there is none."""
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def shrunk(part: Floats, count: Floats, parent: Floats) -> Floats:
    """(n,) `part / count`, a mean or a rate, pulled to the parent's by PSEUDO_DEALS."""
    found: Floats = (part + PSEUDO * parent) / (count + PSEUDO)
    return found


@once
def everyone(at: At) -> GroupAt:
    """Statistics of all closings together."""

    def build() -> Timeline:
        everybody = np.zeros(len(at.history.closings.time), np.int64)
        return record_of_closings(at.history, everybody, 1)

    record = at.index("record:all", build)
    grouped = at.grouped(np.zeros(at.size, np.int64), 1)
    seen = grouped.asked.seen(record)
    base = grouped.spread((seen.total("won") + 1.0) / (seen.count() + 2.0))
    return GroupAt.of(grouped, record, base)


def base_rate(at: At) -> Floats:
    """(n,) win rate over all closings known then, shrunk to one half by two deals."""
    return everyone(at).base


def statistics(
    at: At, name: str, group: Ints, of_closings: Callable[[], Ints], groups: int
) -> GroupAt:
    """Statistics of a dimension.

    Parameters
    ----------
    group : (n,) code of each snapshot's group, -1 where it has none
    of_closings : gives that of each closing's
    groups : number of codes
    """
    record = at.index(
        f"record:{name}", lambda: record_of_closings(at.history, of_closings(), groups)
    )
    return GroupAt.of(at.grouped(group, groups), record, base_rate(at))


def by_deal_attribute(at: At, name: str, codes: Ints, groups: int) -> GroupAt:
    """Statistics of a dimension fixed for a deal; `codes` is (deals,), -1 for none."""
    return statistics(at, name, codes[at.deal], lambda: codes[at.history.closings.group], groups)


@once
def by_owner(at: At) -> GroupAt:
    """Statistics of owners: a closing belongs to the owner known when it became known."""
    owners = at.history.owners.size
    return statistics(at, "owner", at.owner, lambda: closing_owner(at.history), owners)
