"""People: who owns the deal, with what record, and under what load."""

from __future__ import annotations

import numpy as np

from features.at import At, as_codes, once
from features.catalogue import feature
from features.facts import micros
from features.groups import base_rate, everyone, grouped_by, record_of
from features.spans import Spans
from features.windows import NEVER, Floats, Ints, days_between

NEEDS = ("deal_history.owner_id",)
WHY = "Owners differ; the record of each, shrunk, says by how much."


@feature(
    "people", "rate", "win rate of the owner, shrunk by 20 deals", needs=NEEDS, for_models=False
)
def owner_win_rate(at: At) -> Floats:
    """Over the owner's closings known before the instant."""
    return record_of(at, "owner").win_rate


@feature("people", "rate", "win rate of the owner less the firm's", needs=NEEDS, why=WHY)
def owner_win_rate_lift(at: At) -> Floats:
    """Shrunk: few closings give 0."""
    return record_of(at, "owner").win_rate - base_rate(at)


@feature(
    "people",
    "rate",
    "owner's win rate of 365 days less that of ever",
    needs=NEEDS,
    for_models=False,
)
def owner_win_rate_trend(at: At) -> Floats:
    """Shrunk: few closings give 0. Of a year's closings of one owner mostly chance."""
    return record_of(at, "owner").trend


@feature(
    "people", "log count", "closings behind the owner's record", needs=NEEDS, for_models=False
)
def owner_closed_log_count(at: At) -> Floats:
    """Experience."""
    return np.log1p(record_of(at, "owner").closed)


@feature(
    "people", "log ratio", "days in which the owner usually wins against the firm's", needs=NEEDS
)
def owner_won_days_lift(at: At) -> Floats:
    """NaN before the first win."""
    return record_of(at, "owner").ever("won_log_days") - everyone(at).ever("won_log_days")


@feature(
    "people",
    "rate",
    "owner's win rate with deals of this source less the firm's",
    needs=(*NEEDS, "deals.source"),
    why=WHY,
)
def owner_source_win_rate_lift(at: At) -> Floats:
    """Owner x source, shrunk by 20 deals to the owner's rate."""
    record = record_of(at, "owner_source")
    return record.win_rate_within(record_of(at, "owner").win_rate) - base_rate(at)


@feature(
    "people",
    "rate",
    "owner's win rate with deals of about this amount less the firm's",
    needs=(*NEEDS, "deal_history.amount"),
    why=WHY,
)
def owner_size_win_rate_lift(at: At) -> Floats:
    """Owner x band of amount, shrunk by 20 deals to the owner's rate."""
    record = record_of(at, "owner_size")
    return record.win_rate_within(record_of(at, "owner").win_rate) - base_rate(at)


def owned_spans(at: At) -> tuple[Ints, Ints, Ints]:
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
@once
def owner_open_count(at: At) -> Floats:
    """Load at the instant, this deal included."""
    spans = at.index(
        "owner_open", lambda: Spans.of(*owned_spans(at), groups=at.history.owners.size + 1)
    )
    grouped = grouped_by(at, "owner")
    return grouped.spread(spans.asked(grouped.asked).count())


@feature("people", "days", "days since the owner was hired", needs=(*NEEDS, "owners.hired_at"))
def owner_tenure_days(at: At) -> Floats:
    """NaN where unknown."""
    return days_between(hired_at(at)[at.owner], at.time)


def hired_at(at: At) -> Ints:
    """(owners + 1,) when each owner was hired; NEVER where unknown (and for no owner)."""

    def build() -> Ints:
        owners = at.history.tables.owners
        hired = np.full(at.history.owners.size + 1, NEVER)
        hired[at.history.owners.code[: len(owners)]] = micros(owners["hired_at"])
        return hired

    return at.index("hired", build)


@feature("people", "count", "times the deal was handed to another owner", needs=NEEDS)
def owner_changes_count(at: At) -> Floats:
    """The first owner is no change."""
    return np.maximum(at.seen(at.history.changes["owner_id"]).count() - 1, 0)


@feature("people", "days", "days since the present owner took the deal", needs=NEEDS)
def days_since_owner_change(at: At) -> Floats:
    """From the time of the change."""
    return at.days_since(at.history.changes["owner_id"])
