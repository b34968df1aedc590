"""What became of the deals of a stage: stays that ended, and how those deals closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from features.at import At, Grouped, once
from features.census import Census
from features.history import LOST, OPEN, WON, History
from features.windows import DAY, NEVER, Floats, Ints, Timeline

T = TypeVar("T")

STAY_DAYS = np.concatenate([np.arange(3, 30, 3), np.arange(30, 180, 10), np.arange(180, 721, 30)])
"""Limits of the classes of stays, days; every limit but the last few has one 30 days later."""
CLASSES = len(STAY_DAYS) + 1
AHEAD = 30
PSEUDO_STAYS = 5.0


@once
def by_stage(at: At) -> Grouped:
    """Questions about the stage of each snapshot, under its first name."""
    return at.grouped(at.stage_record, len(at.history.stage_names))


def of_stages(at: At, name: str, build: Callable[[History, Ints], T]) -> T:
    """Index of what became of deals in each stage, renamed ones under their first name."""
    return at.index(f"{name}{at.vocabulary.suffix}", lambda: build(at.history, at.stage_records))


def stage_stays(history: History, records: Ints) -> Timeline:
    """Ended stays by stage, at the time their end became known.

    Values: kept and lost (flags: the stay ended in another stage or a win, or in a loss), days,
    and kept_log_days, lost_log_days (log of 1 + days of the stay, 0 where the flag is not set).
    """
    stages = history.stages
    ended = np.zeros(len(stages.time), bool)
    ended[:-1] = stages.group[:-1] == stages.group[1:]
    ended &= stages.values["outcome"] == OPEN
    stage = stages.values["stage"].astype(np.int64)
    # A stage that is entered under its other name has not been left.
    ended[:-1] &= (stage[1:] == stage[:-1]) | (records[stage[1:]] != records[stage[:-1]])
    begin = np.flatnonzero(ended)
    end = begin + 1
    days = np.maximum((stages.values["happened"][end] - stages.values["happened"][begin]) / DAY, 0)
    lost = stages.values["outcome"][end] == LOST
    return Timeline.of(
        records[stage[begin]],
        stages.time[end],
        groups=len(history.stage_names) + 1,
        days=days,
        kept=~lost,
        lost=lost,
        kept_log_days=np.log1p(days) * ~lost,
        lost_log_days=np.log1p(days) * lost,
    )


def stays_of_won(history: History, records: Ints) -> Timeline:
    """Stays of deals that were won, by stage, at the time the win was known; value log_days."""
    stages, closings = history.stages, history.closings
    left = stages.following_time() < NEVER
    first = closings.next_index(stages.group, stages.time)
    of_won = left & (stages.values["outcome"] == OPEN) & (first >= 0)
    begin = np.flatnonzero(of_won)
    begin = begin[closings.values["outcome"][first[begin]] == WON]
    happened = stages.values["happened"]
    days = np.maximum((happened[begin + 1] - happened[begin]) / DAY, 0)
    return Timeline.of(
        records[stages.values["stage"][begin].astype(np.int64)],
        closings.time[first[begin]],
        groups=len(history.stage_names) + 1,
        log_days=np.log1p(days),
    )


def exit_rates(at: At) -> Floats:
    """(n,) share of the stays as long as the present one that went on within the next 30 days.

    Over ended stays known before the instant, by stage; stays are told apart by class of length.
    """
    instants, _ = at.instants
    counts = of_stages(at, "stays:class", stays_by_class).counts(instants)
    grouped = by_stage(at)
    of_stage = counts.reshape(len(instants), 2, -1, CLASSES)
    when = 0 if grouped.instant is None else grouped.instant
    ended, kept = _at_least(of_stage[when, :, grouped.asked.group]).swapaxes(0, 1)
    row = 0 if grouped.where is None else grouped.where
    here = STAY_DAYS.searchsorted(at.days_in_stage, side="right")
    then = STAY_DAYS.searchsorted(at.days_in_stage + AHEAD, side="right")
    then = np.maximum(then, here + 1)
    moved, stayed = kept[row, here] - kept[row, then], ended[row, here]
    usual = ended[row, 0]
    share = np.where(usual > 0, kept[row, 0] / np.maximum(usual, 1), 0.5)
    rate: Floats = (moved + PSEUDO_STAYS * share) / (stayed + PSEUDO_STAYS)
    return rate


def stays_by_class(history: History, records: Ints) -> Census:
    """Stays that ended, then those of them that went on, by stage and class of length."""
    cell, time, cells = cells_of_stays(stage_stays(history, records))
    return Census.of(cell, time, cells=cells)


def cells_of_stays(stays: Timeline) -> tuple[Ints, Ints, int]:
    """Class of each stay that ended, then of those that went on; when it ended; how many classes.

    A class is of a stage and a length.
    """
    length = np.searchsorted(STAY_DAYS, stays.values["days"], side="right")
    cell, cells = stays.group * CLASSES + length, (len(stays.start) - 1) * CLASSES
    kept = np.flatnonzero(stays.values["kept"])
    time = np.append(stays.time, stays.time[kept])
    return np.append(cell, cells + cell[kept]), time, 2 * cells


def _at_least(counts: Floats) -> Floats:
    """(..., CLASSES + 1) counts of this class and all longer ones; the last is 0."""
    longer = np.zeros((*counts.shape[:-1], CLASSES + 1))
    np.cumsum(counts[..., ::-1], axis=-1, out=longer[..., -2::-1])
    return longer


def stage_visits_closed(history: History, records: Ints) -> Timeline:
    """Closed deals by each stage they had visited, at the time the closing was known; flag won."""
    stages, closings = history.stages, history.closings
    first = closings.next_index(stages.group, stages.time)
    visited = (stages.values["outcome"] == OPEN) & (first >= 0)
    groups = len(history.stage_names) + 1
    pairs = first[visited] * groups + records[stages.values["stage"][visited].astype(np.int64)]
    pairs.sort()
    once = np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]
    closing, stage = np.divmod(pairs[once], groups)
    return Timeline.of(
        stage,
        closings.time[closing],
        groups=groups,
        won=closings.values["outcome"][closing] == WON,
    )
