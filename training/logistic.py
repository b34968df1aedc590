"""The spline-logistic twin: ridge logistic regression on piecewise-linear bases of the features.

Where LightGBM needs many rows to draw a smooth line, this draws it with a few coefficients;
averaged, each mends the other's faults. scikit-learn's logistic regression takes hard labels only,
and the targets here may be fractions, so the Newton iteration (iteratively reweighted least
squares; McCullagh and Nelder 1989, section 2.5) is written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from features.windows import Bools, Floats, Ints
from training.learners import Learner, Model, expit

QUANTILES = (0.02, 0.5, 0.98)
MOST_ROWS = 120_000
CURVATURE_ROWS = 30_000
"""Rows from which a Newton step takes the curvature: the minimum does not depend on them."""
LEAST_SCALE = 0.2
"""Columns lie in [0, 1]; one that is rarely on is not blown up: few rows would swing its slope."""
CONVERGED = 1e-6
"""Fitting ends when a step gains less than this, in nats a row."""
USES = 3
"""Newton steps that share a curvature: it costs most and changes little (the chord method)."""
HALVINGS = 12
"""A Newton step that does not lessen the loss is halved: its quadratic is not true so far away."""
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
    features: pd.DataFrame, categorical: tuple[str, ...], *, slopes: bool = False
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
            cuts = np.unique(np.quantile(values, QUANTILES).astype(np.float32))
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


@dataclass(frozen=True)
class LogisticModel(Model):
    """Coefficients of the standardised columns of a basis."""

    basis: Basis
    intercept: float
    coefficients: Floats
    kind = "logistic"

    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) log-odds; summed row by row: a deal's score does not depend on the batch."""
        return self.linear(self.basis.columns(features)[0].astype(float))

    def linear(self, matrix: Floats) -> Floats:
        """(n,) log-odds of rows of the basis."""
        # Not matrix @ coefficients: how that adds up depends on how many rows there are.
        total: Floats = self.intercept + np.einsum("ij,j->i", matrix, self.coefficients)
        return total

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """(n, features + 1) coefficient x standardised column, summed by feature."""
        matrix, owner = self.basis.columns(features)
        parts = pd.DataFrame(matrix * self.coefficients, features.index, owner)
        summed = parts.T.groupby(level=0).sum().T
        return summed.reindex(columns=[*features.columns, "base"], fill_value=0.0).assign(
            base=self.intercept
        )

    def to_json(self) -> dict[str, Any]:
        """Basis and coefficients."""
        return {
            "basis": asdict(self.basis),
            "intercept": self.intercept,
            "coefficients": self.coefficients.tolist(),
        }


@dataclass(frozen=True)
class Prepared:
    """The basis, its columns on every row, the rows fitted on, and those about independent."""

    basis: Basis
    matrix: npt.NDArray[np.float32]
    used: Bools
    thin: Bools


@dataclass(frozen=True)
class Logistic(Learner):
    """Ridge logistic regression.

    `l2` is the penalty on standardised coefficients where rows are independent; the weeks of a
    deal resemble each other, so it grows with the rows there are for each independent one.
    With `slopes` all numeric features have slopes by stage: too many where deals are few.
    """

    categorical: tuple[str, ...] = ()
    l2: float = 600.0
    slopes: bool = False

    def prepare(
        self,
        features: pd.DataFrame,
        thin: Bools,
        deal: Ints | None = None,  # noqa: ARG002
    ) -> Prepared:
        """Learn the basis on the thinned rows; at most about MOST_ROWS of all are fitted on."""
        used = np.zeros(len(features), bool)
        used[:: int(np.ceil(max(len(features), 1) / MOST_ROWS))] = True
        basis = learn_basis(features[used & thin], self.categorical, slopes=self.slopes)
        return Prepared(basis, basis.columns(features)[0], used, used & thin)

    def fit(
        self, prepared: Prepared, target: Floats, rows: Bools, start: Model | None = None
    ) -> LogisticModel:
        """Newton's method from the model of a neighbouring target, or from the base rate."""
        chosen = prepared.used & rows
        matrix, goal = prepared.matrix[chosen], target[chosen]
        sample = prepared.thin[chosen]
        first = None
        if isinstance(start, LogisticModel):
            first = np.append(start.intercept, start.coefficients)
        l2 = self.l2 * len(sample) / max(sample.sum(), 1)
        intercept, coefficients = newton_logistic(matrix, goal, l2, first, sample=sample)
        return LogisticModel(prepared.basis, intercept, coefficients)

    def answers(self, prepared: Prepared, model: Model) -> Floats:
        """(n,) log-odds of the prepared rows."""
        if not isinstance(model, LogisticModel):
            raise TypeError(f"expected a logistic model, got {type(model).__name__}")
        linear = prepared.matrix @ model.coefficients.astype(np.float32)
        return model.intercept + linear.astype(float)


def newton_logistic(
    matrix: npt.NDArray[np.float32],
    target: Floats,
    l2: float,
    start: Floats | None = None,
    steps: int = 30,
    sample: Bools | None = None,
) -> tuple[float, Floats]:
    """Minimise cross-entropy + l2/2 |coefficients|^2; the intercept is not penalised.

    Parameters
    ----------
    sample : rows from which the curvature is taken, which costs most; the gradient is of all rows,
        so the minimum is the same (sub-sampled Newton; Roosta-Khorasani and Mahoney 2019)
    """
    x = np.concatenate([np.ones((len(matrix), 1), np.float32), matrix], axis=1)
    some = x if sample is None or not sample.any() else x[sample]
    some = some[:: max(1, len(some) // CURVATURE_ROWS)]
    share = len(x) / max(len(some), 1)
    rate = np.clip(target.mean() if len(target) else 0.5, 1e-4, 1 - 1e-4)
    base = np.append(np.log(rate / (1 - rate)), np.zeros(matrix.shape[1]))
    beta = base if start is None else start.copy()
    penalty = np.full(len(beta), l2)
    penalty[0] = 1e-6
    linear, loss = _objective(x, target, beta, penalty)
    factor, uses = None, 0
    for _ in range(steps):
        p = expit(linear)
        gradient = (x.T @ (target - p).astype(np.float32)).astype(float) - penalty * beta
        if factor is None or uses == USES:
            factor, uses = _curvature(some, beta, penalty, share), 0
        step, uses = cho_solve(factor, gradient), uses + 1
        before = loss
        for _ in range(HALVINGS):
            linear, loss = _objective(x, target, beta + step, penalty)
            if loss <= before:
                break
            step, factor = step / 2, None
        beta = beta + step
        if before - loss < CONVERGED * len(target):
            break
    return float(beta[0]), beta[1:]


def _curvature(some: npt.NDArray[np.float32], beta: Floats, penalty: Floats, share: float) -> Any:
    """Cholesky factor of the penalised Hessian, from a share of the rows."""
    p = expit((some @ beta.astype(np.float32)).astype(float))
    weight = (share * np.maximum(p * (1 - p), 1e-5)).astype(np.float32)
    hessian = ((some * weight[:, None]).T @ some).astype(float) + np.diag(penalty)
    return cho_factor(hessian)


def _objective(
    x: npt.NDArray[np.float32], target: Floats, beta: Floats, penalty: Floats
) -> tuple[Floats, float]:
    """Log-odds of the rows, and the penalised cross-entropy."""
    linear = (x @ beta.astype(np.float32)).astype(float)
    loss = np.logaddexp(0.0, linear).sum() - target @ linear + 0.5 * penalty @ beta**2
    return linear, float(loss)
