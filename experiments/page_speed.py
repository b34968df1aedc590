"""How fast the dashboard answers: every page on the demo firm, and Today with 50,000 open deals.

Run `python -m experiments.page_speed` (`--workspace DIR` for a firm that is already there,
`--open N` for another number of open deals). The large firm holds the demo's open deals over and
over under other names, with their histories and activities, seen by the same model.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx
import numpy as np
import pandas as pd
from fastapi import FastAPI

from data.demo import World, simulate, write
from data.sources import read_source
from data.store import Store
from data.tables import Tables
from data.validation import validate
from features.history import History
from serving.app import make_app
from serving.engine import Engine
from serving.page import ADDRESSES
from serving.pages import kept
from serving.view import View, to_micros
from training.bundle import Bundle
from training.tracking import Tracker
from training.train import train

DEALS, OPEN, REPEATS = 6_000, 50_000, 7
KEYED = {"deals": "deal_id", "deal_history": "deal_id", "activities": "deal_id"}
HEADS = "seconds of the first, median of the next, of it computing"
TODAY = ("/", "/?page=3", "/?sort=closing", "/?q=a", "/?lane=overdue")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="a workspace with a store and a champion")
    parser.add_argument("--open", type=int, default=OPEN, help="open deals of the large firm")
    parser.add_argument("--large-alone", action="store_true", help="only the large firm")
    asked = parser.parse_args()
    now = pd.Timestamp.now("UTC").floor("h")
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or _demo(Path(folder), now)
        engine = Engine(workspace, lambda: now)
        if not engine.refresh():
            raise SystemExit(f"{workspace} cannot be served; give one with a store and a model")
        kept.WAIT_SECONDS = 600.0
        view = engine.view()
        if not asked.large_alone:
            print(f"{view.history.size:,} deals, {len(view.deals):,} open: {HEADS}")
            _measure(make_app(engine), [*TODAY, *ADDRESSES.values(), _deal(view)])
        large = View.of(many(view, asked.open), view.bundle, "large", view.as_of)
        engine._current = large
        print(f"\n{len(large.deals):,} open deals: {HEADS}")
        _measure(make_app(engine), [*TODAY, _deal(large)])


def _demo(folder: Path, now: pd.Timestamp) -> Path:
    """A firm of DEALS deals, imported and trained on."""
    end = now.floor("D")
    write(simulate(World.demo(seed=1), deals=DEALS, years=3, end=end, seed=1), folder / "crm")
    tables = validate(read_source(folder / "crm"), now).tables
    Store(folder / "store").merge(tables, "demo", now)
    bundle: Bundle = train(History.of(tables), to_micros(now)).bundle
    tracker = Tracker(folder)
    stamped, _ = tracker.register(bundle, params={}, metrics={}, plots={}, data_version="demo")
    tracker.promote(stamped.version)
    return folder


def many(view: View, wanted: int) -> History:
    """The history with its open deals repeated until there are `wanted` of them."""
    tables, ids = view.history.tables, set(view.deals["deal_id"])
    copies = int(np.ceil(wanted / max(len(ids), 1)))
    frames = dict(tables.items())
    for name, key in KEYED.items():
        rows = tables[name][tables[name][key].isin(ids)]
        parts = [_renamed(rows, name, copy) for copy in range(copies)]
        frames[name] = pd.concat(parts, ignore_index=True)
    return History.of(Tables.of(frames), view.history.settings)


def _renamed(rows: pd.DataFrame, name: str, copy: int) -> pd.DataFrame:
    changed = {"deal_id": rows["deal_id"] + f"-{copy}"}
    if name == "activities":
        changed["activity_id"] = rows["activity_id"] + f"-{copy}"
    return rows.assign(**changed)


def _deal(view: View) -> str:
    return f"/deals/{view.deals['deal_id'].iloc[0]}"


def _measure(app: FastAPI, paths: list[str]) -> None:
    """Ask each address once, then REPEATS times."""
    for path in dict.fromkeys(paths):
        first = _seconds(lambda path=path: _get(app, path))  # type: ignore[misc]
        again = [_seconds(lambda path=path: _get(app, path)) for _ in range(REPEATS)]  # type: ignore[misc]
        wall, cpu = (float(np.median(each)) for each in zip(*again, strict=True))
        print(f"{path:24} {first[0]:8.3f} {wall:8.3f} {cpu:8.3f}", flush=True)


def _get(app: FastAPI, path: str) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.get(path, timeout=600)

    response = anyio.run(send)
    if response.status_code != 200:
        raise SystemExit(f"{path} answered {response.status_code}")


def _seconds(call: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the wall, and of computing: in these no other work on the machine counts."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
