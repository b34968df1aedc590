from __future__ import annotations

import pandas as pd
import pytest

from data.demo.truth import true_revenue
from experiments.forecast_parts import RATIOS, parts
from experiments.forecast_truth import firm


@pytest.fixture(scope="module")
def small():
    return firm(12, 900)


def test_wins_add_up_to_the_revenue_and_new_deals_have_no_name(small):
    wins = small.wins(small.end, months=3, draws=20)
    whole = true_revenue(small.simulated, small.end, months=3, draws=20)
    sums = wins.groupby(["path", "month"])["revenue"].sum()
    told = whole.set_index(["path", "month"])["revenue"]
    pd.testing.assert_series_equal(sums, told[told > 0], check_dtype=False)
    known = set(small.tables["deals"]["deal_id"])
    assert set(wins["deal_id"].dropna()) <= known
    assert 0 < wins["deal_id"].isna().mean() < 1


def test_deals_to_come_are_expected_near_their_truth(small):
    found = parts(small, draws=40)
    assert all(0.4 < found[name] < 2.5 for name in RATIOS)
    assert found["wins"] * found["amount"] == pytest.approx(found["revenue"])
