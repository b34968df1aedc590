"""What is wrong with real exports: each kind of dirt is a function from tables to tables.

The kinds in PROCESS belong to the way the firm works and are part of the simulation; all others
are put on the exported tables, after the truth is settled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.demo import lexicon
from data.demo.export import with_current

Tables = dict[str, pd.DataFrame]

LATE_ACTIVITIES, LATE_DAYS = 0.12, 3.0
LATE_STAGES, LATE_STAGE_DAYS = 0.06, 5.0
BACKDATED, BACKDATED_DAYS = 0.15, 20.0
NO_AMOUNT, NO_AMOUNT_EVEN_WON = 0.15, 0.35
DUPLICATES = 0.04
IMPORTED_ACCOUNTS = 0.3
RENAMED = {"proposal": "offer sent"}
REASONS = ("price", "feature", "relationship", "timing", "no decision")


@dataclass(frozen=True)
class Mess:
    """What a kind of dirt is given: the tables to spoil, the export's end, its own generator."""

    tables: Tables
    end: pd.Timestamp
    rng: np.random.Generator


def apply(tables: Tables, dirt: frozenset[str], end: pd.Timestamp, seed: int) -> Tables:
    """Put the dirt on the tables, always in the same order; each kind has its own generator."""
    for place, (name, spoil) in enumerate(_ON_TABLES.items()):
        if name in dirt:
            tables = spoil(Mess(dict(tables), end, np.random.default_rng([seed, 0xD1, place])))
    return tables


def late_logged(mess: Mess) -> Tables:
    """Enter some activities and stage changes days later; some owners are worse."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    activities = tables["activities"]
    habit = rng.gamma(2, LATE_ACTIVITIES / 2, len(tables["owners"]))
    share = pd.Series(habit, index=tables["owners"]["owner_id"])
    late = rng.random(len(activities)) < activities["owner_id"].map(share).to_numpy()
    late &= (activities["type"] != "meeting").to_numpy()
    recorded = _later(activities["recorded_at"], late, LATE_DAYS, end, rng)
    tables["activities"] = activities.assign(recorded_at=recorded)
    tables["deal_history"] = _late_stages(tables["deal_history"], end, rng)
    return tables


def backdated(mess: Mess) -> Tables:
    """Give some closings a date before the day on which they were entered."""
    tables, rng = mess.tables, mess.rng
    history = tables["deal_history"]
    stage = _stage_rows(history)
    earliest = stage.groupby("deal_id")["changed_at"].shift() + pd.Timedelta(minutes=1)
    closing = stage[stage["value"].isin([lexicon.WON, lexicon.LOST]) & earliest.notna()]
    some = closing[rng.random(len(closing)) < BACKDATED]
    back = pd.to_timedelta(rng.uniform(1, BACKDATED_DAYS, len(some)), unit="D").floor("s")
    dated = (some["changed_at"] - back).clip(lower=earliest[some.index])
    changed = history["changed_at"].copy()
    changed[some.index] = np.minimum(dated, some["changed_at"])
    tables["deal_history"] = history.assign(changed_at=changed)
    tables["deals"] = with_current(tables["deals"], tables["deal_history"])
    return tables


def missing_amounts(mess: Mess) -> Tables:
    """Leave some deals without amount, a part of them even when won."""
    tables, rng = mess.tables, mess.rng
    history, deals = tables["deal_history"], tables["deals"]
    draw = pd.Series(rng.random(len(deals)), index=deals["deal_id"])
    lot = history["deal_id"].map(draw).to_numpy()
    at_win = (
        history["deal_id"].map(deals.set_index("deal_id")["closed_at"]) == history["changed_at"]
    )
    gone = np.where(at_win, NO_AMOUNT * NO_AMOUNT_EVEN_WON, NO_AMOUNT)
    keep = (history["property"] != "amount") | (lot >= gone)
    tables["deal_history"] = history[keep].reset_index(drop=True)
    tables["deals"] = with_current(deals, tables["deal_history"])
    return tables


def duplicate_contacts(mess: Mess) -> Tables:
    """Enter some contacts twice: half with the same id, half under another."""
    tables, rng = mess.tables, mess.rng
    contacts = tables["contacts"]
    copies = contacts[rng.random(len(contacts)) < DUPLICATES].copy()
    other = rng.random(len(copies)) < 0.5
    copies["contact_id"] = copies["contact_id"].mask(other, copies["contact_id"] + "-2")
    copies["name"] = copies["name"].str.upper()
    tables["contacts"] = pd.concat([contacts, copies], ignore_index=True)
    return tables


def bulk_import(mess: Mess) -> Tables:
    """Bring in a batch of old deals on one day, with all that had happened to them."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    deals = tables["deals"]
    first = deals["created_at"].min().normalize()
    moved_in = first + 0.35 * (end - first)
    account = deals["account_id"].unique()
    lot = pd.Series(rng.random(len(account)), index=account)
    batch = deals.loc[deals["account_id"].map(lot) < IMPORTED_ACCOUNTS, "deal_id"]
    for name in ("deal_history", "activities"):
        rows = tables[name]
        recorded = rows["recorded_at"].clip(lower=moved_in.floor("s"))
        tables[name] = rows.assign(
            recorded_at=rows["recorded_at"].mask(rows["deal_id"].isin(batch), recorded)
        )
    return tables


