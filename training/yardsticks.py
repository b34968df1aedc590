"""Yardsticks for sentences: what deals that were won in the end looked like on their way."""

from __future__ import annotations

import numpy as np

from features.history import WON, History
from features.pipeline import compute_features
from features.vocabulary import Vocabulary
from training.close import Panel

LEAST_DEALS = 20
"""Won deals that a stage needs before anything usual is said of it."""
WAIT = "days_since_last_inbound"


def usual_waits(history: History, vocabulary: Vocabulary, rows: Panel) -> dict[str, float]:
    """Median days since the buyer was last heard from, of deals won later, by stage.

    Only wins known at the panel's cut count. Stages with fewer than LEAST_DEALS such deals are
    left out: two or three deals make no habit.
    """
    chosen = rows.snapshots.take(rows.outcomes.kind == WON)
    if not len(chosen) or not history.has("activities.direction"):
        return {}
    waits = compute_features(history, vocabulary, chosen, [WAIT])
    names = np.array([*history.stage_names, ""], dtype=object)
    stage = np.nan_to_num(history.stages.last("stage", chosen.deal, chosen.time), nan=-1)
    heard = waits.assign(stage=names[stage.astype(int)], deal=chosen.deal).dropna(subset=[WAIT])
    by_stage = heard.groupby("stage")
    enough = by_stage["deal"].nunique() >= LEAST_DEALS
    medians = by_stage[WAIT].median()[enough]
    return {str(name): float(days) for name, days in medians.items() if name}
