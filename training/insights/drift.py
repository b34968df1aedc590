"""Drift: how far the open deals of today are from those of half a year ago, feature by feature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.history import History
from features.pipeline import compute_features
from features.snapshots import open_deals
from features.windows import DAY, Floats
from training.bundle import Bundle

BACK_DAYS = 182
MOST_DEALS = 5_000
LEAST_DEALS = 50
MODERATE, LARGE = 0.2, 0.5
"""Limits of the shift: a fifth and a half of a standard deviation."""


def drift(bundle: Bundle, history: History, as_of: int) -> pd.DataFrame:
    """Shift of each feature that the model reads, the largest first.

    What is the same for every deal on both days, such as the days to the month's end, tells of
    the day alone and has no place here.

    Columns: feature, family, meaning, then and now (medians), shift (see `shift`), verdict
    (stable, moderate, large); empty where either day has fewer than LEAST_DEALS open deals
    """
    frames = [_features(bundle, history, at) for at in (as_of - BACK_DAYS * DAY, as_of)]
    if min(map(len, frames)) < LEAST_DEALS:
        return pd.DataFrame(columns=["feature", "shift", "verdict"])
    then, now = frames
    rows = [
        {
            "feature": name,
            "family": CATALOGUE[name].family if name in CATALOGUE else "custom",
            "meaning": CATALOGUE[name].meaning if name in CATALOGUE else "",
            "then": float(then[name].median()),
            "now": float(now[name].median()),
            "shift": shift(then[name].to_numpy(float), now[name].to_numpy(float)),
        }
        for name in bundle.features
        if not (_of_the_day(then[name]) and _of_the_day(now[name]))
    ]
    found = pd.DataFrame(rows).sort_values(["shift", "feature"], ascending=[False, True])
    place = np.searchsorted((MODERATE, LARGE), found["shift"])
    return found.assign(verdict=np.array(["stable", "moderate", "large"])[place])


def _features(bundle: Bundle, history: History, at: int) -> pd.DataFrame:
    snapshots = open_deals(history, at)
    if len(snapshots) > MOST_DEALS:
        spread = np.linspace(0, len(snapshots) - 1, MOST_DEALS).astype(np.int64)
        snapshots = snapshots.take(spread)
    return compute_features(history, bundle.vocabulary, snapshots, bundle.features)


def _of_the_day(values: pd.Series) -> bool:
    return bool((values == values.iloc[0]).all())


def shift(then: Floats, now: Floats) -> float:
    """Distance of two samples in standard deviations, and what more or less is missing.

    The mean difference of their quantiles (Wasserstein's distance) over the pooled standard
    deviation, plus the change of the share of missing values.

    >>> shift(np.arange(100.0), np.arange(100.0))
    0.0
    """
    known = [sample[~np.isnan(sample)] for sample in (then, now)]
    missing = abs(len(known[0]) / len(then) - len(known[1]) / len(now))
    if min(map(len, known)) == 0:
        return float(missing)
    levels = np.linspace(0.01, 0.99, 99)
    moved = np.abs(np.quantile(known[1], levels) - np.quantile(known[0], levels)).mean()
    spread = float(np.sqrt((known[0].var() + known[1].var()) / 2))
    return float(missing + (moved / spread if spread > 1e-12 else float(moved > 0)))
