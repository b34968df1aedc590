"""How close served probabilities are to the truth: `python -m experiments.close_truth`.

Firms are drawn whose true process is known (`data.demo`), clean or with all dirt at once. Each is
trained as of six weeks before its history ends, and its open deals are asked at some instants from
then on, of which the true chances are known. The share of a model is the part of the achievable
log-loss gain that it captures: 0 is the historical win rate of the deal's stage, 1 is who knows
the true chances; losses are expected ones, so that luck of outcomes has no part in them.

    share = (loss of the stage's rate - loss of the model) / (loss of the rate - loss of the truth)

How much can be achieved differs between firms: read the mean over several, and differences between
models on the same firms.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table as Printed

from data.demo import Simulated, World, simulate
from data.demo.dirt import DIRT
from data.demo.truth import true_incidence
from data.settings import Settings
from data.sources import raw_tables
from data.validation import validate
from features.history import WON, History
from features.windows import DAY, Floats
from training.close import CloseModel, Panel, fit_close
from training.scoring import score
from training.tiers import learner_of, tier_for
from training.train import Trained, longest_horizon, train

END = pd.Timestamp("2025-06-30", tz="UTC")
WEEKS = (0, 2, 4, 6)
"""Weeks after the data cut at which open deals are asked."""
HORIZONS = (30, 90, 0)
"""Days; 0 stands for ever."""
PSEUDO_ROWS = 20.0
DRAWS = 200
MODELS = ("served", "whatever its test said", "uncalibrated", "stage x age table")


def loss(truth: Floats, p: Floats) -> float:
    """Sum of the expected log-loss of probabilities where the true ones are known."""
    p = np.clip(p, 1e-5, 1 - 1e-5)
    return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).sum())


def stage_rates(panel: Panel, stages: Floats, horizon: int) -> Floats:
    """(n,) share of past snapshots at a stage that were won in time, shrunk to that of all."""
    found = panel.outcomes
    mature = found.known(horizon) if horizon else found.kind > 0
    won = found.won(horizon) if horizon else (found.kind == WON).astype(float)
    past = panel.features["stage_code"].to_numpy()[mature]
    overall, rates = float(won[mature].mean()), {}
    for stage in np.unique(stages):
        here = won[mature][past == stage]
        rates[stage] = (here.sum() + PSEUDO_ROWS * overall) / (len(here) + PSEUDO_ROWS)
    return np.array([rates[stage] for stage in stages])


def shares(simulated: Simulated, history: History, trained: Trained) -> pd.DataFrame:
    """Share of each model, by horizon, and what it expects over the truth (`bias`)."""
    bundle = trained.bundle
    model = ungated(trained)
    plain = replace(model, slope=(1.0, 1.0), offset=(0.0, 0.0))
    models = dict(zip(MODELS, (bundle.close, model, plain, bundle.table), strict=True))
    sums: dict[tuple[str, int], Floats] = {(m, h): np.zeros(5) for m in models for h in HORIZONS}
    for week in WEEKS:
        at = bundle.cut + 7 * week * DAY
        as_of = pd.Timestamp(at, unit="us", tz="UTC")
        truth = true_incidence(simulated, as_of, [h for h in HORIZONS if h], draws=DRAWS)
        scored = score(bundle, history, at)
        truth = truth.set_index("deal_id").reindex(scored.frame["deal_id"])
        known = truth.notna().all(axis=1).to_numpy()
        features = scored.features[known]
        for name, model in models.items():
            curves = model.incidence(features)
            for horizon in HORIZONS:
                true = truth[f"p_won_{horizon}" if horizon else "p_won"].to_numpy()[known]
                p = curves.won_by(horizon or curves.longest)[:, 0]
                base = stage_rates(trained.panel, features["stage_code"].to_numpy(), horizon)
                losses = loss(true, base), loss(true, p), loss(true, true)
                sums[name, horizon] += np.array([*losses, p.sum(), true.sum()])
    rows = [
        {"model": m, "horizon": h, "share": (b - x) / (b - o), "bias": e / t - 1}
        for (m, h), (b, x, o, e, t) in sums.items()
    ]
    return pd.DataFrame(rows)


def ungated(trained: Trained) -> CloseModel:
    """The model that would be served if no test against the table had been asked for."""
    if trained.bundle.tier != "table" or trained.verdict is None:
        return trained.bundle.close
    closed = trained.bundle.card["closed_deals"]
    learner = learner_of(tier_for(closed), trained.categorical, closed)
    model = fit_close(trained.panel, learner, longest_horizon(trained.panel))
    return replace(model, slope=trained.verdict.slope, offset=trained.verdict.offset)


def run(seed: int, deals: int, *, dirty: bool) -> tuple[pd.DataFrame, str]:
    """Draw a firm, train, compare; the figures, and what was served after which test."""
    dirt = DIRT if dirty else frozenset()
    simulated = simulate(World.draw(seed), deals=deals, years=3, end=END, seed=seed, dirt=dirt)
    tables = validate(raw_tables(simulated.tables, "drawn"), END, None).tables
    history = History.of(tables, Settings())
    cut = END - pd.Timedelta(days=7 * max(WEEKS) + 1)
    trained = train(history, int(cut.as_unit("us").asm8.astype("int64")))
    gain = trained.verdict.gain if trained.verdict else None
    tested = f"tested {gain.mean:+.4f} +- {gain.standard_error:.4f}" if gain else "no test"
    return shares(simulated, history, trained), f"{trained.bundle.tier}, {tested}"


def main() -> None:
    """Print a line a firm as it is done, then the mean."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="101,102,103,104,105", help="firms, comma-separated")
    parser.add_argument("--deals", type=int, default=6000)
    parser.add_argument("--dirty", action="store_true", help="with all kinds of dirt at once")
    asked = parser.parse_args()
    console, frames = Console(width=130), []
    for seed in map(int, asked.seeds.split(",")):
        begin = time.monotonic()
        found, served = run(seed, asked.deals, dirty=asked.dirty)
        frames.append(found)
        share = found.set_index(["model", "horizon"])["share"].to_dict()
        told = (f"{named(h)} {share[MODELS[0], h]:.3f}" for h in HORIZONS)
        beside = f"90 days {share[MODELS[1], 90]:.3f} against {share[MODELS[-1], 90]:.3f}"
        console.print(
            f"firm {seed}: {', '.join(told)} ({served}; model against table, {beside}; "
            f"{time.monotonic() - begin:.0f} s)"
        )
    mean = pd.concat(frames).groupby(["model", "horizon"])[["share", "bias"]].mean()
    title = f"{asked.deals:,} deals, mean of {len(frames)} firms"
    console.print(_table(mean, title + (", dirty" if asked.dirty else ", clean")))


def named(horizon: int) -> str:
    """A horizon in words."""
    return f"{horizon} days" if horizon else "ever"


def _table(mean: pd.DataFrame, title: str) -> Printed:
    table = Printed(title=title)
    for name in ("", *(f"{what}, {named(h)}" for what in ("share", "bias") for h in HORIZONS)):
        table.add_column(name, justify="right", no_wrap=True)
    figures = {what: mean[what].to_dict() for what in ("share", "bias")}
    for model in MODELS:
        cells = [f"{figures[what][model, h]:+.3f}" for what in figures for h in HORIZONS]
        table.add_row(model, *cells)
    return table


if __name__ == "__main__":
    main()
