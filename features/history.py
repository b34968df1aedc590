"""The history indexed for questions: codes for names, timelines for facts, both clocks kept.

Built once from the accepted tables, it holds *everything* in them; nothing here is as-of. Only the
timelines' questions are, and each of them sees just the facts known strictly before its instant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.contract import ACTIVITY_TYPES
from data.settings import Settings
from data.tables import Tables
from features.windows import DAY, NEVER, Bools, Floats, Ints, Timeline

T = TypeVar("T")
OPEN, WON, LOST = 0, 1, 2
OUTCOMES = {"open": OPEN, "won": WON, "lost": LOST, "closed_won": WON, "closed_lost": LOST}
WAYS = ("inbound", "outbound")
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


def as_dates(values: pd.Series) -> Floats:
    """(n,) microseconds of ISO-8601 dates; NaN where a text is none."""
    at = micros(pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601"))
    return np.where(at >= NEVER, np.nan, at.astype(float))


def encode(values: pd.Series) -> Codes:
    """Codes in order of appearance; missing is -1."""
    code, names = pd.factorize(values)
    return Codes(tuple(map(str, names)), code.astype(np.int64))


def positions(names: pd.Index, values: pd.Series) -> Ints:
    """(n,) position of each value among the names; -1 where it is none of them."""
    found = pc.index_in(pa.array(values), value_set=pa.array(names, pa.large_string()))
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


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

    def index(self, name: str, build: Callable[[], T]) -> T:
        """Build once, whatever the snapshots, what several features search."""
        if name not in self.indexes:
            self.indexes[name] = build()
        found: T = self.indexes[name]
        return found

    def has(self, need: str) -> bool:
        """Tell whether a `table.column` or a property (`deal_history.amount`) has values."""
        return self.index(f"has:{need}", lambda: self._has(*need.split(".", 1)))

    def _has(self, table: str, column: str) -> bool:
        if table == "deal_history" and column not in self.tables.deal_history:
            if column == "stage":
                return not self.stages.values["told"].all()
            return column in self.changes and len(self.changes[column].time) > 0
        return self.tables.present(table, column)

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

    def encoded(self, table: str, column: str) -> Codes:
        """Codes, in deal order, of a column fixed at creation."""
        return self.index(f"codes:{table}.{column}", lambda: encode(self.attribute(table, column)))

    def numbers(self, table: str, column: str) -> Floats:
        """(deals,) a column fixed at creation as numbers; NaN where it is none."""

        def build() -> Floats:
            values = pd.to_numeric(self.attribute(table, column), errors="coerce")
            return values.to_numpy(float, na_value=np.nan)

        return self.index(f"numbers:{table}.{column}", build)

    def dates(self, table: str, column: str) -> Floats:
        """(deals,) a column fixed at creation as microseconds; NaN where it is no date."""
        return self.index(
            f"dates:{table}.{column}", lambda: as_dates(self.attribute(table, column))
        )

    def while_open(self, changes: Timeline | None = None) -> tuple[Ints, Ints, Ints, Floats]:
        """Spans in which a deal was open and a property had one value, by what was known.

        Returns
        -------
        deal, begin, end, value : (spans,) the span counts at t when begin < t <= end; `value` is
            that of `changes` (NaN where none was known, or without `changes`)
        """
        ends = self.stages.where(
            (self.stages.values["outcome"] != OPEN) | (self.stages.previous("outcome") > OPEN)
        )
        deal = [np.arange(self.size), ends.group] + ([changes.group] if changes else [])
        time = [self.known_from, ends.time] + ([changes.time] if changes else [])
        whose = np.concatenate(deal)
        facts = Timeline.of(
            whose, np.maximum(np.concatenate(time), self.known_from[whose]), groups=self.size
        )
        after, end = facts.time + 1, facts.following_time()
        is_open = ~(ends.last("outcome", facts.group, after) > OPEN) & (end > facts.time)
        nothing = np.full(len(after), np.nan)
        value = changes.last("value", facts.group, after) if changes else nothing
        return facts.group[is_open], facts.time[is_open], end[is_open], value[is_open]


def _coded_history(tables: Tables, index: pd.Index) -> pd.DataFrame:
    """deal_history with deal codes and both clocks (microseconds), in the order known."""
    rows = tables.deal_history
    frame = pd.DataFrame(
        {
            "deal": positions(index, rows["deal_id"]),
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
    """(deals,) when a deal became known: when created, or when its first facts came in.

    Only facts that date from the day of creation count: a CRM that logs changes alone has no row
    for the first stage, and such a deal was known from the start.
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
    # A stage of which the export says of every deal that it was won (or lost) ends deals.
    won = tables.deals.groupby("stage")["is_won"].agg(["min", "max", "count", "size"])
    told = won[(won["count"] == won["size"]) & (won["min"] == won["max"])]
    found = {str(stage): WON if all_won else LOST for stage, all_won in told["max"].items()}
    return found | known


