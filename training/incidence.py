"""Incidence: P(won by t) and P(lost by t) as coherent curves over t, for any t asked.

Curves are held at knots (days ahead) plus `ever`. Between knots they are linear; past the last
knot they approach `ever` exponentially. `coherent` makes any predictions a competing-risk pair:
both never fall, and won + lost never exceeds 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.windows import Floats

KNOTS: tuple[int, ...] = (28, 56, 84, 112, 196)
"""Days ahead at which models answer; the `ever` of each curve comes after the last."""


@dataclass(frozen=True)
class Incidence:
    """Curves of n deals.

    Attributes
    ----------
    won, lost : (n, knots + 1) cumulative probabilities at the knots and, last, ever
    tail_days : mean waiting time of what happens after the last knot
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
        asked = np.atleast_1d(np.asarray(days, float))
        at = np.concatenate([[0.0], self.knots])
        values = np.concatenate([np.zeros((len(curve), 1)), curve[:, :-1]], axis=1)
        right = np.clip(np.searchsorted(at, asked, side="left"), 1, len(at) - 1)
        share = np.clip((asked - at[right - 1]) / (at[right] - at[right - 1]), 0.0, 1.0)
        low, high = values[:, right - 1], values[:, right]
        # Rounding must not take a day's value above that of a later day.
        inside = np.minimum(low + (high - low) * share, high)
        beyond = np.maximum(asked - at[-1], 0.0)
        rest = (curve[:, -1] - curve[:, -2])[:, None]
        tail = rest * -np.expm1(-beyond / self.tail_days)
        whole = asked >= self.longest
        return np.where(whole, curve[:, [-1]], np.minimum(inside + tail, curve[:, [-1]]))


def coherent(won: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Make raw (n, knots) predictions a competing-risk pair.

    Each curve is raised to its running maximum; where an increment would push won + lost over 1,
    both increments are shrunk by the same factor to the mass that is left.
    """
    rising = [np.maximum.accumulate(np.clip(c, 0.0, 1.0), axis=1) for c in (won, lost)]
    steps = [np.diff(c, axis=1, prepend=0.0) for c in rising]
    left = np.ones(len(won))
    fixed_won, fixed_lost = np.empty_like(rising[0]), np.empty_like(rising[1])
    total_won, total_lost = np.zeros(len(won)), np.zeros(len(won))
    for k in range(won.shape[1]):
        wanted = steps[0][:, k] + steps[1][:, k]
        factor = np.where(wanted > left, left / np.maximum(wanted, 1e-300), 1.0)
        total_won = total_won + steps[0][:, k] * factor
        total_lost = total_lost + steps[1][:, k] * factor
        left = np.maximum(1.0 - total_won - total_lost, 0.0)
        fixed_won[:, k], fixed_lost[:, k] = total_won, total_lost
    return fixed_won, fixed_lost


def tail_of(won: Floats, knots: tuple[int, ...] = KNOTS) -> float:
    """Mean waiting time past the last knot, from how the mean curve approaches `ever`."""
    before = float(np.mean(won[:, -1] - won[:, -3]))
    after = float(np.mean(won[:, -1] - won[:, -2]))
    if not before > after > 0:
        return 120.0
    return float(np.clip((knots[-1] - knots[-2]) / np.log(before / after), 30.0, 365.0))
