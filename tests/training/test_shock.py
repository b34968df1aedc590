from __future__ import annotations

import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.windows import DAY
from tests.training.drawn import dated_back, won_in_a_week
from training.shock import LEAST_SD, PRIOR_SD, QUARTER_DAYS, came, foreseen, shock_at

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))
DAYS = 900


def firm(by_quarter):
    """Deals won in a week; their number a day goes by the quarter before the cut."""
    quarters = [(back - 1) // QUARTER_DAYS % len(by_quarter) for back in range(DAYS, 0, -1)]
    return won_in_a_week([by_quarter[quarter] for quarter in quarters], CUT)


def test_wins_of_a_steady_firm_are_foreseen_and_its_shock_is_small(make_history):
    history = make_history(firm([6.0]))
    cut = MICROS - 2 * QUARTER_DAYS * DAY
    expected, variance = foreseen(history, cut)
    assert came(history, cut, MICROS) == pytest.approx(expected, rel=0.15)
    assert variance < 0.01
    assert LEAST_SD <= shock_at(history, MICROS) < PRIOR_SD


def test_quarters_that_nobody_foresaw_make_a_large_shock(make_history):
    moody = shock_at(make_history(firm([3.0, 9.0, 4.0, 12.0])), MICROS)
    assert moody > 2 * shock_at(make_history(firm([6.0])), MICROS)
    assert moody > 0.15


def test_deals_moved_in_in_one_day_are_no_shock(make_history):
    usual = firm([6.0])
    day = CUT - pd.Timedelta("100D")
    moved = usual[usual["created"] < day - pd.Timedelta("60D")].head(900)
    moved = moved.assign(created=day, closed=day + pd.Timedelta("1min"))
    both = make_history(pd.concat([usual, moved], ignore_index=True))
    alone = make_history(usual)
    assert shock_at(both, MICROS) == pytest.approx(shock_at(alone, MICROS), abs=0.01)


def test_few_wins_say_little_of_a_shock(make_history):
    rare = make_history(firm([0.03, 0.1, 0.04, 0.12]))
    assert shock_at(rare, MICROS) == pytest.approx(PRIOR_SD, abs=0.04)


def test_without_a_past_the_prior_answers(make_history):
    assert shock_at(History.of(Tables.empty()), MICROS) == pytest.approx(PRIOR_SD)
    deals = firm([6.0])
    young = deals[deals["created"] > CUT - pd.Timedelta("60D")]
    assert shock_at(make_history(young), MICROS) == pytest.approx(PRIOR_SD)


def test_what_came_later_changes_nothing(make_history):
    deals = firm([3.0, 9.0])
    then = CUT - pd.Timedelta("200D")
    earlier = MICROS - 200 * DAY
    known = deals[deals["created"] < then]
    known = known.assign(closed=known["closed"].where(known["closed"] < then))
    whole = shock_at(make_history(deals), earlier)
    assert shock_at(make_history(known), earlier) == pytest.approx(whole, rel=1e-9)


def test_wins_dated_back_came_when_they_were_entered(make_history):
    usual, cut = make_history(firm([6.0])), MICROS - QUARTER_DAYS * DAY
    back = dated_back(usual, 0.5, 6)
    assert came(back, cut, MICROS) == came(usual, cut, MICROS)
    assert came(back, cut - 3 * DAY, MICROS) == came(usual, cut - 3 * DAY, MICROS)
