from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.training.drawn import staged
from training.learners import expit
from training.logistic import Logistic, even, row_sums


def test_basis_draws_a_line_that_is_not_straight():
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"age_days": rng.uniform(0, 100, 8000)})
    peak = expit(1 - np.abs(features["age_days"].to_numpy() - 50) / 12)
    every = np.ones(len(features), bool)
    learner = Logistic(l2=1.0)
    model = learner.fit(learner.prepare(features, every), peak, every)
    low, top, high = expit(model.logits(pd.DataFrame({"age_days": [5.0, 45.0, 95.0]})))
    assert top > 2 * max(low, high)


def test_missing_value_has_an_effect_of_its_own():
    rng = np.random.default_rng(0)
    amount = rng.normal(8, 1, 6000)
    amount[rng.random(6000) < 0.3] = np.nan
    features = pd.DataFrame({"log_amount": amount})
    target = np.where(np.isnan(amount), 0.05, 0.5)
    every = np.ones(6000, bool)
    learner = Logistic(l2=1.0)
    model = learner.fit(learner.prepare(features, every), target, every)
    p = expit(model.logits(pd.DataFrame({"log_amount": [np.nan, 8.0]})))
    assert p == pytest.approx([0.05, 0.5], abs=0.05)


def test_an_effect_that_turns_with_the_stage_is_found_with_slopes():
    features = staged(2, 1)
    turned = np.where(features["stage_code"] == 1, 1.0, -1.0) * features["number_0"]
    target = expit(turned.to_numpy())
    every = np.ones(len(features), bool)
    answers = []
    for slopes in (False, True):
        learner = Logistic(("stage_code",), 1.0, slopes=slopes)
        prepared = learner.prepare(features, every)
        answers.append(learner.answers(prepared, learner.fit(prepared, target, every)))
    assert abs(np.corrcoef(answers[0], turned)[0, 1]) < 0.2
    assert np.corrcoef(answers[1], turned)[0, 1] > 0.95


def test_without_belief_features_are_shrunk_further_apart():
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(0, 1, (4000, 6)), columns=list("abcdef"))
    target = (rng.random(4000) < expit(2 * features["a"].to_numpy())).astype(float)
    every = np.ones(len(features), bool)

    def apart(belief):
        learner = Logistic(l2=50.0, belief=belief)
        found = learner.fit(learner.prepare(features, every), target, every).shrinkage
        return found.max() / found.min()

    assert apart(0.1) > 2 * apart(10.0)


def test_a_neighbour_is_shrunk_as_the_first_target_was():
    features = staged(2, 3)
    target = expit(features["number_0"].to_numpy())
    every = np.ones(len(features), bool)
    learner = Logistic(("stage_code",), 60.0, slopes=True)
    prepared = learner.prepare(features, every)
    first = learner.fit(prepared, target, every)
    again = learner.fit(prepared, target[::-1].copy(), every, first)
    assert again.shrinkage is first.shrinkage
    fresh = learner.fit(prepared, target[::-1].copy(), every)
    assert not np.allclose(fresh.shrinkage, first.shrinkage)


@pytest.mark.parametrize("columns", [1, 7, 32, 1_147])
def test_a_row_adds_up_alike_alone_and_among_others(columns: int) -> None:
    rng = np.random.default_rng(columns)
    matrix, weights = rng.normal(size=(40, columns)), rng.normal(size=(3, columns))
    together = row_sums(even(matrix), even(weights))
    assert together.shape == (3, 40)
    for row in range(40):
        alone = row_sums(even(matrix[row : row + 1]), even(weights))
        np.testing.assert_array_equal(alone[:, 0], together[:, row])
        one = row_sums(even(matrix[row : row + 1]), even(weights[1]))
        assert one[0] == together[1, row]
