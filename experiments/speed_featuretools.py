"""The same 25 features by Featuretools with cutoff times: a program of its own.

Featuretools needs a pandas older than ours, so this runs in another interpreter and imports
nothing of the project: `python speed_featuretools.py FOLDER COLUMN...` reads the tables and
snapshots that `experiments.feature_speed` laid out, and prints what it measured as JSON.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DAY = 86_400_000_000
KINDS = ("activities", "emails", "calls", "meetings", "inbound")
DAYS = (7, 30, 90)


def main(folder: Path, columns: list[str]) -> None:
    """Measure and print: seconds, processor seconds, memory and the sum of each column."""
    tables = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("[a-z]*.parquet"))}
    asked = np.load(folder / "snapshots.npz")
    before, busy, begin = _peak(), time.process_time(), time.perf_counter()
    found = features(tables, asked["deal"], asked["time"])[columns]
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    sums = found.fillna(-1).astype(float).sum().tolist()
    figures = {"seconds": seconds, "busy": busy, "sums": sums, "above": _peak() - before}
    sys.stdout.write(json.dumps(figures | {"rows": len(found), "peak": _peak()}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def features(tables: dict[str, pd.DataFrame], deal: Any, at: Any) -> pd.DataFrame:
    """Columns of the subset, a row a snapshot in the order given."""
    ft = importlib.import_module("featuretools")
    primitives = importlib.import_module("featuretools.primitives")
    crm = ft.EntitySet("crm")
    deals = pd.DataFrame({"deal": np.arange(len(tables["deals"]))})
    crm = crm.add_dataframe(dataframe_name="deals", dataframe=deals, index="deal")
    wanted = {}

    def add(name: str, frame: pd.DataFrame, asked: dict[str, tuple[str, Any]]) -> None:
        frame = frame.assign(id=np.arange(len(frame)))
        crm.add_dataframe(dataframe_name=name, dataframe=frame, index="id", time_index="known")
        crm.add_relationship("deals", "deal", name, "deal")
        for new, (column, primitive) in asked.items():
            base = ft.Feature(crm[name].ww[column])
            wanted[new] = ft.Feature(base, parent_dataframe_name="deals", primitive=primitive)

    activities = _activities(tables)
    sums = {kind: (kind, primitives.Sum) for kind in KINDS}
    latest = {"last": ("happened", primitives.Max), "last_inbound": ("answered", primitives.Max)}
    add("activities", _timed(activities), sums | latest)
    for days in DAYS:
        end = np.maximum(activities["known"], activities["happened"] + days * DAY)
        ended = {f"{kind}:{days}": (kind, primitives.Sum) for kind in KINDS}
        add(f"ended_{days}", _timed(activities.assign(known=end)), ended)
    add("amounts", _changes(tables, "amount"), {"amount": ("value", primitives.Last)})
    stages = {"stage": ("value", primitives.Last), "stages": ("one", primitives.Sum)}
    add("stages", _changes(tables, "stage"), stages)
    questions = pd.DataFrame({"deal": deal, "time": _stamps(at), "row": np.arange(len(at))})
    matrix = ft.calculate_feature_matrix(
        list(wanted.values()), crm, cutoff_time=questions, include_cutoff_time=False
    )
    named = matrix.rename(columns={f.get_name(): new for new, f in wanted.items()})
    ordered = named.set_index("row").sort_index()
    return _finish(ordered.astype(float), _micros(tables["deals"]["created_at"])[deal], at)


def _micros(times: pd.Series) -> Any:
    return pd.DatetimeIndex(times).tz_localize(None).as_unit("us").asi8


def _stamps(at: Any) -> Any:
    return np.asarray(at, np.int64).astype("datetime64[us]").astype("datetime64[ns]")


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(known=_stamps(frame["known"])).sort_values("known", kind="stable")


def _activities(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows = tables["activities"]
    happened = _micros(rows["occurred_at"])
    known = np.maximum(_micros(rows["recorded_at"].fillna(rows["occurred_at"])), happened)
    deal = pd.Index(tables["deals"]["deal_id"]).get_indexer(rows["deal_id"])
    inbound = (rows["direction"] == "inbound").to_numpy(bool)
    frame = pd.DataFrame({"deal": deal, "known": known, "happened": happened.astype(float)})
    for kind in KINDS[1:-1]:
        frame[kind] = (rows["type"] == kind[:-1]).to_numpy(float)
    answered = np.where(inbound, frame["happened"], np.nan)
    return frame.assign(activities=1.0, inbound=inbound.astype(float), answered=answered)


def _changes(tables: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    rows = tables["deal_history"][tables["deal_history"]["property"] == name]
    known = _micros(rows["changed_at"])
    value = pd.to_numeric(rows["value"]).to_numpy(float) if name == "amount" else known
    deal = pd.Index(tables["deals"]["deal_id"]).get_indexer(rows["deal_id"])
    frame = pd.DataFrame({"deal": deal, "known": known, "value": value.astype(float), "one": 1.0})
    return _timed(frame)


def _finish(found: pd.DataFrame, created: Any, at: Any) -> pd.DataFrame:
    out: dict[str, Any] = {}
    for kind in KINDS:
        begun = found[kind].fillna(0)
        out[f"{kind}_count"] = begun
        for days in DAYS:
            out[f"{kind}_{days}d_count"] = begun - found[f"{kind}:{days}"].fillna(0)
    out["days_since_last_activity"] = (at - found["last"]) / DAY
    out["days_since_last_inbound"] = (at - found["last_inbound"]) / DAY
    out["log_amount"] = np.log(found["amount"])
    out["days_in_stage"] = (at - found["stage"].fillna(pd.Series(created, found.index))) / DAY
    out["stage_changes_count"] = found["stages"].fillna(0)
    return pd.DataFrame({name: values.astype(np.float32) for name, values in out.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
