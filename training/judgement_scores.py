"""Judgement by owner and period, and how it did against what came, beside the model.

A rep's forecast of a period is what is booked plus the amounts committed (`commit`), and with
the best cases on top (`best_case`); a sum that an owner has stated for a period is `stated`.
Nothing here trains or moves a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.history import History
from features.snapshots import Snapshots
from features.windows import SECOND, Bools
from training.amount import closing_amounts
from training.booked import standing_wins
from training.judgement import BEST_CASE, COMMIT, judged_deals, statements
from training.scoring import current_owner
from training.standing import Span

FORECASTS = ("commit", "best_case", "stated", "model")
"""Columns of forecasts that are scored, where they have figures."""
KEY = ["as_of", "period", "owner_id"]


def judgement_sums(
    history: History, as_of: int, spans: Sequence[Span], said: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Rows by period and owner: period, owner_id, booked, deals, commit, best_case, stated.

    `deals` counts the open deals committed to, `booked` is what the owner has won in the period
    by as-of; both `commit` and `best_case` include it. Owners without any of it have no row.
    """
    rows = [_sums(history, as_of, span, said) for span in spans]
    return pd.concat(rows, ignore_index=True)


def _sums(history: History, as_of: int, span: Span, said: pd.DataFrame | None) -> pd.DataFrame:
    deals = judged_deals(history, as_of, span.kind, said)
    deals = deals[deals["period"] == span.name]
    commit = deals[deals["judgement"] == COMMIT].groupby("owner_id")["amount"]
    best = deals[deals["judgement"] == BEST_CASE].groupby("owner_id")["amount"].sum()
    told = statements(said, as_of)
    told = told[(told["deal_id"] == "") & (told["period"] == span.name)]
    columns = {
        "booked": _won_by_owner(history, as_of, span),
        "deals": commit.size(),
        "commit": commit.sum(),
        "best": best,
        "stated": told.set_index("owner_id")["amount"],
    }
    frame = pd.DataFrame(columns).rename_axis("owner_id").reset_index()
    filled = frame[["booked", "deals", "commit", "best"]].fillna(0.0)
    frame = frame.assign(
        period=span.name,
        booked=filled["booked"],
        deals=filled["deals"].astype(int),
        commit=filled["booked"] + filled["commit"],
        best_case=filled["booked"] + filled["commit"] + filled["best"],
    )
    return frame[["period", "owner_id", "booked", "deals", "commit", "best_case", "stated"]]


def _won_by_owner(history: History, as_of: int, span: Span) -> pd.Series:
    """Amounts won in a period, by what was known at as-of, by the owner at the win."""
    closings = history.closings
    happened = closings.values["happened"]
    held = standing_wins(history, as_of) & (happened >= span.begin) & (happened < span.end)
    wins = np.flatnonzero(held)
    amounts = np.nan_to_num(closing_amounts(history)[wins])
    owner = current_owner(history, Snapshots(closings.group[wins], closings.time[wins] + SECOND))
    return pd.Series(amounts).groupby(owner.fillna("").to_numpy(object)).sum()


