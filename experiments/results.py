"""`make results`: the public data sets through the product's own commands; writes docs/results.md.

Each set is imported into a fresh workspace, trained as of a date in its past, scored and forecast
as of that date, and judged on what came later. Sets that are not on this machine are left out, and
said so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from data.store import Store
from experiments.monthly import OURS, YARDSTICKS, Month, month_starts, next_months, wape
from features.history import OPEN, WON, History
from features.outcomes import outcomes
from training.metrics import auc, log_loss, paired
from training.outlook import make_outlook
from training.scoring import score
from training.tracking import Tracker

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "results.md"
HORIZONS = (30, 90)


@dataclass(frozen=True)
class Case:
    """A data set, the date in its past at which it is asked, and what it is.

    Attributes
    ----------
    months : first of the month starts at which next month's wins are forecast, and their number
    """

    name: str
    as_of: str
    about: str
    months: tuple[str, int] | None = None


CASES = (
    Case(
        "bpic2012",
        "2012-02-01",
        "loan applications of a Dutch bank (BPI Challenge 2012)",
        ("2011-12-01", 3),
    ),
    Case(
        "olist",
        "2018-05-01",
        "marketing leads of a Brazilian marketplace; no amounts, no losses",
        ("2018-02-01", 7),
    ),
    Case("maven", "2017-10-01", "a fictitious CRM whose outcomes no column predicts"),
)


def command(workspace: Path, *arguments: str) -> str:
    """Run the product's own command; its standard output."""
    call = [sys.executable, "-m", "dealcast", "--workspace", str(workspace), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} exited {done.returncode}:\n{done.stderr}")
    return done.stdout


def run(case: Case, workspace: Path, console: Console) -> dict[str, Any]:
    """Commands of one set, then its figures from what came later."""
    console.print(
        f"{case.name}: import, train as of {case.as_of}, score, rank, forecast", markup=False
    )
    command(workspace, "import", str(DATA / case.name))
    command(workspace, "train", "--as-of", case.as_of)
    shown = {
        "score": command(workspace, "score", "--as-of", case.as_of),
        "rank": command(workspace, "rank", "--top", "20", "--as-of", case.as_of),
        "forecast": command(
            workspace, "forecast", "--period", "month", "--periods", "2", "--as-of", case.as_of
        ),
    }
    months: list[Month] = []
    if case.months:
        history = History.of(Store(workspace / "store").read())
        months = next_months(history, month_starts(*case.months), console.print)
    return {"shown": shown, "months": months, **judged(workspace, case.as_of)}


def judged(workspace: Path, day: str) -> dict[str, Any]:
    """Figures of the deals open at `day`, judged by the whole history of the store."""
    as_of = int(pd.Timestamp(day, tz="UTC").as_unit("us").asm8.astype("int64"))
    history = History.of(Store(workspace / "store").read())
    bundle = Tracker(workspace).bundle_for(as_of)
    if bundle is None:
        raise RuntimeError(f"no model in {workspace}")
    scored = score(bundle, history, as_of)
    end = history.last_fact
    cut = int(end.as_unit("us").asm8.astype("int64")) + 1 if end is not None else as_of
    later = outcomes(history, scored.snapshots, cut)
    table = bundle.table.incidence(scored.features)
    figures = [
        _figures(
            h, later.won(h), scored.incidence.won_by([h])[:, 0], table.won_by([h])[:, 0], scored
        )
        for h in HORIZONS
        if (later.watched >= h).all()
    ]
    ended = later.kind != OPEN
    won = (later.kind == WON).astype(float)[ended]
    return {
        "tier": bundle.tier,
        "reason": bundle.card["reason"],
        "distrusted": bundle.card["distrusted"],
        "open": len(scored.frame),
        "won_lost": (int(won.sum()), int(len(won) - won.sum())),
        "auc_won_lost": auc(won, scored.incidence.won[ended, -1]),
        "figures": figures,
        "forecast": _forecast_against(history, bundle, as_of, cut),
    }


def _figures(horizon: int, won: Any, model: Any, table: Any, scored: Any) -> dict[str, Any]:
    loss, base = log_loss(won, model), log_loss(won, table)
    gain = paired(scored.snapshots.deal, base - loss)
    return {
        "horizon": horizon,
        "won": int(won.sum()),
        "expected": float(model.sum()),
        "log_loss": float(loss.mean()),
        "table_log_loss": float(base.mean()),
        "gain": f"{gain.mean:+.4f} +- {gain.standard_error:.4f}",
        "auc": auc(won, model),
        "table_auc": auc(won, table),
    }


def _forecast_against(history: History, bundle: Any, as_of: int, cut: int) -> list[dict[str, Any]]:
    """Forecast months that the data cover wholly, beside what came."""
    outlook = make_outlook(bundle, history, as_of, periods=3)
    rows = outlook.frame[outlook.frame["scope"] == "total"]
    closings = history.closings
    won = closings.values["outcome"] == 1
    amounts = history.changes["amount"].last("value", closings.group, closings.time + 1_000_000)
    value = np.nan_to_num(amounts) if outlook.unit == "revenue" else np.ones(len(won))
    month = pd.to_datetime(closings.values["happened"], unit="us").strftime("%Y-%m")
    covered = pd.Timestamp(cut, unit="us")
    return [
        {
            "period": r["period"],
            "unit": outlook.unit,
            **{name: float(r[name]) for name in ("mean", "p10", "p90")},
            "actual": float(value[won & (month == r["period"])].sum()),
        }
        for r in rows.to_dict("records")
        if pd.Period(r["period"]).end_time <= covered
    ]


