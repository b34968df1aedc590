"""Deals that arrive, as a small history in the codes of a large one.

Deals that arrive are few, and a history made by passes over columns would take a hundred times as
long as their values. They are laid out value by value instead; the timelines are those that
`History.of` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from data.contract import ACTIVITY_TYPES
from data.tables import OF_A_DEAL, Tables
from features.arriving_changes import (
    Columns,
    Facts,
    Names,
    UnplacedError,
    places_of,
    properties_of,
    stages_of,
)
from features.closings import StageRules
from features.dimensions import ORIGINS, combined, keys_of
from features.facts import (
    OUTCOMES,
    WAYS,
    Codes,
    counted_activities,
    micros,
)
from features.history import History
from features.parts import ACCOUNT
from features.seniority import UNKNOWN, levels
from features.vocabulary import ATTRIBUTES
from features.windows import DAY, NEVER, Column, Floats, Ints, Timeline

TIMES = ("created_at", "changed_at", "occurred_at", "recorded_at")


@dataclass(frozen=True)
class Arriving:
    """Deals that arrive with their history and activities, value by value.

    Attributes
    ----------
    deals, changes, activities : columns of the three tables; times as microseconds, None where
        anything is missing
    table : makes the deals a table, with the columns of the firm's own
    tables : makes all of it tables
    """

    deals: Columns
    changes: Columns
    activities: Columns
    table: Callable[[], pd.DataFrame]
    tables: Callable[[], Tables]

    @classmethod
    def of(cls, tables: Tables) -> Arriving:
        """Take tables apart."""
        deals, changes, activities = (_columns(tables[name]) for name in OF_A_DEAL)
        return cls(deals, changes, activities, lambda: tables.deals, lambda: tables)

    @property
    def latest(self) -> int:
        """When the last of the facts became known: microseconds since 1970 UTC."""
        changes, activities = self.changes, self.activities
        known = [
            self.deals["created_at"],
            _recorded(changes["changed_at"], changes["recorded_at"]),
            _recorded(activities["occurred_at"], activities["recorded_at"]),
        ]
        return int(max(chain.from_iterable(known), default=-NEVER))


class _Late(Tables):
    """Tables of which the deals are made when they are asked for.

    A frame of one row takes as long to make as all that is asked of its deal.
    """

    def __init__(self, others: Tables, deals: Callable[[], pd.DataFrame]) -> None:
        self.__dict__.update(vars(others), _deals=deals)
        del self.__dict__["deals"]

    @cached_property
    def deals(self) -> pd.DataFrame:
        """The deals as a table."""
        made: pd.DataFrame = self.__dict__["_deals"]()
        return made


def arrived(store: History, new: Arriving) -> History | None:
    """History of deals that arrive, with the store's codes of stages, owners, sources, accounts.

    None where they bring a name that the store does not know (accounts excepted, unless several
    share one), where `deals` tells that they closed, or where their stage would change which
    stages end deals.
    """
    if not store.size:
        return None
    try:
        return _laid_out(store, new)
    except UnplacedError:
        return None


def _laid_out(store: History, new: Arriving) -> History:
    deals, changes, activities = new.deals, new.changes, new.activities
    rules = store.index("stage_rules", lambda: StageRules.of(store.tables))
    _check_settled(store, deals, changes, rules)
    place = {deal_id: n for n, deal_id in enumerate(deals["deal_id"])}
    created, facts = np.array(deals["created_at"], np.int64), Facts.of(changes, place)
    owners = places_of(store, "owners", lambda: store.owners.names)
    contacts = _contacts(store, activities)
    properties, labels = properties_of(store, facts, deals["currency"], len(place))
    alone = History(
        tables=_Late(_context(store), new.table),
        settings=store.settings,
        deal_ids=tuple(place),
        created=created,
        known_from=_known_from(created, facts),
        stage_names=store.stage_names,
        stages=stages_of(store, facts, rules, len(place)),
        changes=properties,
        owners=Codes(store.owners.names, store.owners.code[: len(store.tables.owners)]),
        contacts=contacts,
        activities=_activities(activities, place, contacts, owners),
        labels=labels,
    )
    alone.indexes.update(_indexes(store, alone, deals))
    return alone


def _context(store: History) -> Tables:
    """Tables of the store without facts: those are asked of the timelines."""
    tables = store.tables

    def build() -> Tables:
        nothing = {name: tables[name].iloc[:0] for name in ("deal_history", "activities")}
        return replace(tables, **nothing)

    return store.index("context", build)


def _columns(frame: pd.DataFrame) -> Columns:
    """Columns as lists; times as microseconds, None where anything is missing."""
    found = {}
    for name in frame.columns:
        if name in TIMES:
            at = micros(frame[name]).tolist()
            found[name] = [None if each == NEVER else each for each in at]
        else:
            values = frame[name].to_numpy(object).tolist()
            found[name] = [None if each is pd.NA or each != each else each for each in values]
    return found


def _check_settled(store: History, deals: Columns, changes: Columns, rules: StageRules) -> None:
    """Refuse deals that closed, or that bear on which stages end deals, by `deals` alone."""
    told = places_of(store, "told stages", lambda: _told_alone(store, rules))
    closed = (each is not None for name in ("closed_at", "is_won") for each in deals[name])
    met = {v for n, v in zip(changes["property"], changes["value"], strict=True) if n == "stage"}
    if any(closed) or (met | set(deals["stage"])) & set(told):
        raise UnplacedError
    listed = store.index("listed stages", lambda: {*store.tables.stages["stage"], *OUTCOMES})
    before = store.index("exported stages", lambda: store.tables.deals["stage"].array)
    for deal_id, stage in zip(deals["deal_id"], deals["stage"], strict=True):
        known = store.position_of.get(deal_id)
        if known is not None and before[known] != stage and before[known] not in listed:
            raise UnplacedError


def _told_alone(store: History, rules: StageRules) -> Iterable[str]:
    """Stages of which only `deals` tells that they end deals."""
    return set(rules.outcomes) - {*store.tables.stages["stage"], *OUTCOMES}


def _recorded(happened: list[int], recorded: list[int | None]) -> list[int]:
    """When each fact was recorded; when it happened where nothing tells."""
    return [h if r is None else r for h, r in zip(happened, recorded, strict=True)]


def _known_from(created: Ints, facts: Facts) -> Ints:
    first: dict[int, int] = {}
    for deal, happened, known in zip(facts.deal, facts.happened, facts.known, strict=True):
        if happened < created[deal] + DAY:
            first[deal] = min(first.get(deal, known), known)
    earliest = [first.get(deal, -NEVER) for deal in range(len(created))]
    return np.maximum(created, np.array(earliest, np.int64))


def _contacts(store: History, activities: Columns) -> Codes:
    """Codes of the contacts of each activity; entries of the store that are one person are one."""
    rows, names = _first_rows(store, "contacts"), activities["contact_id"]
    code: dict[Any, int] = {None: -1}
    people: dict[Any, int] = {}
    for name in dict.fromkeys(name for name in names if name is not None):
        person = store.contacts.code.item(rows[name]) if name in rows else name
        code[name] = people.setdefault(person, len(people))
    first = {place: name for name, place in reversed(code.items()) if name is not None}
    told = tuple(first[place] for place in range(len(people)))
    return Codes(told, np.array([code[name] for name in names], np.int64))


def _levels(store: History, contacts: Codes) -> Ints:
    """(contacts + 1,) seniority of each contact, as `features.seniority.levels` has it."""
    rows = _first_rows(store, "contacts")
    known = store.index("levels", lambda: levels(store))
    person = [store.contacts.code[rows[name]] if name in rows else None for name in contacts.names]
    return np.array([*(0 if p is None else known[p] for p in person), UNKNOWN], np.int64)


def _activities(rows: Columns, place: Names, contacts: Codes, owners: Names) -> Timeline:
    """Activities by deal at the time they count, as `facts.activity_timeline` has them."""
    happened = np.array(rows["occurred_at"], np.int64)
    recorded = np.array(_recorded(rows["occurred_at"], rows["recorded_at"]), np.int64)
    return counted_activities(
        np.array([place[deal_id] for deal_id in rows["deal_id"]], np.int64),
        happened,
        recorded,
        _places(rows["type"], ACTIVITY_TYPES),
        _places(rows["direction"], WAYS),
        deals=len(place),
        contact=contacts.code[len(contacts.code) - len(happened) :],
        owner=np.array([owners.get(name, -1) for name in rows["owner_id"]], np.int64),
    )


def _places(words: list[Any], wanted: tuple[str, ...]) -> Column:
    """(n,) place of each word among those wanted; -1 where it is none of them."""
    place = {word: n for n, word in enumerate(wanted)}
    return np.array([place.get(word, -1) for word in words], np.int8)


def _first_rows(store: History, table: str) -> Names:
    """Row of each identifier of a table of the store, the first where it comes twice."""

    def build() -> Names:
        names = store.tables[table][f"{table.removesuffix('s')}_id"].to_numpy(object)
        return {name: row for row, name in reversed(list(enumerate(names)))}

    return store.index(f"rows:{table}", build)


def _indexes(store: History, alone: History, deals: Columns) -> dict[str, object]:
    """Codes of what is fixed at creation, as the store has them."""
    accounts = _first_rows(store, "accounts")
    row = [accounts.get(name, -1) for name in deals["account_id"]]
    found: dict[str, object] = {
        "account_rows": np.array(row, np.int64),
        "levels": _levels(store, alone.contacts),
    }
    for table, column in (*ATTRIBUTES, ACCOUNT):
        known = store.encoded(table, column)
        places = places_of(store, f"{table}.{column}", partial(getattr, known, "names"))
        mine = deals[column] if table == "deals" else _of_accounts(store, column, row)
        unknown = [name for name in mine if name is not None and name not in places]
        alone_with_it = len(set(unknown)) == len(unknown)
        if unknown and not ((table, column) == ACCOUNT and alone_with_it):
            raise UnplacedError
        code = np.array([places.get(name, -1) for name in mine], np.int64)
        found[f"codes:{table}.{column}"] = Codes(known.names, code)
    for column in ("employees", "annual_revenue"):
        numbers = store.index(f"values:accounts.{column}", partial(_numbers_of, store, column))
        found[f"numbers:accounts.{column}"] = numbers[row]
    coded = replace(alone, indexes=found)
    for name, columns in ORIGINS.items():
        keys = store.index(f"keys:{name}", partial(keys_of, store, columns))
        mine_of = combined(coded, columns)
        place = np.minimum(keys.searchsorted(mine_of), len(keys) - 1)
        code = np.where(keys[place] == mine_of, place - 1, -1)
        found[f"combined:{name}"] = (code, max(len(keys) - 1, 1))
    return found


def _numbers_of(store: History, column: str) -> Floats:
    """(accounts + 1,) a column of accounts as numbers; the last, of no account, is NaN."""
    values = pd.to_numeric(store.tables.accounts[column], errors="coerce")
    return np.append(values.to_numpy(float, na_value=np.nan), np.nan)


def _of_accounts(store: History, column: str, rows: list[int]) -> list[Any]:
    """Values of a column of accounts; None where there is none."""
    values = store.index(
        f"values:accounts.{column}", lambda: store.tables.accounts[column].to_numpy(object)
    )
    found = [values[row] if row >= 0 else None for row in rows]
    return [None if each is pd.NA or each != each else each for each in found]
