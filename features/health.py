"""Data health: what the history covers, what it lacks, and the features that each gap costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.contract import CONTRACT
from features import pipeline  # noqa: F401 - importing it registers every family
from features.catalogue import CATALOGUE
from features.facts import micros
from features.history import OPEN, History
from features.snapshots import open_deals
from features.windows import DAY, Bools

STALE_DAYS = 90
LATE_DAYS = 1
NAMED = 3


def health_lines(history: History, now: pd.Timestamp) -> list[str]:
    """Report for people: coverage, habits (late logging, stale deals ...), gaps and their cost."""
    at = int(micros(pd.Series([now]))[0])
    return [*coverage_lines(history), *_habit_lines(history, at), *gap_lines(history)]


def coverage_lines(history: History) -> list[str]:
    """Rows of each table and the share of them that each optional column covers."""
    lines = []
    for name, frame in history.tables.items():
        optional = [column.name for column in CONTRACT[name].columns if not column.required]
        shares = [f"{column} {frame[column].notna().mean():.0%}" for column in optional]
        covered = f": {', '.join(shares)}" if len(frame) and shares else ""
        lines.append(f"{name}: {len(frame):,} rows{covered}")
    return lines


def _habit_lines(history: History, at: int) -> list[str]:
    """How the CRM is kept: what is logged late, left without amount, forgotten, closed unseen."""
    found = open_deals(history, at)
    events, whole = history.activities, np.full(history.size, at)
    late = events.time - events.values["happened"].astype(np.int64) > LATE_DAYS * DAY
    closed = history.stages.last("outcome", np.arange(history.size), whole) > OPEN
    silent = history.activities.count(np.arange(history.size), whole) == 0
    amount = history.changes["amount"].last("value", found.deal, found.time)
    return [
        _share(late, "activities were logged more than a day late"),
        _share(~(amount > 0), "open deals have no amount"),
        _share(
            _stale(history, at)[found.deal], f"open deals are stale: nothing for {STALE_DAYS} days"
        ),
        _share(silent[closed], "closed deals have no activity"),
    ]


def _stale(history: History, at: int) -> Bools:
    """(deals,) nothing about the deal became known in the last STALE_DAYS days."""
    every, whole = np.arange(history.size), np.full(history.size, at)
    timelines = [history.stages, history.activities, *history.changes.values()]
    latest = [timeline.last_time(every, whole) for timeline in timelines]
    return np.asarray(np.max([history.known_from, *latest], axis=0) < at - STALE_DAYS * DAY)


def _share(which: Bools, words: str) -> str:
    share = f" ({which.mean():.0%})" if len(which) else ""
    return f"{int(which.sum()):,} of {len(which):,}{share} {words}"


def gap_lines(history: History) -> list[str]:
    """A line for each column or property without values, with the features it switches off."""
    off: dict[str, list[str]] = {}
    for feature in CATALOGUE.values():
        for need in feature.needs:
            if not history.has(need):
                off.setdefault(need, []).append(feature.name)
    lines = []
    for need, names in sorted(off.items(), key=lambda gap: -len(gap[1])):
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        features = "feature" if len(names) == 1 else "features"
        lines.append(f"no {need}: {len(names)} {features} off ({', '.join(names[:NAMED])}{more})")
    return lines
