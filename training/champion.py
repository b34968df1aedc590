"""Champion and challenger: whether a newly trained bundle takes over, and why, in words.

Both are asked about the same snapshots of the past, and the difference is judged deal by deal.
Where the champion has been out long enough, those are snapshots of which it had learned nothing;
where it is too young for that and was made by another recipe, or with models of their own for
other pipelines, that is refitted at the challenger's own origins. Where all is the same there is
nothing to test: the challenger only knows later facts, and takes over once the champion has the
age that the settings allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.history import History
from features.pipeline import compute_features
from features.snapshots import Snapshots
from features.windows import DAY, Bools, Floats
from training.bundle import Bundle
from training.learners import Learner, expit
from training.metrics import Difference, log_loss, paired
from training.own_models import PIPELINES, pipelines_served
from training.segments import SEGMENT, BySegment
from training.tiers import Recipe, Tier, learner_of, tier_for
from training.train import Trained
from training.validation import OutOfTime, validate

LEAST_DEALS = 100
"""Deals that a comparison needs."""


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes champion, with the reason."""

    promote: bool
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Log-loss of the champion less that of the challenger on the same snapshots, and which."""

    gain: Difference
    where: str


def compare(history: History, champion: Bundle, trained: Trained) -> Comparison | None:
    """Judge both on the newest mature snapshots; None where nothing tells them apart."""
    found = trained.out_of_time
    if found is None:
        return None
    unseen = found.time >= champion.cut
    if len(np.unique(found.deal[unseen])) >= LEAST_DEALS:
        answers = _answers(history, champion, found, unseen)
        return Comparison(
            _difference(trained.bundle, found, answers, unseen),
            f"on snapshots from {_day(int(found.time[unseen].min()))} on, which neither had seen",
        )
    if _made(champion) == _made(trained.bundle):
        return None
    return _by_recipe(history, champion, trained, found)


def _recipe(bundle: Bundle) -> Recipe:
    return Recipe(**(bundle.card.get("recipe") or {}))


def _made(bundle: Bundle) -> tuple[Recipe, Tier, set[str]]:
    """How a bundle was made: what two must differ in to be compared where both are refitted."""
    return _recipe(bundle), bundle.tier, {name for name, _ in pipelines_served(bundle.card)}


def _answers(
    history: History, champion: Bundle, found: OutOfTime, rows: Bools
) -> dict[int, Floats]:
    asked = Snapshots(found.deal[rows], found.time[rows])
    features = compute_features(history, champion.vocabulary, asked, list(champion.features))
    won = champion.close.incidence(features).won_by(list(found.labels))
    return {h: won[:, column] for column, h in enumerate(found.labels)}


def _by_recipe(
    history: History, champion: Bundle, trained: Trained, found: OutOfTime
) -> Comparison | None:
    """Refit the champion's recipe where the challenger was validated."""
    closed = int(trained.bundle.card["closed_deals"])

    def carried(deals: int) -> Learner:
        return learner_of(tier_for(deals), trained.categorical, deals, _recipe(champion))

    codes = trained.bundle.vocabulary.categories.get(PIPELINES, ())
    own = {
        codes.index(name): carried(deals)
        for name, deals in pipelines_served(champion.card)
        if name in codes and SEGMENT in trained.panel.features
    }
    learner = BySegment(carried(closed), own) if own else carried(closed)
    other = validate(history, trained.panel, learner, lambda _: None)
    if other is None:
        return None
    other = other.weighed(other.learned_weight(_recipe(champion).weight))
    side = other.table if champion.tier == "table" else other.model
    answers = {h: expit(z) for h, z in side.items()}
    gain = _difference(trained.bundle, found, answers, np.ones(len(found.deal), bool))
    return Comparison(gain, "with both recipes refitted at the same origins of the past")


def _difference(
    challenger: Bundle, found: OutOfTime, champion: dict[int, Floats], rows: Bools
) -> Difference:
    side = found.table if challenger.tier == "table" else found.model
    gains = [
        log_loss(found.labels[h][rows], champion[h])
        - log_loss(found.labels[h][rows], expit(side[h][rows]))
        for h in found.labels
    ]
    return paired(found.deal[rows], np.mean(gains, axis=0))


def decide(
    champion: Bundle | None, challenger: Bundle, comparison: Comparison | None, most_days: float
) -> Decision:
    """Better by more than one standard error, or the champion is too old; else it stays.

    Parameters
    ----------
    comparison : None where there was nothing to tell them apart
    most_days : days between the cuts after which a champion gives way to what is not worse
    """
    if champion is None:
        return Decision(True, "there was no champion")
    if challenger.cut < champion.cut:
        return Decision(
            False,
            f"the champion (version {champion.version}) has learned up to {_day(champion.cut)}, "
            f"the new bundle only up to {_day(challenger.cut)}; it answers when you ask as of its "
            "own time",
        )
    told = _told(champion, comparison)
    gain = comparison.gain if comparison else Difference(0.0, float("inf"), 0)
    if gain.better:
        return Decision(True, f"better than {told}")
    if -gain.mean > gain.standard_error:
        return Decision(False, f"worse than {told}")
    days = (challenger.cut - champion.cut) / DAY
    if days >= most_days:
        return Decision(
            True,
            f"the champion (version {champion.version}) knows {days:.0f} days less, more than the "
            f"{most_days:g} that champion_days allows; no worse than {told}",
        )
    return Decision(
        False,
        f"not better than {told}; the champion knows {days:.1f} days less and stays until that "
        f"are {most_days:g} (champion_days). `dealcast promote {challenger.version}` takes the "
        "new one by hand",
    )


def _told(champion: Bundle, comparison: Comparison | None) -> str:
    if comparison is None:
        return f"version {champion.version}: the same recipe, and no outcome yet that tells"
    gain = comparison.gain
    return (
        f"version {champion.version} by {gain.mean:+.4f} +- {gain.standard_error:.4f} nats a "
        f"snapshot over {gain.deals:,} deals, {comparison.where}"
    )


def _day(cut: int) -> str:
    return f"{pd.Timestamp(cut, unit='us', tz='UTC'):%Y-%m-%d}"
