from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.windows import DAY
from tests.training.drawn import dated_back, entered_late
from training.arrivals import PSEUDO_ENTERED, _entered, fit_arrivals

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
    found = fit_arrivals(make_history(firm_of(np.full(DAYS, 3.0))), MICROS).created
    week = found.rate(edges(*range(28)))
    assert week.mean() == pytest.approx(3.0, rel=0.15)
    assert found.growth == pytest.approx(0, abs=0.08)
    assert 1 <= found.dispersion < 1.3


def test_known_growth_is_recovered(make_history):
    years_back = np.arange(DAYS) / 365.25
    history = make_history(firm_of(4.0 * np.exp(-0.4 * years_back)))
    found = fit_arrivals(history, MICROS).created
    assert found.growth == pytest.approx(0.4, abs=0.12)
    ahead = found.rate(edges(*range(175, 189))).mean()
    assert ahead == pytest.approx(4 * np.exp(0.2), rel=0.12)


def test_deals_known_after_the_cut_are_not_counted(make_history):
    deals = firm_of(np.full(400, 2.0))
    later = firm_of(np.full(100, 20.0)).assign(
        created=lambda frame: frame["created"] + pd.Timedelta("101D")
    )
    alone = fit_arrivals(make_history(deals), MICROS)
    both = fit_arrivals(make_history(pd.concat([deals, later], ignore_index=True)), MICROS)
    assert both.created.level == alone.created.level
    assert both.kernels.tolist() == alone.kernels.tolist()


def test_wins_of_new_deals_follow_from_their_number_and_their_chances(make_history):
    rng = np.random.default_rng(0)
    deals = firm_of(np.full(700, 6.0))
    closed = deals["created"] + pd.to_timedelta(rng.exponential(40, len(deals)), unit="D").round(
        "s"
    )
    deals = deals.assign(closed=closed.where(closed < CUT), won=rng.random(len(deals)) < 0.3)
    found = fit_arrivals(make_history(deals), MICROS)
    ages = np.arange(1, 200)
    usual = found.won.rate(edges(*range(-365, 0))).mean()
    by_age = np.cumsum(found.kernels[0])[:199] * usual
    assert by_age == pytest.approx(0.3 * (1 - np.exp(-ages / 40)), abs=0.03)
    wins = found.wins_between(MICROS, edges(0, 30, 60, 90)).sum(axis=0)
    day = np.arange(0, 90, 0.25)
    rate = 6.0 * 0.3 * (1 - np.exp(-day / 40))
    expected = rate.reshape(3, -1).mean(axis=1) * 30
    assert wins == pytest.approx(expected, rel=0.2)


def test_first_period_counts_from_the_instant_asked(make_history):
    history = make_history(
        firm_of(np.full(500, 4.0))
        .assign(closed=lambda f: f["created"] + pd.Timedelta("1D"))
        .assign(won=True)
        .query("closed < @CUT")
    )
    found = fit_arrivals(history, MICROS)
    whole = found.wins_between(MICROS, edges(0, 60))
    parts = found.wins_between(MICROS, edges(-20, 20, 60))[0]
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


def test_ramp_up_is_not_taken_for_growth(make_history):
    days = 330
    history = make_history(firm_of(12.0 * np.exp(-2.4 * np.arange(days) / days)))
    found = fit_arrivals(history, MICROS).created
    now, later = (found.rate(edges(*range(k, k + 28))).mean() for k in (0, 182))
    assert now == pytest.approx(12, rel=0.25)
    # Growth that went on would multiply the rate by more than three.
    assert later < 1.5 * now


def test_pipelines_win_at_their_own_pace(make_history):
    rng = np.random.default_rng(0)
    deals = firm_of(np.full(900, 4.0))
    slow = rng.random(len(deals)) < 0.5
    wait = rng.exponential(np.where(slow, 150, 15), len(deals))
    closed = deals["created"] + pd.to_timedelta(wait, unit="D").round("s")
    deals = deals.assign(
        closed=closed.where(closed < CUT),
        won=rng.random(len(deals)) < 0.3,
        pipeline=np.where(slow, "slow", "quick"),
    )
    found = fit_arrivals(make_history(deals), MICROS)
    assert len(found.kernels) == 2
    assert found.shares == pytest.approx([0.5, 0.5], abs=0.05)
    soon = found.kernels[:, :30].sum(axis=1) / found.kernels[:, :400].sum(axis=1)
    assert soon.max() > 0.7
    assert soon.min() < 0.35


