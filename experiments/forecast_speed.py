"""How fast a forecast is simulated: open deals x 10,000 paths x 24 months, seconds and memory.

`python -m experiments.forecast_speed [--deals 500 5000] [--write]` prints the table, and with
`--write` puts it into docs/performance.md. Each figure comes from a process of its own. The deals
are made up: chances as of a firm that wins a quarter of its deals, two thirds of them within a
quarter of a year; deals not yet created win as many a month as such a firm needs to stay its size.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.beside import THREADS
from training.forecast import (
    Booked,
    Calendar,
    NewDeals,
    OpenDeals,
    Spread,
    forecast_table,
    simulate_forecast,
)

DOCS = Path(__file__).parents[1] / "docs" / "performance.md"
PATHS, MONTHS, HISTORY = 10_000, 24, 3_000
DIMENSIONS = {"owner": 40, "team": 6, "pipeline": 2, "source": 6}
AS_OF = int(pd.Timestamp("2025-02-10", tz="UTC").as_unit("us").asm8.astype("int64"))
WIN_RATE, DAYS_OPEN, NEW_A_MONTH = 0.25, 60.0, 0.10
"""Chance of an open deal, mean days to its win, monthly wins of new deals for each open one."""
Figures = dict[str, Any]


def main() -> None:
    """Measure, print, and write the section of docs/performance.md where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, nargs="+", default=[500, 5_000, 50_000])
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        deals, by = options.task.split(":")
        print(json.dumps(measure(int(deals), tuple(filter(None, by.split(","))))))
        return
    text = "\n".join(_report(options.deals))
    print(text)
    if options.write:
        _write(text)


def measure(deals: int, by: tuple[str, ...], paths: int = PATHS) -> Figures:
    """Simulate once in this process: seconds, processor seconds, peak memory above the start."""
    calendar = Calendar.of(AS_OF, "month", MONTHS, 1)
    opened, new, booked = made_up(deals, calendar)
    before, started, busy = _peak(), time.perf_counter(), time.process_time()
    spread = Spread(0.1, 0.05, 0.05, 0.02)
    simulation = simulate_forecast(
        calendar, opened, new, booked, dimensions=by, paths=paths, spread=spread
    )
    table = forecast_table(simulation)
    return {
        "seconds": time.perf_counter() - started,
        "busy": time.process_time() - busy,
        "above": _peak() - before,
        "rows": len(table),
        "mean": float(table["mean"].sum()),
    }


def made_up(deals: int, calendar: Calendar, seed: int = 0) -> tuple[OpenDeals, NewDeals, Booked]:
    """Make up a firm with so many open deals."""
    rng = np.random.default_rng(seed)
    ever = rng.beta(1, 1 / WIN_RATE - 1, deals)
    pace = DAYS_OPEN * rng.gamma(2, 0.5, deals)
    won_by = ever[:, None] * -np.expm1(-calendar.ends_in_days / pace[:, None])
    amount, errors = np.exp(rng.normal(9, 1, deals)), rng.normal(0, 0.3, 500)
    opened = OpenDeals(won_by, amount, errors, _labels(deals, rng))
    wins = np.full(len(calendar.names), NEW_A_MONTH * deals)
    templates = np.exp(rng.normal(9, 1, HISTORY))
    weights = rng.random((len(wins), HISTORY)) + 0.5
    new = NewDeals(wins, 1.5, templates, _labels(HISTORY, rng), weights)
    return opened, new, Booked(np.array([1e5]), _labels(1, rng))


def _labels(count: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series([f"{name}{k}" for k in rng.integers(0, size, count)], dtype="str")
            for name, size in DIMENSIONS.items()
        }
    )


def _peak() -> float:
    """Peak memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _report(sizes: list[int]) -> list[str]:
    lines = [
        f"Python {platform.python_version()}, {THREADS} threads; {PATHS:,} paths x {MONTHS} "
        f"months; each month deals not yet created win {NEW_A_MONTH:.0%} of the number of open "
        "deals; from chances at hand to the table with its quantiles. Seconds by the clock; in "
        "brackets those of the processor.",
        "",
        f"| open deals | the firm, s | memory, GiB | by {', '.join(DIMENSIONS)}, s "
        "| memory, GiB |",
        "|---|---|---|---|---|",
    ]
    for deals in sizes:
        cells = [f"{deals:,}"]
        for by in ("", ",".join(DIMENSIONS)):
            found = _apart(f"{deals}:{by}")
            cells += [f"{found['seconds']:.1f} ({found['busy']:.1f})", f"{found['above']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _apart(task: str) -> Figures:
    call = [sys.executable, "-m", "experiments.forecast_speed", "--task", task]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    found: Figures = json.loads(done.stdout)
    return found


def _write(text: str) -> None:
    """Put the section `## Forecast` into docs/performance.md and leave the others alone."""
    old = DOCS.read_text(encoding="utf-8") if DOCS.exists() else "# Performance\n"
    rest = re.sub(r"\n## Forecast\n.*?(?=\n## |\Z)", "", old, flags=re.DOTALL).rstrip()
    head = "## Forecast\n\n`python -m experiments.forecast_speed --write` wrote this section."
    DOCS.write_text(f"{rest}\n\n{head}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
