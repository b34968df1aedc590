"""How fast features are: the whole catalogue at two sizes, one deal, a subset beside rivals.

`python -m experiments.feature_speed [--deals 200000] [--write]` prints the tables, and with
`--write` puts them into docs/performance.md. Every figure comes from a process of its own, so that
peak memory is that of one engine. Engines that are not installed are named as not measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.tables import Tables
from experiments.speed_data import END, speed_tables
from experiments.speed_rivals import ENGINES, SUBSET
from features.history import History
from features.pipeline import available_features, compute_features
from features.snapshots import Snapshots, panel
from features.vocabulary import learn_vocabulary

DOCS = Path(__file__).parents[1] / "docs" / "performance.md"
MODULES = {"Polars join_asof": "polars", "Featuretools": "featuretools"}
CUT = int(END.as_unit("us").asm8.astype(np.int64))
Figures = dict[str, Any]


def main() -> None:
    """Measure, print, and write the section of docs/performance.md where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=200_000)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(_task(options.task, options.folder)))
        return
    text = "\n".join(_report(options.deals))
    print(text)
    if options.write:
        _write(text)


def _task(name: str, folder: Path) -> Figures:
    """Measure one thing in this process."""
    files = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("[a-z]*.parquet"))}
    asked = np.load(folder / "snapshots.npz")
    tables, snapshots = Tables.of(files), Snapshots(asked["deal"], asked["time"])
    del files
    before = _resident()
    tasks: dict[str, Callable[[Tables, Snapshots], Figures]] = {
        "catalogue": _catalogue,
        "one": _one_deal,
    }
    figures = tasks[name](tables, snapshots) if name in tasks else _engine(name, tables, snapshots)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return figures | {"peak": peak, "above": peak - before, "rows": len(snapshots)}


