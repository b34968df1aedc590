"""The amount at close, given a win: what deals were won for against what was known before.

Where an amount is known the model predicts the logarithm of (amount at close / amount known);
where none is, the logarithm of the amount at close itself, and then it must not lean on features
of an amount: they are hidden from it. With few wins both fall back to shrunk means. The errors
that the model made on deals it had not seen are kept: they are the spread of the forecast's
amounts, and they turn the exponent of a mean logarithm into a mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue import CATALOGUE
from features.history import WON, History
from features.windows import SECOND, Bools, Floats
from training.boosted import THREADS, BoostedModel
from training.close import Panel

AMOUNT = "deal_history.amount"
ENOUGH_WINS = 400
PSEUDO_WINS = 20.0
LARGEST_STEP = 2.0
"""Log ratios are clipped here (a factor of 7.4): beyond it they are typing errors or new deals."""
KEPT_ERRORS = 2_000
ROUNDS = 100
FOLDS = 4
PARAMS: Mapping[str, Any] = {
    "objective": "regression",
    "num_leaves": 7,
    "min_data_in_leaf": 30,
    "learning_rate": 0.05,
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
    "max_bin": 63,
    "verbose": -1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 0,
    "num_threads": THREADS,
}


@dataclass(frozen=True)
class LogModel:
    """Mean of a logarithm: a booster, or a constant; with the errors left over."""

    constant: float
    errors: Floats
    text: str = ""

    def predict(self, features: pd.DataFrame) -> Floats:
        """(n,) expected logarithm."""
        if not self.text or not len(features):
            return np.full(len(features), self.constant)
        return self._boosted.logits(features)

    @cached_property
    def _boosted(self) -> BoostedModel:
        """Laid out once; of a regression the raw score is the answer."""
        return BoostedModel(self.text)

    @cached_property
    def smearing(self) -> float:
        """Mean of exp(error): what turns the exponent of a mean log into a mean (Duan 1983)."""
        return float(np.exp(self.errors).mean()) if len(self.errors) else 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain types for the bundle."""
        return {"constant": self.constant, "errors": self.errors.tolist(), "text": self.text}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LogModel:
        """Read back what `to_json` wrote."""
        return cls(found["constant"], np.array(found["errors"], float), found["text"])


@dataclass(frozen=True)
class AmountModel:
    """Amount at close given a win.

    Attributes
    ----------
    ratio : log of amount at close over amount known
    level : log of the amount at close where none is known
    wins : wins with an amount behind it; 0 means that amounts cannot be answered
    """

    ratio: LogModel
    level: LogModel
    wins: int

    def expected(self, features: pd.DataFrame, known: Floats) -> Floats:
        """(n,) mean amount if won, firm's currency; NaN where the history holds no won amount."""
        if not self.wins:
            return np.full(len(known), np.nan)
        has, found = known > 0, np.full(len(known), np.nan)
        if has.any():
            base = np.log(np.where(has, known, 1.0))
            with_amount = np.exp(base + self.ratio.predict(features)) * self.ratio.smearing
            found = np.where(has, with_amount, found)
        if not has.all():
            without = np.exp(self.level.predict(without_size(features))) * self.level.smearing
            found = np.where(has, found, without)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain types for the bundle."""
        return {"ratio": self.ratio.to_json(), "level": self.level.to_json(), "wins": self.wins}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> AmountModel:
        """Read back what `to_json` wrote."""
        parts = [LogModel.from_json(found[name]) for name in ("ratio", "level")]
        return cls(parts[0], parts[1], int(found["wins"]))


def closing_amounts(history: History) -> Floats:
    """(closings,) amount of the deal once the closing was known; NaN where missing or zero."""
    closings = history.closings
    amount = history.changes["amount"].last("value", closings.group, closings.time + SECOND)
    return np.where(amount > 0, amount, np.nan)


def fit_amount(history: History, panel: Panel) -> AmountModel:
    """Learn from the snapshots of deals whose win was known before the panel's cut."""
    won = panel.outcomes.kind == WON
    amounts = closing_amounts(history)
    at_close = np.full(len(panel), np.nan)
    at_close[won] = amounts[panel.outcomes.closing[won]]
    known = history.changes["amount"].last("value", panel.snapshots.deal, panel.snapshots.time)
    priced = won & ~np.isnan(at_close)
    wins = len(np.unique(panel.snapshots.deal[priced]))
    log_close = np.log(np.where(priced, at_close, 1.0))
    has = priced & (known > 0)
    step = log_close - np.log(np.where(known > 0, known, 1.0))
    step = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    prior = 0.0
    ratio = _fit_log(panel, panel.features, step, has, prior)
    centre = float(np.median(log_close[priced])) if wins else 0.0
    hidden = without_size(panel.features)
    return AmountModel(ratio, _fit_log(panel, hidden, log_close, priced, centre), wins)


def without_size(features: pd.DataFrame) -> pd.DataFrame:
    """Features as they are for a deal without an amount: what is made of one is not known."""
    of_size = [n for n in features if n in CATALOGUE and AMOUNT in CATALOGUE[n].needs]
    return features.assign(**dict.fromkeys(of_size, np.nan)) if of_size else features


def _fit_log(
    panel: Panel, features: pd.DataFrame, target: Floats, rows: Bools, prior: float
) -> LogModel:
    """A shrunk mean; a booster above it where wins are many."""
    deals = panel.snapshots.deal[rows]
    wins = len(np.unique(deals))
    if not wins:
        return LogModel(prior, np.zeros(0))
    goal = target[rows]
    constant = float((goal.mean() * wins + prior * PSEUDO_WINS) / (wins + PSEUDO_WINS))
    if wins < ENOUGH_WINS or goal.std() < 1e-6:
        return LogModel(constant, _thin(goal - goal.mean()))
    # A deal's weeks resemble each other: one in four says as much.
    rows = rows & panel.thin
    deals, goal = panel.snapshots.deal[rows], target[rows]
    matrix = features[rows].to_numpy(np.float32)
    errors = np.empty(len(goal))
    for fold in range(FOLDS):
        unseen = deals % FOLDS == fold
        guess = _boosted(matrix[~unseen], goal[~unseen]).predict(matrix[unseen])
        errors[unseen] = goal[unseen] - np.asarray(guess, float)
    return LogModel(constant, _thin(errors), _boosted(matrix, goal).model_to_string())


def _boosted(matrix: npt.NDArray[np.float32], goal: Floats) -> lgb.Booster:
    bins = {"max_bin": 63, "verbose": -1, "num_threads": THREADS}
    data = lgb.Dataset(matrix, label=goal, params=bins)
    return lgb.train(dict(PARAMS), data, num_boost_round=ROUNDS)


def _thin(errors: Floats) -> Floats:
    """At most KEPT_ERRORS errors, evenly over their sorted range, centred."""
    kept = np.sort(errors)[:: max(1, int(np.ceil(len(errors) / KEPT_ERRORS)))]
    centred: Floats = kept - kept.mean()
    return centred
