"""Does the service hold? Two minutes of requests while what it serves changes under it.

`python -m experiments.serving_load [--workspace DIR] [--seconds 120] [--write]`
Eight clients ask two workers without a pause. Meanwhile the champion is switched twice and data
are imported once; then a worker is killed (`kill -9`). Every answer must be 200; all of one answer
must be of one model and one state of the data, and the same question on the same model and data
must get the same bytes from whichever worker. Without a workspace a demo is made first; the
workspace given is copied and stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from data.store import Store
from data.tables import Tables
from experiments.load import Load, request_bytes, run_load
from experiments.processes import ROOT, dealcast, family, free_port, server
from experiments.sections import write_section
from experiments.serving_speed import make_demo
from training.tracking import Tracker

CLIENTS = 8
WORKERS = 2
AFTER_KILL = 20.0


@dataclass
class Seen:
    """What the answers told: states of model and data, and whether any of them was mixed."""

    states: dict[tuple[str, str], int] = field(default_factory=dict)
    bodies: dict[tuple[Any, ...], bytes] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)

    def judge(self, status: int, body: bytes) -> None:
        """Look at an answer."""
        if status != 200:
            self.mixed.append(f"status {status}: {body[:300].decode(errors='replace')}")
            return
        told = json.loads(body)
        state = (told["model_version"], told["data_version"])
        self.states[state] = self.states.get(state, 0) + 1
        rows = told.get("deals", ())
        if any(row["model_version"] != state[0] or row["as_of"] != told["as_of"] for row in rows):
            self.mixed.append(f"rows of another model or instant than {state}")
        question = (*state, told["as_of"], tuple(told), len(rows))
        before = self.bodies.setdefault(question, body)
        if before != body and not told["notes"]:
            self.mixed.append(f"two answers to one question on {state}")


@dataclass(frozen=True)
class Event:
    """Something that happens so many seconds after the start."""

    at: float
    name: str
    act: Callable[[], None]


def main() -> None:
    """Run, print, write; exit code 1 where the service did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="of the command line; default: a demo")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-load-") as folder:
        workspace = Path(folder) / "workspace"
        if asked.workspace:
            shutil.copytree(asked.workspace, workspace)
        else:
            make_demo(workspace)
        lines, held = run(workspace, Path(folder), asked.seconds)
    print("\n".join(lines))
    if asked.write:
        write_section(ROOT / "docs" / "performance.md", "Service under change", lines)
    sys.exit(0 if held else 1)


def run(workspace: Path, folder: Path, seconds: float) -> tuple[list[str], bool]:
    """Serve and ask; what came of it, and whether the service held."""
    old, new = _two_champions(workspace)
    port = free_port()
    options = ("serve", "--port", str(port), "--workers", str(WORKERS))
    with server(dealcast(workspace, *options), port, "/readyz", folder / "serve.log") as pid:
        seen, tracker = Seen(), Tracker(workspace)
        events = [
            Event(0.2 * seconds, f"champion {new}", lambda: tracker.promote(new)),
            Event(0.5 * seconds, "import", lambda: _import(workspace)),
            Event(0.8 * seconds, f"champion {old}", lambda: tracker.promote(old)),
        ]
        threading.Thread(target=_happen, args=(events,), daemon=True).start()
        load = run_load(port, _questions(port), CLIENTS, seconds, judge=seen.judge)
        killed, back = _killed(port, pid)
    held = not load.failed and not seen.mixed and len(seen.states) >= 4 and back
    return _told(load, seen, events, killed, seconds, back=back), held


def _two_champions(workspace: Path) -> tuple[str, str]:
    """Register the champion a second time; the versions of both."""
    tracker = Tracker(workspace)
    bundle = tracker.champion()
    if bundle is None:
        raise SystemExit(f"no model in {workspace}: run `dealcast train` first")
    again, _ = tracker.register(bundle, params={}, metrics={}, plots={}, data_version="load")
    return bundle.version, again.version


def _import(workspace: Path) -> None:
    """Bring a new activity of every tenth deal."""
    store, now = Store(workspace / "store"), pd.Timestamp.now("UTC").as_unit("us")
    deals = store.read().deals["deal_id"].iloc[::10].reset_index(drop=True)
    rows = {"activity_id": "load-" + deals, "deal_id": deals, "type": "call", "occurred_at": now}
    store.merge(Tables.of({"activities": pd.DataFrame(rows)}), "load", now)


def _happen(events: list[Event]) -> None:
    started = time.monotonic()
    for event in events:
        time.sleep(max(0.0, started + event.at - time.monotonic()))
        event.act()
        print(f"{time.monotonic() - started:.0f} s: {event.name}", file=sys.stderr)


def _questions(port: int) -> list[bytes]:
    """Questions that are told apart by the number of their rows."""
    bodies: list[bytes] = []
    run_load(
        port,
        [request_bytes("/rank", {"top": 5})],
        1,
        60.0,
        most=1,
        judge=lambda _, body: bodies.append(body),
    )
    ids = [deal["deal_id"] for deal in json.loads(bodies[0])["deals"]]
    return [
        request_bytes("/rank", {"top": 50}),
        request_bytes("/rank", {"top": 7, "order_by": "win_probability"}),
        request_bytes("/score", {"deal_ids": ids[:3]}),
        request_bytes("/score", {"deal_ids": ids[:1]}),
    ]


def _killed(port: int, pid: int) -> tuple[Load, bool]:
    """Kill a worker under load; what the clients met, and whether there are as many again."""
    workers = _workers(pid)
    threading.Timer(2.0, os.kill, (workers[0], signal.SIGKILL)).start()
    request = [request_bytes("/rank", {"top": 50})]
    load = run_load(port, request, CLIENTS, AFTER_KILL, patient=True)
    return load, len(_workers(pid)) == len(workers) and workers[0] not in _workers(pid)


def _workers(pid: int) -> list[int]:
    found = []
    for each in family(pid):
        command = (Path("/proc") / str(each) / "cmdline").read_bytes().decode(errors="replace")
        if "worker" in command and "--worker-id" in command:
            found.append(each)
    return found


def _told(
    load: Load, seen: Seen, events: list[Event], killed: Load, seconds: float, *, back: bool
) -> list[str]:
    happened = ", ".join(f"{event.name} at {event.at:.0f} s" for event in events)
    states = ", ".join(f"model {m} on {d}: {n:,}" for (m, d), n in seen.states.items())
    return [
        "`python -m experiments.serving_load --write` wrote this section.",
        "",
        f"{CLIENTS} clients, {WORKERS} workers, {seconds:g} s; {happened}.",
        "",
        f"* {len(load.seconds):,} requests, {load.failed} failed; p50 {load.quantile(0.5):.1f} "
        f"ms, p99 {load.quantile(0.99):.0f} ms, longest {1e3 * max(load.seconds):.0f} ms.",
        f"* Answers by state: {states}.",
        f"* Answers that mixed states, or two to one question: {len(seen.mixed)}"
        + (f" ({seen.mixed[0]})" if seen.mixed else "")
        + ".",
        f"* `kill -9` of a worker: {killed.failed} of {len(killed.seconds) + killed.failed:,} "
        f"requests lost their connection; {'all' if back else 'not all'} workers were back "
        f"within {AFTER_KILL:g} s.",
    ]


if __name__ == "__main__":
    main()
