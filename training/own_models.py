"""Which pipelines get a model of their own: those where it was better out of time.

A model of all deals has slopes by stage and reads the pipeline, and learns from all deals what
pipelines have in common: one of a single pipeline's deals wins only where the pipelines really
differ. So it must prove itself: at the origins
of the validation it is fitted on what that pipeline had shown by then, and what it says of the
pipeline's later deals is compared, deal by deal, with what the model of all deals said of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.history import History
from features.windows import Floats, Ints
from training.close import Panel, make_panel
from training.learners import Learner, expit
from training.metrics import Difference, log_loss, paired
from training.segments import SEGMENT
from training.validation import OutOfTime, joined, origins_for, validate

PIPELINES = "deals.pipeline"
"""Vocabulary of what `pipeline_code` codes."""
LEAST_DEALS = 1_500
"""Closed deals of a pipeline from which a model of its own is tried: with fewer it was worse on
drawn firms (`experiments/segment_models.py`), and training stays short."""
MOST_SHARE = 2 / 3
"""Of a pipeline with more of the rows the model of all deals is mostly its own already: to try one
costs almost a whole validation, so it is tried only where another pipeline has shown to be unlike.
"""
ERRORS = 2.0
"""Standard errors by which an own model must be better: on a drawn firm one error served one that
was further from the truth (`experiments/segment_models.py`, `strangers 104`)."""
TOO_FEW = f"one of its own is tried from {LEAST_DEALS:,} closed deals on"
TOO_LARGE = "most deals are its own, and no other pipeline was better answered by its own model"
TOO_SHORT = "too short a history to test one of its own on a later time"


@dataclass(frozen=True)
class Tried:
    """What was found of a pipeline.

    Attributes
    ----------
    deals : its closed deals
    skipped : why none was tried, in words
    gain : log-loss of the model of all deals less that of its own; None where none was tried
    given_up : it was not better at the newest past origin, so no other was asked
    """

    pipeline: str
    deals: int
    skipped: str = ""
    gain: Difference | None = None
    given_up: bool = False

    @property
    def served(self) -> bool:
        """Whether its own model answers for it."""
        return self.gain is not None and self.gain.mean > ERRORS * self.gain.standard_error

    @property
    def reason(self) -> str:
        """Which model answers for it and why, in words."""
        if self.gain is None:
            return f"the model of all deals; {self.skipped}"
        which = "its own model" if self.served else "the model of all deals"
        told = f"{which}; out of time its own is better by {_figure(self.gain)}"
        return f"{told}, at the newest of the past origins alone" if self.given_up else told

    def to_json(self) -> dict[str, Any]:
        """Plain types for the card."""
        return {**asdict(self), "served": self.served, "reason": self.reason}


def _figure(gain: Difference) -> str:
    return (
        f"{gain.mean:+.4f} +- {gain.standard_error:.4f} nats a snapshot over {gain.deals:,} deals"
    )


@dataclass(frozen=True)
class OwnModels:
    """Pipelines as they were tried, and what their own models changed.

    Attributes
    ----------
    learners : by code, of the pipelines whose own model is served
    found : what the past origins said, with the own models' answers where those are served
    """

    tried: tuple[Tried, ...]
    learners: dict[int, Learner]
    found: OutOfTime

    @property
    def reason(self) -> str:
        """Which pipelines have their own, to be added to the reason of the tier; maybe nothing."""
        own = [f"{t.pipeline} by {_figure(t.gain)}" for t in self.tried if t.served and t.gain]
        if not own:
            return ""
        return f"; with models of their own, better than that of all deals: {', '.join(own)}"


def pipelines_served(card: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Pipelines of a bundle's card that have models of their own, with their closed deals then."""
    tried = card.get("pipelines") or []
    return [(each["pipeline"], each["deals"]) for each in tried if each["served"]]


