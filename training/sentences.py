"""What is said of each theme of a deal: short true sentences with the deal's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

Facts = Mapping[str, Any]
"""What sentences about one deal are made of: `scoring.FACTS`, `stage`, `usual_wait` and `custom`,
the firm's own columns by name with their values in words."""
MOST_CUSTOM = 2
"""Columns of the firm's own that one sentence names."""
Sentence = Callable[[Facts, bool], str]
Judge = Callable[[Facts], bool]


def number(facts: Facts, name: str) -> float:
    """One fact as a number; NaN where it is not known."""
    return float(facts[name]) if name in facts and pd.notna(facts[name]) else float("nan")


def days_text(value: float) -> str:
    """Whole days in words."""
    whole = round(value)
    return "less than a day" if whole == 0 else "1 day" if whole == 1 else f"{whole} days"


def count_text(value: float, one: str, many: str | None = None) -> str:
    """Say how many, `no` for none."""
    whole = round(value)
    return f"{whole or 'no'} {one if whole == 1 else many or one + 's'}"


def _activity(facts: Facts, _: bool) -> str:
    count = number(facts, "activities_30d_count")
    since = number(facts, "days_since_last_activity")
    if np.isnan(since):
        return "no activity logged so far"
    if np.isnan(count):
        return f"last activity {days_text(since)} ago"
    told = count_text(count, "activity", "activities")
    return f"{told} in 30 days, the last {days_text(since)} ago"


def _replies(facts: Facts, up: bool) -> str:
    since = number(facts, "days_since_last_inbound")
    if np.isnan(since):
        return "the buyer has not written or called yet"
    usual = number(facts, "usual_wait")
    if not up and round(since) > max(1.5 * usual, 1.0):
        return (
            f"no reply for {days_text(since)}; deals won from this stage usually wait "
            f"{days_text(max(usual, 1.0))}"
        )
    waiting = number(facts, "unanswered_count")
    text = f"last heard from the buyer {days_text(since)} ago"
    return text + (f", {round(waiting)} touches unanswered since" if waiting >= 2 else "")


def _meetings(facts: Facts, _: bool) -> str:
    if number(facts, "meetings_ahead_count") > 0:
        return "a meeting is booked ahead"
    since = number(facts, "days_since_last_meeting")
    if np.isnan(since):
        return "no meeting so far"
    return f"last meeting {days_text(since)} ago"


def _contacts(facts: Facts, _: bool) -> str:
    count = number(facts, "contacts_90d_count")
    if np.isnan(count):
        return "the contacts involved so far"
    return f"{count_text(count, 'contact')} involved in the last 90 days"


def _stage(facts: Facts, up: bool) -> str:
    name = f"“{facts['stage']}”" if facts["stage"] else "the present stage"
    days = number(facts, "days_in_stage")
    usual = float(np.expm1(number(facts, "stage_usual_stay")))
    if up and days > usual:
        return f"has come as far as {name}"
    text = f"in {name}" + ("" if np.isnan(days) else f" for {days_text(days)}")
    if np.isnan(usual):
        return text
    return f"{text}; deals that go on usually stay {days_text(max(usual, 1.0))}"


def _age(facts: Facts, _: bool) -> str:
    age = number(facts, "age_days")
    ratio = number(facts, "age_against_cycle")
    if np.isnan(ratio):
        return f"{days_text(age)} old"
    usual = np.expm1(np.log1p(max(age, 0.0)) - ratio)
    return f"{days_text(age)} old, won deals usually take {days_text(max(usual, 1.0))}"


def _close_date(facts: Facts, _: bool) -> str:
    days = number(facts, "days_to_close_date")
    pushes = number(facts, "pushes_count")
    text = (
        "no expected close date"
        if np.isnan(days)
        else f"close date passed {days_text(-days)} ago"
        if days < 0
        else f"close date in {days_text(days)}"
    )
    return text + (f", pushed {count_text(pushes, 'time')}" if pushes >= 1 else "")


