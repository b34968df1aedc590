"""The gate: the model or the stage x age table, and which pipelines have models of their own.

`train` asks it as of its instant, a backtest as of each of its origins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from features.history import History
from training.close import Panel
from training.learners import Learner
from training.own_models import OwnModels, try_own_models
from training.segments import BySegment
from training.tiers import Tier, TierChoice, earns_its_place, tier_for
from training.validation import OutOfTime, Verdict, judge


@dataclass(frozen=True)
class Gate:
    """What may be served.

    Attributes
    ----------
    verdict, found : of the model that is served, with its pipelines' own answers; None where there
        was no test
    own : pipelines as they were tried; None where the table is served
    """

    choice: TierChoice
    verdict: Verdict | None
    found: OutOfTime | None
    own: OwnModels | None = None

    def learner(self, whole: Learner) -> Learner:
        """Learner of what is served, given that of all deals."""
        return BySegment(whole, self.own.learners) if self.own and self.own.learners else whole


def decide(
    history: History,
    panel: Panel,
    found: OutOfTime | None,
    closed: int,
    pipelines: Sequence[str],
    learner_for: Callable[[int], Learner],
    usual: float,
) -> Gate:
    """Judge what the model of all deals said at past origins, and try models of single pipelines.

    Parameters
    ----------
    panel : snapshots as known at the cut
    closed : deals whose closing was known
    pipelines : names in the order of their codes
    learner_for : what so many closed deals can carry
    usual : weight of the trees from which the learned one departs
    """
    tier = tier_for(closed)
    verdict = judge(found, usual) if found is not None else None
    choice = choose(tier, closed, verdict)
    if found is None or choice.tier == "table":
        return Gate(choice, verdict, found)
    own = try_own_models(history, panel, found, pipelines, learner_for)
    if not own.learners:
        return Gate(choice, verdict, found, own)
    verdict = judge(own.found, usual)
    gated = choose(tier, closed, verdict)
    return Gate(replace(gated, reason=gated.reason + own.reason), verdict, own.found, own)


def choose(tier: Tier, closed: int, verdict: Verdict | None) -> TierChoice:
    """Serve the model where it earns its place beside the stage x age table, and say why."""
    if tier == "table":
        return TierChoice(
            "table",
            f"only {closed} closed deals are known; below 50 the stage x age table, shrunk to a "
            "prior, is the most that they can carry",
        )
    if verdict is None:
        return TierChoice(
            "table",
            f"{closed} closed deals, but the history is too short to test a model on a later "
            "time; the stage x age table is served",
        )
    gain = verdict.gain
    shown = (
        f"{gain.mean:+.4f} +- {gain.standard_error:.4f} nats a snapshot over {gain.deals:,} deals"
    )
    if not earns_its_place(tier, gain):
        return TierChoice(
            "table",
            "the history holds no signal beyond stage and age that stands up out of time: the "
            f"model's log-loss against the stage x age table is {shown}; the table is served",
        )
    if gain.better:
        reason = f"out of time the model beats the stage x age table by {shown}"
    else:
        reason = (
            f"out of time the model is within the noise of the stage x age table, {shown}; with "
            "so many closed deals it is the more likely to be right"
        )
    return TierChoice(tier, f"{closed:,} closed deals, and {reason}")
