"""What the calendar does to a firm: working days, season, and the rush at the end of a period."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.demo.world import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAYS_PER_YEAR = 365.25
WEEKDAY_ARRIVALS = np.array([1.15, 1.2, 1.1, 1.05, 0.9, 0.15, 0.1])


@dataclass(frozen=True)
class Calendar:
    """Effects of each day since the start of the simulation; all arrays have shape (days,).

    Attributes
    ----------
    start
        Midnight UTC of day 0.
    work
        Multiplier of whatever people do: 1 on weekdays, near 0 at weekends.
    win
        Log effect on winning: season, month end, quarter end, trend.
    clean
        Daily hazard with which a deal left open is at last closed as lost; high at quarter ends.
    arrivals
        Relative intensity of new deals.
    drifted
        Days on which the drift of a source applies.
    month_end
        Day number of the last day of the month.
    """

    start: pd.Timestamp
    work: Floats
    win: Floats
    clean: Floats
    arrivals: Floats
    drifted: Bools
    month_end: Ints

    @classmethod
    def of(cls, world: World, start: pd.Timestamp, days: int, drift_day: int) -> "Calendar":
        """Work out every day's effects."""
        dates = pd.date_range(start, periods=days, freq="D")
        year = np.arange(days) / DAYS_PER_YEAR
        month = _ints(dates.month) - 1
        weekday = _ints(dates.day_of_week)
        to_month = _ints(dates.days_in_month) - _ints(dates.day)
        to_quarter = _days_to_quarter_end(dates)
        since_quarter = _ints(dates.day) - 1 + 31 * (month % 3)
        rush = world.month_end * np.exp(-to_month / 3) + world.quarter_end * np.exp(
            -to_quarter / 6
        )
        hangover = -0.4 * world.quarter_end * np.exp(-since_quarter / 6)
        season = np.asarray(world.win_season)[month]
        return cls(
            start=start,
            work=np.where(weekday < 5, 1.0, 0.04),
            win=rush + hangover + season + world.trend * (year - year[drift_day] / 2),
            clean=np.clip(60 / world.cycle_days, 0.7, 3)
            * (0.002 + 0.025 * np.exp(-to_quarter / 5) + 0.02 * np.exp(-since_quarter / 5)),
            arrivals=np.exp(np.log1p(world.growth) * year)
            * np.exp(np.asarray(world.arrival_season)[month])
            * WEEKDAY_ARRIVALS[weekday],
            drifted=np.arange(days) >= drift_day,
            month_end=np.arange(days) + to_month,
        )


def _days_to_quarter_end(dates: pd.DatetimeIndex) -> Ints:
    """Whole days until the last day of the calendar quarter; 0 on that day."""
    ends = (dates.tz_localize(None).to_period("Q").end_time).normalize()
    return _ints((ends - dates.tz_localize(None)).days)


def _ints(values: object) -> Ints:
    return cast("Ints", np.asarray(values, dtype=np.int64))