def _stage_timeline(
    tables: Tables, history: pd.DataFrame, index: pd.Index
) -> tuple[tuple[str, ...], Timeline]:
    """Stage changes by deal, at the time known; values stage, outcome, happened, told."""
    outcomes = stage_outcomes(tables)
    rows = history[history["property"] == "stage"].drop(columns="property")
    rows = _in_order(rows.assign(told=False), tables, outcomes)
    rows = rows[~_superseded(rows)]
    told = _closings_told_by_deals(tables, rows, outcomes, index)
    rows = _in_order(pd.concat([rows, told]), tables, outcomes) if len(told) else rows
    names = encode(rows["value"])
    timeline = Timeline.of(
        rows["deal"].to_numpy(),
        rows["known"].to_numpy(),
        groups=len(index),
        stage=names.code.astype(float),
        outcome=rows["outcome"].to_numpy(float),
        happened=rows["happened"].to_numpy(float),
        told=rows["told"].to_numpy(bool),
    )
    return names.names, timeline


def _in_order(rows: pd.DataFrame, tables: Tables, outcomes: dict[str, int]) -> pd.DataFrame:
    """Stage changes with their outcomes, by deal in the order in which they became known.

    Changes of one instant (a CRM that keeps dates only) go forward through the stages, closed
    last.
    """
    place = tables.stages.groupby("stage")["position"].max()
    rows = rows.assign(
        outcome=rows["value"].map(outcomes).fillna(OPEN).astype(int),
        place=rows["value"].map(place).astype(float).fillna(0.0),
    )
    return rows.sort_values(["deal", "known", "happened", "outcome", "place"], kind="stable")


def _closings_told_by_deals(
    tables: Tables, rows: pd.DataFrame, outcomes: dict[str, int], index: pd.Index
) -> pd.DataFrame:
    """Closings that `deals` states and the history does not hold, known at `closed_at`.

    Where the history shows the deal open after that, the closing was entered later: it counts as
    known right after the history's last word. A deal that was closed and reopened in the history
    is told closed only by a later `closed_at`: exports keep the old one.
    """
    deals = tables.deals.reset_index(drop=True)
    closes = deals["stage"].map(outcomes).fillna(OPEN) != OPEN
    last = rows.drop_duplicates("deal", keep="last").set_index("deal").reindex(deals.index)
    at = pd.Series(micros(deals["closed_at"]), deals.index)
    closed_before = deals.index.isin(rows.loc[rows["outcome"] != OPEN, "deal"])
    untold = (last["outcome"] != OPEN) & last["outcome"].notna()
    told = (deals["is_won"].notna() | closes) & deals["closed_at"].notna() & ~untold
    told &= ~closed_before | (at > last["happened"].fillna(-NEVER))
    won = deals["is_won"].fillna(deals["stage"].map(outcomes).eq(WON)).astype(bool)
    plain = pd.Series(np.where(won, "closed_won", "closed_lost"), deals.index, dtype="str")
    latest = last["known"].fillna(-NEVER).astype(np.int64) + 1
    return pd.DataFrame(
        {
            "deal": positions(index, deals["deal_id"]),
            "value": deals["stage"].where(closes, plain),
            "happened": at,
            "known": np.maximum(at, latest),
            "told": True,
        }
    )[told]


