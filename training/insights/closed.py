"""Closed deals as a frame: how each ended, how long it took, for how much, whose it was."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.dimensions import closing_amount, closing_owner
from features.history import WON, History
from features.windows import DAY, Floats, Ints

YEARS = 2
"""Years before the instant that the insights look back."""


def closed_deals(history: History, as_of: int, days: float = YEARS * 365) -> pd.DataFrame:
    """Deals closed in the last `days` before `as_of` by what was known: the last closing of each.

    Columns
    -------
    deal, owner : codes (owner -1 where none); won : flag; closed, created : microseconds;
    days : from creation to the end; amount : known at the end, NaN where none
    """
    closings = history.closings
    known = closings.time < as_of
    frame = pd.DataFrame(
        {
            "deal": closings.group,
            "owner": closing_owner(history),
            "won": closings.values["outcome"] == WON,
            "closed": closings.values["happened"].astype(np.int64),
            "created": history.created[closings.group],
            "amount": closing_amount(history),
        }
    )[known]
    frame = frame.drop_duplicates("deal", keep="last")
    # Reopened since: not closed now.
    frame = frame[history.stages.last("outcome", *_at(frame["deal"], as_of)) > 0]
    frame = frame[frame["closed"] >= as_of - days * DAY].reset_index(drop=True)
    frame["days"] = np.maximum((frame["closed"] - frame["created"]) / DAY, 0.0)
    return frame


def _at(deal: pd.Series, as_of: int) -> tuple[Ints, Ints]:
    codes = deal.to_numpy(np.int64)
    return codes, np.full(len(codes), as_of, np.int64)


def first_answer_hours(history: History, deal: Ints, as_of: int) -> Floats:
    """(n,) hours from creation to the first outbound activity known; NaN where there was none."""
    events = history.activities
    out = events.values["outbound"] & (events.time < as_of)
    happened = events.values["happened"].astype(float)
    first = np.full(history.size, np.inf)
    np.minimum.at(first, events.group[out], happened[out])
    hours = (first[deal] - history.created[deal]) / DAY * 24
    return np.where(np.isfinite(hours), np.maximum(hours, 0.0), np.nan)
