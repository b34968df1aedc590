"""Engagement: who talked with whom, how often, how lately, and how the pace changes.

An activity counts from the moment it is known; a meeting booked ahead counts as booked until it
happens, and as held afterwards.
"""

from __future__ import annotations

import numpy as np

from data.contract import ACTIVITY_TYPES
from features.at import At
from features.catalogue import Compute, Feature, feature, register
from features.windows import DAY, NEVER, Floats, Ints, Spans, Timeline, days_between, window

WINDOWS = (7, 14, 30, 90)
NEEDS = ("activities.type",)
DIRECTED = ("activities.direction",)
INBOUND = {"inbound": 1.0, "outbound": 0.0}
PLURAL = {"activities": "activities of every type"} | {
    f"{kind}s": f"activities of type {kind}" for kind in ACTIVITY_TYPES
}
PLURAL |= {way: f"activities with direction {way}" for way in INBOUND}
WHY = "Buyers who buy are in touch; silence is the commonest sign of a deal that is dying."


def select(at: At, what: str) -> Timeline:
    """Activities of a plural type (`meetings`), a direction (`inbound`) or all (`activities`)."""
    events = at.history.activities

    def build() -> Timeline:
        if what == "activities":
            return events
        if what in INBOUND:
            return events.where(events.values["inbound"] == INBOUND[what])
        return events.where(events.values["type"] == ACTIVITY_TYPES.index(what[:-1]))

    return at.index(f"activities:{what}", build)


def count_in(at: At, what: str, days: int) -> Floats:
    """(n,) activities that happened in the last `days` days and are known."""
    spans = at.index(f"window:{what}:{days}", lambda: window(select(at, what), days))
    return at.shared(f"count:{what}:{days}", lambda: spans.count(at.deal, at.time))


def count_ever(at: At, what: str) -> Floats:
    """(n,) activities known."""
    return at.shared(f"count:{what}", lambda: select(at, what).count(at.deal, at.time))


def days_since(at: At, what: str) -> Floats:
    """(n,) days since the latest known activity happened; NaN where there was none."""
    return at.shared(f"since:{what}", lambda: at.days_since(select(at, what)))


def _windowed(what: str, days: int) -> Compute:
    return lambda at: count_in(at, what, days)


def _ever(what: str) -> Compute:
    return lambda at: count_ever(at, what)


def _since(what: str) -> Compute:
    return lambda at: days_since(at, what)


def _register_counts() -> None:
    for what, words in PLURAL.items():
        needs = DIRECTED if what in INBOUND else NEEDS
        for days in WINDOWS:
            text = f"{words} that happened in the last {days} days"
            name = f"{what}_{days}d_count"
            register(Feature(name, "engagement", "count", text, _windowed(what, days), needs, WHY))
        text = f"{words} so far"
        register(Feature(f"{what}_count", "engagement", "count", text, _ever(what), needs, WHY))
        name = "days_since_last_" + {"activities": "activity"}.get(what, what.removesuffix("s"))
        text = f"days since the last of {words}"
        register(Feature(name, "engagement", "days", text, _since(what), needs, WHY))


_register_counts()


def _share_inbound(at: At, days: int | None) -> Floats:
    ways = [
        count_ever(at, way) if days is None else count_in(at, way, days)
        for way in ("inbound", "outbound")
    ]
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
    return np.log((now + 1) / (count_in(at, "activities", 60) - now + 1))


@feature("engagement", "log ratio", "activities a day, 14 days against life", needs=NEEDS)
def pace_14d_against_own(at: At) -> Floats:
    """Pace of the last two weeks against the deal's own average."""
    own = (count_ever(at, "activities") + 1) / (at.age + 14)
    return np.log((count_in(at, "activities", 14) + 1) / 14 / own)


@feature("engagement", "days", "mean days between activities so far", needs=NEEDS)
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


@feature("engagement", "days", "longest silence between known activities so far", needs=NEEDS)
def longest_silence(at: At) -> Floats:
    """Longest gap between two activities in the order in which they became known."""

    def build() -> Timeline:
        events = at.history.activities
        gap = (events.values["happened"] - events.previous("happened")) / DAY
        kept = np.maximum(np.nan_to_num(gap), 0.0)
        return Timeline(events.start, events.time, events.group, {"gap": kept})

    return at.index("gaps", build).largest("gap", at.deal, at.time)


def _contact_spans(at: At, days: float) -> Spans:
    """A contact counts from an activity until the window ends or the contact's next activity."""

    def build() -> Spans:
        events = at.history.activities
        events = events.where(events.values["contact"] >= 0)
        order = np.lexsort((events.time, events.values["contact"], events.group))
        same = np.zeros(len(order), bool)
        contact, group, time = events.values["contact"][order], events.group[order], events.time[order]
        same[:-1] = (contact[1:] == contact[:-1]) & (group[1:] == group[:-1])
        following = np.where(same, np.roll(time, -1), NEVER)
        end = np.minimum(following, time + np.int64(days * DAY))
        return Spans.of(group, time, end, groups=at.history.size)

    return at.index(f"contacts:{days}", build)