def _superseded(rows: pd.DataFrame) -> Bools:
    """Late entries about a time before a change that was already known: they no longer hold.

    A closing is never superseded; it counts from when it was known, for backdating it is common.
    """
    closing = rows["outcome"].to_numpy() != OPEN if "outcome" in rows else False
    since = pd.Series(np.where(closing, rows["known"], rows["happened"]), rows.index)
    latest = since.groupby(rows["deal"]).cummax()
    late: Bools = (since < latest).to_numpy() & np.logical_not(closing)
    return late


def _property_timelines(
    tables: Tables, history: pd.DataFrame, settings: Settings, owners: Codes, deals: int
) -> tuple[dict[str, Timeline], dict[str, tuple[str, ...]]]:
    """Timelines of every property but the stage: amount, expected_close_date, owner_id, custom.

    Values: `value` (number, microseconds or owner code) and `happened`; of a custom property also
    `label` (code of its text; the second result holds the texts) and `date` (microseconds): which
    of the three is meant is for the vocabulary to say, for a later value must not change it.
    """
    custom = sorted(set(history["property"].unique()) - set(PROPERTIES))
    timelines, labels = {}, {}
    for name in [*PROPERTIES[1:], *custom]:
        rows = history[history["property"] == name]
        rows = rows[~_superseded(rows)]
        columns = {"value": _as_numbers(name, rows, tables, settings, owners)}
        if name in custom:
            codes = encode(rows["value"])
            labels[name] = codes.names
            columns |= {"label": codes.code.astype(float), "date": as_dates(rows["value"])}
        timelines[name] = Timeline.of(
            rows["deal"].to_numpy(),
            rows["known"].to_numpy(),
            groups=deals,
            happened=rows["happened"].to_numpy(float),
            **columns,
        )
    return timelines, labels


def _as_numbers(
    name: str, rows: pd.DataFrame, tables: Tables, settings: Settings, owners: Codes
) -> Floats:
    """(rows,) a property's text as the number that a timeline holds; NaN where it says nothing."""
    if name == "owner_id":
        code = {owner: float(number) for number, owner in enumerate(owners.names)}
        return np.asarray(rows["value"].map(code), float)
    if name == "expected_close_date":
        return as_dates(rows["value"])
    numbers: Floats = pd.to_numeric(rows["value"], errors="coerce").to_numpy(float)
    if name == "amount":
        rate = tables.deals["currency"].map(settings.rates).astype(float).fillna(1.0).to_numpy()
        numbers = numbers * rate[rows["deal"]]
    return numbers


def _activity_timeline(
    tables: Tables, index: pd.Index, owners: Codes, contacts: Codes
) -> Timeline:
    """Activities by deal at the time they count: known and happened.

    Values: happened, recorded (microseconds), contact, owner (codes, -1 where none) and flags:
    each type (`meeting`), each direction (`inbound`), and `new_contact` (the deal's first with a
    contact).
    """
    rows = tables.activities
    happened = micros(rows["occurred_at"])
    recorded = known_at(rows["occurred_at"], rows["recorded_at"])
    tail = len(rows)
    flags = {kind: (rows["type"] == kind).to_numpy(bool) for kind in ACTIVITY_TYPES}
    flags |= {way: (rows["direction"] == way).to_numpy(bool) for way in WAYS}
    timeline = Timeline.of(
        positions(index, rows["deal_id"]),
        np.maximum(happened, recorded),
        groups=len(index),
        happened=happened,
        recorded=recorded,
        contact=contacts.code[len(contacts.code) - tail :].astype(np.int32),
        owner=owners.code[len(owners.code) - tail :].astype(np.int32),
        **flags,
    )
    contact = timeline.values["contact"]
    met_before = pd.Series(timeline.group * contacts.size + contact).duplicated().to_numpy()
    return timeline.having(**timeline.values, new_contact=(contact >= 0) & ~met_before)
