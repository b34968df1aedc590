from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.windows import DAY
from training.daily import fit_daily, weekday_of

CUT = pd.Timestamp("2024-07-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))


def before(days):
    return MICROS - DAY * np.arange(days, 0, -1)


def after(days):
    return MICROS + DAY * np.arange(days)


def stamps(at):
    return pd.DatetimeIndex(at.astype("datetime64[us]"))


def to_quarter_end(at):
    return (stamps(at).to_period("Q").end_time.normalize() - stamps(at)).days.to_numpy()


def poisson(rate, seed=0):
    return np.random.default_rng(seed).poisson(rate).astype(float)


def fitted(rate, seed=0, cut=MICROS, **named):
    at = before(len(rate))
    return fit_daily(at, poisson(rate, seed), np.ones(len(rate)), cut, **named)


def test_weekdays_are_those_of_the_calendar():
    at = before(400)
    assert weekday_of(at).tolist() == stamps(at).day_of_week.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_weekends_and_the_rush_at_the_end_of_a_quarter_are_recovered(seed):
    at, ahead = before(1095), after(184)

    def rate(days):
        work = np.where(weekday_of(days) < 5, 1.0, 0.05)
        return 4 * work * np.exp(1.2 * np.exp(-to_quarter_end(days) / 6))

    found = fit_daily(at, poisson(rate(at), seed), np.ones(len(at)), MICROS)
    expected = rate(ahead)
    assert found.rate(ahead).sum() == pytest.approx(expected.sum(), rel=0.1)
    last = to_quarter_end(ahead) < 7
    share = found.rate(ahead)[last].sum() / found.rate(ahead).sum()
    assert share == pytest.approx(expected[last].sum() / expected.sum(), rel=0.2)
    weekend = weekday_of(ahead) >= 5
    assert found.rate(ahead)[weekend].sum() < 0.05 * found.rate(ahead).sum()


def to_month_end(at):
    return stamps(at).days_in_month.to_numpy() - stamps(at).day.to_numpy()


@pytest.mark.parametrize("seed", range(3))
def test_a_rush_that_begins_all_at_once_is_recovered(seed):
    at, ahead = before(1095), after(365)

    def rate(days):
        return 20 * np.where(to_month_end(days) < 4, 3.0, 1.0)

    found = fitted(rate(at), seed).rate(ahead)
    for days, usual in ((to_month_end(ahead) < 4, 3.0), (to_month_end(ahead) >= 5, 1.0)):
        assert found[days].mean() == pytest.approx(20 * usual, rel=0.1)
    eve, first = (found[to_month_end(ahead) == left].mean() for left in (4, 3))
    assert first > 2 * eve


def test_an_instant_has_the_effects_of_its_day():
    at, midnights = before(400), after(100)
    found = fitted(5 * np.where(to_month_end(at) < 2, 4.0, 1.0))
    np.testing.assert_allclose(
        found.shape(midnights + DAY // 3), found.shape(midnights), atol=0.005
    )


def test_a_month_that_is_peculiar_needs_no_wave():
    at, ahead = before(1095), after(365)

    def rate(days):
        return 10 * np.where(stamps(days).month == 8, 0.5, 1.0)

    found = pd.Series(fitted(rate(at), rush=False).rate(ahead)).groupby(stamps(ahead).month)
    by_month = found.mean() / found.mean().drop(8).mean()
    assert by_month[8] == pytest.approx(0.5, abs=0.12)
    assert by_month.drop(8).between(0.85, 1.15).all()


def test_season_of_three_years_is_recovered():
    at, ahead = before(1095), after(365)

    def wave(days):
        return np.exp(0.4 * np.sin(2 * np.pi * stamps(days).day_of_year.to_numpy() / 365))

    found = fitted(6 * wave(at), rush=False).rate(ahead)
    assert np.corrcoef(found, wave(ahead))[0, 1] > 0.9
    months = stamps(ahead).month
    by_month = pd.Series(found).groupby(months).mean()
    assert by_month.max() / by_month.min() == pytest.approx(np.exp(0.8), rel=0.3)


def test_firm_without_season_is_given_hardly_any():
    found = fitted(np.full(1095, 5.0), rush=False)
    assert pd.Series(found.rate(after(365))).groupby(stamps(after(365)).month).mean().std() < 0.3


def test_history_of_a_year_tells_no_season():
    found = fitted(np.full(360, 3.0))
    assert found.effects[-14:] == pytest.approx(np.zeros(14), abs=1e-3)


def test_a_level_that_moved_for_good_is_followed():
    rate = np.where(np.arange(1095) < 700, 3.0, 6.0)
    assert fitted(rate).rate(after(90)).mean() == pytest.approx(6, rel=0.15)


def test_a_climate_that_comes_and_goes_is_not_held_to_last():
    month, now, later = np.arange(1080) // 30, [], []
    for seed in range(6):
        climate = np.random.default_rng(seed).normal(0, 0.35, 36)
        climate[-2:] = -0.6
        found = fitted(8 * np.exp(climate[month]), seed, rush=False)
        now.append(found.rate(before(60)).mean())
        later.append(found.rate(after(184))[-60:].mean())
    assert np.mean(now) == pytest.approx(8 * np.exp(-0.6), rel=0.15)
    # A level that stayed where it is would not come back towards the usual 8.
    assert np.mean(later) > 1.25 * np.mean(now)


def test_growth_fades_in_the_far_future():
    rate = 3 * np.exp(0.5 * np.arange(1095) / 365.25)
    found = fitted(rate, rush=False)
    years = [found.rate(after(365 * k))[-365:].mean() for k in (1, 2, 6, 7)]
    assert years[1] / years[0] > 1.15
    assert years[3] / years[2] < 1.05


def test_standard_error_tells_how_far_forecasts_are_off():
    off, told = [], []
    for seed in range(12):
        found = fitted(np.full(700, 2.0), seed)
        off.append(np.log(found.rate(after(91)).mean() / 2))
        told.append(found.ahead_sd)
    assert 0.4 < np.std(off) / np.mean(told) < 1.6


def test_days_that_bring_nothing_make_the_rest_no_less_sure():
    work = np.where(weekday_of(before(1000)) < 5, 3.0, 0.0)
    idle, busy = fitted(work), fitted(np.full(1000, work.mean()))
    assert idle.ahead_sd == pytest.approx(busy.ahead_sd, rel=0.25)


def test_exposure_scales_what_is_expected():
    at = before(500)
    exposure = np.where(np.arange(500) % 2 == 0, 10.0, 2.0)
    found = fit_daily(at, poisson(0.4 * exposure), exposure, MICROS)
    assert found.rate(after(91)).mean() == pytest.approx(0.4, rel=0.15)


def test_over_dispersed_days_are_told():
    rng = np.random.default_rng(0)
    at = before(1000)
    counts = rng.poisson(4 * rng.gamma(2, 1 / 2, 1000)).astype(float)
    found = fit_daily(at, counts, np.ones(1000), MICROS)
    assert found.dispersion == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize("counts", [[], [0.0], [3.0, 0.0]])
def test_hardly_any_day_gives_a_finite_answer(counts):
    at = before(len(counts))
    found = fit_daily(at, np.array(counts), np.ones(len(counts)), MICROS)
    assert np.isfinite(found.rate(after(400))).all()


def test_a_jump_at_a_break_is_not_taken_for_growth():
    at = before(900)
    rate = np.where(at < MICROS - 300 * DAY, 3.0, 9.0)
    breaks = np.array([MICROS - 300 * DAY])
    plain, told = fitted(rate), fitted(rate, breaks=breaks)
    assert abs(told.growth) < 0.15 < plain.growth
    assert told.rate(after(180)).mean() == pytest.approx(9, rel=0.1)
    assert told.ahead_sd < plain.ahead_sd


def test_a_break_without_a_jump_changes_little():
    rate = np.full(900, 5.0)
    plain, told = fitted(rate), fitted(rate, breaks=np.array([MICROS - 300 * DAY]))
    assert told.rate(after(90)).mean() == pytest.approx(plain.rate(after(90)).mean(), rel=0.05)
