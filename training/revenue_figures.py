"""How the forecast did: error, bias, pinball, coverage, beside rivals and beside what is possible.

Errors of one firm's quarters hang together, so uncertainty is by quarter: rows of the instants of
one quarter are one draw. The floor is what chance alone leaves to a forecaster who knows every
rate: the mean error of a sum of so many wins whose amounts vary as the firm's do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.fiscal import period_name
from features.windows import Floats
from training.revenue_past import LEVELS

OURS = "mean"
NAME = "dealcast"
NOT_RIVALS = frozenset(
    {"as_of", "kind", "day", "period", "lead", "booked", "open", "new", "mean", "sd", "actual"}
    | {"wins", "pit", "block"}
    | {f"q{round(100 * level):02d}" for level in LEVELS}
)
RESAMPLES = 2_000


def rivals_of(rows: pd.DataFrame) -> list[str]:
    """Names of the rivals that have a column."""
    return [str(name) for name in rows if name not in NOT_RIVALS]


def blocks(rows: pd.DataFrame, start_month: int = 1) -> pd.DataFrame:
    """Rows with `block`, the fiscal quarter of their instant."""
    at = rows["as_of"].dt.tz_localize(None).astype("datetime64[us]").astype("int64")
    return rows.assign(block=[period_name(int(each), "quarter", start_month) for each in at])


def floor(wins: float, variation: float) -> float:
    """WAPE that is left to an oracle: of `wins` expected wins, amounts of that variation.

    The number is Poisson, so the sum has a relative variance of (1 + variation**2) / wins; the
    mean error of a normal variable is 0.8 standard deviations.
    """
    if wins <= 0:
        return float("nan")
    return float(np.sqrt(2 / np.pi) * np.sqrt((1 + variation**2) / wins))


def wape(actual: Floats, forecast: Floats) -> float:
    """Sum of absolute errors over the sum of what came; NaN where nothing came."""
    total = float(np.abs(actual).sum())
    return float(np.abs(actual - forecast).sum() / total) if total else float("nan")


def pinball(rows: pd.DataFrame) -> float:
    """Mean pinball loss of the levels over the mean of what came; NaN where nothing came."""
    actual = rows["actual"].to_numpy(float)
    losses = []
    for level in LEVELS:
        error = actual - rows[f"q{round(100 * level):02d}"].to_numpy(float)
        losses.append(np.maximum(level * error, (level - 1) * error).mean())
    return float(np.mean(losses) / actual.mean()) if actual.any() else float("nan")


def summary(rows: pd.DataFrame, variation: float) -> pd.DataFrame:
    """A row for each question (day of the quarter, or months ahead) and forecaster.

    Columns kind, day, lead, name, n (instants), wape, bias, wape_over_floor, and for ours pinball
    and coverage of the 80 % interval; `wins` is the mean number of wins behind the floor.
    """
    found = []
    for _, group in rows.groupby(["kind", "day", "lead"], sort=True):
        kind, day, lead = group[["kind", "day", "lead"]].iloc[0]
        actual = group["actual"].to_numpy(float)
        wins = float(group["wins"].mean())
        least = floor(wins, variation)
        for column in (OURS, *rivals_of(rows)):
            forecast = group[column].to_numpy(float)
            ours = column == OURS
            inside = (actual >= group["q10"]) & (actual <= group["q90"])
            found.append(
                {
                    "kind": kind,
                    "day": int(day),
                    "lead": int(lead),
                    "name": NAME if ours else column,
                    "n": len(group),
                    "wins": wins,
                    "wape": wape(actual, forecast),
                    "bias": float(forecast.sum() / actual.sum() - 1) if actual.any() else np.nan,
                    "wape_over_floor": wape(actual, forecast) / least,
                    "pinball": pinball(group) if ours else np.nan,
                    "coverage": float(inside.mean()) if ours else np.nan,
                }
            )
    return pd.DataFrame(found)


def differences(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """WAPE of each rival less ours, by kind of question, with a 90 % interval over quarters.

    Columns kind, name, difference, low, high, quarters; positive means that ours is closer.
    """
    found = []
    for kind, group in rows.groupby("kind", sort=True):
        actual = group["actual"].to_numpy(float)
        ours = np.abs(actual - group[OURS].to_numpy(float))
        for name in rivals_of(rows):
            worse = np.abs(actual - group[name].to_numpy(float)) - ours
            sums = (
                pd.DataFrame({"worse": worse, "actual": actual})
                .groupby(group["block"].to_numpy())
                .sum()
            )
            low, high = _interval(sums["worse"].to_numpy(), sums["actual"].to_numpy(), seed)
            whole = float(worse.sum() / actual.sum()) if actual.any() else np.nan
            row = {"kind": kind, "name": name, "difference": whole, "low": low, "high": high}
            found.append(row | {"quarters": len(sums)})
    return pd.DataFrame(found)


def _interval(above: Floats, below: Floats, seed: int) -> tuple[float, float]:
    """5th and 95th percentile of a ratio of sums, quarters drawn with replacement."""
    if len(above) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(0, len(above), (RESAMPLES, len(above)))
    ratio = above[drawn].sum(axis=1) / np.maximum(below[drawn].sum(axis=1), 1e-9)
    low, high = np.quantile(ratio, [0.05, 0.95])
    return float(low), float(high)


@dataclass(frozen=True)
class Revenue:
    """A finished replay of the forecast.

    Attributes
    ----------
    rows : as `replay` gives them, with `block`
    unit : `revenue` or `wins`
    variation : standard deviation of won amounts over their mean
    terms : what was tried on top, as `training.revenue_terms.tried` gives it
    """

    as_of: int
    unit: str
    rows: pd.DataFrame
    variation: float
    summary: pd.DataFrame
    differences: pd.DataFrame
    terms: pd.DataFrame

    def best(self, kind: str) -> str:
        """Name of the forecaster with the smallest WAPE over the questions of a kind."""
        rows = self.rows[self.rows["kind"] == kind]
        actual = rows["actual"].to_numpy(float)
        columns = {NAME: OURS} | {name: name for name in rivals_of(rows)}
        errors = {name: wape(actual, rows[c].to_numpy(float)) for name, c in columns.items()}
        return min(errors, key=lambda name: errors[name]) if actual.any() else NAME
