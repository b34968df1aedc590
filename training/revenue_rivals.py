"""What others would have forecast: CRM reports, spreadsheets, AutoETS, the reps themselves.

Each knows what was known before the instant, no more, and starts from what is booked. Rivals that
count by month take of the running month the share of its days that is left.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.fiscal import boundaries
from features.history import WON, History
from features.outcomes import outcomes
from features.snapshots import Snapshots, open_deals
from features.windows import DAY, Floats, Ints
from training.booked import actuals
from training.judgement import COMMIT, judged_deals
from training.revenue_past import Answered

STAGE_MONTHS = 12
"""Past month starts from which the rates of the stages are taken."""
RUN_MONTHS = 3
GROWTH_MONTHS = 6
LARGEST_GROWTH = 3.0
LEAST_ETS_MONTHS = 6


@dataclass(frozen=True)
class Field:
    """An instant as a rival sees it."""

    history: History
    answered: Answered

    @property
    def at(self) -> int:
        """The instant in microseconds."""
        return self.answered.calendar.as_of

    @property
    def priced(self) -> bool:
        """Whether money is forecast, or the number of wins."""
        return self.answered.bundle.amount.wins > 0

    @cached_property
    def months(self) -> Ints:
        """Starts of the running month and those after it, past the last period asked."""
        last = int(self.answered.calendar.edges[-1])
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

    @cached_property
    def snapshots(self) -> Snapshots:
        """The deals open at the instant."""
        return open_deals(self.history, self.at)

    def amounts(self, snapshots: Snapshots) -> Floats:
        """(n,) amounts known of deals, 0 where none is; 1 each where wins are counted."""
        if not self.priced:
            return np.ones(len(snapshots))
        known = self.history.changes["amount"].last("value", snapshots.deal, snapshots.time)
        return np.nan_to_num(known)

    def by_period(self, by_month: Floats) -> Floats:
        """(periods,) booked and what is expected of the months, each in its period."""
        edges = self.answered.calendar.edges
        period = np.searchsorted(edges, np.maximum(self.months[:-1], edges[0]), side="right") - 1
        sums = np.bincount(period, by_month * self.left, minlength=len(edges) - 1)
        return self.with_booked(sums[: len(edges) - 1])

    def with_booked(self, sums: npt.NDArray[Any]) -> Floats:
        """(periods,) sums with what is booked in the first period."""
        found: Floats = sums.astype(float)
        found[0] += self.answered.parts.booked.amounts.sum()
        return found


def run_rate(field: Field) -> Floats:
    """Every month like the mean of the last three."""
    past = field.past[-RUN_MONTHS:]
    return field.by_period(np.full(len(field.left), past.mean() if len(past) else 0.0))


def _last_year(field: Field) -> Floats | None:
    """(months,) what the same months brought a year ago; None where that is not known."""
    past, ahead = field.past, len(field.left)
    if len(past) < 12 or ahead > 12:
        return None
    return past[len(past) - 12 :][:ahead]


def seasonal_naive(field: Field) -> Floats:
    """Every month like that of a year ago; the run rate where there is none."""
    found = _last_year(field)
    return run_rate(field) if found is None else field.by_period(found)


def last_year_grown(field: Field) -> Floats:
    """The month of a year ago times the growth of the last half-year on that a year before."""
    found, past = _last_year(field), field.past
    if found is None or len(past) < 12 + GROWTH_MONTHS:
        return seasonal_naive(field)
    before = past[-12 - GROWTH_MONTHS : -12].sum()
    growth = past[-GROWTH_MONTHS:].sum() / before if before else 1.0
    return field.by_period(found * np.clip(growth, 1 / LARGEST_GROWTH, LARGEST_GROWTH))


def auto_ets(field: Field) -> Floats:
    """Exponential smoothing of the months, its form chosen by AICc (statsforecast)."""
    from statsforecast.models import AutoETS

    past, ahead = field.past, len(field.left)
    if len(past) < LEAST_ETS_MONTHS or not past.any():
        return run_rate(field)
    season = 12 if len(past) >= 24 else 1
    with warnings.catch_warnings():
        # A series too short for some form is tried with the next one.
        warnings.simplefilter("ignore")
        found = AutoETS(season_length=season).forecast(y=past.astype(float), h=ahead)
    return field.by_period(np.maximum(np.nan_to_num(np.asarray(found["mean"], float)), 0.0))


def stage_rate(field: Field) -> Floats:
    """Amount open in each stage times the share that came of it, by month ahead, last year."""
    months = len(field.left)
    won, held = _stage_sums(field, months)
    rate = won / np.maximum(held, 1e-9)
    stage, amount = _stages(field, field.snapshots), field.amounts(field.snapshots)
    return field.by_period(amount @ rate[stage])


def _stages(field: Field, snapshots: Snapshots) -> Ints:
    """(n,) stage of each deal, 0 where it has none."""
    code = field.history.stages.last("stage", snapshots.deal, snapshots.time)
    return np.nan_to_num(code, nan=-1).astype(np.int64) + 1


def _stage_sums(field: Field, months: int) -> tuple[Floats, Floats]:
    """(stages, months) amounts won and amounts that were open, over past month starts."""
    stages = len(field.history.stage_names) + 1
    won, held = np.zeros((stages, months)), np.zeros((stages, months))
    for back in range(1, STAGE_MONTHS + 1):
        then = int(boundaries(int(field.months[0]) - (31 * back - 15) * DAY, "month", 1)[0])
        edges = boundaries(then, "month", months)
        snapshots = open_deals(field.history, then)
        amount, stage = field.amounts(snapshots), _stages(field, snapshots)
        came = outcomes(field.history, snapshots, field.at)
        at = snapshots.time + np.where(np.isfinite(came.days), came.days, 0.0) * DAY
        month = np.searchsorted(edges, at, side="right") - 1
        over = edges[1:] <= field.at
        wins = (came.kind == WON) & (month < months)
        sums = np.zeros((stages, months))
        np.add.at(sums, (stage[wins], month[wins]), amount[wins])
        won[:, over] += sums[:, over]
        held[:, over] += np.bincount(stage, amount, minlength=stages)[:, None]
    return won, held


def crm_weighted(field: Field) -> Floats:
    """The CRM's report: stage percentage x amount in the period of the expected close date.

    Percentages rise evenly from 10 % to 90 % over the open stages, as CRMs come with.
    """
    snapshots, edges = field.snapshots, field.answered.calendar.edges
    vocabulary, names = field.answered.bundle.vocabulary, field.history.stage_names
    place = np.append(vocabulary.positions(names), np.nan)[_stages(field, snapshots) - 1]
    places = np.unique(place[~np.isnan(place)])
    percent = np.linspace(0.1, 0.9, len(places)) if len(places) > 1 else np.full(2, 0.5)
    rank = np.searchsorted(places, np.nan_to_num(place, nan=-1.0)).clip(max=len(percent) - 1)
    due = field.history.changes["expected_close_date"].last(
        "value", snapshots.deal, snapshots.time
    )
    period = np.searchsorted(edges, np.nan_to_num(due, nan=-1.0), side="right") - 1
    inside = (period >= 0) & (period < len(edges) - 1)
    weighted = (percent[rank] * field.amounts(snapshots))[inside]
    return field.with_booked(np.bincount(period[inside], weighted, minlength=len(edges) - 1))


def commit(field: Field) -> Floats:
    """What is booked and what reps commit to in each period."""
    deals = judged_deals(field.history, field.at, field.answered.asked.kind)
    said = deals[deals["judgement"] == COMMIT]
    amount = said["amount"].fillna(0.0) if field.priced else pd.Series(1.0, said.index)
    sums = amount.groupby(said["period"]).sum().reindex(list(field.answered.calendar.names))
    return field.with_booked(sums.fillna(0.0).to_numpy(float))


RIVALS: dict[str, Callable[[Field], Floats]] = {
    "CRM stage-weighted": crm_weighted,
    "stage rate by month ahead": stage_rate,
    "run rate": run_rate,
    "seasonal naive": seasonal_naive,
    "last year x growth": last_year_grown,
    "AutoETS": auto_ets,
    "commit of the reps": commit,
}


def with_rivals(history: History, answered: Answered) -> pd.DataFrame:
    """Rows of an instant with a column a rival; commit only where reps commit to anything."""
    field = Field(history, answered)
    shown = len(answered.rows)
    judged = history.settings.forecast_category in history.changes
    names = [name for name in RIVALS if name != "commit of the reps" or judged]
    return answered.rows.assign(**{name: RIVALS[name](field)[:shown] for name in names})
