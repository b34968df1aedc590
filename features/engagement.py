"""Engagement: who talked with whom, how often, how lately, and how the pace changes.

An activity counts from the moment it is known; a meeting booked ahead counts as booked until it
happens, and as held afterwards.
"""

from __future__ import annotations

import numpy as np

from data.contract import ACTIVITY_TYPES
from features.at import At, once
from features.catalogue import Compute, Feature, feature, register
from features.conversation import (
    answers,
    contact_spans,
    first_answered,
    latest_so_far,
    unanswered,
)
from features.facts import TOUCHES, WAYS
from features.pace import usual_of_won
from features.seniority import UNKNOWN, levels
from features.spans import Spans
from features.windows import DAY, Floats, Timeline, days_between

WINDOWS = (7, 14, 30, 90)
NEEDS = ("activities.type",)
DIRECTED = ("activities.direction",)
PLURAL = {"activities": "activities of every type"} | {
    f"{kind}s": f"activities of type {kind}" for kind in ACTIVITY_TYPES
}
PLURAL |= {way: f"activities with direction {way}" for way in WAYS}
CROSSED = {
    f"{way}_{kind}s": f"{way} activities of type {kind}" for way in WAYS for kind in TOUCHES
}
"""Counts by type and direction together: for people; models read them by type and by direction."""
WHY = "Buyers who buy are in touch; silence is the commonest sign of a deal that is dying."


def flag_of(what: str) -> str | None:
    """Flag of a plural (`meetings`: meeting) or a direction (`inbound`); None for all."""
    return None if what == "activities" else what if what in WAYS else what[:-1]


def count_in(at: At, what: str, days: int) -> Floats:
    """(n,) activities that happened in the last `days` days and are known."""
    return at.recent(days, flag_of(what))


def count_ever(at: At, what: str) -> Floats:
    """(n,) activities known."""
    return at.activities.counts[flag_of(what)]


def days_since(at: At, what: str) -> Floats:
    """(n,) days since the latest known activity happened; NaN where there was none."""
    return at.silences[flag_of(what)]


def _windowed(what: str, days: int) -> Compute:
    flag = flag_of(what)
    return lambda at: at.recent(days, flag)


def _ever(what: str) -> Compute:
    flag = flag_of(what)
    return lambda at: at.activities.counts[flag]


def _since(what: str) -> Compute:
    flag = flag_of(what)
    return lambda at: at.silences[flag]


def _register_counts(what: str, words: str, *, for_models: bool) -> None:
    needs = DIRECTED if what.startswith(WAYS) else NEEDS

    def add(name: str, unit: str, text: str, compute: Compute) -> None:
        found = Feature(name, "engagement", unit, text, compute, needs, WHY, for_models=for_models)
        register(found)

    for days in WINDOWS:
        text = f"{words} that happened in the last {days} days"
        add(f"{what}_{days}d_count", "count", text, _windowed(what, days))
    add(f"{what}_count", "count", f"{words} so far", _ever(what))
    if what not in CROSSED:
        name = {"activities": "activity"}.get(what, what.removesuffix("s"))
        add(f"days_since_last_{name}", "days", f"days since the last of {words}", _since(what))


for _what, _words in (PLURAL | CROSSED).items():
    _register_counts(_what, _words, for_models=_what in PLURAL)


def _share_inbound(at: At, days: int | None) -> Floats:
    ways = [count_ever(at, way) if days is None else count_in(at, way, days) for way in WAYS]
    total = ways[0] + ways[1]
    return np.where(total > 0, ways[0] / np.maximum(total, 1), np.nan)


@feature("engagement", "share", "inbound among directed activities of 30 days", needs=DIRECTED)
def inbound_30d_share(at: At) -> Floats:
    """Who carries the conversation now."""
    return _share_inbound(at, 30)


@feature("engagement", "share", "inbound among all directed activities", needs=DIRECTED)
def inbound_share(at: At) -> Floats:
    """Who has carried the conversation."""
    return _share_inbound(at, None)


@feature(
    "engagement",
    "log ratio",
    "activities of the last 30 days against the 30 days before",
    needs=NEEDS,
    why="A conversation that speeds up is closing; one that slows down is dying.",
)
def pace_30d_change(at: At) -> Floats:
    """Log of (count of days 0-30 + 1) over (count of days 30-60 + 1)."""
    now = count_in(at, "activities", 30)
    return np.log((now + 1) / (at.recent(60) - now + 1))


@feature("engagement", "log ratio", "activities a day, 14 days against life", needs=NEEDS)
def pace_14d_against_own(at: At) -> Floats:
    """Pace of the last two weeks against the deal's own average."""
    own = (count_ever(at, "activities") + 1) / (at.age + 14)
    return np.log((count_in(at, "activities", 14) + 1) / 14 / own)


@feature("engagement", "days", "mean days between activities so far", needs=NEEDS)
@once
def usual_gap(at: At) -> Floats:
    """The deal's own rhythm: age over activities."""
    return at.age / (count_ever(at, "activities") + 1)


@feature(
    "engagement",
    "ratio",
    "days of present silence over the usual gap",
    needs=NEEDS,
    why="Ten quiet days mean little in a slow deal and much in a fast one.",
)
def silence_against_own(at: At) -> Floats:
    """Present silence in units of the deal's own rhythm."""
    silence = days_since(at, "activities")
    quiet = np.where(np.isnan(silence), at.age, silence)
    return quiet / (usual_gap(at) + 1)


