"""How fast features are: the whole catalogue at two sizes, one deal, a subset beside rivals.

`python -m experiments.feature_speed [--deals 200000] [--write]` prints the tables, and with
`--write` puts them into docs/performance.md. Every figure comes from a process of its own, so that
peak memory is that of one engine, and is the lighter of two runs in it: the first may wait for
memory that a virtual machine has yet to fetch. Engines that are not installed are named as not
measured. Featuretools needs a pandas older than ours: `--featuretools` makes it an environment in
the user's cache, `--featuretools PYTHON` names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.tables import Tables
from experiments.speed_data import END, speed_tables
from experiments.speed_report import (
    FEATURETOOLS,
    Figures,
    catalogue_lines,
    featuretools_lines,
    installed,
    one_deal_line,
    rival_lines,
)
from experiments.speed_rivals import ENGINES, SUBSET
from features.arrivals import Arriving
from features.guests import received
from features.history import History
from features.pipeline import available_features, compute_features
from features.snapshots import Snapshots, panel
from features.vocabulary import learn_vocabulary

DOCS = Path(__file__).parents[1] / "docs" / "performance.md"
PROGRAM = Path(__file__).with_name("speed_featuretools.py")
NEEDED = (f"featuretools=={FEATURETOOLS}", "pandas<2.2", "numpy<2", "pyarrow<18", "setuptools<80")
SAMPLE, RUNS = 100, 2
CUT = int(END.as_unit("us").asm8.astype(np.int64))


def main() -> None:
    """Measure, print, and write the section of docs/performance.md where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=200_000)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument(
        "--featuretools",
        nargs="?",
        const="",
        metavar="PYTHON",
        help="measure it on a 1 %% sample: by this interpreter, or by an environment made for it",
    )
    parser.add_argument(
        "--work", type=Path, help="keep tables and figures here; what is there is not done again"
    )
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(_task(options.task, options.folder)))
        return
    python = None if options.featuretools is None else _interpreter(options.featuretools)
    with tempfile.TemporaryDirectory() as name:
        work = options.work or Path(name)
        work.mkdir(parents=True, exist_ok=True)
        text = "\n".join(_report(options.deals, python, work))
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


def _timed(
    work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter
) -> tuple[Any, float]:
    begin = clock()
    found = work()
    return found, clock() - begin


def _better(work: Callable[[], Figures]) -> Figures:
    """Run so often; give the figures of the run that took the least processor time."""
    return min((work() for _ in range(RUNS)), key=lambda found: float(found["busy"]))


def _catalogue(tables: Tables, snapshots: Snapshots) -> Figures:
    def run() -> Figures:
        busy, own, begin = time.process_time(), os.times().user, time.perf_counter()
        history, indexed = _timed(lambda: History.of(tables))
        words = learn_vocabulary(history, CUT)
        first = snapshots.take(np.arange(1))
        _, prepared = _timed(lambda: compute_features(history, words, first))
        found, computed = _timed(lambda: compute_features(history, words, snapshots))
        figures = {"index": indexed, "first": prepared, "compute": computed}
        seconds, busy = time.perf_counter() - begin, time.process_time() - busy
        took = {"seconds": seconds, "busy": busy, "own": os.times().user - own}
        return figures | took | {"features": found.shape[1]}

    return _better(run)


def _one_deal(tables: Tables, snapshots: Snapshots, activities: int = 200) -> Figures:
    """Median milliseconds of one deal: of a history at hand, and sent whole to it."""
    whose = str(tables.deals["deal_id"].iloc[snapshots.deal[-1]])
    rows = tables.activities.copy()
    rows.loc[rows.index[:activities], "deal_id"] = whose
    tables = Tables.of({**dict(tables.items()), "activities": rows})
    history, alone = History.of(tables), tables.select([whose])
    words = learn_vocabulary(history, CUT)
    names = list(available_features(history, words))
    one = Snapshots(np.array([history.position_of[whose]]), np.array([CUT]))
    only = Snapshots(np.array([0]), one.time)

    def median(work: Callable[[], Any], clock: Callable[[], float], runs: int) -> float:
        work()
        return 1e3 * float(np.median([_timed(work, clock)[1] for _ in range(runs)]))

    def warm() -> pd.DataFrame:
        return compute_features(history, words, one, names)

    def sent() -> pd.DataFrame:
        guest = received(history, Arriving.of(alone)) or History.of(alone)
        return compute_features(guest, words, only, names)

    return {
        "warm": median(warm, time.perf_counter, 100),
        "busy": median(warm, time.process_time, 100),
        "sent": median(sent, time.perf_counter, 30),
        "sent_busy": median(sent, time.process_time, 30),
        "features": len(names),
    }


