"""Calendar: where the instant stands in the month, the fiscal quarter and the year."""

from __future__ import annotations

import numpy as np

from features.at import At, once
from features.catalogue import feature
from features.fiscal import (
    days_to_month_end,
    days_to_quarter_end,
    last_days_ahead,
    month_of,
    year_share,
    years_since_2000,
)
from features.groups import everyone
from features.windows import Floats

WHY = "Deals close when the books do."
SEASON_DAYS, RUSH_DAYS = 5 * 365, 365
"""Days of history from which models read what comes round with the year, and what jumps at the
ends of quarters and months."""
RUSH_QUARTER, RUSH_MONTH = 7, 4
"""Last days of a quarter and of a month, in which much is closed.

How many of them lie ahead is counted for some horizons at which models answer
(`training.incidence.KNOTS`): it jumps where the end of the period comes within the horizon, which
lines of few bends in the distance from that end cannot follow.
"""


@once
def _year_share(at: At) -> Floats:
    return year_share(at.time)


@feature("calendar", "month 1-12", "month of the year", least_days=SEASON_DAYS)
def month(at: At) -> Floats:
    """Season, as trees see it."""
    return month_of(at.time)


@feature(
    "calendar", "sine", "season, first half of the year against the second", least_days=SEASON_DAYS
)
def season_sine(at: At) -> Floats:
    """Sine of the day of the year, without a jump."""
    return np.sin(2 * np.pi * _year_share(at))


@feature("calendar", "cosine", "season, winter against summer", least_days=SEASON_DAYS)
def season_cosine(at: At) -> Floats:
    """Cosine of the day of the year, without a jump."""
    return np.cos(2 * np.pi * _year_share(at))


@feature("calendar", "days", "days to the end of the month", why=WHY)
def month_end_days(at: At) -> Floats:
    """Until midnight UTC after the last day."""
    return days_to_month_end(at.time)


@feature("calendar", "days", "days to the end of the fiscal quarter", why=WHY)
def quarter_end_days(at: At) -> Floats:
    """By the fiscal start month of the settings."""
    return days_to_quarter_end(at.time, at.history.settings.fiscal_year_start_month)


def _quarter_rush(at: At, days: int) -> Floats:
    start_month = at.history.settings.fiscal_year_start_month
    return last_days_ahead(at.time, days, "quarter", RUSH_QUARTER, start_month)


@feature(
    "calendar",
    "days",
    "of the next 30 days, those in the last week of a quarter",
    why=WHY,
    least_days=RUSH_DAYS,
)
def quarter_rush_30d_days(at: At) -> Floats:
    """By the fiscal start month of the settings."""
    return _quarter_rush(at, 30)


@feature(
    "calendar",
    "days",
    "of the next 62 days, those in the last week of a quarter",
    why=WHY,
    least_days=RUSH_DAYS,
)
def quarter_rush_62d_days(at: At) -> Floats:
    """By the fiscal start month of the settings."""
    return _quarter_rush(at, 62)


@feature(
    "calendar",
    "days",
    "of the next 30 days, those in the last four of a month",
    why=WHY,
    least_days=RUSH_DAYS,
)
def month_rush_30d_days(at: At) -> Floats:
    """Fewer than four where the 30 days end before the month does."""
    return last_days_ahead(at.time, 30, "month", RUSH_MONTH)


@feature(
    "calendar",
    "years",
    "trend over the years: years since 2000, with the part of the present one",
    why="Shows a person how the business drifts; a model would learn the date by it.",
    for_models=False,
)
def year_trend(at: At) -> Floats:
    """Time that goes on; what it did to win rates is in `year_win_rate_trend`."""
    return years_since_2000(at.time, _year_share(at))


@feature(
    "calendar",
    "rate",
    "trend of the year: the firm's win rate of 365 days less that of ever",
    why="Markets turn; what won last year may not win now.",
    for_models=False,
)
def year_win_rate_trend(at: At) -> Floats:
    """Shrunk by 20 deals; all deals of a day have the same, so a model would learn the date."""
    return everyone(at).trend
