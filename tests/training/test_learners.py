from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.boosted import CAREFUL, DEFAULTS, FOLDS, Boosted, folds_of
from training.learners import Blend, Groups, expit, logit
from training.logistic import Logistic
from training.table import Table

CATEGORICAL = ("stage_code", "colour")
LEARNERS = {
    "table": Table(),
    "logistic": Logistic(CATEGORICAL),
    "boosted": Boosted(CATEGORICAL, {**CAREFUL, "rounds": 40}),
    "blend": Blend(
        (Boosted(CATEGORICAL, {**CAREFUL, "rounds": 40}), Logistic(CATEGORICAL)), (0.7, 0.3)
    ),
}


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age_days": rng.exponential(60, count),
            "stage_code": rng.integers(0, 4, count).astype(float),
            "colour": rng.integers(-1, 3, count).astype(float),
            "log_amount": rng.normal(8, 1, count),
            "noise": rng.normal(0, 1, count),
        }
    )
    frame.loc[rng.random(count) < 0.2, "log_amount"] = np.nan
    return frame


def truth(frame):
    return expit(-1.5 + 0.6 * frame["stage_code"] + 0.8 * (frame["colour"] == 2)).to_numpy()


@pytest.fixture(scope="module")
def features():
    return rows(4000)


@pytest.fixture(scope="module")
def labels(features):
    return (np.random.default_rng(1).random(len(features)) < truth(features)).astype(float)


def fitted(learner, features, target, used=None):
    everything = np.ones(len(features), bool)
    prepared = learner.prepare(features, everything)
    return learner.fit(prepared, target, everything if used is None else used)


@pytest.fixture(scope="module", params=LEARNERS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, features, labels):
    return fitted(LEARNERS[name], features, labels)


def test_log_odds_and_probability_undo_each_other():
    p = np.array([0.001, 0.2, 0.5, 0.99])
    assert expit(logit(p)) == pytest.approx(p, rel=1e-12)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert np.isfinite(expit(np.array([-1e9, 1e9]))).all()


def test_learner_finds_what_the_features_tell(model, features, labels):
    fresh = rows(4000, seed=2)
    p = expit(model.logits(fresh))
    assert np.corrcoef(p, truth(fresh))[0, 1] > 0.7
    assert p.mean() == pytest.approx(truth(fresh).mean(), abs=0.03)


def test_contributions_add_up_to_the_log_odds(model, features):
    parts = model.contributions(features)
    assert parts.shape == (len(features), features.shape[1] + 1)
    assert parts.sum(axis=1) == pytest.approx(model.logits(features), abs=1e-6)
    assert len(np.unique(parts[:, -1])) == 1


def test_one_deal_alone_and_in_company_gets_the_same_answer_to_the_last_bit(model, features):
    together = model.logits(features.iloc[:60])
    alone = [model.logits(features.iloc[[row]])[0] for row in range(60)]
    assert together.tolist() == alone


def test_no_deals_get_no_answers(model, features):
    assert model.logits(features.iloc[:0]).shape == (0,)


def test_answers_on_prepared_rows_are_those_of_the_model(name, features, labels):
    learner, every = LEARNERS[name], np.ones(len(features), bool)
    prepared = learner.prepare(features, every)
    model = learner.fit(prepared, labels, every)
    assert learner.answers(prepared, model) == pytest.approx(model.logits(features), abs=1e-4)


def test_fractional_target_is_learned_as_the_share_it_is(name, features):
    share = truth(features)
    model = fitted(LEARNERS[name], features, share)
    p = expit(model.logits(features))
    assert p.mean() == pytest.approx(share.mean(), abs=0.02)
    assert np.corrcoef(p, share)[0, 1] > 0.7


def test_target_of_a_row_that_is_left_out_does_not_matter(name, features, labels):
    used = np.arange(len(features)) % 3 > 0
    wild = np.where(used, labels, 1 - labels)
    nothing = np.where(used, labels, np.nan)
    models = [fitted(LEARNERS[name], features, t, used) for t in (labels, wild, nothing)]
    answers = [m.logits(features).tolist() for m in models]
    assert answers[0] == answers[1] == answers[2]


