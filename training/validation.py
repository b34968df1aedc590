"""Out-of-time validation: refit at past origins, judged on what came later.

At each origin everything is fitted on what was known strictly before it, and asked about the
snapshots of the weeks that follow, whose outcomes are known by the bundle's as-of. A deal open at
an origin does teach there, as an open deal with the label it had then (its later outcome is
unknown to the fit): to leave it out would train on closed deals only, which is known to wreck
calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.history import OPEN, WON, History
from features.outcomes import Outcomes, outcomes
from features.snapshots import WEEK, Snapshots
from features.windows import DAY, Bools, Floats, Ints
from training.averaging import USUAL_WEIGHT, averaged, learned_weight
from training.calibration import deal_weights, fit_calibration, observed_expected
from training.close import CloseModel, Panel, Progress, fit_close, make_panel
from training.incidence import FIRST, KNOTS
from training.learners import Learner, expit
from training.metrics import Difference, auc_within, log_loss, paired
from training.table import Table

ORIGINS = 3
SHORT, LONG = FIRST, 90
WINDOWS = {SHORT: 14, LONG: 56}
"""Days of test snapshots after each origin, by the longest horizon judged."""
ROWS_BESIDE = 100_000
"""Rows of a panel up to which two origins are fitted side by side: with 150,000 `train` would hold
13.7 GiB instead of 12 at most."""
LEAST_CLOSED = 30
"""Closed deals that an origin must know before a model is fitted there."""
LEAST_KNOWN = 0.5
"""Share of the closed deals of today that the newest origin must know to be judged at the long
horizon: of a firm that has doubled since, it tells what a model could do with another history."""


@dataclass(frozen=True)
class OutOfTime:
    """Predictions that origins made of snapshots after them.

    Attributes
    ----------
    deal, time : (n,) snapshot of each row
    kind : (n,) what became of the deal by the bundle's as-of: OPEN, WON or LOST
    labels, model, table : horizon -> (n,) outcomes, log-odds of the model and of the table
    lost_labels, lost_model : the same for losses at the short horizon
    parts, lost_parts : (n, parts) log-odds of what the model is the average of
    """

    deal: Ints
    time: Ints
    kind: Ints
    labels: dict[int, Floats]
    model: dict[int, Floats]
    table: dict[int, Floats]
    lost_labels: Floats
    lost_model: Floats
    parts: dict[int, Floats]
    lost_parts: Floats

    def learned_weight(self, usual: float) -> float | None:
        """Weight of the first of two parts that these snapshots tell; None where there is one."""
        return learned_weight(self.deal, self.parts, self.labels, usual)

    def weighed(self, weight: float | None) -> OutOfTime:
        """What the model would have said with this weight of the first of two parts, if any."""
        if weight is None:
            return self
        model = {h: averaged(parts, weight) for h, parts in self.parts.items()}
        return replace(self, model=model, lost_model=averaged(self.lost_parts, weight))


@dataclass(frozen=True)
class Verdict:
    """What out-of-time validation says of a learner against the stage x age table.

    Attributes
    ----------
    gain : log-loss of the table less that of the model, a deal, mean over the horizons
    figures : by horizon in days: log_loss, table_log_loss, observed_expected; auc and table_auc of
        won against not won among deals open on the same day; auc_won_lost of won against lost
        among those that have closed since
    slope, offset : calibration of the log-odds of won and of lost
    weight : of the trees in the average with their twin; None where nothing is averaged
    """

    gain: Difference
    figures: dict[int, dict[str, float]]
    slope: tuple[float, float]
    offset: tuple[float, float]
    weight: float | None = None

    def applied(self, close: CloseModel) -> CloseModel:
        """A model with the weight and the calibration that were learned out of time."""
        if self.weight is not None:
            close = close.weighed(self.weight)
        drifted = zip(self.offset, self.slope, close.offset, strict=True)
        won, lost = (offset + slope * drift for offset, slope, drift in drifted)
        return replace(close, slope=self.slope, offset=(won, lost))

    def to_json(self) -> dict[str, Any]:
        """Plain types for the bundle and the tracker."""
        return {**asdict(self), "figures": {str(h): f for h, f in self.figures.items()}}


def horizons_for(panel: Panel) -> tuple[int, ...]:
    """Horizons that a history is long enough to be judged at."""
    if not len(panel) or np.ptp(panel.snapshots.time) < 4 * LONG * DAY:
        return (SHORT,)
    known = panel.closed_before(_origin(panel.cut, LONG, 1))
    return (SHORT, LONG) if known >= LEAST_KNOWN * panel.closed_deals else (SHORT,)


def origins_for(panel: Panel) -> list[int]:
    """Data cuts of the validation, newest first; their windows touch, all outcomes mature."""
    longest = horizons_for(panel)[-1]
    return [_origin(panel.cut, longest, number) for number in range(1, ORIGINS + 1)]


def _origin(cut: int, longest: int, number: int) -> int:
    """Instant of the first, second ... newest origin, on the weekly grid."""
    weeks = ceil((longest + number * WINDOWS[longest]) * DAY / WEEK)
    return cut - weeks * WEEK


def validate(
    history: History,
    panel: Panel,
    learner: Learner,
    progress: Progress,
    cuts: Sequence[int] | None = None,
) -> OutOfTime | None:
    """Refit at every origin that knows enough, or at some; None where none does."""
    cuts = origins_for(panel) if cuts is None else cuts

    def refit(number: int) -> OutOfTime | None:
        progress(f"validating on the past ({number} of {len(cuts)})")
        return _one_origin(history, panel, learner, cuts[number - 1])

    # Two at a time, for most of what one does is done on one core; one, where two would fill the
    # memory. Limited here, too: a fit that ends would give threads back to the one beside it.
    beside = 2 if len(panel) <= ROWS_BESIDE else 1
    with threadpool_limits(1), ThreadPoolExecutor(beside) as pool:
        folds = list(pool.map(refit, range(1, len(cuts) + 1)))
    found = [fold for fold in folds if fold is not None]
    return joined(found) if found else None


def _one_origin(history: History, panel: Panel, learner: Learner, cut: int) -> OutOfTime | None:
    horizons = horizons_for(panel)
    past = np.flatnonzero(panel.snapshots.time <= cut)
    known = make_panel(history, panel.snapshots.take(past), panel.features.iloc[past], cut)
    # Without a row that was watched for the first horizon there is nothing to learn from.
    mature = known.outcomes.known(horizons[-1]) & (known.outcomes.watched >= SHORT)
    if known.closed_deals < LEAST_CLOSED or not mature.any():
        return None
    test = _test_rows(panel, cut, horizons[-1])
    if not test.any():
        return None
    models = [fit_close(known, each, 365.0, until=horizons[-1]) for each in (learner, Table())]
    asked = panel.snapshots.take(test)
    later = outcomes(history, asked, panel.cut)
    return answered((models[0], models[1]), panel.features[test], asked, later, horizons)


def answered(
    models: tuple[CloseModel, CloseModel],
    features: pd.DataFrame,
    asked: Snapshots,
    later: Outcomes,
    horizons: tuple[int, ...],
) -> OutOfTime:
    """What a model and the table said of snapshots, beside what came of them."""
    place = {h: KNOTS.index(h) for h in horizons}
    won = {h: models[0].won[place[h]] for h in horizons}
    lost, (drift, lost_drift) = models[0].lost[place[horizons[0]]], models[0].offset
    return OutOfTime(
        deal=asked.deal,
        time=asked.time,
        kind=later.kind,
        labels={h: later.won(h) for h in horizons},
        model={h: model.logits(features) + drift for h, model in won.items()},
        table={h: models[1].won[place[h]].logits(features) for h in horizons},
        lost_labels=later.lost(horizons[0]),
        lost_model=lost.logits(features) + lost_drift,
        parts={h: model.parts_of(features) + drift for h, model in won.items()},
        lost_parts=lost.parts_of(features) + lost_drift,
    )


def _test_rows(panel: Panel, cut: int, horizon: int) -> Bools:
    """Snapshots of the window after the cut, each watched for the whole horizon.

    Rows that closed early but were not watched that long would be a biased choice.
    """
    time = panel.snapshots.time
    inside = (time >= cut) & (time < cut + WINDOWS[horizon] * DAY)
    return inside & (panel.outcomes.watched >= horizon)


def joined(folds: list[OutOfTime]) -> OutOfTime:
    """Put what several origins said together."""

    def stack(name: str) -> Any:
        parts = [getattr(fold, name) for fold in folds]
        if isinstance(parts[0], dict):
            return {h: np.concatenate([part[h] for part in parts]) for h in parts[0]}
        return np.concatenate(parts)

    return OutOfTime(*(stack(name) for name in OutOfTime.__dataclass_fields__))


def judge(found: OutOfTime, usual: float = USUAL_WEIGHT) -> Verdict:
    """Weigh, calibrate on all origins together and compare with the table, paired by deal.

    Parameters
    ----------
    usual : weight of the trees from which the learned one departs as far as the past tells
    """
    weight = found.learned_weight(usual)
    found = found.weighed(weight)
    weights = deal_weights(found.deal)
    horizons = list(found.labels)
    stacked = [np.concatenate([side[h] for h in horizons]) for side in (found.model, found.labels)]
    count = len(horizons)
    won = fit_calibration(
        stacked[0], stacked[1], np.tile(weights / count, count), np.tile(found.time, count)
    )
    lost = fit_calibration(found.lost_model, found.lost_labels, weights, found.time)
    gain = np.mean(
        [
            log_loss(found.labels[h], expit(found.table[h]))
            - log_loss(found.labels[h], expit(found.model[h]))
            for h in horizons
        ],
        axis=0,
    )
    figures = {h: _figures(found, h, weights) for h in horizons}
    return Verdict(paired(found.deal, gain), figures, (won[0], lost[0]), (won[1], lost[1]), weight)


def _figures(found: OutOfTime, horizon: int, weights: Floats) -> dict[str, float]:
    labels = found.labels[horizon]
    p, table = expit(found.model[horizon]), expit(found.table[horizon])
    closed, won = found.kind != OPEN, (found.kind == WON).astype(float)
    return {
        "deals": float(weights.sum()),
        "snapshots": float(len(labels)),
        "won_share": float(np.average(labels, weights=weights)),
        "log_loss": float(np.average(log_loss(labels, p), weights=weights)),
        "table_log_loss": float(np.average(log_loss(labels, table), weights=weights)),
        "auc": auc_within(found.time, labels, p),
        "table_auc": auc_within(found.time, labels, table),
        "auc_won_lost": auc_within(found.time[closed], won[closed], p[closed]),
        "observed_expected": observed_expected(p, labels, weights),
        "observed_expected_table": observed_expected(table, labels, weights),
    }
