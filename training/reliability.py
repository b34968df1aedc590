"""Whether probabilities mean what they say, judged against what a perfect model would show.

Even a perfect model misses a straight line on finite data. So every figure of calibration comes
with its consistency band: the outcomes are drawn again and again from the very probabilities that
were answered, as if they were the truth (Broecker and Smith 2007, "Increasing the reliability of
reliability diagrams"). Fates are drawn by deal, not by row: the snapshots of a deal share theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from features.windows import DAY, Floats, Ints
from training.learners import logit

GRID = 200
"""Bins of the unit interval in which probabilities are smoothed."""
HALVINGS = 13
"""Of the interval in which the width of the kernel lies: to about a ten-thousandth."""
DRAWS = 200
LEVEL = 0.95
CURVE_WIDTH = 0.04
"""Standard deviation, in probability, of the kernel of the reliability curve."""


@dataclass(frozen=True)
class Answers:
    """Probabilities with their outcomes, and which rows share a fate.

    Attributes
    ----------
    p, labels : (n,)
    deal : (n,) code of the deal
    block : (n,) number of the stretch of the deal's life whose rows stand and fall together
    """

    p: Floats
    labels: Floats
    deal: Ints
    block: Ints

    @classmethod
    def of(cls, p: Floats, labels: Floats, deal: Ints, time: Ints, horizon_days: int) -> Answers:
        """Block rows of a deal by stretches as long as the horizon.

        The windows of snapshots further apart than the horizon do not overlap, and then what a
        perfect model misses at the one says nothing of what it misses at the other.
        """
        stretch = np.asarray(time) // (max(horizon_days, 1) * DAY)
        _, block = np.unique(np.stack([deal, stretch]), axis=1, return_inverse=True)
        return cls(np.asarray(p, float), np.asarray(labels, float), deal, block.ravel())


def smooth_calibration_error(p: Floats, labels: Floats) -> float:
    """Smooth calibration error: mean |observed - predicted| after smoothing by its own size.

    The width of the (reflected Gaussian) kernel is the one that equals the error found with it,
    so nothing is to be chosen and no bin edge decides (Blasiok and Nakkiran 2023, "Smooth ECE").
    NaN without rows.
    """
    if not len(p):
        return float("nan")
    gaps = _binned(p, labels - p) / len(p)
    low, high = 1e-3, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _smoothed_mass(gaps, middle) > middle else (low, middle)
    return float(_smoothed_mass(gaps, (low + high) / 2))


def _binned(p: Floats, values: Floats) -> Floats:
    index = np.minimum((p * GRID).astype(int), GRID - 1)
    return np.bincount(index, values, GRID).astype(float)


def _smoothed_mass(gaps: Floats, width: float) -> float:
    return float(np.abs(gaussian_filter1d(gaps, width * GRID, mode="reflect")).sum())


def draws(answers: Answers, count: int = DRAWS, seed: int = 0) -> Iterator[Floats]:
    """Outcomes of worlds in which every probability is true.

    The rows of a block get one uniform number: each is won where it falls below its probability.
    To draw the deals with replacement on top would count their chance twice.
    """
    rng = np.random.default_rng(seed)
    blocks = int(answers.block.max(initial=-1)) + 1
    for _ in range(count):
        yield (rng.random(blocks)[answers.block] < answers.p).astype(float)


def perfect_error(answers: Answers, count: int = DRAWS) -> float:
    """Smooth calibration error that a perfect model exceeds in 5 of 100 worlds."""
    if not len(answers.p):
        return float("nan")
    found = [smooth_calibration_error(answers.p, labels) for labels in draws(answers, count)]
    return float(np.quantile(found, LEVEL))


@dataclass(frozen=True)
class Curve:
    """A smoothed reliability curve with the consistency band.

    Attributes
    ----------
    predicted, observed : (points,) probability said, and share that came
    low, high : (points,) between them a perfect model's curve lies in 90 of 100 worlds
    share : (points,) share of the rows near the point
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    share: Floats


def reliability_curve(answers: Answers, count: int = DRAWS) -> Curve:
    """Observed against predicted, where there are rows enough to smooth over."""
    mass = _kernel(_binned(answers.p, np.ones(len(answers.p))))
    predicted = _kernel(_binned(answers.p, answers.p))
    shown = mass * _effective_rows() > 15
    observed = _kernel(_binned(answers.p, answers.labels))[shown] / mass[shown]
    worlds = [
        _kernel(_binned(answers.p, labels))[shown] / mass[shown]
        for labels in draws(answers, count)
    ]
    low, high = (
        np.quantile(np.array(worlds), (0.05, 0.95), axis=0)
        if shown.any()
        else (np.zeros(0), np.zeros(0))
    )
    return Curve(predicted[shown] / mass[shown], observed, low, high, (mass / mass.sum())[shown])


def _kernel(values: Floats) -> Floats:
    found: Floats = gaussian_filter1d(values, CURVE_WIDTH * GRID, mode="reflect")
    return found


def _effective_rows() -> float:
    """Rows under the kernel, for a mass of one a bin."""
    return float(2 * np.sqrt(np.pi) * CURVE_WIDTH * GRID)


@dataclass(frozen=True)
class Slope:
    """Slope of a logistic regression of outcomes on the log-odds; 1 is right.

    Below 1 the probabilities are too far apart, above 1 too timid.
    """

    value: float
    standard_error: float


def calibration_slope(answers: Answers) -> Slope:
    """Cox's (1958) slope with a standard error by deals; NaN where nothing can be fitted."""
    x = np.stack([np.ones(len(answers.p)), logit(answers.p)], axis=1)
    if len(np.unique(answers.labels)) < 2 or np.ptp(x[:, 1]) < 1e-6:
        return Slope(float("nan"), float("nan"))
    beta = np.array([0.0, 1.0])
    for _ in range(30):
        p = expit(x @ beta)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, x.T @ (answers.labels - p))
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    residual = answers.labels - expit(x @ beta)
    score = residual * (x @ np.linalg.inv(hessian)[1])
    return Slope(float(beta[1]), error_of_sum(answers.deal, score))


def error_of_sum(deal: Ints, values: Floats) -> float:
    """Standard error of a sum of rows with mean zero, when only deals are independent."""
    _, index = np.unique(deal, return_inverse=True)
    return float(np.sqrt((np.bincount(index, values) ** 2).sum()))


@dataclass(frozen=True)
class Ratio:
    """Observed over expected wins with a 95 % interval by deals."""

    value: float
    low: float
    high: float

    @property
    def off(self) -> bool:
        """The interval leaves 1 out."""
        return bool(self.low > 1 or self.high < 1)


def observed_over_expected(answers: Answers, z: float = 1.96) -> Ratio:
    """Delta method: the error of the sum of what is missed, deal by deal, over the expected."""
    expected = float(answers.p.sum())
    if expected <= 0:
        return Ratio(float("nan"), float("nan"), float("nan"))
    ratio = float(answers.labels.sum()) / expected
    seen = error_of_sum(answers.deal, answers.labels - ratio * answers.p)
    error = max(seen, _perfect_spread(answers)) / expected
    return Ratio(ratio, max(ratio - z * error, 0.0), ratio + z * error)


def _perfect_spread(answers: Answers) -> float:
    """Standard deviation of a perfect model's wins: where none came, the seen spread is nothing.

    Rows of a block are won or lost together.
    """
    rows = np.bincount(answers.block)
    variance = np.bincount(answers.block, answers.p * (1 - answers.p))
    return float(np.sqrt((rows * variance).sum()))