def test_fitting_twice_gives_the_same_model_to_the_last_bit(name, features, labels, model):
    again = fitted(LEARNERS[name], features, labels)
    assert again.logits(features).tolist() == model.logits(features).tolist()


def test_values_never_seen_before_are_answered(model):
    odd = rows(8).assign(
        age_days=[0, 1e9, -5, 3, 3, 3, 3, 3], stage_code=99.0, colour=-1.0, log_amount=np.nan
    )
    assert np.isfinite(model.logits(odd)).all()


def test_target_of_nothing_but_losses_gives_small_finite_chances(name, features):
    p = expit(fitted(LEARNERS[name], features, np.zeros(len(features))).logits(features))
    assert ((p > 0) & (p < 0.05)).all()


def test_blend_is_the_weighted_mean_of_its_parts_log_odds(features, labels):
    blend = fitted(LEARNERS["blend"], features, labels)
    parts = [model.logits(features) for model in blend.parts]
    assert blend.logits(features) == pytest.approx(0.7 * parts[0] + 0.3 * parts[1])


def test_learner_refuses_the_model_of_another(name, features, labels):
    learner, every = LEARNERS[name], np.ones(len(features), bool)
    other = fitted(LEARNERS["logistic" if name == "table" else "table"], features, labels)
    with pytest.raises(TypeError, match="expected"):
        learner.answers(learner.prepare(features, every), other)


def test_contributions_are_summed_by_group(model, features):
    parts = pd.DataFrame(model.contributions(features)[:, :-1], columns=features.columns)
    time = {"age_days": "time", "noise": "time"}
    groups = Groups.of([time.get(name, name) for name in features])
    summed = dict(zip(groups.names, groups.sums(parts.to_numpy()).T, strict=True))
    assert set(summed) == {"time", "stage_code", "colour", "log_amount"}
    assert summed["time"] == pytest.approx((parts["age_days"] + parts["noise"]).to_numpy())
    assert summed["colour"] == pytest.approx(parts["colour"].to_numpy())


def test_rows_of_a_deal_are_in_one_fold_and_all_folds_are_used():
    deal = np.repeat(np.arange(300), 4)
    fold = folds_of(deal).reshape(-1, 4)
    assert (fold == fold[:, :1]).all()
    assert set(fold[:, 0]) == set(range(FOLDS))


def luck_of_deals(seed=3):
    """Ten alike rows a deal, whose label is the deal's own luck: unseen deals tell nothing."""
    rng = np.random.default_rng(seed)
    deal = np.repeat(np.arange(400), 10)
    features = pd.DataFrame({"noise": rng.normal(0, 1, 400)[deal]})
    return features, deal, (rng.random(400) < 0.4).astype(float)[deal]


def test_rounds_are_counted_on_deals_that_were_left_out():
    features, deal, labels = luck_of_deals()
    every = np.ones(len(features), bool)
    learner = Boosted((), {**DEFAULTS, "min_data_in_leaf": 20, "lambda_l2": 0.0, "rounds": 100})
    seen = learner.fit(learner.prepare(features, every), labels, every)
    unseen = learner.fit(learner.prepare(features, every, deal), labels, every)
    assert seen.booster.num_trees() == 100
    assert unseen.booster.num_trees() < 20


def test_a_neighbouring_target_lends_its_number_of_rounds(features, labels):
    every = np.ones(len(features), bool)
    learner = Boosted(CATEGORICAL, {**DEFAULTS, "rounds": 60})
    prepared = learner.prepare(features, every, np.arange(len(features)))
    start = Boosted(CATEGORICAL, {**DEFAULTS, "rounds": 7}).fit(
        learner.prepare(features, every), labels, every
    )
    assert learner.fit(prepared, labels, every, start).booster.num_trees() == 7
