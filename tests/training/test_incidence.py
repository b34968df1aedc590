from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.incidence import FIRST, KNOTS, Incidence, bent, coherent, tail_of

COLUMNS = len(KNOTS) + 1
PLACE = KNOTS.index(FIRST)
RAW = st.integers(1, 6).flatmap(
    lambda deals: st.tuples(
        *[arrays(float, (deals, COLUMNS), elements=st.floats(-0.5, 1.5)) for _ in range(2)]
    )
)


def steady(won=0.6, lost=0.3, **named):
    """A deal whose chances rise evenly to the last knot, and as much again after it."""
    share = np.append(np.array(KNOTS) / KNOTS[-1] / 2, 1.0)
    return Incidence(won * share[None], lost * share[None], **named)


@given(RAW)
def test_any_predictions_become_a_competing_risk_pair(raw):
    won, lost = coherent(*raw)
    for curve in (won, lost):
        assert (curve >= 0).all()
        assert (curve <= 1 + 1e-12).all()
        assert (np.diff(curve, axis=1) >= -1e-12).all()
    assert (won + lost <= 1 + 1e-9).all()


@given(RAW, st.lists(st.floats(0, 3000), min_size=2, max_size=12))
def test_curves_never_fall_between_any_days_and_never_pass_one(raw, days):
    found = Incidence(*coherent(*raw), tail_days=80.0, longest=700.0)
    won, lost = found.won_by(sorted(days)), found.lost_by(sorted(days))
    for curve in (won, lost):
        assert (np.diff(curve, axis=1) >= -1e-12).all()
    assert ((won >= 0) & (won + lost <= 1 + 1e-9)).all()


def test_coherent_predictions_are_left_as_they_are():
    found = steady()
    won, lost = coherent(found.won, found.lost)
    assert won == pytest.approx(found.won, abs=1e-15)
    assert lost == pytest.approx(found.lost, abs=1e-15)


def test_knots_before_that_of_30_days_give_way_to_it_and_later_ones_to_those_before_them():
    raw = np.full((1, COLUMNS), 0.2)
    raw[0, :PLACE] = np.linspace(0.1, 0.3, PLACE)
    raw[0, PLACE + 1], raw[0, -1] = 0.25, 0.1
    won, lost = coherent(raw, np.zeros_like(raw))
    assert won[0, : PLACE + 1] == pytest.approx([*np.minimum(raw[0, :PLACE], 0.2), 0.2])
    assert (won[0, PLACE + 1 :] == 0.25).all()
    assert not lost.any()


def test_mass_that_is_left_is_shared_by_the_wishes_of_both():
    won, lost = coherent(np.array([[0.5, 0.8]]), np.array([[0.2, 0.8]]))
    # 0.3 is left after the first knot; 0.3 more won and 0.6 more lost were wanted.
    assert won == pytest.approx(np.array([[0.5, 0.6]]))
    assert lost == pytest.approx(np.array([[0.2, 0.4]]))


def test_between_the_last_knots_and_after_them_chances_fade_at_one_pace():
    ever, wait = 0.6, 50.0
    at = np.append(np.array(KNOTS, float), np.inf)
    won = ever * -np.expm1(-at / wait)[None]
    found = Incidence(won, np.zeros_like(won), tail_of(won))
    days = np.array([KNOTS[-2], 130.0, 154.0, 180.0, KNOTS[-1], 260.0])
    assert found.won_by(days)[0] == pytest.approx(ever * -np.expm1(-days / wait))
    ends = np.array([0.0, 60.0, KNOTS[-2], KNOTS[-1], 300.0])
    assert bent(ends, KNOTS, wait).tolist() == pytest.approx(ends.tolist())


def test_curve_passes_through_its_knots_and_is_straight_between_them():
    found = steady()
    assert found.won_by(KNOTS)[0] == pytest.approx(found.won[0, :-1])
    assert found.won_by(0)[0, 0] == 0.0
    middle = (KNOTS[1] + KNOTS[2]) / 2
    assert found.won_by(middle)[0, 0] == pytest.approx(found.won[0, 1:3].mean())


def test_past_the_last_knot_the_curve_approaches_ever():
    found = steady(tail_days=100.0, longest=1000.0)
    last, ever = found.won[0, -2], found.won[0, -1]
    one_wait = found.won_by(KNOTS[-1] + 100)[0, 0]
    assert one_wait == pytest.approx(last + (ever - last) * (1 - np.exp(-1)))
    assert found.won_by(999)[0, 0] < ever


def test_from_the_longest_horizon_on_the_answer_is_ever():
    found = steady(longest=84.0)
    assert found.won_by([84, 365, 1e6]).tolist() == [[found.won[0, -1]] * 3]
    assert found.won_by(83.9)[0, 0] < found.won[0, -1]


def test_no_deals_give_no_rows():
    nothing = np.zeros((0, COLUMNS))
    found = Incidence(*coherent(nothing, nothing))
    assert len(found) == 0
    assert found.lost_by([30, 90]).shape == (0, 2)


def test_tail_is_recovered_from_curves_that_have_it():
    days = np.array([*KNOTS, np.inf])
    curve = 0.4 * -np.expm1(-days / 150.0)
    assert tail_of(np.tile(curve, (5, 1))) == pytest.approx(150.0)


def test_tail_of_curves_that_have_none_is_the_usual_one():
    assert tail_of(np.full((3, COLUMNS), 0.2)) == 120.0
