"""Reps on equal terms: results against what could be expected of their deals, shrunk for luck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.history import History
from features.vocabulary import Vocabulary
from features.windows import Bools, Floats, Ints
from training.insights.closed import closed_deals
from training.insights.expected import design, expected_level, expected_wins, folds_of
from training.insights.shrinkage import Effects, shrunk_effects

MOST_DEALS = 60_000
"""Closed deals looked at, the youngest ones."""
LEAST_DEALS = 40


@dataclass(frozen=True)
class Performance:
    """The reps of a firm.

    Attributes
    ----------
    frame : a row a rep, the strongest first (columns of `performance`)
    base : win rate of the firm
    usual_days : median days to a win
    chance : by `win_rate`, `days`, `revenue`: share of the variance between reps that chance alone
        would make
    spread : standard deviation of the true effects, in log-odds, log days and log revenue
    """

    frame: pd.DataFrame
    base: float
    usual_days: float
    chance: dict[str, float]
    spread: dict[str, float]


def performance(history: History, vocabulary: Vocabulary, as_of: int) -> Performance | None:
    """Compare the reps by the deals they closed in the last two years; None where too few did.

    Columns
    -------
    owner_id, name, team; closed, won; raw_win_rate; expected_wins : of their deals, by what was
    fixed at creation; win_rate with _low and _high : what the rep would win of the firm's usual
    deals; days with bounds : days to a win of the usual deal; revenue : won; expected_revenue :
    chance of each deal x the amount such a deal is won for; revenue_ratio with bounds : revenue
    over expected, shrunk
    """
    frame = closed_deals(history, as_of).tail(MOST_DEALS)
    frame = frame[frame["owner"] >= 0].reset_index(drop=True)
    if len(frame) < LEAST_DEALS or frame["won"].nunique() < 2 or frame["owner"].nunique() < 2:
        return None
    deal = frame["deal"].to_numpy(np.int64)
    matrix, fold = design(history, vocabulary, deal), folds_of(history, deal)
    frame["p"] = expected_wins(matrix, frame["won"].to_numpy(float), fold)
    parts = {
        "win_rate": _wins(frame),
        "days": _days(frame, matrix, fold),
        "revenue": _revenue(frame, matrix, fold),
    }
    effects = {name: shrunk_effects(*part) for name, part in parts.items()}
    base, days = float(frame["won"].mean()), float(frame.loc[frame["won"], "days"].median())
    rows = _rows(history, frame, effects, base, days)
    order = rows.sort_values(["win_rate", "owner_id"], ascending=[False, True])
    return Performance(
        order.reset_index(drop=True),
        base,
        days,
        {name: effect.chance for name, effect in effects.items()},
        {name: effect.spread for name, effect in effects.items()},
    )


Part = tuple[Floats, Floats]
"""Effects and their errors, by owner in order."""


def _by_owner(frame: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    return values.groupby(frame["owner"].loc[values.index]).sum().sort_index()


def _wins(frame: pd.DataFrame) -> Part:
    """One-step effect on the log-odds (Peto): (observed - expected) / variance, and its error."""
    p = frame["p"]
    sums = _by_owner(frame, pd.DataFrame({"gap": frame["won"] - p, "variance": p * (1 - p)}))
    variance = np.maximum(sums["variance"].to_numpy(float), 1e-9)
    return sums["gap"].to_numpy(float) / variance, 1 / np.sqrt(variance)


def _days(frame: pd.DataFrame, matrix: Floats, fold: Ints) -> Part:
    """Mean residual of log(1 + days) of the won deals."""
    won = frame["won"].to_numpy(bool)
    logs = np.log1p(frame["days"].to_numpy(float)[won])
    rest = logs - expected_level(matrix[won], logs, fold[won])
    return _means(frame, won, rest)


def _revenue(frame: pd.DataFrame, matrix: Floats, fold: Ints) -> Part:
    """Log of revenue over expected revenue, with the error of the sum over the rep's deals.

    The variance of a deal's revenue is that of winning or not, and of the amount's log residual.
    """
    frame["expected_revenue"] = np.nan
    priced = (frame["won"] & (frame["amount"] > 0)).to_numpy(bool)
    if priced.sum() < LEAST_DEALS // 2:
        return _nothing(frame)
    logs = np.log(frame["amount"].to_numpy(float)[priced])
    usual = expected_level(matrix, _filled(logs, priced), fold)
    spread = float(np.std(logs - usual[priced]))
    p = frame["p"].to_numpy(float)
    share = priced.sum() / max(frame["won"].sum(), 1)
    value = np.exp(usual + spread**2 / 2)
    value *= frame.loc[priced, "amount"].sum() / max((value * p * share).sum(), 1e-9)
    frame["expected_revenue"] = value * p * share
    second = value**2 * np.exp(spread**2) * p * share
    sums = _by_owner(
        frame,
        pd.DataFrame(
            {
                "got": frame["amount"].where(priced, 0.0),
                "expected": frame["expected_revenue"],
                "variance": second - frame["expected_revenue"] ** 2,
            }
        ),
    )
    ratio = sums["got"] / sums["expected"]
    error = np.sqrt(sums["variance"]) / sums["expected"]
    return np.log(np.maximum(ratio.to_numpy(float), 0.05)), error.to_numpy(float)


def _filled(logs: Floats, priced: Bools) -> Floats:
    """(n,) logs where there is an amount, their mean elsewhere."""
    found = np.full(len(priced), logs.mean())
    found[priced] = logs
    return found


def _means(frame: pd.DataFrame, chosen: Bools, rest: Floats) -> Part:
    owners = np.sort(frame["owner"].unique())
    grouped = pd.Series(rest).groupby(frame["owner"].to_numpy()[chosen])
    mean = np.asarray(grouped.mean().reindex(owners), dtype=np.float64)
    size = np.asarray(grouped.size().reindex(owners), dtype=np.float64)
    return mean, float(np.std(rest)) / np.sqrt(size)


def _nothing(frame: pd.DataFrame) -> Part:
    none = np.full(frame["owner"].nunique(), np.nan)
    return none, none


def _rows(
    history: History,
    frame: pd.DataFrame,
    effects: dict[str, Effects],
    base: float,
    days: float,
) -> pd.DataFrame:
    grouped = frame.groupby("owner")
    found = grouped.agg(
        closed=("won", "size"), won=("won", "sum"), expected_wins=("p", "sum"),
        expected_revenue=("expected_revenue", "sum"),
    )  # fmt: skip
    found["raw_win_rate"] = found["won"] / found["closed"]
    found["revenue"] = frame[frame["won"]].groupby("owner")["amount"].sum().reindex(found.index)
    odds = np.log(base / (1 - base))
    for end in ("mean", "low", "high"):
        name = "" if end == "mean" else f"_{end}"
        effect = {key: getattr(each.posterior, end) for key, each in effects.items()}
        found[f"win_rate{name}"] = 1 / (1 + np.exp(-(odds + effect["win_rate"])))
        found[f"days{name}"] = (1 + days) * np.exp(effect["days"]) - 1
        found[f"revenue_ratio{name}"] = np.exp(effect["revenue"])
    owners = history.tables.owners.drop_duplicates("owner_id").set_index("owner_id")
    ids = pd.Series([history.owners.names[code] for code in found.index], found.index, dtype="str")
    names = ids.map(owners["name"]) if "name" in owners else ids
    return found.fillna({"revenue": 0.0}).assign(
        owner_id=ids, name=names.fillna(ids), team=ids.map(owners["team"])
    )
