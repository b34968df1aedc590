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

from features.at import At, Grouped, as_codes
from features.history import WON, History
from features.medians import running_median
from features.spans import Tally, Window
from features.windows import Floats, Ints, Timeline, days_between

PSEUDO_DEALS = 20.0
YEAR = 365
USUAL = {"won_log_days": "won", "median_log_days": "won", "won_log_amount": "won_priced"}
"""What is usual of the wins of a group, and the count of wins that stands behind it."""


@dataclass(frozen=True)
class GroupRecord:
    """Closings by group; values won (flag), won_log_days, won_priced (flag), won_log_amount."""

    closings: Timeline
    year: Window

    @classmethod
    def of(cls, history: History, group: Ints, groups: int) -> GroupRecord:
        """Record of closings, each belonging to `group[closing]` (-1: none)."""
        closings = history.closings
        won = closings.values["outcome"] == WON
        deal = closings.group
        life = days_between(history.created[deal], closings.values["happened"])
        amount = closing_amount(history)
        record = Timeline.of(
            group,
            closings.time,
            groups=groups + 1,
            happened=closings.time,
            won=won,
            won_log_days=won * np.log1p(np.maximum(life, 0)),
            won_priced=won & (amount > 0),
            won_log_amount=won * np.log(np.where(amount > 0, amount, 1.0)),
        )
        return cls(record, Window.of(record, YEAR))

    @cached_property
    def medians(self) -> Timeline:
        """Wins by group; value median: of the logarithms of 1 + days to win so far."""
        wins = self.closings.where(self.closings.values["won"])
        return wins.having(median=running_median(wins.group, wins.values["won_log_days"]))


def closing_amount(history: History) -> Floats:
    """(closings,) amount known when a closing became known; NaN where none."""
    closings = history.closings
    return history.changes["amount"].last("value", closings.group, closings.time)


def closing_owner(history: History) -> Ints:
    """(closings,) owner known when a closing became known; -1 where none."""
    closings = history.closings
    return as_codes(history.changes["owner_id"].last("value", closings.group, closings.time))


@dataclass(frozen=True)
class GroupAt:
    """The group of each snapshot with its record: the statistics of one dimension."""

    grouped: Grouped
    record: GroupRecord
    base: Floats

    @cached_property
    def closed(self) -> Floats:
        """(n,) closings that stand behind the statistics."""
        return self.grouped.spread(self.grouped.asked.seen(self.record.closings).count())

    @cached_property
    def won(self) -> Floats:
        """(n,) wins among them."""
        return self._total("won")

    def win_rate(self, parent: Floats | None = None) -> Floats:
        """(n,) win rate shrunk to that of the parent group (default: of the firm)."""
        return shrunk(self.won, self.closed, self.base if parent is None else parent)

    @cached_property
    def trend(self) -> Floats:
        """(n,) win rate of the last 365 days less that of ever, both shrunk to ever."""
        ever, year = self.win_rate(), self._year
        won, closed = self.grouped.spread(year.total("won")), self.grouped.spread(year.count())
        return shrunk(won, closed, ever) - ever

    def trend_of(self, what: str) -> Floats:
        """(n,) `what` is usual of the wins (one of USUAL) of the last 365 days less that of ever.

        Shrunk to ever; NaN before the first win. Of the days to win this is the mean's trend: a
        median has no window.
        """
        ever: Floats = getattr(self, what)
        columns = (what, USUAL[what])
        total, wins = (self.grouped.spread(self._year.total(column)) for column in columns)
        return shrunk(total, wins, ever) - ever

    @cached_property
    def _year(self) -> Tally:
        return self.record.year.asked(self.grouped.asked)

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
        return self.grouped.spread(self.grouped.asked.seen(self.record.medians).last("median"))

    @cached_property
    def won_priced(self) -> Floats:
        """(n,) wins whose amount was known."""
        return self._total("won_priced")

    def usual(self, what: str, parent: Floats) -> Floats:
        """(n,) `what` is usual of the wins, one of USUAL, shrunk to the parent's."""
        count, found = getattr(self, USUAL[what]), getattr(self, what)
        return shrunk(np.where(count > 0, found, 0.0) * count, count, parent)

    def _total(self, column: str) -> Floats:
        seen = self.grouped.asked.seen(self.record.closings)
        return self.grouped.spread(seen.total(column))


def mean(total: Floats, count: Floats) -> Floats:
    """(n,) total a count; NaN where there is none."""
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def shrunk(part: Floats, count: Floats, parent: Floats) -> Floats:
    """(n,) `part / count`, a mean or a rate, pulled to the parent's by PSEUDO_DEALS."""
    return (part + PSEUDO_DEALS * parent) / (count + PSEUDO_DEALS)


def everyone(at: At) -> GroupAt:
    """Statistics of all closings together."""

    def build() -> GroupAt:
        everybody = np.zeros(len(at.history.closings.time), np.int64)
        record = at.index("record:all", lambda: GroupRecord.of(at.history, everybody, 1))
        grouped = at.grouped("all", lambda: np.zeros(at.size, np.int64), 1)
        seen = grouped.asked.seen(record.closings)
        base = grouped.spread((seen.total("won") + 1.0) / (seen.count() + 2.0))
        return GroupAt(grouped, record, base)

    return at.shared("record:all", build)


def base_rate(at: At) -> Floats:
    """(n,) win rate over all closings known then, shrunk to one half by two deals."""
    return everyone(at).base


def statistics(
    at: At,
    name: str,
    of_snapshots: Callable[[], Ints],
    of_closings: Callable[[], Ints],
    groups: int,
) -> GroupAt:
    """Statistics of a dimension: `groups` codes, given for the snapshots and for the closings."""

    def build() -> GroupAt:
        record = at.index(
            f"record:{name}", lambda: GroupRecord.of(at.history, of_closings(), groups)
        )
        return GroupAt(at.grouped(name, of_snapshots, groups), record, base_rate(at))

    return at.shared(f"record:{name}", build)


def by_deal_attribute(at: At, name: str, codes: Ints, groups: int) -> GroupAt:
    """Statistics of a dimension fixed for a deal; `codes` is (deals,), -1 for none."""
    closings = at.history.closings
    return statistics(at, name, lambda: codes[at.deal], lambda: codes[closings.group], groups)


def by_owner(at: At) -> GroupAt:
    """Statistics of owners: a closing belongs to the owner known when it became known."""
    return statistics(
        at, "owner", lambda: at.owner, lambda: closing_owner(at.history), at.history.owners.size
    )
