from __future__ import annotations

import numpy as np
import pytest

from experiments.close_ceiling import HORIZONS, SERVED, TOLD, compared
from experiments.close_truth import END, trained_on
from experiments.worlds import Dirt, Kind, known_firm


@pytest.mark.slow
def test_who_is_taught_by_the_truth_comes_nearer_to_it():
    firm = known_firm(Kind.PLAIN, 101, 1_500, END, Dirt.NONE)
    found, told = compared(firm, *trained_on(firm))
    share = found.set_index(["model", "horizon"])["share"]
    assert set(found["model"]) == {SERVED, TOLD}
    for horizon in HORIZONS:
        assert share[SERVED, horizon] < share[TOLD, horizon] < 1
    assert "closed deals taught the one" in told
    assert np.isfinite(found["bias"]).all()
