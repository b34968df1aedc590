"""What a backtest found, as tables that a page, a terminal and a tracker show alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from training.backtest import Backtest
from training.backtest_figures import (
    age_bands,
    answers_of,
    by_origin,
    differences,
    segments,
    summary,
)
from training.close import Progress
from training.metrics import auc_within
from training.origins import named
from training.reliability import Curve, reliability_curve
from training.top_tenth import top_tenth

MAIN = 90
"""The horizon of the daily list, which gain, age and list figures are for where it was asked."""


@dataclass(frozen=True)
class Findings:
    """Tables of a backtest.

    Attributes
    ----------
    name : the contender that is served
    main : the horizon shown where only one is
    summary : a row a horizon and contender
    segments, over_time, curves : by horizon, of the served contender
    differences : a row a horizon and other contender, paired
    lists : a row a contender: its top tenth
    ages : a row an age band and contender: AUC within it
    gains : contender -> share of the wins in the best-scored share of the deals; both only of
        contenders asked wherever the served one was
    tiers : origin -> tier that was served there
    """

    name: str
    main: int
    summary: pd.DataFrame
    segments: Mapping[int, pd.DataFrame]
    over_time: Mapping[int, pd.DataFrame]
    curves: Mapping[int, Curve]
    differences: pd.DataFrame
    lists: pd.DataFrame
    ages: pd.DataFrame
    gains: Mapping[str, np.ndarray[Any, Any]]
    stability: pd.DataFrame
    tiers: Mapping[int, str] = field(default_factory=dict)

    def row(self, horizon: int, name: str = "") -> pd.Series:
        """Figures of a contender (the served one) at a horizon."""
        found = self.summary[
            (self.summary["horizon"] == horizon) & (self.summary["name"] == (name or self.name))
        ]
        return found.iloc[0]

    @property
    def horizons(self) -> list[int]:
        """Horizons at which anything was judged."""
        return [int(h) for h in self.summary["horizon"].unique()]

    def to_json(self) -> dict[str, Any]:
        """Plain types for programs."""
        tables = {"summary": self.summary, "differences": self.differences, "lists": self.lists}
        tables |= {"auc_by_age": self.ages, "stability": self.stability}
        tables |= {f"segments_{named(h)}": f for h, f in self.segments.items()}
        tables |= {f"over_time_{named(h)}": f for h, f in self.over_time.items()}
        return {name: frame.to_dict("records") for name, frame in tables.items()} | {
            "tiers": {str(cut): tier for cut, tier in self.tiers.items()},
        }


def find(
    test: Backtest,
    name: str,
    tiers: Mapping[int, str] | None = None,
    progress: Progress = lambda _: None,
) -> Findings:
    """Work out every table; some seconds, mostly for the simulated bands.

    Raises
    ------
    ValueError
        Where nothing that the served contender answered is mature.
    """
    progress("figures of every contender")
    table = summary(test)
    if not len(table):
        raise ValueError("no snapshot of the backtest is mature")
    horizons = [int(h) for h in table["horizon"].unique()]
    main = MAIN if MAIN in horizons else horizons[-1]
    progress("segments, and what a perfect model would show")
    rows = {h: test.judged(name, h) for h in horizons}
    everywhere = [each for each in test.answers if (rows[main] <= test.judged(each, main)).all()]
    return Findings(
        name=name,
        main=main,
        summary=table,
        segments={h: segments(test, name, h) for h in horizons},
        over_time={h: by_origin(test, name, h) for h in horizons},
        curves={h: reliability_curve(answers_of(test, name, h, rows[h])) for h in horizons},
        differences=differences(test, name),
        lists=top_tenth(test, main),
        ages=_auc_by_age(test, main, everywhere),
        gains={each: _gain(test, each, main) for each in everywhere},
        stability=_stability(test),
        tiers=dict(tiers or {}),
    )


def _auc_by_age(test: Backtest, horizon: int, names: list[str]) -> pd.DataFrame:
    bands = age_bands(test.rows["age_days"].to_numpy())
    order = pd.Series(test.rows["age_days"].to_numpy()).groupby(bands).mean().sort_values().index
    day, labels = test.rows["time"].to_numpy(), test.labels(horizon)
    found = []
    for name in names:
        judged, p = test.judged(name, horizon), test.p(name, horizon)
        for band in order:
            rows = judged & (bands == band)
            if rows.any():
                auc = auc_within(day[rows], labels[rows], p[rows])
                found.append({"name": name, "age": band, "auc": auc})
    return pd.DataFrame(found)


def _gain(test: Backtest, name: str, horizon: int, points: int = 101) -> np.ndarray[Any, Any]:
    """(points,) share of the wins in the best-scored 0, 1, ... 100 % of the snapshots."""
    rows = test.judged(name, horizon)
    order = np.argsort(-test.p(name, horizon)[rows], kind="stable")
    won = np.concatenate([[0.0], np.cumsum(test.labels(horizon)[rows][order])])
    at = (np.linspace(0, 1, points) * len(order)).astype(int)
    return np.asarray(won[at] / max(won[-1], 1.0))


def _stability(test: Backtest) -> pd.DataFrame:
    if not len(test.stability):
        return test.stability
    return test.stability.drop(columns="origin").groupby("name", sort=False).mean().reset_index()
