"""Candidate (b): one model a horizon, learned from the snapshots that are mature for it.

The plain way: the label of a snapshot is what came within the horizon, and a row enters once the
whole horizon lies before the data cut. Rows of deals that closed early but were not watched so
long stay out: they would hold closings alone. Against bootstrapped targets it pays for long
horizons with the newest months.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from features.history import LOST, WON
from features.outcomes import Outcomes
from features.windows import Bools, Floats
from training.close import CloseModel, Panel
from training.incidence import KNOTS, tail_of
from training.learners import Learner, Model, expit

EVER_DAYS = 365.0
"""Snapshots watched so long teach `ever`; half of the history where it is shorter."""
LEAST_ROWS = 200


def fit_direct(panel: Panel, learner: Learner, longest: float) -> CloseModel:
    """Fit won and lost at every knot and ever.

    A knot for which fewer than `LEAST_ROWS` snapshots are mature is answered by the model of the
    knot before it.
    """
    prepared = learner.prepare(panel.features, panel.thin, panel.snapshots.deal)
    won, lost = (_fit_side(panel, learner, prepared, kind, longest) for kind in (WON, LOST))
    curves = np.stack([expit(learner.answers(prepared, model)) for model in won[-3:]], axis=1)
    return CloseModel(tuple(won), tuple(lost), tail_of(curves) if len(panel) else 120.0, longest)


def _fit_side(
    panel: Panel, learner: Learner, prepared: Any, kind: int, longest: float
) -> list[Model]:
    models: list[Model] = []
    for days in (*KNOTS, np.inf):
        labels, rows = mature_labels(panel.outcomes, kind, days, longest)
        if models and rows.sum() < LEAST_ROWS:
            models.append(models[-1])
        else:
            models.append(learner.fit(prepared, labels, rows, models[-1] if models else None))
    return models


def mature_labels(
    found: Outcomes, kind: int, days: float | Floats, longest: float = EVER_DAYS
) -> tuple[Floats, Bools]:
    """(n,) 1 where the deal ended as `kind` within `days`, and the rows watched so long.

    Each row may have days of its own. For `ever` (infinite `days`) rows watched a year, or half of
    `longest` where that is shorter.
    """
    labels = ((found.kind == kind) & (found.days < days)).astype(float)
    needed = np.where(np.isfinite(days), days, min(EVER_DAYS, longest / 2))
    return labels, found.watched >= needed
