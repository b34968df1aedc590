"""Figures of a backtest: a row a contender and horizon, a row a segment, differences in pairs.

Rows of all origins stand together; the independent unit is the deal throughout. AUC is among deals
open on the same day (a list is made of those); skill is the share of the stage x age table's loss
(or of its distance from a perfect AUC) that is taken away, on the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from features.windows import Bools, Floats, Ints
from training.backtest import Backtest
from training.baselines import StageAgeTable
from training.metrics import auc_within, log_loss
from training.origins import maturity
from training.reliability import (
    Answers,
    calibration_slope,
    observed_over_expected,
    perfect_error,
    smooth_calibration_error,
)

REFERENCE = StageAgeTable.name
DIMENSIONS = ("stage", "age", "pipeline", "source")
LEAST_DEALS = 50
"""Deals below which the values of a dimension are put together as `others`."""
MOST_VALUES = 10
AGE_BANDS = 5
RESAMPLES = 1000
FEW_DRAWS = 100
"""Simulated worlds behind the band of a segment."""


def answers_of(test: Backtest, name: str, horizon: int, rows: Bools) -> Answers:
    """Answers with outcomes of some rows."""
    return Answers.of(
        test.p(name, horizon)[rows],
        test.labels(horizon)[rows],
        test.rows["deal"].to_numpy()[rows],
        test.rows["time"].to_numpy()[rows],
        maturity(horizon),
    )


def figures(
    test: Backtest, name: str, horizon: int, rows: Bools, draws: int = FEW_DRAWS
) -> dict[str, float]:
    """Every figure of a contender at a horizon on some of the rows it was judged on."""
    found = answers_of(test, name, horizon, rows)
    reference = test.p(REFERENCE, horizon)[rows]
    day = test.rows["time"].to_numpy()[rows]
    ratio, slope = observed_over_expected(found), calibration_slope(found)
    loss, brier = _losses(found.labels, found.p)
    table_loss, table_brier = _losses(found.labels, reference)
    auc, table_auc = (auc_within(day, found.labels, p) for p in (found.p, reference))
    return {
        "snapshots": float(len(found.p)),
        "deals": float(len(np.unique(found.deal))),
        "won_deals": float(len(np.unique(found.deal[found.labels > 0]))),
        "log_loss": loss,
        "log_loss_skill": _skill(loss, table_loss),
        "brier": brier,
        "brier_skill": _skill(brier, table_brier),
        "auc": auc,
        "auc_skill": _skill(1 - auc, 1 - table_auc),
        "observed_expected": ratio.value,
        "observed_expected_low": ratio.low,
        "observed_expected_high": ratio.high,
        "slope": slope.value,
        "slope_error": slope.standard_error,
        "calibration_error": smooth_calibration_error(found.p, found.labels),
        "calibration_error_of_a_perfect_model": perfect_error(found, draws),
    }


def _losses(labels: Floats, p: Floats) -> tuple[float, float]:
    if not len(p):
        return float("nan"), float("nan")
    return float(log_loss(labels, p).mean()), float(((labels - p) ** 2).mean())


def _skill(loss: float, reference: float) -> float:
    return 1 - loss / reference if reference > 0 else float("nan")


def summary(test: Backtest) -> pd.DataFrame:
    """A row a horizon and contender, with the seconds its fits took."""
    found = [
        {
            "horizon": horizon,
            "name": name,
            **figures(test, name, horizon, rows),
            "origins": test.rows["origin"][rows].nunique(),
            "seconds": test.seconds[name],
        }
        for horizon in test.horizons
        for name in test.answers
        if (rows := test.judged(name, horizon)).any()
    ]
    return pd.DataFrame(found)


def segments(test: Backtest, name: str, horizon: int) -> pd.DataFrame:
    """A row a value of each dimension: the same figures there.

    `off` marks values whose observed over expected would be so far from 1 by chance in fewer than
    one of twenty checks of *all* values together (Bonferroni), `doubtful` those that would be in
    fewer than one of twenty of their own.
    """
    judged = test.judged(name, horizon)
    values = segment_values(test.rows)
    found: list[dict[str, Any]] = []
    for dimension in DIMENSIONS:
        if values[dimension][judged].nunique() < 2:
            continue  # it would tell of all rows again
        for value in _ordered(test, dimension, values[dimension][judged]):
            rows = judged & (values[dimension] == value).to_numpy()
            found.append(
                {"dimension": dimension, "value": value, **figures(test, name, horizon, rows)}
            )
    frame = pd.DataFrame(found)
    return frame.assign(verdict=_verdicts(frame)) if len(frame) else frame


def _verdicts(frame: pd.DataFrame) -> list[str]:
    """`off`, `doubtful` or nothing, by how many errors the ratio is from 1."""
    from scipy.stats import norm

    error = (frame["observed_expected_high"] - frame["observed_expected"]) / 1.96
    z = ((frame["observed_expected"] - 1).abs() / error).fillna(0.0).to_numpy()
    strict = norm.ppf(1 - 0.025 / len(frame))
    return ["off" if each > strict else "doubtful" if each > 1.96 else "" for each in z]


def segment_values(rows: pd.DataFrame) -> pd.DataFrame:
    """(rows,) value of each dimension as text; rare ones are put together as `others`."""
    found = {"age": age_bands(rows["age_days"].to_numpy())}
    for dimension in ("stage", "pipeline", "source"):
        deals = rows.groupby(dimension)["deal"].nunique().sort_values(ascending=False)
        common = set(deals.index[deals >= LEAST_DEALS][:MOST_VALUES])
        values = rows[dimension].where(rows[dimension].isin(common), "others")
        found[dimension] = values.replace("", "(none)").to_numpy(object)
    return pd.DataFrame(found)[list(DIMENSIONS)]


def age_bands(age_days: Floats, bands: int = AGE_BANDS) -> np.ndarray[Any, Any]:
    """(n,) name of one of a few bands of age that hold about as many rows each."""
    edges = np.unique(np.quantile(age_days, np.linspace(0, 1, bands + 1)[1:-1]).round())
    edges = edges[edges > 0]
    names = [
        f"{int(low)}-{int(high)} days" if np.isfinite(high) else f"{int(low)} days and more"
        for low, high in zip([0, *edges], [*edges, np.inf], strict=True)
    ]
    return np.array(names, dtype=object)[np.searchsorted(edges, age_days, side="right")]


def _ordered(test: Backtest, dimension: str, values: pd.Series) -> list[str]:
    """Values in the order of the funnel or of age, or the most frequent first; `others` last."""
    key = {"stage": "stage_place", "age": "age_days"}.get(dimension)
    if key is None:
        found = values.value_counts().index
    else:
        keys = pd.Series(test.rows[key].to_numpy())[values.index]
        found = keys.groupby(values).mean().sort_values().index
    return sorted(map(str, found), key=lambda value: value == "others")


def by_origin(test: Backtest, name: str, horizon: int) -> pd.DataFrame:
    """A row an origin: observed over expected and log-loss skill of its month."""
    judged, origin = test.judged(name, horizon), test.rows["origin"].to_numpy()
    found = [
        {"origin": cut, **figures(test, name, horizon, judged & (origin == cut), draws=1)}
        for cut in test.origins
        if (judged & (origin == cut)).any()
    ]
    return pd.DataFrame(found)


def differences(test: Backtest, name: str) -> pd.DataFrame:
    """A row a horizon and other contender: how much lower the log-loss of `name` is, in pairs."""
    found = []
    for horizon in test.horizons:
        for other in test.answers:
            rows = test.judged(name, horizon) & test.judged(other, horizon)
            if other == name or not rows.any():
                continue
            labels = test.labels(horizon)[rows]
            losses = [log_loss(labels, test.p(each, horizon)[rows]) for each in (other, name)]
            deal = test.rows["deal"].to_numpy()[rows]
            gain = paired_bootstrap(deal, losses[0] - losses[1])
            found.append({"horizon": horizon, "other": other, **gain})
    return pd.DataFrame(found)


def paired_bootstrap(
    deal: Ints, gain: Floats, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, float]:
    """Mean gain of a row, its 95 % interval and how often it is above 0, resampling deals."""
    _, index = np.unique(deal, return_inverse=True)
    total, rows = np.bincount(index, gain), np.bincount(index).astype(float)
    means = np.array(
        [draw @ total / (draw @ rows) for draw in _resampled(len(rows), resamples, seed)]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "gain": float(gain.mean()),
        "low": float(low),
        "high": float(high),
        "better": float((means > 0).mean()),
        "deals": float(len(rows)),
    }


def _resampled(deals: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each deal is drawn, draw by draw."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, deals, deals), minlength=deals).astype(float)
