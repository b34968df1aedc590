"""Many models asked about the same rows: what they share is done once, the numbers stay the same.

A close model is a dozen blends of trees and a regression whose columns are alike. One by one each
would make those columns again; here they are made once, a block of rows at a time, and all trees
are asked at once (see `trees`). Large batches take two threads.
"""

from __future__ import annotations

from collections import OrderedDict
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
from training.trees import Forest, Matrix

MANY = 2_000
"""Rows from which trees and regressions are asked side by side."""
BLOCK = 2_048
"""Rows whose columns of the regression are made at once."""
THREADS = 2
MOST_KNOWN = 8
_known: OrderedDict[tuple[int, ...], tuple[list[BoostedModel], Forest | None]] = OrderedDict()

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
    boosted: list[BoostedModel] = []
    for leaf in leaves:
        if isinstance(leaf, LogisticModel):
            regressions.setdefault(id(leaf.basis), []).append(leaf)
        elif isinstance(leaf, BoostedModel):
            boosted.append(leaf)
        else:
            yield partial(_other, leaf, features)
    if boosted:
        yield partial(_boosted, boosted, features.to_numpy(np.float32))
    for group in regressions.values():
        yield partial(_regressions, group, features)


def _boosted(models: list[BoostedModel], rows: Matrix) -> Answers:
    forest = _forest(models)
    found = [model.raw(rows) for model in models] if forest is None else forest.sums(rows)
    return {id(model): answers for model, answers in zip(models, found, strict=True)}


def _forest(models: list[BoostedModel]) -> Forest | None:
    """Give the trees of some models as one forest; made once for those that are in use."""
    key = tuple(map(id, models))
    found = _known.get(key)
    if found is None:
        # What is kept holds the models, so that their ids are not used again meanwhile.
        found = _known[key] = (models, Forest.of([model.booster for model in models]))
        while len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    return found[1]


def _other(model: Model, features: pd.DataFrame) -> Answers:
    return {id(model): model.logits(features)}


def _columns(basis: Basis, features: pd.DataFrame) -> Matrix:
    if len(features) > FEW:
        return basis.columns(features)[0]
    names = features.columns.to_numpy(object).tolist()
    return flat_basis(basis, names).columns(features.to_numpy(np.float32))


def _regressions(models: list[LogisticModel], features: pd.DataFrame) -> Answers:
    """Answers of regressions that share a basis."""
    basis: Basis = models[0].basis
    found = np.empty((len(models), len(features)))
    for begin in range(0, len(features), BLOCK):
        matrix = _columns(basis, features.iloc[begin : begin + BLOCK]).astype(float)
        for place, model in zip(found, models, strict=True):
            place[begin : begin + BLOCK] = model.linear(matrix)
    return {id(model): answers for model, answers in zip(models, found, strict=True)}
