from __future__ import annotations

import pytest

from experiments.forecast_fallback import FULL, WITH, WITHOUT, errors, small_firm


@pytest.mark.slow
def test_a_small_firm_is_judged_with_and_without_falling_back():
    firm = small_firm(104)
    assert 300 <= firm.simulated.deals <= 700
    found = errors(firm, draws=40)
    assert 0 < found[WITHOUT] < 0.6
    if not found["to"]:
        assert found[WITH] == found[FULL] == found[WITHOUT]
    assert found["AutoETS"] > 0
