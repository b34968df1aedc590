"""Other worlds: the same CRM as of an instant, with everything known at or after it changed.

A feature that sees only what was known strictly before the instant has the same value in each.
What counts as known later: changes and activities recorded (or, without a record, made) at or
after the instant, whenever they happened; deals that became known then; and of `deals` the
current values (stage, amount, expected close date, owner, closing) and every custom column that
the settings do not declare fixed at creation. A closing that only `deals` tells stands where it
was known before. Accounts, contacts, owners and stages keep no history: they are taken as they
are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from data.contract import ACTIVITY_TYPES, CONTRACT
from data.tables import Tables
from features.closings import stage_outcomes
from features.facts import PROPERTIES, WAYS, micros
from features.history import History
from features.windows import DAY, Bools, Column, Ints

CURRENT = ("amount", "expected_close_date", "owner_id")
CLOSING = ("stage", "closed_at", "is_won")
TOLD_LATER = "a value of later"
OUTCOME_WORDS = {0: "open", 1: "won", 2: "lost"}


def times(at: Ints) -> pd.Series:
    """(n,) microseconds as times."""
    return pd.Series(pd.DatetimeIndex(at.astype("datetime64[us]"), tz="UTC"))


def pinned(tables: Tables) -> Tables:
    """Tables whose `stages` name every stage: an export does not change which end deals."""
    listed, outcomes = tables.stages, stage_outcomes(tables)
    changes = tables.deal_history
    met = {
        *tables.deals["stage"],
        *changes.loc[changes["property"] == "stage", "value"],
        *outcomes,
    }
    unlisted = sorted(met - set(listed["stage"]))
    rows = pd.DataFrame(
        {
            "pipeline": "default",
            "stage": unlisted,
            "position": 900.0 + np.arange(len(unlisted)),
            "outcome": [OUTCOME_WORDS[outcomes.get(stage, 0)] for stage in unlisted],
        }
    )
    return Tables.of(
        {**dict(tables.items()), "stages": pd.concat([listed, rows], ignore_index=True)}
    )


@dataclass(frozen=True)
class Worlds:
    """The worlds that agree with a history up to an instant."""

    history: History
    as_of: int
    rng: np.random.Generator

    @cached_property
    def later_deals(self) -> Bools:
        """(deals,) not known before the instant."""
        return np.asarray(self.history.known_from >= self.as_of)

    @cached_property
    def told_before(self) -> Bools:
        """(deals,) closed before the instant by the word of `deals` alone."""
        closings = self.history.closings
        told = closings.where(closings.values["told"])
        every = np.arange(self.history.size)
        return np.asarray(told.count(every, np.full(self.history.size, self.as_of)) > 0)

    def _of(self, ids: pd.Series) -> Ints:
        return pd.Index(self.history.deal_ids).get_indexer(pd.Index(ids))

    def _later(self, table: str, happened: str) -> Bools:
        rows = self.history.tables[table]
        known = micros(rows["recorded_at"].fillna(rows[happened]))
        if table == "deal_history":
            known = np.maximum(known, micros(rows[happened]))
        deal = self._of(rows["deal_id"])
        return np.asarray((known >= self.as_of) | self.later_deals[deal])

    def deleted(self) -> Tables:
        """Nothing of later is there."""
        tables = self.history.tables
        kept = ~self.later_deals
        deals = self._blank(tables.deals)[kept]
        changes = tables.deal_history[~self._later("deal_history", "changed_at")]
        activities = tables.activities[~self._later("activities", "occurred_at")]
        return self._with(deals=deals, deal_history=changes, activities=activities)

    def altered(self) -> Tables:
        """Everything of later has other values and other times."""
        tables = self.history.tables
        changes, activities = tables.deal_history.copy(), tables.activities.copy()
        later = np.flatnonzero(self._later("deal_history", "changed_at"))
        for name in changes["property"].unique():
            rows = later[(changes["property"].iloc[later] == name).to_numpy(bool)]
            self._mix(changes, rows, ["value"])
        self._move(changes, later, "changed_at")
        later = np.flatnonzero(self._later("activities", "occurred_at"))
        self._mix(activities, later, ["type", "direction", "contact_id", "owner_id"])
        self._move(activities, later, "occurred_at")
        deals = self._corrupt(tables.deals)
        return self._with(deals=deals, deal_history=changes, activities=activities)

    def added(self) -> Tables:
        """More has become known later: of the deals there are, and of new ones."""
        tables = self.history.tables
        old = np.flatnonzero(~self.later_deals)
        chosen = self.rng.choice(old, min(len(old), 400), replace=False)
        born = self._new_deals(chosen[:100])
        changes = pd.concat([self._more_changes(chosen), self._first_stages(born)])
        return self._with(
            deals=pd.concat([self._corrupt(tables.deals), born]),
            deal_history=pd.concat([tables.deal_history, changes]),
            activities=pd.concat([tables.activities, self._more_activities(chosen)]),
        )

    def _with(self, **frames: pd.DataFrame) -> Tables:
        whole = {name: frame.reset_index(drop=True) for name, frame in frames.items()}
        return Tables(**{**dict(self.history.tables.items()), **whole})

    def _free_columns(self) -> list[str]:
        """Columns of `deals` that are not known before the instant."""
        fixed = set(CONTRACT["deals"].names)
        fixed |= {name.partition(".")[2] for name in self.history.settings.fixed_at_creation}
        return [*CURRENT, *(str(name) for name in self.history.tables.deals if name not in fixed)]

    def _blank(self, deals: pd.DataFrame) -> pd.DataFrame:
        """Deals without the values of later."""
        deals, open_then = deals.copy(), ~self.told_before
        for name in [*self._free_columns(), *CLOSING]:
            rows = open_then if name in CLOSING else np.ones(len(deals), bool)
            deals.loc[rows, name] = TOLD_LATER if name == "stage" else None
        return deals

    def _corrupt(self, deals: pd.DataFrame) -> pd.DataFrame:
        """Deals with other values of later: mixed among them, and closed when they were not."""
        deals, open_then = deals.copy(), np.flatnonzero(~self.told_before)
        self._mix(deals, np.arange(len(deals)), self._free_columns())
        self._mix(deals, open_then, ["stage"])
        deals["amount"] = deals["amount"] * self.rng.uniform(2, 9, len(deals))
        closed_at = times(self.as_of + self.rng.integers(0, 300 * DAY, len(deals)))
        deals.loc[open_then, "closed_at"] = closed_at.iloc[open_then]
        flags = pd.Series(self.rng.random(len(deals)) < 0.5, dtype="boolean")
        deals.loc[open_then, "is_won"] = flags.iloc[open_then]
        return deals

    def _mix(self, frame: pd.DataFrame, rows: Ints, columns: list[str]) -> None:
        """Exchange the values of each column among these rows."""
        for name in columns:
            mixed = frame[name].iloc[self.rng.permutation(rows)].array
            frame.loc[rows, name] = mixed

    def _move(self, frame: pd.DataFrame, rows: Ints, happened: str) -> None:
        """Give facts other times: they happened before or after the instant, known from it on."""
        when, recorded = self._times(self._of(frame["deal_id"].iloc[rows]))
        frame.loc[rows, happened] = when.array
        frame.loc[rows, "recorded_at"] = recorded.array

    def _times(self, deal: Ints) -> tuple[pd.Series, pd.Series]:
        """Times of facts known at the instant or later, a third of which happened before it.

        None is of the day of the deal's creation: that would tell when the deal became known.
        """
        size = len(deal)
        recorded = self.as_of + self.rng.choice([0, 1, DAY, 40 * DAY], size)
        earliest = self.history.created[deal] + DAY
        span = np.maximum(self.as_of - earliest, 1)
        early = earliest + (self.rng.random(size) * span).astype(np.int64)
        happened = np.where(self.rng.random(size) < 1 / 3, early, recorded)
        happened = np.maximum(happened, earliest)
        return times(happened), times(np.maximum(recorded, happened))

    def _more_changes(self, deal: Ints) -> pd.DataFrame:
        """Changes of every property of these deals."""
        makers: dict[str, Callable[[int], Column]] = {
            "stage": lambda size: self.rng.choice(self._stage_words(), size),
            "amount": lambda size: self.rng.integers(1, 10**7, size).astype(str),
            "expected_close_date": lambda size: np.full(size, "2031-05-05"),
            "owner_id": lambda size: self.rng.choice([*self.history.owners.names, "new"], size),
        }
        custom = set(self.history.changes) - set(PROPERTIES)
        frames = []
        for name in [*makers, *sorted(custom)]:
            whose = deal[~self.told_before[deal]] if name == "stage" else deal
            happened, recorded = self._times(whose)
            size = len(whose)
            values = makers[name](size) if name in makers else np.full(size, TOLD_LATER)
            frames.append(self._changes(whose, name, values, happened, recorded))
        return pd.concat(frames)

    def _changes(
        self, deal: Ints, name: str, values: Column, happened: pd.Series, recorded: pd.Series
    ) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "deal_id": np.array(self.history.deal_ids, dtype=object)[deal],
                "property": name,
                "value": values,
                "changed_at": happened,
                "recorded_at": recorded,
            }
        ).astype({"deal_id": "str", "property": "str", "value": "str"})

    def _stage_words(self) -> list[str]:
        return [*self.history.stage_names, "closed_won", "closed_lost", "an unseen stage"]

    def _more_activities(self, deal: Ints) -> pd.DataFrame:
        """Activities of every type and direction, with contacts and owners known and new."""
        deal = np.repeat(deal, 6)
        happened, recorded = self._times(deal)
        people = list(self.history.contacts.names[:50])
        rows = {
            "activity_id": [f"later-{n}" for n in range(len(deal))],
            "deal_id": np.array(self.history.deal_ids, dtype=object)[deal],
            "type": self.rng.choice(ACTIVITY_TYPES, len(deal)),
            "direction": self.rng.choice(WAYS, len(deal)),
            "contact_id": self.rng.choice([*people, "a new contact"], len(deal)),
            "owner_id": self.rng.choice([*self.history.owners.names, "a new owner"], len(deal)),
        }
        frame = pd.DataFrame(rows).astype("str")
        return frame.assign(occurred_at=happened, recorded_at=recorded)

    def _new_deals(self, like: Ints) -> pd.DataFrame:
        """Deals created or imported later, of the sources, accounts and owners of others."""
        deals = self._corrupt(self.history.tables.deals).iloc[like]
        created = times(self.as_of + self.rng.choice([-90 * DAY, 0, 5 * DAY], len(like)))
        ids = [f"later-{n}" for n in range(len(like))]
        return deals.assign(deal_id=pd.array(ids, "str"), created_at=created.array)

    def _first_stages(self, deals: pd.DataFrame) -> pd.DataFrame:
        """First stages of new deals, recorded at the instant or later."""
        created = deals["created_at"].reset_index(drop=True)
        recorded = created.where(
            created >= times(np.array([self.as_of]))[0], times(np.array([self.as_of]))[0]
        )
        return pd.DataFrame(
            {
                "deal_id": deals["deal_id"].array,
                "property": "stage",
                "value": self.rng.choice(self._stage_words(), len(deals)),
                "changed_at": created,
                "recorded_at": recorded,
            }
        ).astype({"property": "str", "value": "str"})
