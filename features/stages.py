"""What became of the deals of a stage: stays that ended and closings of the deals that had been there."""

from __future__ import annotations

import numpy as np

from features.history import LOST, OPEN, WON, History
from features.windows import DAY, Timeline


def stage_stays(history: History) -> Timeline:
    """Ended stays by stage, at the time their end became known.

    Values: kept and lost (flags: the stay ended in another stage or a win, or in a loss) and
    kept_log_days, lost_log_days (log of 1 + days of the stay, 0 where the flag is).
    """
    stages = history.stages
    ended = np.zeros(len(stages.time), bool)
    ended[:-1] = stages.group[:-1] == stages.group[1:]
    ended &= stages.values["outcome"] == OPEN
    begin = np.flatnonzero(ended)
    end = begin + 1
    days = np.maximum((stages.values["happened"][end] - stages.values["happened"][begin]) / DAY, 0)
    lost = (stages.values["outcome"][end] == LOST).astype(float)
    return Timeline.of(
        stages.values["stage"][begin].astype(np.int64),
        stages.time[end],
        groups=len(history.stage_names),
        kept=1 - lost,
        lost=lost,
        kept_log_days=np.log1p(days) * (1 - lost),
        lost_log_days=np.log1p(days) * lost,
    )


def stage_visits_closed(history: History) -> Timeline:
    """Closed deals by each stage they had visited, at the time the closing was known; value won."""
    stages, closings = history.stages, history.closings
    first = closings.next_index(stages.group, stages.time)
    visited = (stages.values["outcome"] == OPEN) & (first >= 0)
    pairs = np.stack([first[visited], stages.values["stage"][visited].astype(np.int64)])
    closing, stage = np.unique(pairs, axis=1)
    return Timeline.of(
        stage,
        closings.time[closing],
        groups=len(history.stage_names),
        won=(closings.values["outcome"][closing] == WON).astype(float),
    )
