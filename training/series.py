"""Revenue by month, and forecasts that see nothing else: spreadsheets and AutoETS.

They know what was known at the instant, no more, and start from what is booked. Of the running
month they take the share of its days that is left.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features.fiscal import boundaries
from features.history import History
from features.windows import Floats, Ints
from training.booked import actuals
from training.forecast import Calendar

RUN_MONTHS = 3
GROWTH_MONTHS = 6
LARGEST_GROWTH = 3.0
LEAST_ETS_MONTHS = 6


@dataclass(frozen=True)
class Series:
    """The months before an instant, and those of the periods asked.

    Attributes
    ----------
    booked : what is booked in the first period
    priced : whether money is forecast, or the number of wins
    """

    history: History
    calendar: Calendar
    booked: float
    priced: bool

    @property
    def at(self) -> int:
        """The instant in microseconds."""
        return self.calendar.as_of

    @cached_property
    def months(self) -> Ints:
        """Starts of the running month and those after it, past the last period asked."""
        last = int(self.calendar.edges[-1])
        found = boundaries(self.at, "month", 60)
        return found[: int(np.searchsorted(found, last)) + 1]

    @cached_property
    def past(self) -> Floats:
        """Revenue of the full months before the running one, oldest first, as known then."""
        first = int(self.history.known_from.min())
        starts = boundaries(first, "month", 600)
        full = starts[(starts > first) & (starts <= self.months[0])]
        if len(full) < 2:
            return np.zeros(0)
        return actuals(self.history, self.at, full, priced=self.priced)[0]

    @cached_property
    def left(self) -> Floats:
        """(months,) share of each month that comes after the instant."""
        begin, end = self.months[:-1], self.months[1:]
        share: Floats = (end - np.maximum(begin, self.at)) / (end - begin)
        return share

    def by_period(self, by_month: Floats) -> Floats:
        """(periods,) booked and what is expected of the months, each in its period."""
        edges = self.calendar.edges
        period = np.searchsorted(edges, np.maximum(self.months[:-1], edges[0]), side="right") - 1
        sums = np.bincount(period, by_month * self.left, minlength=len(edges) - 1)
        return self.with_booked(sums[: len(edges) - 1])

    def with_booked(self, sums: npt.NDArray[Any]) -> Floats:
        """(periods,) sums with what is booked in the first period."""
        found: Floats = sums.astype(float)
        found[0] += self.booked
        return found


def run_rate(series: Series) -> Floats:
    """Every month like the mean of the last three."""
    past = series.past[-RUN_MONTHS:]
    return series.by_period(np.full(len(series.left), past.mean() if len(past) else 0.0))


def _last_year(series: Series) -> Floats | None:
    """(months,) what the same months brought a year ago; None where that is not known."""
    past, ahead = series.past, len(series.left)
    if len(past) < 12 or ahead > 12:
        return None
    return past[len(past) - 12 :][:ahead]


def seasonal_naive(series: Series) -> Floats:
    """Every month like that of a year ago; the run rate where there is none."""
    found = _last_year(series)
    return run_rate(series) if found is None else series.by_period(found)


def last_year_grown(series: Series) -> Floats:
    """The month of a year ago times the growth of the last half-year on that a year before."""
    found, past = _last_year(series), series.past
    if found is None or len(past) < 12 + GROWTH_MONTHS:
        return seasonal_naive(series)
    before = past[-12 - GROWTH_MONTHS : -12].sum()
    growth = past[-GROWTH_MONTHS:].sum() / before if before else 1.0
    return series.by_period(found * np.clip(growth, 1 / LARGEST_GROWTH, LARGEST_GROWTH))


def auto_ets(series: Series) -> Floats:
    """Exponential smoothing of the months, its form chosen by AICc (statsforecast)."""
    from statsforecast.models import AutoETS

    past, ahead = series.past, len(series.left)
    if len(past) < LEAST_ETS_MONTHS or not past.any():
        return run_rate(series)
    season = 12 if len(past) >= 24 else 1
    with warnings.catch_warnings():
        # A series too short for some form is tried with the next one.
        warnings.simplefilter("ignore")
        found = AutoETS(season_length=season).forecast(y=past.astype(float), h=ahead)
    return series.by_period(np.maximum(np.nan_to_num(np.asarray(found["mean"], float)), 0.0))


MONTHLY: dict[str, Callable[[Series], Floats]] = {
    "run rate": run_rate,
    "seasonal naive": seasonal_naive,
    "last year x growth": last_year_grown,
    "AutoETS": auto_ets,
}
