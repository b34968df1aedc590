"""Values of deals sent whole, read one by one; what is not beyond doubt is an UnsureError."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from data.checks import END_OF_TIME, FIRST_TIME
from data.contract import ACTIVITY_TYPES, DIRECTIONS, Table
from data.rules import HIGHEST_AMOUNT
from features.facts import plain_time
from features.windows import DAY
from serving.messages import SentActivity, SentChange, SentDeal
from serving.view import to_micros

NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
EARLIEST, LATEST = to_micros(FIRST_TIME), to_micros(END_OF_TIME)
TYPES = {kind: kind for kind in ACTIVITY_TYPES}

WORDS = {str, type(None)}

Told = dict[str, list[Any]]
"""Columns of a table as they are laid out: values by row."""
Sent = SentDeal | SentChange | SentActivity


class UnsureError(Exception):
    """A value that the rules of the import have to judge."""


def read_columns(table: Table, sent: Sequence[Sent], ids: list[str]) -> Told:
    """Read what was sent as columns of a table; `ids` are of the deals of the rows.

    Raises
    ------
    UnsureError
        Where a value is one that the rules of the import have to judge.
    """
    told: Told = {}
    rows = [vars(each) for each in sent]
    for column in table.columns:
        name = column.name
        values = ids if name == "deal_id" else [row[name] for row in rows]
        read = _OF_COLUMN.get((table.name, name)) or _READ[column.kind]
        cells = told[name] = _cells(values, read)
        if column.required and name != "activity_id" and None in cells:
            raise UnsureError
    return told


def _cells(values: list[Any], read: Callable[[Any], Any]) -> list[Any]:
    """Read values, of words each once."""
    met = {*values}
    if {*map(type, met)} <= WORDS:
        known = {value: None if value is None else read(value) for value in met}
        return [*map(known.__getitem__, values)]
    return [None if value is None else read(value) for value in values]


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


def _word(words: Mapping[str, str], value: str) -> str:
    found = words.get(value.lower()) if value.isascii() else None
    if found is None:
        raise UnsureError
    return found


_READ: dict[str, Callable[[Any], Any]] = {
    "id": _text,
    "text": _text,
    "time": _micros,
    "date": _day,
    "number": _amount,
    "bool": bool,
}
_OF_COLUMN: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("activities", "type"): partial(_word, TYPES),
    ("activities", "direction"): partial(_word, DIRECTIONS),
}
CHECKS: dict[str, Callable[[Any], Any]] = {
    "amount": _amount,
    "expected_close_date": _micros,
}
