"""What may be laid over the forecast, each tried on the past with what was known before it.

A correction of the bias, a blend with a rival month by month ahead, wider intervals: at every
instant each is learned from the periods that had ended by then, shrunk, and applied. It is on
where it made the error of the past smaller by more than one standard error over quarters (for
intervals: brought the coverage closer to what is promised); else it is off, and the report says
so. Where wins are few a plain series that was closer may be fallen back to
(`training.revenue_fallback`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from data.whole import write_whole
from features.windows import Floats
from training.fallback import CANDIDATES, FALL_BACK
from training.revenue_fallback import fallbacks, weight
from training.revenue_figures import OURS, rivals_of
from training.revenue_verdict import verdict
from training.widening import PROMISED, widening

PSEUDO_WINS = 300.0
"""Wins that an unbiased past is worth when the bias is learned."""
PSEUDO_ROWS = 24.0
"""Rows that a weight of 0 is worth when a blend is learned."""
NEW_DEALS, BIAS, WIDER = "deals not yet created", "bias correction", "wider intervals"
BLEND = "blend with "
TERMS_FILE = "forecast_terms.json"
BLENDED = ("AutoETS", "last year x growth", "run rate")


def ended_before(rows: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Rows whose period had ended by an instant."""
    return rows[rows["ends"] <= at]


def with_ends(rows: pd.DataFrame, start_month: int = 1) -> pd.DataFrame:
    """Rows with `ends`, the first instant after their period."""
    length = rows["kind"].map({"month": 1, "quarter": 3}).to_numpy(int)
    month = rows["as_of"].dt.tz_localize(None).to_numpy("datetime64[M]").astype(np.int64)
    first = np.where(length == 3, month - (month - (start_month - 1)) % 3, month)
    after = (first + rows["lead"].to_numpy(int) * length + length).astype("datetime64[M]")
    return rows.assign(ends=pd.DatetimeIndex(after.astype("datetime64[us]"), tz="UTC"))


def bias_factor(past: pd.DataFrame) -> float:
    """What came over what was forecast, drawn to 1 by PSEUDO_WINS wins.

    Months overlap from instant to instant: of each period the first lead alone counts.
    """
    first = past[(past["lead"] == 0) & (past["kind"] == "month")]
    said, wins = float((first[OURS] - first["booked"]).sum()), float(first["wins"].sum())
    came = float((first["actual"] - first["booked"]).sum())
    if said <= 0:
        return 1.0
    share = wins / (wins + PSEUDO_WINS)
    return float(np.clip(1 + share * (came / said - 1), 0.5, 2.0))


def blend_weight(past: pd.DataFrame, rival: str, lead: int) -> float:
    """Weight of a rival at a lead by least squares, drawn to 0 by PSEUDO_ROWS rows."""
    rows = past[(past["kind"] == "month") & (past["lead"] == lead)]
    apart = (rows[rival] - rows[OURS]).to_numpy(float)
    missed = (rows["actual"] - rows[OURS]).to_numpy(float)
    power = float(apart @ apart)
    if not power:
        return 0.0
    shrink = len(rows) / (len(rows) + PSEUDO_ROWS)
    return float(np.clip(apart @ missed / power, 0.0, 1.0) * shrink)


def learned_terms(rows: pd.DataFrame, terms: pd.DataFrame, as_of: int) -> dict[str, float]:
    """What the next forecasts shall use: `level`, `widening` (1 where off), and `as_of`.

    Where the forecast falls back, the weight of what it falls back to is beside them.
    """
    on = set(terms.loc[terms["on"].astype(bool), "term"])
    past = ended_before(with_ends(rows), pd.Timestamp(as_of, unit="us", tz="UTC"))
    on_top = past.assign(**{OURS: _unbiased(past)}) if BIAS in on else past
    towards = [name for name in CANDIDATES if f"{FALL_BACK}{name}" in on]
    return {
        **{f"{FALL_BACK}{name}": weight(on_top, name) for name in towards},
        "level": bias_factor(past) if BIAS in on else 1.0,
        "widening": widening(past) if WIDER in on else 1.0,
        "as_of": as_of,
    }


