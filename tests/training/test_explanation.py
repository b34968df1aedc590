from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.explanation import (
    Parts,
    log_odds,
    parts_of,
    points_each,
    usual_groups,
)
from training.incidence import Incidence
from training.learners import Groups
from training.scoring import score
from training.themes import CURVE, theme_of

TIERS = ("table", "logistic", "blend", "full")


@pytest.fixture(scope="module", params=TIERS)
def bundle(request, bundles):
    return bundles[request.param]


@pytest.fixture(scope="module")
def scored(bundle, history, cut):
    return score(bundle, history, cut)


def served(scored):
    return log_odds(scored.incidence.won_by(90)[:, 0])


def test_parts_add_up_to_the_served_log_odds_of_every_deal(bundle, scored):
    parts = parts_of(bundle, scored.features, scored.incidence)
    assert parts.logits() == pytest.approx(served(scored), abs=1e-6)
    assert parts.logits() == pytest.approx(log_odds(scored.frame["p_won_90"]), abs=1e-6)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.3, -2.0), (2.0, 1.5)])
def test_parts_add_up_whatever_the_calibration(bundle, scored, slope, offset):
    close = replace(bundle.close, slope=(slope, 1.0), offset=(offset, 0.0))
    curves = close.incidence(scored.features)
    parts = parts_of(replace(bundle, close=close), scored.features, curves)
    expected = log_odds(curves.won_by(90)[:, 0])
    assert parts.logits() == pytest.approx(expected, abs=1e-6)


def test_the_curve_is_a_small_part_for_the_themes_tell_nearly_all(bundle, scored):
    parts = parts_of(bundle, scored.features, scored.incidence)
    assert parts.groups[CURVE].abs().median() < 0.02
    rest = parts.groups.drop(columns=CURVE).abs().sum(axis=1)
    assert rest.median() > 10 * parts.groups[CURVE].abs().median()


def test_themes_add_up_to_what_their_features_do(bundle, scored):
    raw = bundle.close.won[2].contributions(scored.features)[:, :-1]
    themes = [theme_of(name) for name in scored.features]
    by_theme = Groups.of(themes)
    for name, column in zip(by_theme.names, by_theme.sums(raw).T, strict=True):
        own = raw[:, [theme == name for theme in themes]]
        assert column == pytest.approx(own.sum(axis=1), abs=1e-9)
    assert set(by_theme.names) == set(themes)


def test_all_deals_share_the_base(bundle, scored):
    parts = parts_of(bundle, scored.features, scored.incidence)
    assert parts.base == pytest.approx(np.full(len(parts.base), parts.base[0]), abs=1e-9)


def test_told_against_the_usual_deal_the_sum_stays_and_the_usual_group_is_nothing(bundle, scored):
    parts = parts_of(bundle, scored.features, scored.incidence)
    usual = usual_groups(bundle, scored)
    against = parts.against(usual)
    assert against.logits() == pytest.approx(parts.logits(), abs=1e-9)
    assert against.groups.median().to_numpy() == pytest.approx(np.zeros(len(usual)), abs=1e-9)


def test_few_deals_have_no_usual_one(bundle, scored, history, cut):
    few = score(bundle, history, cut, scored.snapshots.deal[:5])
    assert set(usual_groups(bundle, few).values()) == {0.0}


def test_certain_and_impossible_wins_are_explained_with_finite_numbers(bundle, scored):
    ends = np.zeros((2, scored.incidence.won.shape[1]))
    ends[1] = 1.0
    curves = Incidence(ends, np.zeros_like(ends), knots=scored.incidence.knots)
    parts = parts_of(bundle, scored.features.iloc[:2], curves)
    assert np.isfinite(parts.groups.to_numpy()).all()
    assert parts.logits() == pytest.approx(log_odds(np.array([0.0, 1.0])), abs=1e-6)


def test_no_deals_have_no_parts(bundle, history, cut):
    nobody = score(bundle, history, cut, np.zeros(0, np.int64))
    parts = parts_of(bundle, nobody.features, nobody.incidence)
    assert len(parts.groups) == len(parts.base) == 0
    assert set(usual_groups(bundle, nobody).values()) == {0.0}


def test_points_of_the_way_between_two_probabilities_add_up_to_the_difference():
    before, after = np.array([0.1, 0.5, 0.3, 0.2]), np.array([0.4, 0.1, 0.3, 0.2 + 1e-12])
    way = log_odds(after) - log_odds(before)
    assert way * points_each(before, after) == pytest.approx(after - before, abs=1e-12)
    assert points_each(before, after)[2] == pytest.approx(0.21)


def test_parts_of_two_columns_are_moved_by_name():
    parts = Parts(np.array([1.0]), ("a", "b"), np.array([[2.0, 3.0]]))
    moved = parts.against({"b": 1.0, "c": 5.0})
    assert moved.base.tolist() == [2.0]
    assert moved.groups.to_dict("list") == {"a": [2.0], "b": [2.0]}
