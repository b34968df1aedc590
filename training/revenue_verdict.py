"""Whether a change of the forecast came closer on the past, by more than chance over quarters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.windows import Floats
from training.revenue_figures import OURS, wape


def verdict(rows: pd.DataFrame, term: str, after: Floats, learned: str) -> dict[str, object]:
    """A row of what was tried: WAPE before and after, and `on` where that is a clear gain.

    Clear is what exceeds one standard error of the gain, the rows of a quarter (`block`) being
    one draw.
    """
    actual, before = rows["actual"].to_numpy(float), rows[OURS].to_numpy(float)
    gain = np.abs(actual - before) - np.abs(actual - after)
    by_block = pd.Series(gain).groupby(rows["block"].to_numpy()).sum()
    scale = max(float(np.abs(actual).sum()), 1e-9)
    error = (
        float(by_block.std(ddof=1) * np.sqrt(len(by_block)) / scale)
        if len(by_block) > 1
        else np.nan
    )
    return {
        "term": term,
        "measure": "WAPE",
        "before": wape(actual, before),
        "after": wape(actual, after),
        "standard_error": error,
        "on": bool(gain.sum() / scale > error) if error == error else False,
        "learned": learned,
    }
