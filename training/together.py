"""Many models asked about the same rows: what they share is done once, the numbers stay the same.

A close model is a dozen blends of trees and a regression whose columns are alike. One by one each
would make those columns again; here they are made once, a block of rows at a time, and large
batches go through the trees by columns (see `trees`) on two threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from features.windows import Floats
from training.boosted import BoostedModel
from training.few import FEW, flat_basis
from training.learners import BlendModel, Model
from training.logistic import Basis, LogisticModel
from training.trees import Matrix, sums_of

MANY = 2_000
"""Rows from which trees are asked by columns; with fewer LightGBM's own walk is quicker."""
BLOCK = 2_048
"""Rows whose columns of the regression are made at once."""
THREADS = 2

Answers = dict[int, Floats]
"""Log-odds by the identity of the model that gave them."""


def logits_of(models: Sequence[Model], features: pd.DataFrame) -> Floats:
    """(n, models) log-odds: column k is `models[k].logits(features)`, to the last bit."""
    if not len(features) or not models:
        return np.zeros((len(features), len(models)))
    leaves = {id(leaf): leaf for model in models for leaf in _leaves(model)}
    known: Answers = {}
    tasks = _tasks(list(leaves.values()), features)
    if len(features) < MANY:
        for task in tasks:
            known |= task()
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            for each in [pool.submit(task) for task in tasks]:
                known |= each.result()
    return np.stack([_joined(model, known) for model in models], axis=1)


def _leaves(model: Model) -> Iterator[Model]:
    if isinstance(model, BlendModel):
        for part in model.parts:
            yield from _leaves(part)
    else:
        yield model


def _joined(model: Model, known: Answers) -> Floats:
    if not isinstance(model, BlendModel):
        return known[id(model)]
    return model.joined([_joined(part, known) for part in model.parts])


def _tasks(leaves: list[Model], features: pd.DataFrame) -> Iterator[Callable[[], Answers]]:
    regressions: dict[int, list[LogisticModel]] = {}
    rows = np.ascontiguousarray(features.to_numpy(np.float32))
    columns = np.ascontiguousarray(rows.T) if len(features) >= MANY else None
    for leaf in leaves:
        if isinstance(leaf, LogisticModel):
            regressions.setdefault(id(leaf.basis), []).append(leaf)
        elif isinstance(leaf, BoostedModel):
            yield partial(_boosted, leaf, rows, columns)
        else:
            yield partial(_other, leaf, features)
    for group in regressions.values():
        yield partial(_regressions, group, features)


def _boosted(model: BoostedModel, rows: Matrix, columns: Matrix | None) -> Answers:
    if columns is None or model.trees is None:
        return {id(model): model.raw(rows)}
    return {id(model): sums_of(model.trees, columns)}


def _other(model: Model, features: pd.DataFrame) -> Answers:
    return {id(model): model.logits(features)}


def _columns(basis: Basis, features: pd.DataFrame) -> Matrix:
    if len(features) > FEW:
        return basis.columns(features)[0]
    return flat_basis(basis, [str(name) for name in features.columns]).columns(
        features.to_numpy(np.float32)
    )


def _regressions(models: list[LogisticModel], features: pd.DataFrame) -> Answers:
    """Answers of regressions that share a basis."""
    basis: Basis = models[0].basis
    found = np.empty((len(models), len(features)))
    for begin in range(0, len(features), BLOCK):
        matrix = _columns(basis, features.iloc[begin : begin + BLOCK]).astype(float)
        for place, model in zip(found, models, strict=True):
            place[begin : begin + BLOCK] = model.linear(matrix)
    return {id(model): answers for model, answers in zip(models, found, strict=True)}
