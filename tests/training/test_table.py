from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.learners import expit
from training.table import Table


def rows(count, stage=0.0, age=10.0):
    return pd.DataFrame({"stage_code": np.full(count, stage), "age_days": np.full(count, age)})


def fitted(features, target, **named):
    learner, every = Table(**named), np.ones(len(features), bool)
    return learner.fit(learner.prepare(features, every), np.asarray(target, float), every)


def test_without_any_row_the_answer_is_the_prior():
    model = fitted(rows(0), [], prior=0.3)
    assert expit(model.logits(rows(2))) == pytest.approx([0.3, 0.3])


def test_few_rows_hardly_move_the_prior_and_many_leave_it():
    few = expit(fitted(rows(8), np.ones(8)).logits(rows(1)))[0]
    many = expit(fitted(rows(80_000), np.ones(80_000)).logits(rows(1)))[0]
    assert 0.25 < few < 0.45
    assert many > 0.98


def test_share_lies_between_its_level_and_the_one_above():
    features = pd.concat([rows(8000, stage=0.0), rows(80, stage=1.0)], ignore_index=True)
    target = np.r_[np.zeros(8000), np.ones(80)]
    scarce = expit(fitted(features, target).logits(rows(1, stage=1.0)))[0]
    firm = (target.sum() / 8 + 10 * 0.25) / (8080 / 8 + 10)
    assert firm < scarce < 1.0


def test_stage_never_seen_is_answered_with_the_share_of_the_firm():
    features = pd.concat([rows(4000, stage=0.0), rows(4000, stage=1.0)], ignore_index=True)
    model = fitted(features, np.r_[np.zeros(4000), np.full(4000, 0.6)])
    assert expit(model.logits(rows(1, stage=7.0)))[0] == pytest.approx(0.3, abs=0.01)
    assert expit(model.logits(rows(1, stage=np.nan)))[0] == pytest.approx(0.3, abs=0.01)


def test_without_stages_the_table_is_of_age_alone():
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"age_days": rng.uniform(0, 100, 20_000)})
    model = fitted(features, (features["age_days"] < 30).astype(float))
    young, old = expit(model.logits(pd.DataFrame({"age_days": [5.0, 90.0]})))
    assert young > 0.8
    assert old < 0.1
    parts = model.contributions(features.iloc[:50])
    assert parts.sum(axis=1) == pytest.approx(model.logits(features.iloc[:50]))
