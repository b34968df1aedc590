"""The activities that deals won in the past had at the same stage and age."""

from __future__ import annotations

import numpy as np

from features.at import At, as_codes
from features.groups import mean, shrunk
from features.history import WON, History
from features.stages import of_stages
from features.windows import DAY, Floats, Ints, Timeline

AGES = np.array([1, 3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 540, 730])
"""Ages at which won deals are looked back at, days."""


def usual_of_won(at: At) -> Floats:
    """(n,) mean log(1 + activities) of won deals at the stage and age, shrunk to all of the age.

    Only deals whose win was known before the instant; 20 pseudo-deals of the age.
    """
    stages = len(at.history.stage_names)
    of_age = at.index("won:age", lambda: _looked_back(at.history))
    of_both = of_stages(at, "won:stage_age", _looked_back)
    age = np.maximum(AGES.searchsorted(at.age, side="right") - 1, 0)
    both = np.where(at.stage < 0, -1, at.stage_record * len(AGES) + age)
    parent = at.grouped(age, len(AGES))
    own = at.grouped(both, stages * len(AGES))
    all_ages, seen = parent.asked.seen(of_age), own.asked.seen(of_both)
    usual = parent.spread(mean(all_ages.total("log_count"), all_ages.count()))
    return shrunk(own.spread(seen.total("log_count")), own.spread(seen.count()), usual)


def _looked_back(history: History, records: Ints | None = None) -> Timeline:
    """Won deals at each age of AGES that they reached, at the time the win was known.

    By age, or by stage (its code in `records`) and age. Before a deal was entered none of its
    activities was known: at such an age there is nothing to compare with.
    """
    closings = history.closings
    won = np.flatnonzero(closings.values["outcome"] == WON)
    closing, age = (part.ravel() for part in np.meshgrid(won, np.arange(len(AGES)), indexing="ij"))
    deal = closings.group[closing]
    instant = history.created[deal] + AGES[age] * DAY
    reached = instant < closings.values["happened"][closing]
    reached &= instant >= history.known_from[deal]
    closing, age, deal, instant = closing[reached], age[reached], deal[reached], instant[reached]
    log_count = np.log1p(history.activities.count(deal, instant))
    group, groups = age, len(AGES) + 1
    if records is not None:
        stage = records[as_codes(history.stages.last("stage", deal, instant))]
        group = np.where(stage < 0, -1, stage * len(AGES) + age)
        groups = len(history.stage_names) * len(AGES) + 1
    return Timeline.of(group, closings.time[closing], groups=groups, log_count=log_count)
