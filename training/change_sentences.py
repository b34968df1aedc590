"""What happened to a deal between two instants, theme by theme, in short true sentences.

A sentence tells an event that anybody reads as good or as bad only where the probability moved
that way. Given all the rest a model may take a reply for a bad sign; then the theme
alone is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

from training.sentences import Facts, count_text, days_text, number

Told = tuple[str, int]
"""A sentence, and how anybody reads it: 1 good, -1 bad, 0 neither."""


@dataclass(frozen=True)
class Between:
    """Facts of a deal at two instants, `days` apart."""

    then: Facts
    now: Facts
    days: float

    def both(self, name: str) -> tuple[float, float]:
        """One fact as a number, then and now."""
        return number(self.then, name), number(self.now, name)

    def rise(self, name: str) -> float:
        """How much a count rose; one that was not known is 0."""
        before, after = self.both(name)
        return (0.0 if isnan(after) else after) - (0.0 if isnan(before) else before)


Teller = Callable[[Between], Told]


def change_sentence(theme: str, of: Between, *, up: bool) -> str:
    """Tell what changed of a theme between two instants, where it moved the odds up or down."""
    tell = TELLERS.get(theme)
    text, reading = tell(of) if tell else (NEUTRAL.get(theme, theme), 0)
    return NEUTRAL[theme] if reading and (reading > 0) != up else text


def _replies(of: Between) -> Told:
    before, since = of.both("days_since_last_inbound")
    if since < of.days:
        return f"a reply came {days_text(since)} ago", 1
    if since < before + of.days - 0.01 or (isnan(before) and not isnan(since)):
        return f"a reply of {days_text(since)} ago was entered", 1
    if isnan(since):
        return "still no word from the buyer", -1
    return f"no reply, for {days_text(since)} by now", -1


def _activity(of: Between) -> Told:
    new = of.rise("activities_count")
    if new > 0:
        return f"{count_text(new, 'new activity', 'new activities')}", 1
    since = number(of.now, "days_since_last_activity")
    return (
        "still no activity" if isnan(since) else f"nothing done, for {days_text(since)} by now",
        -1,
    )


def _meetings(of: Between) -> Told:
    since = number(of.now, "days_since_last_meeting")
    if since < of.days:
        return f"a meeting took place {days_text(since)} ago", 1
    if of.rise("meetings_ahead_count") > 0:
        return "a meeting was booked", 1
    if number(of.now, "meetings_ahead_count") > 0:
        return "the meeting booked is nearer", 1
    return ("no meeting yet" if isnan(since) else f"no meeting, for {days_text(since)} by now", -1)


def _contacts(of: Between) -> Told:
    new = of.rise("contacts_count")
    if new > 0:
        return f"{count_text(new, 'contact')} took part for the first time", 1
    fewer = -of.rise("contacts_90d_count")
    if fewer > 0:
        return f"{count_text(fewer, 'contact')} not heard of for 90 days", -1
    return NEUTRAL["contacts"], 0


def _stage(of: Between) -> Told:
    if of.then["stage"] != of.now["stage"]:
        step = of.rise("stage_position")
        reading = 1 if step > 0 else -1 if step < 0 else 0
        return f"moved from “{of.then['stage']}” to “{of.now['stage']}”", reading
    stay = number(of.now, "days_in_stage")
    name = f"“{of.now['stage']}”" if of.now["stage"] else "the same stage"
    return f"still in {name}" + ("" if isnan(stay) else f", for {days_text(stay)} by now"), 0


def _age(of: Between) -> Told:
    return f"{days_text(of.days)} older, {days_text(number(of.now, 'age_days'))} by now", 0


def _close_date(of: Between) -> Told:
    before, after = of.both("days_to_close_date")
    if isnan(before) or isnan(after):
        return (
            ("an expected close date was entered", 1) if after > 0 else (NEUTRAL["close date"], 0)
        )
    moved = after - (before - of.days)
    if moved > 0.5:
        return f"close date pushed by {days_text(moved)}", 0
    if moved < -0.5:
        return f"close date brought forward by {days_text(-moved)}", 0
    if after < 0:
        return f"close date passed {days_text(-after)} ago", -1
    return f"close date in {days_text(after)}, it was {days_text(before)}", 0


def _amount(of: Between) -> Told:
    before, after = of.both("amount")
    if before == after or isnan(after):
        return NEUTRAL["amount"], 0
    if isnan(before):
        return f"an amount was entered, {after:,.0f}", 0
    return f"amount {'raised' if after > before else 'cut'} from {before:,.0f} to {after:,.0f}", 0


def _owner(of: Between) -> Told:
    if str(of.then["owner_id"]) != str(of.now["owner_id"]):
        return "handed to another owner", 0
    rate = of.both("owner_win_rate")
    if abs(rate[1] - rate[0]) >= 0.005:
        return f"its owner's win rate went from {rate[0]:.1%} to {rate[1]:.1%}", 0
    load = of.both("owner_open_count")
    if abs(load[1] - load[0]) >= 1:
        return f"its owner has {count_text(load[1], 'open deal')}, it was {load[0]:.0f}", 0
    return NEUTRAL["owner"], 0


def _source(of: Between) -> Told:
    rate = of.both("segment_win_rate")
    if abs(rate[1] - rate[0]) >= 0.0005:
        return f"win rate of its source and type went from {rate[0]:.1%} to {rate[1]:.1%}", 0
    return NEUTRAL["source"], 0


def _account(of: Between) -> Told:
    won = of.rise("account_won_count")
    if won > 0:
        return f"{count_text(won, 'other deal')} won with this account", 1
    return NEUTRAL["account"], 0


def _calendar(of: Between) -> Told:
    left = number(of.now, "quarter_end_days")
    if isnan(left):
        return NEUTRAL["calendar"], 0
    if left > number(of.then, "quarter_end_days"):
        return "a new quarter began", 0
    return f"{days_text(left)} left of the quarter", 0


def _custom(of: Between) -> Told:
    before, after = (facts.get("custom", {}) for facts in (of.then, of.now))
    moved = [name for name in after if before.get(name) != after[name]]
    if not moved:
        return NEUTRAL["custom"], 0
    name = moved[0]
    was = f" from {before[name]}" if name in before else ""
    return f"{name} went{was} to {after[name]}", 0


TELLERS: dict[str, Teller] = {
    "replies": _replies,
    "activity": _activity,
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
NEUTRAL = {
    "replies": "the conversation with the buyer",
    "activity": "how much is done, and when",
    "meetings": "the meetings",
    "contacts": "who takes part",
    "stage": "the stage and the time in it",
    "age": "the deal's age",
    "close date": "the expected close date",
    "amount": "the amount against that of other deals",
    "owner": "its owner's record and load",
    "source": "the record of its source and type",
    "account": "what is known of the account",
    "calendar": "the time of year",
    "custom": "the firm's own columns",
    "curve": "when a win is expected within the 90 days",
    "base": "what all deals share",
}
"""What a change is put down to where no event tells it."""
