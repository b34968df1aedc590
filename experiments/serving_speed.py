"""How fast the service answers, beside `mlflow models serve` and a bare FastAPI route.

`python -m experiments.serving_speed [--workspace DIR] [--seconds 10] [--memory 200000] [--write]`
All serve one bundle in one process each, on ready-made features, and take turns at every
case, so that whatever else runs on the machine disturbs them alike; how the rivals are written is
told in `experiments/serving_rivals.py`. Then the service alone: a whole deal with 200 activities,
its memory over many requests, and on two workers, as docs/deploy.md has it, the daily list and
many clients with features.
`--write` puts the tables into docs/performance.md. Without a workspace a demo is made first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.settings import load_settings
from data.store import Store
from experiments.load import Load, request_bytes, run_load
from experiments.processes import (
    ROOT,
    dealcast,
    free_port,
    memory_mb,
    processor_seconds,
    server,
)
from experiments.sections import write_section
from experiments.serving_rivals import BUNDLE, write_mlflow_model
from features.history import History
from training.bundle import Bundle
from training.scoring import score
from training.tracking import Tracker

CASES = ((1, 1), (1, 16), (100, 1), (100, 16))
"""Deals a request, and clients at once."""
WARM_UP = 2.0
OURS, BARE = "dealcast", "bare FastAPI, pydantic"
MLFLOW, UNSIGNED = "mlflow models serve", "mlflow models serve, no signature"
ACTIVITIES = 200


@dataclass(frozen=True)
class Figures:
    """What was measured of one server in one case."""

    name: str
    deals: int
    clients: int
    load: Load
    processor_ms: float

    def row(self) -> str:
        """Write a row of the table."""
        load = self.load
        return (
            f"| {self.name} | {self.deals} | {self.clients} | {load.rate:,.0f} | "
            f"{load.quantile(0.5):.2f} | {load.quantile(0.99):.1f} | {self.processor_ms:.2f} | "
            f"{1e3 * max(load.seconds):.0f} | {load.stalls} | {load.failed} |"
        )


HEADING = [
    "| server | deals | clients | requests/s | p50 ms | p99 ms | processor ms a request | "
    "longest ms | over 100 ms | failed |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="of the command line; default: a demo")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each case")
    parser.add_argument("--memory", type=int, default=200_000, help="requests; 0 leaves it out")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-speed-") as folder:
        workspace = asked.workspace or make_demo(Path(folder) / "demo")
        lines = measured(workspace, Path(folder), asked.seconds, asked.memory)
    print("\n".join(lines))
    if asked.write:
        write_section(ROOT / "docs" / "performance.md", "Service", lines)


def make_demo(workspace: Path) -> Path:
    """Make a demo workspace."""
    print("making a demo workspace, about a minute", file=sys.stderr)
    command = dealcast(workspace, "demo", "--no-serve")
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return workspace


def measured(workspace: Path, folder: Path, seconds: float, memory: int) -> list[str]:
    """Measure everything; the section of the page, line by line."""
    tables = Store(workspace / "store").read()
    history = History.of(tables, load_settings(workspace))
    bundle = Tracker(workspace).champion()
    if bundle is None:
        raise SystemExit(f"no model in {workspace}: run `dealcast train` first")
    features = open_features(bundle, history)
    write_mlflow_model(folder / MLFLOW, bundle, features)
    write_mlflow_model(folder / UNSIGNED, bundle, None)
    bodies = feature_bodies(features)
    found = beside_rivals(workspace, folder, bodies, seconds)
    whole = whole_deal(history, bundle)
    alone = ours_alone(workspace, folder, whole, bodies, seconds, memory)
    return [
        f"`python -m experiments.serving_speed --seconds {seconds:g} --write` wrote this section.",
        "",
        f"Python {sys.version.split()[0]}, {os.cpu_count()} cores shared by servers and clients; "
        f"load of the machine before the run {os.getloadavg()[0]:.1f}, so read the ratios. "
        f"{len(tables.deals):,} deals, tier {bundle.tier}, {len(bundle.features)} features, one "
        "process a server.",
        "",
        *HEADING,
        *(figures.row() for figures in found),
        "",
        *ratios(found),
        "",
        *alone,
    ]


def open_features(bundle: Bundle, history: History) -> pd.DataFrame:
    """Features of the open deals."""
    at = int(np.datetime64(history.last_fact.tz_localize(None), "us").astype(np.int64))  # type: ignore[union-attr]
    return score(bundle, history, at).features


def feature_bodies(features: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Ready-made features of 1 and of 100 deals."""
    bodies = {}
    for deals in {deals for deals, _ in CASES}:
        rows = features.iloc[np.arange(deals) % len(features)].astype(object)
        data = rows.where(rows.notna(), None).to_numpy().tolist()
        bodies[deals] = {"columns": list(features.columns), "data": data}
    return bodies


