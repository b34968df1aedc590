"""People: who works the deal, with what record, and under what load."""

from __future__ import annotations

import numpy as np

from features.at import At, as_codes
from features.catalogue import feature
from features.engagement import count_in
from features.facts import encode, micros
from features.groups import (
    GroupAt,
    base_rate,
    by_owner,
    closing_amount,
    closing_owner,
    everyone,
    statistics,
)
from features.size import SIZE_BANDS, size_band
from features.source import deal_codes
from features.spans import Spans, Window
from features.windows import NEVER, Floats, Ints, Timeline, days_between

NEEDS = ("deal_history.owner_id",)
WHY = "Owners differ; the record of each, shrunk, says by how much."


@feature(
    "people", "rate", "win rate of the owner, shrunk by 20 deals", needs=NEEDS, for_models=False
)
def owner_win_rate(at: At) -> Floats:
    """Over the owner's closings known before the instant."""
    return by_owner(at).win_rate()


@feature("people", "rate", "win rate of the owner less the firm's", needs=NEEDS, why=WHY)
def owner_win_rate_lift(at: At) -> Floats:
    """Shrunk: few closings give 0."""
    return by_owner(at).win_rate() - base_rate(at)


@feature("people", "rate", "owner's win rate of 365 days less that of ever", needs=NEEDS)
def owner_win_rate_trend(at: At) -> Floats:
    """Shrunk: few closings give 0."""
    return by_owner(at).trend


@feature(
    "people", "log count", "closings behind the owner's record", needs=NEEDS, for_models=False
)
def owner_closed_log_count(at: At) -> Floats:
    """Experience."""
    return np.log1p(by_owner(at).closed)


@feature(
    "people", "log ratio", "days in which the owner usually wins against the firm's", needs=NEEDS
)
def owner_won_days_lift(at: At) -> Floats:
    """NaN before the first win."""
    return by_owner(at).won_log_days - everyone(at).won_log_days


def _pairs(owner: Ints, other: Ints, others: int) -> Ints:
    """(n,) code of owner and other together; -1 where either is missing."""
    return np.where((owner < 0) | (other < 0), -1, owner * others + other)


@feature(
    "people",
    "rate",
    "owner's win rate with deals of this source less the firm's",
    needs=(*NEEDS, "deals.source"),
    why=WHY,
)
def owner_source_win_rate_lift(at: At) -> Floats:
    """Owner x source, shrunk by 20 deals to the owner's rate."""
    source, sources = deal_codes(at, ("source",))
    record = statistics(
        at,
        "owner_source",
        lambda: _pairs(at.owner, source[at.deal], sources),
        lambda: _pairs(closing_owner(at.history), source[at.history.closings.group], sources),
        at.history.owners.size * sources,
    )
    return record.win_rate(by_owner(at).win_rate()) - base_rate(at)


@feature(
    "people",
    "rate",
    "owner's win rate with deals of about this amount less the firm's",
    needs=(*NEEDS, "deal_history.amount"),
    why=WHY,
)
def owner_size_win_rate_lift(at: At) -> Floats:
    """Owner x band of amount, shrunk by 20 deals to the owner's rate."""
    record = statistics(
        at,
        "owner_size",
        lambda: _pairs(at.owner, size_band(at.amount), SIZE_BANDS),
        lambda: _pairs(
            closing_owner(at.history), size_band(closing_amount(at.history)), SIZE_BANDS
        ),
        at.history.owners.size * SIZE_BANDS,
    )
    return record.win_rate(by_owner(at).win_rate()) - base_rate(at)


def _owned_spans(at: At) -> tuple[Ints, Ints, Ints]:
    """Owner, begin and end of the spans in which an owner had an open deal."""

    def build() -> tuple[Ints, Ints, Ints]:
        _, begin, end, owner = at.history.while_open(at.history.changes["owner_id"])
        return as_codes(owner), begin, end

    return at.index("owned_spans", build)


@feature(
    "people",
    "count",
    "open deals of the owner",
    needs=NEEDS,
    why="Attention is finite: deals of an overloaded owner wait.",
)
def owner_open_count(at: At) -> Floats:
    """Load at the instant, this deal included."""
    spans = at.index(
        "owner_open", lambda: Spans.of(*_owned_spans(at), groups=at.history.owners.size + 1)
    )
    grouped = by_owner(at).grouped
    return at.shared("owner_open", lambda: grouped.spread(spans.asked(grouped.asked).count()))


@feature("people", "days", "days since the owner was hired", needs=(*NEEDS, "owners.hired_at"))
def owner_tenure_days(at: At) -> Floats:
    """NaN where unknown."""

    def build() -> Ints:
        owners = at.history.tables.owners
        hired = np.full(at.history.owners.size + 1, NEVER)
        hired[at.history.owners.code[: len(owners)]] = micros(owners["hired_at"])
        return hired

    return days_between(at.index("hired", build)[at.owner], at.time)


@feature("people", "count", "times the deal was handed to another owner", needs=NEEDS)
def owner_changes_count(at: At) -> Floats:
    """The first owner is no change."""
    return np.maximum(at.seen(at.history.changes["owner_id"]).count() - 1, 0)


