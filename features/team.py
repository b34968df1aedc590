"""The owner's team: its record, and how its work is shared out."""

from __future__ import annotations

import numpy as np

from features.at import At, as_codes, once
from features.catalogue import feature
from features.dimensions import team_of_owner
from features.engagement import count_in
from features.groups import base_rate, everyone, grouped_by, mean, record_of
from features.people import NEEDS, hired_at, owned_spans, owner_open_count
from features.spans import Spans, Window
from features.windows import DAY, NEVER, Floats, Timeline

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
    return record_of(at, "team").win_rate


@feature("people", "rate", "win rate of the owner's team less the firm's", needs=TEAM)
def team_win_rate_lift(at: At) -> Floats:
    """Teams as the owners table has them now: it keeps no history."""
    return record_of(at, "team").win_rate - base_rate(at)


@feature(
    "people",
    "rate",
    "win rate of the owner's team of 365 days less that of ever",
    needs=TEAM,
    for_models=False,
)
def team_win_rate_trend(at: At) -> Floats:
    """Shrunk: few closings give 0."""
    return record_of(at, "team").trend


@feature("people", "log count", "closings behind the team's record", needs=TEAM, for_models=False)
def team_closed_log_count(at: At) -> Floats:
    """Experience of the team."""
    return np.log1p(record_of(at, "team").closed)


@feature(
    "people",
    "log ratio",
    "days in which the team usually wins against the firm's",
    needs=TEAM,
    for_models=False,
)
def team_won_days_lift(at: At) -> Floats:
    """NaN before the first win."""
    return record_of(at, "team").ever("won_log_days") - everyone(at).ever("won_log_days")


@feature(
    "people",
    "days",
    "days since the members of the owner's team were hired, the mean",
    needs=(*TEAM, "owners.hired_at"),
    for_models=False,
)
def team_tenure_days(at: At) -> Floats:
    """Over the members hired by then; NaN where there is none."""
    team, teams = team_of_owner(at)

    def build() -> Timeline:
        hired = hired_at(at)
        return Timeline.of(
            np.where(hired < NEVER, team, -1), hired, groups=teams + 1, days=hired / DAY
        )

    grouped = grouped_by(at, "team")
    hired = grouped.asked.seen(at.index("teams:hired", build))
    return grouped.spread(grouped.asked.time / DAY - mean(hired.total("days"), hired.count()))


def _team_changes(at: At) -> Timeline:
    """Changes of owner that brought the deal to another team."""

    def build() -> Timeline:
        owners = at.history.changes["owner_id"]
        team = team_of_owner(at)[0][as_codes(owners.values["value"])].astype(float)
        happened = owners.values["happened"]
        moved = owners.having(team=team, happened=happened)
        before = moved.previous("team")
        return moved.where((team != before) & ~np.isnan(before))

    return at.index("team_changes", build)


@feature(
    "people", "count", "times the deal was handed to another team", needs=TEAM, for_models=False
)
def team_changes_count(at: At) -> Floats:
    """Owners without a team count as one."""
    return at.seen(_team_changes(at)).count()


@feature(
    "people", "days", "days since the deal came to the present team", needs=TEAM, for_models=False
)
def days_since_team_change(at: At) -> Floats:
    """NaN where it has always been there."""
    return at.days_since(_team_changes(at))


@feature(
    "people",
    "rate",
    "team's win rate with deals of this source less the firm's",
    needs=(*TEAM, "deals.source"),
)
def team_source_win_rate_lift(at: At) -> Floats:
    """Team x source, shrunk by 20 deals to the team's rate."""
    record = record_of(at, "team_source")
    return record.win_rate_within(record_of(at, "team").win_rate) - base_rate(at)


@feature(
    "people",
    "rate",
    "team's win rate with deals of about this amount less the firm's",
    needs=(*TEAM, "deal_history.amount"),
)
def team_size_win_rate_lift(at: At) -> Floats:
    """Team x band of amount, shrunk by 20 deals to the team's rate."""
    record = record_of(at, "team_size")
    return record.win_rate_within(record_of(at, "team").win_rate) - base_rate(at)


@once
def _team_load(at: At) -> Floats:
    """(n,) open deals of the owner's team."""
    team, teams = team_of_owner(at)

    def build() -> Spans:
        owner, begin, end = owned_spans(at)
        return Spans.of(team[owner], begin, end, groups=teams + 1)

    grouped = grouped_by(at, "team")
    spans = at.index("team_open", build)
    return grouped.spread(spans.asked(grouped.asked).count())


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
    team, teams = team_of_owner(at)
    open_then = _team_load(at)
    members = np.append(np.bincount(team[team >= 0], minlength=teams), np.nan)[team[at.owner]]
    load: Floats = np.log((owner_open_count(at) + 1) / (open_then / members + 1))
    return load


def owner_load(at: At) -> Window:
    """Activities of 30 days, by who then owned the deal, as known when each became known.

    What becomes known in the same instant counts: of a day, or of a deal moved in from elsewhere.
    """

    def build() -> Window:
        events = at.history.activities
        owner = at.history.changes["owner_id"].last("value", events.group, events.time + 1)
        happened = events.values["happened"]
        groups = at.history.owners.size + 1
        return Window.of(
            Timeline.of(as_codes(owner), events.time, groups=groups, happened=happened), 30
        )

    return at.index("owner_load", build)


@feature(
    "people",
    "share",
    "share of the owner's activities in 30 days spent on this deal",
    needs=(*NEEDS, "activities.type"),
)
def owner_attention_share(at: At) -> Floats:
    """Activities of the deal over those of all deals that were then its owner's."""
    grouped = grouped_by(at, "owner")
    load = grouped.spread(owner_load(at).asked(grouped.asked).count())
    return count_in(at, "activities", 30) / np.maximum(load, 1.0)