def renamed_stages(mess: Mess) -> Tables:
    """Give a stage another name from some day on; the deals of the export have it already."""
    tables, end, rng = mess.tables, mess.end, mess.rng
    deals, history, stages = tables["deals"], tables["deal_history"], tables["stages"]
    first = deals["created_at"].min()
    since = first + rng.uniform(0.5, 0.7) * (end - first)
    new = history["value"].replace(RENAMED)
    is_new = (history["property"] == "stage") & (history["changed_at"] >= since)
    tables["deal_history"] = history.assign(value=history["value"].mask(is_new, new))
    tables["deals"] = deals.assign(stage=deals["stage"].replace(RENAMED))
    renamed = stages[stages["stage"].isin(list(RENAMED))].replace({"stage": RENAMED})
    tables["stages"] = pd.concat([stages, renamed], ignore_index=True)
    return tables


def leaking_columns(mess: Mess) -> Tables:
    """Add columns which owners fill in when they close, so that they tell the outcome."""
    tables, rng = mess.tables, mess.rng
    deals = tables["deals"]
    won = deals["is_won"].fillna(value=False).astype(bool)
    reason = pd.Series(rng.choice(REASONS, len(deals)), index=deals.index, dtype="str")
    discount = pd.Series(np.round(rng.beta(2, 12, len(deals)), 3), index=deals.index)
    tables["deals"] = deals.assign(
        win_reason=reason.where(won),
        loss_reason=reason.where(deals["closed_at"].notna() & ~won),
        final_discount=discount.where(won),
    )
    return tables


def _late_stages(
    history: pd.DataFrame, end: pd.Timestamp, rng: np.random.Generator
) -> pd.DataFrame:
    """Delay some stage changes, but not beyond the next one of the deal."""
    stage = _stage_rows(history)
    group = stage.groupby("deal_id")["changed_at"]
    upcoming = group.shift(-1)
    late = (rng.random(len(stage)) < LATE_STAGES) & group.shift().notna().to_numpy()
    recorded = _later(stage["recorded_at"], late, LATE_STAGE_DAYS, end, rng)
    recorded = recorded.where(upcoming.isna() | (recorded < upcoming), stage["recorded_at"])
    # What was changed together is entered together, such as the amount of a win.
    together = ["deal_id", "changed_at"]
    entered = stage[together].assign(entered=recorded).drop_duplicates(together)
    late_rows = history[together].merge(entered, on=together, how="left")["entered"]
    return history.assign(recorded_at=history["recorded_at"].where(late_rows.isna(), late_rows))


def _stage_rows(history: pd.DataFrame) -> pd.DataFrame:
    rows = history[history["property"] == "stage"]
    return rows.sort_values(["deal_id", "changed_at"], kind="stable")


def _later(
    times: "pd.Series[pd.Timestamp]",
    which: np.ndarray,
    mean_days: float,
    end: pd.Timestamp,
    rng: np.random.Generator,
) -> "pd.Series[pd.Timestamp]":
    """Delay some times; what would come after the end stays as it is."""
    wait = pd.to_timedelta(0.5 + rng.exponential(mean_days, len(times)), unit="D").floor("s")
    later = times + pd.Series(wait, index=times.index)
    return times.mask(which & (later < end), later)


_ON_TABLES: dict[str, Callable[[Mess], Tables]] = {
    "missing_amounts": missing_amounts,
    "backdated": backdated,
    "late_logged": late_logged,
    "bulk_import": bulk_import,
    "renamed_stages": renamed_stages,
    "duplicate_contacts": duplicate_contacts,
    "leaking_columns": leaking_columns,
}
PROCESS = frozenset({"stale", "reopened", "drift"})
DIRT = PROCESS | frozenset(_ON_TABLES)
