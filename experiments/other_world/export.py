"""What the CRM of the other firm would export of its history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.other_world.process import (
    INDUSTRIES,
    PIPELINES,
    REGIONS,
    SOURCES,
    STAGES,
    Column,
    Firm,
)

PEOPLE = 4
"""Contacts of an account."""
TITLES = ("Buyer", "Head of Operations", "CFO", "Geschäftsführer")
WAYS = (("email", "inbound"), ("call", "outbound"), ("meeting", ""))
MORNING, NOON, EVENING = 8.5, 12.0, 17.5
"""Hours at which deals are created, move, and close."""


@dataclass(frozen=True)
class Told:
    """The log as frames: deals created, moves of stage, closings, activities."""

    created: pd.DataFrame
    moved: pd.DataFrame
    closed: pd.DataFrame
    touched: pd.DataFrame


def export(firm: Firm, told: Told, seed: int) -> dict[str, pd.DataFrame]:
    """Tables of the contract, as the log tells them."""
    clock = Clock(firm.start, np.random.default_rng([seed, 5]))
    history = history_of(told, clock)
    return {
        "deals": deals_of(told.created, history),
        "deal_history": history[["deal_id", "property", "value", "changed_at"]],
        "activities": activities_of(told.touched, clock),
        "accounts": accounts_of(firm),
        "contacts": contacts_of(firm),
        "owners": owners_of(firm),
        "stages": stages(),
    }


@dataclass(frozen=True)
class Clock:
    """Turns days into instants, some minutes about an hour."""

    start: pd.Timestamp
    rng: np.random.Generator

    def at(self, day: pd.Series[int], hour: float | Column) -> pd.Series[pd.Timestamp]:
        """Instants; each is drawn anew."""
        hours = 24.0 * day.to_numpy() + hour + self.rng.uniform(0, 0.4, len(day))
        return self.start + pd.Series(pd.to_timedelta(hours * 3600, unit="s").floor("s"))


def history_of(told: Told, clock: Clock) -> pd.DataFrame:
    """Stages, owners, amounts in hundreds and expected close dates, by deal and time."""
    created = told.created.assign(at=clock.at(told.created["day"], MORNING), reached=0)
    pipeline = created.set_index("deal")["pipeline"]
    moved = told.moved.assign(at=clock.at(told.moved["day"], NOON))
    moved["pipeline"] = moved["deal"].map(pipeline)
    steps = pd.concat([created, moved], ignore_index=True)
    closed = told.closed.assign(at=clock.at(told.closed["day"], EVENING))
    stage = [STAGES[p][s] for p, s in zip(steps["pipeline"], steps["reached"], strict=True)]
    end = np.where(closed["won"], "Won", "Lost")
    left = 110 - 25 * steps["reached"] + clock.rng.normal(0, 15, len(steps))
    due = clock.start + pd.to_timedelta(steps["day"] + left.clip(lower=5).round(), unit="D")
    paid = closed[closed["won"]]
    rows = [
        changes(steps, "stage", stage),
        changes(closed, "stage", end),
        changes(created, "owner_id", "rep-" + created["owner"].astype("str")),
        changes(steps, "amount", hundreds(steps["amount"])),
        changes(paid, "amount", hundreds(paid["amount"])),
        changes(steps, "expected_close_date", due.dt.strftime("%Y-%m-%d")),
        changes(closed, "expected_close_date", closed["at"].dt.strftime("%Y-%m-%d")),
    ]
    return pd.concat(rows).sort_values(["deal", "changed_at"], kind="stable", ignore_index=True)


def hundreds(amount: pd.Series[float]) -> pd.Series[str]:
    """Amounts as people enter them."""
    entered = np.maximum(np.exp(amount.to_numpy(float)), 100).round(-2)
    return pd.Series(entered.astype(np.int64), amount.index).astype("str")


def changes(
    rows: pd.DataFrame, name: str, value: pd.Series[str] | list[str] | Column
) -> pd.DataFrame:
    """Changes of a property."""
    found = rows[["deal", "at"]].rename(columns={"at": "changed_at"})
    return found.assign(deal_id=deal_ids(rows["deal"]), property=name, value=value)


def deal_ids(index: pd.Series[int]) -> pd.Series[str]:
    """Identifiers of deals."""
    return "opp-" + index.astype("str")


def deals_of(created: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Deals as they stand at the end."""
    last = history.drop_duplicates(["deal", "property"], keep="last")
    now = last.set_index(["deal", "property"])["value"].unstack()  # noqa: PD010 - nothing to add up
    first = history.drop_duplicates("deal").set_index("deal")["changed_at"]
    ends = history[history["value"].isin(["Won", "Lost"])].set_index("deal")["changed_at"]
    closed_at = created["deal"].map(ends)
    stage = created["deal"].map(now["stage"])
    return pd.DataFrame(
        {
            "deal_id": deal_ids(created["deal"]),
            "created_at": created["deal"].map(first),
            "closed_at": closed_at,
            "stage": stage,
            "is_won": (stage == "Won").astype("boolean").mask(closed_at.isna()),
            "amount": created["deal"].map(now["amount"]).astype(float),
            "expected_close_date": pd.to_datetime(
                created["deal"].map(now["expected_close_date"]), utc=True
            ),
            "account_id": "acc-" + created["account"].astype("str"),
            "owner_id": "rep-" + created["owner"].astype("str"),
            "pipeline": np.array(PIPELINES)[created["pipeline"]],
            "source": np.array(SOURCES)[created["source"]],
        }
    )


