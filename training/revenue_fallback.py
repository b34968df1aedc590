"""With few wins: which plain series of months the backtest prefers, and how far to lean on it.

Ten wins a quarter teach little of how many deals will come and how they end. Where a series that
knows nothing of deals has been closer in the past, what is forecast of deals not yet created is
drawn towards it (`training.fallback`), by a weight that few quarters cannot make large.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.fallback import CANDIDATES, FALL_BACK
from training.revenue_figures import OURS
from training.revenue_verdict import verdict

FEW_WINS = 15.0
"""Wins a quarter over the last year below which a firm may fall back."""
LEAST_QUARTERS = 4
"""Past quarters that must have been asked."""
PSEUDO_QUARTERS = 12.0
"""Quarters that a weight of 0 is worth. On 28 drawn firms of some 12 wins a quarter the forecast
was twice as close to the truth as AutoETS. Two fell back; the mean error over all changed by -.002
+- .005 so, by +.004 +- .005 where the past was followed as far as it asks (docs/forecast.md)."""


def few_wins(rows: pd.DataFrame) -> bool:
    """Whether the last four quarters asked brought fewer than FEW_WINS each."""
    quarters = rows[rows["kind"] == "quarter"].drop_duplicates("period").sort_values("ends")
    return bool(len(quarters) and quarters["wins"].tail(4).mean() < FEW_WINS)


def fallbacks(rows: pd.DataFrame) -> list[dict[str, object]]:
    """A row a candidate, as of `revenue_terms.tried`; nothing where wins are not few.

    `after` is the candidate's own WAPE. On is at most one: the closest of those that were closer
    by over a standard error in all that was asked, over LEAST_QUARTERS or more.
    """
    if not few_wins(rows):
        return []
    names = [name for name in CANDIDATES if name in rows]
    found = [_candidate(rows, name) for name in names]
    best = min((float(str(r["after"])) for r in found if r["on"]), default=np.nan)
    return [row | {"on": bool(row["on"] and row["after"] == best)} for row in found]


def _candidate(rows: pd.DataFrame, name: str) -> dict[str, object]:
    learned = f"weight {weight(rows, name):.2f}"
    found = verdict(rows, f"{FALL_BACK}{name}", rows[name].to_numpy(float), learned)
    return found | {"on": found["on"] and rows["block"].nunique() >= LEAST_QUARTERS}


def weight(rows: pd.DataFrame, name: str) -> float:
    """Weight of a candidate in the sum of the months ahead, drawn to 0 by PSEUDO_QUARTERS.

    By least squares over instants.
    """
    months = rows[rows["kind"] == "month"]
    sums = months.groupby("as_of")[[name, OURS, "actual"]].sum()
    apart = (sums[name] - sums[OURS]).to_numpy(float)
    missed = (sums["actual"] - sums[OURS]).to_numpy(float)
    power, quarters = float(apart @ apart), months["block"].nunique()
    if not power:
        return 0.0
    shrink = quarters / (quarters + PSEUDO_QUARTERS)
    return float(np.clip(apart @ missed / power, 0.0, 1.0) * shrink)
