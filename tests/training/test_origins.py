from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import WON, History
from features.windows import DAY
from training.learners import Learner
from training.logistic import Logistic
from training.origins import (
    EVER,
    EVER_DAYS,
    MONTH_DAYS,
    ByLearner,
    Contender,
    Past,
    maturity,
    monthly_origins,
    origin_loss,
)
from training.table import Table


class Constant(Contender):
    """Says the same of every deal."""

    name = "constant"

    def __init__(self, p):
        self.p = p

    def fit(self, known, horizons):  # noqa: ARG002 - the same whatever is known
        return lambda features: np.full((len(features), len(horizons)), self.p)


def by_table(closed, categorical) -> Learner:
    return Table()


@pytest.fixture(scope="module")
def cuts(past):
    return monthly_origins(past, 4)


def test_origins_lie_four_weeks_apart_on_the_weekly_grid(past, cuts):
    assert len(cuts) == 4
    assert {a - b for a, b in pairwise(cuts)} == {MONTH_DAYS * DAY}
    for origin in cuts:
        assert origin in past.snapshots.time


def test_the_newest_origins_month_is_mature_for_the_horizon_asked(past):
    for horizon in (30, 90):
        newest = past.at(monthly_origins(past, 1, (horizon,))[0])
        assert newest.mature(horizon).all()
    assert not newest.mature(180).any()


def test_no_origin_stands_where_too_little_is_known(past):
    every = monthly_origins(past, 1000)
    assert len(every) < 30
    assert min(every) > past.snapshots.time.min()


def test_snapshots_asked_come_at_or_after_the_origin_and_those_learned_from_not_after(past, cuts):
    known = past.at(cuts[0])
    assert (known.panel.snapshots.time <= known.cut).all()
    assert (known.asked.time >= known.cut).all()
    assert (known.asked.time < known.cut + MONTH_DAYS * DAY).all()
    assert (known.panel.outcomes.days * DAY + known.panel.snapshots.time)[
        known.panel.outcomes.kind > 0
    ].max() < known.cut


def test_features_are_those_that_the_origin_would_compute_itself(past, cuts):
    known = past.at(cuts[-1])
    assert list(known.features.columns) == list(known.panel.features.columns)
    pd.testing.assert_frame_equal(known.compute(known.asked), known.features)
    pd.testing.assert_frame_equal(known.compute(known.panel.snapshots), known.panel.features)


def test_a_source_first_met_after_the_origin_is_unseen_there(firm, cut, cuts):
    tables = Tables.of(firm.tables)
    deals = tables.deals
    origin = pd.Timestamp(cuts[0], unit="us", tz="UTC")
    late = deals["created_at"] >= origin
    deals = deals.assign(source=deals["source"].where(~late, "aaa: a fair"))
    history = History.of(Tables.of({**dict(tables.items()), "deals": deals}))
    past = Past.of(history, cut)
    known = past.at(cuts[0])
    name = next(n for n in known.categorical if "source" in n)
    asked = known.asked.deal
    new = late.to_numpy()[asked]
    assert new.any()
    assert known.features[name][new].isna().all()
    pd.testing.assert_frame_equal(known.compute(known.panel.snapshots), known.panel.features)


def test_labels_are_what_came_within_the_horizon(past, cuts, history):
    known = past.at(cuts[0])
    closings = history.closings
    index = closings.next_index(known.asked.deal, known.asked.time)
    seen = (index >= 0) & (closings.time[index] < past.as_of)
    happened = np.maximum(closings.values["happened"][index], known.asked.time)
    days = np.where(seen, (happened - known.asked.time) / DAY, np.inf)
    won = (days < 90) & (closings.values["outcome"][index] == WON)
    assert known.labels(90).tolist() == won.astype(float).tolist()
    assert np.isnan(known.labels(180)).all()
    assert 0 < won.mean() < 1


def test_ever_is_mature_after_a_year_of_watching(past):
    assert maturity(EVER) == EVER_DAYS
    newest = monthly_origins(past, 1, (EVER,))
    assert newest == [] or past.at(newest[0]).mature(EVER).all()


def test_the_loss_of_an_origin_is_the_mean_log_loss_of_its_mature_snapshots(past, cuts):
    known = past.at(cuts[0])
    y = known.labels(30)
    expected = -(y.mean() * np.log(0.2) + (1 - y.mean()) * np.log(0.8))
    assert origin_loss(known, Constant(0.2), (30,)) == pytest.approx(expected)
    assert np.isnan(origin_loss(known, Constant(0.2), (180,)))


def test_the_table_beats_a_constant_of_its_mean(past, cuts):
    months = [past.at(cut) for cut in cuts]
    table = [origin_loss(known, ByLearner("table", by_table)) for known in months]
    flat = [origin_loss(known, Constant(0.5)) for known in months]
    assert np.mean(table) < np.mean(flat)


def test_an_origins_fit_does_not_see_what_became_known_later(firm, past, cuts, cut):
    tables = Tables.of(firm.tables)
    origin = pd.Timestamp(cuts[0], unit="us", tz="UTC")
    rows = tables.deal_history
    other = {"closed_won": "closed_lost", "closed_lost": "closed_won"}
    late = (rows["recorded_at"] >= origin) & rows["value"].isin(list(other))
    rows = rows.assign(value=rows["value"].where(~late, rows["value"].map(other)))
    changed = Past.of(History.of(Tables.of({**dict(tables.items()), "deal_history": rows})), cut)
    contender = ByLearner("logistic", lambda _, categorical: Logistic(categorical), until=30)
    one, two = past.at(cuts[0]), changed.at(cuts[0])
    assert one.labels(30).tolist() != two.labels(30).tolist()
    same = one.asked.time == cuts[0]
    answers = [contender.fit(k, (30,))(one.features[same]) for k in (one, two)]
    assert answers[0].tolist() == answers[1].tolist()
