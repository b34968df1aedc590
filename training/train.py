"""From the history to a validated bundle, as of an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.history import LOST, WON, History
from features.pipeline import available_features, compute_features
from features.snapshots import Snapshots, open_deals, panel
from features.trust import filled_later, trusted
from features.vocabulary import Vocabulary, learn_vocabulary
from features.windows import DAY
from training.amount import fit_amount
from training.bundle import Bundle
from training.card import influence
from training.close import CloseModel, Panel, Progress, fit_close, make_panel
from training.gate import decide
from training.hindsight import learned_widening
from training.learners import Learner
from training.outlook import TERMS
from training.own_models import PIPELINES
from training.shock import arrivals_at
from training.table import Table
from training.tiers import (
    DEFAULT,
    Recipe,
    TierChoice,
    learner_of,
    tier_for,
)
from training.timing import WhenWon
from training.validation import ORIGINS, OutOfTime, Verdict, validate
from training.yardsticks import usual_waits

MANY_ROWS = 100_000
MOST_ROWS = 150_000
STEPS = ORIGINS + 8
"""Steps that `train` reports, with the logging that follows it."""
LONGEST, SHORTEST = 730.0, 84.0


class TrainingError(ValueError):
    """Nothing can be learned from this history as of this instant; the message says why."""


@dataclass(frozen=True)
class Trained:
    """A bundle with what was learned on the way to it.

    Attributes
    ----------
    panel, categorical : what it learned from, and the names of the columns that hold codes
    """

    bundle: Bundle
    verdict: Verdict | None
    out_of_time: OutOfTime | None
    panel: Panel
    categorical: tuple[str, ...]


def train(
    history: History,
    as_of: int,
    progress: Progress = lambda _: None,
    recipe: Recipe = DEFAULT,
) -> Trained:
    """Fit and validate on what was known strictly before `as_of` (microseconds).

    Raises
    ------
    TrainingError
        Where no deal was known before `as_of`.
    """
    if not (history.known_from < as_of).any():
        raise TrainingError(_nothing_known(history, as_of))
    vocabulary = learn_vocabulary(history, as_of)
    progress("laying out snapshots")
    chosen = bounded_panel(history, as_of)
    progress(f"computing features of {len(chosen):,} snapshots")
    distrusted = filled_later(history, as_of)
    names = model_features(history, vocabulary, distrusted, chosen)
    features = informative(compute_features(history, vocabulary, chosen, names))
    rows = make_panel(history, chosen, features, as_of)
    categorical = categorical_names(history, vocabulary, list(features.columns))
    closed = closed_deals(history, as_of)
    tier = tier_for(closed)
    learner = learner_of(tier, categorical, closed, recipe)
    found = validate(history, rows, learner, progress) if tier != "table" else None
    if found is not None:
        progress("trying models of single pipelines")
    gate = decide(
        *(history, rows, found, closed, vocabulary.categories.get(PIPELINES, ())),
        lambda deals: learner_of(tier_for(deals), categorical, deals, recipe),
        recipe.weight,
    )
    choice, verdict, found = gate.choice, gate.verdict, gate.found
    if found is not None and verdict is not None:
        found = found.weighed(verdict.weight)
    learner = gate.learner(learner)
    close, table = _final_fit(rows, learner, choice, verdict, longest_horizon(rows), progress)
    progress("learning amounts")
    amount = fit_amount(history, rows)
    card = _card(history, rows, choice, closed, verdict, amount.wins)
    card["distrusted"] = distrusted
    card["recipe"] = recipe.to_json()
    card["pipelines"] = [each.to_json() for each in gate.own.tried] if gate.own else []
    card["influence"] = influence(close, rows, names_of_families(history, vocabulary))
    card["usual_waits"] = usual_waits(history, vocabulary, rows)
    progress("replaying forecasts of past months")
    card[TERMS] = learned_widening(history, as_of, priced=amount.wins > 0) | {"as_of": as_of}
    columns = tuple(map(str, features.columns))
    bundle = Bundle(
        *(choice.tier, columns, vocabulary, close, table, amount, as_of, card),
        when=_when_won(history, rows, close),
    )
    return Trained(bundle, verdict, found, rows, categorical)


def bounded_panel(history: History, as_of: int) -> Snapshots:
    """Weekly panel of at most about MOST_ROWS rows.

    Beyond MANY_ROWS each deal is kept every two or four weeks at a phase of its own, for its weeks
    resemble each other; beyond MOST_ROWS a share of the deals is, chosen by a hash. Neither looks
    at what became of a deal, so nothing is biased. Where deals live for few weeks, rows left out
    are deals left out: so no more than must be.
    """
    for every in (1, 2, 4):
        found = panel(history, as_of, every=every)
        if len(found) <= MANY_ROWS:
            return found
    if len(found) > MOST_ROWS:
        found = panel(history, as_of, every=4, share=MOST_ROWS / len(found))
    return found


def model_features(
    history: History, vocabulary: Vocabulary, distrusted: dict[str, str], rows: Snapshots
) -> list[str]:
    """Names of the features that a model may read on these rows."""
    length = np.ptp(rows.time) if len(rows) else 0
    return [
        name
        for name, feature in available_features(history, vocabulary).items()
        if feature.for_models
        and trusted(feature, distrusted)
        and length >= feature.least_days * DAY
    ]


def informative(features: pd.DataFrame) -> pd.DataFrame:
    """Leave out columns that never vary: they can teach nothing."""
    varies = [name for name in features if len(features[name].unique()) > 1]
    return features[varies or ["age_days"]]


def categorical_names(
    history: History, vocabulary: Vocabulary, names: Sequence[str]
) -> tuple[str, ...]:
    """Names of the columns that hold codes."""
    known = available_features(history, vocabulary)
    return tuple(name for name in names if known[name].categorical)


def names_of_families(history: History, vocabulary: Vocabulary) -> dict[str, str]:
    """Family of each feature."""
    known = available_features(history, vocabulary)
    return {name: feature.family for name, feature in known.items()}


def closed_deals(history: History, as_of: int) -> int:
    """Deals whose closing was known before `as_of`."""
    return len(np.unique(history.closings.group[history.closings.time < as_of]))


def longest_horizon(rows: Panel) -> float:
    """Days that stand for `ever`: as long as the history, between 84 days and two years."""
    days = float(np.ptp(rows.snapshots.time)) / DAY if len(rows) else 0.0
    return float(np.clip(days, SHORTEST, LONGEST))


def _final_fit(
    rows: Panel,
    learner: Learner,
    choice: TierChoice,
    verdict: Verdict | None,
    longest: float,
    progress: Progress,
) -> tuple[CloseModel, CloseModel]:
    """Refit on everything known; the calibration is the one learned out of time."""
    table = fit_close(rows, Table(), longest)
    if choice.tier == "table" or verdict is None:
        return table, table
    progress("fitting the model that will be served")
    close = fit_close(rows, learner, longest)
    return verdict.applied(close), table


def _when_won(history: History, rows: Panel, close: CloseModel) -> WhenWon | None:
    """What the firm's calendar and the deals open at the cut tell of when deals are won."""
    newest = rows.snapshots.time == rows.cut
    if not newest.any():
        return None
    usual = close.incidence(rows.features[newest]).won.mean(axis=0)
    return WhenWon(arrivals_at(history, rows.cut).won, usual, close.tail_days)


