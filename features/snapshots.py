"""Snapshots: the deals open at an instant, and the weekly panel of them that models learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.history import OPEN, History
from features.windows import DAY, Bools, Ints

WEEK = 7 * DAY
STALE_DAYS = 60


@dataclass(frozen=True)
class Snapshots:
    """(deal, as-of) pairs: deal codes and microseconds, sorted by deal, then time."""

    deal: Ints
    time: Ints

    def __len__(self) -> int:
        return len(self.deal)

    def take(self, which: Bools | Ints) -> Snapshots:
        """Give some of the snapshots."""
        return Snapshots(self.deal[which], self.time[which])


def is_open(history: History, deal: Ints, time: Ints) -> Bools:
    """(n,) whether the deal was known, and by what was known open, at each instant."""
    closed = history.stages.last("outcome", deal, time) > OPEN
    return (history.known_from[deal] < time) & ~closed


def open_deals(history: History, as_of: int) -> Snapshots:
    """Every deal open at `as_of`."""
    deal = np.arange(history.size)
    time = np.full(history.size, as_of, np.int64)
    return Snapshots(deal, time).take(is_open(history, deal, time))


def is_stale(history: History, snapshots: Snapshots) -> Bools:
    """(n,) whether neither an activity nor a stage change fell in the last `STALE_DAYS` days.

    A deal without either counts from its creation.
    """
    deal, time = snapshots.deal, snapshots.time
    last = [
        events.largest("happened", deal, time) for events in (history.activities, history.stages)
    ]
    latest = np.maximum(*(np.where(np.isnan(at), history.created[deal], at) for at in last))
    stale: Bools = (time - latest) / DAY > STALE_DAYS
    return stale


def panel(history: History, cut: int, *, every: int = 1, share: float = 1.0) -> Snapshots:
    """Weekly grid (back from `cut`, which belongs to it) x every deal open on each date.

    Parameters
    ----------
    every : keep each deal on every so-manieth week, at a phase of its own, so that all calendar
        weeks stay equally covered
    share : share of the deals to keep, chosen by a hash of the identifier
    """
    last = _last_instant(history, cut)
    first = np.maximum((cut - last) // WEEK, 0)
    weeks = np.maximum((cut - history.known_from - 1) // WEEK, -1) - first + 1
    key = deal_hash(history)
    weeks[(key % 10_007) >= share * 10_007] = 0
    weeks = np.maximum(weeks, 0)
    deal = np.repeat(np.arange(history.size), weeks)
    offset = np.arange(len(deal)) - np.repeat(np.cumsum(weeks) - weeks, weeks)
    back = first[deal] + offset
    kept = (back + key[deal] % every) % every == 0
    deal, back = deal[kept], back[kept]
    order = np.lexsort((-back, deal))
    found = Snapshots(deal[order], cut - back[order] * WEEK)
    return found.take(is_open(history, found.deal, found.time))


def deal_hash(history: History) -> Ints:
    """(deals,) a number of each identifier that says nothing else about the deal."""
    ids = np.array(history.deal_ids, dtype=object)
    return (pd.util.hash_array(ids, categorize=False) >> np.uint64(2)).astype(np.int64)


def _last_instant(history: History, cut: int) -> Ints:
    """(deals,) when the deal was last known open: at its last closing, or at `cut`."""
    deal = np.arange(history.size)
    at = np.full(history.size, cut, np.int64)
    closed = history.stages.last("outcome", deal, at) > OPEN
    return np.where(closed, np.minimum(history.stages.last_time(deal, at), cut), cut)