def test_a_small_pipeline_shares_the_life_of_the_firm(make_history):
    deals = firm_of(np.full(600, 3.0))
    deals = deals.assign(pipeline=np.where(np.arange(len(deals)) % 40 == 0, "rare", "usual"))
    found = fit_arrivals(make_history(deals), MICROS)
    assert len(found.kernels) == 2
    assert found.shares.min() == pytest.approx(1 / 40, rel=0.3)


def test_deals_lost_before_are_foreseen_to_be_won_again(history, cut):
    again = fit_arrivals(history, cut).again
    assert (again >= 0).all()
    assert again[:6].sum() > 0
    assert again[:3].sum() > again[-3:].sum()


def with_an_import(deals, share=0.5, back=400):
    """The same firm, of which a share was moved in on one day, closed deals among it."""
    rng = np.random.default_rng(1)
    day = CUT - pd.Timedelta(days=back) + pd.Timedelta("9h")
    late = (rng.random(len(deals)) < share) & (deals["created"] < day)
    closed = deals["closed"].where(~late | (deals["closed"] > day), day + pd.Timedelta("1min"))
    closed = closed.where(deals["closed"].notna())
    return deals.assign(created=deals["created"].where(~late, day), closed=closed)


def closing(deals):
    rng = np.random.default_rng(0)
    wait = pd.to_timedelta(rng.exponential(40, len(deals)), unit="D").round("s")
    closed = deals["created"] + wait
    return deals.assign(closed=closed.where(closed < CUT), won=rng.random(len(deals)) < 0.3)


def test_deals_moved_in_in_one_day_are_neither_arrivals_nor_quick_wins(make_history):
    deals = closing(firm_of(np.full(DAYS, 4.0)))
    usual = fit_arrivals(make_history(deals), MICROS)
    found = fit_arrivals(make_history(with_an_import(deals)), MICROS)
    ahead = edges(0, 90, 180)
    assert found.wins_between(MICROS, ahead).sum() == pytest.approx(
        usual.wins_between(MICROS, ahead).sum(), rel=0.12
    )
    assert found.created.growth == pytest.approx(0, abs=0.12)
    assert found.created.dispersion < 1.3
    assert found.kernels[0, :3].sum() < 1.3 * usual.kernels[0, :3].sum()


def test_closings_dated_back_change_neither_kernel_nor_level(make_history):
    usual = make_history(closing(firm_of(np.full(DAYS, 4.0))))
    back = dated_back(usual, 0.5, 30)
    stated = back.closings.values["happened"]
    assert (stated < usual.closings.values["happened"]).mean() == pytest.approx(0.5, abs=0.05)
    found, right = fit_arrivals(back, MICROS), fit_arrivals(usual, MICROS)
    assert found.kernels == pytest.approx(right.kernels)
    assert found.won.level == pytest.approx(right.won.level)


def test_wins_that_are_not_entered_yet_are_no_fall_of_the_rate(make_history):
    usual = make_history(closing(firm_of(np.full(DAYS, 12.0))))
    late = entered_late(usual, 0.6, 40)
    right = fit_arrivals(usual, MICROS).wins_within(90)
    assert fit_arrivals(late, MICROS).wins_within(90) == pytest.approx(right, rel=0.01)


def test_share_entered_is_told_by_closings_of_long_ago():
    at = MICROS + np.arange(-80, 0) * DAY
    happened = MICROS - np.arange(61, 561, dtype=np.int64) * DAY
    late = np.where(np.arange(500) % 2 == 0, 0, 10 * DAY)
    share = _entered(happened, happened + late, at, MICROS)
    assert share[:70].tolist() == [1.0] * 70
    assert share[70:] == pytest.approx(
        np.full(10, (250 + PSEUDO_ENTERED) / (500 + PSEUDO_ENTERED))
    )
    few = _entered(happened[:0], happened[:0], at, MICROS)
    assert few.tolist() == [1.0] * 80
