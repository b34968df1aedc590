"""What is wrong with the export of the other firm; each kind goes from tables to tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from data.demo.dirt import Mess, Tables
from experiments.other_world.export import stages

FRIDAY_LOGGERS, FORGETFUL, FORGETFUL_DAYS = 0.4, 0.08, 15.0
BACKDATED, BACKDATED_DAYS, TIDIED = 0.2, 30.0, 0.1
UNPRICED, ZERO = 0.2, 0.05
TWICE = 0.2
MOVED_IN, MOVED_IN_AFTER = 0.3, 0.4
ARCHIVED = 0.6
OLD_NAME, NEW_NAME = "Propose", "Proposal sent"
DRIFT = "drift"
"""The one kind that is part of how the firm lives, not of what is written down."""


def late_logs(mess: Mess) -> Tables:
    """Some reps log their week on Friday evening; now and then one is entered weeks later."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    acts = tables["activities"]
    reps = tables["owners"]["owner_id"]
    friday = acts["owner_id"].isin(reps[rng.random(len(reps)) < FRIDAY_LOGGERS])
    days = (4 - acts["occurred_at"].dt.day_of_week) % 7
    on_friday = acts["occurred_at"].dt.normalize() + pd.to_timedelta(days * 24 + 20, unit="h")
    recorded = acts["occurred_at"].mask(friday, on_friday)
    forgot = rng.random(len(acts)) < FORGETFUL
    wait = pd.to_timedelta(rng.exponential(FORGETFUL_DAYS, len(acts)), unit="D").floor("s")
    recorded = recorded.mask(forgot, recorded + wait)
    known = recorded < end
    return tables | {"activities": acts.assign(recorded_at=recorded)[known].reset_index(drop=True)}


def backdated(mess: Mess) -> Tables:
    """Some closings are dated days before they were entered; of some only the deal says so."""
    tables, rng = mess.tables, mess.rng
    history, deals = tables["deal_history"], tables["deals"]
    closing = closings(history)
    drawn = rng.random(len(deals))
    lot = history["deal_id"].map(pd.Series(drawn, index=deals["deal_id"]))
    days = rng.uniform(1, BACKDATED_DAYS, len(deals))
    back = history["deal_id"].map(pd.Series(days, index=deals["deal_id"]))
    floor = history["deal_id"].map(deals.set_index("deal_id")["created_at"])
    earlier = history["changed_at"] - pd.to_timedelta(back, unit="D").dt.floor("s")
    earlier = earlier.clip(lower=floor + pd.Timedelta(minutes=5))
    # Moves of stage that would come after the closing stay where they are: exports look like that.
    dated = history["changed_at"].mask(closing & (lot < BACKDATED), earlier)
    history = history.assign(changed_at=dated, recorded_at=history["changed_at"])
    closed = pd.Series(earlier[closing].to_numpy(), index=history.loc[closing, "deal_id"])
    closed = deals["deal_id"].map(closed[~closed.index.duplicated()])
    some = (drawn < BACKDATED + TIDIED) & closed.notna()
    deals = deals.assign(closed_at=deals["closed_at"].mask(some, closed))
    return tables | {"deal_history": history, "deals": deals}


def missing_amounts(mess: Mess) -> Tables:
    """Some deals have no amount until they are won, or none at all; some have 0 for none."""
    tables, rng = mess.tables, mess.rng
    history, deals = tables["deal_history"], tables["deals"]
    lot = pd.Series(rng.random(len(deals)), index=deals["deal_id"])
    mine = history["deal_id"].map(lot)
    amount = history["property"] == "amount"
    last = history["deal_id"].map(deals.set_index("deal_id")["closed_at"])
    at_win = amount & (history["changed_at"] >= last - pd.Timedelta(hours=1))
    gone = amount & ~at_win & (mine < UNPRICED)
    zero = amount & ~at_win & (mine > 1 - ZERO)
    history = history.assign(value=history["value"].mask(zero, "0"))[~gone]
    now = history[history["property"] == "amount"].drop_duplicates("deal_id", keep="last")
    amounts = deals["deal_id"].map(now.set_index("deal_id")["value"]).astype(float)
    return tables | {
        "deal_history": history.reset_index(drop=True),
        "deals": deals.assign(amount=amounts),
    }


def people_twice(mess: Mess) -> Tables:
    """Some people were entered twice, and activities go to either entry."""
    tables, rng = mess.tables, mess.rng
    acts, contacts = tables["activities"], tables["contacts"]
    twice = contacts[rng.random(len(contacts)) < TWICE]
    copies = twice.assign(contact_id=twice["contact_id"] + "-b", title=twice["title"].str.upper())
    either = acts["contact_id"].isin(twice["contact_id"]) & (rng.random(len(acts)) < 0.5)
    acts = acts.assign(contact_id=acts["contact_id"].mask(either, acts["contact_id"] + "-b"))
    return tables | {"activities": acts, "contacts": pd.concat([contacts, copies])}


