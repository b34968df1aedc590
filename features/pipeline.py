"""The one call that computes features: for training, for scoring, and for a single deal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

# Importing a family registers its features.
from features import account, calendar, engagement, momentum, people, size, source  # noqa: F401
from features.at import At
from features.catalogue import CATALOGUE, Feature
from features.custom import custom_features
from features.history import History
from features.snapshots import Snapshots
from features.vocabulary import Vocabulary

CHUNK = 250_000
"""Snapshots computed at once: bounds the memory of intermediate columns."""


def available_features(history: History, vocabulary: Vocabulary) -> dict[str, Feature]:
    """Features that the tables of this history can feed, by name, in catalogue order."""
    built_in = {name: f for name, f in CATALOGUE.items() if f.available(history.tables)}
    return built_in | custom_features(vocabulary)


def compute_features(
    history: History,
    vocabulary: Vocabulary,
    snapshots: Snapshots,
    names: Iterable[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Feature matrix of snapshots.

    Returns
    -------
    (n, features) float32 frame, columns in the order of `names` (default: all available). A feature
    asked for by name that these tables cannot feed is NaN throughout, as for one deal sent alone.
    """
    registry = CATALOGUE | custom_features(vocabulary)
    on = available_features(history, vocabulary)
    columns = list(on if names is None else names)
    matrix = np.full((len(snapshots), len(columns)), np.nan, np.float32)
    chunks = range(0, len(snapshots), CHUNK)
    for done, begin in enumerate(chunks):
        part = snapshots.take(np.arange(begin, min(begin + CHUNK, len(snapshots))))
        at = At(history, vocabulary, part.deal, part.time)
        for number, name in enumerate(columns):
            if name in on:
                with np.errstate(divide="ignore", invalid="ignore"):
                    matrix[begin : begin + CHUNK, number] = registry[name].compute(at)
            if progress:
                progress((done + (number + 1) / len(columns)) / len(chunks))
    return pd.DataFrame(matrix, columns=columns)
