"""The event log of BPI Challenge 2012 as a history, its prefixes, and the published labels.

The log (van Dongen, doi:10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f) is a Dutch bank's loan
applications. Applications become deals; the states of application and offer become stages; work
items become activities; every event is also a custom property of the deal, as a firm would log
its own workflow, with how often it has come so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.tables import Tables
from features.history import History
from features.windows import Ints

EVENTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "bpic2012_events.csv.gz"
OUTCOMES = ("O_ACCEPTED", "O_DECLINED", "O_CANCELLED")
LONGEST = 40
"""Events of the longest prefix."""
TYPES = {"W_Valideren aanvraag": "task", "W_Beoordelen fraude": "task", "O_SENT": "email"}
CLOSINGS = {
    "O_ACCEPTED": "closed_won",
    "O_DECLINED": "closed_lost",
    "A_DECLINED": "closed_lost",
    "A_CANCELLED": "closed_lost",
}


@dataclass(frozen=True)
class Prefixes:
    """The first 1, 2, ... LONGEST events of each labelled case, as questions to a history.

    Attributes
    ----------
    deal, time : (n,) deal code and the instant just after the last event (microseconds)
    length : (n,) events in the prefix
    label : (n,) the last of OUTCOMES of the whole case
    decided : (n,) when that event came (microseconds): a prefix later than this holds its label
    start : (n,) first event of the case (microseconds)
    """

    deal: Ints
    time: Ints
    length: Ints
    label: pd.Series
    decided: Ints
    start: Ints


def read_events(path: Path = EVENTS) -> pd.DataFrame:
    """Events in order; times of a case nudged apart by a microsecond where they coincide."""
    events = pd.read_csv(path, dtype={"case_id": str})
    at = pd.to_datetime(events["timestamp"], utc=True, format="ISO8601").dt.as_unit("us")
    events["at"] = at
    events = events.sort_values(["case_id", "at"], kind="stable", ignore_index=True)
    events["number"] = events.groupby("case_id").cumcount() + 1
    same = events["at"] == events.groupby("case_id")["at"].shift()
    run = same.groupby((~same).cumsum()).cumsum()
    events["at"] += pd.to_timedelta(run, unit="us")
    events["resource"] = events.groupby("case_id")["resource"].ffill()
    events["event"] = events["activity"] + " " + events["lifecycle"].str.lower()
    return events


def as_history(events: pd.DataFrame) -> History:
    """The log in the tables of the contract."""
    first = events.groupby("case_id").first()
    deals = pd.DataFrame(
        {
            "deal_id": first.index,
            "stage": "A_SUBMITTED",
            "created_at": first["at"].to_numpy(),
            "amount": first["AMOUNT_REQ"].to_numpy(float),
            "pipeline": "loan",
        }
    )
    tables = {"deals": deals, "deal_history": _changes(events), "activities": _activities(events)}
    return History.of(Tables.of(tables))


def _changes(events: pd.DataFrame) -> pd.DataFrame:
    """Stage, amount, owner; the last event; how often each has come; waiting time; hour."""
    state = events[events["activity"].str.match("[AO]_")]
    resource = events["resource"].astype("Int64").astype("str")
    handed = resource != resource.groupby(events["case_id"]).shift()
    come = events.groupby(["case_id", "event"]).cumcount() + 1
    since = events.groupby("case_id")["at"].diff().dt.total_seconds().fillna(0.0)
    parts = [
        (state, "stage", state["activity"].replace(CLOSINGS)),
        (events[events["number"] == 1], "amount", events["AMOUNT_REQ"].astype(str)),
        (events[handed & resource.notna()], "owner_id", "u" + resource),
        (events, "resource", "u" + resource.fillna("0")),
        (events, "event", events["event"]),
        (events, "event before", events.groupby("case_id")["event"].shift()),
        (events, "events", events["number"].astype(str)),
        (events, "log seconds since the event before", np.log1p(since).round(4).astype(str)),
        (events, "hour", events["at"].dt.hour.astype(str)),
        (events, "weekday", events["at"].dt.day_of_week.astype(str)),
        *(
            (events[events["event"] == name], f"times {name}", come.astype(str))
            for name in sorted(events["event"].unique())
        ),
    ]
    made = [
        pd.DataFrame(
            {
                "deal_id": rows["case_id"],
                "property": name,
                "value": values.reindex(rows.index),
                "changed_at": rows["at"],
            }
        ).dropna(subset="value")
        for rows, name, values in parts
    ]
    return pd.concat(made, ignore_index=True)


def _activities(events: pd.DataFrame) -> pd.DataFrame:
    """Work done, offers sent out (emails by us) and sent back (emails by the applicant)."""
    work = events["activity"].str.startswith("W_") & (events["lifecycle"] == "COMPLETE")
    kept = events[work | events["activity"].isin(["O_SENT", "O_SENT_BACK"])]
    back = kept["activity"] == "O_SENT_BACK"
    return pd.DataFrame(
        {
            "activity_id": kept.index.astype(str),
            "deal_id": kept["case_id"],
            "type": kept["activity"].map(TYPES).fillna("call").mask(back, "email"),
            "direction": np.where(back, "inbound", "outbound"),
            "owner_id": "u" + kept["resource"].astype("Int64").astype("str"),
            "occurred_at": kept["at"],
        }
    )


def prefixes(events: pd.DataFrame, history: History) -> Prefixes:
    """Every prefix of every case whose last offer event is one of OUTCOMES."""
    offers = events[events["activity"].str.startswith("O_")]
    last = offers.groupby("case_id").last()
    last = last[last["activity"].isin(OUTCOMES)]
    rows = events[events["case_id"].isin(last.index) & (events["number"] <= LONGEST)]
    case = rows["case_id"]
    start = events.groupby("case_id")["at"].first()
    return Prefixes(
        deal=np.asarray(case.map(history.position_of), np.int64),
        time=_micros(rows["at"]) + 1,
        length=rows["number"].to_numpy(np.int64),
        label=case.map(last["activity"]).reset_index(drop=True),
        decided=_micros(case.map(last["at"])),
        start=_micros(case.map(start)),
    )


def _micros(times: pd.Series) -> Ints:
    return np.asarray(times.dt.as_unit("us").to_numpy("datetime64[us]"), np.int64)
