"""Small histories in the codes of a large one: of deals that arrive, of deals cut out of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from data.tables import Tables
from features.closings import StageRules
from features.facts import OUTCOMES, Codes
from features.history import History
from features.source import DIMENSIONS, combined, keys_of
from features.vocabulary import ATTRIBUTES
from features.windows import Ints, Timeline

ACCOUNT = ("deals", "account_id")


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


def arrived(store: History, tables: Tables) -> History | None:
    """History of deals that arrive, with the store's codes of stages, owners, sources, accounts.

    None where they bring a name that the store does not know (accounts excepted, unless several
    share one), or where their stage would change which stages end deals.
    """
    if not store.size or _unsettled(store, tables):
        return None
    rules = store.index("stage_rules", lambda: StageRules.of(store.tables))
    alone = History.of(_with_context(store, tables), store.settings, rules)
    stage_at = _places(store, "stages", store.stage_names)
    owner_at = _places(store, "owners", store.owners.names)
    stages = _coded(alone.stages, "stage", alone.stage_names, stage_at)
    owners = _coded(alone.changes["owner_id"], "value", alone.owners.names, owner_at)
    indexes = _indexes(store, alone)
    if stages is None or owners is None or indexes is None:
        return None
    listed = len(store.tables.owners)
    return replace(
        alone,
        stage_names=store.stage_names,
        stages=stages,
        changes={**alone.changes, "owner_id": owners},
        owners=Codes(store.owners.names, store.owners.code[:listed]),
        indexes=indexes,
    )


def _unsettled(store: History, tables: Tables) -> bool:
    """Tell whether the deals bear on which stages end deals where only `deals` tells that."""
    listed = {*store.tables.stages["stage"], *OUTCOMES}
    rules = store.index("stage_rules", lambda: StageRules.of(store.tables))
    told = set(rules.outcomes) - listed
    changes = (tables.deal_history[name].to_numpy(object) for name in ("property", "value"))
    stages = dict(
        zip(*(tables.deals[n].to_numpy(object) for n in ("deal_id", "stage")), strict=True)
    )
    met = {value for name, value in zip(*changes, strict=True) if name == "stage"}
    if (met | set(stages.values())) & told or tables.deals["is_won"].notna().any():
        return True
    before = store.tables.deals["stage"].array
    places = ((store.position_of.get(deal_id), stage) for deal_id, stage in stages.items())
    both = ((before[place], stage) for place, stage in places if place is not None)
    return any(old != new and old not in listed for old, new in both)


def _with_context(store: History, tables: Tables) -> Tables:
    """Tables of the arriving deals with what the store knows of accounts, contacts and stages."""
    accounts = store.index("rows:accounts", lambda: _first_rows(store.tables, "accounts"))
    contacts = store.index("rows:contacts", lambda: _first_rows(store.tables, "contacts"))
    return replace(
        store.tables,
        deals=tables.deals,
        deal_history=tables.deal_history,
        activities=tables.activities,
        accounts=_rows(store.tables.accounts, accounts, tables.deals["account_id"]),
        contacts=_rows(store.tables.contacts, contacts, tables.activities["contact_id"]),
    )


def _first_rows(tables: Tables, table: str) -> dict[str, int]:
    """Row of each identifier of a table, the first where it comes twice."""
    names = tables[table][f"{table.removesuffix('s')}_id"].to_numpy(object)
    return {name: row for row, name in reversed(list(enumerate(names)))}


def _rows(frame: pd.DataFrame, places: dict[str, int], names: pd.Series) -> pd.DataFrame:
    wanted = {places[name] for name in set(names.dropna().to_numpy(object)) if name in places}
    return frame.take(sorted(wanted)).reset_index(drop=True)


def _places(store: History, what: str, names: tuple[str, ...]) -> dict[str, int]:
    """Code of each of the store's names."""
    return store.index(f"places:{what}", lambda: {name: code for code, name in enumerate(names)})


def _keys(store: History, columns: tuple[str, ...]) -> Ints:
    return store.index(f"keys:{columns}", lambda: keys_of(store, columns))


def _coded(
    events: Timeline, column: str, names: tuple[str, ...], places: dict[str, int]
) -> Timeline | None:
    """Give a timeline with the store's codes in a column; None where it knows a name not."""
    values = events.values[column]
    known = ~np.isnan(values)
    code = np.array([places.get(name, -1) for name in names], float)
    found = np.full(len(values), np.nan)
    found[known] = code[values[known].astype(np.int64)]
    return None if (found < 0).any() else events.having(**{**events.values, column: found})


def _indexes(store: History, alone: History) -> dict[str, object] | None:
    """Codes of what is fixed at creation, as the store has them; None where it knows one not."""
    found: dict[str, object] = {}
    for table, column in (*ATTRIBUTES, ACCOUNT):
        known, mine = store.encoded(table, column), alone.encoded(table, column)
        places = _places(store, f"{table}.{column}", known.names)
        code = np.array([*(places.get(name, -1) for name in mine.names), -1], np.int64)
        unknown = mine.code[(code[mine.code] < 0) & (mine.code >= 0)]
        alone_with_it = len(set(unknown)) == len(unknown)
        if len(unknown) and not ((table, column) == ACCOUNT and alone_with_it):
            return None
        found[f"codes:{table}.{column}"] = Codes(known.names, code[mine.code])
    coded = replace(alone, indexes=found)
    for columns in DIMENSIONS.values():
        keys = _keys(store, columns)
        mine_of = combined(coded, columns)
        place = np.minimum(keys.searchsorted(mine_of), len(keys) - 1)
        code = np.where(keys[place] == mine_of, place - 1, -1)
        found[f"combined:{columns}"] = (code, max(len(keys) - 1, 1))
    return found
