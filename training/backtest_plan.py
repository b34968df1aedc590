"""What a backtest asks whom, how many origins fit into the time there is, and what is logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from features.windows import DAY
from training.backtest import Backtest, Entry
from training.backtest_findings import MAIN, Findings
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
from training.origins import MONTH_DAYS, Past, maturity, monthly_origins, named
from training.served import Served
from training.tiers import DEFAULT, Recipe, learner_of
from training.tracking import Tracker

SECONDS = 300.0
FEWEST, MOST = 3, 12
ALL_MONTHS = 60
CATBOOST_EVERY = 3
SECONDS_A_ROW, CANDIDATES_A_ROW = 1.4e-3, 0.6e-3
"""Of an origin and row of the panel, on two idle cores; by a firm of 6,000 deals."""
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

    def mature(self, as_of: int, horizon: int) -> bool:
        """Tell whether any snapshot that is asked can be judged at a horizon."""
        return min(self.cuts) + maturity(horizon) * DAY <= as_of


def plan_backtest(
    past: Past,
    horizons: Sequence[int],
    origins: int | None = None,
    *,
    candidates: bool = False,
    recipe: Recipe = DEFAULT,
) -> Plan:
    """Choose origins and contenders.

    The newest origin is mature for the main horizon (90 days, or a shorter one where that is not
    asked or the history too short). Without `origins` as many months as take about five minutes,
    at least three and at most a year of them; the oldest are put so far back that every horizon
    is mature at one of them, if the history is long enough. With `origins` just so many months
    on end.

    Parameters
    ----------
    recipe : how the served contender learns; one that was tuned has seen the months of its tuning
    """
    asked = tuple(sorted(set(horizons), key=lambda h: h or np.inf))
    a_row = SECONDS_A_ROW + (CANDIDATES_A_ROW if candidates else 0.0)
    one = LEAST_SECONDS + len(past.snapshots) * a_row
    main = _main(past, asked)
    if origins is None:
        cuts = _spread(past, int(np.clip(SECONDS // one, FEWEST, MOST)), main, asked)
    else:
        cuts = monthly_origins(past, origins, (main,))
    served = Served(past, learner=partial(learner_of, recipe=recipe), usual=recipe.weight)
    entries, absent = _entries(served, main, candidates=candidates)
    return Plan(cuts, asked, entries, served, absent, one * len(cuts))


def _main(past: Past, asked: Sequence[int]) -> int:
    """Longest horizon up to 90 days, or the shortest, for which the history holds an origin."""
    short = [h for h in asked if maturity(h) <= MAIN] or [asked[0]]
    return next((h for h in reversed(short) if monthly_origins(past, 1, (h,))), short[0])


def _spread(past: Past, most: int, main: int, asked: Sequence[int]) -> list[int]:
    """Newest months, and of all months the newest that is mature for each longer horizon."""
    months = monthly_origins(past, ALL_MONTHS, (main,))
    mature = [
        [cut for cut in months if past.as_of - cut >= (maturity(h) + MONTH_DAYS) * DAY]
        for h in asked
    ]
    older = {cuts[0] for cuts in mature if cuts}
    newest = max(most - len(older - set(months[:most])), min(FEWEST, most))
    return sorted(older | set(months[:newest]), reverse=True)


def _entries(served: Served, main: int, *, candidates: bool) -> tuple[list[Entry], dict[str, str]]:
    always = (
        *(served, CrmPercentages(), StageAgeTable(), DirectLogistic()),
        *(PlainLightGBM(), ClosedOnlyLightGBM()),
    )
    entries, absent = [Entry(contender) for contender in always], {}
    if why := catboost_missing():
        absent[PlainCatBoost.name] = why
    else:
        # A thousand rounds as it comes: it would take longer than all others together.
        entries.append(Entry(PlainCatBoost(), CATBOOST_EVERY, (main,)))
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
