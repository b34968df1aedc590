from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.training.asked import logits_of
from training.boosted import CAREFUL, Boosted
from training.learners import Blend, expit
from training.logistic import Logistic
from training.segments import SEGMENT, BySegment, BySegmentModel

CODES = ("stage_code", SEGMENT)


def blend():
    return Blend((Boosted(CODES, {**CAREFUL, "rounds": 30}), Logistic(CODES)), (0.5, 0.5))


@pytest.fixture(scope="module")
def features():
    """Deals of three pipelines and of none."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(0, 1, (3000, 3)), columns=["a", "b", "age_days"])
    return frame.assign(
        stage_code=rng.integers(0, 3, 3000).astype(float),
        **{SEGMENT: rng.choice([0.0, 1.0, 2.0, np.nan], 3000)},
    )


@pytest.fixture(scope="module")
def target(features):
    """What is good in pipeline 1 is bad in the others."""
    turned = np.where(features[SEGMENT] == 1, -1.0, 1.0)
    chance = expit(1.5 * turned * features["a"].to_numpy())
    return (np.random.default_rng(1).random(len(features)) < chance).astype(float)


@pytest.fixture(scope="module")
def learner():
    return BySegment(blend(), {0: Logistic(CODES), 1: blend()})


@pytest.fixture(scope="module")
def prepared(learner, features):
    every = np.ones(len(features), bool)
    return learner.prepare(features, every, np.arange(len(features)))


@pytest.fixture(scope="module")
def model(learner, prepared, target):
    return learner.fit(prepared, target, np.ones(len(target), bool))


def test_each_row_is_answered_by_the_model_of_its_pipeline_and_others_by_the_whole(
    model, features
):
    found, code = model.logits(features), features[SEGMENT].to_numpy()
    for number, own in model.own.items():
        here = code == number
        assert (found[here] == own.logits(features[here])).all()
        assert (found[here] != model.whole.logits(features[here])).all()
    others = ~np.isin(code, [0, 1])
    assert (found[others] == model.whole.logits(features[others])).all()


def test_own_model_is_what_its_learner_makes_of_the_pipelines_rows_alone(model, features, target):
    here = (features[SEGMENT] == 1).to_numpy()
    every = np.ones(here.sum(), bool)
    alone = blend()
    fitted = alone.fit(
        alone.prepare(features[here], every, np.flatnonzero(here)), target[here], every
    )
    assert (fitted.logits(features[here]) == model.logits(features)[here]).all()


def test_answers_on_prepared_rows_are_those_of_the_model(learner, prepared, model, features):
    assert learner.answers(prepared, model) == pytest.approx(model.logits(features), abs=1e-4)


def test_contributions_add_up_and_all_rows_share_the_constant(model, features):
    parts = model.contributions(features)
    assert parts.sum(axis=1) == pytest.approx(model.logits(features), abs=1e-6)
    assert len(np.unique(parts[:, -1])) == 1


def test_together_models_by_segment_answer_as_one_by_one_to_the_last_bit(model, features):
    others = [model.whole, model, BySegmentModel(model.own[1], {2: model.whole})]
    found = logits_of(others, features)
    for column, each in enumerate(others):
        assert (found[:, column] == each.logits(features)).all()


def test_one_deal_alone_and_in_company_gets_the_same_answer(model, features):
    among = logits_of([model], features.iloc[:40])[:, 0]
    alone = [logits_of([model], features.iloc[[row]])[0, 0] for row in range(40)]
    assert among.tolist() == alone


def test_fit_begins_from_the_neighbouring_models_of_each_pipeline(
    learner, prepared, model, target
):
    again = learner.fit(prepared, 1 - target, np.ones(len(target), bool), model)
    for before, after in ((model.whole, again.whole), (model.own[1], again.own[1])):
        assert before.parts[1].shrinkage is after.parts[1].shrinkage


def test_pipeline_without_a_row_to_learn_from_is_the_wholes(learner, prepared, features, target):
    rows = (features[SEGMENT] != 0).to_numpy()
    model = learner.fit(prepared, target, rows)
    assert list(model.own) == [1]
    here = ~rows
    assert (model.logits(features)[here] == model.whole.logits(features[here])).all()
    nowhere = learner.prepare(features[rows], rows[rows])
    assert list(learner.fit(nowhere, target[rows], rows[rows]).own) == [1]


def test_no_deals_get_no_answers(model, features):
    assert model.logits(features.iloc[:0]).shape == (0,)
    assert logits_of([model], features.iloc[:0]).shape == (0, 1)


def test_learner_by_segment_refuses_another_model(learner, prepared, model):
    with pytest.raises(TypeError, match="by segment"):
        learner.answers(prepared, model.whole)
