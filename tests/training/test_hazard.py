from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.history import LOST, OPEN, WON
from features.outcomes import Outcomes
from features.snapshots import Snapshots
from features.windows import DAY
from training.close import Panel
from training.hazard import EDGES, INTERVAL, expand, fit_hazard
from training.learners import Learner, Model, logit


class Shares(Learner):
    """Learns the share of targets in each interval."""

    def prepare(self, features, thin, deal=None):  # noqa: ARG002 - every row is used
        return features[INTERVAL].to_numpy()

    def fit(self, prepared, target, rows, start=None):  # noqa: ARG002 - shares need no start
        sums = np.bincount(prepared[rows].astype(int), target[rows], len(EDGES))
        counts = np.bincount(prepared[rows].astype(int), minlength=len(EDGES))
        return Share(sums / np.maximum(counts, 1))

    def answers(self, prepared, model):
        return model.logits(pd.DataFrame({INTERVAL: prepared}))


class Share(Model):
    def __init__(self, shares):
        self.shares = shares

    def logits(self, features):
        return logit(self.shares[features[INTERVAL].to_numpy(int)])

    def contributions(self, features):
        raise NotImplementedError

    def to_json(self):
        raise NotImplementedError


def outcomes_of(kind, days, watched):
    days = np.asarray(days, float)
    return Outcomes(
        np.asarray(kind), days, np.asarray(watched, float), np.where(np.isfinite(days), 0, -1)
    )


def test_a_snapshot_becomes_a_row_for_every_interval_that_its_deal_entered_open():
    found = outcomes_of([WON], [30.0], [2000.0])
    row, number = expand(found, np.array([0]))
    assert number.tolist() == [0, 1, 2, 3]
    assert EDGES[3] <= 30 < EDGES[4]
    assert row.tolist() == [0] * 4


def test_an_interval_that_has_not_ended_by_the_cut_counts_for_nothing():
    found = outcomes_of([OPEN, WON], [np.inf, 16.0], [20.0, 20.0])
    row, number = expand(found, np.array([0, 1]))
    assert number[row == 0].tolist() == [0, 1]
    assert number[row == 1].tolist() == [0, 1]


def test_closing_on_the_first_day_of_an_interval_belongs_to_it():
    found = outcomes_of([LOST], [7.0], [2000.0])
    assert expand(found, np.array([0]))[1].tolist() == [0, 1]


@pytest.fixture(scope="module")
def lives():
    """Won at a daily rate of .004 and lost at .006, watched for 50 to 900 days."""
    rng = np.random.default_rng(3)
    count = 40_000
    days = rng.exponential(100, count)
    watched = rng.uniform(50, 900, count)
    kind = np.where(days < watched, np.where(rng.random(count) < 0.4, WON, LOST), OPEN)
    found = outcomes_of(kind, np.where(kind > OPEN, days, np.inf), watched)
    features = pd.DataFrame({"age_days": np.zeros(count)}, dtype=np.float32)
    when = (1_000 - watched) * DAY
    return Panel(
        Snapshots(np.arange(count), when.astype(np.int64)),
        features,
        found,
        1_000 * DAY,
        {},
        np.ones(count, bool),
    )


def test_curves_are_those_of_the_known_rates(lives):
    curve = fit_hazard(lives, Shares()).incidence(lives.features[:2])
    for days in (14, 28, 91, 182, 364):
        closed = 1 - np.exp(-days / 100)
        assert curve.won_by(days)[0, 0] == pytest.approx(0.4 * closed, abs=0.015)
        assert curve.lost_by(days)[0, 0] == pytest.approx(0.6 * closed, abs=0.015)


def test_curves_never_fall_and_won_and_lost_stay_within_one(lives):
    curve = fit_hazard(lives, Shares()).incidence(lives.features[:5])
    for side in (curve.won, curve.lost):
        assert (np.diff(side, axis=1) >= 0).all()
    assert (curve.won + curve.lost <= 1).all()
    assert curve.won_by(5000)[0, 0] == curve.won[0, -1]


def test_intervals_longer_than_the_history_are_left_out(lives):
    known = outcomes_of(
        lives.outcomes.kind, lives.outcomes.days, np.minimum(lives.outcomes.watched, 100)
    )
    model = fit_hazard(type(lives)(**{**vars(lives), "outcomes": known}), Shares())
    assert EDGES[model.intervals] == 91
    assert model.incidence(lives.features[:1]).longest == 91


def test_many_rows_are_thinned_alike_for_all_outcomes(lives, monkeypatch):
    thin = np.arange(len(lives)) % 4 == 0
    part = type(lives)(**{**vars(lives), "thin": thin})
    whole = fit_hazard(part, Shares()).incidence(lives.features[:1]).won
    monkeypatch.setattr("training.hazard.MOST_ROWS", 1000)
    less = fit_hazard(part, Shares()).incidence(lives.features[:1]).won
    assert less == pytest.approx(whole, abs=0.03)
    assert less.tolist() != whole.tolist()
