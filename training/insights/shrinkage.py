"""Shrinkage: rates and effects of groups with intervals, so that luck is not taken for skill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, norm

from features.groups import PSEUDO_DEALS
from features.windows import Floats

GRID = 200
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
    spread : standard deviation of the true effects between groups
    chance : share of the observed variance that chance alone would make, 0 to 1
    """

    posterior: Estimate
    spread: float
    chance: float


def shrunk_effects(observed: Floats, error: Floats) -> Effects:
    """Normal effects around 0, shrunk by the spread between groups that the data allow.

    Nothing is known beforehand of the spread: a flat prior on it is averaged over, so that an
    interval holds what is uncertain about the spread, too (Gelman 2006, "Prior distributions for
    variance parameters in hierarchical models"). A group without an observation (NaN) has the
    prior alone.

    Parameters
    ----------
    observed : (groups,) estimates, NaN where there is none
    error : (groups,) their standard errors, above 0
    """
    known = np.isfinite(observed) & np.isfinite(error) & (error > 0)
    seen, noise = np.where(known, observed, 0.0), np.where(known, error, 1.0)
    spreads = _grid(seen[known], noise[known])
    weight = _posterior(spreads, seen[known], noise[known])
    squared = spreads[:, None] ** 2
    pull = np.where(known, squared / (squared + noise**2), 0.0)
    means, variances = pull * seen, (1 - pull) * squared
    mean = weight @ means
    deviation = np.sqrt(np.maximum(weight @ (variances + means**2) - mean**2, 0.0))
    z = float(norm.ppf((1 + LEVEL) / 2))
    by_chance = float(np.mean(noise[known] ** 2)) if known.any() else 0.0
    chance = float(weight @ (by_chance / np.maximum(by_chance + spreads**2, 1e-300)))
    return Effects(
        Estimate(mean, mean - z * deviation, mean + z * deviation),
        float(weight @ spreads),
        chance if known.any() else 1.0,
    )


def _grid(observed: Floats, error: Floats) -> Floats:
    """(GRID,) spreads that may be: from none to far above what was seen."""
    if not len(observed):
        return np.zeros(1)
    top = 4 * float(np.sqrt(np.mean(observed**2))) + float(np.median(error))
    return np.linspace(0.0, top, GRID)


def _posterior(spreads: Floats, observed: Floats, error: Floats) -> Floats:
    """(spreads,) weights: likelihood of what was seen under each spread, scaled to sum to one."""
    variance = spreads[:, None] ** 2 + error**2
    log = -0.5 * (np.log(variance) + observed**2 / variance).sum(axis=1)
    likely: Floats = np.exp(log - log.max())
    return np.asarray(likely / likely.sum())
