"""How close served probabilities are to the truth: `python -m experiments.close_truth`.

Firms are drawn whose true process is known (`data.demo`), clean or with all dirt at once. Each is
trained as of six weeks before its history ends, and its open deals are asked at some instants from
then on, of which the true chances are known. The share of a model is the part of the achievable
log-loss gain that it captures: 0 is the historical win rate of the deal's stage, 1 is who knows
the true chances; losses are expected ones, so that luck of outcomes has no part in them.

    share = (loss of the stage's rate - loss of the model) / (loss of the rate - loss of the truth)

What is asked is whether a deal is won within 30 days, within 90, by the end of the quarter (44,
30, 16 and 2 days away), and ever.

How much can be achieved differs between firms: read the mean over several, and differences between
models on the same firms. Most of what decides a deal stays hidden in the firms as they are drawn;
`--telling` draws firms in which most of it shows in the CRM, to see what is lost in the learning;
`--other` draws firms written apart from the demo (`experiments.other_world`), of which nothing can
have been learned by heart, and `--slow` such whose deals live long.

`--dirt-cost` trains each firm twice, on the export as it is and with all dirt that the export can
have, and compares the shares on the same deals at the same instants: the true chances and the
stage's rates are those of the clean export for both. Stale and reopened deals and drifting
sources are part of both, for they change what is true and not what is written down.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from rich.console import Console
from rich.table import Table as Printed
from sklearn.base import clone

from data.settings import Settings
from data.sources import raw_tables
from data.validation import validate
from experiments.worlds import SAID, Dirt, Kind, KnownFirm, add_kinds, known_firm
from features.fiscal import days_to_quarter_end
from features.history import WON, History
from features.windows import DAY, Floats
from training.close import CloseModel, Panel, fit_close
from training.direct import mature_labels
from training.scoring import score
from training.tiers import learner_of, tier_for
from training.train import Trained, longest_horizon, train

END = pd.Timestamp("2025-06-30", tz="UTC")
WEEKS = (0, 2, 4, 6)
"""Weeks after the data cut at which open deals are asked."""
QUARTER, EVER = -1, 0
"""Stand for the days to the end of the quarter, and for any number of days."""
HORIZONS = (30, 90, QUARTER, EVER)
"""Days."""
PSEUDO_ROWS = 20.0
DRAWS = 400
"""Futures from which a true chance is told."""
CURVES = ("served", "whatever its test said", "uncalibrated", "stage x age table")
LIGHTGBM = "LightGBM"
MODELS = (*CURVES, LIGHTGBM)
CLEAN, DIRTY = "clean export", "dirty export"
SMALL = LGBMClassifier(
    n_estimators=300,
    num_leaves=7,
    learning_rate=0.03,
    min_child_samples=100,
    reg_lambda=10,
    random_state=0,
    verbose=-1,
)
"""LIGHTGBM, one a horizon: small trees, the plain setting that does best so far."""
TRUTH, RATE = "truth", "rate"
KEYS = ["week", "deal_id", "horizon"]


def loss(truth: Floats, p: Floats) -> float:
    """Sum of the expected log-loss of probabilities where the true ones are known."""
    p = np.clip(p, 1e-5, 1 - 1e-5)
    return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).sum())


def least_loss(truth: Floats, draws: int) -> float:
    """Sum of the loss of who knows the true chances, told from `draws` futures each.

    A share of so many futures looks surer than the chance behind it: its entropy is too small by
    1 / (2 draws) (Miller 1955, "Note on the bias of information estimates"), which would count as
    gain that nobody can reach.
    """
    unsure = ((truth > 0) & (truth < 1)).sum()
    return loss(truth, truth) + float(unsure) / (2 * draws)


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


def open_deals_at(
    firm: KnownFirm, history: History, trained: Trained, week: int, draws: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of the deals open some weeks after the cut, and their true chances, by deal."""
    at = trained.bundle.cut + 7 * week * DAY
    as_of = pd.Timestamp(at, unit="us", tz="UTC")
    days = {h: days_of(h, at) for h in HORIZONS}
    chances = firm.incidence(as_of, sorted({d for d in days.values() if d != EVER}), draws)
    scored = score(trained.bundle, history, at)
    chances = chances.set_index("deal_id").reindex(scored.frame["deal_id"])
    truth = pd.DataFrame({truth_of(h): chances[truth_of(d)] for h, d in days.items()})
    known = truth.notna().all(axis=1).to_numpy()
    return scored.features[known], truth[known]


