"""Intervals learned from the forecast's own past: wide where the past was missed, blind ahead."""

from __future__ import annotations

import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.windows import DAY
from tests.training.drawn import won_in_a_week
from training.hindsight import MOST_ORIGINS, learned_widening, replayed
from training.widening import ADAPTIVE_FROM

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))
DAYS = 960


def firm(rate):
    """Deals won in a week, so many a day by days before the cut."""
    return won_in_a_week([rate(back) for back in range(DAYS, 0, -1)], CUT)


def steady(_):
    return 4.0


def moody(back):
    """Every other month brings four times as much, of late; nobody could have seen it come."""
    return 8.0 if back < 400 and back // 30 % 2 else 2.0


@pytest.fixture(scope="module")
def calm(make_history):
    return make_history(firm(steady))


def test_a_steady_firm_needs_no_wider_intervals(calm):
    found = learned_widening(calm, MICROS, priced=False)
    assert found["origins"] == MOST_ORIGINS >= ADAPTIVE_FROM
    assert found["widening"] < 1.1


def test_months_that_nobody_foresaw_widen_them(make_history):
    found = learned_widening(make_history(firm(moody)), MICROS, priced=False)
    assert found["widening"] > 1.15


def test_deals_moved_in_in_one_day_are_no_part_of_what_came(make_history, calm):
    usual = firm(steady)
    day = CUT - pd.Timedelta("100D")
    moved = usual.head(900).assign(created=day, closed=day + pd.Timedelta("1min"))
    both = replayed(
        make_history(pd.concat([usual, moved], ignore_index=True)), MICROS, priced=False
    )
    alone = replayed(calm, MICROS, priced=False)
    assert both["pit"].to_numpy() == pytest.approx(alone["pit"].to_numpy(), abs=0.2)


def test_every_instant_answers_the_months_that_are_over(calm):
    rows = replayed(calm, MICROS, priced=False)
    assert (rows["as_of"] < rows["ends"]).all()
    assert (rows["ends"] <= MICROS).all()
    assert rows["pit"].between(0, 1).all()
    newest = rows[rows["as_of"] == rows["as_of"].max()]
    assert list(newest["lead"]) == [0]
    assert rows.groupby("block")["as_of"].nunique().max() == 3


def test_without_a_past_nothing_is_widened(make_history):
    nothing = {"widening": 1.0, "origins": 0.0}
    assert learned_widening(History.of(Tables.empty()), MICROS, priced=True) == nothing
    young = firm(steady)
    young = young[young["created"] > CUT - pd.Timedelta("60D")]
    assert learned_widening(make_history(young), MICROS, priced=False) == nothing


def test_what_came_later_changes_nothing(make_history):
    deals = firm(moody)
    then = CUT - pd.Timedelta("300D")
    earlier = MICROS - 300 * DAY
    known = deals[deals["created"] < then]
    known = known.assign(closed=known["closed"].where(known["closed"] < then))
    pits = [
        replayed(make_history(each), earlier, priced=False)["pit"].to_numpy()
        for each in (deals, known)
    ]
    assert len(pits[0]) > 10
    assert pits[1] == pytest.approx(pits[0], rel=1e-9)
