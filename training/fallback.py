"""With few wins: what is expected of deals not yet created is drawn towards a plain series.

Booked revenue and open deals stay as they are: a series of months knows nothing of them. So
booked, open and new still add up on every path and in every roll-up, and where the series expects
less than is booked and open, what is new is made smaller, but not nothing. Intervals stay as wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from features.windows import Floats
from training.forecast import NewDeals, OpenDeals, Spread
from training.series import MONTHLY, Series

CANDIDATES = ("AutoETS", "run rate")
"""What may be fallen back to: series that say a level. A year ago times the growth since is a
ratio of a few wins to a few others."""
FALL_BACK = "fall back to "
"""Begins the name of the term that holds the weight."""
MONTHS = 6
"""Months ahead whose sum is compared, whatever is asked, so that every answer agrees."""
LARGEST = 2.0
"""Factor, up or down, beyond which deals to come are not moved."""


@dataclass(frozen=True)
class Fallback:
    """What deals not yet created were drawn to.

    Attributes
    ----------
    rival : name of the series
    weight : how far the sum of the next months was moved towards it, from 0 to 1
    factor : on the expected number of wins of deals not yet created
    """

    rival: str
    weight: float
    factor: float

    @property
    def said(self) -> str:
        """What must be said beside the forecast."""
        return (
            f"There are few wins, and the backtest prefers {self.rival}: deals not yet created "
            f"are drawn towards it (weight {self.weight:.2f}), to {self.factor:.2f} times what "
            "their arrivals say"
        )


def preferred(terms: Mapping[str, float]) -> str:
    """Say what forecasts will fall back to; empty where they will not."""
    asked = wanted(terms)
    if asked is None:
        return ""
    return (
        "There are few wins: what is expected of deals not yet created is drawn towards "
        f"{asked[0]}, which the backtest prefers (weight {asked[1]:.2f})."
    )


def wanted(terms: Mapping[str, float]) -> tuple[str, float] | None:
    """Series to fall back to and its weight, as the terms of a backtest say; else None."""
    for name in CANDIDATES:
        if (weight := float(terms.get(f"{FALL_BACK}{name}", 0.0))) > 0:
            return name, weight
    return None


def fall_back(
    name: str, weight: float, series: Series, deals: OpenDeals, new: NewDeals, level: float
) -> Fallback:
    """Compare the sums of the next months.

    Parameters
    ----------
    series : the next MONTHS months with nothing booked
    deals, new : what is simulated of these months
    level : what the backtest has learned of the bias of both
    """
    opened = level * float(np.diff(deals.won_by, axis=1, prepend=0.0).sum(axis=1) @ deals.amount)
    to_come = level * float(new.wins @ mean_amounts(new))
    apart = float(MONTHLY[name](series).sum()) - opened - to_come
    factor = 1 + weight * apart / to_come if to_come > 0 else 1.0
    return Fallback(name, weight, float(np.clip(factor, 1 / LARGEST, LARGEST)))


def mean_amounts(new: NewDeals) -> Floats:
    """(periods,) mean amount of a win of a new deal."""
    if not len(new.amounts):
        return np.zeros(len(new.wins))
    weights = np.ones((len(new.wins), len(new.amounts))) if new.weights is None else new.weights
    means: Floats = weights @ new.amounts / weights.sum(axis=1)
    return means


def moved(new: NewDeals, spread: Spread, factor: float) -> tuple[NewDeals, Spread]:
    """New deals times a factor; fewer of them vary as much as before in every period.

    The variance of a period's sum is that of chance, in proportion to its mean, and that of what
    moves all deals together, in proportion to the mean's square. Fewer deals are therefore drawn
    with numbers that are more dispersed, and a level that is less sure.
    """
    fewer = replace(new, wins=new.wins * factor)
    if factor >= 1 or not len(new.amounts):
        return fewer, spread
    amounts = float(new.amounts.var()) / max(float(new.amounts.mean()) ** 2, 1e-9)
    dispersion = (new.dispersion + amounts) / factor - amounts
    shared = spread.shock**2 + spread.amount**2
    level = float(np.sqrt((shared + spread.new**2) / factor**2 - shared))
    return replace(fewer, dispersion=dispersion), replace(spread, new=level)
