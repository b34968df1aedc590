"""The history indexed for questions: codes for names, timelines for facts, both clocks kept.

Built once from the accepted tables, it holds *everything* in them; nothing here is as-of. Only the
timelines' questions are, and each of them sees just the facts known strictly before its instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from data.contract import ACTIVITY_TYPES
from data.settings import Settings
from data.tables import Tables
from features.windows import DAY, NEVER, Bools, Floats, Ints, Timeline

OPEN, WON, LOST = 0, 1, 2
OUTCOMES = {"open": OPEN, "won": WON, "lost": LOST, "closed_won": WON, "closed_lost": LOST}
PROPERTIES = ("stage", "amount", "expected_close_date", "owner_id")


@dataclass(frozen=True)
class Codes:
    """Names as integer codes of this history alone (never seen by a model)."""

    names: tuple[str, ...]
    code: Ints

    @property
    def size(self) -> int:
        """Number of distinct names."""
        return len(self.names)


def micros(times: pd.Series) -> Ints:
    """(n,) int64 microseconds since 1970 UTC; NEVER where missing."""
    stamps = pd.DatetimeIndex(times).as_unit("us")
    return np.where(stamps.isna(), NEVER, stamps.asi8)


def encode(values: pd.Series) -> Codes:
    """Codes in order of appearance; missing is -1."""
    code, names = pd.factorize(values)
    return Codes(tuple(map(str, names)), code.astype(np.int64))


def known_at(happened: pd.Series, recorded: pd.Series) -> Ints:
    """(n,) when a fact became known: recorded, or happened where nothing was recorded."""
    return micros(recorded.fillna(happened))


@dataclass(frozen=True)
class History:
    """Deals, their changes and activities as arrays; row i of every deal array is deal code i."""

    tables: Tables
    settings: Settings
    deal_ids: tuple[str, ...]
    created: Ints
    known_from: Ints
    stage_names: tuple[str, ...]
    stages: Timeline
    changes: Mapping[str, Timeline]
    owners: Codes
    contacts: Codes
    activities: Timeline
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    indexes: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, tables: Tables, settings: Settings | None = None) -> History:
        """Index tables; cost is linear in their rows (sorted once)."""
        settings = settings or Settings()
        deals = tables.deals
        index = pd.Index(deals["deal_id"])
        history = _coded_history(tables, index)
        created = micros(deals["created_at"])
        stage_names, stages = _stage_timeline(tables, history, index)
        owners = encode(
            pd.concat(
                [
                    tables.owners["owner_id"],
                    deals["owner_id"],
                    history.loc[history["property"] == "owner_id", "value"],
                    tables.activities["owner_id"],
                ],
                ignore_index=True,
            )
        )
        contacts = encode(
            pd.concat(
                [tables.contacts["contact_id"], tables.activities["contact_id"]], ignore_index=True
            )
        )
        changes, labels = _property_timelines(tables, history, settings, owners, len(index))
        return cls(
            tables=tables,
            settings=settings,
            deal_ids=tuple(deals["deal_id"]),
            created=created,
            known_from=_known_from(created, history),
            stage_names=stage_names,
            stages=stages,
            changes=changes,
            labels=labels,
            owners=owners,
            contacts=contacts,
            activities=_activity_timeline(tables, index, owners, contacts),
        )

    @property
    def size(self) -> int:
        """Number of deals."""
        return len(self.deal_ids)

    @cached_property
    def last_fact(self) -> pd.Timestamp | None:
        """The latest instant at which anything became known; None without deals."""
        times = [self.created, self.stages.time, self.activities.time]
        times += [changes.time for changes in self.changes.values()]
        latest = max((int(each.max()) for each in times if len(each)), default=None)
        return None if latest is None else pd.Timestamp(latest, unit="us", tz="UTC")

    @cached_property
    def closings(self) -> Timeline:
        """Every closing by deal, at the time known; values `happened` and `outcome`."""
        return self.stages.where(self.stages.values["outcome"] != OPEN)

    @cached_property
    def position_of(self) -> dict[str, int]:
        """Deal code by identifier."""
        return {deal_id: code for code, deal_id in enumerate(self.deal_ids)}

    def attribute(self, table: str, column: str) -> pd.Series:
        """One value a deal (in deal order) of a column fixed at creation, of deals or accounts."""
        if table == "deals":
            return self.tables.deals[column].reset_index(drop=True)
        keyed = self.tables.accounts.drop_duplicates("account_id").set_index("account_id")[column]
        return self.tables.deals["account_id"].map(keyed).reset_index(drop=True)

    @cached_property
    def rates(self) -> Floats:
        """(deals,) value of one unit of the deal's currency in the firm's currency."""
        currency = self.tables.deals["currency"]
        return currency.map(self.settings.rates).astype(float).fillna(1.0).to_numpy()


def _coded_history(tables: Tables, index: pd.Index) -> pd.DataFrame:
    """deal_history with deal codes and both clocks in microseconds, in the order of the changes."""
    rows = tables.deal_history
    frame = pd.DataFrame(
        {
            "deal": index.get_indexer(rows["deal_id"]),
            "property": rows["property"].to_numpy(),
            "value": rows["value"].to_numpy(),
            "happened": micros(rows["changed_at"]),
            "known": np.maximum(
                known_at(rows["changed_at"], rows["recorded_at"]), micros(rows["changed_at"])
            ),
        }
    )
    return frame[frame["deal"] >= 0].sort_values(["deal", "known", "happened"], kind="stable")


def _known_from(created: Ints, history: pd.DataFrame) -> Ints:
    """(deals,) when a deal became known: created, or later where its first facts were imported later.

    Only facts that date from the day of creation count: a CRM that logs changes alone has no row for
    the first stage, and such a deal was known from the start.
    """
    first = history[history["happened"] < created[history["deal"]] + DAY]
    earliest = np.full(len(created), -NEVER)
    recorded = first.groupby("deal")["known"].min()
    earliest[recorded.index.to_numpy()] = recorded.to_numpy()
    return np.maximum(created, earliest)


def stage_outcomes(tables: Tables) -> dict[str, int]:
    """Outcome of every stage that ends a deal, from `stages`, the standard names, and `is_won`."""
    known = dict(OUTCOMES)
    listed = tables.stages
    known |= dict(zip(listed["stage"], listed["outcome"].str.lower().map(OUTCOMES), strict=True))
    deals = tables.deals
    told = deals[deals["is_won"].notna() & ~deals["stage"].isin(list(known))]
    told = told.drop_duplicates("stage")
    return known | dict(
        zip(told["stage"], np.where(told["is_won"].astype(bool), WON, LOST), strict=True)
    )


def _stage_timeline(
    tables: Tables, history: pd.DataFrame, index: pd.Index
) -> tuple[tuple[str, ...], Timeline]:
    """Stage changes by deal at the time known; values: stage, outcome, happened."""
    outcomes = stage_outcomes(tables)
    rows = history[history["property"] == "stage"].drop(columns="property")
    rows = pd.concat([rows, _closings_told_by_deals(tables, rows, outcomes, index)])
    rows["outcome"] = rows["value"].map(outcomes).fillna(OPEN).astype(int)
    order = dict(zip(tables.stages["stage"], tables.stages["position"], strict=True))
    rows["order"] = rows["value"].map(order).astype(float).fillna(0.0)
    # Changes of one instant (a CRM that keeps dates only): forward through the stages, closed last.
    rows = rows.sort_values(["deal", "known", "happened", "outcome", "order"], kind="stable")
    rows = rows[~_superseded(rows)]
    names = encode(rows["value"])
    timeline = Timeline.of(
        rows["deal"].to_numpy(),
        rows["known"].to_numpy(),
        groups=len(index),
        stage=names.code.astype(float),
        outcome=rows["outcome"].to_numpy(float),
        happened=rows["happened"].to_numpy(float),
    )
    return names.names, timeline


def _closings_told_by_deals(
    tables: Tables, rows: pd.DataFrame, outcomes: dict[str, int], index: pd.Index
) -> pd.DataFrame:
    """Closings that `deals` states and the history does not hold, known at `closed_at`."""
    closed = rows.loc[rows["value"].map(outcomes).fillna(OPEN) != OPEN, "deal"]
    deals = tables.deals.reset_index(drop=True)
    ended = deals["is_won"].notna() | (deals["stage"].map(outcomes).fillna(OPEN) != OPEN)
    told = deals[ended & deals["closed_at"].notna() & ~deals.index.isin(closed)]
    won = told["is_won"].fillna(told["stage"].map(outcomes).eq(WON)).astype(bool)
    stage = told["stage"].where(
        told["stage"].map(outcomes).fillna(OPEN) != OPEN,
        pd.Series(np.where(won, "closed_won", "closed_lost"), told.index, dtype="str"),
    )
    at = micros(told["closed_at"])
    return pd.DataFrame(
        {
            "deal": index.get_indexer(told["deal_id"]),
            "value": stage.to_numpy(),
            "happened": at,
            "known": at,
        }
    )


def _superseded(rows: pd.DataFrame) -> Bools:
    """Late entries about a time before a change that was already known: they no longer hold.

    A closing is never superseded; it counts from when it was known, for backdating it is common.
    """
    closing = (
        rows["outcome"].to_numpy() != OPEN if "outcome" in rows else np.zeros(len(rows), bool)
    )
    since = pd.Series(np.where(closing, rows["known"], rows["happened"]), rows.index)
    latest = since.groupby(rows["deal"]).cummax()
    return ((since < latest) & ~closing).to_numpy()


def _property_timelines(
    tables: Tables, history: pd.DataFrame, settings: Settings, owners: Codes, deals: int
) -> tuple[dict[str, Timeline], dict[str, tuple[str, ...]]]:
    """Timelines of every property but the stage: amount, expected_close_date, owner_id, custom.

    Values: `value` (number, microseconds, owner code, or code of a label) and `happened`. The second
    result holds the labels of the custom properties that are text.
    """
    custom = sorted(set(history["property"].unique()) - set(PROPERTIES))
    timelines, labels = {}, {}
    for name in [*PROPERTIES[1:], *custom]:
        rows = history[history["property"] == name]
        rows = rows[~_superseded(rows)]
        numbers = _as_numbers(name, rows, tables, settings, owners)
        if name in custom and (np.isnan(numbers) & rows["value"].notna()).any():
            codes = encode(rows["value"])
            numbers, labels[name] = codes.code.astype(float), codes.names
        timelines[name] = Timeline.of(
            rows["deal"].to_numpy(),
            rows["known"].to_numpy(),
            groups=deals,
            value=numbers,
            happened=rows["happened"].to_numpy(float),
        )
    return timelines, labels


def _as_numbers(
    name: str, rows: pd.DataFrame, tables: Tables, settings: Settings, owners: Codes
) -> Floats:
    """(rows,) a property's text as the number that a timeline holds; NaN where it says nothing."""
    if name == "owner_id":
        code = {owner: number for number, owner in enumerate(owners.names)}
        return rows["value"].map(code).astype(float).to_numpy()
    if name == "expected_close_date":
        dates = pd.to_datetime(rows["value"], errors="coerce", utc=True, format="ISO8601")
        at = micros(dates)
        return np.where(at >= NEVER, np.nan, at.astype(float))
    numbers: Floats = pd.to_numeric(rows["value"], errors="coerce").to_numpy(float)
    if name == "amount":
        rate = tables.deals["currency"].map(settings.rates).astype(float).fillna(1.0).to_numpy()
        numbers = numbers * rate[rows["deal"]]
    return numbers


def _activity_timeline(
    tables: Tables, index: pd.Index, owners: Codes, contacts: Codes
) -> Timeline:
    """Activities by deal at the time they count: known and happened.

    Values: happened, recorded, type (position in ACTIVITY_TYPES), inbound (1, 0, NaN), contact, owner.
    """
    rows = tables.activities
    happened = micros(rows["occurred_at"])
    recorded = known_at(rows["occurred_at"], rows["recorded_at"])
    codes = {kind: number for number, kind in enumerate(ACTIVITY_TYPES)}
    tail = len(rows)
    return Timeline.of(
        index.get_indexer(rows["deal_id"]),
        np.maximum(happened, recorded),
        groups=len(index),
        happened=happened.astype(float),
        recorded=recorded.astype(float),
        type=rows["type"].map(codes).astype(float).to_numpy(),
        inbound=rows["direction"].map({"inbound": 1.0, "outbound": 0.0}).astype(float).to_numpy(),
        contact=contacts.code[len(contacts.code) - tail :].astype(float),
        owner=owners.code[len(owners.code) - tail :].astype(float),
    )
