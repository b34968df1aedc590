from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from training.learners import expit
from training.logistic import MOST_SLOPES, Logistic, learn_basis, newton_logistic


def problem(count=3000, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 1, (count, columns)).astype(np.float32)
    p = expit(-0.7 + matrix @ np.linspace(-1, 1, columns))
    return matrix, p, (rng.random(count) < p).astype(float)


@pytest.mark.parametrize("l2", [0.5, 30.0, 1000.0])
def test_newton_agrees_with_scikit_learn_on_hard_labels(l2):
    matrix, _, labels = problem()
    intercept, coefficients = newton_logistic(matrix, labels, l2, steps=30)
    other = LogisticRegression(C=1 / l2, tol=1e-8, max_iter=1000).fit(matrix, labels)
    assert intercept == pytest.approx(other.intercept_[0], abs=1e-3)
    assert coefficients == pytest.approx(other.coef_[0], abs=1e-3)


def test_newton_finds_the_coefficients_behind_fractional_targets():
    matrix, p, _ = problem()
    intercept, coefficients = newton_logistic(matrix, p, 1e-3, steps=30)
    assert intercept == pytest.approx(-0.7, abs=0.01)
    assert coefficients == pytest.approx(np.linspace(-1, 1, 6), abs=0.01)


def test_newton_arrives_at_the_same_place_from_anywhere():
    matrix, _, labels = problem()
    cold = newton_logistic(matrix, labels, 10.0, steps=40)
    warm = newton_logistic(matrix, labels, 10.0, start=np.full(7, 2.0), steps=40)
    assert np.append(warm[0], warm[1]) == pytest.approx(np.append(cold[0], cold[1]), abs=2e-3)


def test_start_is_not_changed():
    matrix, _, labels = problem(count=200)
    start = np.zeros(7)
    newton_logistic(matrix, labels, 10.0, start)
    assert (start == 0).all()


def test_separable_labels_stay_finite():
    matrix = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
    intercept, coefficients = newton_logistic(matrix, (matrix[:, 0] > 0).astype(float), 1e-2)
    assert np.isfinite([intercept, *coefficients]).all()


def test_no_rows_give_an_even_chance():
    intercept, coefficients = newton_logistic(np.zeros((0, 2), np.float32), np.zeros(0), 1.0)
    assert intercept == pytest.approx(0.0)
    assert coefficients.tolist() == [0.0, 0.0]


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


def test_column_that_never_varies_has_no_part_in_the_basis():
    features = pd.DataFrame(
        {"age_days": np.arange(100.0), "same": np.ones(100), "empty": np.full(100, np.nan)}
    )
    assert learn_basis(features, ()).features == ("age_days",)
    assert learn_basis(features.assign(code=1.0), ("code",)).features == ("age_days",)


def test_infinite_values_do_not_spoil_the_basis():
    features = pd.DataFrame({"age_days": [*np.arange(100.0), np.inf]})
    basis = learn_basis(features, ())
    assert np.isfinite(basis.mean).all()
    assert np.isfinite(basis.columns(features)[0]).all()


def staged(stages, numbers, count=4000):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(0, 1, (count, numbers))).add_prefix("number_")
    return frame.assign(
        stage_code=rng.integers(0, stages, count).astype(float), age_days=1.0 * rng.random(count)
    )


def test_with_slopes_every_number_has_a_slope_by_stage():
    features = staged(3, 4)
    plain = learn_basis(features, ("stage_code",))
    rich = learn_basis(features, ("stage_code",), slopes=True)
    assert plain.by_stage == ("age_days",)
    assert rich.by_stage == ("age_days", *(f"number_{n}" for n in range(4)))


def test_slopes_by_stage_are_bounded_where_stages_are_many():
    rich = learn_basis(staged(40, 30), ("stage_code",), slopes=True)
    assert rich.by_stage[0] == "age_days"
    assert len(rich.by_stage) * len(rich.stages) <= MOST_SLOPES


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
