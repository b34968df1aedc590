"""When within a horizon deals are won: the calendar's rush laid over curves that are smooth.

The close model answers at knots some weeks apart. What it expects between two of them is spread
over the days by how the mean curve falls off and by what each day brings (ends of months and
quarters, weekends, season); what it says at the knots stays as it is.
"""

from __future__ import annotations

import numpy as np

from features.windows import DAY, Floats
from training.daily import DailyRate
from training.incidence import Incidence, bent


def calendar_days(incidence: Incidence, won: DailyRate, as_of: int, days: Floats) -> Floats:
    """(horizons,) the days at which the curves must be asked for what comes within `days`.

    Parameters
    ----------
    won : what a day brings in wins
    days : horizons from `as_of` (microseconds), rising
    """
    if not len(incidence):
        return days
    last = float(max(days.max(initial=0.0), incidence.knots[-1]))
    begin = as_of // DAY * DAY
    midnight = np.arange(begin, as_of + int(np.ceil(last) + 1) * DAY, DAY)
    ends = (midnight + DAY - as_of) / DAY
    length = np.minimum(ends, 1.0)
    shape = np.exp(won.shape(midnight))
    knots = np.array([0.0, *incidence.knots])
    weight = (
        shape * length * _falling(incidence, knots, ends, np.concatenate([[0.0], ends]), shape)
    )
    passed = np.concatenate([[0.0], np.cumsum(weight)])
    grid = np.concatenate([[0.0], ends])
    at_knots = np.interp(knots, grid, passed)
    asked = np.interp(days, grid, passed)
    straight = np.interp(asked, at_knots, knots)
    inside = np.interp(straight, bent(grid, incidence.knots, incidence.tail_days), grid)
    year = np.exp(won.shape(as_of + np.arange(365) * DAY)).mean()
    busy = np.concatenate([[0.0], np.cumsum(shape * length)]) / year
    beyond = np.interp(days, grid, busy) - np.interp(knots[-1], grid, busy)
    found: Floats = np.where(days > knots[-1], knots[-1] + np.maximum(beyond, 0.0), inside)
    return found


def _falling(
    incidence: Incidence, knots: Floats, ends: Floats, grid: Floats, shape: Floats
) -> Floats:
    """(days,) wins a day of the mean curve, the calendar's effect taken out, smooth over days."""
    busy = np.interp(knots, grid, np.concatenate([[0.0], np.cumsum(shape * np.diff(grid))]))
    steps = np.diff(incidence.won_by(knots).mean(axis=0))
    density = np.maximum(steps, 1e-9) / np.maximum(np.diff(busy), 1e-9)
    middle, day = (knots[1:] + knots[:-1]) / 2, ends - 0.5
    fallen = np.maximum(day - middle[-1], 0.0) / incidence.tail_days
    found: Floats = np.exp(np.interp(day, middle, np.log(density)) - fallen)
    return found
