"""Whether a blend with simple forecasts comes closer: `python -m experiments.forecast_blend`.

On drawn firms whose true process is known the mean of the forecast is moved by some weight towards
what the run rate, last year x growth or AutoETS say of each month, and compared with the oracle's
mean as in `experiments.forecast_truth`. A weight learned from a firm's past can on average do no
better than the best of these.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.tables import Tables
from experiments.forecast_truth import firm, forecast_paths, futures
from features.history import History
from features.windows import Floats
from training.revenue_rivals import RIVALS, Field
from training.revenue_terms import BLENDED

WEIGHTS = (0.05, 0.1, 0.2, 0.3, 1.0)


def missed(mean: Floats, oracle: Floats) -> float:
    """Sum of absolute errors of the months over the oracle's sum."""
    return float(np.abs(mean - oracle).sum() / oracle.sum())


def blended(history: History, at: int, oracle: Floats) -> dict[tuple[str, float], float]:
    """Error of the forecast (weight 0) and of each blend, by rival and weight."""
    paths, behind = forecast_paths(history, at)
    ours, booked = paths.all.mean(axis=0), float(behind.parts.booked.amounts.sum())
    field = Field(history, behind)
    found = {("", 0.0): missed(ours, oracle)}
    for name in BLENDED:
        theirs = RIVALS[name](field)
        theirs[0] -= booked
        for weight in WEIGHTS:
            found[name, weight] = missed(ours + weight * (theirs - ours), oracle)
    return found


def differences(errors: pd.DataFrame) -> pd.DataFrame:
    """A row a blend: rival, weight, mean error, its difference from ours, and standard error."""
    apart = errors.sub(errors[("", 0.0)], axis=0)
    sizes = apart.std(ddof=1) / np.sqrt(len(errors))
    rivals, weights = zip(*errors.columns, strict=True)
    figures = {"error": errors.mean(), "difference": apart.mean(), "se": sizes}
    columns = {"rival": rivals, "weight": weights, **{k: v.to_numpy() for k, v in figures.items()}}
    return pd.DataFrame(columns)


def main() -> None:
    """Draw, train, forecast, blend; a row a rival and weight."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", default="11,12,13,14,15,16,17,18", help="firms")
    parser.add_argument("--deals", type=int, default=6000)
    parser.add_argument("--draws", type=int, default=300, help="true futures")
    asked = parser.parse_args()
    console, rows = Console(), []
    for seed in map(int, asked.seeds.split(",")):
        drawn = firm(seed, asked.deals)
        at = int(drawn.end.as_unit("us").asm8.astype("int64"))
        oracle = futures(drawn, drawn.end, asked.draws).all.mean(axis=0)
        rows.append(blended(History.of(Tables.of(drawn.tables)), at, oracle))
        console.print(f"firm {seed}: {rows[-1]['', 0.0]:.3f}", markup=False)
    table = Table(title=f"{len(rows)} firms of {asked.deals:,} deals: mean error")
    for name in ("blended with", "weight", "mean error", "difference", "standard error"):
        table.add_column(name, justify="left" if name == "blended with" else "right")
    for row in differences(pd.DataFrame(rows)).to_dict("records"):
        figures = (f"{row['error']:.3f}", f"{row['difference']:+.3f}", f"{row['se']:.3f}")
        table.add_row(row["rival"] or "nothing", f"{row['weight']:g}", *figures)
    console.print(table)


if __name__ == "__main__":
    main()
