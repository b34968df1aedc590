"""The public benchmark: how do applications of the BPI Challenge 2012 end, told at every prefix.

The protocol is that of Teinemaa et al. ("Outcome-oriented predictive process monitoring: review
and benchmark", 2019): the 4,685 cases whose last offer event is accepted, declined or cancelled;
cases in the order of their start, the first 80 % teach, the last 20 % test; events of the teaching
cases from the first test case on are cut off; every prefix of 1 to 40 events is asked; the AUC of
each length is weighted by its prefixes.

That protocol leaks, and the leak is kept beside the published figures: a teaching case that
overlaps the test period keeps the label of its whole course, which nobody could know at the
split; and a prefix may hold the very event that is asked for. The honest split teaches only cases
decided before the split, and asks only before the deciding event came.

`python -m experiments.bpic2012 [--write]`
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.bpic2012_data import (
    EVENTS,
    OUTCOMES,
    Prefixes,
    as_history,
    prefixes,
    read_events,
)
from experiments.sections import ROOT, write_section
from features.history import History
from features.pipeline import compute_features
from features.snapshots import Snapshots
from features.vocabulary import learn_vocabulary
from features.windows import Bools, Floats, Ints
from training.boosted import DEFAULTS, Boosted
from training.learners import Blend, Learner
from training.logistic import Logistic
from training.metrics import auc
from training.train import categorical_names, informative, model_features

PAGE = ROOT / "docs" / "benchmarks.md"
TITLE = "BPI Challenge 2012"
TAUGHT = 0.8
PUBLISHED = {
    "random forest": (0.668, 0.561, 0.706),
    "XGBoost": (0.673, 0.553, 0.693),
    "the best published": (0.678, 0.566, 0.709),
}
"""AUC of accepted, declined, cancelled."""
OF_THE_FIRM = ("_lift", "_trend", "_open_count", "_rank_open", "_end_days")
"""Endings of features that tell what the bank did at the time: left out, for within the four
months of teaching they tell one date from another, and later dates are others."""


@dataclass(frozen=True)
class Rows:
    """Prefixes with their features, and which of them teach and are asked."""

    asked: Prefixes
    features: pd.DataFrame
    categorical: tuple[str, ...]
    teaches: Bools
    tests: Bools
    split: int


@dataclass(frozen=True)
class Found:
    """AUC weighted by prefixes of each outcome, under the published protocol and the honest."""

    published: tuple[float, ...]
    honest: tuple[float, ...]
    counts: dict[str, int]
    seconds: float


def split_of(asked: Prefixes) -> tuple[int, Ints]:
    """Start of the first test case (microseconds), and the deals that teach."""
    cases = pd.DataFrame({"deal": asked.deal, "start": asked.start}).drop_duplicates("deal")
    cases = cases.sort_values(["start", "deal"], kind="stable")
    first = int(TAUGHT * len(cases))
    return int(cases["start"].iloc[first]), cases["deal"].to_numpy(np.int64)[:first]


def laid_out(history: History, asked: Prefixes) -> Rows:
    """Features of every prefix through the product's own pipeline, and the split."""
    split, taught = split_of(asked)
    inside = np.isin(asked.deal, taught)
    snapshots, words = Snapshots(asked.deal, asked.time), learn_vocabulary(history, split)
    names = [
        name
        for name in model_features(history, words, {}, snapshots)
        if not name.endswith(OF_THE_FIRM)
    ]
    features = informative(compute_features(history, words, snapshots, names))
    categorical = categorical_names(history, words, list(map(str, features.columns)))
    return Rows(asked, features, categorical, inside & (asked.time <= split), ~inside, split)


def weighted_auc(labels: Floats, scores: Floats, length: Ints) -> float:
    """AUC among prefixes of one length, averaged by their number; NaN where no length has both."""
    total, count = 0.0, 0
    for each in np.unique(length):
        same = length == each
        found = auc(labels[same], scores[same])
        if not np.isnan(found):
            total, count = total + same.sum() * found, count + int(same.sum())
    return total / count if count else float("nan")


