from __future__ import annotations

import numpy as np
import pytest

from features.windows import DAY
from training.calibration import (
    calibrate,
    deal_weights,
    fit_calibration,
    level_offset,
    monthly_offset,
    observed_expected,
)
from training.learners import expit


def world(count, slope=1.0, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.2, count)
    labels = (rng.random(count) < expit(offset + slope * logits)).astype(float)
    return logits, labels, np.ones(count)


def fitted(logits, labels, weights, months=24):
    """Fit rows that are spread evenly over months."""
    time = np.arange(len(logits)) % months * 28 * DAY
    return fit_calibration(logits, labels, weights, time)


def test_without_data_nothing_is_changed():
    assert fitted(np.zeros(0), np.zeros(0), np.zeros(0)) == (1.0, 0.0)


@pytest.mark.parametrize("labels", [0.0, 1.0])
def test_few_deals_hardly_move_the_identity(labels):
    slope, offset = fitted(np.array([-1.0, -2.0, 0.5]), np.full(3, labels), np.ones(3))
    assert slope == pytest.approx(1.0, abs=0.2)
    assert offset == pytest.approx(0.0, abs=0.25)


def test_calibrated_predictions_stay_as_they_are():
    slope, offset = fitted(*world(20_000))
    assert slope == pytest.approx(1.0, abs=0.05)
    assert offset == pytest.approx(0.0, abs=0.07)


@pytest.mark.parametrize(("slope", "offset"), [(0.6, -0.4), (0.8, 0.0), (0.9, 0.3)])
def test_too_steep_is_flattened_by_many_deals(slope, offset):
    found = fitted(*world(40_000, slope, offset), months=400)
    assert found == pytest.approx((slope, offset), abs=0.07)


def test_models_of_a_smaller_past_that_were_too_flat_make_nothing_steeper():
    assert fitted(*world(40_000, 1.4))[0] == 1.0


def test_what_all_months_have_in_common_moves_the_offset():
    logits, labels, weights = world(40_000, 1.0, 0.3)
    assert fitted(logits, labels, weights, months=200)[1] == pytest.approx(0.3, abs=0.06)


def test_one_good_month_of_many_deals_moves_the_offset_little():
    logits, labels, weights = world(40_000)
    time = np.arange(40_000) % 8 * 28 * DAY
    lucky = time == 0
    again = world(40_000, 1.0, 1.0)[1]
    labels = np.where(lucky, again, labels)
    assert observed_expected(expit(logits), labels, weights) > 1.05
    assert 0 < monthly_offset(logits, labels, weights, time) < 0.05


def test_deals_of_one_month_alone_are_hardly_believed():
    logits, labels, weights = world(40_000, 1.0, 0.5)
    assert 0 < monthly_offset(logits, labels, weights, np.zeros(40_000, np.int64)) < 0.05


def test_order_of_deals_is_kept_even_where_the_labels_are_upside_down():
    logits, labels, weights = world(5000)
    slope, offset = fitted(logits, 1 - labels, weights)
    assert slope > 0
    p = calibrate(np.sort(logits), slope, offset)
    assert (np.diff(p) > 0).all()


def test_every_row_weighs_alike_and_all_together_as_many_as_there_are_deals():
    weights = deal_weights(np.array([3, 3, 3, 8, 1, 1]))
    assert weights.tolist() == pytest.approx([0.5] * 6)
    assert len(deal_weights(np.zeros(0, np.int64))) == 0


def test_repeating_every_row_changes_nothing():
    logits, labels, _ = world(400)
    deal = np.arange(400)
    again = np.tile(deal, 8)
    once = fitted(logits, labels, deal_weights(deal))
    often = fitted(logits[again], labels[again], deal_weights(again))
    assert often == pytest.approx(once, abs=1e-3)


def test_deals_that_are_won_soon_do_not_tilt_the_calibration():
    # Weekly rows of deals that are won in any week with the same chance: the rows of those won
    # soon are few, and must weigh no more than the many of those that stay open.
    rng = np.random.default_rng(0)
    chance, weeks = 0.2, 8
    lived = np.minimum(rng.geometric(chance, 3000), weeks)
    deal = np.repeat(np.arange(3000), lived)
    left = lived[deal] - (np.arange(len(deal)) - np.repeat(np.cumsum(lived) - lived, lived))
    labels = ((left == 1) & (lived[deal] < weeks)).astype(float)
    logits = np.full(len(deal), np.log(chance / (1 - chance)))
    inside = np.arange(len(deal)) - np.repeat(np.cumsum(lived) - lived, lived) < weeks - 1
    deal, labels, logits = deal[inside], labels[inside], logits[inside]
    weights = deal_weights(deal)
    assert observed_expected(expit(logits), labels, weights) == pytest.approx(1, abs=0.05)
    assert fitted(logits, labels, weights) == pytest.approx((1, 0), abs=0.05)


def test_observed_over_expected_is_one_where_calibrated():
    logits, labels, weights = world(50_000)
    assert observed_expected(expit(logits), labels, weights) == pytest.approx(1.0, abs=0.03)
    assert observed_expected(expit(logits) / 2, labels, weights) == pytest.approx(2.0, abs=0.06)


def test_observed_over_an_expectation_of_nothing_is_not_known():
    assert np.isnan(observed_expected(np.zeros(3), np.zeros(3), np.ones(3)))


@pytest.mark.parametrize("slope", [0.4, 0.8, 0.95])
def test_a_flatter_map_expects_as_many_wins_as_the_one_it_flattens(slope):
    logits, _, _ = world(4000)
    rare, weights = logits - 3, deal_weights(np.arange(4000))
    p = calibrate(rare, slope, level_offset(rare, slope, weights))
    assert p.sum() == pytest.approx(expit(rare).sum(), rel=1e-4)
    middle = rare.mean() * (1 - slope)
    assert calibrate(rare, slope, middle).sum() < 0.995 * expit(rare).sum()
