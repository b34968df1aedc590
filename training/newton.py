"""Ridge logistic regression of targets that may be fractions, by Newton's method.

scikit-learn's logistic regression takes hard labels only, so the iteration (iteratively reweighted
least squares; McCullagh and Nelder 1989, section 2.5) is written out. How much each group of
columns is to be shrunk is learned from the rows (`learned_shrinkage`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

from features.windows import Bools, Floats, Ints
from training.learners import expit

CURVATURE_ROWS = 15_000
"""Rows from which a Newton step takes the curvature: the minimum does not depend on them. How sure
coefficients are, by which shrinkage is learned, is told from them, too."""
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


@dataclass(frozen=True)
class Rows:
    """What is fitted on.

    Attributes
    ----------
    x : (n, 1 + columns) ones and the columns
    target : (n,) in [0, 1]
    some : rows of x from which the curvature is taken
    share : rows of x for each of them
    """

    x: npt.NDArray[np.float32]
    target: Floats
    some: npt.NDArray[np.float32]
    share: float

    @classmethod
    def of(
        cls, matrix: npt.NDArray[np.float32], target: Floats, sample: Bools | None = None
    ) -> Rows:
        """Lay out (n, columns); without a sample all rows are one."""
        x = np.concatenate([np.ones((len(matrix), 1), np.float32), matrix], axis=1)
        some = x if sample is None or not sample.any() else x[sample]
        some = some[:: max(1, len(some) // CURVATURE_ROWS)]
        return cls(x, target, some, len(x) / max(len(some), 1))

    def base(self) -> Floats:
        """(1 + columns,) the base rate, and nothing for the columns."""
        rate = np.clip(self.target.mean() if len(self.target) else 0.5, 1e-4, 1 - 1e-4)
        return np.append(np.log(rate / (1 - rate)), np.zeros(self.x.shape[1] - 1))

    def curvature(self, beta: Floats) -> Floats:
        """Hessian of the loss, penalties aside, from a share of the rows."""
        p = expit((self.some @ beta.astype(np.float32)).astype(float))
        weight = np.sqrt(self.share * np.maximum(p * (1 - p), 1e-5)).astype(np.float32)
        # A matrix times itself: half of it need not be worked out.
        weighted = self.some * weight[:, None]
        found: Floats = (weighted.T @ weighted).astype(float)
        return found

    def objective(self, beta: Floats, penalty: Floats) -> tuple[Floats, float]:
        """Log-odds of the rows, and the penalised cross-entropy."""
        linear = (self.x @ beta.astype(np.float32)).astype(float)
        loss = np.logaddexp(0.0, linear).sum() - self.target @ linear + 0.5 * penalty @ beta**2
        return linear, float(loss)

    def fitted(
        self, beta: Floats, penalty: Floats, steps: int, curvature: Floats | None = None
    ) -> Floats:
        """(1 + columns,) where at most so many Newton steps from `beta` lead.

        `curvature` is that of a place nearby, where it is known already.
        """
        linear, loss = self.objective(beta, penalty)
        factor, uses = None if curvature is None else _factor(curvature, penalty), 0
        for _ in range(steps):
            wrong = (self.target - expit(linear)).astype(np.float32)
            gradient = (self.x.T @ wrong).astype(float) - penalty * beta
            if factor is None or uses == USES:
                factor, uses = _factor(self.curvature(beta), penalty), 0
            step, uses = cho_solve(factor, gradient), uses + 1
            before = loss
            for _ in range(HALVINGS):
                linear, loss = self.objective(beta + step, penalty)
                if loss <= before:
                    break
                step, factor = step / 2, None
            beta = beta + step
            if before - loss < CONVERGED * len(self.target):
                break
        return beta


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
    rows = Rows.of(matrix, target, sample)
    penalty = np.append(FREE, np.broadcast_to(l2, matrix.shape[1]))
    beta = rows.fitted(rows.base() if start is None else start, penalty, steps)
    return float(beta[0]), beta[1:]


def _factor(curvature: Floats, penalty: Floats) -> Any:
    """Cholesky factor of the penalised Hessian."""
    return cho_factor(curvature + np.diag(penalty), lower=True)


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
    size, thin = np.bincount(group, minlength=len(factor)), rows_for_each(sample)
    rows = Rows.of(matrix, target, sample)
    beta, curvature = rows.base(), None
    for _ in range(EVIDENCE_ROUNDS):
        penalty = np.append(FREE, thin * l2 * factor[group])
        beta = rows.fitted(beta, penalty, EVIDENCE_STEPS, curvature)
        curvature = rows.curvature(beta)
        variance = thin * _inverse_diagonal(curvature, penalty)[1:]
        squares = np.bincount(group, beta[1:] ** 2)
        determined = np.maximum(size - l2 * factor * np.bincount(group, variance), 0.0)
        before = factor
        factor = (determined + belief) / (l2 * squares + belief)
        factor = np.clip(factor, 1 / MOST_APART, MOST_APART)
        if np.abs(np.log(factor / before)).max(initial=0.0) < EVIDENCE_SETTLED:
            break
    return factor, beta


def rows_for_each(independent: Bools) -> float:
    """How many rows there are for each that is about independent of the others."""
    return float(max(len(independent), 1) / max(independent.sum(), 1))


def _inverse_diagonal(curvature: Floats, penalty: Floats) -> Floats:
    """(1 + columns,) diagonal of the inverse of the penalised Hessian."""
    inverse, _ = dpotri(_factor(curvature, penalty)[0], lower=1)
    return np.diag(inverse)
