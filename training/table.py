"""The stage x age table: the baseline of every figure, and what is served where nothing beats it.

The share of targets in each cell of stage x age band, shrunk to its stage by 20 rows' worth of
deals, the stage to the firm, and the firm to a prior (a quarter of deals won), so that it answers
sensibly from the first deal on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from features.windows import Bools, Floats, Ints
from training.learners import Learner, Model, logit

PSEUDO = 20.0
PRIOR_WEIGHT = 10.0
MOST_BANDS = 16
DEALS_A_BAND = 40


@dataclass(frozen=True)
class TableModel(Model):
    """Probabilities by stage (rows) and age band (columns); the last row is any other stage."""

    stages: tuple[float, ...]
    ages: tuple[float, ...]
    cells: Floats
    kind = "table"

    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) log-odds of the cell."""
        stage, band = _cell(features, self.stages, self.ages)
        return logit(self.cells[stage, band])

    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, features + 1) stage's part, age's part within the stage, and the base."""
        stage, band = _cell(features, self.stages, self.ages)
        by_stage = logit(self.cells.mean(axis=1))
        base = float(logit(np.array([self.cells.mean()]))[0])
        names = features.columns.tolist()
        parts = np.zeros((len(features), len(names) + 1))
        stage_part, total = by_stage[stage] - base, logit(self.cells[stage, band])
        if "stage_code" in names:
            parts[:, names.index("stage_code")] = stage_part
            total = total - stage_part
        parts[:, names.index("age_days")] = total - base
        parts[:, -1] = base
        return parts

    def to_json(self) -> dict[str, Any]:
        """Stages, band edges and cells."""
        return {"stages": self.stages, "ages": self.ages, "cells": self.cells.tolist()}


def _cell(
    features: pd.DataFrame, stages: tuple[float, ...], ages: tuple[float, ...]
) -> tuple[Any, Any]:
    code = (
        features["stage_code"].to_numpy(float)
        if "stage_code" in features
        else np.full(len(features), -1.0)
    )
    place = {value: number for number, value in enumerate(stages)}
    stage = np.array([place.get(value, len(stages)) for value in code], dtype=np.int64)
    band = np.searchsorted(ages, features["age_days"].to_numpy(float), side="right")
    return stage, band


@dataclass(frozen=True)
class PreparedTable:
    """Cells of the rows; `weight` makes the rows of a deal count as about one deal."""

    stages: tuple[float, ...]
    ages: tuple[float, ...]
    stage: Any
    band: Any
    weight: Floats


@dataclass(frozen=True)
class Table(Learner):
    """Shrunk shares by stage and age."""

    drifts: ClassVar[bool] = False
    prior: float = 0.25
    rows_a_deal: float = 8.0

    def prepare(
        self,
        features: pd.DataFrame,
        thin: Bools,  # noqa: ARG002
        deal: Ints | None = None,  # noqa: ARG002
    ) -> PreparedTable:
        """Cut ages at quantiles and find each row's cell."""
        bands = int(np.clip(len(features) / self.rows_a_deal / DEALS_A_BAND, 2, MOST_BANDS))
        shares = np.linspace(0, 1, bands + 1)[1:-1]
        edges = np.quantile(features["age_days"], shares) if len(features) else np.zeros(0)
        ages = tuple(np.unique(edges).tolist())
        codes = features["stage_code"] if "stage_code" in features else pd.Series([], dtype=float)
        stages = tuple(sorted(float(c) for c in codes.dropna().unique() if c >= 0))
        stage, band = _cell(features, stages, ages)
        return PreparedTable(
            stages, ages, stage, band, np.full(len(features), 1 / self.rows_a_deal)
        )

    def fit(
        self,
        prepared: PreparedTable,
        target: Floats,
        rows: Bools,
        start: Model | None = None,  # noqa: ARG002 - both are fitted in one go
    ) -> TableModel:
        """Shares, each shrunk to the level above."""
        shape = (len(prepared.stages) + 1, len(prepared.ages) + 1)
        weight = np.zeros(shape)
        total = np.zeros(shape)
        place = (prepared.stage[rows], prepared.band[rows])
        np.add.at(weight, place, prepared.weight[rows])
        np.add.at(total, place, prepared.weight[rows] * target[rows])
        firm = (total.sum() + PRIOR_WEIGHT * self.prior) / (weight.sum() + PRIOR_WEIGHT)
        stage = (total.sum(axis=1) + PSEUDO * firm) / (weight.sum(axis=1) + PSEUDO)
        cells = (total + PSEUDO * stage[:, None]) / (weight + PSEUDO)
        return TableModel(prepared.stages, prepared.ages, cells)

    def answers(self, prepared: PreparedTable, model: Model) -> Floats:
        """(n,) log-odds of the prepared rows' cells."""
        if not isinstance(model, TableModel):
            raise TypeError(f"expected a table, got {type(model).__name__}")
        return logit(model.cells[prepared.stage, prepared.band])
