"""From tables to timelines: names as codes, times as microseconds, both clocks kept.

What a fact says is decided here: which late entries no longer hold, from when a deal was known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.contract import ACTIVITY_TYPES, DTYPES
from data.settings import Settings
from data.tables import Tables
from features.order import by_group_and_time, largest_so_far
from features.windows import DAY, NEVER, Bools, Column, Floats, Ints, Timeline

OPEN, WON, LOST = 0, 1, 2
OUTCOMES = {"open": OPEN, "won": WON, "lost": LOST, "closed_won": WON, "closed_lost": LOST}
WAYS = ("inbound", "outbound")
TOUCHES = ("email", "call", "meeting")
"""Types of activity that have a direction."""
WRITTEN = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
"""Times that are read in one way alone."""
TEXTS: Any = pd.api.types.pandas_dtype(DTYPES["text"])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
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
    return np.where(stamps.isna(), NEVER, stamps.asi8) if stamps.hasnans else stamps.asi8


def as_texts(values: Any) -> Any:
    """(n,) array of texts of a sequence of them, as the tables hold them."""
    return pd.array(values, dtype=TEXTS)


def as_times(at: Ints) -> pd.DatetimeIndex:
    """(n,) times, UTC, of microseconds since 1970."""
    return pd.DatetimeIndex(at.view("M8[us]")).tz_localize("UTC")


def as_dates(values: pd.Series) -> Floats:
    """(n,) microseconds of ISO-8601 dates; NaN where a text is none."""
    at = micros(pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601"))
    return np.where(at >= NEVER, np.nan, at.astype(float))


@lru_cache(maxsize=4_096)
def plain_time(text: str) -> int | None:
    """Microseconds since 1970 UTC of a time that is read in one way alone; None of any other."""
    try:
        at = datetime.fromisoformat(text) if WRITTEN.fullmatch(text) else None
    except ValueError:
        return None
    if at is None:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // MICROSECOND


def encode(values: pd.Series) -> Codes:
    """Codes in order of appearance; missing is -1."""
    code, names = pd.factorize(values)
    return Codes(tuple(map(str, names.to_numpy(object))), code.astype(np.int64))


def known_people(contacts: pd.DataFrame, codes: Codes) -> Codes:
    """Codes of contacts in which those with one address are one person: it was entered twice.

    Names tell nothing: in a large company two people share one. The first rows of `codes` are
    those of `contacts`.
    """
    if "email" not in contacts:
        return codes
    address = contacts["email"].astype("str").str.strip().str.casefold()
    known = np.flatnonzero(address.notna())
    mine = pd.Series(codes.code[known])
    first = np.append(np.arange(codes.size), -1)
    first[mine] = mine.groupby(address.iloc[known].to_numpy(object)).transform("first")
    return Codes(codes.names, first[codes.code])


def positions(names: pd.Index, values: pd.Series) -> Ints:
    """(n,) position of each value among the names; -1 where it is none of them."""
    found = pc.index_in(pa.array(values), value_set=pa.array(names, pa.large_string()))
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def known_at(happened: pd.Series, recorded: pd.Series) -> Ints:
    """(n,) when a fact became known: recorded, or happened where nothing was recorded."""
    return micros(recorded.fillna(happened))


def coded_history(tables: Tables, index: pd.Index) -> pd.DataFrame:
    """deal_history with deal codes and both clocks (microseconds), in the order known."""
    rows = tables.deal_history
    deal, happened = positions(index, rows["deal_id"]), micros(rows["changed_at"])
    known = np.maximum(known_at(rows["changed_at"], rows["recorded_at"]), happened)
    kept = np.flatnonzero(deal >= 0)
    order = kept[by_group_and_time(deal[kept], known[kept], happened[kept])]
    return pd.DataFrame(
        {
            "deal": deal[order],
            "property": rows["property"].array.take(order),
            "value": rows["value"].array.take(order),
            "happened": happened[order],
            "known": known[order],
        }
    )


def known_from(created: Ints, history: pd.DataFrame) -> Ints:
    """(deals,) when a deal became known: when created, or when its first facts came in.

    Only facts that date from the day of creation count: a CRM that logs changes alone has no row
    for the first stage, and such a deal was known from the start.
    """
    first = history[history["happened"] < created[history["deal"]] + DAY]
    earliest = np.full(len(created), -NEVER)
    recorded = first.groupby("deal")["known"].min()
    earliest[recorded.index.to_numpy()] = recorded.to_numpy()
    return np.maximum(created, earliest)


def superseded(deal: Ints, happened: Ints, known: Ints, closing: Bools | None = None) -> Bools:
    """Late entries about a time before a change that was already known: they no longer hold.

    A closing is never superseded; it counts from when it was known, for backdating it is common.
    """
    at = happened if closing is None else np.where(closing, known, happened)
    other = np.ones(len(deal), bool)
    other[1:] = deal[1:] != deal[:-1]
    late: Bools = at < largest_so_far(at, other)
    return late if closing is None else late & ~closing


def property_timelines(
    tables: Tables, history: pd.DataFrame, settings: Settings, owners: Codes, deals: int
) -> tuple[dict[str, Timeline], dict[str, tuple[str, ...]]]:
    """Timelines of every property but the stage: amount, expected_close_date, owner_id, custom.

    Values: `value` (number, microseconds or owner code) and `happened`; of a custom property also
    `label` (code of its text; the second result holds the texts) and `date` (microseconds): which
    of the three is meant is for the vocabulary to say, for a later value must not change it.
    """
    code, names = pd.factorize(history["property"])
    place = {name: n for n, name in enumerate(names.to_numpy(object))}
    custom = sorted(set(place) - set(PROPERTIES))
    deal, happened, known = (history[name].to_numpy() for name in ("deal", "happened", "known"))
    timelines, labels = {}, {}
    for name in [*PROPERTIES[1:], *custom]:
        rows = np.flatnonzero(code == place[name]) if name in place else np.zeros(0, np.int64)
        rows = rows[~superseded(deal[rows], happened[rows], known[rows])]
        text = pd.Series(history["value"].array.take(rows))
        columns = {"value": _as_numbers(name, text, deal[rows], tables, settings, owners)}
        if name in custom:
            codes = encode(text)
            labels[name] = codes.names
            columns |= {"label": codes.code.astype(float), "date": as_dates(text)}
        at = happened[rows].astype(float)
        timelines[name] = Timeline.of(
            deal[rows], known[rows], groups=deals, happened=at, **columns
        )
    return timelines, labels


def _as_numbers(
    name: str, text: pd.Series, deal: Ints, tables: Tables, settings: Settings, owners: Codes
) -> Floats:
    """(rows,) a property's text as the number that a timeline holds; NaN where it says nothing."""
    if name == "owner_id":
        code = positions(pd.Index(owners.names, dtype="str"), text)
        return np.where(code < 0, np.nan, code.astype(float))
    if name == "expected_close_date":
        return as_dates(text)
    numbers: Floats = pd.to_numeric(text, errors="coerce").to_numpy(float)
    if name == "amount" and settings.rates:
        rate = tables.deals["currency"].map(settings.rates).astype(float).fillna(1.0).to_numpy()
        numbers = numbers * rate[deal]
    return numbers


