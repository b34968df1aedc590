"""The next step with a deal: what its facts say a rep should do first, as a key with numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MANY_UNANSWERED = 3
"""Touches without an answer after which another channel is due."""
QUIET_DAYS = 14.0


@dataclass(frozen=True)
class Step:
    """A step: the key of its text, its number, and whether it presses."""

    key: str
    number: int = 0
    urgent: bool = False


Facts = Mapping[Any, Any]


def next_step(facts: Facts, flags: list[str]) -> Step:
    """Choose the first rule that holds: what waits for us, then what is broken, then upkeep."""
    for rule in RULES:
        if (found := rule(facts, flags)) is not None:
            return found
    return Step("keep")


def _number(facts: Facts, name: str) -> float:
    value = facts.get(name)
    return float("nan") if value is None else float(value)


def _answer(facts: Facts, _: list[str]) -> Step | None:
    """The buyer spoke last."""
    heard, last = (
        _number(facts, "days_since_last_inbound"),
        _number(facts, "days_since_last_activity"),
    )
    waits = (
        heard <= last + 0.01
        and heard < QUIET_DAYS
        and not _number(facts, "meetings_ahead_count") > 0
    )
    if not waits:
        return None
    return Step("answer", round(heard), urgent=True) if round(heard) else Step("answer_today")


def _meeting(facts: Facts, _: list[str]) -> Step | None:
    return Step("meeting") if _number(facts, "meetings_ahead_count") > 0 else None


def _close_date(facts: Facts, flags: list[str]) -> Step | None:
    late = -_number(facts, "days_to_close_date")
    return (
        Step("redate", max(round(late), 1), urgent=True)
        if "overdue" in flags and late > 0
        else None
    )


def _silence(facts: Facts, flags: list[str]) -> Step | None:
    quiet = _number(facts, "days_since_last_activity")
    if "stale" in flags:
        if np.isnan(quiet):
            return Step("decide_unknown", urgent=True)
        return Step("decide", round(quiet), urgent=True)
    if "silent" not in flags:
        return None
    return Step("first") if np.isnan(quiet) else Step("reach", round(quiet), urgent=True)


def _channel(facts: Facts, _: list[str]) -> Step | None:
    touches = _number(facts, "unanswered_count")
    return Step("channel", round(touches)) if touches >= MANY_UNANSWERED else None


def _amount(_: Facts, flags: list[str]) -> Step | None:
    return Step("amount") if "no amount" in flags else None


def _widen(facts: Facts, _: list[str]) -> Step | None:
    return Step("widen") if _number(facts, "contacts_90d_count") == 1 else None


RULES: tuple[Callable[[Facts, list[str]], Step | None], ...] = (
    _answer,
    _meeting,
    _silence,
    _close_date,
    _channel,
    _amount,
    _widen,
)
