"""People: who works the deal, with what record, and under what load."""

from __future__ import annotations

import numpy as np

from features.at import At
from features.catalogue import feature
from features.engagement import count_in
from features.groups import GroupAt, GroupRecord, base_rate, by_owner, firm_record
from features.history import encode, micros
from features.source import deal_codes
from features.windows import DAY, NEVER, Floats, Ints, Spans, days_between

NEEDS = ("deal_history.value", "deals.owner_id")
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
    return by_owner(at).trend()


@feature(
    "people", "log count", "closings behind the owner's record", needs=NEEDS, for_models=False
)
def owner_closed_log_count(at: At) -> Floats:
    """Experience."""
    return np.log1p(by_owner(at).closed())


@feature("people", "log ratio", "days in which the owner usually wins against the firm's", needs=NEEDS)
def owner_won_days_lift(at: At) -> Floats:
    """NaN before the first win."""
    return by_owner(at).won_log_days() - firm_record(at).won_log_days()


@feature("people", "rate", "owner's win rate with deals of this source less the firm's", needs=(*NEEDS, "deals.source"))
def owner_source_win_rate_lift(at: At) -> Floats:
    """Owner x source, shrunk by 20 deals."""
    source, sources = deal_codes(at, ("source",))

    def build() -> GroupRecord:
        closings = at.history.closings
        owner = at.history.changes["owner_id"].last("value", closings.group, closings.time)
        group = np.where(np.isnan(owner), -1, np.nan_to_num(owner) * sources + source[closings.group])
        return GroupRecord.of(
            at.history, group.astype(np.int64), at.history.owners.size * sources
        )

    record = at.index("record:owner_source", build)
    own, of_deal = at.owner, source[at.deal]
    group = np.where((own < 0) | (of_deal < 0), -1, own * sources + of_deal)
    return GroupAt(at, group, record).win_rate() - base_rate(at)


def _ownership(at: At) -> Spans:
    """Open deals by owner: from taking over (or reopening) until handing over or closing."""

    def build() -> Spans:
        owners, closings = at.history.changes["owner_id"], at.history.closings
        same = np.zeros(len(owners.time), bool)
        same[:-1] = owners.group[1:] == owners.group[:-1]
        handed = np.where(same, np.roll(owners.time, -1), NEVER)
        closing = closings.next_index(owners.group, owners.time)
        closed = np.where(closing >= 0, closings.time[closing] if len(closings.time) else 0, NEVER)
        return Spans.of(
            np.nan_to_num(owners.values["value"], nan=-1.0).astype(np.int64),
            owners.time,
            np.minimum(handed, closed),
            groups=at.history.owners.size,
        )

    return at.index("ownership", build)


@feature(
    "people",
    "count",
    "open deals of the owner",
    needs=NEEDS,
    why="Attention is finite: deals of an overloaded owner wait.",
)
def owner_open_count(at: At) -> Floats:
    """Load at the instant, this deal included."""
    return np.nan_to_num(at.per_group(at.owner, _ownership(at).count))


@feature("people", "days", "days since the owner was hired", needs=(*NEEDS, "owners.hired_at"))
def owner_tenure_days(at: At) -> Floats:
    """NaN where unknown."""
    owners = at.history.tables.owners
    hired = np.full(at.history.owners.size + 1, NEVER)
    hired[at.history.owners.code[: len(owners)]] = micros(owners["hired_at"])
    return days_between(hired[at.owner], at.time)


@feature("people", "count", "times the deal was handed to another owner", needs=NEEDS)
def owner_changes_count(at: At) -> Floats:
    """The first owner is no change."""
    return np.maximum(at.history.changes["owner_id"].count(at.deal, at.time) - 1, 0)


@feature("people", "days", "days since the present owner took the deal", needs=NEEDS)
def days_since_owner_change(at: At) -> Floats:
    """From the time of the change."""
    return at.days_since(at.history.changes["owner_id"])


def _team_of_owner(at: At) -> tuple[Ints, int]:
    owners = at.history.tables.owners
    teams = encode(owners["team"])
    team = np.full(at.history.owners.size + 1, -1, np.int64)
    team[at.history.owners.code[: len(owners)]] = teams.code
    return team, max(teams.size, 1)


@feature("people", "rate", "win rate of the owner's team less the firm's", needs=(*NEEDS, "owners.team"))
def team_win_rate_lift(at: At) -> Floats:
    """Teams as the owners table has them now: it keeps no history."""
    team, teams = _team_of_owner(at)

    def build() -> GroupRecord:
        closings = at.history.closings
        owner = at.history.changes["owner_id"].last("value", closings.group, closings.time)
        group = team[np.nan_to_num(owner, nan=-1.0).astype(np.int64)]
        return GroupRecord.of(at.history, group, teams)

    return GroupAt(at, team[at.owner], at.index("record:team", build)).win_rate() - base_rate(at)


@feature("people", "share", "share of the owner's activities in 30 days spent on this deal", needs=(*NEEDS, "activities.type"))
def owner_attention_share(at: At) -> Floats:
    """Activities of the deal over those of all deals of its owner, last 30 days."""
    events = at.history.activities
    owner = at.history.changes["owner_id"].last("value", events.group, events.time)

    def build() -> Spans:
        group = np.nan_to_num(owner, nan=-1.0).astype(np.int64)
        return Spans.of(group, events.time, events.time + 30 * DAY, groups=at.history.owners.size)

    load = np.nan_to_num(at.per_group(at.owner, at.index("owner_load", build).count))
    return count_in(at, "activities", 30) / np.maximum(load, 1.0)