def whole_deal(history: History, bundle: Bundle) -> dict[str, Any]:
    """An open deal of the store that was never closed, as a message, with 200 activities."""
    at = int(np.datetime64(history.last_fact.tz_localize(None), "us").astype(np.int64))  # type: ignore[union-attr]
    closed = {history.deal_ids[code] for code in history.closings.group}
    ids = (str(each) for each in score(bundle, history, at).frame["deal_id"])
    deal_id = next(each for each in ids if each not in closed)
    tables = history.tables.select([deal_id])
    rows = {name: _records(tables[name]) for name in ("deals", "deal_history", "activities")}
    acts = [{k: v for k, v in row.items() if k != "activity_id"} for row in rows["activities"]]
    acts = acts or [{"type": "email", "occurred_at": rows["deals"][0]["created_at"]}]
    return {
        **rows["deals"][0],
        "history": [
            {k: v for k, v in row.items() if k != "deal_id"} for row in rows["deal_history"]
        ],
        "activities": [
            {k: v for k, v in acts[n % len(acts)].items() if k != "deal_id"}
            for n in range(ACTIVITIES)
        ],
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    text = frame.to_json(orient="records", date_format="iso", date_unit="us")
    return [{k: v for k, v in row.items() if v is not None} for row in json.loads(text or "[]")]


def beside_rivals(
    workspace: Path, folder: Path, bodies: Mapping[int, dict[str, Any]], seconds: float
) -> list[Figures]:
    """The servers, taking turns at every case."""
    with ExitStack() as stack:
        running = {
            OURS: (stack.enter_context(our_server(workspace, folder, 1)), "/predict/features"),
            MLFLOW: (stack.enter_context(mlflow_server(folder / MLFLOW)), "/invocations"),
            UNSIGNED: (stack.enter_context(mlflow_server(folder / UNSIGNED)), "/invocations"),
            BARE: (stack.enter_context(bare_server(folder)), "/invocations"),
        }
        found = []
        for deals, clients in CASES:
            for name, ((port, pid), path) in running.items():
                body = {"dataframe_split": bodies[deals]} if "mlflow" in name else bodies[deals]
                found.append(
                    case(name, port, pid, [request_bytes(path, body)], deals, clients, seconds)
                )
        return found


def case(
    name: str,
    port: int,
    pid: int,
    requests: list[bytes],
    deals: int,
    clients: int,
    seconds: float,
) -> Figures:
    """Warm up, then measure one case."""
    run_load(port, requests, clients, min(WARM_UP, seconds))
    before = processor_seconds(pid)
    load = run_load(port, requests, clients, seconds)
    used = processor_seconds(pid) - before
    print(f"{name}: {deals} deals, {clients} clients: {load.rate:,.0f}/s", file=sys.stderr)
    return Figures(name, deals, clients, load, 1e3 * used / max(len(load.seconds), 1))


@contextmanager
def our_server(workspace: Path, folder: Path, workers: int) -> Iterator[tuple[int, int]]:
    """Serve the workspace; gives port and process."""
    port = free_port()
    command = dealcast(workspace, "serve", "--port", str(port), "--workers", str(workers))
    with server(command, port, "/readyz", folder / f"ours-{port}.log") as pid:
        yield port, pid


@contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[int, int]]:
    """`mlflow models serve` of a model that was written there."""
    port = free_port()
    options = ["-m", str(folder), "-p", str(port), "--env-manager", "local", "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "models", "serve", *options]
    with server(command, port, "/ping", folder / "serve.log") as pid:
        yield port, pid


@contextmanager
def bare_server(folder: Path) -> Iterator[tuple[int, int]]:
    """The bare FastAPI route under uvicorn."""
    port = free_port()
    os.environ[BUNDLE] = str(folder / UNSIGNED / "bundle")
    app = ["--factory", "experiments.serving_rivals:make_bare", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", *app, "--port", str(port), "--log-level", "error"]
    with server(command, port, "/ping", folder / "bare.log") as pid:
        yield port, pid


def ratios(found: list[Figures]) -> list[str]:
    """The goals, and how far they are met."""
    rate = {(each.name, each.deals, each.clients): each.load.rate for each in found}
    slow = max(
        each.load.quantile(0.99) for each in found if each.name == OURS and each.clients > 1
    )
    longest = max(max(each.load.seconds) for each in found if each.name == OURS)
    lines = []
    for deals, goal, bare in ((1, 10.0, 0.5), (100, 3.0, 0.9)):
        ours = rate[OURS, deals, 1]
        lines.append(
            f"* {deals} deals, 1 client: {ours / rate[MLFLOW, deals, 1]:.1f} times the requests/s "
            f"of {MLFLOW} (goal {goal:g}; {ours / rate[UNSIGNED, deals, 1]:.1f} times without a "
            f"signature), {ours / rate[BARE, deals, 1]:.2f} times those of the bare route (goal "
            f"{bare:g})."
        )
    return [
        *lines,
        f"* p99 at 16 clients on one worker at most {slow:.0f} ms (goal 60), longest request "
        f"{1e3 * longest:.0f} ms (goal: no stall over 100).",
    ]


def ours_alone(
    workspace: Path,
    folder: Path,
    deal: dict[str, Any],
    bodies: Mapping[int, dict[str, Any]],
    seconds: float,
    memory: int,
) -> list[str]:
    """Whole deals, memory, and on two workers the list and features."""
    whole = [request_bytes("/predict", {"deals": [deal], "reasons": False})]
    listed = [request_bytes("/rank", {"top": 50})]
    ready = {n: [request_bytes("/predict/features", body)] for n, body in sorted(bodies.items())}
    with our_server(workspace, folder, 1) as (port, pid):
        found = [case("/predict, a deal with 200 activities", port, pid, whole, 1, 1, seconds)]
        lines = _memory(port, pid, [*listed, *ready[1]], memory) if memory else []
    with our_server(workspace, folder, 2) as (port, pid):
        for clients in (1, 16):
            name = "/rank, top 50, two workers"
            found.append(case(name, port, pid, listed, 50, clients, seconds))
        for deals, requests in ready.items():
            name = "/predict/features, two workers"
            found.append(case(name, port, pid, requests, deals, 16, seconds))
    many = [each.load for each in found[-len(ready) :]]
    slow = max(load.quantile(0.99) for load in many)
    goals = [
        f"* A whole deal with 200 activities: p50 {found[0].load.quantile(0.5):.1f} ms (goal 8).",
        f"* /rank, top 50: p50 {found[1].load.quantile(0.5):.2f} ms at one client (goal 2), "
        f"{found[2].load.rate:,.0f} requests/s at 16 clients on two workers (goal 1,500).",
        f"* Features at 16 clients on two workers: p99 at most {slow:.0f} ms (goal 60), "
        f"{sum(load.stalls for load in many)} requests over 100 ms (goal 0).",
    ]
    return [*HEADING, *(figures.row() for figures in found), "", *goals, *lines]


def _memory(port: int, pid: int, requests: list[bytes], most: int) -> list[str]:
    """Memory after each tenth of so many requests."""
    told = []
    for _ in range(10):
        run_load(port, requests, 16, 3_600.0, most=most // 10)
        told.append(memory_mb(pid))
    growth = told[-1] - told[2]
    return [
        f"* Memory over {most:,} requests (the list and features, in turn), MB after each tenth: "
        f"{', '.join(f'{each:.0f}' for each in told)}; {growth:+.0f} MB over the last seven "
        "tenths."
    ]


if __name__ == "__main__":
    main()
