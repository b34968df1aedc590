"""Months and fiscal quarters: their names, beginnings and ends (UTC)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from features.windows import DAY, Floats, Ints

Period = Literal["month", "quarter"]


def _months(at: Ints) -> Ints:
    """(n,) months since January 1970."""
    return at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _begin(months: Ints) -> Ints:
    """(n,) first instant of each month in microseconds."""
    return months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def month_of(at: Ints) -> Floats:
    """(n,) month of the year, 1-12."""
    return (_months(at) % 12 + 1).astype(float)


def year_share(at: Ints) -> Floats:
    """(n,) share of the year that has passed, 0 to 1."""
    year = _months(at) // 12
    begin, end = _begin(year * 12), _begin(year * 12 + 12)
    return (at - begin) / (end - begin)


def years_since_2000(at: Ints, share: Floats) -> Floats:
    """(n,) years since the beginning of 2000, with the share of the present one."""
    return _months(at) // 12 - 30 + share


def days_to_month_end(at: Ints) -> Floats:
    """(n,) days until the next month begins."""
    return (_begin(_months(at) + 1) - at) / DAY


def _next_quarter(at: Ints, start_month: int) -> Ints:
    months = _months(at)
    return months + 3 - (months - (start_month - 1)) % 3


def days_to_quarter_end(at: Ints, start_month: int = 1) -> Floats:
    """(n,) days until the next fiscal quarter begins."""
    return (_begin(_next_quarter(at, start_month)) - at) / DAY


def last_days_ahead(
    at: Ints, days: int, period: Period, last: int, start_month: int = 1
) -> Floats:
    """(n,) how many of the `days` days from each instant on are among the `last` of a period."""
    step = 1 if period == "month" else 3
    months = _months(at) + 1 if period == "month" else _next_quarter(at, start_month)
    until, found = at + days * DAY, np.zeros(len(at))
    # A period of 28 days, the shortest month, may end as often as this in so many days.
    for _ in range(1 + days // (28 * step)):
        end = _begin(months)
        found += np.maximum(np.minimum(until, end) - np.maximum(at, end - last * DAY), 0) / DAY
        months = months + step
    return found


def month_in_quarter(at: Ints, start_month: int = 1) -> Ints:
    """(n,) 0, 1 or 2: first, second or third month of the fiscal quarter."""
    return (_months(at) - (start_month - 1)) % 3


def boundaries(at: int, period: Period, periods: int, start_month: int = 1) -> Ints:
    """(periods + 1,) beginnings of the period that holds `at` and of those after it."""
    months, step = _months(np.array([at])), 1
    if period == "quarter":
        months, step = _next_quarter(np.array([at]), start_month) - 3, 3
    return _begin(months + step * np.arange(periods + 1))


def period_name(begin: int, period: Period, start_month: int = 1) -> str:
    """`2025-01`, or `2025-Q1`: a fiscal year has the name of the year in which it ends."""
    day = pd.Timestamp(begin, unit="us")
    if period == "month":
        return f"{day:%Y-%m}"
    months = (day.month - start_month) % 12
    year = day.year + (1 if start_month > 1 and day.month >= start_month else 0)
    return f"{year}-Q{months // 3 + 1}"
