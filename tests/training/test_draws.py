from __future__ import annotations

import numpy as np
import pytest

from training.draws import (
    PLACES,
    Past,
    Wins,
    cumulative_hazards,
    draw_new,
    draw_open,
    sum_up,
)

PATHS, PERIODS = 4000, 6


def moved(kind, seed=0):
    """Factors: none, one a quarter (three periods), or one a period."""
    if kind == "none":
        return np.ones((PATHS, PERIODS))
    count = 2 if kind == "quarter" else PERIODS
    factors = np.exp(np.random.default_rng(seed).normal(0, 0.3, (PATHS, count)))
    return factors.repeat(PERIODS // count, axis=1)


@pytest.mark.parametrize("kind", ["none", "quarter", "period"])
def test_deals_are_won_as_often_in_each_period_as_their_moved_hazards_say(kind):
    won_by = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.0, 0.9, 0.9, 0.9, 0.95, 1.0]])
    factor = moved(kind)
    deal, cell = draw_open(np.random.default_rng(1), cumulative_hazards(won_by), factor)
    path, period = np.divmod(cell, PERIODS)
    assert len(np.unique(deal * PATHS + path)) == len(deal)
    hazard = np.diff(-np.log(1 - np.clip(won_by, 0, 1 - 1e-9)), axis=1, prepend=0)
    for k in range(2):
        gone = np.cumsum(factor * hazard[k], axis=1)
        expected = np.diff(1 - np.exp(-gone), axis=1, prepend=0).mean(axis=0)
        found = np.bincount(period[deal == k], minlength=PERIODS) / PATHS
        assert np.abs(found - expected).max() < 4 * 0.5 / np.sqrt(PATHS)


def test_factors_alike_or_not_give_the_same_draws():
    won_by = np.sort(np.random.default_rng(0).random((50, PERIODS)), axis=1)
    upto = cumulative_hazards(won_by)
    same = np.ones((PATHS, PERIODS))
    nearly = same + np.arange(PERIODS) * 1e-12
    one, two = (
        sorted(zip(*draw_open(np.random.default_rng(3), upto, each), strict=True))
        for each in (same, nearly.astype(float))
    )
    assert one == two


def test_chance_that_falls_is_taken_as_one_that_stays():
    upto = cumulative_hazards(np.array([[0.5, 0.4, 0.6]]))
    assert (np.diff(upto[:, 0]) >= 0).all()


def test_past_wins_are_drawn_by_their_weight_in_each_period():
    weights = np.array([[1.0, 1.0, 2.0], [0.0, 1.0, 0.0]])
    past = Past.of(np.array([10.0, 20.0, 30.0]), weights, 2)
    shares = [np.bincount(row, minlength=3) / PLACES for row in past.win]
    assert shares[0] == pytest.approx([0.25, 0.25, 0.5], abs=1e-4)
    assert shares[1].tolist() == [0.0, 1.0, 0.0]
    assert (past.amount == np.array([10.0, 20.0, 30.0])[past.win]).all()


@pytest.mark.parametrize("dispersion", [1.0, 3.0])
def test_new_wins_have_the_mean_and_the_spread_that_is_asked(dispersion):
    past = Past.of(np.array([2.0, 4.0]), None, PERIODS)
    wins = np.arange(PERIODS, dtype=float)
    found = draw_new(np.random.default_rng(0), wins, dispersion, past, moved("none"))
    assert found.number.mean(axis=1) == pytest.approx(wins, rel=0.1)
    assert found.number[5].var() == pytest.approx(5 * dispersion, rel=0.15)
    assert found.amount.mean() == pytest.approx(3.0, rel=0.02)


def test_sums_are_those_of_every_single_win():
    rng = np.random.default_rng(0)
    past, wins = Past.of(rng.random(30), None, PERIODS), np.full(PERIODS, 3.0)
    found = draw_new(rng, wins, 1.0, past, np.ones((40, PERIODS)))
    period, path = np.divmod(np.arange(PERIODS * 40), 40)
    cell = (path * PERIODS + period).repeat(found.number.ravel())
    plain = Wins(cell, found.deal, found.amount)
    for members in (1, 5):
        code, shape = np.arange(30) % members, (40, PERIODS, members)
        expected = np.zeros(shape)
        index = np.divmod(cell, PERIODS)
        np.add.at(expected, (*index, code[found.deal]), found.amount)
        for each in (found, plain):
            assert sum_up(each, shape, code) == pytest.approx(expected)


def test_without_a_past_win_or_an_open_deal_nothing_is_won():
    rng = np.random.default_rng(0)
    none = draw_new(rng, np.ones(PERIODS), 2.0, Past.of(np.zeros(0), None, PERIODS), moved("none"))
    assert none.number.sum() == 0
    assert not sum_up(none, (PATHS, PERIODS, 1), np.zeros(0, int)).any()
    deal, cell = draw_open(rng, cumulative_hazards(np.zeros((0, PERIODS))), moved("quarter"))
    assert len(deal) == len(cell) == 0