def learner_for(categorical: tuple[str, ...]) -> Learner:
    """Give the product's blend, with trees for many rows.

    Chosen on the last fifth of the teaching cases among 300 rounds and fewer. Asked later, that
    fifth liked 600 rounds better; the test cases did not. What had been chosen was kept.
    """
    params = {**DEFAULTS, "num_leaves": 15, "lambda_l2": 10.0, "rounds": 300}
    return Blend((Boosted(categorical, params), Logistic(categorical)), (0.5, 0.5))


def asked_of(rows: Rows, teaches: Bools, tests: Bools) -> tuple[float, ...]:
    """Fit one model an outcome on the rows that teach; AUC of each on those that test."""
    learner = learner_for(rows.categorical)
    known = rows.features[teaches]
    prepared = learner.prepare(known, np.ones(len(known), bool))
    later = rows.features[tests]
    found = []
    for outcome in OUTCOMES:
        label = np.asarray(rows.asked.label == outcome, float)
        model = learner.fit(prepared, label[teaches], np.ones(len(known), bool))
        found.append(weighted_auc(label[tests], model.logits(later), rows.asked.length[tests]))
    return tuple(found)


def run(path: Path = EVENTS) -> Found:
    """Read the log, fit and judge under both protocols."""
    begin = time.perf_counter()
    events = read_events(path)
    history = as_history(events)
    asked = prefixes(events, history)
    rows = laid_out(history, asked)
    decided = rows.teaches & (asked.decided < rows.split)
    before = rows.tests & (asked.time <= asked.decided)
    counts = {
        "cases": len(np.unique(asked.deal)),
        "features": len(rows.features.columns),
        "taught": int(rows.teaches.sum()),
        "tested": int(rows.tests.sum()),
        "taught_honest": int(decided.sum()),
        "tested_honest": int(before.sum()),
    }
    published = asked_of(rows, rows.teaches, rows.tests)
    honest = asked_of(rows, decided, before)
    return Found(published, honest, counts, time.perf_counter() - begin)


def lines_of(found: Found) -> list[str]:
    """Text of the section."""
    count = found.counts
    rows: dict[str, tuple[float, ...]] = {
        **PUBLISHED,
        "**dealcast**": found.published,
        "dealcast, honest split": found.honest,
    }
    return [
        "`python -m experiments.bpic2012 --write` wrote this section; it needs the event log at",
        "`../shared/data/bpic2012_events.csv.gz`.",
        "",
        "How do loan applications end, asked at every prefix of up to 40 events: AUC of each",
        "prefix length, weighted by its prefixes. Protocol and published figures are those of",
        "Teinemaa et al., \"Outcome-oriented predictive process monitoring: review and",
        "benchmark\" (2019): the first 80 % of the cases by start teach, the last 20 % test.",
        "",
        "| | accepted | declined | cancelled |",
        "|---|---|---|---|",
        *(f"| {name} | {a:.3f} | {d:.3f} | {c:.3f} |" for name, (a, d, c) in rows.items()),
        "",
        f"{count['cases']:,} cases, {count['taught']:,} prefixes teach and {count['tested']:,} "
        f"test; {count['features']} features of the product's pipeline, the events as custom "
        "properties of the deal; the product's blend of LightGBM (15 leaves, 300 rounds, chosen "
        "on the last fifth of the teaching cases) and its spline-logistic twin; "
        f"{found.seconds:.0f} s for everything on this machine.",
        "",
        "The protocol leaks, and the figures beside the published ones keep the leak: a teaching",
        "case that overlaps the test period keeps the label of its whole course, which nobody",
        "could know at the split, and a prefix may hold the event that decides. The honest split",
        f"teaches only cases decided before it ({count['taught_honest']:,} prefixes) and asks",
        f"only before the deciding event ({count['tested_honest']:,} prefixes). No figure of",
        "others is published for it.",
    ]  # fmt: skip


def main() -> None:
    """Print the table; with `--write` put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--events", type=Path, default=EVENTS, help="the event log")
    options = parser.parse_args()
    if not options.events.exists():
        raise SystemExit(f"no event log at {options.events}; give its place with --events")
    lines = lines_of(run(options.events))
    print("\n".join(lines))
    if options.write:
        write_section(PAGE, TITLE, lines)


if __name__ == "__main__":
    main()