def _amount(facts: Facts, _: bool) -> str:
    against = number(facts, "amount_against_segment")
    if number(facts, "amount_missing_flag") == 1:
        return "no amount entered"
    if np.isnan(against):
        return "the amount and how it has changed"
    return f"amount {np.exp(against):.1f} times what such deals are usually won for"


def _owner(facts: Facts, up: bool) -> str:
    rate = number(facts, "owner_win_rate")
    load = number(facts, "owner_open_count")
    if np.isnan(rate):
        return "the owner's record with such deals"
    text = f"its owner wins {rate:.0%} of closed deals"
    return text + (f" and has {round(load)} open" if not up and load >= 1 else "")


def _source(facts: Facts, _: bool) -> str:
    rate, lift = number(facts, "segment_win_rate"), number(facts, "segment_win_rate_lift")
    if np.isnan(rate):
        return "its source and type"
    return f"deals of its source and type win {rate:.0%}, {lift * 100:+.0f} points against all"


def _account(facts: Facts, up: bool) -> str:
    won = number(facts, "account_won_count")
    if won >= 1:
        return f"{count_text(won, 'deal')} won with this account before"
    return f"the account is {'like' if up else 'unlike'} those that buy"


def _calendar(facts: Facts, _: bool) -> str:
    days = number(facts, "quarter_end_days")
    return "the time of year" if np.isnan(days) else f"{days_text(days)} to the end of the quarter"


def _custom(facts: Facts, _: bool) -> str:
    known = list(facts.get("custom", {}).items())[:MOST_CUSTOM]
    return ", ".join(f"{name}: {value}" for name, value in known) or "the firm's own columns"


def _below(name: str, limit: float) -> Callable[[Facts], bool]:
    return lambda facts: number(facts, name) < limit


def _above(name: str, limit: float) -> Callable[[Facts], bool]:
    return lambda facts: number(facts, name) > limit


def _never_heard(facts: Facts) -> bool:
    since = number(facts, "days_since_last_inbound")
    return bool(np.isnan(since)) or since > 21


def _silent(facts: Facts) -> bool:
    return not number(facts, "activities_30d_count") > 0


READINGS: dict[str, tuple[Judge | None, Judge | None]] = {
    "replies": (_below("days_since_last_inbound", 4), _never_heard),
    "activity": (None, _silent),
    "meetings": (_above("meetings_ahead_count", 0), None),
    "contacts": (_above("contacts_90d_count", 2), _below("contacts_90d_count", 1)),
    "close date": (None, _below("days_to_close_date", 0)),
    "amount": (None, _above("amount_against_segment", 0.7)),
    "account": (_above("account_won_count", 0), None),
    "source": (_above("segment_win_rate_lift", 0.02), _below("segment_win_rate_lift", -0.02)),
}
"""By theme: facts that anybody reads as good for a deal, and facts that anybody reads as bad."""


SENTENCES: dict[str, Sentence] = {
    "activity": _activity,
    "replies": _replies,
    "meetings": _meetings,
    "contacts": _contacts,
    "stage": _stage,
    "age": _age,
    "close date": _close_date,
    "amount": _amount,
    "owner": _owner,
    "source": _source,
    "account": _account,
    "calendar": _calendar,
    "custom": _custom,
}


def sentence(theme: str, facts: Facts, up: bool) -> str:
    """One reason in words, with the deal's own numbers."""
    say = SENTENCES.get(theme)
    return say(facts, up) if say else "the firm's own columns"


def reads_as(theme: str, facts: Facts, *, up: bool) -> bool:
    """Tell whether the sentence of a theme would read as what it is, for the deal or against it.

    A theme sums features that depend on each other, so "no reply for 74 days" can, given all the
    rest, raise the odds a little. True as it is, nobody could act on it: it is left unsaid.
    """
    good, bad = READINGS.get(theme, (None, None))
    if good is not None and good(facts):
        return up
    if bad is not None and bad(facts):
        return not up
    return True
