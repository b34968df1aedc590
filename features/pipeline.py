"""The one call that computes features: for training, for scoring, and for a single deal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

# Importing a family registers its features.
from features import (  # noqa: F401
    account,
    calendar,
    engagement,
    momentum,
    people,
    size,
    source,
    team,
)
from features.at import At
from features.beside import side_by_side
from features.catalogue import CATALOGUE, Feature
from features.custom import custom_features
from features.guests import GuestHistory, guests_at
from features.history import History
from features.snapshots import Snapshots
from features.vocabulary import Vocabulary
from features.windows import Column

CHUNK = 32_768
"""Snapshots computed at once: bounds the memory of intermediate columns."""


def available_features(history: History, vocabulary: Vocabulary) -> dict[str, Feature]:
    """Features that the tables of this history can feed, by name, in catalogue order."""
    built_in = {name: f for name, f in CATALOGUE.items() if f.available(history)}
    return built_in | custom_features(vocabulary)


def compute_features(
    history: History,
    vocabulary: Vocabulary,
    snapshots: Snapshots,
    names: Iterable[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Feature matrix of snapshots.

    Parameters
    ----------
    history : of a store, or of deals sent whole that stand among a store's (`features.guests`)
    names : features in the order wanted; default: all available. Those asked for by name are
        computed from what there is: a deal without activities has none, alone or in a store.
    progress : called with the share of the work done

    Returns
    -------
    (n, features) float32 frame; each column lies in one piece
    """
    columns = list(available_features(history, vocabulary) if names is None else names)
    matrix = np.empty((len(columns), len(snapshots)), np.float32)

    def fill(begin: int) -> None:
        part = snapshots.take(np.arange(begin, min(begin + CHUNK, len(snapshots))))
        at = _questions(history, vocabulary, part, columns)
        _fill(matrix[:, begin : begin + CHUNK], at, columns)

    chunks = range(0, len(snapshots), CHUNK)
    # The first alone: it builds the indexes that all of them ask.
    for done, some in enumerate((chunks[:1], chunks[1:])):
        for share in side_by_side(fill, some):
            if progress:
                progress((done + share * len(some)) / len(chunks))
    return pd.DataFrame(matrix.T, columns=as_index(tuple(columns)), copy=False)


def _questions(
    history: History, vocabulary: Vocabulary, part: Snapshots, columns: Sequence[str]
) -> At:
    if isinstance(history, GuestHistory):
        return guests_at(history, vocabulary, part.deal, part.time, columns)
    return At(history, vocabulary, part.deal, part.time)


def _fill(matrix: Column, at: At, columns: Sequence[str]) -> None:
    """Write the values of each feature into its row."""
    custom = custom_features(at.vocabulary)
    registry = CATALOGUE | custom if custom else CATALOGUE
    with np.errstate(divide="ignore", invalid="ignore"):
        if at.size == 1:  # one copy of all is faster than a copy of each
            matrix[:, 0] = [registry[name].compute(at).item() for name in columns]
            return
        for row, name in zip(matrix, columns, strict=True):
            row[:] = registry[name].compute(at)


@lru_cache(maxsize=16)
def as_index(columns: tuple[str, ...]) -> pd.Index:
    """Names as the index of a frame: as long to make as a fifth of one deal's features."""
    return pd.Index(columns)
