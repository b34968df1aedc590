from __future__ import annotations

import numpy as np
import pytest

from data.demo import World
from experiments.close_ceiling import SERVED, TOLD, compared
from experiments.close_truth import HORIZONS, trained_on


@pytest.mark.slow
def test_who_is_taught_by_the_truth_comes_nearer_to_it():
    found, told = compared(*trained_on(World.draw(101), 101, 1_500, frozenset()))
    share = found.set_index(["model", "horizon"])["share"]
    assert set(found["model"]) == {SERVED, TOLD}
    for horizon in HORIZONS:
        assert share[SERVED, horizon] < share[TOLD, horizon] < 1
    assert "closed deals taught the one" in told
    assert np.isfinite(found["bias"]).all()
