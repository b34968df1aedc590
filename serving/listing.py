"""Which deals a list holds and in what order: filters, orders, capacity, shuffled near-ties."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.windows import Bools, Floats, Ints
from serving.names import find_ids
from serving.ranking import owner_names, team_names
from serving.view import View

Order = Literal["priority", "win_probability", "revenue_at_risk", "closing_soonest"]
ORDERS: tuple[Order, ...] = ("priority", "win_probability", "revenue_at_risk", "closing_soonest")
NEAR = 0.9
"""Two neighbours whose values are to each other as this or closer are nearly tied."""
Sight = frozenset[str] | None
"""Owners whose deals may be seen; None for all."""


@dataclass(frozen=True)
class Wanted:
    """A question to the list.

    Attributes
    ----------
    owner, team : identifier or name, in any case
    pipelines, sources, stages : names, in any case; empty for all
    amount_min, amount_max : of the amount known; where either is set, a deal without one is left
        out
    capacity : deals that one rep can work: of each owner only the first so many are listed
    shuffle : share of nearly tied neighbours that change places, by a draw fixed for the day
    seed : another seed is another draw
    """

    owner: str | None = None
    team: str | None = None
    pipelines: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    amount_min: float | None = None
    amount_max: float | None = None
    order_by: Order = "priority"
    capacity: int | None = None
    shuffle: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Listed:
    """The rows of a list in its order.

    Attributes
    ----------
    rows : rows of the scores
    usual : (n,) place from 0 that each would have without shuffling
    open_deals : deals that the filters let through, before capacity cut them
    """

    rows: Ints
    usual: Ints
    open_deals: int


def listed(view: View, wanted: Wanted, sight: Sight = None) -> Listed:
    """Filter, order, shuffle where asked, and cut by capacity.

    Raises
    ------
    UnknownNameError
        For a name that nothing in sight has.
    """
    rows = np.flatnonzero(seen(view, sight) & _asked(view, wanted, sight))
    rows, values = _ordered(view, rows, wanted.order_by)
    places = _shuffled(view, values, wanted)
    rows, usual = rows[places], places
    if wanted.capacity is not None:
        owner = view.deals["owner_id"].iloc[rows].fillna("")
        nth = owner.groupby(owner.to_numpy()).cumcount()
        within = (nth < wanted.capacity).to_numpy()
        return Listed(rows[within], usual[within], len(rows))
    return Listed(rows, usual, len(rows))


def seen(view: View, sight: Sight) -> Bools:
    """(n,) whether each open deal belongs to an owner in sight."""
    if sight is None:
        return np.ones(len(view.deals), bool)
    return np.asarray(view.deals["owner_id"].isin(sight), bool)


def _asked(view: View, wanted: Wanted, sight: Sight) -> Bools:
    frame = view.deals
    chosen = np.ones(len(frame), bool)
    if wanted.owner:
        names = owner_names(view.history)
        in_sight = {key: names[key] for key in names if sight is None or key in sight}
        chosen &= frame["owner_id"].isin(find_ids("owner", wanted.owner, in_sight))
    if wanted.team:
        chosen &= frame["team"].isin(find_ids("team", wanted.team, teams_seen(view, sight)))
    for column in ("pipeline", "source", "stage"):
        if named := getattr(wanted, f"{column}s"):
            known = _named(frame.loc[seen(view, sight), column])
            ids = {found for name in named for found in find_ids(column, name, known)}
            chosen &= frame[column].isin(ids).to_numpy()
    if wanted.amount_min is not None:
        chosen &= (frame["amount"] >= wanted.amount_min).to_numpy()
    if wanted.amount_max is not None:
        chosen &= (frame["amount"] <= wanted.amount_max).to_numpy()
    return np.asarray(chosen, bool)


def teams_seen(view: View, sight: Sight) -> dict[str, list[str]]:
    """Teams of the owners in sight, by name."""
    names = team_names(view.history)
    if sight is None:
        return names
    owners = view.history.tables.owners
    teams = set(owners.loc[owners["owner_id"].isin(sight), "team"].dropna())
    return {team: called for team, called in names.items() if team in teams}


def whole_teams(view: View, sight: Sight) -> set[str]:
    """Teams of which every owner is in sight."""
    seen_in_part = set(teams_seen(view, sight))
    if sight is None:
        return seen_in_part
    owners = view.history.tables.owners
    return seen_in_part - set(owners["team"][~owners["owner_id"].isin(sight)])


def _named(column: pd.Series) -> dict[str, Iterable[str]]:
    return {str(name): [str(name)] for name in column.dropna().unique()}


def _ordered(view: View, rows: Ints, order_by: Order) -> tuple[Ints, Floats]:
    """Rows by falling value, ties by priority, then by identifier; and their values."""
    frame = view.deals.iloc[rows]
    values = _values(view, frame, rows, order_by)
    table = pd.DataFrame(
        {
            "value": values,
            "priority": frame["priority"].to_numpy(float),
            "deal_id": frame["deal_id"].to_numpy(),
        }
    )
    ascending = [False, False, True]
    order = table.sort_values(
        ["value", "priority", "deal_id"], ascending=ascending, kind="stable"
    ).index.to_numpy(np.int64)
    return rows[order], table["value"].to_numpy(float)[order]


def _values(view: View, frame: pd.DataFrame, rows: Ints, order_by: Order) -> Floats:
    """(n,) what the order is by, the highest first."""
    if order_by == "revenue_at_risk":
        return revenue_at_risk(view)[rows]
    if order_by == "closing_soonest":
        return -np.asarray(frame["close_date_p50"].astype("int64"), float)
    column = "priority" if order_by == "priority" else "p_won_90"
    return frame[column].to_numpy(float)


def revenue_at_risk(view: View) -> Floats:
    """(n,) amount (the expected one where none is known) x recent fall of p_won_90."""
    amount = view.deals["amount"].where(view.deals["amount"] > 0, view.deals["expected_amount"])
    found: Floats = np.nan_to_num(amount.to_numpy(float)) * view.fall
    return found


def _shuffled(view: View, values: Floats, wanted: Wanted) -> Ints:
    """(n,) the places in a new order: near-ties swapped by a draw of the day."""
    places = np.arange(len(values))
    if wanted.shuffle <= 0:
        return places
    named = f"{view.instant:%Y-%m-%d}|{wanted.owner}|{wanted.team}|{wanted.order_by}|{wanted.seed}"
    rng = np.random.default_rng(zlib.crc32(named.encode("utf-8", "replace")))
    draws, place = rng.random(len(values)), 0
    while place + 1 < len(values):
        here, following = values[place], values[place + 1]
        near = here > 0 and following >= NEAR * here
        if near and draws[place] < wanted.shuffle:
            places[[place, place + 1]] = places[[place + 1, place]]
            place += 1
        place += 1
    return places