def activities_of(touched: pd.DataFrame, clock: Clock) -> pd.DataFrame:
    """Emails heard, calls made and meetings held."""
    kind, way = np.array(WAYS)[touched["way"]].T
    hour = clock.rng.uniform(MORNING + 0.5, EVENING - 0.5, len(touched))
    person = touched["person"].clip(upper=PEOPLE - 1).astype("str")
    return pd.DataFrame(
        {
            "activity_id": [f"act-{i}" for i in range(len(touched))],
            "deal_id": deal_ids(touched["deal"]),
            "type": kind,
            "direction": pd.Series(way, dtype="str").replace("", None),
            "occurred_at": clock.at(touched["day"], hour),
            "contact_id": "con-" + touched["account"].astype("str") + "-" + person,
            "owner_id": "rep-" + touched["owner"].astype("str"),
        }
    )


def accounts_of(firm: Firm) -> pd.DataFrame:
    """Accounts, with the number of employees that their size tells."""
    n = len(firm.size)
    return pd.DataFrame(
        {
            "account_id": [f"acc-{i}" for i in range(n)],
            "industry": np.array(INDUSTRIES)[firm.industry_of],
            "region": np.array(REGIONS)[firm.region_of],
            "employees": np.exp(4.5 + firm.size).round().clip(1),
        }
    )


def contacts_of(firm: Firm) -> pd.DataFrame:
    """The same few people at every account."""
    n = len(firm.size)
    account, person = np.repeat(np.arange(n), PEOPLE), np.tile(np.arange(PEOPLE), n)
    return pd.DataFrame(
        {
            "contact_id": [f"con-{a}-{p}" for a, p in zip(account, person, strict=True)],
            "account_id": [f"acc-{a}" for a in account],
            "title": np.array(TITLES)[person],
        }
    )


def owners_of(firm: Firm) -> pd.DataFrame:
    """Reps in two teams."""
    n = len(firm.owner)
    return pd.DataFrame(
        {
            "owner_id": [f"rep-{i}" for i in range(n)],
            "name": [f"Rep {i}" for i in range(n)],
            "team": ["North" if i % 2 else "South" for i in range(n)],
        }
    )


def stages() -> pd.DataFrame:
    """Both pipelines, with how deals end."""
    rows = [
        (pipeline, stage, place, outcome)
        for pipeline, names in zip(PIPELINES, STAGES, strict=True)
        for place, (stage, outcome) in enumerate(
            [(name, "open") for name in names] + [("Won", "won"), ("Lost", "lost")]
        )
    ]
    return pd.DataFrame(rows, columns=["pipeline", "stage", "position", "outcome"])
