"""Contenders of the backtest beside the served model: what a firm would otherwise use.

All are fitted anew at each origin on what was known there. Those that learn a horizon directly use
the rows that are mature for it (`training.direct`); none weighs rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.history import OPEN, WON
from features.windows import Bools, Floats
from training.close import Panel, fit_close
from training.direct import fit_direct, mature_labels
from training.hazard import INTERVAL, fit_hazard
from training.learners import Learner
from training.logistic import Logistic
from training.origins import EVER, Answer, Contender, Known, curves
from training.table import Table
from training.tiers import learner_of, tier_for

Matrix = npt.NDArray[np.float32]
LEAST_OF_A_KIND = 5
"""Rows of each outcome below which a classifier is not fitted: the share of wins answers."""


@dataclass(frozen=True)
class CrmPercentages(Contender):
    """A fixed percentage a stage, as CRMs come with: they rise evenly from 10 % to 90 %.

    The stage's place among all open stages decides. A CRM tells one number and no date, so it is
    the answer at every horizon.
    """

    name: str = "CRM stage percentages"

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Nothing is learned but how many stages there are."""
        stages = _column(known.panel.features, "stage_code")
        places = np.unique(stages[np.isfinite(stages)])
        percent = np.linspace(0.1, 0.9, len(places)) if len(places) > 1 else np.full(1, 0.5)

        def answer(features: pd.DataFrame) -> Floats:
            place = np.searchsorted(places, _column(features, "stage_code"))
            p = percent[np.clip(place, 0, len(percent) - 1)]
            return np.repeat(p[:, None], len(horizons), axis=1)

        return answer


def _column(features: pd.DataFrame, name: str) -> Floats:
    return features[name].to_numpy(float) if name in features else np.zeros(len(features))


@dataclass(frozen=True)
class StageAgeTable(Contender):
    """The stage x age table: the reference of every skill."""

    name: str = "stage x age table"

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Shrunk shares by cell."""
        return curves(fit_close(known.panel, Table(), known.longest), horizons)


@dataclass(frozen=True)
class DirectLogistic(Contender):
    """Ridge logistic regression on splines, one a horizon."""

    name: str = "logistic regression"

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Fit at the knots, as the served model is."""
        learner = Logistic(known.categorical)
        return curves(fit_direct(known.panel, learner, known.longest), horizons)


Classifier = Any
"""What has `fit(matrix, labels)` and `predict_proba(matrix)`."""


class Classifiers(Contender):
    """A classifier of some library as it comes, one a horizon, on rows and labels of its own."""

    @abstractmethod
    def make(self) -> Classifier:
        """A classifier that is not fitted yet."""

    def rows(self, panel: Panel, horizon: int, longest: float) -> tuple[Floats, Bools]:
        """Labels, and the rows to learn from: those mature for the horizon."""
        days = np.inf if horizon == EVER else horizon
        return mature_labels(panel.outcomes, WON, days, longest)

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Fit one a horizon."""
        matrix = known.panel.features.to_numpy(np.float32)

        def one(horizon: int) -> Callable[[Matrix], Floats]:
            labels, rows = self.rows(known.panel, horizon, known.longest)
            return _fitted(self.make(), matrix[rows], labels[rows])

        # Each fit has one thread: threads inside it would only wait for one another.
        with ThreadPoolExecutor(2) as pool:
            fitted = list(pool.map(one, horizons))

        def answer(features: pd.DataFrame) -> Floats:
            values = features.to_numpy(np.float32)
            return np.stack([each(values) for each in fitted], axis=1)

        return answer


def _fitted(classifier: Classifier, matrix: Matrix, labels: Floats) -> Callable[[Matrix], Floats]:
    """Probability of a win; the share of wins where there are too few of a kind to learn from."""
    if min(labels.sum(), (1 - labels).sum()) < LEAST_OF_A_KIND:
        share = float(labels.mean()) if len(labels) else 0.0
        return lambda values: np.full(len(values), share)
    classifier.fit(matrix, labels.astype(int))

    def probability(values: Matrix) -> Floats:
        found: Floats = np.asarray(classifier.predict_proba(values)[:, 1], float)
        return found

    return probability


@dataclass(frozen=True)
class PlainLightGBM(Classifiers):
    """LightGBM's classifier with its defaults."""

    name: str = "LightGBM as it comes"

    def make(self) -> Classifier:
        """Defaults but for silence and threads."""
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_jobs=1, verbose=-1, random_state=0)


@dataclass(frozen=True)
class ClosedOnlyLightGBM(PlainLightGBM):
    """The common mistake: LightGBM that learns from deals whose outcome is known, and no others.

    Deals still open at the cut are left out, so what takes long to close is missing.
    """

    name: str = "LightGBM, closed deals only"

    def rows(self, panel: Panel, horizon: int, longest: float) -> tuple[Floats, Bools]:
        """Every snapshot of a deal that has closed."""
        labels, _ = super().rows(panel, horizon, longest)
        return labels, panel.outcomes.kind != OPEN


@dataclass(frozen=True)
class PlainCatBoost(Classifiers):
    """CatBoost's classifier with its defaults."""

    name: str = "CatBoost as it comes"

    def make(self) -> Classifier:
        """Defaults but for silence, threads and files."""
        from catboost import CatBoostClassifier

        return CatBoostClassifier(
            thread_count=2, verbose=False, random_seed=0, allow_writing_files=False
        )


def catboost_missing() -> str:
    """Why CatBoost cannot stand in the table; empty where it is installed."""
    if find_spec("catboost") is None:
        return "not installed: pip install catboost"
    return ""


@dataclass(frozen=True)
class HazardCandidate(Contender):
    """Candidate (a): competing-risk hazards with their logistic twin."""

    name: str = "candidate a: hazards"

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Fit on expanded rows; the interval is a category of the twin."""
        learner = _twins(known, (*known.categorical, INTERVAL))
        return curves(fit_hazard(known.panel, learner), horizons)


@dataclass(frozen=True)
class DirectCandidate(Contender):
    """Candidate (b): one model a horizon with its logistic twin."""

    name: str = "candidate b: a model a horizon"

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Fit at the knots."""
        learner = _twins(known, known.categorical)
        return curves(fit_direct(known.panel, learner, known.longest), horizons)


def _twins(known: Known, categorical: tuple[str, ...]) -> Learner:
    return learner_of(tier_for(known.closed), categorical, known.closed)
