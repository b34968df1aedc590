"""Figures by which models are judged; every mean counts deals, not snapshots, by its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from features.windows import Floats, Ints


def log_loss(labels: Floats, p: Floats) -> Floats:
    """(n,) cross-entropy of each row, in nats."""
    inside = np.clip(p, 1e-6, 1 - 1e-6)
    loss: Floats = -(labels * np.log(inside) + (1 - labels) * np.log1p(-inside))
    return loss


def auc(labels: Floats, p: Floats, weights: Floats | None = None) -> float:
    """Probability that a won row ranks above one that is not; NaN where one kind is absent."""
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(roc_auc_score(labels, p, sample_weight=weights))


def auc_within(group: Ints, labels: Floats, p: Floats) -> float:
    """AUC among the rows of the same group, averaged over groups by their won x not-won pairs.

    With the as-of date as group it tells how well deals open on one day are ranked: what a list is
    for. A model that only knows that quarter ends are busy gets .5.
    """
    total, pairs = 0.0, 0.0
    for inside in pd.Series(labels).groupby(group).indices.values():
        won = float(labels[inside].sum())
        weight = won * (len(inside) - won)
        if weight:
            total += weight * roc_auc_score(labels[inside], p[inside])
            pairs += weight
    return total / pairs if pairs else float("nan")


@dataclass(frozen=True)
class Difference:
    """Mean of a paired difference with its standard error, over independent deals."""

    mean: float
    standard_error: float
    deals: int

    @property
    def better(self) -> bool:
        """The gain is more than one standard error above nothing."""
        return self.mean > self.standard_error


def paired(deal: Ints, gain: Floats) -> Difference:
    """Mean gain of a row and its standard error, by deals: the rows of one tell the same story.

    Rows count alike. To average each deal first would let those that close soon, which have few
    rows, weigh most, and a model that says too much of everything would seem the better one.
    """
    if not len(deal):
        return Difference(0.0, float("inf"), 0)
    _, index, rows = np.unique(deal, return_inverse=True, return_counts=True)
    deals, mean = len(rows), float(gain.mean())
    if deals < 2:
        return Difference(mean, float("inf"), deals)
    apart = np.bincount(index, gain) - mean * rows
    error = np.sqrt(deals / (deals - 1) * (apart**2).sum()) / len(gain)
    return Difference(mean, float(error), deals)


def wape(actual: Floats, forecast: Floats) -> float:
    """Weighted absolute percentage error: sum of |error| over sum of |actual|."""
    total = float(np.abs(actual).sum())
    return float(np.abs(actual - forecast).sum()) / total if total else float("nan")
