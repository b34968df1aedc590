"""Deals sent in plain form: typed value by value, where nothing can be wrong with them.

An import judges columns of millions of rows; for one deal those passes take a hundred times as
long as its values. Here each value is read by itself, and whatever is not beyond doubt (a form
that is read in several ways, a closed deal, a stage that the store does not use) makes the answer
None: then the rules of the import judge the whole message, and they alone say what is wrong. What
is accepted here they accept too, as the same tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from data.checks import FACTS
from data.contract import CONTRACT, DTYPES, Table
from data.links import Links, stage_uses
from data.tables import OF_A_DEAL, Tables
from features.arrivals import Arriving
from serving.messages import SentDeal
from serving.sent_values import CHECKS, Told, UnsureError, read_columns
from serving.view import View, to_micros

NAT = np.iinfo(np.int64).min
STRINGS: Any = pd.api.types.pandas_dtype(DTYPES["text"])
Kinds = Mapping[str, type[str] | type[float]]


@dataclass(frozen=True)
class Stages:
    """Stages that are no slip however few deals are sent.

    Attributes
    ----------
    open, all : those in which a deal is open, and all through which one may have passed
    """

    open: frozenset[str]
    all: frozenset[str]


def plain(deals: Sequence[SentDeal], now: pd.Timestamp, view: View) -> Arriving | None:
    """Read deals of which every value is plain; None where one is not.

    Parameters
    ----------
    now : what lies after it lies in the future
    view : whose store the deals are to stand in
    """
    try:
        told = {"deals": _deals(deals), "deal_history": _changes(deals)}
        told["activities"] = _activities(deals)
        _check(told, to_micros(now), _stages(view))
        customs = _customs(deals, _kinds(view))
    except UnsureError:
        return None
    of_deals, changes, activities = told.values()
    table = partial(_of_deals, of_deals, customs, _kinds(view))
    return Arriving(of_deals | customs, changes, activities, table, partial(_tables, table, told))


def _of_deals(told: Told, customs: Told, kinds: Kinds) -> pd.DataFrame:
    """The deals as a table, with the columns of the firm's own as the store has them."""
    own = {
        name: _texts(values) if kinds[name] is str else _numbers(values)
        for name, values in customs.items()
    }
    return _frame(CONTRACT["deals"], told).assign(**own)


def _tables(deals: Callable[[], pd.DataFrame], told: Mapping[str, Told]) -> Tables:
    """Everything as tables."""
    rest = {name: _frame(CONTRACT[name], told[name]) for name in OF_A_DEAL[1:]}
    return replace(_nothing(), deals=deals(), **rest)


@cache
def _nothing() -> Tables:
    return Tables.empty()


def _deals(deals: Sequence[SentDeal]) -> Told:
    if any(deal.is_won is not None or deal.closed_at is not None for deal in deals):
        raise UnsureError
    return read_columns(CONTRACT["deals"], deals, [deal.deal_id for deal in deals])


def _changes(deals: Sequence[SentDeal]) -> Told:
    """Columns of the history; of changes that say the same the first."""
    ids = [deal.deal_id for deal in deals for _ in deal.history]
    told = read_columns(CONTRACT["deal_history"], [c for deal in deals for c in deal.history], ids)
    for name, value in zip(told["property"], told["value"], strict=True):
        check = CHECKS.get(name)
        if check is not None:
            check(value)
    keys = zip(*(told[n] for n in ("deal_id", "property", "changed_at", "value")), strict=True)
    first: dict[Any, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    if len(first) < len(ids):
        told = {name: [values[row] for row in first.values()] for name, values in told.items()}
    return told


def _activities(deals: Sequence[SentDeal]) -> Told:
    ids = [deal.deal_id for deal in deals for _ in deal.activities]
    told = read_columns(
        CONTRACT["activities"], [a for deal in deals for a in deal.activities], ids
    )
    told["activity_id"] = [name or f"sent-{n}" for n, name in enumerate(told["activity_id"])]
    return told


def _check(told: Mapping[str, Told], now: int, stages: Stages) -> None:
    """Check what rows can only break together, against now, or against the store."""
    for table, key in (("deals", "deal_id"), ("activities", "activity_id")):
        if len({*told[table][key]}) < len(told[table][key]):
            raise UnsureError
    changes = zip(told["deal_history"]["property"], told["deal_history"]["value"], strict=True)
    passed = {value for name, value in changes if name == "stage"}
    if not {*told["deals"]["stage"]} <= stages.open or not passed <= stages.all:
        raise UnsureError
    for table, times in FACTS.items():
        if any(_ahead(told[table], time, now) for time in times):
            raise UnsureError


def _ahead(told: Told, time: str, now: int) -> bool:
    """Whether a fact lies in the future, and not as an activity booked ahead."""
    ahead = [row for row, at in enumerate(told[time]) if at is not None and at > now]
    if time != "occurred_at":
        return bool(ahead)
    recorded = told["recorded_at"]
    return any(recorded[row] is None or recorded[row] > now for row in ahead)


def _stages(view: View) -> Stages:
    if "plain stages" not in view.memo:
        tables = view.history.tables
        links = Links(dict(Tables.empty().items()), tables)
        known, closed = (
            links.listed_stages() or {*stage_uses(links)["stage"]},
            links.closed_stages(),
        )
        view.memo["plain stages"] = Stages(frozenset(known - closed), frozenset(known | closed))
    found: Stages = view.memo["plain stages"]
    return found


def _frame(table: Table, told: Told) -> pd.DataFrame:
    made = {each.name: _ARRAYS[each.dtype](told[each.name]) for each in table.columns}
    return pd.DataFrame(made)


def _kinds(view: View) -> Kinds:
    """Whether the store's deals hold texts or numbers, by column."""
    if "plain kinds" not in view.memo:
        kinds = view.history.tables.deals.dtypes.items()
        view.memo["plain kinds"] = {n: str if k == DTYPES["text"] else float for n, k in kinds}
    found: Kinds = view.memo["plain kinds"]
    return found


def _customs(deals: Sequence[SentDeal], stored: Kinds) -> Told:
    """Columns of the firm's own, which are of the type that they have in the store."""
    extra = [deal.model_extra or {} for deal in deals]
    found = {}
    for name in dict.fromkeys(name for each in extra for name in each):
        if name not in stored:
            raise UnsureError
        values = [each.get(name) for each in extra]
        kind = stored[name]
        if any(v is not None and not _is_plain(v, kind) for v in values):
            raise UnsureError
        found[name] = values if kind is str else [v if v is None else float(v) for v in values]
    return found


def _is_plain(value: Any, kind: type[Any]) -> bool:
    if kind is str:
        return isinstance(value, str) and value != ""
    return type(value) in {int, float} and math.isfinite(value) and abs(value) < 1e15


def _texts(values: Any) -> Any:
    return pd.array(values, dtype=STRINGS)


def _times(values: list[int | None]) -> Any:
    stamps = np.array([NAT if at is None else at for at in values], np.int64).view("M8[us]")
    return pd.DatetimeIndex(stamps).tz_localize("UTC")


def _numbers(values: list[float | None]) -> Any:
    return np.array(values, float)


def _bools(values: list[bool | None]) -> Any:
    return pd.array(values, dtype="boolean")


_ARRAYS: dict[str, Callable[[list[Any]], Any]] = {
    DTYPES["text"]: _texts,
    DTYPES["time"]: _times,
    DTYPES["number"]: _numbers,
    DTYPES["bool"]: _bools,
}
