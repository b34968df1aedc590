from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from tests.training.asked import logits_of
from training.boosted import BoostedModel
from training.learners import BlendModel
from training.scoring import score
from training.together import MANY, together
from training.trees import SLAB, Forest

TIERS = ("table", "logistic", "blend", "full")


def fitted(rows, label, rounds=20, **params):
    data = lgb.Dataset(rows, label=label, categorical_feature=[2])
    params = {"verbose": -1, "objective": "cross_entropy", "num_leaves": 9, **params}
    return lgb.train(params, data, num_boost_round=rounds)


@pytest.fixture(scope="module")
def rows():
    """Columns that are whole, sometimes missing, a category (missing too), and tiny numbers."""
    rng = np.random.default_rng(3)
    found = rng.normal(size=(3_000, 4)).astype(np.float32)
    found[:, 2] = rng.integers(0, 12, len(found))
    found[:, 3] *= 1e-20
    found[rng.random(found.shape) < 0.2] = np.nan
    found[:, 0] = np.nan_to_num(found[:, 0])
    return found


@pytest.fixture(scope="module")
def label(rows):
    whole = np.nan_to_num(rows)
    return (whole[:, 1] + rows[:, 0] + (rows[:, 2] % 3 == 0) > 0).astype(float)


@pytest.fixture(scope="module")
def booster(rows, label):
    return fitted(rows, label)


@pytest.fixture(scope="module")
def strange(rows):
    """Rows with values of which no tree has learned."""
    found = rows.copy()
    found[::7] = np.nan
    found[1::7, 2] = 99.0
    found[2::7, 2] = -3.0
    found[3::7, 0] = np.inf
    found[4::7, 1] = -np.inf
    found[5::7, 2] = np.inf
    found[6::7, 2] = -0.5
    return found


def by_lightgbm(boosters, rows):
    return np.stack([each.predict(rows, raw_score=True) for each in boosters])


def test_a_forest_gives_the_numbers_of_lightgbm_to_the_last_bit(rows, strange, booster):
    forest = Forest.of([booster])
    for each in (rows, strange):
        assert (forest.of_rows(each) == by_lightgbm([booster], each)).all()


@pytest.mark.parametrize("leaves", [2, 8, 12, 30, 64])
def test_trees_of_any_size_have_a_bit_for_each_leaf(leaves, rows, strange, label):
    large = fitted(rows, label, num_leaves=leaves, min_data_in_leaf=5)
    told = large.dump_model()["tree_info"]
    assert max(tree["num_leaves"] for tree in told) > leaves / 2
    assert (Forest.of([large]).of_rows(strange) == by_lightgbm([large], strange)).all()


def test_a_tree_of_more_leaves_than_bits_is_left_to_lightgbm(rows, label):
    huge = fitted(rows, label, num_leaves=90, min_data_in_leaf=5)
    assert Forest.of([huge]) is None
    model = BoostedModel(huge.model_to_string())
    assert (model.raw(rows) == by_lightgbm([huge], rows)[0]).all()


def test_models_of_unequal_numbers_of_trees_share_a_forest(rows, strange, label, booster):
    single = fitted(rows, label, min_data_in_leaf=len(rows))
    assert all("leaf_value" in t["tree_structure"] for t in single.dump_model()["tree_info"])
    boosters = [booster, single, fitted(rows, 1 - label, 3), fitted(rows, label, 45)]
    assert (Forest.of(boosters).of_rows(strange) == by_lightgbm(boosters, strange)).all()
    assert (Forest.of([single]).of_rows(rows) == by_lightgbm([single], rows)).all()


@pytest.mark.parametrize("count", [0, 1, 2, 9, SLAB, SLAB + 1])
def test_however_many_rows_are_asked_at_once_the_sums_are_the_same(count, strange, booster):
    long = [booster] * 3
    for boosters in (long[:1], long):
        found = Forest.of(boosters).of_rows(strange[:count])
        assert (found == by_lightgbm(boosters, strange)[:, :count]).all()


def test_values_at_a_threshold_go_where_lightgbm_sends_them(rows, booster):
    cuts = np.array([t["threshold"] for t in _splits(booster) if t["split_feature"] == 0])
    near = np.float32(cuts)
    at = np.concatenate([near, np.nextafter(near, np.float32(9)), np.nextafter(near, -near)])
    asked = np.full((len(at), 4), np.float32(0.5))
    asked[:, 0] = at
    assert (Forest.of([booster]).of_rows(asked) == by_lightgbm([booster], asked)).all()


def _splits(booster):
    def walk(node):
        if "split_feature" in node:
            yield node
            yield from walk(node["left_child"])
            yield from walk(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        yield from walk(tree["tree_structure"])


def test_a_forest_refuses_rows_of_other_features(rows, booster):
    with pytest.raises(ValueError, match="expected 4 features, got 3"):
        Forest.of([booster]).of_rows(rows[:, :3])


def test_trees_with_linear_leaves_are_left_to_lightgbm(rows):
    whole = np.nan_to_num(rows)[:, [0, 1, 3]]
    data = lgb.Dataset(whole, label=(whole[:, 0] > 0).astype(float), params={"linear_tree": True})
    linear = lgb.train({"verbose": -1, "linear_tree": True}, data, num_boost_round=3)
    assert Forest.of([linear]) is None
    model = BoostedModel(linear.model_to_string())
    features = pd.DataFrame(np.tile(whole, (2, 1)), columns=["a", "b", "c"])
    expected = by_lightgbm([linear], features.to_numpy(np.float32))[0]
    assert (logits_of([model], features)[:, 0] == expected).all()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("times", [1, 60])
def test_together_or_one_by_one_models_answer_alike_to_the_last_bit(
    tier, times, bundles, history, cut
):
    close = bundles[tier].close
    features = score(bundles[tier], history, cut).features
    features = pd.concat([features] * times, ignore_index=True)
    assert (len(features) >= MANY) == (times > 1)
    models = [*close.won, *close.lost]
    found = logits_of(models, features)
    for k, model in enumerate(models):
        assert (found[:, k] == model.logits(features)).all()


@pytest.mark.parametrize("tier", TIERS)
def test_a_deal_scores_the_same_alone_and_among_thousands(tier, bundles, history, cut):
    close = bundles[tier].close
    features = score(bundles[tier], history, cut).features
    many = pd.concat([features] * 60, ignore_index=True)
    among = close.incidence(many)
    for row in (0, 17, len(features) - 1):
        alone = close.incidence(features.iloc[[row]])
        assert (alone.won[0] == among.won[row]).all()
        assert (alone.lost[0] == among.lost[len(features) + row]).all()


def test_a_model_may_be_asked_twice_and_in_two_blends(bundles, history, cut):
    model = bundles["full"].close.won[0]
    features = score(bundles["full"], history, cut).features
    twice = BlendModel([model, model.parts[0]], [0.5, 0.25])
    found = logits_of([model, twice, model], features)
    assert (found[:, 0] == found[:, 2]).all()
    assert (found[:, 1] == twice.logits(features)).all()


def test_no_rows_have_no_answers(bundles, history, cut):
    bundle = bundles["full"]
    features = score(bundle, history, cut).features
    assert logits_of(bundle.close.won, features.iloc[:0]).shape == (0, len(bundle.close.won))


def test_models_in_use_are_laid_out_once(bundles):
    bundle = bundles["full"]
    models = bundle.close.won
    assert together(models, bundle.features) is together(models, bundle.features)
    turned = bundle.features[::-1]
    assert together(models, turned).names == turned
