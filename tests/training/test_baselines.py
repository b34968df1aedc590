from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from features.history import OPEN
from training.baselines import (
    Classifiers,
    ClosedOnlyLightGBM,
    CrmPercentages,
    DirectCandidate,
    HazardCandidate,
    PlainCatBoost,
    PlainLightGBM,
    StageAgeTable,
    catboost_missing,
)
from training.metrics import auc, log_loss
from training.origins import EVER, HORIZONS, monthly_origins


@pytest.fixture(scope="module")
def known(past):
    return past.at(monthly_origins(past, 1)[0])


def test_crm_percentages_rise_with_the_stage_and_know_no_horizon(known):
    p = CrmPercentages().fit(known, (30, EVER))(known.features)
    assert (p[:, 0] == p[:, 1]).all()
    by_stage = (
        pd.Series(p[:, 0]).groupby(known.features["stage_code"].to_numpy()).agg(["min", "max"])
    )
    assert (by_stage["min"] == by_stage["max"]).all()
    assert (np.diff(by_stage["min"]) > 0).all()
    assert p.min() >= 0.1
    assert p.max() <= 0.9


def test_a_stage_unseen_at_the_origin_gets_an_answer(known):
    strange = known.features[:3].assign(stage_code=[np.nan, 99, -1])
    for contender in (CrmPercentages(), StageAgeTable()):
        p = contender.fit(known, (30,))(strange)
        assert ((p > 0) & (p < 1)).all()


@dataclass(frozen=True)
class Recorder(Classifiers):
    """Remembers the rows that it was given to learn from."""

    seen: list
    name: str = "recorder"

    def make(self):
        return self

    def fit(self, *learned):
        if len(learned) == 2 and isinstance(learned[0], np.ndarray):
            self.seen.append(learned)
            return self
        return super().fit(*learned)

    def predict_proba(self, values):
        return np.full((len(values), 2), 0.5)


def test_a_classifier_learns_a_horizon_from_its_mature_rows_alone(known):
    recorder = Recorder([])
    p = recorder.fit(known, (30, 90))(known.features)
    assert p.shape == (len(known.features), 2)
    # The horizons are fitted side by side: the shorter one has more rows that are mature.
    seen = sorted(recorder.seen, key=lambda learned: -len(learned[0]))
    for horizon, (matrix, labels) in zip((30, 90), seen, strict=True):
        mature = known.panel.outcomes.watched >= horizon
        assert len(matrix) == mature.sum() < len(known.panel)
        assert labels.tolist() == known.panel.outcomes.won(horizon)[mature].tolist()


def test_closed_only_leaves_out_whatever_is_open_at_the_cut(known):
    labels, rows = ClosedOnlyLightGBM().rows(known.panel, 90, 730.0)
    assert (known.panel.outcomes.kind[rows] != OPEN).all()
    assert (known.panel.outcomes.kind[~rows] == OPEN).all()
    assert 0 < labels[rows].mean() < 1


def test_too_few_of_a_kind_are_answered_by_their_share(known):
    nobody = known.panel.outcomes
    lost = type(nobody)(
        np.where(nobody.kind == 1, 2, nobody.kind), *list(vars(nobody).values())[1:]
    )
    panel = type(known.panel)(**{**vars(known.panel), "outcomes": lost})
    p = PlainLightGBM().fit(type(known)(**{**vars(known), "panel": panel}), (30,))(known.features)
    assert (p == 0).all()


@pytest.mark.slow
def test_every_contender_tells_won_from_not_won(known):
    labels, rows = known.labels(90), known.mature(90)
    contenders = [PlainLightGBM(), ClosedOnlyLightGBM(), HazardCandidate(), DirectCandidate()]
    for contender in contenders:
        p = contender.fit(known, (30, 90))(known.features)
        assert np.isfinite(p).all(), contender.name
        assert auc(labels[rows], p[rows, 1]) > 0.55, contender.name


@pytest.mark.slow
def test_candidates_are_coherent_over_horizons_and_beat_a_constant(known):
    labels, rows = known.labels(90), known.mature(90)
    base = log_loss(labels[rows], np.full(rows.sum(), labels[rows].mean())).mean()
    for contender in (HazardCandidate(), DirectCandidate()):
        p = contender.fit(known, HORIZONS)(known.features)
        assert (np.diff(p, axis=1) >= -1e-12).all(), contender.name
        assert log_loss(labels[rows], p[rows, 2]).mean() < base, contender.name


def test_catboost_is_told_absent_with_a_remedy(monkeypatch):
    monkeypatch.setattr("training.baselines.find_spec", lambda _: None)
    assert "pip install catboost" in catboost_missing()
    monkeypatch.setattr("training.baselines.find_spec", lambda name: name)
    assert catboost_missing() == ""


@pytest.mark.slow
def test_catboost_as_it_comes_answers_where_it_is_installed(known):
    pytest.importorskip("catboost")

    class Short(PlainCatBoost):
        def make(self):
            made = super().make()
            made.set_params(iterations=20)
            return made

    p = Short().fit(known, (90,))(known.features)
    assert auc(known.labels(90), p[:, 0]) > 0.5
