"""Next month's wins on a real history, asked at month starts of its past, beside two yardsticks.

At each date everything is learned anew from what was known then, and the month that begins with it
is forecast: revenue where the history has amounts, the number of wins where it has none.

* run rate: what was won a day in the last RUN_DAYS days (or since the first win), times the days
  of the month.
* stage rate: what part of the value open in each stage was won within the following month, in the
  weeks before, times the value open there now. It knows no deal that is not yet created.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.fiscal import boundaries
from features.history import WON, History
from features.outcomes import outcomes
from features.snapshots import Snapshots, open_deals
from features.windows import DAY, Floats
from training.amount import closing_amounts
from training.outlook import Outlook, make_outlook
from training.train import train

RUN_DAYS = 91
WEEKS = 26
OURS, YARDSTICKS = "ours", ("run rate", "stage rate")


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
    row = outlook.frame[outlook.frame["scope"] == "total"].iloc[0]
    end = int(outlook.calendar.edges[1])
    forecasts = {
        OURS: float(row["mean"]),
        "run rate": run_rate(history, outlook, end),
        "stage rate": stage_rate(history, outlook, end),
    }
    actual = won_between(history, as_of, end, outlook.unit)
    interval = float(row["p10"]), float(row["p90"])
    return Month(str(row["period"]), bundle.tier, outlook.unit, forecasts, *interval, actual)


def wape(months: Sequence[Month], name: str) -> float:
    """Sum of |forecast - actual| over the sum of the actuals."""
    error = sum(abs(month.forecasts[name] - month.actual) for month in months)
    return error / max(sum(month.actual for month in months), 1e-9)


def _worth(history: History, unit: str) -> Floats:
    """(closings,) amount of each closing, 1 where wins are counted."""
    return (
        np.nan_to_num(closing_amounts(history))
        if unit == "revenue"
        else np.ones_like(history.closings.time, float)
    )


def won_between(
    history: History, begin: int, end: int, unit: str, known_before: int | None = None
) -> float:
    """Sum what was won in [begin, end), by what was known before an instant (else: ever)."""
    closings = history.closings
    happened = closings.values["happened"]
    inside = (closings.values["outcome"] == WON) & (happened >= begin) & (happened < end)
    if known_before is not None:
        inside &= closings.time < known_before
    return float(_worth(history, unit)[inside].sum())


def run_rate(history: History, outlook: Outlook, end: int) -> float:
    """Forecast by the daily rate of late."""
    as_of, closings = outlook.calendar.as_of, history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < as_of)
    if not won.any():
        return 0.0
    first = max(int(closings.values["happened"][won].min()), as_of - RUN_DAYS * DAY)
    rate = won_between(history, first, as_of, outlook.unit, as_of) / max(as_of - first, DAY)
    return rate * (end - as_of)


def stage_rate(history: History, outlook: Outlook, end: int) -> float:
    """Forecast by the share of the value of each stage that used to be won within a month."""
    as_of, unit = outlook.calendar.as_of, outlook.unit
    month = (end - as_of) / DAY
    grid = as_of - np.arange(WEEKS) * 7 * DAY - (end - as_of)
    past = [open_deals(history, int(at)) for at in grid[grid > history.created.min()]]
    before = pd.concat([_staged(history, each, as_of, month, unit) for each in past] or [_NONE])
    now = _staged(history, outlook.scored.snapshots, as_of, month, unit)
    rates = before.groupby("stage")[["won", "value"]].sum()
    rate = (rates["won"] / rates["value"].where(rates["value"] > 0)).fillna(0.0)
    return float((now["stage"].map(rate).fillna(0.0) * now["value"]).sum())


_NONE = pd.DataFrame({"stage": [0.0], "value": [0.0], "won": [0.0]})


def _staged(
    history: History, snapshots: Snapshots, cut: int, days: float, unit: str
) -> pd.DataFrame:
    """Stage and value of deals at an instant, and the value won within so many days."""
    deal, time = snapshots.deal, snapshots.time
    amount = history.changes["amount"].last("value", deal, time)
    value = np.nan_to_num(amount) if unit == "revenue" else np.ones(len(snapshots))
    won = np.nan_to_num(outcomes(history, snapshots, cut).won(days))
    stage = history.stages.last("stage", deal, time)
    return pd.DataFrame({"stage": stage, "value": value, "won": won * value})


def month_starts(first: str, count: int) -> list[str]:
    """Days on which `count` months begin, the first that of `first`."""
    at = int(pd.Timestamp(first).as_unit("us").asm8.astype("int64"))
    return [
        f"{pd.Timestamp(edge, unit='us'):%Y-%m-%d}" for edge in boundaries(at, "month", count)
    ][:count]
