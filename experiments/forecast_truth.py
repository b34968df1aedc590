"""How close the forecast is to the truth: `python -m experiments.forecast_truth`.

Firms are drawn whose true process is known (`data.demo`). Each is trained and forecast as of some
instants by what its CRM knew then, six months ahead, and compared with what the true process would
bring from that instant on, deals not yet created included, in many futures. An oracle knows that
distribution. The figures of a firm are

* mean error: sum over the months of |our mean - the oracle's| over the oracle's sum, and its bias;
* WAPE and pinball loss in the true futures, each over the oracle's;
* coverage: share of the true futures inside our 80 % interval.

One firm's figures are noisy, for its history is one of many that it could have had: read the mean
over several.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.demo import Simulated, World, simulate, true_revenue
from data.tables import Tables
from features.history import History
from features.windows import Floats
from training.bundle import Bundle
from training.forecast import TOTAL, Calendar, simulate_forecast
from training.outlook import parts_of
from training.revenue_past import Answered, Asked
from training.scoring import score
from training.train import train

MONTHS = 6
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
PATHS = 4_000
FIRST_END = pd.Timestamp("2025-01-01", tz="UTC")


@dataclass(frozen=True)
class Judged:
    """How a forecast compares with the truth; the oracle has 0, 0, 1, 1 and about 0.8."""

    mean_error: float
    bias: float
    wape: float
    pinball: float
    coverage: float


def judge(paths: Floats, truth: Floats) -> Judged:
    """Compare (paths, months) forecast with (futures, months) of the true process."""
    mean, oracle = paths.mean(axis=0), truth.mean(axis=0)
    ours, theirs = (np.quantile(x, LEVELS, axis=0) for x in (paths, truth))
    inside = (truth >= ours[0]) & (truth <= ours[-1])
    return Judged(
        mean_error=float(np.abs(mean - oracle).sum() / oracle.sum()),
        bias=float(mean.sum() / oracle.sum() - 1),
        wape=float(np.abs(truth - mean).sum() / np.abs(truth - oracle).sum()),
        pinball=_pinball(ours, truth) / _pinball(theirs, truth),
        coverage=float(inside.mean()),
    )


def _pinball(quantiles: Floats, truth: Floats) -> float:
    losses = []
    for level, quantile in zip(LEVELS, quantiles, strict=True):
        error = truth - quantile
        losses.append(np.maximum(level * error, (level - 1) * error).sum())
    return float(np.sum(losses))


def firm(seed: int, deals: int) -> Simulated:
    """Three years of a drawn firm; when they end depends on the seed, as do its habits."""
    end = FIRST_END + pd.DateOffset(months=seed % 3) + pd.Timedelta(days=7 * seed % 20)
    return simulate(World.draw(seed), deals=deals, years=3, end=end, seed=seed)


def forecast_paths(
    history: History, at: int, paths: int = PATHS, bundle: Bundle | None = None
) -> tuple[Floats, Answered]:
    """(paths, MONTHS) revenue to come after an instant, by a bundle trained as of it."""
    bundle = bundle or train(history, at).bundle
    calendar = Calendar.of(at, "month", MONTHS, history.settings.fiscal_year_start_month)
    scored = score(bundle, history, at)
    parts = parts_of(bundle, history, calendar, scored)
    found = simulate_forecast(
        calendar, parts.deals, parts.new, parts.booked, paths=paths, spread=parts.spread
    )
    behind = Answered(Asked(at, 0), pd.DataFrame(), calendar, parts, scored, bundle)
    return np.asarray((found.open[TOTAL] + found.new[TOTAL])[:, :, 0], float), behind


def futures(simulated: Simulated, as_of: pd.Timestamp, draws: int) -> Floats:
    """(draws, MONTHS) revenue to come by the true process."""
    drawn = true_revenue(simulated, as_of, months=MONTHS, draws=draws)
    return drawn.pivot_table(index="path", columns="month", values="revenue").to_numpy(float)


def run(simulated: Simulated, days_back: int, draws: int) -> Judged:
    """Judge the forecast of a firm so many days before its history ends."""
    as_of = simulated.end - pd.Timedelta(days=days_back)
    history = History.of(Tables.of(simulated.tables))
    paths, _ = forecast_paths(history, int(as_of.as_unit("us").asm8.astype("int64")))
    return judge(paths, futures(simulated, as_of, draws))


def main() -> None:
    """Draw, train, forecast, judge; a row a firm and instant, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", default="11,12,13,14,15,16", help="firms, comma-separated")
    parser.add_argument("--deals", type=int, default=6000)
    parser.add_argument("--back", default="0,45", help="days before the end of the history")
    parser.add_argument("--draws", type=int, default=250, help="true futures")
    asked = parser.parse_args()
    console, rows = Console(), []
    for seed in map(int, asked.seeds.split(",")):
        simulated = firm(seed, asked.deals)
        for back in map(int, asked.back.split(",")):
            found = run(simulated, back, asked.draws)
            rows.append({"firm": seed, "days back": back, **asdict(found)})
            console.print(rows[-1], markup=False)
    frame = pd.DataFrame(rows)
    table = Table(title=f"{asked.deals:,} deals, {len(frame)} forecasts: mean and median")
    for name in ("", *Judged.__dataclass_fields__):
        table.add_column(name, justify="right")
    for name, figures in (("mean", frame.mean()), ("median", frame.median())):
        table.add_row(name, *(f"{figures[c]:+.3f}" for c in Judged.__dataclass_fields__))
    console.print(table)


if __name__ == "__main__":
    main()
