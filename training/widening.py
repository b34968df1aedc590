"""How much wider the intervals of a forecast must be, from where the past fell in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

PSEUDO_ORIGINS = 8.0
"""Origins that a past of honest intervals is worth."""
ADAPTIVE_FROM = 20
"""Origins from which intervals follow the coverage of the past (adaptive conformal)."""
ADAPTIVE_STEP = 0.05
PROMISED = 0.8
WIDEST = 2.5


def widening(past: pd.DataFrame) -> float:
    """Factor on the spread of the paths, from standardised errors of the past.

    The standard deviation of the normal scores of the errors, shrunk to 1 while there are few
    origins. From ADAPTIVE_FROM origins on it then moves with every miss and every hit, so that
    coverage stays what is promised (Gibbs & Candes 2021, "Adaptive conformal inference under
    distribution shift"). Never below 1: a lucky past is no reason for narrower intervals.
    """
    if not len(past):
        return 1.0
    score = norm.ppf(np.clip(past["pit"].to_numpy(float), 0.005, 0.995))
    origins = past["block"].nunique()
    each = pd.Series(score**2).groupby(past["block"].to_numpy()).mean()
    variance = (PSEUDO_ORIGINS + each.sum()) / (PSEUDO_ORIGINS + origins)
    wide = float(np.sqrt(variance))
    if past["as_of"].nunique() >= ADAPTIVE_FROM:
        inside = np.abs(score) <= norm.ppf((1 + PROMISED) / 2) * wide
        for hit in inside[np.argsort(past["ends"].to_numpy(), kind="stable")][-ADAPTIVE_FROM:]:
            wide *= float(np.exp(ADAPTIVE_STEP * (PROMISED - 1 if hit else PROMISED)))
    return float(np.clip(wide, 1.0, WIDEST))
