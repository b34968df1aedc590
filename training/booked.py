"""What has been won: wins that held at an instant, and what they brought by period."""

from __future__ import annotations

import numpy as np

from features.history import WON, History
from features.windows import Bools, Floats, Ints
from training.amount import closing_amounts


def standing_wins(history: History, as_of: int) -> Bools:
    """(closings,) wins that held at as-of: a deal won and reopened since is open, not booked."""
    closings = history.closings
    last = (closings.time < as_of) & (closings.following_time() >= as_of)
    still = history.stages.last("outcome", closings.group, np.full(len(closings.time), as_of))
    held: Bools = last & (closings.values["outcome"] == WON) & (still == WON)
    return held


def actuals(
    history: History, cut: int, edges: Ints, *, priced: bool, without: Bools | None = None
) -> tuple[Floats, Ints]:
    """(periods,) revenue (or wins) between edges and number of wins, by what is known at `cut`.

    Deals marked in `without` (deals,) are left out.
    """
    closings = history.closings
    standing = standing_wins(history, cut)
    held = np.flatnonzero(standing if without is None else standing & ~without[closings.group])
    period = np.searchsorted(edges, closings.values["happened"][held], side="right") - 1
    inside = (period >= 0) & (period < len(edges) - 1)
    amounts = np.nan_to_num(closing_amounts(history)[held]) if priced else np.ones(len(held))
    sums = np.bincount(period[inside], amounts[inside], minlength=len(edges) - 1)
    wins = np.bincount(period[inside], minlength=len(edges) - 1)
    return sums.astype(float), wins.astype(np.int64)
