"""How close the forecast is to the truth: `python -m experiments.forecast_truth`.

Firms are drawn whose true process is known (`data.demo`). Each is trained and forecast as of some
instants by what its CRM knew then, six months ahead, and compared with what the true process would
bring from that instant on, deals not yet created included, in many futures. An oracle knows that
distribution. The figures of a firm are

* mean error: sum over the months of |our mean - the oracle's| over the oracle's sum, and its bias;
* open, new: the bias of either part, deals open at the instant and all others;
* WAPE and pinball loss in the true futures, each over the oracle's;
* coverage: share of the true futures inside our 80 % interval.

One firm's figures are noisy, for its history is one of many that it could have had: read the mean
over several. Firms are drawn with the dirt that nearly every export has, or, with `--dirty`, with
all kinds at once; the truth is that of the deals themselves, whatever was written down. `--other`
draws firms written apart from the demo (`experiments.other_world`), `--slow` such whose deals live
long, `--telling` those of the demo whose CRM tells much.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.sources import raw_tables
from data.validation import validate
from experiments.worlds import SAID, Dirt, Kind, KnownFirm, add_kinds, known_firm
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
    """How a forecast compares with the truth; the oracle has 0, 0, 0, 0, 1, 1 and about 0.8."""

    mean_error: float
    bias: float
    open: float
    new: float
    wape: float
    pinball: float
    coverage: float


@dataclass(frozen=True)
class Paths:
    """(paths, months) revenue to come of the deals open at an instant and of all others."""

    open: Floats
    new: Floats

    @property
    def all(self) -> Floats:
        """(paths, months) of both."""
        return self.open + self.new


def judge(paths: Paths, truth: Paths) -> Judged:
    """Compare a forecast with futures of the true process."""
    all_paths, all_truth = paths.all, truth.all
    mean, oracle = all_paths.mean(axis=0), all_truth.mean(axis=0)
    ours, theirs = (np.quantile(x, LEVELS, axis=0) for x in (all_paths, all_truth))
    inside = (all_truth >= ours[0]) & (all_truth <= ours[-1])
    return Judged(
        mean_error=float(np.abs(mean - oracle).sum() / oracle.sum()),
        bias=float(mean.sum() / oracle.sum() - 1),
        open=_bias(paths.open, truth.open),
        new=_bias(paths.new, truth.new),
        wape=float(np.abs(all_truth - mean).sum() / np.abs(all_truth - oracle).sum()),
        pinball=_pinball(ours, all_truth) / _pinball(theirs, all_truth),
        coverage=float(inside.mean()),
    )


def _bias(paths: Floats, truth: Floats) -> float:
    came = float(truth.mean(axis=0).sum())
    return float(paths.mean(axis=0).sum()) / came - 1 if came else 0.0


def _pinball(quantiles: Floats, truth: Floats) -> float:
    losses = []
    for level, quantile in zip(LEVELS, quantiles, strict=True):
        error = truth - quantile
        losses.append(np.maximum(level * error, (level - 1) * error).sum())
    return float(np.sum(losses))


def firm(seed: int, deals: int, *, dirty: bool = False, kind: Kind = Kind.PLAIN) -> KnownFirm:
    """Three years of a drawn firm; when they end depends on the seed, as do its habits."""
    end = FIRST_END + pd.DateOffset(months=seed % 3) + pd.Timedelta(days=7 * seed % 20)
    return known_firm(kind, seed, deals, end, Dirt.ALL if dirty else Dirt.USUAL)


def forecast_paths(
    history: History, at: int, paths: int = PATHS, bundle: Bundle | None = None
) -> tuple[Paths, Answered]:
    """Revenue of MONTHS months to come after an instant, by a bundle trained as of it."""
    bundle = bundle or train(history, at).bundle
    calendar = Calendar.of(at, "month", MONTHS, history.settings.fiscal_year_start_month)
    scored = score(bundle, history, at)
    parts = parts_of(bundle, history, calendar, scored)
    found = simulate_forecast(
        calendar, parts.deals, parts.new, parts.booked, paths=paths, spread=parts.spread
    )
    behind = Answered(Asked(at, 0), pd.DataFrame(), calendar, parts, scored, bundle)
    opened, new = (np.asarray(part[TOTAL][:, :, 0], float) for part in (found.open, found.new))
    return Paths(opened, new), behind


def futures(firm: KnownFirm, as_of: pd.Timestamp, draws: int, known: Sequence[str] = ()) -> Paths:
    """Revenue to come by the true process, of the deals `known` to be open and of all others."""
    came = firm.wins(as_of, MONTHS, draws)
    is_open = came["deal_id"].isin(known).to_numpy()
    cell = came["path"].to_numpy() * MONTHS + came["month"].to_numpy()
    sums = [
        np.bincount(cell[rows], came["revenue"].to_numpy()[rows], minlength=draws * MONTHS)
        for rows in (is_open, ~is_open)
    ]
    opened, new = (each.reshape(draws, MONTHS).astype(float) for each in sums)
    return Paths(opened, new)


def run(firm: KnownFirm, days_back: int, draws: int) -> Judged:
    """Judge the forecast of a firm so many days before its history ends."""
    as_of = firm.end - pd.Timedelta(days=days_back)
    raw = raw_tables(firm.tables, "drawn")
    history = History.of(validate(raw, firm.end, odd=False).tables)
    paths, behind = forecast_paths(history, int(as_of.as_unit("us").asm8.astype("int64")))
    known = behind.scored.frame["deal_id"].tolist()
    return judge(paths, futures(firm, as_of, draws, known))


def main() -> None:
    """Draw, train, forecast, judge; a row a firm and instant, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", default="11,12,13,14,15,16", help="firms, comma-separated")
    parser.add_argument("--deals", type=int, default=6000)
    parser.add_argument("--back", default="0,45", help="days before the end of the history")
    parser.add_argument("--draws", type=int, default=250, help="true futures")
    parser.add_argument("--dirty", action="store_true", help="with all kinds of dirt at once")
    add_kinds(parser)
    asked = parser.parse_args()
    console, rows = Console(width=120), []
    for seed in map(int, asked.seeds.split(",")):
        drawn = firm(seed, asked.deals, dirty=asked.dirty, kind=asked.kind)
        for back in map(int, asked.back.split(",")):
            found = run(drawn, back, asked.draws)
            rows.append({"firm": seed, "days back": back, **asdict(found)})
            console.print(as_line(rows[-1]), markup=False, highlight=False, soft_wrap=True)
    frame = pd.DataFrame(rows)
    title = f"{asked.deals:,} deals, {len(frame)} forecasts"
    table = Table(title=title + SAID[asked.kind] + ", dirty" * asked.dirty)
    for name in ("", *Judged.__dataclass_fields__):
        table.add_column(name, justify="right")
    for name, figures in (("mean", frame.mean()), ("median", frame.median())):
        table.add_row(name, *(f"{figures[c]:+.3f}" for c in Judged.__dataclass_fields__))
    console.print(table)


def as_line(row: Mapping[str, float]) -> str:
    """What was found of a firm, on one line."""
    figures = [f"{name} {row[name]:+.3f}" for name in Judged.__dataclass_fields__]
    return f"firm {row['firm']:g}, {row['days back']:g} days back: {', '.join(figures)}"


if __name__ == "__main__":
    main()
