"""What could be expected of deals by what was fixed when they were created, whoever worked them.

Features of the owner, of the engagement and of the deal's progress are left out on purpose: they
carry the work of the rep, and a rep is judged against what anybody would have made of the deals.
Predictions are cross-fitted: no deal's expectation has seen its own end, nor that of another deal
of its fold.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.history import History
from features.pipeline import available_features, compute_features
from features.snapshots import Snapshots, deal_hash
from features.vocabulary import Vocabulary
from features.windows import Floats, Ints

FAMILIES = ("source", "size", "account")
FOLDS = 5
CODED = ("source", "deal_type", "pipeline")
RIDGE = 0.05
"""Inverse strength of the penalty of the regressions."""


def fixed_features(history: History, vocabulary: Vocabulary) -> list[str]:
    """Names of the features of a new deal that say nothing of who works it."""
    known = available_features(history, vocabulary)
    return [
        name
        for name, feature in CATALOGUE.items()
        if name in known
        and feature.family in FAMILIES
        and feature.for_models
        and not feature.categorical
        and "owner" not in name
    ]


def design(history: History, vocabulary: Vocabulary, deal: Ints) -> Floats:
    """(n, columns) what was known of each deal right after its creation, scaled; no NaN."""
    at = Snapshots(deal, history.known_from[deal] + 1)
    names = fixed_features(history, vocabulary)
    numbers = compute_features(history, vocabulary, at, names).to_numpy(float)
    missing = np.isnan(numbers)
    parts = [np.where(missing, 0.0, numbers), missing.astype(float), _coded(history, deal)]
    matrix = np.column_stack(parts)
    matrix = matrix[:, matrix.std(axis=0) > 1e-9]
    scaled: Floats = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    bounded: Floats = np.clip(scaled, -6, 6)
    return bounded


def _coded(history: History, deal: Ints) -> Floats:
    parts = [pd.Series(history.encoded("deals", column).code[deal]) for column in CODED]
    found = [pd.get_dummies(part, dtype=float).to_numpy() for part in parts]
    return np.column_stack(found) if len(deal) else np.zeros((0, 0))


def folds_of(history: History, deal: Ints) -> Ints:
    """(n,) fold of each deal, by a hash of its identifier."""
    return deal_hash(history)[deal] % FOLDS


def expected_wins(matrix: Floats, won: Floats, fold: Ints) -> Floats:
    """(n,) probability that each closed deal was won, from the other folds alone."""
    from sklearn.linear_model import LogisticRegression

    found = np.full(len(won), won.mean() if len(won) else np.nan)
    for k in np.unique(fold):
        held = fold == k
        if matrix.shape[1] and len({*won[~held]}) == 2:
            model = LogisticRegression(C=RIDGE, max_iter=300).fit(matrix[~held], won[~held])
            found[held] = model.predict_proba(matrix[held])[:, 1]
    bounded: Floats = np.clip(found, 0.005, 0.995)
    return bounded


def expected_level(matrix: Floats, value: Floats, fold: Ints) -> Floats:
    """(n,) mean of a number (such as the log of the days to win), from the other folds alone."""
    from sklearn.linear_model import Ridge

    found = np.full(len(value), value.mean() if len(value) else np.nan)
    for k in np.unique(fold):
        held = fold == k
        if matrix.shape[1] and (~held).sum() > 1:
            model = Ridge(alpha=1 / RIDGE).fit(matrix[~held], value[~held])
            found[held] = model.predict(matrix[held])
    return found
