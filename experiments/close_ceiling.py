"""How much of what is lost lies in the learning: `python -m experiments.close_ceiling`.

Between the served probabilities and the truth stand two things: what the CRM does not hold, which
no model can know, and what outcomes, each of them a coin that fell once, teach too little of. To
tell them apart the very learner that is served is taught a second time, each horizon by itself, by
the true chances instead of outcomes: of the deals open every other week of the 60 before the cut
that are not among those asked after it. Nothing at a real firm could teach like that; what still
lacks then lies in the features, or outside the CRM.

Both answer the same deals at the same instants after the cut; shares are those of
`experiments.close_truth`, whose firms these are. The one that is told the truth has seen fewer
deals, for only those of the last 60 weeks teach it: its share is rather too low.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from rich.console import Console

from experiments.close_truth import (
    DRAWS,
    END,
    EVER,
    RATE,
    TRUTH,
    WEEKS,
    as_lines,
    as_table,
    open_deals_at,
    shares,
    stage_rates,
    trained_on,
    truth_of,
)
from experiments.worlds import SAID, Dirt, KnownFirm, add_kinds, known_firm
from features.history import History
from features.windows import Bools, Floats
from training.learners import expit
from training.tiers import learner_of, tier_for
from training.train import Trained

HORIZONS = (30, 90, EVER)
BEFORE = range(-60, 0, 2)
"""Weeks whose open deals teach by their true chances."""
TEACHING_DRAWS = 100
SERVED, TOLD = "served, taught by outcomes", "taught by true chances"


def compared(firm: KnownFirm, history: History, trained: Trained) -> tuple[pd.DataFrame, str]:
    """Shares of both on the deals asked after the cut, and how many deals taught."""
    before = [open_deals_at(firm, history, trained, w, TEACHING_DRAWS) for w in BEFORE]
    after = [open_deals_at(firm, history, trained, w, DRAWS) for w in WEEKS]
    features = pd.concat([part for part, _ in (*before, *after)], ignore_index=True)
    truth = pd.concat([part for _, part in (*before, *after)])
    asked = np.arange(len(truth)) >= sum(len(part) for part, _ in before)
    teaching = ~asked & ~truth.index.isin(truth.index[asked])
    teacher = _Teacher(trained, features, truth.index)
    curves = trained.bundle.close.incidence(features[asked])
    rows = []
    for horizon in HORIZONS:
        true = truth[truth_of(horizon)].to_numpy(float)
        stages = features["stage_code"].to_numpy()[asked]
        rows.append(
            pd.DataFrame(
                {
                    "horizon": horizon,
                    TRUTH: true[asked],
                    RATE: stage_rates(trained.panel, stages, horizon),
                    SERVED: curves.won_by(horizon or curves.longest)[:, 0],
                    TOLD: teacher.taught(true, teaching)[asked],
                }
            )
        )
    deals = truth.index[teaching].nunique()
    closed = trained.bundle.card["closed_deals"]
    told = f"{closed:,} closed deals taught the one, {deals:,} deals the other"
    return shares(pd.concat(rows), (SERVED, TOLD)), told


class _Teacher:
    """The learner that is served, with its columns made once."""

    def __init__(self, trained: Trained, features: pd.DataFrame, deals: pd.Index[str]) -> None:
        closed = trained.bundle.card["closed_deals"]
        self.learner = learner_of(tier_for(closed), trained.categorical, closed)
        all_rows = np.ones(len(features), bool)
        codes = pd.factorize(deals)[0].astype(np.int64)
        self.prepared = self.learner.prepare(features, all_rows, codes)

    def taught(self, chances: Floats, rows: Bools) -> Floats:
        """(n,) answers of what was taught by the true chances of some rows."""
        model = self.learner.fit(self.prepared, chances, rows)
        return expit(self.learner.answers(self.prepared, model))


def main() -> None:
    """Print shares firm by firm, then the mean."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="101,102,103,104", help="firms, comma-separated")
    parser.add_argument("--deals", type=int, default=6000)
    add_kinds(parser)
    options = parser.parse_args()
    console, frames = Console(width=130), []
    for seed in map(int, options.seeds.split(",")):
        firm = known_firm(options.kind, seed, options.deals, END, Dirt.NONE)
        found, told = compared(firm, *trained_on(firm))
        frames.append(found)
        console.print(f"firm {seed}: {told}")
        console.print(as_lines(found))
    title = f"{options.deals:,} deals, mean of {len(frames)} firms"
    console.print(as_table(pd.concat(frames), title + SAID[options.kind]))


if __name__ == "__main__":
    main()