MULTI_THREADING = "Deals carried by one contact fall with that contact."


def _contacts(at: At, days: float) -> Floats:
    return _contact_spans(at, days).count(at.deal, at.time)


@feature(
    "engagement", "count", "distinct contacts in 30 days", needs=("activities.contact_id",),
    why=MULTI_THREADING,
)  # fmt: skip
def contacts_30d_count(at: At) -> Floats:
    """Multi-threading now."""
    return _contacts(at, 30)


@feature(
    "engagement", "count", "distinct contacts in 90 days", needs=("activities.contact_id",),
    why=MULTI_THREADING,
)  # fmt: skip
def contacts_90d_count(at: At) -> Floats:
    """Multi-threading over the quarter."""
    return _contacts(at, 90)


@feature(
    "engagement", "count", "distinct contacts so far", needs=("activities.contact_id",),
    why=MULTI_THREADING,
)  # fmt: skip
def contacts_count(at: At) -> Floats:
    """Contacts that took part at all."""
    return _contacts(at, 36_500)


SENIORITY = (
    (4.0, ("c-level", "c_level", "cxo", "chief", "ceo", "cfo", "cto", "coo", "owner", "founder")),
    (3.0, ("vp", "vice president", "executive", "president", "partner")),
    (2.0, ("director", "head")),
    (1.0, ("manager", "lead", "senior")),
)


@feature("engagement", "level 0-4", "highest seniority met", needs=("contacts.seniority",))
def highest_seniority(at: At) -> Floats:
    """0 staff, 1 manager, 2 director, 3 vice president, 4 chief; NaN where no contact is known."""

    def build() -> Timeline:
        words = at.history.tables.contacts["seniority"].fillna("").str.lower()
        level = np.zeros(at.history.contacts.size)
        for value, names in reversed(SENIORITY):
            found = words.apply(lambda text, names=names: any(n in text for n in names))
            level[at.history.contacts.code[: len(words)][found.to_numpy()]] = value
        events = at.history.activities
        events = events.where(events.values["contact"] >= 0)
        met = {"level": level[events.values["contact"].astype(int)]}
        return Timeline(events.start, events.time, events.group, met)

    return at.index("seniority", build).largest("level", at.deal, at.time)


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
        events = select(at, "meetings")
        recorded = events.values["recorded"].astype(np.int64)
        happened = events.values["happened"].astype(np.int64)
        return Spans.of(events.group, recorded, happened, groups=at.history.size)

    return at.index("booked", build).count(at.deal, at.time)


def _last_inbound(at: At) -> Ints:
    return at.shared("last_inbound", lambda: select(at, "inbound").last_time(at.deal, at.time))


@feature(
    "engagement",
    "count",
    "outbound activities since the last inbound one",
    needs=DIRECTED,
    why="Many touches without an answer: the buyer has left the conversation.",
)
def unanswered_count(at: At) -> Floats:
    """Outbound touches that nobody answered."""
    outbound = select(at, "outbound")
    answered = outbound.count(at.deal, np.maximum(_last_inbound(at), 0))
    return count_ever(at, "outbound") - answered


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
    return (busy & (count_in(at, "inbound", 30) == 0)).astype(float)


def _answers(at: At) -> Timeline:
    """Inbound activities that follow an outbound one; value log_days since that one."""

    def build() -> Timeline:
        events = at.history.activities
        directed = events.where(~np.isnan(events.values["inbound"]))
        answered = (directed.values["inbound"] == 1) & (directed.previous("inbound") == 0)
        days = np.maximum(directed.values["happened"] - directed.previous("happened"), 0) / DAY
        ones = np.ones(len(days))
        with_days = Timeline(
            directed.start,
            directed.time,
            directed.group,
            {"log_days": np.log1p(np.nan_to_num(days)), "one": ones},
        )
        return with_days.where(answered)

    return at.index("answers", build)


@feature(
    "engagement",
    "log days",
    "usual time the buyer takes to answer (mean log of 1 + days)",
    needs=DIRECTED,
    why="Interested buyers answer fast.",
)
def time_to_answer_usual(at: At) -> Floats:
    """Geometric mean of the waiting times, which a few long ones do not distort."""
    answers = _answers(at)
    count = answers.count(at.deal, at.time)
    total = answers.total("log_days", at.deal, at.time)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@feature("engagement", "log days", "time the buyer took to answer last", needs=DIRECTED)
def time_to_answer_last(at: At) -> Floats:
    """Waiting time before the last answer."""
    return at.known(_answers(at), "log_days")


@feature("engagement", "days", "days from creation to the first inbound activity", needs=DIRECTED)
def days_to_first_inbound(at: At) -> Floats:
    """How fast the buyer first spoke; NaN until then."""
    inbound = select(at, "inbound")
    seen = inbound.count(at.deal, at.time) > 0
    first = np.minimum(inbound.start[at.deal], max(len(inbound.time) - 1, 0))
    if not len(inbound.time):
        return np.full(at.size, np.nan)
    happened = inbound.values["happened"][first]
    return np.where(seen, days_between(at.history.created[at.deal], happened), np.nan)
