"""What was won in past periods, as known now: the ground that a forecast stands on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.fiscal import Period, boundaries, period_name
from features.history import WON, History
from features.windows import DAY, Bools
from training.amount import closing_amounts


def won_by_period(
    history: History,
    as_of: int,
    period: Period,
    periods: int,
    *,
    priced: bool = True,
    whose: Bools | None = None,
) -> pd.DataFrame:
    """Rows (period, won) of the whole periods before the one that holds `as_of`, oldest first.

    Parameters
    ----------
    priced : sum amounts, else count wins
    whose : (deals,) deals that count; all by default
    """
    month = history.settings.fiscal_year_start_month
    step = 31 if period == "month" else 92
    early = as_of - (periods + 2) * step * DAY
    edges = boundaries(early, period, periods + 6, month)
    now = int(np.searchsorted(edges, as_of, side="right")) - 1
    edges = edges[max(now - periods, 0) : now + 1]
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < as_of)
    if whose is not None:
        won &= whose[closings.group]
    value = np.nan_to_num(closing_amounts(history)) if priced else np.ones(len(won))
    place = np.searchsorted(edges, closings.values["happened"][won], side="right") - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    sums = np.bincount(place[inside], value[won][inside], minlength=len(edges) - 1)
    names = [period_name(int(edge), period, month) for edge in edges[:-1]]
    return pd.DataFrame({"period": names, "won": sums})
