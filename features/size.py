"""Size: the amount, as it was known, against what is usual, and how it has moved."""

from __future__ import annotations

import numpy as np

from features.at import At
from features.catalogue import feature
from features.groups import GroupAt, by_owner
from features.source import record_of
from features.windows import Floats, Timeline

NEEDS = ("deal_history.value", "deals.amount")
WHY = "Large deals take longer and are lost more often; unusual ones are guesses."


def log_known_amount(at: At) -> Floats:
    """(n,) logarithm of the amount known; NaN where missing or zero."""
    amount = at.amount
    return np.log(np.where(amount > 0, amount, np.nan))


@feature("size", "log amount", "logarithm of the amount known", needs=NEEDS, why=WHY)
def log_amount(at: At) -> Floats:
    """In the firm's currency."""
    return log_known_amount(at)


@feature("size", "flag", "no amount is known", needs=NEEDS, why="Nobody has talked money yet.")
def amount_missing_flag(at: At) -> Floats:
    """Missing or zero."""
    return np.isnan(log_known_amount(at)).astype(float)


def _changes(at: At) -> Timeline:
    """Changes of the amount; values happened, step (log ratio to the one before), size, up, down."""

    def build() -> Timeline:
        amounts = at.history.changes["amount"]
        amounts = amounts.where(amounts.values["value"] > 0)
        log = np.log(amounts.values["value"])
        with_log = Timeline(amounts.start, amounts.time, amounts.group, {"log": log})
        step = np.nan_to_num(log - with_log.previous("log"))
        columns = {
            "happened": amounts.values["happened"],
            "step": step,
            "up": (step > 0).astype(float),
            "down": (step < 0).astype(float),
        }
        return Timeline(amounts.start, amounts.time, amounts.group, columns)

    return at.index("amounts", build)


@feature("size", "count", "times the amount was raised", needs=NEEDS)
def amount_raises_count(at: At) -> Floats:
    """A buyer who adds is a buyer."""
    return _changes(at).total("up", at.deal, at.time)


@feature("size", "count", "times the amount was cut", needs=NEEDS)
def amount_cuts_count(at: At) -> Floats:
    """Cuts come with negotiation."""
    return _changes(at).total("down", at.deal, at.time)


@feature("size", "log ratio", "amount known against the first amount", needs=NEEDS)
def amount_change(at: At) -> Floats:
    """Sum of all steps of its logarithm."""
    return _changes(at).total("step", at.deal, at.time)


@feature("size", "log ratio", "last change of the amount", needs=NEEDS)
def amount_last_change(at: At) -> Floats:
    """0 for an amount that never moved; NaN without amount."""
    return at.known(_changes(at), "step")


@feature("size", "days", "days since the amount was last set", needs=NEEDS)
def days_since_amount_change(at: At) -> Floats:
    """From the time of the change."""
    return at.days_since(_changes(at))


def _against(at: At, record: GroupAt) -> Floats:
    return log_known_amount(at) - record.won_log_amount()


@feature("size", "log ratio", "amount against what the owner usually wins", needs=NEEDS, why=WHY)
def amount_against_owner(at: At) -> Floats:
    """Above 0: larger than this owner's won deals."""
    return _against(at, by_owner(at))


@feature("size", "log ratio", "amount against what its segment usually wins", needs=NEEDS, why=WHY)
def amount_against_segment(at: At) -> Floats:
    """Above 0: larger than won deals of its source, type and pipeline."""
    return _against(at, record_of(at, "segment"))


@feature(
    "size",
    "standard deviations",
    "amount against all amounts set before",
    needs=NEEDS,
    why=WHY,
)
def amount_standing(at: At) -> Floats:
    """Standardised logarithm among every amount the firm had set before the instant."""

    def build() -> Timeline:
        amounts = at.history.changes["amount"]
        amounts = amounts.where(amounts.values["value"] > 0)
        log = np.log(amounts.values["value"])
        group = np.zeros(len(log), np.int64)
        return Timeline.of(group, amounts.time, groups=1, log=log, square=log**2)

    everything = at.index("all_amounts", build)
    group = np.zeros(at.size, np.int64)
    count = np.maximum(at.per_group(group, everything.count), 1.0)
    mean = at.per_group(group, lambda g, t: everything.total("log", g, t)) / count
    square = at.per_group(group, lambda g, t: everything.total("square", g, t)) / count
    return (log_known_amount(at) - mean) / np.sqrt(np.maximum(square - mean**2, 0.01))


@feature(
    "size",
    "log ratio",
    "amount against the account's annual revenue",
    needs=(*NEEDS, "accounts.annual_revenue"),
    why="A deal too large for its account stalls.",
)
def amount_against_revenue(at: At) -> Floats:
    """NaN where the account's revenue is missing."""
    revenue = at.history.attribute("accounts", "annual_revenue").to_numpy(float)[at.deal]
    return log_known_amount(at) - np.log(np.where(revenue > 0, revenue, np.nan))
