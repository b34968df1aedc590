"""Shrinkage: rates and effects of groups with intervals, so that luck is not taken for skill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, norm

from features.groups import PSEUDO_DEALS
from features.windows import Floats

LEVEL = 0.8
"""Share of the cases in which the truth should lie inside an interval."""


@dataclass(frozen=True)
class Estimate:
    """Posterior of each group: mean, and the bounds of the interval that holds LEVEL of it."""

    mean: Floats
    low: Floats
    high: Floats


def shrunk_rate(
    part: Floats, count: Floats, base: float, weight: float = PSEUDO_DEALS
) -> Estimate:
    """Rates pulled to `base` by `weight` pseudo-deals, as beta posteriors.

    Parameters
    ----------
    part, count : (groups,) successes among so many
    base : rate of all, strictly between 0 and 1

    Examples
    --------
    >>> found = shrunk_rate(np.array([0.0, 400.0]), np.array([0.0, 1000.0]), 0.3)
    >>> found.mean.round(2).tolist()
    [0.3, 0.4]
    """
    a, b = part + weight * base, count - part + weight * (1 - base)
    tail = (1 - LEVEL) / 2
    return Estimate(a / (a + b), beta.ppf(tail, a, b), beta.ppf(1 - tail, a, b))


@dataclass(frozen=True)
class Effects:
    """Effects of groups after shrinkage.

    Attributes
    ----------
    posterior : mean and interval of each effect
    spread : standard deviation of the true effects between groups; 0 where chance explains all
    chance : share of the observed variance that chance alone would make, 0 to 1
    """

    posterior: Estimate
    spread: float
    chance: float


def shrunk_effects(observed: Floats, error: Floats) -> Effects:
    """Normal effects around 0, shrunk by the spread that exceeds chance.

    The spread is the moment estimate of DerSimonian and Laird (1986), the posterior that of a
    normal prior with that spread. A group without an observation (NaN) has the prior alone.

    Parameters
    ----------
    observed : (groups,) estimates, NaN where there is none
    error : (groups,) their standard errors, above 0
    """
    known = np.isfinite(observed) & np.isfinite(error) & (error > 0)
    spread = _spread(observed[known], error[known])
    precision = np.where(known, 1 / np.where(known, error, 1.0) ** 2, 0.0)
    weight = spread**2 * precision / (1 + spread**2 * precision)
    mean = weight * np.where(known, observed, 0.0)
    deviation = np.sqrt(spread**2 / (1 + spread**2 * precision))
    z = float(norm.ppf((1 + LEVEL) / 2))
    by_chance = float(np.mean(error[known] ** 2)) if known.any() else 0.0
    total = by_chance + spread**2
    return Effects(
        Estimate(mean, mean - z * deviation, mean + z * deviation),
        spread,
        by_chance / total if total > 0 else 1.0,
    )


def _spread(observed: Floats, error: Floats) -> float:
    if len(observed) < 2:
        return 0.0
    weight = 1 / error**2
    centre = float(np.sum(weight * observed) / np.sum(weight))
    excess = float(np.sum(weight * (observed - centre) ** 2)) - (len(observed) - 1)
    scale = float(np.sum(weight) - np.sum(weight**2) / np.sum(weight))
    return float(np.sqrt(max(excess, 0.0) / scale)) if scale > 0 else 0.0
