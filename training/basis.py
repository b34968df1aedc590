"""Columns of the spline-logistic twin: piecewise-linear bases, codes, and slopes by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

QUANTILES = (0.02, 0.5, 0.98)
FINE_QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
"""Where lines bend; more finely where deals are many enough to tell."""
LEAST_SCALE = 0.2
"""Columns lie in [0, 1]; one that is rarely on is not blown up: few rows would swing its slope."""
MOST_SLOPES = 600
"""Columns of slopes by stage: firms with many stages have them for fewer features."""
FIRST_WITH_STAGE = (
    "age_days",
    "days_in_stage",
    "days_since_last_activity",
    "days_since_last_inbound",
    "activities_30d_count",
    "inbound_30d_count",
    "days_to_close_date",
    "log_amount",
    "quarter_end_days",
    "month_end_days",
)
"""Features whose effect may differ by stage; with many deals those of all numbers may."""


@dataclass(frozen=True)
class Basis:
    """Columns of the regression, from the features.

    Attributes
    ----------
    knots : quantiles of each numeric feature: below the first and above the last it is flat
    codes : the codes of each categorical feature that get a column each
    gaps : features that are sometimes missing: they get a column that says so
    stages : codes of the stages that get slopes of their own in the features `by_stage`
    mean, scale : of every column, for standardising
    """

    features: tuple[str, ...]
    knots: Mapping[str, tuple[float, ...]]
    codes: Mapping[str, tuple[float, ...]]
    gaps: tuple[str, ...]
    stages: tuple[float, ...]
    by_stage: tuple[str, ...]
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def columns(self, features: pd.DataFrame) -> tuple[npt.NDArray[np.float32], list[str]]:
        """(n, columns) standardised matrix, and for each column the feature it belongs to."""
        parts, owner = [], []
        for name in self.features:
            values = features[name].to_numpy(np.float32)
            made = (
                _one_hot(values, self.codes[name])
                if name in self.codes
                else _hinges(values, self.knots[name], name in self.gaps)
            )
            parts.append(made)
            owner += [name] * made.shape[1]
        if self.stages:
            stage = features["stage_code"].to_numpy(np.float32)
            for name in self.by_stage:
                middle = _scaled(features[name].to_numpy(np.float32), self.knots[name])
                parts.append(np.where(stage[:, None] == self.stages, middle[:, None], 0))
                owner += [name] * len(self.stages)
        matrix = np.concatenate(parts, axis=1).astype(np.float32)
        if self.mean:
            matrix -= np.asarray(self.mean, np.float32)
            matrix /= np.asarray(self.scale, np.float32)
        return matrix, owner


def _one_hot(values: npt.NDArray[np.float32], codes: tuple[float, ...]) -> Any:
    return (values[:, None] == np.asarray(codes, np.float32)).astype(np.float32)


def _scaled(values: npt.NDArray[np.float32], knots: tuple[float, ...]) -> Any:
    """Values on [0, 1] between the outer knots; the middle where missing."""
    low, high = knots[0], knots[-1]
    middle = knots[len(knots) // 2]
    inside = np.clip(np.nan_to_num(values, nan=middle), low, high)
    return (inside - low) / (high - low)


def _hinges(values: npt.NDArray[np.float32], knots: tuple[float, ...], gaps: bool) -> Any:
    """Piecewise-linear basis: how far the value has come through each interval between knots."""
    missing = np.isnan(values)
    filled = np.where(missing, knots[0], values)[:, None]
    low, high = np.asarray(knots[:-1], np.float32), np.asarray(knots[1:], np.float32)
    ramps = np.clip((filled - low) / (high - low), 0, 1)
    return np.concatenate([ramps, missing[:, None]], axis=1) if gaps else ramps


def learn_basis(
    features: pd.DataFrame,
    categorical: tuple[str, ...],
    *,
    slopes: bool = False,
    quantiles: tuple[float, ...] = QUANTILES,
) -> Basis:
    """Place knots at quantiles; features that never vary get no columns.

    With `slopes` all numeric features have slopes by stage, as far as MOST_SLOPES allows.
    """
    knots: dict[str, tuple[float, ...]] = {}
    codes: dict[str, tuple[float, ...]] = {}
    for name in features.columns:
        values = features[name].to_numpy(np.float32)
        values = values[np.isfinite(values)]
        if name in categorical:
            found, count = np.unique(values, return_counts=True)
            codes[name] = tuple(float(c) for c, n in zip(found, count, strict=True) if n >= 30)
        elif len(values):
            cuts = np.unique(np.quantile(values, quantiles).astype(np.float32))
            if len(cuts) < 2:
                cuts = np.unique([values.min(), values.max()])
            if len(cuts) >= 2:
                knots[name] = tuple(map(float, cuts))
    used = tuple(
        name for name in features.columns if name in knots or len(codes.get(name, ())) > 1
    )
    gaps = tuple(name for name in knots if features[name].isna().mean() > 0.005)
    stages = codes.get("stage_code", ())
    by_stage = tuple(name for name in FIRST_WITH_STAGE if name in knots)
    if slopes and stages:
        by_stage = tuple(dict.fromkeys((*by_stage, *knots)))[: MOST_SLOPES // len(stages)]
    basis = Basis(used, knots, codes, gaps, stages if by_stage else (), by_stage)
    matrix, _ = basis.columns(features)
    scale = np.maximum(matrix.std(axis=0), LEAST_SCALE)
    mean = tuple(matrix.mean(axis=0).tolist())
    return replace(basis, mean=mean, scale=tuple(scale.tolist()))