def try_own_models(
    history: History,
    panel: Panel,
    found: OutOfTime,
    pipelines: Sequence[str],
    learner_for: Callable[[int], Learner],
) -> OwnModels:
    """Try a model of its own for each pipeline that has many closed deals.

    Parameters
    ----------
    found : what the model of all deals said at the past origins
    pipelines : names in the order of their codes
    learner_for : what so many closed deals can carry
    """
    if SEGMENT not in panel.features:
        return OwnModels((), {}, found)
    code = panel.features[SEGMENT].to_numpy(float)
    rows = [np.flatnonzero(code == k) for k in range(len(pipelines))]
    tried = {k: Tried(name, _closed(panel, rows[k]), TOO_FEW) for k, name in enumerate(pipelines)}
    able = [k for k in tried if tried[k].deals >= LEAST_DEALS]
    large = [k for k in able if len(rows[k]) > MOST_SHARE * len(panel)]
    tried |= {k: replace(tried[k], skipped=TOO_LARGE) for k in large}

    def attempt(k: int) -> tuple[Tried, OutOfTime | None]:
        snapshots, features = panel.snapshots.take(rows[k]), panel.features.iloc[rows[k]]
        part = make_panel(history, snapshots, features, panel.cut)
        return _compared(history, part, learner_for(tried[k].deals), found, tried[k])

    answers = found
    for some in ([k for k in able if k not in large], large):
        if some is large and not any(each.served for each in tried.values()):
            break
        # Side by side as in `validate`, and limited here for the same reason.
        with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
            for k, (told, own) in zip(some, pool.map(attempt, some), strict=True):
                tried[k] = told
                answers = _replaced(answers, own) if told.served and own else answers
    learners = {k: learner_for(each.deals) for k, each in tried.items() if each.served}
    return OwnModels(tuple(tried.values()), learners, answers)


def _closed(panel: Panel, rows: Ints) -> int:
    """Deals of some rows whose outcome is known."""
    return len(np.unique(panel.snapshots.deal[rows][panel.outcomes.kind[rows] > 0]))


def _compared(
    history: History, part: Panel, learner: Learner, found: OutOfTime, told: Tried
) -> tuple[Tried, OutOfTime | None]:
    """Compare at the newest origin, and at the others where that gives hope."""
    told, own = replace(told, skipped=TOO_SHORT), None
    cuts = origins_for(part)
    newest, others = cuts[:1], cuts[1:]
    for some in (newest, others):
        more = validate(history, part, learner, lambda _: None, some)
        if more is None or more.labels.keys() != found.labels.keys():
            break
        own = more if own is None else joined([own, more])
        gain = _gain(found, own)
        told = replace(told, gain=gain, given_up=some is newest and gain.mean <= 0)
        if told.given_up:
            break
    return told, own


def _places(found: OutOfTime, own: OutOfTime) -> Ints:
    """(m,) rows of the model of all deals that are those of a pipeline's own."""
    every = pd.MultiIndex.from_arrays([found.deal, found.time])
    return every.get_indexer(pd.MultiIndex.from_arrays([own.deal, own.time])).astype(np.int64)


def _gain(found: OutOfTime, own: OutOfTime) -> Difference:
    """Log-loss of the model of all deals less that of the own, mean over the horizons."""
    rows = _places(found, own)
    gains = [
        log_loss(labels, expit(found.model[h][rows])) - log_loss(labels, expit(own.model[h]))
        for h, labels in own.labels.items()
    ]
    return paired(own.deal, np.mean(gains, axis=0))


def _replaced(found: OutOfTime, own: OutOfTime) -> OutOfTime:
    """What was said at the past origins, with a pipeline's own answers in their places."""
    rows = _places(found, own)

    def put(whole: Floats, part: Floats) -> Floats:
        mixed = whole.copy()
        mixed[rows] = part
        return mixed

    return replace(
        found,
        model={h: put(found.model[h], own.model[h]) for h in found.model},
        parts={h: put(found.parts[h], own.parts[h]) for h in found.parts},
        lost_model=put(found.lost_model, own.lost_model),
        lost_parts=put(found.lost_parts, own.lost_parts),
    )
