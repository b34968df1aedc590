"""The low-data gate: which model the number of closed deals can carry.

Below 50 closed deals a table shrunk to a prior; to 300 a ridge logistic; to 1,000 its average with
strongly regularised trees; above that the full blend. Default LightGBM on few deals is harmful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import norm

from training.averaging import USUAL_WEIGHT
from training.basis import FINE_QUANTILES, QUANTILES
from training.boosted import CAREFUL, DEFAULTS, ROOMY, Boosted
from training.learners import Blend, Learner
from training.logistic import Logistic
from training.metrics import Difference
from training.table import Table

Tier = Literal["table", "logistic", "blend", "full"]
MANY_DEALS = 15_000
"""Closed deals from which trees may grow larger and lines bend more often: on simulated firms of
47,000 deals the first gained one point of the achievable, the second two."""
BELIEF_DEALS = 1_000.0
"""Closed deals with which the belief that all features of the twin are shrunk alike is worth one
column. With more it is worth less, for they tell each feature's own shrinkage: on drawn firms one
was best with 800 deals, about .1 to .3 with 6,000, and .03 was better than .1 with 47,000."""
LIMITS: tuple[tuple[int, Tier], ...] = ((50, "table"), (300, "logistic"), (1_000, "blend"))


@dataclass(frozen=True)
class TierChoice:
    """The tier that is served and, in words for people, why."""

    tier: Tier
    reason: str


EXPECTED_GAIN: Mapping[Tier, tuple[float, float]] = {"blend": (0.0, 0.01), "full": (0.01, 0.01)}
"""Mean and standard deviation of what a tier gains over the table where a history holds a signal,
in nats a snapshot; tiers that are not here must prove themselves.

The test of some hundred deals is noisier than what it measures. On drawn firms with known truth
(`experiments/close_truth.py`, seeds 101 to 112), at 90 days: of 1,500 deals the model was nearer
to the truth than the table on ten of twelve, and a gain above one standard error had found four of
them; of 600 deals on eight, on all six that had tested better by however little.
"""
SIGNAL_SHARE = 0.8
"""Share of histories that hold a signal beyond stage and age, before a firm's own test."""


def earns_its_place(tier: Tier, gain: Difference) -> bool:
    """Whether a model is to be served rather than the stage x age table.

    With fewer than 300 deals it must beat the table by over one standard error. Above that, two
    things must be the more likely after the test: that the history holds a signal at all (a spike
    at no gain against the spread of gains to be expected; Mitchell & Beauchamp 1988), and that
    what it gains, tested and expected gain weighed by their precision, is above nothing.
    """
    if tier not in EXPECTED_GAIN:
        return gain.better
    mean, sd = EXPECTED_GAIN[tier]
    error = max(gain.standard_error, 1e-9)
    signal = SIGNAL_SHARE * norm.pdf(gain.mean, mean, np.hypot(error, sd))
    chance = (1 - SIGNAL_SHARE) * norm.pdf(gain.mean, 0.0, error)
    return bool(signal > chance) and gain.mean + mean * (error / sd) ** 2 > 0


def tier_for(closed_deals: int) -> Tier:
    """Richest tier that this many closed deals can carry."""
    return next((tier for limit, tier in LIMITS if closed_deals < limit), "full")


@dataclass(frozen=True)
class Recipe:
    """How the full tier learns.

    Attributes
    ----------
    trees : parameters of the trees that differ from the defaults
    l2 : penalty about which the logistic twin learns those of its features
    weight : of the trees in the average, the rest is the twin's; the one served departs from it
        as far as the past tells (`training.averaging`)
    """

    trees: Mapping[str, Any] | None = None
    l2: float = 1_200.0
    weight: float = USUAL_WEIGHT

    def to_json(self) -> dict[str, Any]:
        """Plain types for cards and trackers."""
        return asdict(self)


DEFAULT = Recipe()


def learner_of(
    tier: Tier, categorical: tuple[str, ...], closed_deals: int = 0, recipe: Recipe = DEFAULT
) -> Learner:
    """Learner of a tier, for this many closed deals."""
    if tier == "table":
        return Table()
    if tier == "logistic":
        return Logistic(categorical)
    if tier == "blend":
        few = (Boosted(categorical, CAREFUL), Logistic(categorical))
        return Blend(few, (recipe.weight, 1 - recipe.weight))
    many = closed_deals >= MANY_DEALS
    params = ROOMY if many else DEFAULTS
    trees = Boosted(categorical, {**params, **(recipe.trees or {})})
    bends = FINE_QUANTILES if many else QUANTILES
    belief = min(1.0, BELIEF_DEALS / max(closed_deals, 1))
    twin = Logistic(categorical, recipe.l2, slopes=True, quantiles=bends, belief=belief)
    return Blend((trees, twin), (recipe.weight, 1 - recipe.weight))
