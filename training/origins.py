"""Rolling origins: the past replayed month by month, each month with what was known then.

At an origin (an instant) a contender is fitted on what was known strictly before it, and asked
about the snapshots of the four weeks that follow; what came of them is known by now. This is what
backtest, tuning and the comparison of champion and challenger share:

    past = Past.of(history, as_of)                 # snapshots and features, once
    for cut in monthly_origins(past, 6, (90,)):    # newest first
        known = past.at(cut)                       # what was known then
        loss = origin_loss(known, contender)       # nats a snapshot; fits once

The features of a snapshot see nothing known at or after it, so they are computed once for all
origins. What is *learned* across deals is learned anew at each origin from what was known before
it: the vocabulary (codes of categories, positions of stages: columns that depend on them are
computed again where they differ), the columns not to be trusted, and which columns vary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

from features.catalogue import Feature
from features.history import WON, History
from features.outcomes import Outcomes, outcomes
from features.pipeline import available_features, compute_features
from features.snapshots import WEEK, Snapshots
from features.trust import filled_later
from features.vocabulary import Vocabulary, learn_vocabulary
from features.windows import DAY, Bools, Floats, Ints
from training.close import Panel, fit_close, make_panel
from training.incidence import Incidence
from training.learners import Learner
from training.metrics import log_loss
from training.own_models import PIPELINES
from training.train import (
    bounded_panel,
    closed_deals,
    informative,
    longest_horizon,
    model_features,
)
from training.validation import LEAST_CLOSED

MONTH_DAYS = 28
"""Days from an origin to the next: on the weekly grid, and about a month."""
EVER = 0
"""Stands for the horizon `ever`."""
EVER_DAYS = 365
"""Snapshots watched so long are mature for `ever`; what is still open counts as not won."""
HORIZONS = (30, 60, 90, 180, EVER)
LEAST_KNOWN_DAYS = 3 * MONTH_DAYS
"""Days of history that an origin must have behind it."""

Answer = Callable[[pd.DataFrame], Floats]
"""(n, features) -> (n, horizons) P(won within each horizon asked at the fit)."""


def maturity(horizon: int) -> int:
    """Days after which the outcome of a horizon is known."""
    return EVER_DAYS if horizon == EVER else horizon


def named(horizon: int) -> str:
    """Name of a horizon: `90d`, or `ever`."""
    return "ever" if horizon == EVER else f"{horizon}d"


def within(horizon: int) -> str:
    """A horizon in words."""
    return "ever" if horizon == EVER else f"within {horizon} days"


@dataclass(frozen=True)
class Known:
    """What was known at an origin, and what it is asked.

    Attributes
    ----------
    cut : the origin, in microseconds
    panel : snapshots up to the cut with features and the outcomes known before it
    categorical : names of the columns that hold codes
    pipelines : names in the order of their codes
    asked : snapshots of the four weeks from the cut on, with `features` in the panel's columns
    later : what became of them, known by the as-of of the replay
    closed : deals whose closing was known
    compute : features of any other snapshots, as the origin codes them
    """

    cut: int
    history: History
    panel: Panel
    categorical: tuple[str, ...]
    pipelines: tuple[str, ...]
    closed: int
    asked: Snapshots
    features: pd.DataFrame
    later: Outcomes
    compute: Callable[[Snapshots], pd.DataFrame]

    @property
    def longest(self) -> float:
        """Days that stand for `ever` at the origin."""
        return longest_horizon(self.panel)

    def mature(self, horizon: int) -> Bools:
        """(n,) snapshots asked whose outcome at the horizon is known by the as-of.

        Rows that closed early but were not watched so long would be a biased choice.
        """
        found: Bools = self.later.watched >= maturity(horizon)
        return found

    def labels(self, horizon: int) -> Floats:
        """(n,) 1 where won within the horizon, 0 where not, NaN where not mature."""
        days = np.inf if horizon == EVER else horizon
        won = (self.later.kind == WON) & (self.later.days < days)
        return np.where(self.mature(horizon), won.astype(float), np.nan)


class Contender(ABC):
    """A way to answer P(won within h), fitted anew at each origin."""

    name: str

    @abstractmethod
    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Learn from `known.panel` alone; answers have a column a horizon."""


