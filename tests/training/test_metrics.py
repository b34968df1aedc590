from __future__ import annotations

import numpy as np
import pytest

from training.metrics import auc, auc_within, log_loss, paired, wape


def test_log_loss_is_the_cross_entropy_in_nats_and_finite_at_the_ends():
    labels, p = np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.25, 0.0])
    loss = log_loss(labels, p)
    assert loss[:2] == pytest.approx([np.log(2), -np.log(0.75)])
    assert np.isfinite(loss).all()


def test_auc_of_one_kind_alone_is_not_known():
    assert np.isnan(auc(np.ones(3), np.arange(3.0)))
    assert auc(np.array([0.0, 1.0]), np.array([0.2, 0.3])) == 1.0


def test_auc_within_days_gives_nothing_for_knowing_the_day():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(40), 50)
    busy = day % 2 == 0
    labels = (rng.random(2000) < np.where(busy, 0.6, 0.1)).astype(float)
    p = np.where(busy, 0.6, 0.1)
    assert auc(labels, p) > 0.7
    assert auc_within(day, labels, p) == 0.5


def test_auc_within_is_the_mean_over_days_by_their_pairs():
    day = np.array([0, 0, 1, 1, 1])
    labels = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    p = np.array([0.9, 0.1, 0.2, 0.3, 0.4])
    assert auc_within(day, labels, p) == pytest.approx((1 * 1 + 2 * 0) / 3)


def test_auc_within_days_that_compare_nothing_is_not_known():
    assert np.isnan(auc_within(np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.1, 0.9])))


def test_paired_counts_deals_and_not_their_rows():
    deal = np.array([7, 7, 7, 9])
    gain = np.array([0.0, 0.1, 0.2, 0.5])
    found = paired(deal, gain)
    assert found.deals == 2
    assert found.mean == pytest.approx(0.2)
    repeated = paired(np.repeat(deal, 9), np.repeat(gain, 9))
    assert repeated.mean == pytest.approx(found.mean)
    assert repeated.standard_error == pytest.approx(found.standard_error)


def test_standard_error_of_one_row_a_deal_is_that_of_a_mean():
    gain = np.array([0.1, 0.4, 0.0, 0.3])
    error = np.std(gain, ddof=1) / np.sqrt(4)
    assert paired(np.arange(4), gain).standard_error == pytest.approx(error)


def test_standard_error_tells_how_far_the_mean_wanders_from_one_firm_to_the_next():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        rows = rng.integers(1, 9, 200)
        deal = np.repeat(np.arange(200), rows)
        found.append(paired(deal, rng.normal(0, 1, 200)[deal] + rng.normal(0, 0.3, len(deal))))
    wandered = np.std([each.mean for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(wandered, rel=0.15)


def test_gain_is_better_only_above_one_standard_error():
    assert paired(np.arange(4), np.array([0.9, 1.0, 1.1, 1.0])).better
    assert not paired(np.arange(4), np.array([-3.0, 3.0, 0.2, 0.0])).better


def test_gain_of_one_deal_or_none_is_never_better():
    assert not paired(np.array([1]), np.array([5.0])).better
    assert not paired(np.zeros(0, int), np.zeros(0)).better


def test_wape_is_the_error_over_the_whole():
    assert wape(np.array([100.0, 300.0]), np.array([150.0, 250.0])) == pytest.approx(0.25)
    assert np.isnan(wape(np.zeros(2), np.ones(2)))
