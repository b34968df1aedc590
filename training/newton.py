"""Ridge logistic regression of targets that may be fractions, by Newton's method.

scikit-learn's logistic regression takes hard labels only, so the iteration (iteratively reweighted
least squares; McCullagh and Nelder 1989, section 2.5) is written out. How much each group of
columns is to be shrunk is learned from the rows (`learned_shrinkage`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

from features.windows import Bools, Floats, Ints
from training.learners import expit

CURVATURE_ROWS = 30_000
"""Rows from which a Newton step takes the curvature: the minimum does not depend on them."""
CONVERGED = 1e-6
"""Fitting ends when a step gains less than this, in nats a row."""
USES = 6
"""Newton steps that share a curvature: it costs most and changes little (the chord method)."""
FREE = 1e-6
"""Penalty of the intercept: next to nothing."""
HALVINGS = 12
"""A Newton step that does not lessen the loss is halved: its quadratic is not true so far away."""
EVIDENCE_ROUNDS, EVIDENCE_STEPS = 15, 4
EVIDENCE_SETTLED = 0.1
"""Rounds of learning penalties, and Newton steps in each, which goes on where the last one ended;
they end when no penalty changes by more than this, as a logarithm."""
MOST_APART = 1_000.0
"""A group is shrunk at most this many times as much, or as little, as asked for."""


def newton_logistic(
    matrix: npt.NDArray[np.float32],
    target: Floats,
    l2: float | Floats,
    start: Floats | None = None,
    steps: int = 30,
    sample: Bools | None = None,
) -> tuple[float, Floats]:
    """Minimise cross-entropy + l2/2 |coefficients|^2; the intercept is not penalised.

    Parameters
    ----------
    l2 : penalty of all columns, or (columns,) of each
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
    penalty = np.append(FREE, np.broadcast_to(l2, matrix.shape[1]))
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
    weight = np.sqrt(share * np.maximum(p * (1 - p), 1e-5)).astype(np.float32)
    # A matrix times itself: half of it need not be worked out.
    weighted = some * weight[:, None]
    hessian = (weighted.T @ weighted).astype(float) + np.diag(penalty)
    return cho_factor(hessian, lower=True)


def _objective(
    x: npt.NDArray[np.float32], target: Floats, beta: Floats, penalty: Floats
) -> tuple[Floats, float]:
    """Log-odds of the rows, and the penalised cross-entropy."""
    linear = (x @ beta.astype(np.float32)).astype(float)
    loss = np.logaddexp(0.0, linear).sum() - target @ linear + 0.5 * penalty @ beta**2
    return linear, float(loss)


def learned_shrinkage(
    matrix: npt.NDArray[np.float32],
    target: Floats,
    l2: float,
    group: Ints,
    sample: Bools,
    belief: float = 1.0,
) -> tuple[Floats, Floats]:
    """How many times `l2` each group of columns is to be shrunk, by the evidence of the rows.

    MacKay's fixed point (1992, "Bayesian interpolation"; by group of columns as in relevance
    determination): a group's precision is the number of coefficients that the rows determine over
    the sum of their squares, here with `belief` columns more that say `l2`. A feature that tells
    much is shrunk less, the many that tell nothing are shrunk more.

    Parameters
    ----------
    l2 : penalty where rows are independent
    group : (columns,) group of each, from 0
    sample : rows that are about independent; the likelihood of all counts as that of so many
    belief : columns' worth of belief that a group is shrunk by `l2`; the fewer, the more freely
        groups differ

    Returns
    -------
    (groups,) factors, and (1 + columns,) the intercept and coefficients they were last seen with
    """
    factor = np.ones(group.max(initial=-1) + 1)
    size = np.bincount(group, minlength=len(factor))
    thin = rows_for_each(sample)
    beta: Floats | None = None
    for _ in range(EVIDENCE_ROUNDS):
        penalty = l2 * factor[group]
        intercept, coefficients = newton_logistic(
            matrix, target, thin * penalty, beta, EVIDENCE_STEPS, sample
        )
        beta = np.append(intercept, coefficients)
        squares = np.bincount(group, coefficients**2)
        spread = np.bincount(group, _variances(matrix[sample], beta, penalty))
        determined = np.maximum(size - l2 * factor * spread, 0.0)
        before = factor
        factor = (determined + belief) / (l2 * squares + belief)
        factor = np.clip(factor, 1 / MOST_APART, MOST_APART)
        if np.abs(np.log(factor / before)).max(initial=0.0) < EVIDENCE_SETTLED:
            break
    return factor, np.zeros(1 + len(group)) if beta is None else beta


def rows_for_each(independent: Bools) -> float:
    """How many rows there are for each that is about independent of the others."""
    return float(max(len(independent), 1) / max(independent.sum(), 1))


def _variances(some: npt.NDArray[np.float32], beta: Floats, penalty: Floats) -> Floats:
    """(columns,) posterior variance of each coefficient, of independent rows."""
    share = max(1, len(some) // CURVATURE_ROWS)
    x = np.concatenate([np.ones((len(some), 1), np.float32), some], axis=1)[::share]
    lower, _ = _curvature(x, beta, np.append(FREE, penalty), len(some) / max(len(x), 1))
    inverse, _ = dpotri(lower, lower=1)
    return np.diag(inverse)[1:]