@dataclass(frozen=True)
class ByLearner(Contender):
    """The bootstrapped close model with a learner, uncalibrated.

    `learner` gets the number of closed deals known and the categorical columns, for both differ
    from origin to origin.
    """

    name: str
    learner: Callable[[int, tuple[str, ...]], Learner]
    until: int | None = None

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Fit both sides; `until` (a knot) saves the knots after it where nobody asks for them."""
        learner = self.learner(known.closed, known.categorical)
        return curves(fit_close(known.panel, learner, known.longest, self.until), horizons)


class HasCurves(Protocol):
    """What answers with curves: a close model of any kind."""

    def incidence(self, features: pd.DataFrame) -> Incidence:
        """Curves of n deals."""


def curves(model: HasCurves, horizons: Sequence[int]) -> Answer:
    """Answers of a model that has curves."""

    def answer(features: pd.DataFrame) -> Floats:
        incidence = model.incidence(features)
        days = [incidence.longest if h == EVER else h for h in horizons]
        return incidence.won_by(days)

    return answer


@dataclass(frozen=True)
class Past:
    """A history laid out once for all origins.

    Attributes
    ----------
    snapshots : weekly panel back from `as_of`; origins lie on its grid
    base : features of all snapshots by the vocabulary of `as_of`
    """

    history: History
    as_of: int
    snapshots: Snapshots
    vocabulary: Vocabulary
    base: pd.DataFrame

    @classmethod
    def of(cls, history: History, as_of: int, snapshots: Snapshots | None = None) -> Past:
        """Lay out and compute features, the one slow step that is not a fit."""
        chosen = bounded_panel(history, as_of) if snapshots is None else snapshots
        vocabulary = learn_vocabulary(history, as_of)
        names = [n for n, f in available_features(history, vocabulary).items() if f.for_models]
        return cls(
            history,
            as_of,
            chosen,
            vocabulary,
            compute_features(history, vocabulary, chosen, names),
        )

    @cached_property
    def known_days(self) -> float:
        """Days from the first snapshot to the as-of."""
        return (self.as_of - int(self.snapshots.time.min())) / DAY if len(self.snapshots) else 0.0

    def at(self, cut: int, window_days: int = MONTH_DAYS, like: Snapshots | None = None) -> Known:
        """Cut the past at an origin; `window_days` of snapshots after it are asked.

        Of the calendar is read what rows `like` these tell enough of, by default those before it:
        where a later origin tests its model at an earlier one, it reads the same in both.
        """
        time = self.snapshots.time
        vocabulary = learn_vocabulary(self.history, cut)
        past = np.flatnonzero(time <= cut)
        asked = np.flatnonzero((time >= cut) & (time < cut + window_days * DAY))
        before = self.snapshots.take(past)
        distrusted = filled_later(self.history, cut)
        names = model_features(
            self.history, vocabulary, distrusted, before if like is None else like
        )
        features = informative(self._features(vocabulary, past, names))
        columns = list(features.columns)
        registry = available_features(self.history, vocabulary)
        later = self.snapshots.take(asked)
        return Known(
            cut=cut,
            history=self.history,
            panel=make_panel(self.history, before, features, cut),
            categorical=tuple(name for name in columns if registry[name].categorical),
            pipelines=vocabulary.categories.get(PIPELINES, ()),
            closed=closed_deals(self.history, cut),
            asked=later,
            features=self._features(vocabulary, asked, columns),
            later=outcomes(self.history, later, self.as_of),
            compute=lambda rows: compute_features(self.history, vocabulary, rows, columns),
        )

    def _features(self, vocabulary: Vocabulary, rows: Ints, names: Sequence[str]) -> pd.DataFrame:
        """Columns of the base, computed again where the vocabulary tells them otherwise."""
        registry = available_features(self.history, vocabulary)
        stale = [name for name in names if self._depends(registry[name], vocabulary)]
        kept = [name for name in names if name not in set(stale)]
        found = self.base[kept].iloc[rows].reset_index(drop=True)
        if stale:
            anew = compute_features(self.history, vocabulary, self.snapshots.take(rows), stale)
            found = pd.concat([found, anew], axis=1)
        return found[list(names)]

    def _depends(self, feature: Feature, vocabulary: Vocabulary) -> bool:
        if vocabulary == self.vocabulary:
            return False
        if feature.name not in self.base or vocabulary.key != self.vocabulary.key:
            return True
        return feature.categorical or feature.family == "custom"


def monthly_origins(past: Past, most: int, horizons: Sequence[int] = (90,)) -> list[int]:
    """Data cuts every four weeks, newest first: the newest whose month is mature for a horizon.

    Parameters
    ----------
    horizons : the newest origin is mature for the longest of these; `past.at(cut).mature(h)` tells
        which others are
    """
    longest = max(maturity(h) for h in horizons)
    weeks = int(np.ceil((longest + MONTH_DAYS) / 7))
    first = past.as_of - int(past.known_days * DAY) + LEAST_KNOWN_DAYS * DAY
    cuts = [past.as_of - weeks * WEEK - k * MONTH_DAYS * DAY for k in range(most)]
    return [cut for cut in cuts if cut >= first and _enough(past, cut)]


def _enough(past: Past, cut: int) -> bool:
    return closed_deals(past.history, cut) >= LEAST_CLOSED


def origin_loss(known: Known, contender: Contender, horizons: Sequence[int] = (30, 90)) -> float:
    """Log-loss in nats a snapshot of the origin's month, mean over the horizons that are mature.

    NaN where no horizon is mature.
    """
    p = contender.fit(known, horizons)(known.features)
    losses = []
    for column, horizon in enumerate(horizons):
        rows = known.mature(horizon)
        if rows.any():
            labels = known.labels(horizon)[rows]
            losses.append(float(log_loss(labels, p[rows, column]).mean()))
    return float(np.mean(losses)) if losses else float("nan")
