"""Cost of training: seconds and peak memory of the whole `train`, and open deals scored a second.

Demo CRMs of several sizes are made first, each in a process of its own, and left as Parquet files.
Then a fresh process reads one, indexes it and trains as `dealcast train` does: features, folds,
calibration, refit, amounts. Its peak memory is that of the whole process, tables included.

`python -m experiments.training_speed [--deals 6000 47000 400000] [--figures FILE] [--write]`

With `--figures` what was measured is kept in a file, and a size that is in it is not measured
again: the largest takes long.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from data.contract import CONTRACT
from data.demo import World, simulate
from data.tables import Tables
from experiments.sections import ROOT, write_section
from features.history import History
from training.bundle import Bundle
from training.scoring import Scored, score
from training.train import train

PAGE = ROOT / "docs" / "performance.md"
TITLE = "Training"
SIZES = (6_000, 47_000, 400_000)
GOALS = {6_000: (60, None), 47_000: (300, None), 400_000: (1800, 12)}
"""By deals: seconds, and GiB where there is such a goal."""
YEARS = 3
END = pd.Timestamp("2025-06-30", tz="UTC")
SCORED_ROWS = 50_000
"""Open deals to score: those there are, as often as it takes."""
GIB = 2**30

Figures = dict[str, float]


def make(deals: int, folder: Path) -> None:
    """Simulate a demo CRM and leave its tables as Parquet files."""
    made = simulate(World.demo(), deals=deals, years=YEARS, end=END, seed=5)
    for name, table in made.tables.items():
        table.to_parquet(folder / f"{name}.parquet")


def measure(folder: Path) -> Figures:
    """Read, index, train and score once; meant for a process of its own."""
    tables = Tables.of(
        {
            name: pd.read_parquet(folder / f"{name}.parquet")
            for name in CONTRACT
            if (folder / f"{name}.parquet").exists()
        }
    )
    as_of = int(END.as_unit("us").asm8.astype(np.int64))
    marks: list[tuple[str, float]] = []
    begin, busy = time.perf_counter(), time.process_time()
    history = History.of(tables)
    trained = train(history, as_of, lambda step: marks.append((step, time.perf_counter())))
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    for (step, at), (_, end) in zip(marks, [*marks[1:], ("", begin + seconds)], strict=True):
        print(f"  {end - at:6.1f} s  {step}", file=sys.stderr)
    scored = score(trained.bundle, history, as_of)
    return {
        "deals": history.size,
        "activities": len(tables.activities),
        "snapshots": trained.bundle.card["snapshots"],
        "features": len(trained.bundle.features),
        "seconds": seconds,
        "busy": busy,
        "peak": peak,
        "open": len(scored.frame),
        **scoring_rate(trained.bundle, scored),
    }


def scoring_rate(bundle: Bundle, scored: Scored) -> Figures:
    """Deals a second, and a processor second, from features to curves and expected amounts."""
    times = -(-SCORED_ROWS // max(len(scored.features), 1))
    features = pd.concat([scored.features] * times, ignore_index=True)
    known = np.tile(scored.frame["amount"].to_numpy(float), times)

    def once() -> None:
        bundle.close.incidence(features)
        bundle.amount.expected(features, known)

    seconds, busy = _fastest(once)
    return {"rate": len(features) / seconds, "rate_busy": len(features) / busy}


def _fastest(work: Callable[[], None], times: int = 5) -> tuple[float, float]:
    """Seconds and processor seconds of the fastest runs: what else the machine does only adds."""
    found = []
    for _ in range(times):
        begin, busy = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - begin, time.process_time() - busy))
    return min(each[0] for each in found), min(each[1] for each in found)


def _in_own_process(*arguments: str) -> str:
    call = [sys.executable, "-m", "experiments.training_speed", *arguments]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return done.stdout


def run(sizes: list[int], kept: Path | None) -> list[Figures]:
    """Figures of each size, the data made and measured in processes of their own."""
    found: dict[str, Figures] = {}
    if kept and kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
    for deals in sizes:
        if str(deals) in found:
            continue
        found[str(deals)] = _measured(deals)
        if kept:
            kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return [found[size] for size in sorted(found, key=int)]


def _measured(deals: int) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        print(f"{deals:,} deals: making the demo CRM", file=sys.stderr, flush=True)
        _in_own_process("--make", str(deals), name)
        print(f"{deals:,} deals: training", file=sys.stderr, flush=True)
        load = os.getloadavg()[0]
        found: Figures = json.loads(_in_own_process("--measure", name).splitlines()[-1])
    return {**found, "load": (load + os.getloadavg()[0]) / 2}


def lines_of(found: list[Figures]) -> list[str]:
    """Text of the section."""
    return [
        "`python -m experiments.training_speed --write` wrote this section.",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} cores; demo CRMs of {YEARS} years. "
        "The whole `train` (index the tables, features, folds, calibration, refit, amounts) in a "
        "process of its own, whose peak memory holds the tables, too. Load is the machine's in "
        f"the run: where it is above {os.cpu_count()} other work took its share of the seconds, "
        "and the processor seconds tell the cost. Scoring is from the features of open deals to "
        "calibrated curves and amounts, a second and a processor second.",
        "",
        "| deals | activities | snapshots learned from | features | seconds | goal "
        "| processor seconds | load | peak memory, GiB | open deals scored a second "
        "| a processor second |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_line(each) for each in found),
    ]


def _line(each: Figures) -> str:
    size = min(SIZES, key=lambda goal: abs(goal - each["deals"]))
    seconds, memory = GOALS[size]
    goal = f"{seconds} s" + (f", {memory} GiB" if memory else "")
    return (
        f"| {each['deals']:,} | {each['activities']:,} | {each['snapshots']:,} "
        f"| {each['features']} | {each['seconds']:.0f} | {goal} | {each['busy']:.0f} "
        f"| {each['load']:.1f} | {each['peak']:.1f} | {each['rate']:,.0f} "
        f"| {each['rate_busy']:,.0f} |"
    )


def main() -> None:
    """Print the table; with `--write` put it into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--figures", type=Path, metavar="FILE", help="keeps what was measured")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--make", nargs=2, metavar=("DEALS", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(int(options.make[0]), Path(options.make[1]))
        return
    if options.measure:
        print(json.dumps(measure(Path(options.measure))))
        return
    lines = lines_of(run(options.deals, options.figures))
    print("\n".join(lines))
    if options.write:
        write_section(PAGE, TITLE, lines)


if __name__ == "__main__":
    main()