def asked(
    firm: KnownFirm, history: History, trained: Trained, *, beside: bool = True
) -> pd.DataFrame:
    """What is answered of the open deals: KEYS, TRUTH, RATE and a column a model of MODELS.

    LIGHTGBM is among them only where it is asked for `beside`.
    """
    bundle, rows = trained.bundle, []
    model = ungated(trained)
    plain = replace(model, slope=(1.0, 1.0), offset=(0.0, 0.0))
    by_curve = dict(zip(CURVES, (bundle.close, model, plain, bundle.table), strict=True))
    trees = small_trees(trained) if beside else []
    for week in WEEKS:
        at = bundle.cut + 7 * week * DAY
        features, truth = open_deals_at(firm, history, trained, week, DRAWS)
        curves = {name: close.incidence(features) for name, close in by_curve.items()}
        matrix = features.to_numpy(np.float32)
        for place, horizon in enumerate(HORIZONS):
            stages, days = features["stage_code"].to_numpy(), days_of(horizon, at)
            moved = bundle.won_days(at, (days or bundle.close.longest,))
            told = {name: each.won_by(moved)[:, 0] for name, each in curves.items()}
            columns = {
                "week": week,
                "deal_id": truth.index,
                "horizon": horizon,
                TRUTH: truth[truth_of(horizon)].to_numpy(),
                RATE: stage_rates(trained.panel, stages, days),
            }
            if beside:
                told[LIGHTGBM] = np.asarray(trees[place].predict_proba(matrix))[:, 1]
            rows.append(pd.DataFrame(columns | told))
    return pd.concat(rows, ignore_index=True)


def truth_of(horizon: int) -> str:
    """Name of the column of the true chances."""
    return {EVER: "p_won", QUARTER: "p_won_quarter"}.get(horizon, f"p_won_{horizon}")


def days_of(horizon: int, at: int) -> int:
    """Days of a horizon as of a midnight (microseconds); EVER stays what it is."""
    return int(days_to_quarter_end(np.array([at]))[0]) if horizon == QUARTER else horizon


def small_trees(trained: Trained) -> list[LGBMClassifier]:
    """A straightforward LightGBM for each horizon, on the same features of mature snapshots."""
    panel, fitted = trained.panel, []
    matrix = panel.features.to_numpy(np.float32)
    to_end = days_to_quarter_end(panel.snapshots.time)
    for horizon in HORIZONS:
        days = to_end if horizon == QUARTER else horizon or np.inf
        labels, rows = mature_labels(panel.outcomes, WON, days, longest_horizon(panel))
        fitted.append(clone(SMALL).fit(matrix[rows], labels[rows]))
    return fitted


def shares(answers: pd.DataFrame, models: Sequence[str] = MODELS) -> pd.DataFrame:
    """Share of each model, by horizon, and what it expects over the truth (`bias`)."""
    rows = []
    for model in models:
        for horizon in answers["horizon"].unique():
            here = answers[answers["horizon"] == horizon]
            truth, rate, p = (here[name].to_numpy(float) for name in (TRUTH, RATE, model))
            base, least = loss(truth, rate), least_loss(truth, DRAWS)
            share = (base - loss(truth, p)) / (base - least)
            bias = p.sum() / truth.sum() - 1
            rows.append({"model": model, "horizon": horizon, "share": share, "bias": bias})
    return pd.DataFrame(rows)


def ungated(trained: Trained) -> CloseModel:
    """The model that would be served if no test against the table had been asked for."""
    if trained.bundle.tier != "table" or trained.verdict is None:
        return trained.bundle.close
    closed = trained.bundle.card["closed_deals"]
    learner = learner_of(tier_for(closed), trained.categorical, closed)
    model = fit_close(trained.panel, learner, longest_horizon(trained.panel))
    return replace(model, slope=trained.verdict.slope, offset=trained.verdict.offset)


