"""The second probe for leaks: with outcomes shuffled between deals nothing may tell won from lost.

Which closings were wins is shuffled in the history itself; then everything is computed, fitted and
judged out of time as ever. What a deal looks like says nothing of how it ends any more, so the AUC
of won against lost must be .5 within noise. A feature that reads the outcome of its own deal, a
fold that teaches it, or a label that comes in by another door would lift it. Two controls show
that the probe can see: the history as it is, and a planted feature that reads how the deal ends.

`python -m experiments.shuffled_outcomes [--deals 1500] [--seeds 3]`
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.demo import World, simulate
from data.tables import Tables
from features.history import LOST, OPEN, WON, History
from features.pipeline import compute_features
from features.snapshots import panel
from features.vocabulary import learn_vocabulary
from training.calibration import deal_weights
from training.close import make_panel
from training.metrics import auc
from training.tiers import learner_of
from training.train import categorical_names, informative, model_features
from training.validation import validate

END = pd.Timestamp("2025-06-30", tz="UTC")


@dataclass(frozen=True)
class Probe:
    """AUC of won against lost among deals that closed after an origin, with its standard error."""

    auc: float
    noise: float
    deals: int

    @property
    def within_noise(self) -> bool:
        """Whether the AUC is no further than three standard errors from .5."""
        return abs(self.auc - 0.5) < 3 * self.noise


def shuffled(history: History, seed: int) -> History:
    """History whose closings have exchanged how they ended, and kept whose they are, and when."""
    values = {name: column.copy() for name, column in history.stages.values.items()}
    closing = np.flatnonzero(values["outcome"] != OPEN)
    other = np.random.default_rng(seed).permutation(closing)
    for name in ("stage", "outcome"):
        values[name][closing] = values[name][other]
    return replace(history, stages=history.stages.having(**values), indexes={})


def probe(history: History, cut: int, *, planted: bool = False) -> Probe:
    """Fit and judge out of time as training does; `planted` adds a feature that sees the outcome.

    Raises
    ------
    ValueError
        Where the history is too short for a single origin.
    """
    rows, words = panel(history, cut, every=2), learn_vocabulary(history, cut)
    names = model_features(history, words, {}, rows)
    features = informative(compute_features(history, words, rows, names))
    categorical = categorical_names(history, words, list(map(str, features)))
    if planted:
        ends = history.closings.next_index(rows.deal, rows.time)
        outcome = np.append(history.closings.values["outcome"], np.nan)
        features = features.assign(planted=outcome[ends].astype(np.float32))
    rows_of_all = make_panel(history, rows, features, cut)
    found = validate(history, rows_of_all, learner_of("blend", categorical), lambda _: None)
    if found is None:
        raise ValueError(
            f"no origin of {history.size} deals can be judged; bring a longer history"
        )
    closed = (found.kind == WON) | (found.kind == LOST)
    won, deal = (found.kind[closed] == WON).astype(float), found.deal[closed]
    logits = found.model[max(found.model)][closed]
    ended = pd.Series(won).groupby(deal).first()
    wins, losses = float(ended.sum()), float((1 - ended).sum())
    noise = np.sqrt((wins + losses + 1) / (12 * wins * losses))
    return Probe(auc(won, logits, deal_weights(deal)), float(noise), len(ended))


def main() -> None:
    """Print the probe of a demo CRM: as it is, shuffled, and with a planted leak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    made = simulate(World.demo(), deals=options.deals, years=2, end=END, seed=5)
    history = History.of(Tables.of(made.tables))
    cut = int(END.as_unit("us").asm8.astype(np.int64))
    runs = {"as it is": probe(history, cut)}
    for seed in range(options.seeds):
        runs[f"shuffled, seed {seed}"] = probe(shuffled(history, seed), cut)
    runs["shuffled, with a planted leak"] = probe(shuffled(history, 0), cut, planted=True)
    for name, found in runs.items():
        verdict = "within noise of .5" if found.within_noise else "tells won from lost"
        print(
            f"{name:32} AUC {found.auc:.3f} +- {found.noise:.3f} ({found.deals} deals): {verdict}"
        )


if __name__ == "__main__":
    main()
