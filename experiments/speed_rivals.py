"""The same 25 features by other engines, as their users would write them: as-of joins on sums.

Each engine gets the tables and the snapshots and gives a frame with the columns of SUBSET in the
order of the snapshots. A window is what began to count before the instant less what had ceased to:
facts recorded late make that two orders of the same facts, for every engine alike.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from data.tables import Tables
from features.facts import micros, positions
from features.history import History
from features.pipeline import compute_features
from features.snapshots import Snapshots
from features.vocabulary import Vocabulary
from features.windows import DAY

KINDS = ("activities", "emails", "calls", "meetings", "inbound")
DAYS = (7, 30, 90)
SUBSET = (
    *(f"{kind}_{days}d_count" for kind in KINDS for days in DAYS),
    *(f"{kind}_count" for kind in KINDS),
    "days_since_last_activity",
    "days_since_last_inbound",
    "log_amount",
    "days_in_stage",
    "stage_changes_count",
)
Engine = Callable[[Tables, Snapshots], pd.DataFrame]


def ours(tables: Tables, snapshots: Snapshots) -> pd.DataFrame:
    """Features of this project: binary search in sorted timelines."""
    return compute_features(History.of(tables), Vocabulary(), snapshots, SUBSET)


def _activities(tables: Tables) -> pd.DataFrame:
    """Activities with deal codes, both clocks in microseconds and a 0/1 column a kind."""
    rows = tables.activities
    happened = micros(rows["occurred_at"])
    known = np.maximum(micros(rows["recorded_at"].fillna(rows["occurred_at"])), happened)
    deal = positions(pd.Index(tables.deals["deal_id"]), rows["deal_id"])
    frame = pd.DataFrame({"deal": deal, "known": known, "happened": happened, "activities": 1})
    for kind in KINDS[1:-1]:
        frame[kind] = (rows["type"] == kind[:-1]).astype(np.int64)
    return frame.assign(inbound=(rows["direction"] == "inbound").astype(np.int64))


def _changes(tables: Tables, name: str) -> pd.DataFrame:
    rows = tables.deal_history[tables.deal_history["property"] == name]
    deal = positions(pd.Index(tables.deals["deal_id"]), rows["deal_id"])
    known = micros(rows["changed_at"])
    value = pd.to_numeric(rows["value"]) if name == "amount" else known
    return pd.DataFrame({"deal": deal, "known": known, "value": value, "changes": 1})


def _questions(snapshots: Snapshots) -> pd.DataFrame:
    return pd.DataFrame(
        {"deal": snapshots.deal, "t": snapshots.time, "row": np.arange(len(snapshots))}
    )


def _finish(found: dict[str, pd.Series], tables: Tables, asked: pd.DataFrame) -> pd.DataFrame:
    """Columns of SUBSET from counts begun and ended, latest times, last amount and stage."""
    created = micros(tables.deals["created_at"])[asked["deal"]]
    out = {}
    for kind in KINDS:
        begun = found[kind].fillna(0)
        out[f"{kind}_count"] = begun
        for days in DAYS:
            out[f"{kind}_{days}d_count"] = begun - found[f"{kind}:{days}"].fillna(0)
    out["days_since_last_activity"] = (asked["t"] - found["last"]) / DAY
    out["days_since_last_inbound"] = (asked["t"] - found["last_inbound"]) / DAY
    out["log_amount"] = np.log(found["amount"])
    entered = found["stage"].fillna(pd.Series(created, asked.index))
    out["days_in_stage"] = (asked["t"] - entered) / DAY
    out["stage_changes_count"] = found["stages"].fillna(0)
    return pd.DataFrame({name: out[name].astype(np.float32) for name in SUBSET})


def pandas_asof(tables: Tables, snapshots: Snapshots) -> pd.DataFrame:
    """pandas: groupby cumulative sums and `merge_asof`."""
    asked = _questions(snapshots)
    left = asked.sort_values("t", kind="stable")
    activities = _activities(tables).sort_values("known", kind="stable")
    found: dict[str, pd.Series] = {}

    def last(right: pd.DataFrame, on: str, columns: dict[str, str]) -> None:
        joined = pd.merge_asof(
            left, right, left_on="t", right_on=on, by="deal", allow_exact_matches=False
        )
        joined = joined.set_index("row").sort_index()
        found.update({new: joined[old] for new, old in columns.items()})

    sums = activities.groupby("deal")[list(KINDS)].cumsum()
    sums["last"] = activities.groupby("deal")["happened"].cummax()
    inbound = activities["happened"].where(activities["inbound"] == 1)
    sums["last_inbound"] = inbound.groupby(activities["deal"]).cummax()
    sums["last_inbound"] = sums["last_inbound"].groupby(activities["deal"]).ffill()
    right = pd.concat([activities[["deal", "known"]], sums], axis=1)
    last(right, "known", {str(name): str(name) for name in sums})
    for days in DAYS:
        end = np.maximum(activities["known"], activities["happened"] + days * DAY)
        ended = activities.assign(end=end).sort_values("end", kind="stable")
        sums = ended.groupby("deal")[list(KINDS)].cumsum()
        right = pd.concat([ended[["deal", "end"]], sums], axis=1)
        last(right, "end", {f"{kind}:{days}": kind for kind in KINDS})
    amounts = _changes(tables, "amount").sort_values("known", kind="stable")
    last(amounts[["deal", "known", "value"]], "known", {"amount": "value"})
    stages = _changes(tables, "stage").sort_values("known", kind="stable")
    stages["changes"] = stages.groupby("deal")["changes"].cumsum()
    last(stages, "known", {"stage": "value", "stages": "changes"})
    return _finish(found, tables, asked)


def duckdb_sql(tables: Tables, snapshots: Snapshots) -> pd.DataFrame:
    """DuckDB: window functions and ASOF joins, one statement."""
    asked = _questions(snapshots)
    activities, amounts, stages = (
        _activities(tables),
        _changes(tables, "amount"),
        _changes(tables, "stage"),
    )
    kinds = ", ".join(f"sum({kind}) OVER w AS {kind}" for kind in KINDS)
    begun = (
        f"SELECT deal, known, {kinds}, max(happened) OVER w AS last, "  # noqa: S608 - constants
        "max(happened) FILTER (inbound = 1) OVER w AS last_inbound FROM activities "
        "WINDOW w AS (PARTITION BY deal ORDER BY known)"
    )
    joins, columns = "", ", ".join(f"b.{kind}" for kind in KINDS)
    for days in DAYS:
        end = f"greatest(known, happened + {days * DAY})"
        joins += (
            f" ASOF LEFT JOIN (SELECT deal, {end} AS stop, {kinds} FROM activities "  # noqa: S608
            f"WINDOW w AS (PARTITION BY deal ORDER BY {end})) e{days} "
            f"ON q.deal = e{days}.deal AND q.t > e{days}.stop"
        )
        columns += "".join(f', e{days}.{kind} AS "{kind}:{days}"' for kind in KINDS)
    query = (
        f"SELECT {columns}, b.last, b.last_inbound, a.value AS amount, s.value AS stage, s.stages "  # noqa: S608
        f"FROM asked q ASOF LEFT JOIN ({begun}) b ON q.deal = b.deal AND q.t > b.known {joins} "
        "ASOF LEFT JOIN amounts a ON q.deal = a.deal AND q.t > a.known "
        "ASOF LEFT JOIN (SELECT deal, known, value, count(*) OVER w AS stages FROM stages "
        "WINDOW w AS (PARTITION BY deal ORDER BY known)) s "
        "ON q.deal = s.deal AND q.t > s.known ORDER BY q.row"
    )
    with duckdb.connect() as connection:
        frames = {"asked": asked, "activities": activities, "amounts": amounts, "stages": stages}
        for name, frame in frames.items():
            connection.register(name, frame)
        joined = connection.execute(query).df()
    return _finish({str(name): joined[name] for name in joined}, tables, asked)


def polars_asof(tables: Tables, snapshots: Snapshots) -> pd.DataFrame:
    """Polars: cumulative sums over groups and `join_asof`."""
    pl = importlib.import_module("polars")
    asked = _questions(snapshots)
    left = pl.from_pandas(asked).sort("t")
    activities = pl.from_pandas(_activities(tables)).sort("known")
    sums = [pl.col(kind).cum_sum().over("deal") for kind in KINDS]
    inbound = pl.when(pl.col("inbound") == 1).then(pl.col("happened"))
    begun = activities.select(
        "deal",
        "known",
        *sums,
        pl.col("happened").cum_max().over("deal").alias("last"),
        inbound.cum_max().forward_fill().over("deal").alias("last_inbound"),
    )
    found: dict[str, pd.Series] = {}

    def last(right: Any, on: str, columns: dict[str, str]) -> None:
        joined = left.join_asof(
            right,
            left_on="t",
            right_on=on,
            by="deal",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        ).sort("row")
        found.update({new: joined[old].to_pandas() for new, old in columns.items()})

    last(begun, "known", {name: name for name in (*KINDS, "last", "last_inbound")})
    for days in DAYS:
        end = pl.max_horizontal("known", pl.col("happened") + days * DAY).alias("end")
        ended = activities.with_columns(end).sort("end").select("deal", "end", *sums)
        last(ended, "end", {f"{kind}:{days}": kind for kind in KINDS})
    last(pl.from_pandas(_changes(tables, "amount")).sort("known"), "known", {"amount": "value"})
    stages = pl.from_pandas(_changes(tables, "stage")).sort("known")
    stages = stages.with_columns(pl.col("changes").cum_sum().over("deal"))
    last(stages, "known", {"stage": "value", "stages": "changes"})
    return _finish(found, tables, asked)


ENGINES: dict[str, Engine] = {
    "ours": ours,
    "pandas merge_asof": pandas_asof,
    "DuckDB ASOF JOIN": duckdb_sql,
    "Polars join_asof": polars_asof,
}