def trained_on(firm: KnownFirm) -> tuple[History, Trained]:
    """Train on a firm's export, as of the last of WEEKS before its end."""
    tables = validate(raw_tables(firm.tables, "drawn"), firm.end, None).tables
    history = History.of(tables, Settings())
    cut = firm.end - pd.Timedelta(days=7 * max(WEEKS) + 1)
    return history, train(history, int(cut.as_unit("us").asm8.astype("int64")))


def answers_of(firm: KnownFirm, *, beside: bool = True) -> tuple[pd.DataFrame, str]:
    """Train on a firm and ask; the answers, and what was served why."""
    history, trained = trained_on(firm)
    gain = trained.verdict.gain if trained.verdict else None
    tested = f"tested {gain.mean:+.4f} +- {gain.standard_error:.4f}" if gain else "no test"
    return asked(firm, history, trained, beside=beside), f"{trained.bundle.tier}, {tested}"


def run(kind: Kind, seed: int, deals: int, *, dirty: bool) -> tuple[pd.DataFrame, str]:
    """Shares on a firm, and what was served why."""
    dirt = Dirt.ALL if dirty else Dirt.NONE
    answers, told = answers_of(known_firm(kind, seed, deals, END, dirt))
    return shares(answers), told


def run_dirt_cost(kind: Kind, seed: int, deals: int) -> tuple[pd.DataFrame, str]:
    """Shares of what is served from a clean and from a dirty export on the same deals."""
    firms = [known_firm(kind, seed, deals, END, dirt) for dirt in (Dirt.PROCESS, Dirt.ALL)]
    (clean, told), (dirty, told_too) = (answers_of(firm, beside=False) for firm in firms)
    served = CURVES[0]
    both = clean[[*KEYS, TRUTH, RATE, served]].rename(columns={served: CLEAN})
    both = both.merge(dirty[[*KEYS, served]].rename(columns={served: DIRTY}), on=KEYS)
    told = f"{len(both):,} of {len(clean):,} answers in both; {told}; dirty: {told_too}"
    return shares(both, (CLEAN, DIRTY)), told


def main() -> None:
    """Print a line a firm as it is done, then the mean."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="101,102,103,104,105", help="firms, comma-separated")
    parser.add_argument("--deals", type=int, default=6000)
    dirt = parser.add_mutually_exclusive_group()
    dirt.add_argument("--dirty", action="store_true", help="with all kinds of dirt at once")
    dirt.add_argument("--dirt-cost", action="store_true", help="clean and dirty, deal by deal")
    add_kinds(parser)
    options = parser.parse_args()
    console, frames = Console(width=170), []
    for seed in map(int, options.seeds.split(",")):
        begin = time.monotonic()
        if options.dirt_cost:
            found, told = run_dirt_cost(options.kind, seed, options.deals)
        else:
            found, told = run(options.kind, seed, options.deals, dirty=options.dirty)
        frames.append(found)
        console.print(f"firm {seed}: {told}; {time.monotonic() - begin:.0f} s")
        console.print(as_lines(found))
    title = f"{options.deals:,} deals, mean of {len(frames)} firms"
    title += SAID[options.kind] + ", dirty" * options.dirty
    console.print(as_table(pd.concat(frames), title))


def named(horizon: int) -> str:
    """A horizon in words."""
    return {EVER: "ever", QUARTER: "quarter"}.get(horizon, f"{horizon} days")


def as_lines(found: pd.DataFrame) -> str:
    """Shares of a firm, a line a model."""
    lines = []
    for model, rows in found.groupby("model", sort=False):
        figures = zip(rows["horizon"], rows["share"], strict=True)
        lines.append(f"  {model}: {', '.join(f'{named(h)} {s:.3f}' for h, s in figures)}")
    return "\n".join(lines)


def as_table(found: pd.DataFrame, title: str) -> Printed:
    """Means over firms, a row a model."""
    table = Printed(title=title)
    horizons = found["horizon"].unique()
    for name in ("", *(f"{what}, {named(h)}" for what in ("share", "bias") for h in horizons)):
        table.add_column(name, justify="right", no_wrap=True)
    mean = found.groupby(["model", "horizon"])[["share", "bias"]].mean()
    figures = {what: mean[what].to_dict() for what in ("share", "bias")}
    for model in found["model"].unique():
        cells = [f"{figures[what][model, h]:+.3f}" for what in figures for h in horizons]
        table.add_row(model, *cells)
    return table


if __name__ == "__main__":
    main()
