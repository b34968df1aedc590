from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.windows import DAY
from training.arrivals import fit_arrivals

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))
DAYS = 3 * 365


def firm_of(rate, seed=0, **columns):
    """Deals created at `rate` (deals a day, one number a day back from the cut), never closed."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(rate)
    back = np.repeat(np.arange(len(count)), count) + rng.random(count.sum())
    return pd.DataFrame(
        {
            "created": CUT - pd.to_timedelta(back, unit="D").round("s"),
            "closed": pd.NaT,
            "won": None,
        }
    ).assign(**columns)


def edges(*days):
    return np.array([MICROS + int(day * DAY) for day in days])


def test_steady_arrivals_are_expected_to_stay(make_history):
    found = fit_arrivals(make_history(firm_of(np.full(DAYS, 3.0))), MICROS)
    assert found.a_day(edges(0, 30, 90)) == pytest.approx(np.full(3, 3.0), rel=0.15)
    assert found.growth == pytest.approx(0, abs=0.08)
    assert 1 <= found.dispersion < 2


def test_known_growth_is_recovered(make_history):
    years_back = np.arange(DAYS) / 365.25
    history = make_history(firm_of(4.0 * np.exp(-0.4 * years_back)))
    found = fit_arrivals(history, MICROS)
    assert found.growth == pytest.approx(0.4, abs=0.1)
    assert found.a_day(edges(182))[0] == pytest.approx(4 * np.exp(0.2), rel=0.12)


def test_known_season_is_recovered(make_history):
    month = np.array([(CUT - pd.Timedelta(days=int(d) + 1)).month for d in range(DAYS)])
    history = make_history(firm_of(5.0 * np.exp(0.4 * np.sin(2 * np.pi * month / 12))))
    found = fit_arrivals(history, MICROS)
    wave = np.sin(2 * np.pi * np.arange(1, 13) / 12)
    assert np.corrcoef(found.season, wave)[0, 1] > 0.9
    assert found.season.max() - found.season.min() == pytest.approx(0.8, abs=0.25)


def test_history_of_a_year_is_taken_to_have_no_season(make_history):
    found = fit_arrivals(make_history(firm_of(np.full(360, 3.0))), MICROS)
    assert (found.season == 0).all()


def test_deals_known_after_the_cut_are_not_counted(make_history):
    deals = firm_of(np.full(400, 2.0))
    later = firm_of(np.full(100, 20.0)).assign(
        created=lambda frame: frame["created"] + pd.Timedelta("101D")
    )
    alone = fit_arrivals(make_history(deals), MICROS)
    both = fit_arrivals(make_history(pd.concat([deals, later], ignore_index=True)), MICROS)
    assert both.level == alone.level
    assert both.win_by_age.tolist() == alone.win_by_age.tolist()


def test_wins_of_new_deals_follow_from_their_number_and_their_chances(make_history):
    rng = np.random.default_rng(0)
    deals = firm_of(np.full(700, 6.0))
    closed = deals["created"] + pd.to_timedelta(rng.exponential(40, len(deals)), unit="D").round(
        "s"
    )
    deals = deals.assign(closed=closed.where(closed < CUT), won=rng.random(len(deals)) < 0.3)
    found = fit_arrivals(make_history(deals), MICROS)
    ages = np.arange(1, len(found.win_by_age) + 1) * 7
    known = ages < 200
    assert found.win_by_age[known] == pytest.approx(
        0.3 * (1 - np.exp(-ages[known] / 40)), abs=0.03
    )
    wins = found.wins_between(MICROS, edges(0, 30, 60, 90))
    day = np.arange(0, 90, 0.25)
    rate = 6.0 * 0.3 * (1 - np.exp(-day / 40))
    expected = rate.reshape(3, -1).mean(axis=1) * 30
    assert wins == pytest.approx(expected, rel=0.2)


def test_chances_by_age_never_fall_and_stay_below_one(history, cut):
    found = fit_arrivals(history, cut).win_by_age
    assert (np.diff(found) >= 0).all()
    assert 0 < found[-1] < 1


def test_first_period_counts_from_the_instant_asked(make_history):
    history = make_history(
        firm_of(np.full(500, 4.0))
        .assign(closed=lambda f: f["created"] + pd.Timedelta("1D"))
        .assign(won=True)
        .query("closed < @CUT")
    )
    found = fit_arrivals(history, MICROS)
    whole = found.wins_between(MICROS, edges(0, 60))
    parts = found.wins_between(MICROS, edges(-20, 20, 60))
    assert parts.sum() == pytest.approx(whole.sum())
    assert parts[0] < parts[1]


def test_empty_history_and_one_deal_give_finite_answers(make_history):
    for history in (
        History.of(Tables.empty()),
        make_history({"created": [CUT - pd.Timedelta("3h")], "closed": [pd.NaT], "won": [None]}),
    ):
        found = fit_arrivals(history, MICROS)
        wins = found.wins_between(MICROS, edges(0, 30, 60))
        assert np.isfinite(wins).all()
        assert (wins >= 0).all()
