"""Stages that got another name: where one stops being entered, another starts in its place.

An export names a stage as it was called at the time, so that one step of the funnel comes under
two names. What was learned under the first holds for the second: they share their place, and the
record of what became of the deals there.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from features.windows import DAY, Bools

LEAST_ENTRIES = 10
MOST_DAYS_BETWEEN = 30
MOST_STRAY = 0.02
"""Share of the entries of a stage that may come after the first one under its new name."""


def first_names(
    entries: pd.DataFrame, names: tuple[str, ...], listed: Mapping[str, float]
) -> dict[str, str]:
    """First name of each stage that goes by several; stages of one name are left out.

    Parameters
    ----------
    entries : (entries,) frame of entries into open stages, each deal's together and in order:
        deal, pipeline, stage (codes), entered (microseconds)
    names : of the stage codes
    listed : position of the stages that the CRM lists; two of different positions are two
    """
    same_deal = entries["deal"].diff() == 0
    entries = entries.assign(before=entries["stage"].shift().where(same_deal, -1))
    stages = {code: entries[entries["stage"] == code] for code in range(len(names))}
    stages = {code: part for code, part in stages.items() if len(part) >= LEAST_ENTRIES}
    pairs = [
        (old, new)
        for new in sorted(stages, key=lambda code: stages[code]["entered"].min())
        for old in stages
        if _may_be_one(names[old], names[new], listed) and _takes_over(stages[old], stages[new])
    ]
    first: dict[int, int] = {}
    # Stages that were renamed together stand one behind the other: each round finds one more.
    for _ in pairs:
        for old, new in pairs:
            places = (_place(stages[code], old, first) for code in (old, new))
            if new not in first and len(set(places)) == 1:
                first[new] = first.get(old, old)
    return {names[new]: names[old] for new, old in first.items()}


def _may_be_one(old: str, new: str, listed: Mapping[str, float]) -> bool:
    return old not in listed or new not in listed or listed[old] == listed[new]


def _takes_over(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    """Tell whether entries under one name end where those under the other begin."""
    start, entered = new["entered"].min(), old["entered"]
    earlier: Bools = (entered < start).to_numpy(bool)
    if not earlier.any() or 1 - earlier.mean() > MOST_STRAY:
        return False
    return bool(start - entered[earlier].max() <= MOST_DAYS_BETWEEN * DAY)


def _place(stage: pd.DataFrame, old: int, first: Mapping[int, int]) -> tuple[int, int]:
    """Pipeline and stage from which a stage is mostly entered; moves from `old` are none."""
    came = stage[stage["before"] != old]
    came = came if len(came) else stage
    pipeline, before = (int(came[name].mode().iloc[0]) for name in ("pipeline", "before"))
    return pipeline, first.get(before, before)
