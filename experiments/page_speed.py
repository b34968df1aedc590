"""How fast the dashboard answers: every page on the demo firm, and Today with 50,000 open deals.

Run `python -m experiments.page_speed` (`--workspace DIR` for a firm that is already there,
`--open N` for another number of open deals). The large firm holds the demo's open deals over and
over under other names, with their histories and activities, seen by the same model.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd

from data.settings import load_settings
from data.store import Store
from data.tables import Tables
from experiments.processes import ROOT, dealcast, free_port, processor_seconds, server
from experiments.sections import write_section
from features.history import History
from features.snapshots import open_deals
from features.windows import DAY
from training.tracking import Tracker

OPEN, REPEATS = 50_000, 7
KEYED = ("deals", "deal_history", "activities")
TODAY = ("/", "/?page=3", "/?sort=closing", "/?q=a", "/?lane=overdue")
PAGES = ("/forecast", "/pipeline", "/team", "/sources", "/data", "/model-card")
WORKING = b'class="state loading"'
HEADING = [
    "| page | first answer, s | the next (median), s | of it computing, s |",
    "|---|---|---|---|",
]
PAGE = ROOT / "docs" / "performance.md"


def main() -> None:
    """Measure, print, and write the section of docs/performance.md where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="a workspace with a store and a champion")
    parser.add_argument("--open", type=int, default=OPEN, help="open deals of the large firm")
    parser.add_argument("--large-alone", action="store_true", help="only the large firm")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    asked = parser.parse_args()
    lines = [
        "`python -m experiments.page_speed --write` wrote this section: the dashboard served by "
        f"one worker, {os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}. The "
        "first answer of a page works out what later ones find ready. Goals: the first page of "
        "Today under 0.3 s on the demo firm, under 1 s with 50,000 open deals.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or _demo(Path(folder) / "demo")
        ids = _open_ids(workspace)
        if not asked.large_alone:
            small = _measured(workspace, [*TODAY, *PAGES, f"/deals/{ids[0]}"])
            lines += [f"{len(ids):,} open deals:", "", *HEADING, *small, ""]
        large = _large(workspace, ids, asked.open, Path(folder) / "large")
        count = -(-asked.open // len(ids)) * len(ids)
        found = _measured(large, [*TODAY, f"/deals/{ids[0]}-0"])
        lines += [f"{count:,} open deals:", "", *HEADING, *found]
    print("\n".join(lines))
    if asked.write:
        write_section(PAGE, "Pages", lines)


def _demo(workspace: Path) -> Path:
    """Make the demo firm."""
    command = dealcast(workspace, "demo", "--no-serve")
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return workspace


def _open_ids(workspace: Path) -> list[str]:
    """Identifiers of the deals open at the end of the data."""
    history = History.of(Store(workspace / "store").read(), load_settings(workspace))
    last = int(max(history.created.max(), history.stages.time.max()))
    return [history.deal_ids[code] for code in open_deals(history, last + DAY).deal]


def _large(workspace: Path, ids: list[str], wanted: int, folder: Path) -> Path:
    """Store the open deals over and over, with the champion of the workspace."""
    tables = Store(workspace / "store").read()
    Store(folder / "store").merge(many(tables, ids, wanted), "repeated", pd.Timestamp.now("UTC"))
    bundle = Tracker(workspace).champion()
    if bundle is None:
        raise SystemExit(f"{workspace} has no champion: run `dealcast train` there first")
    tracker = Tracker(folder)
    kept, _ = tracker.register(bundle, params={}, metrics={}, plots={}, data_version="repeated")
    tracker.promote(kept.version)
    return folder


def many(tables: Tables, ids: list[str], wanted: int) -> Tables:
    """Tables with these deals alone, repeated under other names until there are `wanted`."""
    copies = int(np.ceil(wanted / max(len(ids), 1)))
    frames = dict(tables.items())
    for name in KEYED:
        rows = tables[name][tables[name]["deal_id"].isin(ids)]
        parts = [_renamed(rows, name, copy) for copy in range(copies)]
        frames[name] = pd.concat(parts, ignore_index=True)
    return Tables.of(frames)


def _renamed(rows: pd.DataFrame, name: str, copy: int) -> pd.DataFrame:
    changed = {"deal_id": rows["deal_id"] + f"-{copy}"}
    if name == "activities":
        changed["activity_id"] = rows["activity_id"] + f"-{copy}"
    return rows.assign(**changed)


def _measured(workspace: Path, paths: list[str]) -> list[str]:
    """Serve a workspace, ask each address once, then REPEATS times; a row each."""
    port = free_port()
    log = workspace / "served.log"
    command = dealcast(workspace, "serve", "--port", str(port))
    rows = []
    with server(command, port, "/readyz", log) as pid:
        for path in paths:
            first = _seconds(port, path)
            before = processor_seconds(pid)
            again = [_seconds(port, path) for _ in range(REPEATS)]
            computing = (processor_seconds(pid) - before) / REPEATS
            rows.append(f"| `{path}` | {first:.3f} | {np.median(again):.3f} | {computing:.3f} |")
    return rows


def _seconds(port: int, path: str) -> float:
    """Seconds until the page is there; while it is worked out it is asked again."""
    begin = time.perf_counter()
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=600) as answer:
            if WORKING not in answer.read():
                return time.perf_counter() - begin
        time.sleep(0.5)


if __name__ == "__main__":
    main()
