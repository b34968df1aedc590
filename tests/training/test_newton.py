from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from training.learners import expit
from training.newton import MOST_APART, learned_shrinkage, newton_logistic


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


def test_each_column_can_have_a_penalty_of_its_own():
    matrix, _, labels = problem()
    _, alike = newton_logistic(matrix, labels, np.full(6, 30.0))
    _, told = newton_logistic(matrix, labels, np.array([30.0, 30, 30, 30, 30, 1e6]))
    assert alike == pytest.approx(newton_logistic(matrix, labels, 30.0)[1])
    assert abs(told[5]) < 0.01 < abs(alike[5])


def told_by_one_group(count=6000, groups=12, each=4):
    """Group 0 tells much, the others nothing."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(0, 1, (count, groups * each)).astype(np.float32)
    p = expit(-1 + matrix[:, :each] @ np.array([1.0, -0.8, 0.6, -0.4]))
    group = np.repeat(np.arange(groups), each)
    return matrix, p, (rng.random(count) < p).astype(float), group


def test_groups_that_tell_nothing_are_shrunk_more_than_the_one_that_does():
    matrix, _, labels, group = told_by_one_group()
    factor, _ = learned_shrinkage(matrix, labels, 100.0, group, np.ones(len(matrix), bool))
    assert factor[0] < 0.2
    assert (factor[1:] > 5 * factor[0]).all()
    assert (factor <= MOST_APART).all()


def test_the_less_belief_the_more_groups_differ():
    matrix, _, labels, group = told_by_one_group()
    every = np.ones(len(matrix), bool)
    apart = []
    for belief in (100.0, 1.0, 0.1):
        factor, _ = learned_shrinkage(matrix, labels, 100.0, group, every, belief)
        apart.append(factor[1:].mean() / factor[0])
    assert 1 < apart[0] < apart[1] < apart[2]


def test_learned_shrinkage_comes_nearer_to_the_truth():
    matrix, p, labels, group = told_by_one_group()
    every = np.ones(len(matrix), bool)
    factor, _ = learned_shrinkage(matrix, labels, 600.0, group, every)
    errors = []
    for penalty in (600.0, 600.0 * factor[group]):
        intercept, coefficients = newton_logistic(matrix, labels, penalty)
        errors.append(np.abs(expit(intercept + matrix @ coefficients) - p).mean())
    assert errors[1] < 0.8 * errors[0]


def test_rows_that_repeat_each_other_count_once():
    matrix, _, labels, group = told_by_one_group()
    once, _ = learned_shrinkage(matrix, labels, 100.0, group, np.ones(len(matrix), bool))
    first = np.arange(4 * len(matrix)) % 4 == 0
    again, _ = learned_shrinkage(
        np.repeat(matrix, 4, axis=0), np.repeat(labels, 4), 100.0, group, first
    )
    assert again == pytest.approx(once, rel=0.02)


def test_no_rows_leave_every_group_as_it_is():
    matrix = np.zeros((0, 4), np.float32)
    factor, beta = learned_shrinkage(
        matrix, np.zeros(0), 10.0, np.array([0, 0, 1, 1]), np.zeros(0, bool)
    )
    assert factor == pytest.approx(1.0)
    assert beta == pytest.approx(0.0)