def _engine(name: str, tables: Tables, snapshots: Snapshots) -> Figures:
    def run() -> Figures:
        busy = time.process_time()
        found, seconds = _timed(lambda: ENGINES[name](tables, snapshots))
        busy = time.process_time() - busy
        sums = found.fillna(-1).astype(float).sum()
        return {"seconds": seconds, "busy": busy, "sums": sums.to_list()}

    return _better(run)


def _measure(task: str, folder: Path) -> Figures:
    """Run one task in a process of its own."""
    module = [sys.executable, "-m", "experiments.feature_speed", "--task", task]
    return _run(task, [*module, "--folder", str(folder)], folder)


def _run(task: str, command: list[str], folder: Path) -> Figures:
    """Give what a program prints, or that it failed; what was measured before is read again."""
    kept = folder / f"{task.replace(' ', '-')}.json"
    if not kept.exists():
        sys.stderr.write(f"measuring {task} on {folder.name}\n")
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            killed = "killed, as when memory is short" if done.returncode < 0 else "it failed"
            return {"failed": killed}
        kept.write_text(done.stdout, encoding="utf-8")
    found: Figures = json.loads(kept.read_text(encoding="utf-8"))
    return found


def _interpreter(python: str) -> str:
    """Interpreter that has Featuretools; without one named, that of an environment made for it."""
    if python:
        return python
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    made = cache / "dealcast" / "featuretools"
    if not (made / "done").exists():
        venv.create(made, with_pip=True, clear=True)
        install = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", *NEEDED]
        subprocess.run(install, check=True)
        (made / "done").touch()
    return str(made / "bin" / "python")


def _laid_out(make: Callable[[], Tables], place: Path) -> Path:
    """Tables of a CRM and its weekly snapshots, as files."""
    if (place / "snapshots.npz").exists():
        return place
    place.mkdir(exist_ok=True)
    tables = make()
    for name, frame in tables.items():
        frame.to_parquet(place / f"{name}.parquet")
    found = panel(History.of(tables), CUT)
    np.savez(place / "snapshots.npz", deal=found.deal, time=found.time)
    return place


def _report(deals: int, featuretools: str | None, work: Path) -> list[str]:
    load = os.getloadavg()[0]
    small = _laid_out(lambda: speed_tables(deals // 10), work / f"deals-{deals // 10}")
    large = _laid_out(lambda: speed_tables(deals), work / f"deals-{deals}")
    whole = {"small": _measure("catalogue", small), "large": _measure("catalogue", large)}
    one = _measure("one", small)
    rivals = {engine: _measure(engine, large) for engine in ENGINES if installed(engine)}
    slow = _featuretools(featuretools, _sample(deals, work)) if featuretools else {}
    return [
        *catalogue_lines(deals, whole, load),
        "",
        one_deal_line(one),
        "",
        *rival_lines(rivals),
        *featuretools_lines(slow),
    ]


def _sample(deals: int, work: Path) -> Path:
    """One deal in SAMPLE of the large CRM."""

    def make() -> Tables:
        tables = speed_tables(deals)
        return tables.select(list(tables.deals["deal_id"].iloc[::SAMPLE]))

    return _laid_out(make, work / f"sample-of-{deals}")


def _featuretools(python: str, sample: Path) -> dict[str, Figures]:
    """Figures of Featuretools and of ours on the sample."""
    command = [python, "-W", "ignore", str(PROGRAM), str(sample), *SUBSET]
    return {
        "ours": _measure("ours", sample),
        "Featuretools": _run("Featuretools", command, sample),
    }


def _write(text: str) -> None:
    """Put the section `## Features` into docs/performance.md and leave the others alone."""
    old = DOCS.read_text(encoding="utf-8") if DOCS.exists() else "# Performance\n"
    rest = re.sub(r"\n## Features\n.*?(?=\n## |\Z)", "", old, flags=re.DOTALL).rstrip()
    head = "## Features\n\n`python -m experiments.feature_speed --write` wrote this section."
    section = f"{head}\n\n{text}\n"
    DOCS.write_text(f"{rest}\n\n{section}", encoding="utf-8")


if __name__ == "__main__":
    main()