def page(results: Mapping[str, dict[str, Any]]) -> str:
    """Text of docs/results.md."""
    lines = [
        "# Results on public data",
        "",
        "Written by `make results`, which runs the commands `import`, `train --as-of`, `score`,",
        "`rank` and `forecast` on each set in a fresh workspace and judges the deals open at the",
        "as-of by what came later. Log-loss is in nats (lower is better); the table is the stage",
        "x age table; +- is one standard error of the paired difference over deals. AUC in the",
        "tables is of won within the horizon against not, so it rewards knowing when (an old deal",
        "will not close this month); the AUC of won against lost says whether the outcome itself",
        "was foreseen. Next month's wins are asked at month starts, each time of a model trained",
        "on what was known then, beside a run rate and a stage rate (`experiments/monthly.py`).",
    ]
    for case in CASES:
        if case.name not in results:
            lines += ["", f"## {case.name}", "", "Not on this machine: left out of this run."]
            continue
        lines += ["", *_section(case, results[case.name])]
    return "\n".join(lines) + "\n"


def _section(case: Case, found: dict[str, Any]) -> list[str]:
    lines = [
        f"## {case.name}: {case.about}",
        "",
        f"As of {case.as_of}: {found['open']:,} open deals, tier `{found['tier']}`: "
        f"{found['reason']}.",
        "",
        *_said_of_columns(found),
        _won_against_lost(found),
        "",
        "| won within | won | expected | log-loss | of the table | gain | AUC | of the table |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f['horizon']} days | {f['won']} | {f['expected']:.1f} | {f['log_loss']:.4f} "
        f"| {f['table_log_loss']:.4f} | {f['gain']} | {f['auc']:.3f} | {f['table_auc']:.3f} |"
        for f in found["figures"]
    ]
    if found["forecast"]:
        unit = found["forecast"][0]["unit"]
        lines += ["", f"| month | forecast ({unit}) | p10 to p90 | came |", "|---|---|---|---|"]
        lines += [
            f"| {f['period']} | {f['mean']:,.0f} | {f['p10']:,.0f} to {f['p90']:,.0f} "
            f"| {f['actual']:,.0f} |"
            for f in found["forecast"]
        ]
    return lines + _months_section(found.get("months", ()))


def _months_section(months: Sequence[Month]) -> list[str]:
    """Next month's wins at each month start, and the errors over all of them."""
    if not months:
        return []
    names = (OURS, *YARDSTICKS)
    unit = months[0].unit
    lines = [
        *("", f"Next month's {unit}, asked on its first day:", ""),
        f"| month | tier | {' | '.join(names)} | p10 to p90 | came |",
        "|---" * (len(names) + 4) + "|",
    ]
    for month in months:
        figures = " | ".join(f"{month.forecasts[name]:,.0f}" for name in names)
        lines.append(
            f"| {month.name} | {month.tier} | {figures} | {month.p10:,.0f} to {month.p90:,.0f} "
            f"| {month.actual:,.0f} |"
        )
    errors = " | ".join(f"{wape(months, name):.2f}" for name in names)
    inside = sum(month.p10 <= month.actual <= month.p90 for month in months)
    lines.append(f"| WAPE | | {errors} | {inside} of {len(months)} inside | |")
    return lines


def _said_of_columns(found: dict[str, Any]) -> list[str]:
    told = [f"`{column}` ({seen})" for column, seen in found["distrusted"].items()]
    if not told:
        return []
    return [f"Filled in at closing, so no model may read it: {', '.join(told)}.", ""]


def _won_against_lost(found: dict[str, Any]) -> str:
    won, lost = found["won_lost"]
    if not won or not lost:
        return f"Of the deals open then {won:,} were won since and {lost:,} lost."
    return (
        f"Of the deals open then {won:,} were won since and {lost:,} lost; AUC of the served "
        f"p_won, won against lost: {found['auc_won_lost']:.3f}."
    )


def main() -> None:
    """Run what is here, print the figures, write the page."""
    console = Console(highlight=False, soft_wrap=True)
    results: dict[str, dict[str, Any]] = {}
    for case in CASES:
        if not (DATA / case.name).is_dir():
            console.print(f"{case.name}: {DATA / case.name} is not here; left out", markup=False)
            continue
        with tempfile.TemporaryDirectory() as folder:
            results[case.name] = run(case, Path(folder) / "workspace", console)
        found = results[case.name]
        console.print("\n".join(_section(case, found)), markup=False)
        console.print(found["shown"]["forecast"], markup=False)
    if results:
        PAGE.write_text(page(results), encoding="utf-8")
        console.print(f"written: {PAGE.relative_to(ROOT)}", markup=False)
    console.print(json.dumps({name: r["tier"] for name, r in results.items()}), markup=False)


if __name__ == "__main__":
    main()
