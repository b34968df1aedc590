"""Peers on the same features and the same split: won within 90 days, log-loss and AUC.

The rows are snapshots of a demo CRM: those known at an origin teach, those of the twelve weeks
after it test, each watched for 90 days. Every peer gets the very features that dealcast computed,
and which rows are of one deal and which came first where it can use that for its own validation;
run a second time without, it shows what becomes of a tool that validates on rows of deals it
trains on. dealcast's time is that of its whole `train`: features, folds, calibration and refit.

The peers need an environment of their own, for they pin other versions:

    python -m venv peers-env
    peers-env/bin/pip install "flaml[automl]" "autogluon.tabular[lightgbm,catboost,xgboost]" \
        catboost lightgbm hazardous pyarrow
    python -m experiments.peers --python peers-env/bin/python --minutes 10 --write

A peer that is not installed there is left out, and said so. With `--folder` rows and answers are
kept, and a run that was interrupted goes on with the peers that have not answered yet.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from data.demo import World, simulate
from data.tables import Tables
from experiments.peers_run import HORIZON
from experiments.peers_table import NAMES, WEEKS, WITHOUT_GROUPS, Answer, Split, lines_of
from experiments.sections import ROOT, write_section
from features.history import History
from features.outcomes import Outcomes, outcomes
from features.pipeline import compute_features
from features.snapshots import Snapshots, panel
from features.windows import DAY
from training.bundle import Bundle
from training.train import bounded_panel, categorical_names, train

PAGE = ROOT / "docs" / "benchmarks.md"
TITLE = "Peers on the same features and split"
END = pd.Timestamp("2025-06-30", tz="UTC")
YEARS = 3
MODULES = {
    "logistic": "sklearn",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "hazardous": "hazardous",
    "flaml": "flaml",
    "autogluon": "autogluon.tabular",
}


def read_split(folder: Path) -> Split:
    """Read what `make_split` left in a folder."""
    with np.load(folder / "split.npz") as found:
        arrays = {name: found[name] for name in ("deal", "labels", "ours")}
        numbers = {name: found[name].item() for name in found.files if name not in arrays}
    return Split(**arrays, **numbers)


def make_split(deals: int, folder: Path, seed: int = 5) -> Split:
    """Train dealcast at the origin, and leave the peers' rows and the split in the folder."""
    made = simulate(World.demo(), deals=deals, years=YEARS, end=END, seed=seed)
    history = History.of(Tables.of(made.tables))
    end = int(END.as_unit("us").asm8.astype(np.int64))
    origin = end - (HORIZON + 7 * WEEKS) * DAY
    begin, busy = time.perf_counter(), time.process_time()
    bundle = train(history, origin).bundle
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    rows = bounded_panel(history, origin)
    known = outcomes(history, rows, origin)
    weekly = panel(history, end - HORIZON * DAY)
    tested = weekly.take(weekly.time >= origin)
    asked = _features(history, bundle, tested)
    _export(folder, history, bundle, rows, known, asked)
    split = Split(
        deals=history.size,
        origin=origin,
        taught=int((known.watched >= HORIZON).sum()),
        deal=tested.deal,
        labels=outcomes(history, tested, end).won(HORIZON),
        ours=bundle.close.incidence(asked).won_by(HORIZON)[:, 0],
        seconds=seconds,
        busy=busy,
    )
    np.savez(folder / "split.npz", **asdict(split))
    return split


def _features(history: History, bundle: Bundle, rows: Snapshots) -> pd.DataFrame:
    return compute_features(history, bundle.vocabulary, rows, bundle.features)


def _export(
    folder: Path,
    history: History,
    bundle: Bundle,
    rows: Snapshots,
    known: Outcomes,
    asked: pd.DataFrame,
) -> None:
    """Rows as the peers read them: watched for the whole horizon; for survival, all."""
    features = _features(history, bundle, rows)
    names = [f"f{n}" for n in range(len(features.columns))]
    codes = categorical_names(history, bundle.vocabulary, bundle.features)
    head = {
        "features": names,
        "categorical": [names[bundle.features.index(code)] for code in codes],
    }
    (folder / "rows.json").write_text(json.dumps(head), encoding="utf-8")
    features.columns = asked.columns = pd.Index(names)
    mature = known.watched >= HORIZON
    labelled = features[mature].assign(
        label=known.won(HORIZON)[mature], deal=rows.deal[mature], time=rows.time[mature]
    )
    labelled.to_parquet(folder / "train.parquet")
    duration = np.minimum(np.where(known.kind > 0, known.days, known.watched), known.watched)
    seen = duration > 0
    censored = features.assign(event=known.kind, duration=duration)[seen]
    censored.to_parquet(folder / "survival.parquet")
    asked.to_parquet(folder / "test.parquet")
    asked.columns = pd.Index(bundle.features)


def installed(python: Path, tool: str) -> bool:
    """Whether the peers' environment has a tool."""
    call = [str(python), "-c", f"import {MODULES[tool]}"]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


def ask(
    python: Path | None, tool: str, folder: Path, minutes: float, *, aware: bool
) -> Answer | None:
    """Answer of one peer: the folder's, else of a run in its environment; None where it fails."""
    name = tool + ("" if aware else "_unaware")
    if python and not (folder / f"{name}.json").exists():
        _run(python, tool, folder, minutes, aware=aware)
    if not (folder / f"{name}.json").exists():
        return None
    cost = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return Answer(tool, aware, np.load(folder / f"{name}.npy"), cost["seconds"], cost["busy"])


def _run(python: Path, tool: str, folder: Path, minutes: float, *, aware: bool) -> None:
    """Run one peer; where it fails its last words are shown."""
    script = ROOT / "experiments" / "peers_run.py"
    call = [str(python), str(script), tool, str(folder), "--minutes", str(minutes)]
    call += [] if aware else ["--unaware"]
    # Threads that wait by spinning would take the processor from one another on a busy machine.
    quiet = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        print(f"{tool} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)


def run_peers(
    python: Path | None, folder: Path, tools: list[str], minutes: dict[bool, float]
) -> list[Answer]:
    """Every tool with deal groups and time order, and once without."""
    found = []
    for aware in (True, False):
        for tool in tools:
            if not aware and tool in WITHOUT_GROUPS:
                continue
            print(
                f"{tool}, {'told' if aware else 'not told'} of deals", file=sys.stderr, flush=True
            )
            if (answer := ask(python, tool, folder, minutes[aware], aware=aware)) is not None:
                found.append(answer)
    return found


def main() -> None:
    """Print the table; with `--write` put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python", type=Path, help="of the peers' environment; without it only kept answers count"
    )
    parser.add_argument("--deals", type=int, default=6_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="for each AutoML run")
    parser.add_argument("--minutes-untold", type=float, help="default: as --minutes")
    parser.add_argument("--tools", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--folder", type=Path, help="keeps rows and answers")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    untold = options.minutes if options.minutes_untold is None else options.minutes_untold
    minutes = {True: options.minutes, False: untold}
    python = options.python
    here = [tool for tool in options.tools if python is None or installed(python, tool)]
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "split.npz").exists():
            print("training dealcast", file=sys.stderr, flush=True)
            make_split(options.deals, folder)
        split = read_split(folder)
        answers = run_peers(python, folder, here, minutes)
    answered = {answer.tool for answer in answers}
    absent = [NAMES[tool] for tool in MODULES if tool not in answered]
    lines = lines_of(split, answers, absent, minutes)
    print("\n".join(lines))
    if options.write:
        write_section(PAGE, TITLE, lines)


if __name__ == "__main__":
    main()
