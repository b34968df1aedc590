"""Segments: what became of the deals of each source, type, industry ..., with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.history import History
from features.windows import DAY, Floats
from training.insights.closed import closed_deals, first_answer_hours
from training.insights.shrinkage import shrunk_rate

DIMENSIONS = (
    ("deals", "source"),
    ("deals", "deal_type"),
    ("deals", "pipeline"),
    ("accounts", "industry"),
    ("accounts", "region"),
)
QUARTER_DAYS = 91
QUARTERS = 8
FAST_HOURS = 24.0


def present_dimensions(history: History) -> list[str]:
    """Dimensions with at least two values."""
    return [
        column
        for table, column in DIMENSIONS
        if history.has(f"{table}.{column}") and history.encoded(table, column).size > 1
    ]


def segments(history: History, as_of: int, dimension: str) -> pd.DataFrame:
    """One row a segment, the most won revenue first.

    Columns
    -------
    segment; closed, won : deals of the last two years; win_rate with _low and _high (80 %, pulled
    to the firm's by 20 pseudo-deals); lift : win rate less the firm's; trend : win rate of the
    last year less the year before; quarters : win rate in each of the last 8 quarters; revenue :
    won; amount, days : median of the won; open : deals open now; answer_hours : median from
    creation to our first outbound activity; answered_fast : share of deals answered within a day
    """
    table = {column: table for table, column in DIMENSIONS}[dimension]
    codes = history.encoded(table, dimension)
    frame = closed_deals(history, as_of)
    frame["segment"] = codes.code[frame["deal"]]
    frame["answer"] = first_answer_hours(history, frame["deal"].to_numpy(), as_of)
    frame = frame[frame["segment"] >= 0]
    base = (frame["won"].sum() + 1) / (len(frame) + 2)
    rows = [_row(part, as_of) for _, part in frame.groupby("segment")]
    if not rows:
        return pd.DataFrame(columns=["segment"])
    found = pd.DataFrame(rows)
    rate = shrunk_rate(found["won"].to_numpy(float), found["closed"].to_numpy(float), base)
    found["segment"] = [codes.names[code] for code in found["segment"]]
    found = found.assign(
        win_rate=rate.mean, win_rate_low=rate.low, win_rate_high=rate.high, lift=rate.mean - base
    )
    found["trend"] = _trend(frame, as_of, base)
    order = ["revenue", "won", "segment"]
    return found.sort_values(order, ascending=[False, False, True]).reset_index(drop=True)


def _row(part: pd.DataFrame, as_of: int) -> dict[str, object]:
    won = part[part["won"]]
    answered = part["answer"]
    return {
        "segment": int(part["segment"].iloc[0]),
        "closed": len(part),
        "won": len(won),
        "revenue": float(won["amount"].sum()),
        "amount": float(won["amount"].median()),
        "days": float(won["days"].median()),
        "answer_hours": float(answered.median()),
        "answered_fast": float((answered <= FAST_HOURS).mean()),
        "quarters": quarterly(part, as_of),
    }


def quarterly(part: pd.DataFrame, as_of: int) -> list[float]:
    """Win rate in each of the last QUARTERS spans of 91 days, oldest first; NaN without deals."""
    back = (as_of - part["closed"].to_numpy()) // (QUARTER_DAYS * DAY)
    won = part["won"].to_numpy(float)
    return [
        float(won[back == k].mean()) if (back == k).any() else float("nan")
        for k in range(QUARTERS - 1, -1, -1)
    ]


def _trend(frame: pd.DataFrame, as_of: int, base: float) -> list[float]:
    """Win rate of the last year less that of the year before, both shrunk to the firm's."""
    late = frame["closed"] >= as_of - 365 * DAY
    found = []
    for _, part in frame.groupby("segment"):
        halves = [part[late[part.index]], part[~late[part.index]]]
        rates = [
            shrunk_rate(_one(half["won"].sum()), _one(len(half)), base).mean[0] for half in halves
        ]
        found.append(float(rates[0] - rates[1]))
    return found


def _one(value: float) -> Floats:
    return np.array([float(value)])


def answer_speed(history: History, as_of: int) -> pd.DataFrame:
    """Win rate by how soon the first outbound activity followed the creation.

    Columns: band (0-3: within an hour, a day, three days, later; 4: never), closed, won, win_rate
    with bounds. What goes together, not what causes what: a hopeful deal may be answered sooner.
    """
    frame = closed_deals(history, as_of)
    hours = first_answer_hours(history, frame["deal"].to_numpy(np.int64), as_of)
    band = np.where(np.isnan(hours), 4, np.searchsorted((1.0, 24.0, 72.0), hours, side="left"))
    found = frame.groupby(band)["won"].agg(["size", "sum"])
    base = (frame["won"].sum() + 1) / (len(frame) + 2)
    rate = shrunk_rate(found["sum"].to_numpy(float), found["size"].to_numpy(float), float(base))
    return pd.DataFrame(
        {
            "band": found.index.to_numpy(),
            "closed": found["size"].to_numpy(),
            "won": found["sum"].to_numpy(),
            "win_rate": rate.mean,
            "win_rate_low": rate.low,
            "win_rate_high": rate.high,
        }
    )
