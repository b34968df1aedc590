"""The table of activities: the touches, answers and meetings of the log, with notes and tasks."""

import numpy as np
import pandas as pd

from data.demo.calendar import Ints
from data.demo.firm import Firm
from data.demo.log import Log
from data.demo.people import contact_starts
from data.demo.stamps import DAY, Stamps, labels, pick

HOUR = 3600 * 1_000_000
QUIET_LOGGED = 0.12
CALLS_OUT, CALLS_IN = 0.28, 0.18
NOTE_AFTER_CALL, NOTE_AFTER_MEETING, TASK_AT_STAGE = 0.4, 0.6, 0.35

TYPES = pd.Series(["email", "call", "meeting", "note", "task"], dtype="str")
EMAIL, CALL, MEETING, NOTE, TASK = range(5)
DIRECTIONS = pd.Series(["outbound", "inbound", None], dtype="str")
OUT, IN, NEITHER = range(3)


def table(firm: Firm, log: Log, stamps: Stamps, rng: np.random.Generator) -> pd.DataFrame:
    """Make the table of activities, in the order of their time."""
    created = log.frame("created")
    talk = _thin(_talk(log, rng), created, rng)
    met = _thin(_meetings(log, rng), created, rng)
    rows = pd.concat(
        [talk, met, _notes(talk, met, log, firm.day, rng), _tasks(log, rng)],
        ignore_index=True,
    ).sort_values(["day", "time"], kind="stable", ignore_index=True)
    account = created["account"].to_numpy()[rows["deal"].to_numpy()]
    # The one involved first is asked most often.
    place = rows["contacts"] * rng.random(len(rows)) ** 1.5
    contact = contact_starts(firm.book.pool)[account] + place.astype(np.int64)
    people = labels("C", int(firm.book.pool.people.sum()))
    occurred = stamps.at(rows["day"].to_numpy(), rows["time"].to_numpy())
    booked = stamps.change(rows["deal"].to_numpy(), rows["booked"].to_numpy())
    return pd.DataFrame(
        {
            "activity_id": labels("E", len(rows)),
            "deal_id": pick(labels("D", firm.born), rows["deal"].to_numpy()),
            "type": pick(TYPES, rows["type"].to_numpy()),
            "occurred_at": occurred,
            "direction": pick(DIRECTIONS, rows["direction"].to_numpy()),
            "contact_id": pick(people, contact.to_numpy()).where(rows["type"] < NOTE),
            "owner_id": pick(labels("O", len(firm.owners.team)), rows["owner"].to_numpy()),
            "recorded_at": occurred.where(rows["type"] != MEETING, booked),
        }
    )


def _talk(log: Log, rng: np.random.Generator) -> pd.DataFrame:
    """One row for each email and call."""
    touches = log.frame("touches")
    sides = []
    for column, direction, calls in (("sent", OUT, CALLS_OUT), ("heard", IN, CALLS_IN)):
        rows = touches.loc[touches.index.repeat(touches[column])]
        kind = np.where(rng.random(len(rows)) < calls, CALL, EMAIL)
        sides.append(rows.assign(type=kind, direction=direction, time=_hours(len(rows), rng)))
    return pd.concat(sides).drop(columns=["sent", "heard"]).assign(booked=0)


def _meetings(log: Log, rng: np.random.Generator) -> pd.DataFrame:
    """One row for each meeting, on the day for which it was booked."""
    rows = log.frame("meetings").rename(columns={"day": "booked", "held": "day"})
    return rows.assign(type=MEETING, direction=NEITHER, time=_hours(len(rows), rng))


def _notes(
    talk: pd.DataFrame, met: pd.DataFrame, log: Log, today: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Write notes within the hours after calls, and after meetings that took place."""
    calls = talk[(talk["type"] == CALL) & (rng.random(len(talk)) < NOTE_AFTER_CALL)]
    closed = log.frame("closed").drop_duplicates("deal", keep="last").set_index("deal")["day"]
    took_place = (met["day"] <= met["deal"].map(closed).fillna(today)) & (met["day"] < today)
    held = met[took_place & (rng.random(len(met)) < NOTE_AFTER_MEETING)]
    rows = pd.concat([calls, held])
    later = np.minimum(rows["time"] + rng.exponential(HOUR, len(rows)), DAY - HOUR)
    return rows.assign(type=NOTE, direction=NEITHER, time=later)


def _tasks(log: Log, rng: np.random.Generator) -> pd.DataFrame:
    """Note tasks when a stage is entered; the owner is the one at creation."""
    rows = log.frame("stages")[["deal", "day"]]
    rows = rows[rng.random(len(rows)) < TASK_AT_STAGE]
    owner = log.frame("created")["owner"].to_numpy()[rows["deal"].to_numpy()]
    return rows.assign(
        owner=owner,
        contacts=1,
        type=TASK,
        direction=NEITHER,
        time=_hours(len(rows), rng),
        booked=0,
    )


def _thin(rows: pd.DataFrame, created: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Drop most of what belongs to deals whose activities are hardly ever logged."""
    quiet = created["quiet"].to_numpy()[rows["deal"].to_numpy()]
    logged = ~quiet | (rng.random(len(rows)) < QUIET_LOGGED)
    return rows.iloc[np.flatnonzero(logged)]


def _hours(size: int, rng: np.random.Generator) -> Ints:
    """Draw times of day between 7:30 and 19:30, most around noon."""
    return np.asarray(((7.5 + 12 * rng.beta(2, 2, size)) * HOUR).astype(np.int64))
