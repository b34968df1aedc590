from __future__ import annotations

import numpy as np
import pytest

from training.averaging import USUAL_WEIGHT, averaged, learned_weight
from training.learners import expit


def asked(best, deals, seed=0):
    """Two parts and outcomes for which the first has a certain weight."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(-1, 1, (deals, 2))
    labels = (rng.random(deals) < expit(averaged(parts, best))).astype(float)
    return np.arange(deals), {28: parts}, {28: labels}


@pytest.mark.parametrize("best", [0.1, 0.8])
def test_weight_is_learned_where_many_deals_tell_it(best):
    assert learned_weight(*asked(best, 60_000), USUAL_WEIGHT) == pytest.approx(best, abs=0.04)


def test_few_deals_hardly_move_it():
    few, many = (learned_weight(*asked(0.8, deals), 0.2) for deals in (20, 20_000))
    assert 0.2 < few < 0.6 < many


def test_a_deal_told_often_counts_once():
    deal, parts, labels = asked(0.9, 200)
    often = [{28: each[28].repeat(50, axis=0)} for each in (parts, labels)]
    once = learned_weight(deal, parts, labels, USUAL_WEIGHT)
    assert learned_weight(deal.repeat(50), *often, USUAL_WEIGHT) == pytest.approx(once)


def test_weight_stays_between_none_and_all():
    deal, parts, labels = asked(0.5, 20_000)
    against = {28: np.stack([-parts[28][:, 1], parts[28][:, 1]], axis=1)}
    assert learned_weight(deal, against, {28: labels[28] * 0}, USUAL_WEIGHT) >= 0
    assert learned_weight(*asked(1.6, 60_000), USUAL_WEIGHT) == 1


def test_one_part_has_nothing_to_weigh():
    assert learned_weight(np.arange(3), {28: np.zeros((3, 1))}, {28: np.ones(3)}, 0.5) is None
