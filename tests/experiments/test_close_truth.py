from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.close_truth import (
    CLEAN,
    DIRTY,
    HORIZONS,
    MODELS,
    PSEUDO_ROWS,
    RATE,
    TRUTH,
    least_loss,
    loss,
    run,
    run_dirt_cost,
    shares,
    stage_rates,
)
from experiments.worlds import Kind
from features.history import LOST, OPEN, WON


def test_who_knows_the_truth_loses_least():
    truth = np.array([0.1, 0.5, 0.9])
    assert loss(truth, truth) < loss(truth, truth + 0.05) < loss(truth, truth[::-1])
    assert np.isfinite(loss(np.array([1.0]), np.array([0.0])))


def test_least_loss_is_that_of_the_chances_and_not_of_the_draws_that_told_them():
    chance, draws = 0.3, 50
    drawn = np.random.default_rng(1).binomial(draws, chance, 200_000) / draws
    true = loss(np.full(1, chance), np.full(1, chance))
    assert least_loss(drawn, draws) / len(drawn) == pytest.approx(true, abs=3e-4)
    assert loss(drawn, drawn) / len(drawn) < true - 0.008
    assert least_loss(np.array([0.0, 1.0]), draws) == pytest.approx(0, abs=1e-4)


def test_share_is_nought_for_the_rate_and_one_for_the_truth():
    truth = np.tile(np.linspace(0.05, 0.95, 200), len(HORIZONS))
    answers = pd.DataFrame({"horizon": np.repeat(HORIZONS, 200), TRUTH: truth, RATE: 0.5})
    answers = answers.assign(knows=truth, rate=0.5, between=(truth + 0.5) / 2)
    found = shares(answers, ("knows", "rate", "between"))
    by_model = found.groupby("model")["share"].mean()
    assert by_model["rate"] == pytest.approx(0)
    assert by_model["knows"] == pytest.approx(1, abs=0.02)
    assert 0.5 < by_model["between"] < 0.95
    assert found["bias"].abs().max() < 1e-9


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
@pytest.mark.parametrize("kind", [Kind.PLAIN, Kind.OTHER])
def test_a_small_firm_is_judged_by_model_and_horizon(kind):
    found, told = run(kind, 101, 900, dirty=False)
    assert told.partition(", tested ")[0] in {"table", "logistic", "blend", "full"}
    assert found[["model", "horizon"]].to_numpy().tolist() == [
        [model, horizon] for model in MODELS for horizon in HORIZONS
    ]
    assert (found["share"] < 1).all()
    assert np.isfinite(found[["share", "bias"]].to_numpy(float)).all()


@pytest.mark.slow
def test_clean_and_dirty_exports_are_asked_about_the_same_deals():
    found, told = run_dirt_cost(Kind.PLAIN, 101, 900)
    assert found["model"].unique().tolist() == [CLEAN, DIRTY]
    share = found.set_index(["model", "horizon"])["share"]
    assert share[CLEAN, 30] != share[DIRTY, 30]
    assert " answers in both; " in told
