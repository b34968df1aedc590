"""What each rep's daily list would have brought: wins and revenue in its top tenth.

On every day that was asked, each rep's open deals are put in order and the best tenth (at least
one) is taken: by probability for precision, by probability x amount known for revenue.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.windows import Bools, Floats
from training.backtest import Backtest

SHARE = 0.1


def top_tenth(test: Backtest, horizon: int) -> pd.DataFrame:
    """A row a contender: precision and share of the revenue, beside those of a list by chance.

    A deal without an amount counts with the median of those known.
    """
    found = []
    for name in test.answers:
        judged = test.judged(name, horizon)
        if not judged.any():
            continue
        rows, p = test.rows[judged], test.p(name, horizon)[judged]
        won = test.labels(horizon)[judged]
        revenue = won * rows["won_amount"].fillna(0.0).to_numpy()
        likely, worth = in_top(rows, p), in_top(rows, p * _amount(rows))
        total = revenue.sum()
        found.append(
            {
                "name": name,
                "origins": rows["origin"].nunique(),
                "lists": float(rows.groupby(["time", "owner"]).ngroups),
                "listed": float(likely.mean()),
                "precision": float(won[likely].mean()),
                "won_share": float(won.mean()),
                "wins_captured": float(won[likely].sum() / max(won.sum(), 1.0)),
                "revenue_captured": float(revenue[worth].sum() / total) if total else np.nan,
            }
        )
    return pd.DataFrame(found)


def _amount(rows: pd.DataFrame) -> Floats:
    """(n,) amount known, the median where none is; 1 where no deal has one."""
    amount = rows["amount"].where(rows["amount"] > 0)
    return amount.fillna(amount.median() if amount.notna().any() else 1.0).to_numpy(float)


def in_top(rows: pd.DataFrame, score: Floats, share: float = SHARE) -> Bools:
    """(n,) whether a row is in the top share of its rep's list on its day; ties fall by lot."""
    lot = np.random.default_rng(0).random(len(score))
    frame = rows[["time", "owner"]].assign(score=score, lot=lot).reset_index(drop=True)
    ordered = frame.sort_values(["score", "lot"], ascending=False)
    place = ordered.groupby(["time", "owner"]).cumcount()
    size = ordered.groupby(["time", "owner"])["score"].transform("size")
    chosen = place < np.ceil(share * size)
    found: Bools = chosen.sort_index().to_numpy(bool)
    return found
