"""What became of the deals of a group (a source, an owner, a stage) before an instant, shrunk.

Only closings *known* strictly before the instant count. A rate over few deals is pulled towards its
parent's by 20 pseudo-deals, and the parent's towards one half by two (empirical Bayes with a fixed
prior weight).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.at import At
from features.history import WON, History
from features.windows import Floats, Ints, Spans, Timeline, days_between, window

PSEUDO_DEALS = 20.0


@dataclass(frozen=True)
class GroupRecord:
    """Closings by group; values won, log_days and log_amount (both of the won deals), happened."""

    closings: Timeline
    recent: Spans

    @classmethod
    def of(cls, history: History, group: Ints, groups: int) -> GroupRecord:
        """Record of closings, each belonging to `group[closing]` (-1: none)."""
        closings = history.closings
        won = (closings.values["outcome"] == WON).astype(float)
        deal = closings.group
        life = days_between(history.created[deal], closings.values["happened"])
        amount = history.changes["amount"].last("value", deal, closings.time)
        priced = (amount > 0).astype(float)
        record = Timeline.of(
            group,
            closings.time,
            groups=groups,
            happened=closings.time.astype(float),
            won=won,
            won_log_days=won * np.log1p(np.maximum(life, 0)),
            won_priced=won * priced,
            won_log_amount=won * np.log(np.where(priced > 0, amount, 1.0)),
        )
        return cls(record, window(record, 365, "won"))

    def mean_of_won(self, column: str, weight: str, group: Ints, at: Ints) -> Floats:
        """(n,) mean of a logarithm over the won deals; NaN where there is none."""
        weights = self.closings.total(weight, group, at)
        total = self.closings.total(column, group, at)
        return np.where(weights > 0, total / np.maximum(weights, 1.0), np.nan)


def everyone(at: At) -> GroupRecord:
    """Record of all closings together (one group)."""
    group = np.zeros(len(at.history.closings.time), np.int64)
    return at.index("record:all", lambda: GroupRecord.of(at.history, group, 1))


def firm_record(at: At) -> GroupAt:
    """Statistics of all closings together, at each snapshot."""
    return GroupAt(at, np.zeros(at.size, np.int64), everyone(at))


def base_rate(at: At) -> Floats:
    """(n,) win rate over all closings known before the instant, shrunk to one half by two deals."""

    def ask(group: Ints, time: Ints) -> Floats:
        record = everyone(at).closings
        return (record.total("won", group, time) + 1.0) / (record.count(group, time) + 2.0)

    return at.shared("base_rate", lambda: at.per_group(np.zeros(at.size, np.int64), ask))


@dataclass(frozen=True)
class GroupAt:
    """The group of each snapshot with its record: the statistics of one dimension."""

    at: At
    group: Ints
    record: GroupRecord

    def win_rate(self) -> Floats:
        """(n,) shrunk win rate; the base rate where the deal has no group."""
        base = base_rate(self.at)
        ask = self.record.closings
        closed = self._ask(ask.count)
        won = self._ask(lambda g, t: ask.total("won", g, t))
        rate = (won + PSEUDO_DEALS * base) / (closed + PSEUDO_DEALS)
        return np.where(np.isnan(rate), base, rate)

    def trend(self) -> Floats:
        """(n,) win rate of the last 365 days less that of ever, both shrunk to ever."""
        ever = self.win_rate()
        closed = self._ask(self.record.recent.count)
        won = self._ask(lambda g, t: self.record.recent.total("won", g, t))
        return np.nan_to_num((won + PSEUDO_DEALS * ever) / (closed + PSEUDO_DEALS) - ever)

    def closed(self) -> Floats:
        """(n,) closings that stand behind the statistics."""
        return np.nan_to_num(self._ask(self.record.closings.count))

    def won_log_days(self) -> Floats:
        """(n,) mean logarithm of 1 + days to win."""
        return self._ask(lambda g, t: self.record.mean_of_won("won_log_days", "won", g, t))

    def won_log_amount(self) -> Floats:
        """(n,) mean logarithm of the amount of won deals."""
        return self._ask(lambda g, t: self.record.mean_of_won("won_log_amount", "won_priced", g, t))

    def _ask(self, question: Callable[[Ints, Ints], Floats]) -> Floats:
        return self.at.per_group(self.group, question)


def by_deal_attribute(at: At, name: str, codes: Ints, groups: int) -> GroupAt:
    """Statistics of a dimension fixed for a deal; `codes` is (deals,), -1 for none."""
    record = at.index(
        f"record:{name}",
        lambda: GroupRecord.of(at.history, codes[at.history.closings.group], groups),
    )
    return GroupAt(at, codes[at.deal], record)


def by_owner(at: At) -> GroupAt:
    """Statistics of owners: a closing belongs to the owner known when it became known."""

    def build() -> GroupRecord:
        closings = at.history.closings
        owner = at.history.changes["owner_id"].last("value", closings.group, closings.time)
        return GroupRecord.of(
            at.history, np.nan_to_num(owner, nan=-1.0).astype(np.int64), at.history.owners.size
        )

    return GroupAt(at, at.owner, at.index("record:owner", build))