def activity_timeline(tables: Tables, index: pd.Index, owners: Codes, contacts: Codes) -> Timeline:
    """Activities by deal at the time they count (see `counted_activities`)."""
    rows = tables.activities
    tail = len(rows)
    return counted_activities(
        positions(index, rows["deal_id"]),
        micros(rows["occurred_at"]),
        known_at(rows["occurred_at"], rows["recorded_at"]),
        _places(rows["type"], ACTIVITY_TYPES),
        _places(rows["direction"], WAYS),
        deals=len(index),
        contact=contacts.code[len(contacts.code) - tail :],
        owner=owners.code[len(owners.code) - tail :],
    )


def counted_activities(
    deal: Ints,
    happened: Ints,
    recorded: Ints,
    kind: Column,
    way: Column,
    *,
    deals: int,
    contact: Ints,
    owner: Ints,
) -> Timeline:
    """Activities by deal at the time they count: known and happened.

    Parameters
    ----------
    happened, recorded : (n,) microseconds
    kind, way : (n,) place of its type among ACTIVITY_TYPES, of its direction among WAYS; -1: none
    deals : number of deals
    contact, owner : (n,) codes, -1 where none

    Returns
    -------
    Values: all of the above but `kind` and `way`, for which there are flags of each type
    (`meeting`), each direction (`inbound`) and of both (`inbound_email`); and `new_contact` (the
    deal's first with a contact).
    """
    timeline = Timeline.of(
        deal,
        np.maximum(happened, recorded),
        groups=deals,
        # What is logged in one go (of a week, or moved in) follows in the order it happened.
        by=happened,
        happened=happened,
        recorded=recorded,
        contact=contact.astype(np.int32),
        owner=owner.astype(np.int32),
        kind=kind,
        way=way,
    )
    values = dict(timeline.values)
    kind, way = values.pop("kind"), values.pop("way")
    values |= {name: kind == n for n, name in enumerate(ACTIVITY_TYPES)}
    values |= {name: way == n for n, name in enumerate(WAYS)}
    values |= {f"{to}_{type_}": values[to] & values[type_] for to in WAYS for type_ in TOUCHES}
    known = values["contact"]
    pair = timeline.group * (int(known.max(initial=-1)) + 2) + known
    met_before = pd.Series(pair).duplicated().to_numpy()
    return timeline.having(**values, new_contact=(known >= 0) & ~met_before)


def _places(words: pd.Series, wanted: tuple[str, ...]) -> Column:
    """(n,) place of each word among those wanted; -1 where it is none of them."""
    code, found = pd.factorize(words)
    place = [wanted.index(word) if word in wanted else -1 for word in found.to_numpy(object)]
    return np.array([*place, -1], np.int8)[code]
