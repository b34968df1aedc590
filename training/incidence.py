"""Incidence: P(won by t) and P(lost by t) as coherent curves over t, for any t asked.

Curves are held at knots (days ahead) plus `ever`. Between knots they are linear, but from the last
knot but one on they approach `ever` exponentially: the last two lie months apart, and of what
comes between them most comes soon. `coherent` makes any predictions a competing-risk pair:
both never fall, and won + lost never exceeds 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from features.windows import Floats, Ints

KNOTS: tuple[int, ...] = (7, 14, 30, 62, 90, 118, 202)
"""Days ahead at which models answer; the `ever` of each curve comes after the last.

30 and 90 days are what is asked most, and a day or two on a straight line beyond a knot may be a
weekend, on which nothing is won; 7 and 14 tell which deals are won in the last days of a quarter.
How the others follow is in `training.close.BUILT_ON`.
"""
FIRST = 30
"""The knot that is fitted first: it stays as it is where those before it say more."""


@dataclass(frozen=True)
class Incidence:
    """Curves of n deals.

    Attributes
    ----------
    won, lost : (n, knots + 1) cumulative probabilities at the knots and, last, ever
    tail_days : mean waiting time of what happens after the last knot but one
    longest : horizon in days that stands for `ever`
    """

    won: Floats
    lost: Floats
    tail_days: float = 120.0
    longest: float = 730.0
    knots: tuple[int, ...] = KNOTS

    def __len__(self) -> int:
        return len(self.won)

    def won_by(self, days: npt.ArrayLike) -> Floats:
        """(n, horizons) P(won within `days`), days >= 0; a scalar gives (n, 1)."""
        return self._by(self.won, days)

    def lost_by(self, days: npt.ArrayLike) -> Floats:
        """(n, horizons) P(lost within `days`)."""
        return self._by(self.lost, days)

    def _by(self, curve: Floats, days: npt.ArrayLike) -> Floats:
        asked = tuple(np.atleast_1d(np.asarray(days, float)).tolist())
        right, share, beyond = _between(self.knots, self.tail_days, asked)
        values = np.concatenate([np.zeros((len(curve), 1)), curve[:, :-1]], axis=1)
        low, high = values.take(right - 1, axis=1), values.take(right, axis=1)
        # Rounding must not take a day's value above that of a later day.
        inside = np.minimum(low + (high - low) * share, high)
        ever = curve[:, -1:]
        tail = (ever - curve[:, -2:-1]) * -np.expm1(-beyond / self.tail_days)
        found = np.minimum(inside + tail, ever)
        whole = [day >= self.longest for day in asked]
        return np.where(whole, ever, found) if any(whole) else found


def bent(days: Floats, knots: tuple[int, ...], tail_days: float) -> Floats:
    """(horizons,) where between the knots a straight line has come as far as the curve in `days`.

    The same days but between the last two knots.
    """
    begin, length = knots[-2], knots[-1] - knots[-2]
    inside = np.clip(days - begin, 0.0, length)
    passed = length * np.expm1(-inside / tail_days) / np.expm1(-length / tail_days)
    found: Floats = days + passed - inside
    return found


@lru_cache(maxsize=64)
def _between(
    knots: tuple[int, ...], tail_days: float, days: tuple[float, ...]
) -> tuple[Ints, Floats, Floats]:
    """(horizons,) knot after each day, share of the way to it, and days beyond the last knot."""
    asked, at = np.array(days), np.array([0.0, *knots])
    right = np.clip(np.searchsorted(at, asked, side="left"), 1, len(at) - 1)
    straight = bent(asked, knots, tail_days)
    share = np.clip((straight - at[right - 1]) / (at[right] - at[right - 1]), 0.0, 1.0)
    return right, share, np.maximum(asked - at[-1], 0.0)


def coherent(won: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Make raw (n, knots) predictions a competing-risk pair.

    Knots before FIRST, which know the fewest closings, are lowered to what is said later, up to
    it; from there on each curve is raised to its running maximum. Where an increment would push
    won + lost over 1, both increments are shrunk by the same factor to the mass that is left.
    """
    told = np.clip([won, lost], 0.0, 1.0)
    soon = told[:, :, KNOTS.index(FIRST) :: -1]
    soon[:] = np.minimum.accumulate(soon, axis=2)
    raised = np.maximum.accumulate(told, axis=2)
    steps = raised.copy()
    steps[:, :, 1:] -= raised[:, :, :-1]
    total = steps.cumsum(axis=2)
    left = np.maximum(1.0 - total[0] - total[1], 0.0)
    wanted = steps[0] + steps[1]
    crowded = (wanted[:, 0] > 1.0) | (wanted[:, 1:] > left[:, :-1]).any(axis=1)
    if crowded.any():
        total[:, crowded] = _shrunk(steps[:, crowded])
    return total[0], total[1]


def _shrunk(steps: Floats) -> Floats:
    """(2, n, knots) sums of increments, of which each takes at most what is left."""
    found, total = np.empty_like(steps), np.zeros(steps.shape[:2])
    for k in range(steps.shape[2]):
        left = np.maximum(1.0 - total[0] - total[1], 0.0)
        wanted = steps[0, :, k] + steps[1, :, k]
        factor = np.where(wanted > left, left / np.maximum(wanted, 1e-300), 1.0)
        total = total + steps[:, :, k] * factor
        found[:, :, k] = total
    return found


def tail_of(won: Floats, knots: tuple[int, ...] = KNOTS) -> float:
    """Mean waiting time past the last knot but one, from how the mean curve approaches `ever`."""
    before = float(np.mean(won[:, -1] - won[:, -3]))
    after = float(np.mean(won[:, -1] - won[:, -2]))
    if not before > after > 0:
        return 120.0
    return float(np.clip((knots[-1] - knots[-2]) / np.log(before / after), 30.0, 365.0))
