"""What one row can break by itself: required values, forms, times, amounts, words, keys."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from data.contract import ACTIVITY_TYPES, CONTRACT, DIRECTIONS, OUTCOMES, Column
from data.findings import Findings
from data.parsing import is_blank, parse_numbers, parse_times, plain
from data.rules import HIGHEST_AMOUNT

Frames = Mapping[str, pd.DataFrame]

FACTS = {
    "deals": ("created_at", "closed_at"),
    "deal_history": ("changed_at", "recorded_at"),
    "activities": ("occurred_at", "recorded_at"),
}
"""Times that cannot lie in the future, but for an activity booked ahead."""
NOT_A = {
    "time": "not_a_time",
    "date": "not_a_time",
    "number": "not_a_number",
    "bool": "not_a_bool",
}
WORDS = (
    ("activities", "type", "unknown_type", dict(zip(ACTIVITY_TYPES, ACTIVITY_TYPES, strict=True))),
    ("activities", "direction", "unknown_direction", DIRECTIONS),
    ("stages", "outcome", "unknown_outcome", dict(zip(OUTCOMES, OUTCOMES, strict=True))),
)
UNIQUE = ("deals", "activities", "accounts", "owners", "stages")
FIRST_TIME = pd.Timestamp("1970-01-01", tz="UTC")
END_OF_TIME = pd.Timestamp("2101-01-01", tz="UTC")


def check_rows(frames: Frames, now: pd.Timestamp, findings: Findings) -> None:
    """Check every value of every table by itself, and keys within a table."""
    for name in findings.raw.tables:
        for column in CONTRACT[name].columns:
            _check_form(name, column, frames[name], findings)
    _check_future(frames, now, findings)
    _check_amounts(frames, findings)
    _check_changes(frames["deal_history"], findings)
    _check_words(frames, findings)
    for name in UNIQUE:
        key = list(CONTRACT[name].key)
        again = frames[name].duplicated(key) & frames[name][key].notna().all(axis=1)
        findings.reject(name, "repeated_key", key[-1], again)


def _check_form(name: str, column: Column, frame: pd.DataFrame, findings: Findings) -> None:
    """Check that required values are there, that all could be parsed, that years are sane."""
    text = findings.raw.tables[name].frame.get(column.name)
    if text is None:
        return
    absent = frame[column.name].isna()
    empty = absent & (text.isna() | is_blank(text))
    if column.required:
        findings.reject(name, "missing", column.name, empty)
    if column.kind in NOT_A:
        findings.reject(name, NOT_A[column.kind], column.name, absent & ~empty)
    if column.kind in {"time", "date"}:
        findings.reject(name, "absurd_time", column.name, is_absurd(frame[column.name]))


def is_absurd(times: pd.Series) -> pd.Series:
    """Where a time lies outside of the years 1970 to 2100."""
    return (times < FIRST_TIME) | (times >= END_OF_TIME)


def _check_future(frames: Frames, now: pd.Timestamp, findings: Findings) -> None:
    for name, columns in FACTS.items():
        for column in columns:
            times = frames[name][column]
            ahead = (times > now) & ~is_absurd(times)
            if column == "occurred_at":
                ahead &= ~(frames[name]["recorded_at"] <= now)
            findings.reject(name, "future", column, ahead)


def _check_amounts(frames: Frames, findings: Findings) -> None:
    for name in ("deals", "targets"):
        _check_amount(name, "amount", frames[name]["amount"], findings)


def _check_amount(name: str, column: str, amounts: pd.Series, findings: Findings) -> None:
    findings.reject(name, "negative_amount", column, amounts < 0)
    findings.reject(name, "absurd_amount", column, amounts > HIGHEST_AMOUNT)


def _check_changes(history: pd.DataFrame, findings: Findings) -> None:
    """Values in the history of a property whose form the contract knows."""
    told = history["value"].notna()
    text = history["value"].where(told & (history["property"] == "amount"))
    amounts = parse_numbers(text)
    findings.reject("deal_history", "not_a_number", "value", amounts.isna() & text.notna())
    _check_amount("deal_history", "value", amounts, findings)
    text = history["value"].where(told & (history["property"] == "expected_close_date"))
    dates = parse_times(text)
    findings.reject("deal_history", "not_a_time", "value", dates.isna() & text.notna())
    findings.reject("deal_history", "absurd_time", "value", is_absurd(dates))


def with_words(frames: Frames) -> dict[str, pd.DataFrame]:
    """Write types, directions and outcomes as the contract does: lower case, inbound, outbound."""
    written = dict(frames)
    for name, column, _, words in WORDS:
        frame = written[name]
        code, said = pd.factorize(frame[column])
        word = plain(pd.Series(said, dtype="str"))
        word = word.map(words).fillna(word).mask(word == "").astype("str")
        written[name] = frame.assign(**{column: word.reindex(code).set_axis(frame.index)})
    return written


def _check_words(frames: Frames, findings: Findings) -> None:
    for name, column, rule, words in WORDS:
        said = frames[name][column]
        findings.reject(name, rule, column, said.notna() & ~said.isin(words.values()))
