"""The served model as `train` would have made it at each origin of a backtest.

At an origin `train` validates on earlier origins before it fits the last model: from that come
the calibration and the decision whether the model may be served at all. Those earlier origins are
mostly origins of the backtest, too, so their fits are kept and nothing is fitted twice. What a
learner makes of the number of closed deals is therefore decided by those known at the earlier
origin, where `train` takes the number known at its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from features.outcomes import outcomes
from training.averaging import USUAL_WEIGHT
from training.close import CloseModel, fit_close
from training.learners import Learner
from training.origins import Answer, Contender, Known, Past, curves
from training.table import Table
from training.tiers import Tier, learner_of, tier_for
from training.train import choose
from training.validation import (
    LEAST_CLOSED,
    WINDOWS,
    OutOfTime,
    Verdict,
    answered,
    horizons_for,
    joined,
    judge,
    origins_for,
)

LearnerOf = Callable[[Tier, tuple[str, ...], int], Learner]


@dataclass
class Served(Contender):
    """Model, calibration and gate of `train`, refitted at each origin.

    Attributes
    ----------
    learner : the learner of a tier; another than the default makes a candidate that is
        calibrated and gated like the served one
    usual : weight of its trees in the average, from which the learned one departs
    tiers : what would have been served at each origin, filled in as they are fitted
    """

    past: Past
    name: str = "served model"
    learner: LearnerOf = learner_of
    usual: float = USUAL_WEIGHT
    tiers: dict[int, Tier] = field(default_factory=dict)
    _fits: dict[tuple[int, Tier, tuple[str, ...]], tuple[CloseModel, CloseModel, int | None]] = (
        field(default_factory=dict)
    )

    def fit(self, known: Known, horizons: Sequence[int]) -> Answer:
        """Fit, calibrate out of time and choose, all by what was known at the origin."""
        tier = tier_for(known.closed)
        close, table = self._fitted(known, tier, None)
        verdict = self._verdict(known, tier) if tier != "table" else None
        choice = choose(tier, known.closed, verdict)
        self.tiers[known.cut] = choice.tier
        if choice.tier == "table" or verdict is None:
            return curves(table, horizons)
        return curves(verdict.applied(close), horizons)

    def _fitted(
        self, known: Known, tier: Tier, until: int | None
    ) -> tuple[CloseModel, CloseModel]:
        """Model and table; a fit of all knots also answers who asks for the first ones."""
        key = (known.cut, tier, tuple(known.panel.features.columns))
        found = self._fits.get(key)
        if found is not None and found[2] in {None, until}:
            return found[:2]
        learner = self.learner(tier, known.categorical, known.closed)
        close = fit_close(known.panel, learner, known.longest, until)
        table = fit_close(known.panel, Table(), known.longest, until)
        self._fits[key] = (close, table, until)
        return close, table

    def _verdict(self, known: Known, tier: Tier) -> Verdict | None:
        """What validation on earlier origins says, as in `training.validation`."""
        horizons = horizons_for(known.panel)
        folds = [self._fold(known, cut, tier, horizons) for cut in origins_for(known.panel)]
        found = [fold for fold in folds if fold is not None]
        return judge(joined(found), self.usual) if found else None

    def _fold(
        self, known: Known, cut: int, tier: Tier, horizons: tuple[int, ...]
    ) -> OutOfTime | None:
        """What an earlier origin says of the weeks after it, whose outcomes are known by now."""
        earlier = self.past.at(cut, WINDOWS[horizons[-1]], known.panel.snapshots)
        panel = earlier.panel
        if panel.closed_deals < LEAST_CLOSED or not panel.outcomes.known(horizons[-1]).any():
            return None
        later = outcomes(known.history, earlier.asked, known.cut)
        if not len(earlier.asked):
            return None
        models = self._fitted(earlier, tier, horizons[-1])
        return answered(models, earlier.features, earlier.asked, later, horizons)
