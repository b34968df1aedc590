from __future__ import annotations

import numpy as np
import pytest

from experiments.forecast_truth import MONTHS, Paths, firm, judge, run
from experiments.forecast_truth import futures as true_futures
from experiments.worlds import Kind


def futures(seed, mean=100.0, sd=0.3, count=4000):
    rng = np.random.default_rng(seed)
    every = mean * np.exp(rng.normal(-(sd**2) / 2, sd, (count, MONTHS)))
    return Paths(0.3 * every, 0.7 * every)


def test_the_oracle_is_as_good_as_the_oracle():
    found = judge(futures(0), futures(1))
    assert found.mean_error < 0.01
    assert found.wape == pytest.approx(1, abs=0.01)
    assert found.pinball == pytest.approx(1, abs=0.01)
    assert found.coverage == pytest.approx(0.8, abs=0.02)


def test_a_forecast_too_high_shows_in_error_bias_and_losses():
    found = judge(futures(0, mean=120.0), futures(1))
    assert found.bias == pytest.approx(0.2, abs=0.02)
    assert found.mean_error == pytest.approx(0.2, abs=0.02)
    assert found.wape > 1.05
    assert found.pinball > 1.05


def test_a_part_too_high_shows_in_its_own_bias():
    right, high = futures(0), futures(0, mean=120.0)
    found = judge(Paths(high.open, right.new), futures(1))
    assert found.open == pytest.approx(0.2, abs=0.02)
    assert found.new == pytest.approx(0, abs=0.02)
    assert found.bias == pytest.approx(0.06, abs=0.02)


def test_parts_of_the_true_revenue_are_those_of_known_deals_and_all_others():
    small = firm(12, 300)
    known = small.tables["deals"].query("closed_at.isna()")["deal_id"].tolist()
    split, whole = (true_futures(small, small.end, 20, ids) for ids in (known, ()))
    assert split.all == pytest.approx(whole.all)
    assert split.open.sum() > 0
    assert whole.open.sum() == 0
    soon = small.wins(small.end, MONTHS, 20)
    assert split.open.sum() == pytest.approx(
        soon.loc[soon["deal_id"].isin(known), "revenue"].sum()
    )


def test_intervals_too_narrow_cover_too_little_and_cost_pinball():
    found = judge(futures(0, sd=0.1), futures(1))
    assert found.coverage < 0.5
    assert found.pinball > 1.05
    assert found.mean_error < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "dirty"), [(Kind.PLAIN, False), (Kind.PLAIN, True), (Kind.OTHER, False)]
)
def test_a_small_firm_is_forecast_near_its_truth(kind, dirty):
    found = run(firm(12, 900, dirty=dirty, kind=kind), 0, draws=60)
    assert found.mean_error < 0.5
    assert 0.5 < found.coverage < 1
    assert found.wape < 1.6