def _card(
    history: History,
    rows: Panel,
    choice: TierChoice,
    closed: int,
    verdict: Verdict | None,
    won_amounts: int,
) -> dict[str, Any]:
    """Facts about the bundle for people and for the tracker."""
    everyone = np.arange(history.size)
    stands = history.stages.last("outcome", everyone, np.full(history.size, rows.cut))
    return {
        "tier": choice.tier,
        "reason": choice.reason,
        "deals": int((history.known_from < rows.cut).sum()),
        "open_deals": len(open_deals(history, rows.cut)),
        "closed_deals": closed,
        "won_deals": int((stands == WON).sum()),
        "lost_deals": int((stands == LOST).sum()),
        "won_with_amount": won_amounts,
        "snapshots": len(rows),
        "features": len(rows.features.columns),
        "longest_horizon_days": longest_horizon(rows),
        "validation": verdict.to_json() if verdict else None,
    }


def _nothing_known(history: History, as_of: int) -> str:
    first = (
        pd.Timestamp(int(history.known_from.min()), unit="us", tz="UTC") if history.size else None
    )
    asked = pd.Timestamp(as_of, unit="us", tz="UTC")
    if first is None:
        return "the store holds no deal; run `dealcast import SOURCE` first"
    return (
        f"no deal was known before {asked:%Y-%m-%d}: the first became known on {first:%Y-%m-%d}; "
        "choose a later --as-of"
    )
