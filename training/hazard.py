"""Candidate (a): competing-risk hazards, learned from rows expanded into future intervals.

Each snapshot becomes a row for every interval ahead that its deal entered open: what is learned
is P(won in the interval | open at its start), and the same of lost (discrete-time competing risks;
Tutz and Schmid 2016, "Modeling Discrete Time-to-Event Data", chapter 8). A row is kept only where
its interval ended before the data cut: that rule is the purge, and it handles censoring. Incidence
follows by multiplying through, so curves never fall and won + lost never exceeds 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.history import LOST, WON
from features.outcomes import Outcomes
from features.windows import Ints
from training.close import Panel
from training.incidence import Incidence
from training.learners import Learner, Model, expit

EDGES: tuple[int, ...] = (0, 7, 14, 28, 56, 91, 182, 364, 728)
"""Days ahead at which intervals begin and end: they widen, for less happens later."""
INTERVAL = "interval"
"""Name of the column that tells the interval (0, 1, ...)."""
MOST_ROWS = 250_000
"""Beyond so many expanded rows, only one snapshot in four of each deal is expanded."""


@dataclass(frozen=True)
class HazardModel:
    """Models of the hazards of won and of lost; `incidence` answers as `CloseModel` does.

    Attributes
    ----------
    intervals : number of intervals that the history could teach; curves are flat after them
    """

    won: Model
    lost: Model
    intervals: int

    def incidence(self, features: pd.DataFrame) -> Incidence:
        """Coherent curves of n deals, with the ends of the intervals as knots."""
        shape = (len(features), self.intervals)
        won, lost = np.empty(shape), np.empty(shape)
        left = np.ones(len(features))
        for number in range(self.intervals):
            rows = features.assign(**{INTERVAL: np.float32(number)})
            hazards = [expit(model.logits(rows)) for model in (self.won, self.lost)]
            both = np.maximum(hazards[0] + hazards[1], 1.0)
            won[:, number], lost[:, number] = (left * hazard / both for hazard in hazards)
            left = left - won[:, number] - lost[:, number]
        knots = EDGES[1 : self.intervals + 1]
        curves = [np.cumsum(part, axis=1) for part in (won, lost)]
        ever = [np.concatenate([curve, curve[:, -1:]], axis=1) for curve in curves]
        return Incidence(ever[0], ever[1], longest=float(knots[-1]), knots=knots)


def fit_hazard(panel: Panel, learner: Learner) -> HazardModel:
    """Fit both hazards on the expanded rows; a categorical learner should list `INTERVAL`."""
    row, number = expand(panel.outcomes, np.arange(len(panel)))
    if len(row) > MOST_ROWS:
        row, number = expand(panel.outcomes, np.flatnonzero(panel.thin))
    features = panel.features.iloc[row].reset_index(drop=True)
    features[INTERVAL] = number.astype(np.float32)
    prepared = learner.prepare(features, panel.thin[row], panel.snapshots.deal[row])
    ended = panel.outcomes.days[row] < np.array(EDGES)[number + 1]
    every = np.ones(len(row), bool)
    models = [
        learner.fit(prepared, (ended & (panel.outcomes.kind[row] == kind)).astype(float), every)
        for kind in (WON, LOST)
    ]
    return HazardModel(models[0], models[1], int(number.max(initial=0)) + 1)


def expand(found: Outcomes, rows: Ints) -> tuple[Ints, Ints]:
    """Row and number of every interval that a deal entered open and that ended before the cut.

    An interval that has not ended counts for nothing even where its deal has closed in it: the
    last weeks would hold closings alone.
    """
    starts, ends = np.array(EDGES[:-1]), np.array(EDGES[1:])
    entered = found.days[rows][:, None] >= starts
    known = found.watched[rows][:, None] >= ends
    index, number = np.nonzero(entered & known)
    return rows[index], number
