"""Blends judged in pairs: a rival that is right helps by its weight, one that is wrong costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from experiments.forecast_blend import WEIGHTS, blended, differences, missed
from experiments.forecast_truth import MONTHS, firm
from features.history import History
from training.revenue_terms import BLENDED


def test_error_is_that_of_the_months_over_the_whole():
    assert missed(np.array([90.0, 120.0]), np.array([100.0, 100.0])) == pytest.approx(0.15)


def test_blends_are_compared_with_the_forecast_of_the_same_firm():
    errors = pd.DataFrame([{("", 0.0): 0.1, ("x", 0.5): 0.2}, {("", 0.0): 0.3, ("x", 0.5): 0.5}])
    row = differences(errors).set_index("rival").loc["x"]
    assert row["difference"] == pytest.approx(0.15)
    assert row["se"] == pytest.approx(0.05)


@pytest.mark.slow
def test_weight_one_is_the_rival_and_weight_nought_the_forecast():
    simulated = firm(12, 500)
    history = History.of(Tables.of(simulated.tables))
    at = int(simulated.end.as_unit("us").asm8.astype("int64"))
    found = blended(history, at, np.full(MONTHS, 1e5))
    assert {name for name, _ in found} == {"", *BLENDED}
    for name in BLENDED:
        ends = found["", 0.0], found[name, 1.0]
        assert max(found[name, weight] for weight in WEIGHTS) <= max(ends) + 1e-9
