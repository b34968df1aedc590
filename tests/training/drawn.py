"""Data drawn for several test modules."""

from __future__ import annotations

import numpy as np
import pandas as pd


def won_in_a_week(rates, cut, seed=0):
    """Deals that all are won a week after they come, before `cut`.

    `rates` are of days, the last of them the day before the cut.
    """
    rng = np.random.default_rng(seed)
    back = np.arange(len(rates), 0, -1)
    created = cut - pd.to_timedelta(np.repeat(back, rng.poisson(rates)) - 0.4, unit="D")
    deals = pd.DataFrame({"created": created.round("s")})
    deals["closed"] = deals["created"] + pd.Timedelta("7D")
    return deals.assign(won=True).query("closed < @cut")


def staged(stages, numbers, count=4000):
    """Features by chance: numbers, a stage, and an age."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(0, 1, (count, numbers))).add_prefix("number_")
    return frame.assign(
        stage_code=rng.integers(0, stages, count).astype(float), age_days=1.0 * rng.random(count)
    )
