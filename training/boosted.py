"""LightGBM as a learner of one probability, with fractional targets (objective cross_entropy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.windows import Bools, Floats, Ints
from training.learners import Learner, Model
from training.trees import Forest

DEFAULTS: Mapping[str, Any] = {
    "num_leaves": 7,
    "min_data_in_leaf": 100,
    "learning_rate": 0.08,
    "lambda_l2": 30.0,
    "feature_fraction": 0.3,
    "max_bin": 63,
    "extra_trees": True,
    "rounds": 400,
}
"""`rounds` is the most: how many are good is seen on deals left out (`Boosted.fit`).

Splits at random places (`extra_trees`; Geurts, Ernst & Wehenkel 2006, "Extremely randomized
trees") fit the luck of single deals less. Leaf values are drawn strongly to 0 (`lambda_l2`), for
more and smaller steps: on drawn firms with known truth the trees came nearer to it by themselves
and weighed with their twin, at every horizon.
"""
CAREFUL: Mapping[str, Any] = {
    **DEFAULTS,
    "num_leaves": 4,
    "min_data_in_leaf": 200,
    "lambda_l2": 50.0,
    "rounds": 150,
}
"""For few deals: shallower trees, larger leaves, fewer of them."""
ROOMY: Mapping[str, Any] = {**DEFAULTS, "num_leaves": 15, "rounds": 600}
"""For many deals: larger trees, and more of them."""
THREADS = 1
"""LightGBM's threads wait for each other by spinning: on a busy machine two are ten times slower
than one, so chains and origins run side by side instead. How many there are is one number for the
whole process, and making a dataset sets it, too: were it another there, a model in the making
beside it would write past the room it made for its threads.
"""
FOLDS, PATIENCE = 3, 25
"""Folds of deals on which rounds are counted, and rounds without gain that end the count."""


@dataclass(frozen=True)
class BoostedModel(Model):
    """A booster, held as LightGBM's own text."""

    text: str
    kind = "boosted"

    @cached_property
    def booster(self) -> lgb.Booster:
        """Parsed once."""
        return lgb.Booster(model_str=self.text)

    def logits(self, features: pd.DataFrame) -> Floats:
        """(n,) raw score: log-odds of the cross-entropy objective."""
        return self.raw(features.to_numpy(np.float32))

    def raw(self, matrix: npt.NDArray[np.float32]) -> Floats:
        """(n,) log-odds of the rows of a matrix: LightGBM's own, to the last bit."""
        if self.forest is not None:
            return np.asarray(self.forest.of_rows(matrix)[0])
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=THREADS), float)

    @cached_property
    def forest(self) -> Forest | None:
        """The trees as arrays, many times as fast; None where they are of another kind."""
        return Forest.of([self.booster])

    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, features + 1) TreeSHAP values (Lundberg 2018), additive to the log-odds."""
        rows = features.to_numpy(np.float32)
        found = self.booster.predict(rows, pred_contrib=True, num_threads=THREADS)
        return np.asarray(found, float)

    def to_json(self) -> dict[str, Any]:
        """The booster's text."""
        return {"text": self.text}


@dataclass(frozen=True)
class Binned:
    """The rows as a matrix and as LightGBM's bins, and the fold of each row's deal if known."""

    matrix: npt.NDArray[np.float32]
    data: lgb.Dataset
    fold: Ints | None


@dataclass(frozen=True)
class Boosted(Learner):
    """Gradient-boosted trees."""

    categorical: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=lambda: DEFAULTS)
    seed: int = 0

    def prepare(
        self,
        features: pd.DataFrame,
        thin: Bools,  # noqa: ARG002
        deal: Ints | None = None,
    ) -> Binned:
        """Bin the features once; every target reuses the bins."""
        codes = [n for n, name in enumerate(features.columns) if name in self.categorical]
        matrix = features.to_numpy(np.float32)
        data = lgb.Dataset(
            matrix,
            label=np.zeros(len(features)),
            categorical_feature=codes,
            params={
                "max_bin": self.params["max_bin"],
                "min_data_in_bin": 10,
                "verbose": -1,
                "num_threads": THREADS,
            },
            free_raw_data=False,
        )
        return Binned(matrix, data.construct(), None if deal is None else folds_of(deal))

    def fit(
        self, prepared: Binned, target: Floats, rows: Bools, start: Model | None = None
    ) -> BoostedModel:
        """Fit on the rows marked; the others weigh nothing.

        As many rounds as the model of the neighbouring target has. Without one, as many as are
        best for deals that were left out, one fold of deals after the other (rows of the deals
        learned from would ask for too many), in proportion to the deals: a fold less teaches them.
        """
        data = prepared.data.subset(np.flatnonzero(rows).tolist()).construct()
        data.set_label(np.clip(target[rows], 0.0, 1.0))
        if isinstance(start, BoostedModel):
            rounds = start.booster.num_trees()
        elif prepared.fold is None or len(np.unique(prepared.fold[rows])) < FOLDS:
            rounds = int(self.params["rounds"])
        else:
            rounds = self._unseen_rounds(data, prepared.fold[rows])
        booster = lgb.train(self._settings(), data, num_boost_round=rounds)
        return BoostedModel(booster.model_to_string(num_iteration=-1))

    def _unseen_rounds(self, data: lgb.Dataset, fold: Ints) -> int:
        """Rounds at which the loss of left-out deals is lowest, scaled to all deals."""
        found: Any = lgb.cv(
            self._settings() | {"metric": "cross_entropy"},
            data,
            num_boost_round=int(self.params["rounds"]),
            folds=[(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)],
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )
        best = len(found["valid cross_entropy-mean"])
        return min(-(-best * FOLDS // (FOLDS - 1)), int(self.params["rounds"]))

    def _settings(self) -> dict[str, Any]:
        return {
            **{name: value for name, value in self.params.items() if name != "rounds"},
            "objective": "cross_entropy",
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "verbose": -1,
            "num_threads": THREADS,
        }

    def answers(self, prepared: Binned, model: Model) -> Floats:
        """(n,) raw scores of the prepared rows."""
        if not isinstance(model, BoostedModel):
            raise TypeError(f"expected boosted trees, got {type(model).__name__}")
        return model.raw(prepared.matrix)


def folds_of(deal: Ints) -> Ints:
    """(n,) fold of each row by a hash of its deal, so that all rows of a deal share one."""
    hashed = pd.util.hash_array(deal.astype(np.int64))
    return (hashed % FOLDS).astype(np.int64)
