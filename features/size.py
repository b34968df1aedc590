"""Size: the amount, as it was known, against what is usual, and how it has moved."""

from __future__ import annotations

import numpy as np

from features.account import with_account
from features.at import At, as_codes
from features.catalogue import feature
from features.census import Census
from features.dimensions import ORIGINS
from features.groups import GroupAt, base_rate, record_of
from features.windows import Floats, Ints, Timeline

NEEDS = ("deal_history.amount",)
WHY = "Large deals take longer and are lost more often; unusual ones are guesses."


@feature("size", "log amount", "logarithm of the amount known", needs=NEEDS, why=WHY)
def log_amount(at: At) -> Floats:
    """In the firm's currency."""
    return at.log_amount


@feature("size", "flag", "no amount is known", needs=NEEDS, why="Nobody has talked money yet.")
def amount_missing_flag(at: At) -> Floats:
    """Missing or zero."""
    return np.isnan(at.log_amount).astype(float)


def _changes(at: At) -> Timeline:
    """Changes of the amount; values happened, step (log ratio), up and down (flags)."""

    def build() -> Timeline:
        amounts = at.history.changes["amount"]
        amounts = amounts.where(amounts.values["value"] > 0)
        log = np.log(amounts.values["value"])
        step = np.nan_to_num(log - amounts.having(log=log).previous("log"))
        happened = amounts.values["happened"]
        return amounts.having(happened=happened, step=step, up=step > 0, down=step < 0)

    return at.index("amounts", build)


@feature("size", "count", "times the amount was raised", needs=NEEDS)
def amount_raises_count(at: At) -> Floats:
    """A buyer who adds is a buyer."""
    return at.seen(_changes(at)).total("up")


@feature("size", "count", "times the amount was cut", needs=NEEDS)
def amount_cuts_count(at: At) -> Floats:
    """Cuts come with negotiation."""
    return at.seen(_changes(at)).total("down")


@feature("size", "log ratio", "amount known against the first amount", needs=NEEDS)
def amount_change(at: At) -> Floats:
    """Sum of all steps of its logarithm."""
    return at.seen(_changes(at)).total("step")


@feature("size", "log ratio", "last change of the amount", needs=NEEDS)
def amount_last_change(at: At) -> Floats:
    """0 for an amount that never moved; NaN without amount."""
    return at.known(_changes(at), "step")


@feature("size", "days", "days since the amount was last set", needs=NEEDS)
def days_since_amount_change(at: At) -> Floats:
    """From the time of the change."""
    return at.days_since(_changes(at))


def _against(at: At, record: GroupAt) -> Floats:
    return at.log_amount - record.ever("won_log_amount")


@feature("size", "log ratio", "amount against what the owner usually wins", needs=NEEDS, why=WHY)
def amount_against_owner(at: At) -> Floats:
    """Above 0: larger than this owner's won deals."""
    return _against(at, record_of(at, "owner"))


@feature(
    "size",
    "log ratio",
    "amount against what its segment usually wins",
    needs=NEEDS,
    why=WHY,
    reads=tuple(f"deals.{column}" for column in ORIGINS["segment"]),
)
def amount_against_segment(at: At) -> Floats:
    """Above 0: larger than won deals of its source, type and pipeline."""
    return _against(at, record_of(at, "segment"))


AMOUNT_STEP = 0.125
AMOUNT_CLASSES = 280
"""Amounts from 1 to 1e15 in classes of 13 %: the rank among open deals is exact to a class."""


def amount_class(amount: Floats) -> Ints:
    """(n,) class of an amount; -1 where there is none."""
    log = np.log(np.where(amount > 0, amount, np.nan))
    return as_codes(np.minimum(np.maximum(np.floor(log / AMOUNT_STEP), 0), AMOUNT_CLASSES - 1))


@feature(
    "size",
    "share 0-1",
    "rank of the amount among the deals open then (1 = the largest)",
    needs=NEEDS,
    why="The largest deals get the attention, and the scrutiny.",
)
def amount_rank_open(at: At) -> Floats:
    """Share of the open deals that are smaller; those of its class count half."""

    def build() -> Census:
        _, begin, end, amount = at.history.while_open(at.history.changes["amount"])
        known = np.tile(amount_class(amount), 2)
        weight = np.repeat([1, -1], len(begin))
        return Census.of(known, np.append(begin, end), cells=AMOUNT_CLASSES, weight=weight)

    instants, when = at.instants
    counts, own = at.index("open_amounts", build).counts(instants), amount_class(at.amount)
    smaller = np.cumsum(counts, axis=1)
    rank = (smaller[when, own] - counts[when, own] / 2) / np.maximum(smaller[when, -1], 1)
    return np.where(own >= 0, rank, np.nan)


@feature(
    "size", "rate", "win rate of deals of about this amount less the firm's", needs=NEEDS, why=WHY
)
def size_win_rate_lift(at: At) -> Floats:
    """Three bands a factor of ten (1,000 to 2,150 ...), and one for no amount."""
    return record_of(at, "size").win_rate - base_rate(at)


@feature(
    "size",
    "log ratio",
    "amount against what the account usually buys",
    needs=(*NEEDS, "deals.account_id"),
)
def amount_against_account(at: At) -> Floats:
    """Above 0: larger than the deals won with this account; NaN before the first."""
    return _against(at, with_account(at))


@feature(
    "size",
    "log ratio",
    "amount against the account's annual revenue",
    needs=(*NEEDS, "accounts.annual_revenue"),
    why="A deal too large for its account stalls.",
)
def amount_against_revenue(at: At) -> Floats:
    """NaN where the account's revenue is missing."""
    revenue = at.history.numbers("accounts", "annual_revenue")[at.deal]
    return at.log_amount - np.log(np.where(revenue > 0, revenue, np.nan))