def moved_in(mess: Mess) -> Tables:
    """Deals of some accounts came from another system on a day, which is all their dates say."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    deals, history, acts = (tables[n] for n in ("deals", "deal_history", "activities"))
    first = deals["created_at"].min()
    day = (first + MOVED_IN_AFTER * (end - first)).normalize() + pd.Timedelta(hours=9)
    accounts = deals["account_id"].unique()
    chosen = accounts[rng.random(len(accounts)) < MOVED_IN]
    batch = deals["account_id"].isin(chosen) & (deals["created_at"] < day)
    ids = deals.loc[batch, "deal_id"]

    def not_before(frame: pd.DataFrame, column: str, *, of: str) -> pd.DataFrame:
        """Times of the batch before the day become it; `of` names the column to read."""
        times = frame[of].where(~frame["deal_id"].isin(ids), frame[of].clip(lower=day))
        return frame.assign(**{column: times})

    history = not_before(history, "changed_at", of="changed_at")
    if "recorded_at" in history:
        history = not_before(history, "recorded_at", of="recorded_at")
    history = history.drop_duplicates(["deal_id", "property", "changed_at"], keep="last")
    of = "recorded_at" if "recorded_at" in acts else "occurred_at"
    deals = not_before(
        not_before(deals, "created_at", of="created_at"), "closed_at", of="closed_at"
    )
    return tables | {
        "deals": deals,
        "deal_history": history.reset_index(drop=True),
        "activities": not_before(acts, "recorded_at", of=of),
    }


def renamed_stage(mess: Mess) -> Tables:
    """A stage has another name since some day; the old one is in the history alone."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    history, deals = tables["deal_history"], tables["deals"]
    first = deals["created_at"].min()
    since = first + rng.uniform(0.4, 0.8) * (end - first)
    new = (history["value"] == OLD_NAME) & (history["changed_at"] >= since)
    return tables | {
        "deal_history": history.assign(value=history["value"].mask(new, NEW_NAME)),
        "deals": deals.assign(stage=deals["stage"].replace(OLD_NAME, NEW_NAME)),
        "stages": stages().replace({"stage": {OLD_NAME: NEW_NAME}}),
    }


def leaks(mess: Mess) -> Tables:
    """Columns that tell how a deal ended, for they are filled in or worked out at its closing."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    deals = tables["deals"]
    closed, won = deals["closed_at"].notna(), deals["stage"] == "Won"
    last = deals["closed_at"].fillna(end)
    chance = pd.Series(rng.integers(1, 10, len(deals)) * 10.0, index=deals.index)
    return tables | {
        "deals": deals.assign(
            probability=chance.mask(closed, 100.0 * won),
            last_modified_at=last.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            days_open=(last - deals["created_at"]).dt.days.astype(float),
            close_reason=pd.Series("price", index=deals.index).where(closed & ~won, None),
            contract_no=deals["deal_id"].where(won, None),
            next_step=pd.Series("call", index=deals.index).where(~closed, None),
        )
    }


def archived(mess: Mess) -> Tables:
    """Most lost deals are handed to an archive user, of which no history tells."""
    tables, rng = mess.tables, mess.rng
    deals = tables["deals"]
    handed = (deals["stage"] == "Lost") & (rng.random(len(deals)) < ARCHIVED)
    return tables | {"deals": deals.assign(owner_id=deals["owner_id"].mask(handed, "rep-archive"))}


def closings(history: pd.DataFrame) -> pd.Series[bool]:
    """Rows of what was entered as a deal was closed."""
    ends = history[history["value"].isin(["Won", "Lost"])].set_index("deal_id")["changed_at"]
    return history["deal_id"].map(ends) == history["changed_at"]


DIRT: dict[str, Callable[[Mess], Tables]] = {
    "leaks": leaks,
    "missing amounts": missing_amounts,
    "people twice": people_twice,
    "late logs": late_logs,
    "backdated": backdated,
    "moved in": moved_in,
    "renamed stage": renamed_stage,
    "archived": archived,
}
KINDS: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "process": frozenset({DRIFT}),
    "usual": frozenset({"missing amounts", "late logs"}),
    "all": frozenset({DRIFT, *DIRT}),
}
"""What is meant by how much dirt there is (`experiments.worlds.Dirt`)."""


def dirty(tables: Tables, kinds: frozenset[str], end: pd.Timestamp, seed: int) -> Tables:
    """Put the kinds asked for on the tables, in the order of DIRT; each has its own generator."""
    for place, (name, spoil) in enumerate(DIRT.items()):
        if name in kinds:
            tables = spoil(Mess(tables, end, np.random.default_rng([seed, 6, place])))
    return tables
