"""The rules a row must keep: one register of what is wrong and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from data.contract import ACTIVITY_TYPES, DIRECTIONS, OUTCOMES
from data.parsing import FALSE, TRUE

HIGHEST_AMOUNT = 1e15
FEW_DEALS = 20
"""Without a `stages` table a stage seen once is a slip only where this many deals were seen."""


@dataclass(frozen=True)
class Rule:
    """Why a row is rejected, and what the person who owns the file can do."""

    reason: str
    remedy: str


RULES: dict[str, Rule] = {
    "missing": Rule("a required value is missing", "fill it in, or leave the row out"),
    "not_a_time": Rule(
        "is not an ISO-8601 time", "write it like 2025-01-31T09:30:00Z or 2025-01-31"
    ),
    "not_a_number": Rule(
        "is not a finite number", "write it like 1234.5, without separators or currency signs"
    ),
    "not_a_bool": Rule(
        "is neither true nor false", f"write one of {', '.join(TRUE + FALSE)}, or leave it empty"
    ),
    "repeated_key": Rule(
        "an earlier row has the same identifier", "keep one row for each identifier"
    ),
    "future": Rule(
        "lies in the future",
        "correct the time or its zone; an activity booked ahead needs recorded_at",
    ),
    "absurd_time": Rule("lies before 1970 or after 2100", "correct the year"),
    "negative_amount": Rule("an amount cannot be negative", "correct it, or leave it empty"),
    "absurd_amount": Rule(
        f"is above {HIGHEST_AMOUNT:.0e}", "correct the amount or its decimal sign"
    ),
    "unknown_type": Rule("is no type of activity", f"write one of {', '.join(ACTIVITY_TYPES)}"),
    "unknown_direction": Rule(
        "is no direction", f"write one of {', '.join(DIRECTIONS)}, or leave it empty"
    ),
    "unknown_outcome": Rule("is no outcome of a stage", f"write one of {', '.join(OUTCOMES)}"),
    "closed_before_created": Rule(
        "the deal closed before it was created", "correct closed_at or created_at"
    ),
    "closed_but_when": Rule(
        "the deal is closed, but nothing says when",
        "fill in closed_at, or bring the closing stage in deal_history; "
        "leave is_won empty while a deal is open",
    ),
    "lone_stage": Rule(
        "this stage appears nowhere else, probably a slip",
        "correct its name, or list it in stages.csv",
    ),
    "unknown_deal": Rule("there is no such deal", "bring the deal in deals, or leave the row out"),
    "deal_rejected": Rule(
        "rows left out because the row of their deal is rejected", "correct the rows of deals"
    ),
}