def keep_terms(terms: Mapping[str, float], folder: Path) -> Path:
    """Write the terms for bundles to come, whole or not at all."""
    return write_whole(json.dumps(dict(terms)), folder / TERMS_FILE)


def kept_terms(folder: Path, cut: int) -> dict[str, float]:
    """Terms learned from what was known at or before `cut`; empty where there are none."""
    path = folder / TERMS_FILE
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {str(k): float(v) for k, v in found.items()} if found["as_of"] <= cut else {}


def tried(rows: pd.DataFrame, start_month: int = 1) -> pd.DataFrame:
    """A row a term: term, before, after, standard_error, on, learned (as of the last instant).

    `before` and `after` are WAPEs (for intervals: coverage of 80 %). Blends are tried on top of
    the correction of the bias where that is on: else they would be praised for what it does.
    """
    rows = with_ends(rows, start_month)
    unbiased = _unbiased(rows)
    bias = _bias(rows, unbiased)
    on_top = rows.assign(**{OURS: unbiased}) if bias["on"] else rows
    blends = [_blend(on_top, name) for name in BLENDED if name in rivals_of(rows)]
    few = fallbacks(on_top)
    return pd.DataFrame([_new_deals(rows), bias, *blends, *few, _widened(rows)])


def _stepwise(rows: pd.DataFrame, change: Callable[[pd.DataFrame, Any], float]) -> Floats:
    """(rows,) forecasts changed by what was known at each instant."""
    found = np.empty(len(rows))
    pasts = {at: ended_before(rows, at) for at in rows["as_of"].unique()}
    for place, (_, row) in enumerate(rows.iterrows()):
        found[place] = change(pasts[row["as_of"]], row)
    return found


def _new_deals(rows: pd.DataFrame) -> dict[str, object]:
    """Deals not yet created: `before` is the forecast without them."""
    without = rows.assign(**{OURS: rows[OURS] - rows["new"]})
    return verdict(without, NEW_DEALS, rows[OURS].to_numpy(float), "simulated")


def _unbiased(rows: pd.DataFrame) -> Floats:
    """(rows,) forecasts times the factor known at each instant."""
    return _stepwise(
        rows, lambda past, row: row["booked"] + (row[OURS] - row["booked"]) * bias_factor(past)
    )


def _bias(rows: pd.DataFrame, after: Floats) -> dict[str, object]:
    learned = f"x {bias_factor(ended_before(rows, rows['ends'].max())):.3f}"
    return verdict(rows, BIAS, after, learned)


def _blend(rows: pd.DataFrame, rival: str) -> dict[str, object]:
    months = rows[rows["kind"] == "month"]

    def change(past: pd.DataFrame, row: Any) -> float:
        weight = blend_weight(past, rival, int(row["lead"]))
        return float(row[OURS] + weight * (row[rival] - row[OURS]))

    final = ended_before(rows, rows["ends"].max())
    weights = [blend_weight(final, rival, k) for k in sorted(months["lead"].unique())]
    learned = "weights " + ", ".join(f"{w:.2f}" for w in weights)
    return verdict(months, f"{BLEND}{rival}", _stepwise(months, change), learned)


def _widened(rows: pd.DataFrame) -> dict[str, object]:
    """Coverage with every interval widened by what was learned before it."""
    score = norm.ppf(np.clip(rows["pit"].to_numpy(float), 0.005, 0.995))
    width = _stepwise(rows, lambda past, _: widening(past))
    limit = norm.ppf((1 + PROMISED) / 2)
    before, after = (np.abs(score) <= limit), (np.abs(score) <= limit * width)
    final = widening(ended_before(rows, rows["ends"].max()))
    by_block = pd.Series(before).groupby(rows["block"].to_numpy()).mean().to_numpy(float)
    return {
        "term": WIDER,
        "measure": "coverage of 80 %",
        "before": float(before.mean()),
        "after": float(after.mean()),
        "standard_error": float(np.std(by_block, ddof=1) / np.sqrt(len(by_block)))
        if len(by_block) > 1
        else np.nan,
        "on": bool(abs(after.mean() - PROMISED) < abs(before.mean() - PROMISED)),
        "learned": f"x {final:.2f}",
    }
