from __future__ import annotations

import numpy as np
import pytest

from features.windows import DAY
from training.learners import expit
from training.reliability import (
    Answers,
    calibration_slope,
    draws,
    error_of_sum,
    observed_over_expected,
    perfect_error,
    reliability_curve,
    smooth_calibration_error,
)


def world(deals=800, rows=6, seed=0, slope=1.0, shift=0.0):
    """Deals whose rows share a fate, and answers that are true where slope is 1 and shift 0."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 1.3, deals).repeat(rows) + rng.normal(0, 0.2, deals * rows)
    deal = np.arange(deals).repeat(rows)
    labels = (rng.random(deals)[deal] < expit(true)).astype(float)
    time = np.tile(np.arange(rows) * 7 * DAY, deals)
    return Answers.of(expit(slope * true + shift), labels, deal, time, 90)


def test_smooth_error_of_a_constant_answer_is_how_far_it_is_off():
    labels = (np.arange(1000) % 10 < 3).astype(float)
    assert smooth_calibration_error(np.full(1000, 0.5), labels) == pytest.approx(0.2, abs=0.002)
    assert smooth_calibration_error(np.full(1000, 0.3), labels) < 0.005
    assert np.isnan(smooth_calibration_error(np.zeros(0), np.zeros(0)))


def test_smooth_error_is_no_more_than_the_mean_error_and_has_no_bin_edges():
    found = world(slope=1.6)
    errors = [
        smooth_calibration_error(np.clip(found.p + step, 0, 1), found.labels)
        for step in (0, 0.001, 0.002)
    ]
    assert np.ptp(errors) < 0.004
    assert max(errors) <= np.abs(found.labels - found.p).mean()


def test_rows_of_a_block_stand_and_fall_together():
    answers = Answers.of(
        np.full(4, 0.5), np.zeros(4), np.array([0, 0, 0, 1]), np.array([0, 1, 40, 0]) * DAY, 30
    )
    assert answers.block[0] == answers.block[1]
    assert len(np.unique(answers.block)) == 3
    for labels in draws(answers, 50):
        assert labels[0] == labels[1]


def test_worlds_win_as_often_as_was_said():
    found = world()
    shares = [labels.mean() for labels in draws(found, 100)]
    assert np.mean(shares) == pytest.approx(found.p.mean(), abs=0.01)
    assert np.ptp(shares) > 0.01


def test_a_perfect_model_exceeds_its_band_about_once_in_twenty():
    over = 0
    for seed in range(40):
        found = world(deals=300, seed=seed)
        error = smooth_calibration_error(found.p, found.labels)
        over += error > perfect_error(found, 60)
    assert 0 <= over <= 7


@pytest.mark.parametrize(("slope", "shift"), [(1.8, 0), (0.5, 0), (1, 0.6)])
def test_a_wrong_model_leaves_the_band(slope, shift):
    found = world(deals=3000, slope=slope, shift=shift)
    assert smooth_calibration_error(found.p, found.labels) > perfect_error(found, 60)


def test_the_band_narrows_with_deals_and_not_with_rows():
    few, more_rows, more_deals = world(300), world(300, rows=24), world(2400)
    assert perfect_error(more_deals, 60) < 0.6 * perfect_error(few, 60)
    assert perfect_error(more_rows, 60) == pytest.approx(perfect_error(few, 60), rel=0.5)


def test_curve_of_a_true_model_follows_the_diagonal_within_its_band():
    curve = reliability_curve(world(deals=4000), 100)
    inside = (curve.observed >= curve.low) & (curve.observed <= curve.high)
    assert inside.mean() > 0.7
    assert (curve.low <= curve.high).all()
    assert (np.diff(curve.predicted) > 0).all()


def test_curve_of_an_overconfident_model_leaves_its_band():
    curve = reliability_curve(world(deals=4000, slope=2), 100)
    inside = (curve.observed >= curve.low) & (curve.observed <= curve.high)
    assert inside.mean() < 0.5


def test_slope_tells_by_how_much_answers_are_too_far_apart():
    for factor in (0.5, 1.0, 2.0):
        found = calibration_slope(world(deals=4000, slope=factor))
        assert found.value == pytest.approx(1 / factor, abs=4 * found.standard_error)
        assert found.standard_error < 0.1


def test_no_slope_where_there_is_nothing_to_tell_it_from():
    found = world()
    flat = Answers(np.full(len(found.p), 0.4), found.labels, found.deal, found.block)
    lost = Answers(found.p, np.zeros(len(found.p)), found.deal, found.block)
    assert np.isnan(calibration_slope(flat).value)
    assert np.isnan(calibration_slope(lost).value)


def test_interval_of_observed_over_expected_holds_one_for_a_true_model():
    off = sum(observed_over_expected(world(deals=300, seed=seed)).off for seed in range(60))
    assert off <= 8
    assert observed_over_expected(world(deals=3000, shift=0.8)).off


def test_interval_is_as_wide_with_repeated_rows_as_without():
    found = world(rows=1)
    again = Answers(
        *(np.tile(part, 5) for part in (found.p, found.labels, found.deal, found.block))
    )
    one, two = observed_over_expected(found), observed_over_expected(again)
    assert (two.value, two.low) == pytest.approx((one.value, one.low))


def test_no_win_among_few_expected_is_no_proof():
    answers = Answers(np.full(20, 0.05), np.zeros(20), np.arange(20), np.arange(20))
    found = observed_over_expected(answers)
    assert found.value == 0
    assert found.high > 1
    assert np.isnan(
        observed_over_expected(Answers(*[np.zeros(0)] * 2, *[np.zeros(0, int)] * 2)).value
    )


def test_error_of_a_sum_counts_deals():
    values = np.array([1.0, 1.0, -1.0, -1.0])
    assert error_of_sum(np.array([0, 0, 1, 1]), values) == pytest.approx(np.sqrt(8))
    assert error_of_sum(np.arange(4), values) == pytest.approx(2)
