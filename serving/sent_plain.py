"""Deals sent in plain form: typed value by value, where nothing can be wrong with them.

An import judges columns of millions of rows; for one deal those passes take a hundred times as
long as its values. Here each value is read by itself, and whatever is not beyond doubt (a form
that is read in several ways, a closed deal, a stage that the store does not use) makes the answer
None: then the rules of the import judge the whole message, and they alone say what is wrong. What
is accepted here they accept too, as the same tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from data.checks import END_OF_TIME, FACTS, FIRST_TIME
from data.contract import ACTIVITY_TYPES, CONTRACT, DIRECTIONS, DTYPES, Table
from data.links import Links, stage_uses
from data.rules import HIGHEST_AMOUNT
from data.tables import OF_A_DEAL, Tables
from features.arrivals import Arriving, Columns
from features.facts import plain_time
from features.windows import DAY
from serving.messages import SentActivity, SentChange, SentDeal
from serving.view import View, to_micros

NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
EARLIEST, LATEST = to_micros(FIRST_TIME), to_micros(END_OF_TIME)
NAT = np.iinfo(np.int64).min
STRINGS: Any = pd.api.types.pandas_dtype(DTYPES["text"])
TYPES = {kind: kind for kind in ACTIVITY_TYPES}

Row = dict[str, Any]


class UnsureError(Exception):
    """A value that the rules of the import have to judge."""


def plain(deals: Sequence[SentDeal], now: pd.Timestamp, view: View) -> Arriving | None:
    """Read deals of which every value is plain; None where one is not.

    Parameters
    ----------
    now : what lies after it lies in the future
    view : whose store the deals are to stand in
    """
    rows: dict[str, list[Row]] = {name: [] for name in OF_A_DEAL}
    try:
        for deal in deals:
            rows["deals"].append(_deal(deal))
            rows["deal_history"] += _changes(deal)
            rows["activities"] += [_activity(deal.deal_id, each) for each in deal.activities]
        for number, row in enumerate(rows["activities"]):
            row["activity_id"] = row["activity_id"] or f"sent-{number}"
        _check(rows, to_micros(now), _stages(view))
        customs = _customs(deals, view.history.tables.deals)
    except UnsureError:
        return None
    columns = {name: _columns(CONTRACT[name], rows[name]) for name in OF_A_DEAL}
    table = _frame(CONTRACT["deals"], columns["deals"], customs)
    told, changes, activities = columns.values()
    return Arriving(told, changes, activities, table, partial(_tables, table, columns))


def _tables(deals: pd.DataFrame, columns: Mapping[str, Columns]) -> Tables:
    """Everything as tables."""
    rest = {name: _frame(CONTRACT[name], columns[name], {}) for name in OF_A_DEAL[1:]}
    return replace(_nothing(), deals=deals, **rest)


@cache
def _nothing() -> Tables:
    return Tables.empty()


def _deal(deal: SentDeal) -> Row:
    if deal.is_won is not None or deal.closed_at is not None:
        raise UnsureError
    return _typed(deal, CONTRACT["deals"], {})


def _changes(deal: SentDeal) -> list[Row]:
    """Rows of the history; of those that say the same the first."""
    told: dict[tuple[Any, ...], Row] = {}
    for change in deal.history:
        row = _typed(change, CONTRACT["deal_history"], {"deal_id": deal.deal_id})
        check = KNOWN_PROPERTIES.get(row["property"])
        if check is not None:
            check(row["value"])
        told.setdefault((row["property"], row["changed_at"], row["value"]), row)
    return list(told.values())


def _activity(deal_id: str, activity: SentActivity) -> Row:
    row = _typed(activity, CONTRACT["activities"], {"deal_id": deal_id})
    row["type"] = _word(row["type"], TYPES)
    row["direction"] = row["direction"] and _word(row["direction"], DIRECTIONS)
    return row


def _typed(sent: SentDeal | SentChange | SentActivity, table: Table, given: Row) -> Row:
    """Read what was sent as a row of a table."""
    row: Row = {}
    for column in table.columns:
        name = column.name
        value = given[name] if name in given else getattr(sent, name)
        row[name] = None if value is None else _READ[column.kind](value)
        if column.required and row[name] is None and name != "activity_id":
            raise UnsureError
    return row


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else _number_text(value)
    if not text or text.isspace():
        raise UnsureError
    return text


def _number_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnsureError
    return repr(value)


def _micros(value: str) -> int:
    """Microseconds since 1970 UTC of a time written plainly."""
    micros = plain_time(value)
    if micros is None or not EARLIEST <= micros < LATEST:
        raise UnsureError
    return micros


def _day(value: str) -> int:
    return _micros(value) // DAY * DAY


def _amount(value: Any) -> float:
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        raise UnsureError
    number = float(value)
    if not 0 <= number <= HIGHEST_AMOUNT:
        raise UnsureError
    return number


def _word(value: str, words: Mapping[str, str]) -> str:
    found = words.get(value.lower()) if value.isascii() else None
    if found is None:
        raise UnsureError
    return found


def _check(rows: Mapping[str, list[Row]], now: int, stages: frozenset[str]) -> None:
    """Check what rows can only break together, against now, or against the store."""
    for table, key in (("deals", "deal_id"), ("activities", "activity_id")):
        if len({row[key] for row in rows[table]}) < len(rows[table]):
            raise UnsureError
    used = {row["stage"] for row in rows["deals"]}
    used |= {row["value"] for row in rows["deal_history"] if row["property"] == "stage"}
    if not used <= stages:
        raise UnsureError
    for table, times in FACTS.items():
        if any(_ahead(row, time, now) for row in rows[table] for time in times):
            raise UnsureError


def _ahead(row: Row, time: str, now: int) -> bool:
    """Whether a fact lies in the future, and not as an activity booked ahead."""
    if row[time] is None or row[time] <= now:
        return False
    return time != "occurred_at" or row["recorded_at"] is None or row["recorded_at"] > now


def _stages(view: View) -> frozenset[str]:
    """Stages in which a deal is open, and which are no slip however few deals are sent."""
    if "plain stages" not in view.memo:
        tables = view.history.tables
        links = Links(dict(Tables.empty().items()), tables)
        known = links.listed_stages() or set(stage_uses(links)["stage"])
        view.memo["plain stages"] = frozenset(known - links.closed_stages())
    found: frozenset[str] = view.memo["plain stages"]
    return found


def _columns(table: Table, rows: Sequence[Row]) -> Columns:
    return {column.name: [row[column.name] for row in rows] for column in table.columns}


def _frame(table: Table, columns: Columns, customs: Mapping[str, Any]) -> pd.DataFrame:
    made = {each.name: _ARRAYS[each.dtype](columns[each.name]) for each in table.columns}
    return pd.DataFrame({**made, **customs})


def _customs(deals: Sequence[SentDeal], stored: pd.DataFrame) -> dict[str, Any]:
    """Columns of the firm's own, of the type that they have in the store."""
    extra = [deal.model_extra or {} for deal in deals]
    found = {}
    for name in dict.fromkeys(name for each in extra for name in each):
        if name not in stored:
            raise UnsureError
        values = [each.get(name) for each in extra]
        kind = str if stored[name].dtype == DTYPES["text"] else float
        if any(v is not None and not _is_plain(v, kind) for v in values):
            raise UnsureError
        found[name] = _ARRAYS[DTYPES["text" if kind is str else "number"]](values)
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


_READ: dict[str, Callable[[Any], Any]] = {
    "id": _text,
    "text": _text,
    "time": _micros,
    "date": _day,
    "number": _amount,
}
_ARRAYS: dict[str, Callable[[list[Any]], Any]] = {
    DTYPES["text"]: _texts,
    DTYPES["time"]: _times,
    DTYPES["number"]: _numbers,
    DTYPES["bool"]: _bools,
}
KNOWN_PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "amount": _amount,
    "expected_close_date": _micros,
}
