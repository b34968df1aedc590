"""How much trees count in the average with their logistic twin, learned out of time.

Log-odds are averaged, so the weight is the coefficient of one column, the difference of the two,
in a logistic regression without any other: its log-loss has one lowest point. A normal prior holds
it near what is usual, for some hundred deals tell little of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.windows import Floats, Ints
from training.calibration import deal_weights
from training.learners import expit

USUAL_WEIGHT = 0.35
"""Weight of the trees that was best on drawn firms of known truth, on the whole."""
SPREAD = 0.2
"""Standard deviation of the weight that is best for a firm about the usual one: on those firms it
was anywhere from 0 to .8."""
STEPS = 20


def learned_weight(
    deal: Ints, parts: Mapping[int, Floats], labels: Mapping[int, Floats], usual: float
) -> float | None:
    """Weight of the first of two parts, in [0, 1]; None where there are not two.

    Parameters
    ----------
    deal : (n,) deal of each snapshot: n counts deals
    parts, labels : horizon -> (n, parts) log-odds that past origins gave, (n,) what came of them
    usual : weight where nothing is known
    """
    if any(each.shape[1] != 2 for each in parts.values()):
        return None
    count = len(parts)
    weights = np.tile(deal_weights(deal) / count, count)
    both = np.concatenate([parts[h] for h in parts])
    label = np.concatenate([labels[h] for h in parts])
    apart = both[:, 0] - both[:, 1]
    found = usual
    for _ in range(STEPS):
        p = expit(both[:, 1] + found * apart)
        slope = float((weights * (label - p) * apart).sum()) - (found - usual) / SPREAD**2
        bend = float((weights * p * (1 - p) * apart**2).sum()) + 1 / SPREAD**2
        found += slope / bend
    return float(np.clip(found, 0.0, 1.0))


def averaged(parts: Floats, weight: float) -> Floats:
    """(n,) weighted mean of (n, 2) log-odds."""
    found: Floats = parts @ np.array([weight, 1 - weight])
    return found
