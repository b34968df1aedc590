"""The shock of a quarter: how far its wins fall from what could be foreseen before it.

The forecast of wins by arrivals and lives of deals is learned anew as of past instants a quarter
apart, and compared with what came. What is left when the chance of single deals is taken out is
what moves all deals of a quarter together: the market, and whatever the model has wrong. Residuals
of a fit would be too small, for it has seen the quarters it is judged on.
"""

from __future__ import annotations

import numpy as np

from features.history import WON, History
from features.outcomes import closed_at
from features.windows import DAY
from training.arrivals import Arrivals, fit_arrivals
from training.moved_in import moved_deals

MONTH_DAYS, QUARTER_DAYS = 30, 90
MOST_QUARTERS = 6
LEAST_DAYS = 180
"""Days of history that a past instant must have behind it."""
PRIOR_SD, PRIOR_QUARTERS = 0.08, 8.0
"""Standard deviation of the shock (log scale) held to be likely, and its weight in quarters."""
LEAST_SD, MOST_SD = 0.04, 0.6


def arrivals_at(history: History, as_of: int) -> Arrivals:
    """Give the arrivals learned as of an instant, fitted once."""
    return history.index(f"arrivals:{as_of}", lambda: fit_arrivals(history, as_of))


def shock_at(history: History, as_of: int) -> float:
    """Standard deviation (log scale) of a quarter's shock, learned as of an instant, once."""
    return history.index(f"shock:{as_of}", lambda: _learned(history, as_of))


def _learned(history: History, as_of: int) -> float:
    """Excess variance of past quarters, shrunk to the prior."""
    begin = int(history.known_from.min(initial=as_of)) + LEAST_DAYS * DAY
    cuts = [as_of - k * QUARTER_DAYS * DAY for k in range(1, MOST_QUARTERS + 1)]
    excess, weight = 0.0, 0.0
    for cut in (cut for cut in cuts if cut >= begin):
        expected, variance = foreseen(history, cut)
        miss = came(history, cut, as_of) / expected - 1
        # A few wins say nothing of a shock: a quarter weighs by how small chance is beside it.
        trust = 1 / (1 + variance / PRIOR_SD**2)
        excess += trust * (miss**2 - variance)
        weight += trust
    square = (PRIOR_QUARTERS * PRIOR_SD**2 + excess) / (PRIOR_QUARTERS + weight)
    return float(np.sqrt(np.clip(square, LEAST_SD**2, MOST_SD**2)))


def foreseen(history: History, cut: int) -> tuple[float, float]:
    """Expected wins of the quarter after a cut, and the relative variance that chance gives."""
    arrivals = arrivals_at(history, cut)
    expected = max(arrivals.wins_within(QUARTER_DAYS), 1.0)
    return expected, arrivals.won.dispersion / expected


def came(history: History, cut: int, as_of: int) -> int:
    """Wins of the quarter after a cut, as they were known at `as_of`; of deals moved in, none."""
    closings = history.closings
    begin = -(-cut // DAY) * DAY
    happened = closed_at(history)
    inside = (happened >= begin) & (happened < begin + QUARTER_DAYS * DAY)
    known = (closings.time < as_of) & (closings.values["outcome"] == WON)
    known &= ~moved_deals(history, as_of)[closings.group]
    return int((inside & known).sum())
