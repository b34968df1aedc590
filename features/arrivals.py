"""Small histories in the codes of a large one: of deals that arrive, of deals cut out of it.

Deals that arrive are few, and a history made by passes over columns would take a hundred times as
long as their values. They are laid out value by value instead; the timelines are those that
`History.of` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from data.contract import ACTIVITY_TYPES
from data.tables import OF_A_DEAL, Tables
from features.closings import StageRules
from features.facts import (
    OPEN,
    OUTCOMES,
    PROPERTIES,
    WAYS,
    Codes,
    as_dates,
    counted_activities,
    known_people,
    micros,
    plain_time,
)
from features.history import History
from features.source import DIMENSIONS, combined, keys_of
from features.vocabulary import ATTRIBUTES
from features.windows import DAY, NEVER, Column, Floats, Ints, Timeline

ACCOUNT = ("deals", "account_id")
TIMES = ("created_at", "changed_at", "occurred_at", "recorded_at")

Columns = Mapping[str, list[Any]]
Names = dict[str, int]


@dataclass(frozen=True)
class Arriving:
    """Deals that arrive with their history and activities, value by value.

    Attributes
    ----------
    deals, changes, activities : columns of the three tables; times as microseconds, None where
        anything is missing
    table : the deals as a table, with the columns of the firm's own
    tables : makes all of it tables
    """

    deals: Columns
    changes: Columns
    activities: Columns
    table: pd.DataFrame
    tables: Callable[[], Tables]

    @classmethod
    def of(cls, tables: Tables) -> Arriving:
        """Take tables apart."""
        deals, changes, activities = (_columns(tables[name]) for name in OF_A_DEAL)
        return cls(deals, changes, activities, tables.deals, lambda: tables)

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


class UnplacedError(Exception):
    """A name that the store does not know, or a deal that its statistics would have to learn."""


def part_of(history: History, deals: Ints) -> History:
    """Some deals of a history as one of their own; its codes of names stay."""
    accounts = history.encoded(*ACCOUNT)
    return replace(
        history,
        deal_ids=tuple(history.deal_ids[deal] for deal in deals),
        created=history.created[deals],
        known_from=history.known_from[deals],
        stages=history.stages.only(deals),
        changes={name: changes.only(deals) for name, changes in history.changes.items()},
        activities=history.activities.only(deals),
        indexes={f"codes:{'.'.join(ACCOUNT)}": Codes(accounts.names, accounts.code[deals])},
    )


def arrived(store: History, new: Arriving) -> History | None:
    """History of deals that arrive, with the store's codes of stages, owners, sources, accounts.

    None where they bring a name that the store does not know (accounts excepted, unless several
    share one), where they have been closed, or where their stage would change which stages end
    deals.
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
    created, facts = np.array(deals["created_at"], np.int64), _Facts.of(changes, place)
    owners = _places(store, "owners", lambda: store.owners.names)
    contacts, listed = _contacts(store, activities)
    properties, labels = _properties(store, facts, deals["currency"], len(place))
    with_context = replace(
        store.tables,
        deals=new.table,
        # Facts are asked of the timelines.
        deal_history=store.tables.deal_history.iloc[:0],
        activities=store.tables.activities.iloc[:0],
        accounts=_rows(store, "accounts", deals["account_id"]),
        contacts=listed,
    )
    alone = History(
        tables=with_context,
        settings=store.settings,
        deal_ids=tuple(place),
        created=created,
        known_from=_known_from(created, facts),
        stage_names=store.stage_names,
        stages=_stages(store, facts, rules, len(place)),
        changes=properties,
        owners=Codes(store.owners.names, store.owners.code[: len(store.tables.owners)]),
        contacts=contacts,
        activities=_activities(activities, place, contacts, owners),
        labels=labels,
    )
    alone.indexes.update(_indexes(store, alone, deals))
    return alone


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
    """Refuse deals that are closed, or that bear on which stages end deals by `deals` alone."""
    told = _places(store, "told stages", lambda: _told_alone(store, rules))
    closed = (each is not None for name in ("closed_at", "is_won") for each in deals[name])
    met = {v for n, v in zip(changes["property"], changes["value"], strict=True) if n == "stage"}
    if any(closed) or (met | set(deals["stage"])) & set(told):
        raise UnplacedError
    listed = {*store.tables.stages["stage"], *OUTCOMES}
    before = store.tables.deals["stage"].array
    for deal_id, stage in zip(deals["deal_id"], deals["stage"], strict=True):
        known = store.position_of.get(deal_id)
        if known is not None and before[known] != stage and before[known] not in listed:
            raise UnplacedError


