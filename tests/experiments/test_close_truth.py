from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.close_truth import HORIZONS, MODELS, PSEUDO_ROWS, loss, run, stage_rates
from features.history import LOST, OPEN, WON


def test_who_knows_the_truth_loses_least():
    truth = np.array([0.1, 0.5, 0.9])
    assert loss(truth, truth) < loss(truth, truth + 0.05) < loss(truth, truth[::-1])
    assert np.isfinite(loss(np.array([1.0]), np.array([0.0])))


def test_rate_of_a_stage_is_its_share_of_wins_drawn_to_that_of_all():
    stage = np.array([0.0] * 10 + [1.0] * 10 + [1.0] * 5)
    kind = np.array([WON] * 10 + [LOST] * 10 + [OPEN] * 5)
    panel = SimpleNamespace(
        features=pd.DataFrame({"stage_code": stage}), outcomes=SimpleNamespace(kind=kind)
    )
    rates = stage_rates(panel, np.array([1.0, 0.0, 7.0]), 0)
    pulled = PSEUDO_ROWS * 0.5
    assert rates == pytest.approx([pulled / (10 + PSEUDO_ROWS), (10 + pulled) / 30, 0.5])


@pytest.mark.slow
def test_a_small_firm_is_judged_by_model_and_horizon():
    found, told = run(101, 900, dirty=False)
    assert told.partition(", tested ")[0] in {"table", "logistic", "blend", "full"}
    assert found[["model", "horizon"]].to_numpy().tolist() == [
        [model, horizon] for model in MODELS for horizon in HORIZONS
    ]
    assert (found["share"] < 1).all()
    assert np.isfinite(found[["share", "bias"]].to_numpy(float)).all()
