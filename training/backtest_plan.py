"""What a backtest asks whom, how many origins fit into the time there is, and what is logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.backtest import Backtest, Entry
from training.backtest_findings import Findings
from training.baselines import (
    ClosedOnlyLightGBM,
    CrmPercentages,
    DirectCandidate,
    DirectLogistic,
    HazardCandidate,
    PlainCatBoost,
    PlainLightGBM,
    StageAgeTable,
    catboost_missing,
)
from training.origins import Past, maturity, monthly_origins, named
from training.served import Served
from training.tracking import Tracker

SECONDS = 300.0
FEWEST, MOST = 3, 12
CATBOOST_EVERY = 3
CATBOOST_HORIZON = 90
SECONDS_A_ROW, CANDIDATES_A_ROW = 0.9e-3, 0.4e-3
"""Of an origin and row of the panel, on two idle cores; by firms of 1,500 and 6,000 deals."""
LEAST_SECONDS = 5.0
LOGGED = (
    *("log_loss", "log_loss_skill", "brier", "brier_skill", "auc", "auc_skill"),
    *("observed_expected", "slope", "calibration_error"),
    "calibration_error_of_a_perfect_model",
)
"""Figures of each contender and horizon that are metrics of the run."""


@dataclass(frozen=True)
class Plan:
    """A backtest to be run.

    Attributes
    ----------
    cuts : origins, newest first
    absent : contender -> why it is not asked
    seconds : about how long it will take
    """

    cuts: Sequence[int]
    horizons: tuple[int, ...]
    entries: Sequence[Entry]
    served: Served
    absent: Mapping[str, str]
    seconds: float

    @property
    def steps(self) -> int:
        """Fits that progress will tell of."""
        return len(self.cuts) * len(self.entries)


def plan_backtest(
    past: Past, horizons: Sequence[int], origins: int | None = None, *, candidates: bool = False
) -> Plan:
    """Choose origins and contenders.

    Without `origins` as many as take about five minutes, at least three and at most a year of
    them. The newest one is mature for the main horizon (90 days, or the longest shorter one that
    is asked): longer horizons are judged at the origins that are mature for them.
    """
    asked = tuple(sorted(set(horizons), key=lambda h: maturity(h) if h else np.inf))
    a_row = SECONDS_A_ROW + (CANDIDATES_A_ROW if candidates else 0.0)
    one = LEAST_SECONDS + len(past.snapshots) * a_row
    most = origins or int(np.clip(SECONDS // one, FEWEST, MOST))
    short = [h for h in asked if maturity(h) <= CATBOOST_HORIZON] or [asked[0]]
    cuts = monthly_origins(past, most, short)
    served = Served(past)
    entries, absent = _entries(served, asked, candidates=candidates)
    return Plan(cuts, asked, entries, served, absent, one * len(cuts))


def _entries(
    served: Served, asked: tuple[int, ...], *, candidates: bool
) -> tuple[list[Entry], dict[str, str]]:
    always = (
        *(served, CrmPercentages(), StageAgeTable(), DirectLogistic()),
        *(PlainLightGBM(), ClosedOnlyLightGBM()),
    )
    entries, absent = [Entry(contender) for contender in always], {}
    if why := catboost_missing():
        absent[PlainCatBoost.name] = why
    else:
        horizon = CATBOOST_HORIZON if CATBOOST_HORIZON in asked else asked[0]
        # A thousand rounds as it comes: it would take longer than all others together.
        entries.append(Entry(PlainCatBoost(), CATBOOST_EVERY, (horizon,)))
    if candidates:
        entries += [Entry(HazardCandidate()), Entry(DirectCandidate())]
    return entries, absent


def log_backtest(
    tracker: Tracker, test: Backtest, found: Findings, files: Mapping[str, Path]
) -> str:
    """Log figures of every contender and the report to the tracker; gives the run's id."""
    params: dict[str, Any] = {
        "as_of_microseconds": test.as_of,
        "origins": len(test.origins),
        "snapshots": len(test.rows),
        "contenders": ", ".join(test.answers),
    }
    metrics = {
        f"{slug(row['name'])}.{figure}_{named(row['horizon'])}": float(row[figure])
        for row in found.summary.to_dict("records")
        for figure in LOGGED
    }
    name = f"backtest of {len(test.origins)} origins"
    return tracker.record(name, params=params, metrics=metrics, files=files)


def slug(name: str) -> str:
    """Name of a contender as a tracker takes it."""
    return "_".join("".join(c if c.isalnum() else " " for c in name).split())