def _told_alone(store: History, rules: StageRules) -> Iterable[str]:
    """Stages of which only `deals` tells that they end deals."""
    return set(rules.outcomes) - {*store.tables.stages["stage"], *OUTCOMES}


@dataclass(frozen=True)
class _Facts:
    """Changes of properties in the order known: deal by deal, then by both clocks."""

    deal: list[int]
    name: list[str]
    value: list[Any]
    happened: list[int]
    known: list[int]

    @classmethod
    def of(cls, changes: Columns, place: Names) -> _Facts:
        """Bring the rows of deal_history into order."""
        deal = [place[deal_id] for deal_id in changes["deal_id"]]
        happened = changes["changed_at"]
        known = _later(happened, changes["recorded_at"])
        order = sorted(range(len(deal)), key=lambda n: (deal[n], known[n], happened[n]))
        columns: tuple[list[Any], ...] = (
            deal, changes["property"], changes["value"], happened, known,
        )  # fmt: skip
        return cls(*([column[n] for n in order] for column in columns))

    def rows(self, name: str) -> list[int]:
        """Rows of a property."""
        return [row for row, each in enumerate(self.name) if each == name]

    def standing(self, rows: list[int]) -> list[int]:
        """Rows without the late entries about a time before a change already known."""
        found: list[int] = []
        latest: dict[int, int] = {}
        for row in rows:
            deal, happened = self.deal[row], self.happened[row]
            if happened >= latest.get(deal, happened):
                latest[deal] = happened
                found.append(row)
        return found

    def timeline(self, rows: list[int], deals: int, **values: Column) -> Timeline:
        """Give rows as a timeline."""
        deal, known, happened = (
            np.array([column[row] for row in rows], np.int64)
            for column in (self.deal, self.known, self.happened)
        )
        return Timeline.of(deal, known, groups=deals, happened=happened.astype(float), **values)


def _later(happened: list[int], recorded: list[int | None]) -> list[int]:
    """When each fact was known: recorded, but not before it happened."""
    return [h if r is None else max(h, r) for h, r in zip(happened, recorded, strict=True)]


def _recorded(happened: list[int], recorded: list[int | None]) -> list[int]:
    """When each fact was recorded; when it happened where nothing tells."""
    return [h if r is None else r for h, r in zip(happened, recorded, strict=True)]


def _known_from(created: Ints, facts: _Facts) -> Ints:
    first: dict[int, int] = {}
    for deal, happened, known in zip(facts.deal, facts.happened, facts.known, strict=True):
        if happened < created[deal] + DAY:
            first[deal] = min(first.get(deal, known), known)
    earliest = [first.get(deal, -NEVER) for deal in range(len(created))]
    return np.maximum(created, np.array(earliest, np.int64))


def _stages(store: History, facts: _Facts, rules: StageRules, deals: int) -> Timeline:
    """Stage changes, all of them open; those of one instant go forward through the stages."""
    places = _places(store, "stages", lambda: store.stage_names)
    rows = facts.rows("stage")
    names = [facts.value[row] for row in rows]
    if not set(names) <= set(places) or any(rules.outcome(name) != OPEN for name in names):
        raise UnplacedError
    stand = {name: rules.place(name) for name in names}
    rows.sort(
        key=lambda n: (facts.deal[n], facts.known[n], facts.happened[n], stand[facts.value[n]])
    )
    rows = facts.standing(rows)
    return facts.timeline(
        rows,
        deals,
        stage=np.array([places[facts.value[row]] for row in rows], float),
        outcome=np.full(len(rows), float(OPEN)),
        told=np.zeros(len(rows), bool),
    )


def _properties(
    store: History, facts: _Facts, currency: list[str | None], deals: int
) -> tuple[dict[str, Timeline], dict[str, tuple[str, ...]]]:
    """Timelines of every other property, as `facts.property_timelines` has them."""
    owners = _places(store, "owners", lambda: store.owners.names)
    custom = sorted(set(facts.name) - set(PROPERTIES))
    timelines, labels = {}, {}
    for name in [*PROPERTIES[1:], *custom]:
        rows = facts.standing(facts.rows(name))
        texts = [facts.value[row] for row in rows]
        if name == "owner_id":
            if not set(texts) <= set(owners):
                raise UnplacedError
            columns = {"value": np.array([owners[text] for text in texts], float)}
        elif name == "expected_close_date":
            columns = {"value": _dates(texts)}
        else:
            columns = {"value": _numbers(texts)}
        if name == "amount" and store.settings.rates:
            rate = [store.settings.rates.get(currency[facts.deal[row]] or "", 1.0) for row in rows]
            columns["value"] = columns["value"] * np.array(rate, float)
        if name in custom:
            code = {text: n for n, text in enumerate(dict.fromkeys(texts))}
            labels[name] = tuple(code)
            columns |= {"label": np.array([code[each] for each in texts], float)}
            columns |= {"date": _dates(texts)}
        timelines[name] = facts.timeline(rows, deals, **columns)
    return timelines, labels


