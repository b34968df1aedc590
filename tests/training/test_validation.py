from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import LOST, OPEN, WON, History
from features.snapshots import panel as weekly
from features.windows import DAY
from training.close import make_panel
from training.learners import expit
from training.logistic import Logistic
from training.validation import (
    LEAST_CLOSED,
    LONG,
    SHORT,
    OutOfTime,
    horizons_for,
    judge,
    origins_for,
    validate,
)


@pytest.fixture(scope="module")
def learner(categorical):
    return Logistic(categorical, l2=60.0)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def found(history, panel, learner, told):
    return validate(history, panel, learner, told.append)


def out_of_time(deals=2000, rows=3, model=1.0, table=0.3, seed=0):
    """Deals whose true log-odds the model knows to a factor, and the table to another."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 1.2, deals).repeat(rows)
    labels = (rng.random(deals) < expit(true[::rows])).astype(float).repeat(rows)
    return OutOfTime(
        deal=np.arange(deals).repeat(rows),
        time=np.tile(np.arange(rows), deals),
        kind=np.where(labels > 0, WON, LOST),
        labels={SHORT: labels, LONG: labels},
        model={SHORT: model * true, LONG: model * true},
        table={SHORT: table * true - 0.7, LONG: table * true - 0.7},
        lost_labels=1 - labels,
        lost_model=-model * true,
        parts={SHORT: (model * true)[:, None], LONG: (model * true)[:, None]},
        lost_parts=(-model * true)[:, None],
    )


def test_origins_lie_so_far_back_that_every_outcome_is_known(panel):
    origins = origins_for(panel)
    assert len(origins) >= 2
    assert all(later > earlier for later, earlier in pairwise(origins))
    assert max(origins) + LONG * DAY < panel.cut
    assert set(origins) <= set(panel.snapshots.time), "not on the weekly grid"


def part_of(panel, history, rows):
    rows = np.flatnonzero(rows)
    return make_panel(history, panel.snapshots.take(rows), panel.features.iloc[rows], panel.cut)


def test_short_history_is_judged_at_the_short_horizon_alone(panel, history):
    assert horizons_for(panel) == (SHORT, LONG)
    late = panel.snapshots.time > panel.cut - 4 * LONG * DAY
    assert horizons_for(part_of(panel, history, late)) == (SHORT,)
    assert horizons_for(part_of(panel, history, late & False)) == (SHORT,)


@pytest.mark.parametrize(("early", "expected"), [(0.9, (SHORT,)), (1.1, (SHORT, LONG))])
def test_firm_that_has_doubled_since_the_origin_is_judged_at_the_short_horizon(
    panel, history, early, expected
):
    origin = max(origins_for(panel))
    closed = panel.snapshots.time + panel.outcomes.days * DAY
    before = np.unique(panel.snapshots.deal[closed < origin])
    since = np.unique(panel.snapshots.deal[(closed >= origin) & np.isfinite(closed)])
    left_out = before[round(early * len(since)) :]
    young = part_of(panel, history, ~np.isin(panel.snapshots.deal, left_out))
    assert young.closed_before(origin) < young.closed_deals
    assert np.ptp(young.snapshots.time) >= 4 * LONG * DAY
    assert horizons_for(young) == expected


def test_rows_are_asked_after_their_origin_and_watched_for_the_longest_horizon(found, panel):
    assert (found.time >= min(origins_for(panel))).all()
    assert (found.time + LONG * DAY <= panel.cut).all()
    assert len(pd.DataFrame({"d": found.deal, "t": found.time}).drop_duplicates()) == len(
        found.deal
    )


def test_labels_are_the_outcomes_that_came(found, history):
    closings = history.closings
    index = closings.next_index(found.deal, found.time)
    days = np.where(index >= 0, closings.time[index] - found.time, np.inf) / DAY
    won = (days < SHORT) & (closings.values["outcome"][index] == WON)
    backdated = closings.values["happened"][index] != closings.time[index]
    assert found.labels[SHORT][~backdated].tolist() == won.astype(float)[~backdated].tolist()
    for labels in found.labels.values():
        assert not np.isnan(labels).any()
    assert (found.labels[SHORT] <= found.labels[LONG]).all()
    assert (found.labels[LONG] <= (found.kind == WON)).all()


def test_progress_names_each_origin(found, told, panel):
    count = len(origins_for(panel))
    assert [f"({n} of {count})" in text for n, text in enumerate(told, 1)] == [True] * count


def test_no_origins_model_sees_what_became_known_later(firm, found, panel, learner):
    tables = Tables.of(firm.tables)
    origin = pd.Timestamp(max(origins_for(panel)), unit="us", tz="UTC")
    rows = tables.deal_history
    other = {"closed_won": "closed_lost", "closed_lost": "closed_won"}
    late = (rows["recorded_at"] >= origin) & rows["value"].isin(list(other))
    rows = rows.assign(value=rows["value"].where(~late, rows["value"].map(other)))
    future = History.of(Tables.of({**dict(tables.items()), "deal_history": rows}))
    other_panel = make_panel(future, panel.snapshots, panel.features, panel.cut)
    again = validate(future, other_panel, learner, lambda _: None)
    assert again.deal.tolist() == found.deal.tolist()
    assert again.labels[LONG].tolist() != found.labels[LONG].tolist()
    for horizon in (SHORT, LONG):
        assert again.model[horizon].tolist() == found.model[horizon].tolist()
        assert again.table[horizon].tolist() == found.table[horizon].tolist()
    assert again.lost_model.tolist() == found.lost_model.tolist()


def test_history_too_short_for_an_origin_gives_no_verdict(make_history, learner):
    created = pd.Timestamp("2024-05-01", tz="UTC") + pd.to_timedelta(np.arange(60) % 20, unit="D")
    deals = {"created": created, "closed": created + pd.Timedelta("3D"), "won": [True, False] * 30}
    history = make_history(deals)
    cut = int(pd.Timestamp("2024-06-01", tz="UTC").as_unit("us").asm8.astype("int64"))
    chosen = weekly(history, cut)
    features = pd.DataFrame({"age_days": np.arange(len(chosen), dtype=float)})
    panel = make_panel(history, chosen, features, cut)
    assert validate(history, panel, learner, lambda _: None) is None
    assert LEAST_CLOSED > 0


def test_better_model_gains_over_the_table_and_worse_one_loses():
    assert judge(out_of_time(model=1.0, table=0.3)).gain.better
    assert judge(out_of_time(model=0.3, table=1.0)).gain.mean < 0


def test_judged_figures_are_those_of_the_rows():
    found = out_of_time()
    figures = judge(found).figures[SHORT]
    p = expit(found.model[SHORT])
    assert figures["deals"] == pytest.approx(2000)
    assert figures["snapshots"] == 6000
    assert figures["observed_expected"] == pytest.approx(found.labels[SHORT].sum() / p.sum())
    assert figures["log_loss"] < figures["table_log_loss"]
    assert figures["auc"] == pytest.approx(figures["table_auc"])
    assert 0.7 < figures["auc"] < 0.9
    assert figures["auc_won_lost"] == pytest.approx(figures["auc"])


def test_deals_still_open_have_no_part_in_won_against_lost():
    found = out_of_time()
    unknown = np.arange(len(found.deal)) % 2 == 0
    kind = np.where(unknown, OPEN, found.kind)
    wild = {h: np.where(unknown, -found.model[h], found.model[h]) for h in found.model}
    plain = judge(replace(found, kind=kind)).figures[SHORT]
    assert judge(replace(found, kind=kind, model=wild)).figures[SHORT][
        "auc_won_lost"
    ] == pytest.approx(plain["auc_won_lost"])


def test_overconfident_model_is_drawn_back():
    verdict = judge(out_of_time(deals=8000, rows=1, model=1.5))
    assert verdict.slope[0] < 0.9
    assert verdict.slope[1] < 0.9


def test_calibrated_model_is_left_alone():
    verdict = judge(out_of_time(deals=8000, rows=1))
    assert verdict.slope == pytest.approx((1, 1), abs=0.07)
    assert verdict.offset == pytest.approx((0, 0), abs=0.1)


def test_verdict_is_plain_types():
    plain = judge(out_of_time(deals=200)).to_json()
    assert set(plain["figures"]) == {str(SHORT), str(LONG)}
    assert json.loads(json.dumps(plain)) == json.loads(json.dumps(plain))
    assert plain["gain"]["deals"] == 200
