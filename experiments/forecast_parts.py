"""Where the forecast's error comes from: `python -m experiments.forecast_parts`.

Most of a half-year comes from deals not yet created. Firms are drawn whose true process is known,
and what is expected of such deals (`training.arrivals`, amounts like those of past wins) is set
against what the process would bring: their wins, the amount of a win, and the revenue of both.
A mean ratio other than 1 over many firms is a flaw of the method; what single firms differ by is
compared with the standard errors that the simulation draws. Deals that were lost and are won
after all count among these.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.tables import Tables
from experiments.forecast_truth import MONTHS, firm
from experiments.worlds import KnownFirm
from features.history import History
from features.snapshots import open_deals
from training.fallback import mean_amounts
from training.forecast import Calendar
from training.new_deals import new_deals
from training.outlook import spread_of
from training.shock import arrivals_at, shock_at

RATIOS = ("wins", "amount", "revenue")


def parts(drawn: KnownFirm, draws: int) -> dict[str, float]:
    """What is expected of deals to come over what will come, and the standard errors drawn."""
    history = History.of(Tables.of(drawn.tables))
    at = int(drawn.end.as_unit("us").asm8.astype("int64"))
    calendar = Calendar.of(at, "month", MONTHS, history.settings.fiscal_year_start_month)
    arrivals = arrivals_at(history, at)
    new = new_deals(history, at, calendar, arrivals, priced=True)
    spread = spread_of(shock_at(history, at), arrivals, new)
    wins, revenue = float(new.wins.sum()), float(new.wins @ mean_amounts(new))
    came = drawn.wins(drawn.end, MONTHS, draws)
    known = history.tables.deals["deal_id"].to_numpy()[open_deals(history, at).deal]
    came = came[~came["deal_id"].isin(known)]
    true_count, true_sum = len(came) / draws, float(came["revenue"].sum()) / draws
    ratios = wins / true_count, (revenue / wins) / (true_sum / true_count), revenue / true_sum
    errors = {"sd of wins": spread.new, "sd of amount": spread.amount}
    return dict(zip(RATIOS, ratios, strict=True)) | errors


def main() -> None:
    """Draw, expect, compare; a row a firm, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", default="21,22,23,24,25,26,27,28", help="firms")
    parser.add_argument("--deals", type=int, default=6000)
    parser.add_argument("--draws", type=int, default=200, help="true futures")
    asked = parser.parse_args()
    console, rows = Console(), []
    for seed in map(int, asked.seeds.split(",")):
        rows.append({"firm": seed} | parts(firm(seed, asked.deals), asked.draws))
        console.print(rows[-1], markup=False)
    frame = pd.DataFrame(rows)
    table = Table(title=f"{len(frame)} firms: deals to come, expected over true")
    for name in ("", "mean", "standard error", "root mean square of ratio - 1"):
        table.add_column(name, justify="right" if name else "left")
    for name in RATIOS:
        error = frame[name].std(ddof=1) / np.sqrt(len(frame))
        off = np.sqrt(((frame[name] - 1) ** 2).mean())
        table.add_row(name, f"{frame[name].mean():.3f}", f"{error:.3f}", f"{off:.3f}")
    console.print(table)
    drawn = frame[["sd of wins", "sd of amount"]].mean()
    console.print(f"drawn: wins {drawn.iloc[0]:.3f}, amount {drawn.iloc[1]:.3f}", markup=False)


if __name__ == "__main__":
    main()
