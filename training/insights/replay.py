"""The score of one deal in the past, as the model of today would have given it then."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.history import History
from features.pipeline import compute_features
from features.snapshots import Snapshots, is_open
from features.windows import DAY
from training.bundle import Bundle


def replayed(
    bundle: Bundle, history: History, deal: int, as_of: int, *, weeks: int = 26, horizon: int = 90
) -> pd.DataFrame:
    """Rows (time, p_won) of a deal at the ends of the last weeks in which it was open.

    Features see what was known then; the model has learned from all up to its cut, so this shows
    how the deal moved, and is no test of the model.

    Returns
    -------
    time : microseconds, oldest first; p_won : probability of winning within `horizon` days
    """
    time = as_of - 7 * DAY * np.arange(weeks, -1, -1, dtype=np.int64)
    code = np.full(len(time), deal, np.int64)
    open_then = is_open(history, code, time)
    at = Snapshots(code[open_then], time[open_then])
    if not len(at):
        return pd.DataFrame({"time": at.time, "p_won": np.zeros(0)})
    features = compute_features(history, bundle.vocabulary, at, bundle.features)
    won = bundle.close.incidence(features).won_by([horizon])
    return pd.DataFrame({"time": at.time, "p_won": won[:, 0]})
