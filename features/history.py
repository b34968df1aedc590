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

from data.settings import Settings
from data.tables import Tables
from features.closings import StageRules, stage_timeline
from features.facts import (
    LOST,
    OPEN,
    WON,
    Codes,
    activity_timeline,
    as_dates,
    coded_history,
    encode,
    known_from,
    known_people,
    micros,
    positions,
    property_timelines,
)
from features.windows import Floats, Ints, Timeline

__all__ = ["LOST", "OPEN", "WON", "History"]

T = TypeVar("T")


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
    def of(
        cls, tables: Tables, settings: Settings | None = None, rules: StageRules | None = None
    ) -> History:
        """Index tables; cost is linear in their rows (sorted once).

        Parameters
        ----------
        rules : what stages mean, where the tables alone do not tell; default: read off them
        """
        settings = settings or Settings()
        deals = tables.deals
        index = pd.Index(deals["deal_id"])
        history = coded_history(tables, index)
        created = micros(deals["created_at"])
        stage_names, stages = stage_timeline(
            tables, history, index, rules or StageRules.of(tables)
        )
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
        people = [tables.contacts["contact_id"], tables.activities["contact_id"]]
        contacts = known_people(tables.contacts, encode(pd.concat(people, ignore_index=True)))
        changes, labels = property_timelines(tables, history, settings, owners, len(index))
        return cls(
            tables=tables,
            settings=settings,
            deal_ids=tuple(deals["deal_id"].to_numpy(object)),
            created=created,
            known_from=known_from(created, history),
            stage_names=stage_names,
            stages=stages,
            changes=changes,
            labels=labels,
            owners=owners,
            contacts=contacts,
            activities=activity_timeline(tables, index, owners, contacts),
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

    @property
    def whole(self) -> History:
        """The store of which these deals are; of a store itself."""
        return self

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

    def told(self, column: str, deals: Ints) -> Any:
        """(n,) what the export says of some deals, as objects; None without such a column."""
        known = self.tables.deals
        return known[column].array.take(deals).to_numpy(object) if column in known else None

    def attribute(self, table: str, column: str) -> pd.Series:
        """One value a deal (in deal order) of a column fixed at creation, of deals or accounts."""
        if table == "deals":
            return self.tables.deals[column].reset_index(drop=True)
        rows = self.index("account_rows", self._account_rows)
        if not len(self.tables.accounts):
            return pd.Series(np.nan, range(self.size), dtype=self.tables.accounts[column].dtype)
        return pd.Series(self.tables.accounts[column].array.take(rows, allow_fill=True))

    def _account_rows(self) -> Ints:
        """(deals,) row of each deal's account, the first of its name; -1 without one."""
        names = pd.Index(self.tables.accounts["account_id"])
        return positions(names, self.tables.deals["account_id"])

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
