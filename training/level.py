"""How the chances of today compare with those of the whole history: drift that no feature tells.

What is the same for all deals of a day would let a model learn the date: thousands of rows would
vouch for what a few dozen months have shown, each with its own luck. So it is learned of days
instead: the wins that came on each against those that the model expected of the deals open in the
month before, as a `DailyRate`, whose growth and climate are shrunk to what so many wins can tell.
"""

from __future__ import annotations

import numpy as np

from features.history import WON
from features.outcomes import Outcomes
from features.snapshots import Snapshots
from features.windows import DAY, Floats, Ints
from training.daily import fit_daily

GROWTH_SD = 0.1
"""Prior standard deviation of a year's change of the chances, log scale."""
AHEAD_DAYS = 90


def drift(snapshots: Snapshots, found: Outcomes, p: Floats, within: int, cut: int) -> float:
    """Log of the chances of the quarter after the cut over those of the rows on average.

    Parameters
    ----------
    p : (n,) expected chance that a snapshot's deal is won within so many days
    cut : instant (microseconds) by which the outcomes are known
    """
    if not len(snapshots):
        return 0.0
    first = int(snapshots.time.min()) // DAY
    at = np.arange(first, -(-cut // DAY)) * DAY
    begin = snapshots.time // DAY - first
    won = (found.kind == WON) & (found.days < within)
    closed = (snapshots.time[won] + found.days[won] * DAY) // DAY - first
    # A deal is asked again before its days are over: its wins and its chances count as one.
    again = within / _usual_gap(snapshots, within)
    wins = _count(closed.astype(np.int64), np.ones(won.sum()), len(at)) / again
    entered, left = (_count(day, p / within, len(at)) for day in (begin, begin + within))
    expected = np.maximum(np.cumsum(entered - left), 0.0) / again
    expected *= np.clip((cut - at) / DAY, 0.0, 1.0)
    if wins.sum() < 1:
        return 0.0
    rate = fit_daily(at, wins, expected, cut, growth_sd=GROWTH_SD)
    ahead = cut + np.arange(AHEAD_DAYS) * DAY
    now, past = (rate.rate(days) / np.exp(rate.shape(days)) for days in (ahead, at))
    return float(np.log(now.mean() / np.average(past, weights=expected)))


def _usual_gap(snapshots: Snapshots, most: int) -> float:
    """Days between two snapshots of a deal, at most so many."""
    same = snapshots.deal[1:] == snapshots.deal[:-1]
    gaps = np.diff(snapshots.time)[same] / DAY
    return float(min(np.median(gaps), most)) if len(gaps) else float(most)


def _count(day: Ints, weight: Floats, days: int) -> Floats:
    """(days,) sum of the weights by day; those after the last are left out."""
    inside = day < days
    return np.bincount(day[inside], weight[inside], minlength=days).astype(float)