def judged_past(
    history: History,
    asked: Sequence[tuple[int, Span]],
    cut: int,
    *,
    said: pd.DataFrame | None = None,
    model: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What was committed at instants of the past, beside the model's forecast and what came.

    Parameters
    ----------
    asked : instants (microseconds) and the period that each is asked about
    cut : what is known by then is the truth; periods that end after it are left out
    model : forecasts as they were made then, with the columns as_of, period, scope, scope_id and
        mean (rows of scope `owner` count)

    Returns
    -------
    The columns of `judgement_sums` with as_of, won (deals committed to and won in the period),
    actual (amount won in the period) and model (NaN where no forecast was given).
    """
    rows = [_past(history, at, span, cut, said) for at, span in asked if span.end <= cut]
    empty = pd.DataFrame(columns=[*KEY, "booked", "deals", "commit", "best_case", "stated"])
    found = pd.concat(rows, ignore_index=True) if rows else empty.assign(won=0, actual=0.0)
    if model is None or not len(found):
        return found.assign(model=np.nan)
    own = model[model["scope"] == "owner"].rename(columns={"scope_id": "owner_id"})
    own = own.assign(model=own["mean"])[[*KEY, "model"]]
    return found.merge(own.drop_duplicates(KEY, keep="last"), on=KEY, how="left")


def _past(
    history: History, as_of: int, span: Span, cut: int, said: pd.DataFrame | None
) -> pd.DataFrame:
    sums = _sums(history, as_of, span, said).set_index("owner_id")
    actual = _won_by_owner(history, cut, span)
    frame = sums.reindex(sums.index.union(actual.index)).rename_axis("owner_id")
    frame["actual"] = actual.reindex(frame.index).fillna(0.0)
    deals = judged_deals(history, as_of, span.kind, said)
    mine = deals[(deals["judgement"] == COMMIT) & (deals["period"] == span.name)]
    hits = mine[_won_in(history, mine["deal_id"], span, cut)].groupby("owner_id").size()
    frame["won"] = hits.reindex(frame.index).fillna(0).astype(int)
    figures = ["booked", "deals", "commit", "best_case"]
    frame[figures] = frame[figures].fillna(0.0)
    frame["deals"] = frame["deals"].astype(int)
    at = pd.Timestamp(as_of, unit="us", tz="UTC")
    return frame.reset_index().assign(period=span.name, as_of=at)


def _won_in(history: History, deal_ids: pd.Series, span: Span, cut: int) -> Bools:
    """(n,) whether each deal was won in the period, by what is known at the cut."""
    closings = history.closings
    happened = closings.values["happened"]
    held = standing_wins(history, cut) & (happened >= span.begin) & (happened < span.end)
    won = np.zeros(history.size, bool)
    won[closings.group[held]] = True
    return won[[history.position_of[deal_id] for deal_id in deal_ids]].astype(bool)


@dataclass(frozen=True)
class Accuracy:
    """How judgement did.

    Attributes
    ----------
    deals, won : deals committed to, and those of them won in the period
    hit_rate : their share; NaN without any
    low, high : its 90 % interval (Wilson 1927)
    periods : (instant, period) pairs with an actual
    wape : by forecast, sum of |forecast - actual| over sum of actual, where there are figures
    bias : by forecast, sum of (forecast - actual) over sum of actual
    compared : rows on which each of them could be told
    """

    deals: int
    won: int
    hit_rate: float
    low: float
    high: float
    periods: int
    wape: dict[str, float]
    bias: dict[str, float]
    compared: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain types for programs."""
        return asdict(self)


def accuracy(past: pd.DataFrame, *, by_owner: bool = False) -> Accuracy:
    """Score the rows of `judged_past`: sums of the firm, or of each owner by itself.

    A forecast is judged on the rows that have it, so compare two only where `compared` agrees.
    """
    deals, won = int(past["deals"].sum()), int(past["won"].sum())
    low, high = _wilson(won, deals)
    rows = past if by_owner else _of_firm(past)
    wape, bias, compared = {}, {}, {}
    for name in FORECASTS:
        has = rows[rows[name].notna()]
        compared[name] = len(has)
        total = float(has["actual"].sum())
        if total > 0:
            error = has[name] - has["actual"]
            wape[name] = float(error.abs().sum()) / total
            bias[name] = float(error.sum()) / total
    rate = won / deals if deals else float("nan")
    periods = len(past.drop_duplicates(["as_of", "period"]))
    return Accuracy(deals, won, rate, low, high, periods, wape, bias, compared)


def _of_firm(past: pd.DataFrame) -> pd.DataFrame:
    """Sums over owners; a forecast that no owner has is none of the firm."""
    names = [*FORECASTS, "actual"]
    return past.groupby(["as_of", "period"])[names].sum(min_count=1).reset_index()


def _wilson(won: int, of: int, z: float = 1.645) -> tuple[float, float]:
    if not of:
        return 0.0, 1.0
    share, weight = won / of, z**2 / of
    middle = (share + weight / 2) / (1 + weight)
    half = z * np.sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return float(middle - half), float(middle + half)
