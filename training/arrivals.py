"""Deals not yet created: how many will come, and what a new deal earns at each age.

Arrivals are a Poisson regression of monthly counts on level, growth and season, each shrunk; a new
deal's wins by age come from the history's own cohorts (a life table of competing risks by week of
age).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.fiscal import boundaries, month_in_quarter
from features.history import WON, History
from features.windows import DAY, NEVER, Floats, Ints

MONTHS_USED = 36
GROWTH_SD = 0.25
"""Prior standard deviation of the yearly growth of arrivals (log scale)."""
SEASON_SD = 0.15
"""Prior standard deviation of each month's departure from the year's level (log scale)."""
COHORT_DAYS = 730
PSEUDO_WINS = 20.0
AGE_STEP = 7


@dataclass(frozen=True)
class Arrivals:
    """Rate of new deals and the life that awaits them.

    Attributes
    ----------
    level : log of deals a day at `origin` (microseconds)
    growth : log growth a year
    season : (12,) log departure of each calendar month
    dispersion : variance of monthly counts over their mean, at least 1
    win_by_age : (ages,) P(won by the end of each AGE_STEP days of age)
    quarter_shape : (3,) wins in each month of a fiscal quarter against their mean
    start_month : month in which the fiscal year starts
    """

    origin: int
    level: float
    growth: float
    season: Floats
    dispersion: float
    win_by_age: Floats
    quarter_shape: Floats
    start_month: int = 1

    def a_day(self, at: Ints) -> Floats:
        """(n,) expected new deals a day at instants."""
        years = np.clip((at - self.origin) / (365.25 * DAY), -5, 1.5)
        month = at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
        rate: Floats = np.exp(self.level + self.growth * years + self.season[month])
        return rate

    def wins_between(self, as_of: int, edges: Ints) -> Floats:
        """(periods,) expected wins in each period of deals created from `as_of` on."""
        days = max(int(np.ceil((edges[-1] - as_of) / DAY)), 1)
        day = as_of + np.arange(days) * DAY
        grid = np.arange(len(self.win_by_age) + 1) * AGE_STEP
        by_age = np.interp(np.arange(days + 1), grid, np.concatenate([[0.0], self.win_by_age]))
        wins = np.convolve(self.a_day(day), np.diff(by_age))[:days]
        wins = wins * self.quarter_shape[month_in_quarter(day, self.start_month)]
        period = np.searchsorted(edges, day, side="right") - 1
        return np.bincount(period, wins, minlength=len(edges) - 1).astype(float)


def fit_arrivals(history: History, cut: int) -> Arrivals:
    """Learn from deals known before `cut`."""
    created = history.created[history.known_from < cut]
    edges = _months_before(cut, created)
    counts = np.histogram(created, edges)[0].astype(float)
    days = np.diff(edges) / DAY
    level, growth, season = _poisson(counts, days, edges, cut)
    expected = days * np.exp(_linear(edges, cut, level, growth, season))
    spread = (
        float(np.mean((counts - expected) ** 2 / np.maximum(expected, 1e-9))) if len(days) else 1
    )
    return Arrivals(
        cut,
        level,
        growth,
        season,
        max(spread, 1.0),
        _win_by_age(history, cut),
        _quarter_shape(history, cut),
        history.settings.fiscal_year_start_month,
    )


def _quarter_shape(history: History, cut: int) -> Floats:
    """(3,) share of each month of the fiscal quarter in the wins of whole quarters, times 3.

    Shrunk to 1 by PSEUDO_WINS wins a month.
    """
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < cut)
    at = closings.values["happened"][won].astype(np.int64)
    start_month = history.settings.fiscal_year_start_month
    first = boundaries(int(at.min()), "quarter", 2, start_month)[1] if len(at) else cut
    last = boundaries(cut, "quarter", 1, start_month)[0]
    at = at[(at >= first) & (at < last)]
    wins = np.bincount(month_in_quarter(at, start_month), minlength=3) + PSEUDO_WINS
    shape: Floats = 3 * wins / wins.sum()
    return shape


def _months_before(cut: int, created: Ints) -> Ints:
    """Edges of the months of history, oldest first; the last one ends at the cut."""
    first = int(created.min()) if len(created) else cut - 30 * DAY
    begin = max(first, cut - int(MONTHS_USED * 30.44 * DAY))
    months = boundaries(begin, "month", MONTHS_USED + 2)
    inside = months[(months > begin) & (months < cut)]
    return np.unique(np.concatenate([[begin], inside, [cut]]))


def _terms(edges: Ints, cut: int) -> tuple[Floats, Ints]:
    middle = ((edges[:-1] + edges[1:]) // 2).astype(np.int64)
    month = middle.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
    return (middle - cut) / (365.25 * DAY), month


def _linear(edges: Ints, cut: int, level: float, growth: float, season: Floats) -> Floats:
    years, month = _terms(edges, cut)
    out: Floats = level + growth * years + season[month]
    return out


def _poisson(counts: Floats, days: Floats, edges: Ints, cut: int) -> tuple[float, float, Floats]:
    """Level, growth and season by penalised Newton steps (a normal prior on growth and season)."""
    years, month = _terms(edges, cut)
    season_known = float(np.ptp(years)) > 1.5 if len(years) else False
    design = np.zeros((len(counts), 14))
    design[:, 0], design[:, 1] = 1.0, years
    if season_known:
        design[np.arange(len(counts)), 2 + month] = 1.0
    prior = np.diag([1e-6, 1 / GROWTH_SD**2, *[1 / SEASON_SD**2] * 12])
    beta = np.zeros(14)
    beta[0] = np.log(max(counts.sum(), 0.5) / max(days.sum(), 1.0))
    # Counts are over-dispersed: each weighs as if its variance were twice its mean.
    for _ in range(25):
        mean = days * np.exp(np.clip(design @ beta, -20, 20))
        gradient = design.T @ (counts - mean) / 2 - prior @ beta
        hessian = design.T @ (design * mean[:, None]) / 2 + prior
        beta = beta + np.linalg.solve(hessian, gradient)
    return float(beta[0]), float(beta[1]), beta[2:]


def _win_by_age(history: History, cut: int) -> Floats:
    """(ages,) Aalen-Johansen incidence of winning by age, over the cohorts of two years."""
    deals = np.flatnonzero(
        (history.known_from < cut) & (history.created >= cut - COHORT_DAYS * DAY)
    )
    closings = history.closings
    index = closings.next_index(deals, history.created[deals])
    known = np.where(index >= 0, closings.time[index] if len(closings.time) else 0, NEVER) < cut
    end = np.where(known, closings.values["happened"][index] if len(closings.time) else 0, cut)
    age = np.maximum(end - history.created[deals], 0) / DAY
    won = known & (
        (closings.values["outcome"][index] == WON)
        if len(closings.time)
        else np.zeros(len(deals), bool)
    )
    bins = np.arange(0, COHORT_DAYS + AGE_STEP, AGE_STEP)
    entered = np.histogram(age, bins)[0]
    at_risk = np.maximum(len(deals) - np.concatenate([[0], np.cumsum(entered)[:-1]]), 1)
    ended = np.histogram(age[known], bins)[0] / at_risk
    hazard = np.histogram(age[won], bins)[0] / at_risk
    still_open = np.concatenate([[1.0], np.cumprod(1 - np.minimum(ended, 1.0))[:-1]])
    incidence: Floats = np.cumsum(still_open * hazard)
    return incidence
