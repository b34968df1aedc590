"""The ideal customer profile in bands and words: which companies buy, and how well that holds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.account import FIT_LIMITS
from features.at import At
from features.dimensions import BANDS, PROFILE, band_codes
from features.history import History
from features.pipeline import compute_features
from features.snapshots import Snapshots, open_deals
from features.vocabulary import Vocabulary
from training.insights.closed import closed_deals
from training.insights.shrinkage import shrunk_rate

RATINGS = ("poor", "weak", "usual", "good", "ideal")
"""Words for the bands of `icp_band`."""


def profile(history: History, vocabulary: Vocabulary, as_of: int) -> pd.DataFrame:
    """Each band of each trait of the accounts, with the win rate of its deals.

    Columns
    -------
    trait : industry, region, employees or annual_revenue; band : name, or index of the size band;
    label : the band in words; closed, won; win_rate with _low and _high; rating : of RATINGS, by
    the odds against the firm's as `icp_fit` parts them
    """
    frame = closed_deals(history, as_of)
    base = (frame["won"].sum() + 1) / (len(frame) + 2)
    none = np.zeros(0, np.int64)
    at = At(history, vocabulary, none, none)
    parts = [
        _trait(history, at, trait, frame, float(base))
        for trait in PROFILE
        if history.has(f"accounts.{trait}")
    ]
    columns = ["trait", "band", "label", "closed", "won", "win_rate", "rating"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _trait(history: History, at: At, trait: str, frame: pd.DataFrame, base: float) -> pd.DataFrame:
    codes, _ = band_codes(at, trait)
    band = codes[frame["deal"].to_numpy(np.int64)]
    found = frame[band >= 0].groupby(band[band >= 0])["won"].agg(["size", "sum"])
    rate = shrunk_rate(found["sum"].to_numpy(float), found["size"].to_numpy(float), base)
    odds = np.log(rate.mean / (1 - rate.mean)) - np.log(base / (1 - base))
    return pd.DataFrame(
        {
            "trait": trait,
            "band": found.index.to_numpy(),
            "label": [band_label(history, trait, int(code)) for code in found.index],
            "closed": found["size"].to_numpy(),
            "won": found["sum"].to_numpy(),
            "win_rate": rate.mean,
            "win_rate_low": rate.low,
            "win_rate_high": rate.high,
            "rating": [RATINGS[k] for k in np.searchsorted(FIT_LIMITS, odds, side="right")],
        }
    )


def band_label(history: History, trait: str, code: int) -> str:
    """Name of a band: the industry's or region's, or bounds such as `50 - 200`."""
    if trait not in BANDS:
        return history.encoded("accounts", trait).names[code]
    edges = BANDS[trait]
    if code == 0:
        return f"< {_short(edges[0])}"
    if code == len(edges):
        return f"≥ {_short(edges[-1])}"
    return f"{_short(edges[code - 1])} – {_short(edges[code])}"


def _short(value: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:,.0f}"


def fit_by_band(history: History, vocabulary: Vocabulary, as_of: int) -> pd.DataFrame:
    """How deals ended by the fit that their account had when they were created, and who is open.

    The fit at creation is learned from closings known by then: a fair test of the profile.

    Columns: rating, closed, won, win_rate with bounds, amount (median of the won), open
    """
    frame = closed_deals(history, as_of)
    deal = frame["deal"].to_numpy(np.int64)
    frame["band"] = _bands(history, vocabulary, Snapshots(deal, history.known_from[deal] + 1))
    now = _bands(history, vocabulary, open_deals(history, as_of))
    base = float((frame["won"].sum() + 1) / (len(frame) + 2))
    grouped = [frame[frame["band"] == k] for k in range(len(RATINGS))]
    closed = np.array([len(part) for part in grouped], float)
    won = np.array([part["won"].sum() for part in grouped], float)
    rate = shrunk_rate(won, closed, base)
    return pd.DataFrame(
        {
            "rating": RATINGS,
            "closed": closed.astype(int),
            "won": won.astype(int),
            "win_rate": rate.mean,
            "win_rate_low": rate.low,
            "win_rate_high": rate.high,
            "amount": [float(part.loc[part["won"], "amount"].median()) for part in grouped],
            "open": [int((now == k).sum()) for k in range(len(RATINGS))],
        }
    )


def _bands(
    history: History, vocabulary: Vocabulary, snapshots: Snapshots
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if not len(snapshots):
        return np.zeros(0, np.float32)
    found = compute_features(history, vocabulary, snapshots, ["icp_band"])
    return found["icp_band"].to_numpy(np.float32)
