from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.windows import DAY
from training.daily import fit_daily, weekday_of
from training.incidence import KNOTS, Incidence, tail_of
from training.timing import FIRM, WhenWon, calendar_days

AS_OF = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(AS_OF.as_unit("us").asm8.astype("int64"))
PAST = MICROS - DAY * np.arange(900, 0, -1)
FLAT = np.array([[0.7 / 30, 1.4 / 30, 0.1, 0.2, 0.3, 0.4, 0.7, 0.9]])
COLUMNS = FLAT.shape[1]
CURVES = Incidence(FLAT, np.zeros_like(FLAT))


def learned(rate):
    counts = np.random.default_rng(0).poisson(rate).astype(float)
    return fit_daily(PAST, counts, np.ones(len(PAST)), MICROS)


def without_effects(rate):
    return replace(rate, effects=np.zeros_like(rate.effects))


@pytest.fixture(scope="module")
def hurried():
    """A firm that wins on working days, five times as often in the last week of a quarter."""
    stamps = pd.DatetimeIndex(PAST.astype("datetime64[us]"))
    left = (stamps.to_period("Q").end_time.normalize() - stamps).days.to_numpy()
    return learned(np.where(weekday_of(PAST) < 5, 2.0, 0.02) * np.where(left < 7, 5.0, 1.0))


def test_what_the_model_says_from_30_days_on_stays(hurried):
    knots = np.array(FIRM, float)
    assert calendar_days(CURVES, hurried, MICROS, knots) == pytest.approx(knots)
    assert calendar_days(CURVES, hurried, MICROS + DAY // 3, knots) == pytest.approx(knots)


def test_how_many_are_won_within_days_the_calendar_tells_and_early_knots_which_deals(hurried):
    soon, late = FLAT.copy(), FLAT.copy()
    soon[0, :2], late[0, :2] = (0.06, 0.08), (0.0, 0.02)
    days, ends = np.array([9.0, 20.0]), MICROS + 10 * DAY

    def told(*curves):
        found = Incidence(np.concatenate(curves), np.zeros((len(curves), COLUMNS)))
        return found.won_by(calendar_days(found, hurried, ends, days))

    alone = told(FLAT, FLAT)
    mixed = told(soon, late)
    assert (mixed[0] > mixed[1] + 0.01).all()
    assert mixed.mean(axis=0) == pytest.approx(alone.mean(axis=0), rel=0.02)
    assert told(soon) == pytest.approx(told(late), rel=0.02)


def test_nothing_has_happened_after_no_time_and_later_is_never_less(hurried):
    days = np.concatenate([np.linspace(0, 400, 801)])
    found = calendar_days(CURVES, hurried, MICROS, days)
    assert found[0] == 0
    assert (np.diff(found) >= -1e-9).all()


def test_wins_come_at_the_end_of_the_quarter(hurried):
    # The quarter ends on the thirtieth day, at a knot.
    ends = np.array([23.0, 30.0])
    smooth = CURVES.won_by(ends)[0]
    bunched = CURVES.won_by(calendar_days(CURVES, hurried, MICROS, ends))[0]
    assert bunched[1] - bunched[0] > 2 * (smooth[1] - smooth[0])
    assert bunched[1] == pytest.approx(smooth[1])


def when_won(shape):
    return WhenWon(shape, CURVES.won.mean(axis=0), CURVES.tail_days)


def test_what_comes_by_the_end_of_the_quarter_comes_late_in_it(hurried):
    when, end = when_won(hurried), MICROS + 30 * DAY
    assert when.days(MICROS, (0.0, *map(float, FIRM))).tolist() == [0, *FIRM]
    for left, days in ((5, 12), (9, 16), (16, 20)):
        assert when.days(end - left * DAY, (60.0, float(left)))[1] > days
    # A Saturday and a Sunday.
    assert when.days(end + 5 * DAY, (2.0,))[0] < 0.5


def test_when_deals_are_won_is_the_same_from_a_file(hurried):
    when = when_won(hurried)
    again = WhenWon.from_json(json.loads(json.dumps(when.to_json())))
    asked = (3.0, 28.5, 77.0)
    assert again.days(MICROS, asked).tolist() == when.days(MICROS, asked).tolist()


def test_nothing_is_won_on_a_weekend(hurried):
    # Saturday the 8th of June begins 7 days on, Monday the 10th 9 days on.
    found = CURVES.won_by(calendar_days(CURVES, hurried, MICROS, np.array([7.0, 9.0, 10.0])))[0]
    assert found[1] - found[0] < 0.2 * (found[2] - found[1])


def test_a_calendar_without_effects_follows_the_curve():
    even = without_effects(learned(np.full(900, 3.0)))
    steady = Incidence(1 - np.exp(-np.array([[*KNOTS, 2000]]) / 100), np.zeros((1, COLUMNS)))
    days = np.array([10.0, 40.0, 130.0, 150.0, 170.0])
    found = steady.won_by(calendar_days(steady, even, MICROS, days))[0]
    assert found == pytest.approx(1 - np.exp(-days / 100), abs=0.01)


def test_fast_deals_are_won_soon_after_the_last_knot_but_one():
    even = without_effects(learned(np.full(900, 3.0)))
    at, wait = np.append(np.array(CURVES.knots, float), np.inf), 40.0
    won = -np.expm1(-at / wait)[None]
    fast = Incidence(won, np.zeros((1, COLUMNS)), tail_of(won))
    days = np.linspace(KNOTS[-2], KNOTS[-1], 7)
    found = fast.won_by(calendar_days(fast, even, MICROS, days))[0]
    assert np.diff(found) == pytest.approx(np.diff(-np.expm1(-days / wait)), rel=0.12)


def test_a_firm_without_open_deals_keeps_its_days(hurried):
    nobody = Incidence(np.zeros((0, COLUMNS)), np.zeros((0, COLUMNS)))
    days = np.array([3.0, 40.0])
    assert calendar_days(nobody, hurried, MICROS, days).tolist() == days.tolist()
