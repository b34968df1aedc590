"""What others would have forecast: CRM reports, spreadsheets, AutoETS, the reps themselves.

Each knows what was known before the instant, no more, and starts from what is booked. Rivals that
count by month take of the running month the share of its days that is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.fiscal import boundaries
from features.history import WON, History
from features.outcomes import outcomes
from features.snapshots import Snapshots, open_deals
from features.windows import DAY, Floats, Ints
from training.judgement import COMMIT, judged_deals
from training.revenue_past import Answered
from training.series import MONTHLY, Series

STAGE_MONTHS = 12
"""Past month starts from which the rates of the stages are taken."""


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
    def series(self) -> Series:
        """The months before the instant, and those to come."""
        booked = float(self.answered.parts.booked.amounts.sum())
        return Series(self.history, self.answered.calendar, booked, self.priced)

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


def stage_rate(field: Field) -> Floats:
    """Amount open in each stage times the share that came of it, by month ahead, last year."""
    months = len(field.series.left)
    won, held = _stage_sums(field, months)
    rate = won / np.maximum(held, 1e-9)
    stage, amount = _stages(field, field.snapshots), field.amounts(field.snapshots)
    return field.series.by_period(amount @ rate[stage])


def _stages(field: Field, snapshots: Snapshots) -> Ints:
    """(n,) stage of each deal, 0 where it has none."""
    code = field.history.stages.last("stage", snapshots.deal, snapshots.time)
    return np.nan_to_num(code, nan=-1).astype(np.int64) + 1


def _stage_sums(field: Field, months: int) -> tuple[Floats, Floats]:
    """(stages, months) amounts won and amounts that were open, over past month starts."""
    stages = len(field.history.stage_names) + 1
    won, held = np.zeros((stages, months)), np.zeros((stages, months))
    for back in range(1, STAGE_MONTHS + 1):
        then = int(boundaries(int(field.series.months[0]) - (31 * back - 15) * DAY, "month", 1)[0])
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
    return field.series.with_booked(
        np.bincount(period[inside], weighted, minlength=len(edges) - 1)
    )


def commit(field: Field) -> Floats:
    """What is booked and what reps commit to in each period."""
    deals = judged_deals(field.history, field.at, field.answered.asked.kind)
    said = deals[deals["judgement"] == COMMIT]
    amount = said["amount"].fillna(0.0) if field.priced else pd.Series(1.0, said.index)
    sums = amount.groupby(said["period"]).sum().reindex(list(field.answered.calendar.names))
    return field.series.with_booked(sums.fillna(0.0).to_numpy(float))


def _by_months(rival: Callable[[Series], Floats]) -> Callable[[Field], Floats]:
    """A rival that sees nothing but the months."""
    return lambda field: rival(field.series)


RIVALS: dict[str, Callable[[Field], Floats]] = {
    "CRM stage-weighted": crm_weighted,
    "stage rate by month ahead": stage_rate,
    **{name: _by_months(rival) for name, rival in MONTHLY.items()},
    "commit of the reps": commit,
}


def with_rivals(history: History, answered: Answered) -> pd.DataFrame:
    """Rows of an instant with a column a rival; commit only where reps commit to anything."""
    field = Field(history, answered)
    shown = len(answered.rows)
    judged = history.settings.forecast_category in history.changes
    names = [name for name in RIVALS if name != "commit of the reps" or judged]
    return answered.rows.assign(**{name: RIVALS[name](field)[:shown] for name in names})
