"""The spline-logistic twin: ridge logistic regression on piecewise-linear bases of the features.

Where LightGBM needs many rows to draw a smooth line, this draws it with a few coefficients;
averaged, each mends the other's faults.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.windows import Bools, Floats, Ints
from training.basis import QUANTILES, Basis, learn_basis
from training.flat import FlatBasis
from training.learners import Groups, Learner, Model, places
from training.newton import learned_shrinkage, newton_logistic, rows_for_each

MOST_ROWS = 120_000


def row_sums(matrix: Floats, coefficients: Floats) -> Floats:
    """(n,) sums of (n, columns) times (columns,); with (models, columns): (models, n).

    Row by row, not as a product of matrices: how that adds up depends on how many rows there are.
    The number of columns is even (see `even`), for then every row begins at the same alignment,
    on which the order of adding may depend, too.
    """
    each = coefficients if coefficients.ndim == 1 else coefficients[:, None]
    found: Floats = np.vecdot(matrix, each)
    return found


def even(columns: Floats) -> Floats:
    """Give the same with an even number of columns: a last one of zeros is added to others."""
    odd = columns.shape[-1] % 2
    blank = np.zeros((*columns.shape[:-1], odd))
    return np.ascontiguousarray(np.concatenate([columns, blank], axis=-1) if odd else columns)


@dataclass(frozen=True)
class LogisticModel(Model):
    """Coefficients of the standardised columns of a basis.

    Attributes
    ----------
    shrinkage : (groups,) how many times the penalty each group of columns was shrunk, for fitting
        neighbouring targets; a model read from a bundle does not know it
    """

    basis: Basis
    intercept: float
    coefficients: Floats
    shrinkage: Floats | None = field(default=None, repr=False, compare=False)
    kind = "logistic"

    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) log-odds; summed row by row: a deal's score does not depend on the batch."""
        return self.linear(self.basis.columns(features)[0].astype(float))

    def linear(self, matrix: Floats) -> Floats:
        """(n,) log-odds of rows of the basis."""
        total: Floats = self.intercept + row_sums(even(matrix), even(self.coefficients))
        return total

    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, features + 1) coefficient x standardised column, summed by feature."""
        names, flat, owners = self._laid_out
        given = tuple(features.columns.to_numpy(object).tolist())
        rows = features.to_numpy(np.float32).take(places(given, names), axis=1)
        parts = np.zeros((len(rows), len(given) + 1))
        parts[:, places(given, owners.names)] = owners.sums(
            flat.columns(rows.T) * self.coefficients
        )
        parts[:, -1] = self.intercept
        return parts

    @cached_property
    def _laid_out(self) -> tuple[tuple[str, ...], FlatBasis, Groups]:
        """Features read, the basis laid out for them in this order, and whose each column is."""
        stage = ("stage_code",) if self.basis.stages else ()
        names = tuple(dict.fromkeys((*self.basis.features, *stage)))
        nobody = pd.DataFrame(np.zeros((0, len(names))), columns=list(names))
        _, owner = self.basis.columns(nobody)
        return names, FlatBasis.of(self.basis, names), Groups.of(owner)

    def to_json(self) -> dict[str, Any]:
        """Basis and coefficients."""
        return {
            "basis": asdict(self.basis),
            "intercept": self.intercept,
            "coefficients": self.coefficients.tolist(),
        }


@dataclass(frozen=True)
class Prepared:
    """Rows as columns of a basis.

    Attributes
    ----------
    group : (columns,) code of what is shrunk as one: a feature's own columns, or its slopes
    used, thin : (n,) rows that are fitted on, and those of them that are about independent
    """

    basis: Basis
    matrix: npt.NDArray[np.float32]
    group: Ints
    used: Bools
    thin: Bools


@dataclass(frozen=True)
class Logistic(Learner):
    """Ridge logistic regression.

    `l2` is the penalty on standardised coefficients where rows are independent; the weeks of a
    deal resemble each other, so it grows with the rows there are for each independent one.
    Around it each feature, and each feature's slopes by stage, is shrunk by what its rows tell
    (`newton.learned_shrinkage`), seen on the first target and kept for its neighbours.
    With `slopes` all numeric features have slopes by stage: too many where deals are few. Lines
    bend at `quantiles` of the features. `belief` is how many columns' worth of evidence hold each
    feature's shrinkage at `l2`.
    """

    categorical: tuple[str, ...] = ()
    l2: float = 600.0
    slopes: bool = False
    quantiles: tuple[float, ...] = QUANTILES
    belief: float = 1.0

    def prepare(
        self,
        features: pd.DataFrame,
        thin: Bools,
        deal: Ints | None = None,  # noqa: ARG002
    ) -> Prepared:
        """Learn the basis on the thinned rows; at most about MOST_ROWS of all are fitted on."""
        used = np.zeros(len(features), bool)
        used[:: int(np.ceil(max(len(features), 1) / MOST_ROWS))] = True
        basis = learn_basis(
            features[used & thin],
            self.categorical,
            slopes=self.slopes,
            quantiles=self.quantiles,
        )
        matrix, owner = basis.columns(features)
        slopes = len(basis.by_stage) * len(basis.stages)
        keys = [(name, place >= len(owner) - slopes) for place, name in enumerate(owner)]
        group = pd.factorize(pd.Series(keys, dtype=object))[0].astype(np.int64)
        return Prepared(basis, matrix, group, used, used & thin)

    def fit(
        self, prepared: Prepared, target: Floats, rows: Bools, start: Model | None = None
    ) -> LogisticModel:
        """Newton's method from the model of a neighbouring target, or from the base rate."""
        chosen = prepared.used & rows
        matrix, goal = prepared.matrix[chosen], target[chosen]
        sample = prepared.thin[chosen]
        if isinstance(start, LogisticModel) and start.shrinkage is not None:
            shrinkage, first = start.shrinkage, np.append(start.intercept, start.coefficients)
        else:
            shrinkage, first = learned_shrinkage(
                matrix, goal, self.l2, prepared.group, sample, self.belief
            )
        l2 = rows_for_each(sample) * self.l2 * shrinkage[prepared.group]
        intercept, coefficients = newton_logistic(matrix, goal, l2, first, sample=sample)
        return LogisticModel(prepared.basis, intercept, coefficients, shrinkage)

    def answers(self, prepared: Prepared, model: Model) -> Floats:
        """(n,) log-odds of the prepared rows."""
        if not isinstance(model, LogisticModel):
            raise TypeError(f"expected a logistic model, got {type(model).__name__}")
        linear = prepared.matrix @ model.coefficients.astype(np.float32)
        return model.intercept + linear.astype(float)
