from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.moved_in import moved_deals, moved_in


def usual(seed=0, days=800, mean=3.0, shape=2.0):
    rng = np.random.default_rng(seed)
    return rng.poisson(rng.gamma(shape, mean / shape, days)).astype(float)


@pytest.mark.parametrize("mean", [0.1, 3.0, 40.0])
def test_days_of_a_firm_that_creates_its_deals_are_none(mean):
    for seed in range(20):
        assert not moved_in(usual(seed, mean=mean)).any()


@pytest.mark.parametrize("place", [0, 300, 799])
def test_the_day_of_an_import_is_found(place):
    created = usual()
    created[place] += 200
    assert moved_in(created).nonzero()[0].tolist() == [place]


def test_an_import_of_several_days_is_found_whole():
    created = usual()
    created[300:304] += 200
    assert moved_in(created).nonzero()[0].tolist() == [300, 301, 302, 303]


@pytest.mark.parametrize("every", [7, 30])
def test_lots_that_come_again_and_again_are_how_the_firm_works(every):
    created = np.zeros(800)
    created[::every] = 100
    assert not moved_in(created).any()


def test_a_steady_rise_is_no_import():
    assert not moved_in(np.round(np.exp(np.linspace(0, 6, 800)))).any()


def test_no_days_hold_none():
    assert moved_in(np.zeros(0)).tolist() == []


def test_before_the_import_nobody_knows_of_it(make_history):
    first = pd.Timestamp("2024-01-01T12:00", tz="UTC")
    moved = [first + pd.Timedelta("200D")] * 60
    created = [*(first + pd.Timedelta(days=day) for day in range(400)), *moved]
    history = make_history({"created": created, "closed": pd.NaT, "won": None})
    before, after = (
        int((first + pd.Timedelta(days=day)).as_unit("us").asm8.astype("int64"))
        for day in (200, 201)
    )
    assert not moved_deals(history, before).any()
    # What was created there on that day goes with the others.
    assert moved_deals(history, after).sum() == 61
