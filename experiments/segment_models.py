"""Whether models of single pipelines pay: `python -m experiments.segment_models`.

Firms of two pipelines are drawn, with the demo's dirt, whose true process is known. In the firms
of `World.draw` both share all effects. Two more kinds keep two sales forces in one CRM, each in
its own pipeline: one in which every effect of the first is turned round in the second (`turned`),
and one whose second pipeline is another drawn firm (`strangers`). Each is trained; then a model
of its own is fitted for every pipeline, whatever its test said, and both are asked about the
pipeline's open deals: the share of the achievable log-loss gain as in `experiments.close_truth`,
at 90 days.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table as Printed

from data.demo import Simulated, World, simulate
from data.demo.truth import true_incidence
from data.settings import Settings
from data.sources import raw_tables
from data.validation import validate
from experiments.close_truth import DRAWS, END, WEEKS, least_loss, loss, stage_rates
from features.history import History
from features.windows import DAY, Bools, Floats
from training.close import CloseModel, fit_close, make_panel
from training.own_models import PIPELINES
from training.scoring import score
from training.segments import SEGMENT, BySegmentModel
from training.tiers import learner_of, tier_for
from training.train import Trained, longest_horizon, train

KINDS = ("drawn", "turned", "strangers")
HORIZON = 90
YEARS = 3
TURNED = ("engagement", "contact", "exec", "size", "silence", "source", "segment", "industry")
"""Effects that have the other sign in the second pipeline of `turned`."""
APART = 50
"""Added to the seed of the first firm, it draws the second of `strangers`."""


def worlds(kind: str, seed: int) -> dict[str, World]:
    """Firms that share a CRM, by the prefix of their records."""
    first = World.draw(seed)
    if kind == "drawn":
        return {"": first}
    second = turned(first) if kind == "turned" else World.draw(seed + APART)
    return {
        prefix: replace(world, stages={name: next(iter(world.stages.values()))})
        for prefix, name, world in (("n", "north", first), ("s", "south", second))
    }


def turned(world: World) -> World:
    """Give the firm in which what helped hurts, and the other way round."""
    known: dict[str, Any] = {field.name: getattr(world, field.name) for field in fields(world)}
    for name in (f"{each}_effect" for each in TURNED):
        effect = known[name]
        several = isinstance(effect, Mapping)
        known[name] = {key: -each for key, each in effect.items()} if several else -effect
    return World(**known)


def joined(firms: Mapping[str, Simulated]) -> dict[str, pd.DataFrame]:
    """Tables of one CRM; identifiers get the prefix of their firm."""

    def own(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
        found = table.copy()
        for name in (name for name in table if str(name).endswith("_id")):
            found[name] = (prefix + table[name]).where(table[name].notna())
        if "property" in table:
            owner = table["property"] == "owner_id"
            found["value"] = table["value"].where(~owner, prefix + table["value"])
        return found

    names = next(iter(firms.values())).tables.keys() - {"targets"}
    parts = {name: [own(firm.tables[name], p) for p, firm in firms.items()] for name in names}
    return {name: pd.concat(part, ignore_index=True) for name, part in parts.items()}


def run(kind: str, seed: int, deals: int) -> Iterator[dict[str, Any]]:
    """Draw a firm, train, fit own models, and compare by pipeline."""
    drawn = worlds(kind, seed)
    each = deals // len(drawn)
    firms = {
        prefix: simulate(world, deals=each, years=YEARS, end=END, seed=seed + number)
        for number, (prefix, world) in enumerate(drawn.items())
    }
    tables = validate(raw_tables(joined(firms), "drawn"), END, None).tables
    history = History.of(tables, Settings())
    cut = END - pd.Timedelta(days=7 * max(WEEKS) + 1)
    trained = train(history, int(cut.as_unit("us").asm8.astype("int64")))
    bundle = trained.bundle
    features, true = asked(firms, history, trained)
    base = stage_rates(trained.panel, features["stage_code"].to_numpy(), HORIZON)
    told = {each["pipeline"]: each for each in bundle.card["pipelines"]}
    code = trained.panel.features[SEGMENT].to_numpy()
    for number, name in enumerate(bundle.vocabulary.categories[PIPELINES]):
        here = features[SEGMENT].to_numpy() == number
        own = own_model(history, trained, code == number)
        models = {"all": whole(bundle.close), "own": own}
        yield {
            "firm": f"{kind} {seed}",
            "pipeline": name,
            **told.get(name, {"deals": 0, "gain": None, "served": False}),
            **{which: share(model, features, base, true, here) for which, model in models.items()},
        }


def asked(
    firms: Mapping[str, Simulated], history: History, trained: Trained
) -> tuple[pd.DataFrame, Floats]:
    """Features of open deals at some instants after the cut, and their true chances."""
    found, true = [], []
    for week in WEEKS:
        at = trained.bundle.cut + 7 * week * DAY
        instant = pd.Timestamp(at, unit="us", tz="UTC")
        parts = [
            true_incidence(firm, instant, [HORIZON], draws=DRAWS).assign(prefix=prefix)
            for prefix, firm in firms.items()
        ]
        chances = pd.concat(parts)
        chances.index = chances["prefix"] + chances["deal_id"]
        scored = score(trained.bundle, history, at)
        chance = chances[f"p_won_{HORIZON}"].reindex(scored.frame["deal_id"]).to_numpy()
        known = ~np.isnan(chance)
        found.append(scored.features[known])
        true.append(chance[known])
    return pd.concat(found, ignore_index=True), np.concatenate(true)


def whole(close: CloseModel) -> CloseModel:
    """Give the model of all deals, uncalibrated."""
    sides = [
        tuple(each.whole if isinstance(each, BySegmentModel) else each for each in side)
        for side in (close.won, close.lost)
    ]
    return CloseModel(sides[0], sides[1], close.tail_days, close.longest)


def own_model(history: History, trained: Trained, which: Bools) -> CloseModel:
    """Fit a model on the rows of one pipeline."""
    rows, panel = np.flatnonzero(which), trained.panel
    features = panel.features.iloc[rows]
    part = make_panel(history, panel.snapshots.take(rows), features, panel.cut)
    closed = part.closed_deals
    learner = learner_of(tier_for(closed), trained.categorical, closed)
    return fit_close(part, learner, longest_horizon(panel))


def share(
    model: CloseModel, features: pd.DataFrame, base: Floats, true: Floats, here: Bools
) -> float:
    """Share of the achievable that a model captures on some rows."""
    p = model.incidence(features[here]).won_by(HORIZON)[:, 0]
    rate, best = loss(true[here], base[here]), least_loss(true[here], DRAWS)
    return (rate - loss(true[here], p)) / (rate - best)


def main() -> None:
    """Print a line a pipeline as it is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seeds", default="104,105", help="firms, comma-separated")
    parser.add_argument("--deals", type=int, default=6000, help="of all pipelines together")
    told = parser.parse_args()
    console = Console(width=110)
    table = Printed(title=f"{told.deals:,} deals: share of the achievable at {HORIZON} days")
    for head in ("firm", "pipeline", "closed", "of all deals", "its own", "tested", "served"):
        table.add_column(head, justify="left" if head in {"firm", "pipeline"} else "right")
    for kind in told.kinds.split(","):
        for seed in map(int, told.seeds.split(",")):
            for row in run(kind, seed, told.deals):
                table.add_row(*_cells(row))
                console.print(*_cells(row), sep=", ")
    console.print(table)


def _cells(row: Mapping[str, Any]) -> list[str]:
    gain, shares = row["gain"], (f"{row[which]:.3f}" for which in ("all", "own"))
    tested = f"{gain['mean']:+.4f} +- {gain['standard_error']:.4f}" if gain else "not tried"
    served = "its own" if row["served"] else "of all deals"
    return [row["firm"], row["pipeline"], f"{row['deals']:,}", *shares, tested, served]


if __name__ == "__main__":
    main()