@feature("people", "days", "days since the present owner took the deal", needs=NEEDS)
def days_since_owner_change(at: At) -> Floats:
    """From the time of the change."""
    return at.days_since(at.history.changes["owner_id"])


def _team_of_owner(at: At) -> tuple[Ints, int]:
    """(owners + 1,) team of each owner, -1 without one (and for no owner), and how many teams."""

    def build() -> tuple[Ints, int]:
        owners = at.history.tables.owners
        teams = encode(owners["team"])
        team = np.full(at.history.owners.size + 1, -1, np.int64)
        team[at.history.owners.code[: len(owners)]] = teams.code
        return team, max(teams.size, 1)

    return at.index("teams", build)


def _by_team(at: At) -> GroupAt:
    team, teams = _team_of_owner(at)
    return statistics(
        at, "team", lambda: team[at.owner], lambda: team[closing_owner(at.history)], teams
    )


TEAM = (*NEEDS, "owners.team")


@feature(
    "people",
    "rate",
    "win rate of the owner's team, shrunk by 20 deals",
    needs=TEAM,
    for_models=False,
)
def team_win_rate(at: At) -> Floats:
    """Over the team's closings known before the instant."""
    return _by_team(at).win_rate()


@feature("people", "rate", "win rate of the owner's team less the firm's", needs=TEAM)
def team_win_rate_lift(at: At) -> Floats:
    """Teams as the owners table has them now: it keeps no history."""
    return _by_team(at).win_rate() - base_rate(at)


@feature(
    "people",
    "rate",
    "team's win rate with deals of this source less the firm's",
    needs=(*TEAM, "deals.source"),
)
def team_source_win_rate_lift(at: At) -> Floats:
    """Team x source, shrunk by 20 deals to the team's rate."""
    team, teams = _team_of_owner(at)
    source, sources = deal_codes(at, ("source",))
    record = statistics(
        at,
        "team_source",
        lambda: _pairs(team[at.owner], source[at.deal], sources),
        lambda: _pairs(
            team[closing_owner(at.history)], source[at.history.closings.group], sources
        ),
        teams * sources,
    )
    return record.win_rate(_by_team(at).win_rate()) - base_rate(at)


@feature(
    "people",
    "rate",
    "team's win rate with deals of about this amount less the firm's",
    needs=(*TEAM, "deal_history.amount"),
)
def team_size_win_rate_lift(at: At) -> Floats:
    """Team x band of amount, shrunk by 20 deals to the team's rate."""
    team, teams = _team_of_owner(at)
    record = statistics(
        at,
        "team_size",
        lambda: _pairs(team[at.owner], size_band(at.amount), SIZE_BANDS),
        lambda: _pairs(
            team[closing_owner(at.history)], size_band(closing_amount(at.history)), SIZE_BANDS
        ),
        teams * SIZE_BANDS,
    )
    return record.win_rate(_by_team(at).win_rate()) - base_rate(at)


def _team_load(at: At) -> Floats:
    """(n,) open deals of the owner's team."""
    team, teams = _team_of_owner(at)
    owner, begin, end = _owned_spans(at)

    def build() -> Spans:
        return Spans.of(team[owner], begin, end, groups=teams + 1)

    grouped = _by_team(at).grouped
    spans = at.index("team_open", build)
    return at.shared("team_open", lambda: grouped.spread(spans.asked(grouped.asked).count()))


@feature("people", "count", "open deals of the owner's team", needs=TEAM, for_models=False)
def team_open_count(at: At) -> Floats:
    """Load of the team at the instant, this deal included; it grows with the firm."""
    return _team_load(at)


@feature(
    "people",
    "log ratio",
    "open deals of the owner against the mean of the owner's team",
    needs=TEAM,
    why="A team mate with half the deals could take this one.",
)
def owner_load_against_team(at: At) -> Floats:
    """Above 0: more loaded than the team's usual owner; NaN without a team."""
    team, teams = _team_of_owner(at)
    open_then = _team_load(at)
    members = np.append(np.bincount(team[team >= 0], minlength=teams), np.nan)[team[at.owner]]
    load: Floats = np.log((owner_open_count(at) + 1) / (open_then / members + 1))
    return load


@feature(
    "people",
    "share",
    "share of the owner's activities in 30 days spent on this deal",
    needs=(*NEEDS, "activities.type"),
)
def owner_attention_share(at: At) -> Floats:
    """Activities of the deal over those of all deals that were then its owner's."""

    def build() -> Window:
        events = at.history.activities
        owner = at.history.changes["owner_id"].last("value", events.group, events.time)
        happened = events.values["happened"]
        groups = at.history.owners.size + 1
        return Window.of(
            Timeline.of(as_codes(owner), events.time, groups=groups, happened=happened), 30
        )

    grouped = by_owner(at).grouped
    load = grouped.spread(at.index("owner_load", build).asked(grouped.asked).count())
    return count_in(at, "activities", 30) / np.maximum(load, 1.0)
