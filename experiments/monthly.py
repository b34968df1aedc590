"""Next month's wins on a real history, asked at month starts of its past, beside two yardsticks.

At each date everything is learned anew from what was known then, and the month that begins with it
is forecast: revenue where the history has amounts, the number of wins where it has none. The
yardsticks are two of `training.revenue_rivals`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from features.fiscal import boundaries
from features.history import History
from features.windows import DAY
from training.booked import actuals
from training.outlook import make_outlook, parts_of
from training.revenue_past import Answered, Asked
from training.revenue_rivals import RIVALS, Field
from training.train import train

OURS = "ours"
YARDSTICKS = ("run rate", "stage rate by month ahead")


@dataclass(frozen=True)
class Month:
    """A month as it was forecast on its first day, and as it came.

    Attributes
    ----------
    forecasts : by name: `ours` and the yardsticks
    """

    name: str
    tier: str
    unit: str
    forecasts: dict[str, float]
    p10: float
    p90: float
    actual: float


def next_months(
    history: History, days: Sequence[str], progress: Callable[[str], None] = lambda _: None
) -> list[Month]:
    """Forecast the month that begins on each day from what was known before it."""
    return [_next_month(history, day, progress) for day in days]


def _next_month(history: History, day: str, progress: Callable[[str], None]) -> Month:
    as_of = int(pd.Timestamp(day, tz="UTC").as_unit("us").asm8.astype("int64"))
    progress(f"as of {day}: training on what was known")
    bundle = train(history, as_of, lambda _: None).bundle
    outlook = make_outlook(bundle, history, as_of, periods=1)
    calendar, scored = outlook.calendar, outlook.scored
    parts = parts_of(bundle, history, calendar, scored)
    row = outlook.frame[outlook.frame["scope"] == "total"].iloc[0]
    field = Field(
        history, Answered(Asked(as_of, 0), outlook.frame, calendar, parts, scored, bundle)
    )
    forecasts = {OURS: float(row["mean"])}
    forecasts |= {name: float(RIVALS[name](field)[0]) for name in YARDSTICKS}
    last = history.last_fact
    cut = as_of if last is None else int(last.as_unit("us").asm8.astype("int64")) + DAY
    came = actuals(history, cut, calendar.edges, priced=outlook.unit == "revenue")[0]
    interval = float(row["p10"]), float(row["p90"])
    return Month(
        str(row["period"]), bundle.tier, outlook.unit, forecasts, *interval, float(came[0])
    )


def wape(months: Sequence[Month], name: str) -> float:
    """Sum of |forecast - actual| over the sum of the actuals."""
    error = sum(abs(month.forecasts[name] - month.actual) for month in months)
    return error / max(sum(month.actual for month in months), 1e-9)


def month_starts(first: str, count: int) -> list[str]:
    """Days on which `count` months begin, the first that of `first`."""
    at = int(pd.Timestamp(first).as_unit("us").asm8.astype("int64"))
    return [f"{pd.Timestamp(e, unit='us'):%Y-%m-%d}" for e in boundaries(at, "month", count)[:-1]]