@feature(
    "engagement",
    "days",
    "longest silence so far, ended by an activity later than all known before it",
    needs=NEEDS,
)
@once
def longest_silence(at: At) -> Floats:
    """Longest time from the latest activity known to one that became known and came after it."""

    def build() -> Timeline:
        events = at.history.activities
        latest, first = latest_so_far(events), events.start[:-1]
        gap = np.diff(latest, prepend=latest[:1])
        gap[first[first < len(gap)]] = 0
        return events.having(gap=gap)

    return at.seen(at.index("gaps", build)).largest("gap") / DAY


@feature(
    "engagement",
    "log ratio",
    "present silence against the longest before",
    needs=NEEDS,
    why="Never so quiet before: something has changed.",
)
def silence_against_longest(at: At) -> Floats:
    """Above 0: the deal has never been silent for so long; NaN without activities."""
    return np.log((days_since(at, "activities") + 1) / (longest_silence(at) + 1))


MULTI_THREADING = "Deals carried by one contact fall with that contact."
CONTACT = ("activities.contact_id",)


def _contacts(at: At, days: int) -> Floats:
    spans = at.index(f"contacts:{days}", lambda: contact_spans(at.history, days))
    return spans.asked(at.asked).count()


@feature("engagement", "count", "distinct contacts in 30 days", needs=CONTACT, why=MULTI_THREADING)
def contacts_30d_count(at: At) -> Floats:
    """Multi-threading now."""
    return _contacts(at, 30)


@feature("engagement", "count", "distinct contacts in 90 days", needs=CONTACT, why=MULTI_THREADING)
def contacts_90d_count(at: At) -> Floats:
    """Multi-threading over the quarter."""
    return _contacts(at, 90)


@feature("engagement", "count", "distinct contacts so far", needs=CONTACT, why=MULTI_THREADING)
def contacts_count(at: At) -> Floats:
    """Contacts that took part at all."""
    return at.activities.counts["new_contact"]


@feature(
    "engagement",
    "count",
    "contacts who took part for the first time in the last 30 days",
    needs=CONTACT,
    why="A deal that reaches new people is moving through the buyer's house.",
)
def new_contacts_30d_count(at: At) -> Floats:
    """By the first activity known with each contact."""
    return at.recent(30, "new_contact")


@feature("engagement", "level 0-4", "highest seniority met", needs=("contacts.seniority",))
def highest_seniority(at: At) -> Floats:
    """0 staff, 1 manager, 2 director, 3 vice president, 4 chief; NaN where no contact is known."""

    def build() -> Timeline:
        level = at.index("levels", lambda: levels(at.history))
        events = at.history.activities
        return events.having(level=level[events.values["contact"]])

    highest = at.seen(at.index("seniority", build)).largest("level")
    return np.where(highest == UNKNOWN, np.nan, highest)


@feature(
    "engagement",
    "count",
    "meetings booked that have not taken place yet",
    needs=("activities.recorded_at",),
    why="A date in the diary is the strongest promise a buyer makes.",
)
def meetings_ahead_count(at: At) -> Floats:
    """Known now, happening later."""

    def build() -> Spans:
        events = at.history.activities
        booked = events.values["meeting"] & (events.values["recorded"] < events.time)
        events = events.having(recorded=events.values["recorded"]).where(booked)
        return Spans.of(
            events.group, events.values["recorded"], events.time, groups=at.history.size
        )

    return at.index("booked", build).asked(at.asked).count()


@feature(
    "engagement",
    "count",
    "outbound activities since the last inbound one",
    needs=DIRECTED,
    why="Many touches without an answer: the buyer has left the conversation.",
)
def unanswered_count(at: At) -> Floats:
    """Outbound touches that nobody answered."""
    return unanswered(at.seen(at.history.activities))


@feature(
    "engagement",
    "flag",
    "5 or more activities by us in 30 days and none by the buyer",
    needs=DIRECTED,
    why="Busy logging is not progress.",
)
def inflation_flag(at: At) -> Floats:
    """Effort without response."""
    busy = count_in(at, "outbound", 30) >= 5
    return np.where(busy & (count_in(at, "inbound", 30) == 0), 1.0, 0.0)


def _answers(at: At) -> Timeline:
    return at.index("answers", lambda: answers(at.history.activities))


@feature(
    "engagement",
    "days",
    "median time that the buyer takes to answer",
    needs=DIRECTED,
    why="Interested buyers answer fast.",
)
def days_to_answer_median(at: At) -> Floats:
    """From an outbound activity to the inbound one after it; NaN before the first."""
    return at.known(_answers(at), "median")


@feature("engagement", "days", "time that the buyer took to answer last", needs=DIRECTED)
def days_to_answer_last(at: At) -> Floats:
    """Waiting time before the last answer."""
    return at.known(_answers(at), "days")


@feature("engagement", "days", "days from creation to the first inbound activity", needs=DIRECTED)
def days_to_first_inbound(at: At) -> Floats:
    """How fast the buyer first spoke; NaN until then."""
    first = first_answered(at.seen(at.history.activities))
    return days_between(at.history.created[at.deal], first)


@feature(
    "engagement",
    "log ratio",
    "activities so far against those of won deals at this stage and age",
    needs=(*NEEDS, "deal_history.stage"),
    why="The pace that won before, at the same point of the way.",
)
def activities_against_won(at: At) -> Floats:
    """Above 0: more than won deals had by then; NaN before the first win."""
    return np.log1p(count_ever(at, "activities")) - usual_of_won(at)
