"""Ridge-Platt calibration: a slope and an offset of the log-odds, shrunk to the identity.

Platt (1999) fits both freely, which on few deals does more harm than good. Here each is a
deviation from (1, 0) with a normal prior, so that with few deals nothing changes and with many the
data decide. The same map serves every horizon of a curve, so curves stay monotone.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from features.windows import Floats, Ints
from training.learners import expit

SLOPE_SD, OFFSET_SD = 0.05, 0.04
"""Prior standard deviations of slope - 1 and of the offset.

Both are small: what all deals of a season share (a good quarter, a bad one) moves the
observed over the expected wins of the past, and says nothing about the next.
"""


def deal_weights(deal: Ints) -> Floats:
    """(n,) equal weights that sum to the number of deals: n counts deals, not snapshots.

    Not 1 / rows of the deal: a deal that is won soon has few rows, and its would weigh most.
    """
    return np.full(len(deal), len(np.unique(deal)) / max(len(deal), 1))


def ridge_platt(logits: Floats, labels: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and offset that minimise the weighted log-loss plus the prior.

    Parameters
    ----------
    logits, labels, weights : (n,); weights sum to the number of deals
    """
    if not len(logits):
        return 1.0, 0.0
    centre = float(np.average(logits, weights=weights))

    def loss(parameters: Floats) -> float:
        slope, offset = parameters
        z = centre + slope * (logits - centre) + offset
        nll = np.logaddexp(0.0, z) - labels * z
        prior = ((slope - 1) / SLOPE_SD) ** 2 / 2 + (offset / OFFSET_SD) ** 2 / 2
        return float(weights @ nll + prior)

    found = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    slope = float(np.clip(found[0], 0.3, 2.0))
    return slope, float(centre * (1 - slope) + found[1])


def observed_expected(p: Floats, labels: Floats, weights: Floats) -> float:
    """Observed over expected wins; 1 is calibrated on the whole. NaN where nothing is expected."""
    expected = float(weights @ p)
    return float(weights @ labels) / expected if expected > 0 else float("nan")


def calibrate(logits: Floats, slope: float, offset: float) -> Floats:
    """(n,) calibrated probabilities."""
    return expit(offset + slope * logits)
