"""Whether falling back helps where wins are few: `python -m experiments.forecast_fallback`.

Small firms are drawn whose true process is known, of some ten wins a quarter. The forecast of each
is replayed; where the replay prefers AutoETS or the run rate, deals not yet created are drawn
towards it (`training.fallback`). The mean of the next six months is compared with the oracle's:
of the forecast without and with it, by the weight that the past asks for before it is shrunk, and
of the two series alone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.demo import World
from data.tables import Tables
from experiments.forecast_blend import missed
from experiments.forecast_truth import FIRST_END, forecast_paths, futures
from experiments.worlds import Kind, KnownFirm, known_firm
from features.history import History
from training.fallback import CANDIDATES, FALL_BACK, wanted
from training.outlook import TERMS
from training.revenue_backtest import forecast_backtest
from training.revenue_fallback import PSEUDO_QUARTERS
from training.revenue_terms import learned_terms
from training.series import MONTHLY, Series
from training.train import train

WINS = 120
"""Wins that a firm should have in its three years."""
WITHOUT, WITH, FULL = "forecast", "falling back", "by the full weight"


def small_firm(seed: int) -> KnownFirm:
    """Three years of a drawn firm of some ten wins a quarter."""
    world = World.draw(seed)
    deals = int(np.clip(round(WINS / world.win_rate), 300, 700))
    end = FIRST_END + pd.DateOffset(months=seed % 3) + pd.Timedelta(days=7 * seed % 20)
    return known_firm(Kind.PLAIN, seed, deals, end)


def errors(firm: KnownFirm, draws: int) -> dict[str, object]:
    """Mean error of each forecast as of the end of a firm's history."""
    history = History.of(Tables.of(firm.tables))
    at = int(firm.end.as_unit("us").asm8.astype("int64"))
    oracle = futures(firm, firm.end, draws).all.mean(axis=0)
    past = forecast_backtest(history, at)
    terms = learned_terms(past.rows, past.terms, at)
    bundle = train(history, at).bundle

    def forecast(**changed: float) -> float:
        card = {**bundle.card, TERMS: {**terms, **changed}}
        paths, _ = forecast_paths(history, at, bundle=replace(bundle, card=card))
        return missed(paths.all.mean(axis=0), oracle)

    off = {f"{FALL_BACK}{name}": 0.0 for name in CANDIDATES}
    found: dict[str, object] = {WITHOUT: forecast(**off)}
    found |= {WITH: found[WITHOUT], FULL: found[WITHOUT], "to": ""}
    if (towards := wanted(terms)) is not None:
        quarters = past.rows["block"].nunique()
        full = towards[1] * (quarters + PSEUDO_QUARTERS) / quarters
        found |= {
            "to": towards[0],
            WITH: forecast(),
            FULL: forecast(**{FALL_BACK + towards[0]: full}),
        }
    _, behind = forecast_paths(history, at, paths=10, bundle=bundle)
    series = Series(history, behind.calendar, 0.0, bundle.amount.wins > 0)
    return found | {name: missed(MONTHLY[name](series), oracle) for name in CANDIDATES}


def main() -> None:
    """Draw, replay, forecast; a row a firm, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", default="101,102,103,104,105,106,107,108", help="firms")
    parser.add_argument("--draws", type=int, default=400, help="true futures")
    asked = parser.parse_args()
    console, rows = Console(), []
    for seed in map(int, asked.seeds.split(",")):
        rows.append({"firm": seed} | errors(small_firm(seed), asked.draws))
        console.print(rows[-1], markup=False)
    frame = pd.DataFrame(rows)
    fell = int((frame["to"] != "").sum())
    table = Table(title=f"{len(frame)} firms, {fell} of which fell back: mean error")
    for name in ("", "mean", "against the forecast", "standard error"):
        table.add_column(name, justify="right" if name else "left")
    for name in (WITHOUT, WITH, FULL, *CANDIDATES):
        apart = frame[name] - frame[WITHOUT]
        spread = apart.std(ddof=1) / np.sqrt(len(frame))
        table.add_row(name, f"{frame[name].mean():.3f}", f"{apart.mean():+.4f}", f"{spread:.4f}")
    console.print(table)


if __name__ == "__main__":
    main()
