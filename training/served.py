"""The served model as `train` would have made it at each origin of a backtest.

At an origin `train` validates on earlier origins before it fits the last model: from that come
the calibration, the decision whether the model may be served at all and which pipelines get models
of their own. Those earlier origins are mostly origins of the backtest, too, so their fits are kept
and nothing but the models of single pipelines is fitted twice. What a learner makes of the number
of closed deals is therefore decided by those known at the earlier origin, where `train` takes the
number known at its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from features.outcomes import outcomes
from training.averaging import USUAL_WEIGHT
from training.close import CloseModel, fit_close
from training.gate import decide
from training.learners import Learner
from training.origins import Answer, Contender, Known, Past, curves
from training.table import Table
from training.tiers import Tier, learner_of, tier_for
from training.validation import (
    LEAST_CLOSED,
    WINDOWS,
    OutOfTime,
    answered,
    horizons_for,
    joined,
    origins_for,
)

LearnerOf = Callable[[Tier, tuple[str, ...], int], Learner]


@dataclass
class Served(Contender):
    """Model, calibration, gate and pipelines' own models of `train`, refitted at each origin.

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
        found = self._out_of_time(known, tier) if tier != "table" else None
        gate = decide(
            *(known.history, known.panel, found, known.closed, known.pipelines),
            lambda deals: self.learner(tier_for(deals), known.categorical, deals),
            self.usual,
        )
        self.tiers[known.cut] = gate.choice.tier
        close, table = self._fitted(known, tier, None)
        if gate.choice.tier == "table" or gate.verdict is None:
            return curves(table, horizons)
        if gate.own and gate.own.learners:
            whole = self.learner(tier, known.categorical, known.closed)
            close = fit_close(known.panel, gate.learner(whole), known.longest)
        return curves(gate.verdict.applied(close), horizons)

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

    def _out_of_time(self, known: Known, tier: Tier) -> OutOfTime | None:
        """What models of earlier origins said, as in `training.validation`."""
        horizons = horizons_for(known.panel)
        folds = [self._fold(known, cut, tier, horizons) for cut in origins_for(known.panel)]
        found = [fold for fold in folds if fold is not None]
        return joined(found) if found else None

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