def _resident() -> float:
    """Memory in use now, GiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    found = work()
    return found, time.perf_counter() - begin


def _catalogue(tables: Tables, snapshots: Snapshots) -> Figures:
    history, indexed = _timed(lambda: History.of(tables))
    words = learn_vocabulary(history, CUT)
    first = snapshots.take(np.arange(1))
    _, prepared = _timed(lambda: compute_features(history, words, first))
    found, computed = _timed(lambda: compute_features(history, words, snapshots))
    return {"index": indexed, "first": prepared, "compute": computed, "features": found.shape[1]}


def _one_deal(tables: Tables, snapshots: Snapshots, activities: int = 200) -> Figures:
    """Median milliseconds of one deal: in a history at hand, and sent alone."""
    whose = str(tables.deals["deal_id"].iloc[snapshots.deal[-1]])
    rows = tables.activities.copy()
    rows.loc[rows.index[:activities], "deal_id"] = whose
    tables = Tables.of({**dict(tables.items()), "activities": rows})
    history, alone = History.of(tables), tables.select([whose])
    words = learn_vocabulary(history, CUT)
    names = list(available_features(history, words))
    one = Snapshots(np.array([history.position_of[whose]]), np.array([CUT]))
    only = Snapshots(np.array([0]), one.time)

    def median(work: Callable[[], Any]) -> float:
        work()
        return 1e3 * float(np.median([_timed(work)[1] for _ in range(30)]))

    return {
        "warm": median(lambda: compute_features(history, words, one, names)),
        "alone": median(lambda: compute_features(History.of(alone), words, only, names)),
        "features": len(names),
    }


def _engine(name: str, tables: Tables, snapshots: Snapshots) -> Figures:
    begin = time.process_time()
    found, seconds = _timed(lambda: ENGINES[name](tables, snapshots))
    busy = time.process_time() - begin
    sums = found.fillna(-1).astype(float).sum()
    return {"seconds": seconds, "busy": busy, "sums": sums.to_list()}


def _measure(task: str, folder: Path) -> Figures:
    """Run one task in a process of its own."""
    command = [sys.executable, "-m", "experiments.feature_speed", "--task", task]
    done = subprocess.run(
        [*command, "--folder", str(folder)], capture_output=True, text=True, check=True
    )
    found: Figures = json.loads(done.stdout)
    return found


def _laid_out(deals: int, folder: Path) -> Path:
    """Tables and weekly snapshots of a CRM of this size, as files."""
    tables = speed_tables(deals)
    place = folder / str(deals)
    place.mkdir()
    for name, frame in tables.items():
        frame.to_parquet(place / f"{name}.parquet")
    found = panel(History.of(tables), CUT)
    np.savez(place / "snapshots.npz", deal=found.deal, time=found.time)
    return place


def _report(deals: int) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        small = _laid_out(deals // 10, Path(name))
        large = _laid_out(deals, Path(name))
        whole = {
            size: _measure("catalogue", size_of)
            for size, size_of in (("small", small), ("large", large))
        }
        one = _measure("one", small)
        rivals = {e: _measure(e, large) for e in ENGINES if _installed(e)}
    return [
        *_catalogue_lines(deals, whole),
        "",
        f"One deal with 200 activities through {one['features']} features (median of 30): "
        f"{one['warm']:.1f} ms in a history at hand; {one['alone']:.0f} ms sent alone, its "
        "history built from tables first.",
        "",
        *_rival_lines(rivals),
    ]


def _installed(engine: str) -> bool:
    return engine not in MODULES or importlib.util.find_spec(MODULES[engine]) is not None


def _catalogue_lines(deals: int, whole: dict[str, Figures]) -> list[str]:
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, one process; a synthetic "
        "CRM (`experiments/speed_data.py`), weekly snapshots of every open deal; other work was "
        "running on the machine, so read the ratios.",
        "",
        f"The whole catalogue ({whole['large']['features']} features):",
        "",
        "| deals | snapshots | index the tables, s | indexes of features, s | features, s "
        "| snapshots a second (features; with indexes; all) | peak memory, GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, found in zip((deals // 10, deals), whole.values(), strict=True):
        parts = np.cumsum([found["compute"], found["first"], found["index"]])
        rates = "; ".join(f"{found['rows'] / seconds:,.0f}" for seconds in parts)
        lines.append(
            f"| {size:,} | {found['rows']:,} | {found['index']:.1f} | {found['first']:.1f} "
            f"| {found['compute']:.1f} | {rates} | {found['peak']:.1f} |"
        )
    return lines


def _rival_lines(rivals: dict[str, Figures]) -> list[str]:
    rows = next(iter(rivals.values()))["rows"]
    reference = np.array(rivals["ours"]["sums"])
    lines = [
        f"{len(SUBSET)} features of the same {rows:,} snapshots, from tables in memory to the "
        "feature matrix, each engine written as its users would (`experiments/speed_rivals.py`):",
        "",
        "| engine | seconds | processor seconds | snapshots a second "
        "| memory above the tables, GiB | same values |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rivals.items():
        same = np.allclose(found["sums"], reference, rtol=1e-6)
        lines.append(
            f"| {name} | {found['seconds']:.1f} | {found['busy']:.1f} "
            f"| {rows / found['seconds']:,.0f} "
            f"| {found['above']:.1f} | {'yes' if same else 'NO'} |"
        )
    absent = [name for name, module in MODULES.items() if not importlib.util.find_spec(module)]
    return lines + ([f"\nNot installed, so not measured: {', '.join(absent)}."] if absent else [])


def _write(text: str) -> None:
    """Put the section `## Features` into docs/performance.md and leave the others alone."""
    old = DOCS.read_text(encoding="utf-8") if DOCS.exists() else "# Performance\n"
    rest = re.sub(r"\n## Features\n.*?(?=\n## |\Z)", "", old, flags=re.DOTALL).rstrip()
    head = "## Features\n\n`python -m experiments.feature_speed --write` wrote this section."
    section = f"{head}\n\n{text}\n"
    DOCS.write_text(f"{rest}\n\n{section}", encoding="utf-8")


if __name__ == "__main__":
    main()