def _numbers(texts: Sequence[Any]) -> Floats:
    found = pd.to_numeric(np.array(texts, object), errors="coerce")
    return np.asarray(found, float)


def _dates(texts: Sequence[str]) -> Floats:
    """Microseconds of dates; NaN where a text is none."""
    return np.array([_date(text) for text in texts], float)


@lru_cache(maxsize=4_096)
def _date(text: str) -> float:
    plain = plain_time(text)
    return float(as_dates(pd.Series([text], dtype="str"))[0]) if plain is None else float(plain)


def _contacts(store: History, activities: Columns) -> tuple[Codes, pd.DataFrame]:
    """Codes of the contacts listed, then of those of each activity; and the rows of the listed."""
    same = store.index("same people", lambda: _same_people(store))
    met = [each for name in activities["contact_id"] for each in (name, *same.get(name, ()))]
    listed = _rows(store, "contacts", met)
    names = [*listed["contact_id"].to_numpy(object), *activities["contact_id"]]
    code = {name: n for n, name in enumerate(dict.fromkeys(n for n in names if n is not None))}
    codes = Codes(tuple(code), np.array([code.get(name, -1) for name in names], np.int64))
    return known_people(listed, codes), listed


def _same_people(store: History) -> dict[str, list[str]]:
    """All identifiers of the contacts that were entered more than once."""
    ids = store.tables.contacts["contact_id"]
    person = pd.Series(store.contacts.code[: len(ids)])
    twice = person.duplicated(keep=False)
    groups = ids[twice].groupby(person[twice]).agg(list)
    return {each: together for together in groups for each in together}


def _activities(rows: Columns, place: Names, contacts: Codes, owners: Names) -> Timeline:
    """Activities by deal at the time they count, as `facts.activity_timeline` has them."""
    happened = np.array(rows["occurred_at"], np.int64)
    recorded = np.array(_recorded(rows["occurred_at"], rows["recorded_at"]), np.int64)
    return counted_activities(
        np.array([place[deal_id] for deal_id in rows["deal_id"]], np.int64),
        happened,
        recorded,
        _flags(rows["type"], ACTIVITY_TYPES) | _flags(rows["direction"], WAYS),
        deals=len(place),
        contact=contacts.code[len(contacts.code) - len(happened) :],
        owner=np.array([owners.get(name, -1) for name in rows["owner_id"]], np.int64),
    )


def _flags(words: list[Any], wanted: tuple[str, ...]) -> dict[str, Column]:
    place = {word: n for n, word in enumerate(wanted)}
    code = np.array([place.get(word, -1) for word in words], np.int8)
    return {word: code == n for n, word in enumerate(wanted)}


def _places(store: History, what: str, names: Callable[[], Iterable[str]]) -> Names:
    """Code of each of the store's names; made once."""
    return store.index(f"places:{what}", lambda: {name: n for n, name in enumerate(names())})


def _first_rows(store: History, table: str) -> Names:
    """Row of each identifier of a table of the store, the first where it comes twice."""

    def build() -> Names:
        names = store.tables[table][f"{table.removesuffix('s')}_id"].to_numpy(object)
        return {name: row for row, name in reversed(list(enumerate(names)))}

    return store.index(f"rows:{table}", build)


def _rows(store: History, table: str, names: list[Any]) -> pd.DataFrame:
    """Rows of the store that are named."""
    places = _first_rows(store, table)
    wanted = {places[name] for name in names if name in places}
    return store.tables[table].take(sorted(wanted))


def _indexes(store: History, alone: History, deals: Columns) -> dict[str, object]:
    """Codes of what is fixed at creation, as the store has them."""
    found: dict[str, object] = {}
    accounts = _first_rows(store, "accounts")
    row = [accounts.get(name, -1) for name in deals["account_id"]]
    for table, column in (*ATTRIBUTES, ACCOUNT):
        known = store.encoded(table, column)
        places = _places(store, f"{table}.{column}", partial(getattr, known, "names"))
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
    for columns in DIMENSIONS.values():
        keys = store.index(f"keys:{columns}", partial(keys_of, store, columns))
        mine_of = combined(coded, columns)
        place = np.minimum(keys.searchsorted(mine_of), len(keys) - 1)
        code = np.where(keys[place] == mine_of, place - 1, -1)
        found[f"combined:{columns}"] = (code, max(len(keys) - 1, 1))
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
