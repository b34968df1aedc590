from __future__ import annotations

import numpy as np
import pytest

from experiments.forecast_truth import MONTHS, firm, judge, run


def futures(seed, mean=100.0, sd=0.3, count=4000):
    rng = np.random.default_rng(seed)
    return mean * np.exp(rng.normal(-(sd**2) / 2, sd, (count, MONTHS)))


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


def test_intervals_too_narrow_cover_too_little_and_cost_pinball():
    found = judge(futures(0, sd=0.1), futures(1))
    assert found.coverage < 0.5
    assert found.pinball > 1.05
    assert found.mean_error < 0.01


@pytest.mark.slow
def test_a_small_firm_is_forecast_near_its_truth():
    found = run(firm(12, 900), 0, draws=60)
    assert found.mean_error < 0.5
    assert 0.5 < found.coverage < 1
    assert found.wape < 1.6
