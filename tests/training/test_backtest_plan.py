from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from features.snapshots import Snapshots
from features.windows import DAY
from training.averaging import USUAL_WEIGHT
from training.backtest_plan import FEWEST, MOST, log_backtest, plan_backtest, slug
from training.baselines import DirectCandidate, HazardCandidate, PlainCatBoost
from training.origins import EVER, MONTH_DAYS, Past
from training.tiers import Recipe


def names(plan):
    return [entry.contender.name for entry in plan.entries]


def test_candidates_stand_beside_the_served_model_when_asked(past):
    assert HazardCandidate.name not in names(plan_backtest(past, (30, 90)))
    both = names(plan_backtest(past, (30, 90), candidates=True))
    assert {HazardCandidate.name, DirectCandidate.name} <= set(both)
    assert both[0] == "served model"


def test_as_many_origins_as_fit_into_five_minutes(past, monkeypatch):
    small = plan_backtest(past, (30,))
    assert FEWEST <= len(small.cuts) <= MOST
    monkeypatch.setattr("training.backtest_plan.SECONDS", 1.0)
    assert len(plan_backtest(past, (30,)).cuts) == FEWEST
    assert len(plan_backtest(past, (30,), 5).cuts) == 5


def test_more_rows_take_longer_and_so_do_candidates(past):
    times = 20
    many = Snapshots(past.snapshots.deal.repeat(times), past.snapshots.time.repeat(times))
    plain, large = (
        plan_backtest(past, (30,), 2),
        plan_backtest(replace(past, snapshots=many), (30,), 2),
    )
    assert large.seconds > 3 * plain.seconds
    assert plan_backtest(past, (30,), 2, candidates=True).seconds > plain.seconds
    assert plain.steps == 2 * len(plain.entries)


def test_newest_origin_is_mature_for_the_horizon_of_the_list(past):
    longer = plan_backtest(past, (30, 90, 180, EVER), 1)
    assert longer.cuts == plan_backtest(past, (90,), 1).cuts
    assert len(longer.cuts) == 1
    assert longer.horizons == (30, 90, 180, EVER)
    assert plan_backtest(past, (30,), 1).cuts[0] > longer.cuts[0]
    assert plan_backtest(past, (EVER, 30), 1).horizons == (30, EVER)


def test_every_horizon_is_mature_at_some_origin_where_the_history_is_long_enough(
    past, monkeypatch
):
    monkeypatch.setattr("training.backtest_plan.SECONDS", 1.0)
    plan = plan_backtest(past, (30, 90, 180))
    assert all(plan.mature(past.as_of, h) for h in (30, 90, 180))
    assert not plan_backtest(past, (30, 90, 180), 2).mature(past.as_of, 180)
    gaps = {(a - b) % (MONTH_DAYS * DAY) for a, b in pairwise(plan.cuts)}
    assert gaps == {0}
    assert len(plan.cuts) == FEWEST + 1


def test_a_history_too_short_for_ninety_days_is_judged_at_a_shorter_horizon(history):
    known_for = 135 * DAY
    begin = int(history.known_from.min())
    young = plan_backtest(Past.of(history, begin + known_for), (7, 30, 90))
    assert young.cuts
    assert young.mature(begin + known_for, 30) or young.mature(begin + known_for, 7)
    assert not young.mature(begin + known_for, 90)


def test_catboost_is_told_absent_where_it_is_not_installed(past, monkeypatch):
    monkeypatch.setattr("training.backtest_plan.catboost_missing", lambda: "not here")
    plan = plan_backtest(past, (30,))
    assert plan.absent == {PlainCatBoost.name: "not here"}
    assert PlainCatBoost.name not in names(plan)


def test_the_served_model_learns_by_the_recipe_given(past):
    served = plan_backtest(past, (30,), 1, recipe=Recipe(weight=0.25)).served
    assert served.learner("full", (), 2000).weights == (0.25, 0.75)
    assert served.usual == 0.25
    plain = plan_backtest(past, (30,), 1).served
    assert plain.learner("full", (), 2000).weights == (USUAL_WEIGHT, 1 - USUAL_WEIGHT)


def test_names_of_metrics_are_what_a_tracker_takes():
    assert slug("candidate b: a model a horizon") == "candidate_b_a_model_a_horizon"
    assert slug("LightGBM, closed deals only") == "LightGBM_closed_deals_only"


def test_every_contenders_figures_are_logged(replayed, findings):
    class Kept:
        def record(self, name, *, params, metrics, files):
            self.seen = (name, params, metrics, files)
            return "run"

    tracker = Kept()
    assert log_backtest(tracker, replayed, findings, {}) == "run"
    _, params, metrics, _ = tracker.seen
    assert params["origins"] == 3
    row = findings.row(90)
    assert metrics["stage_x_age_table.log_loss_90d"] == pytest.approx(row["log_loss"])
    assert "logistic_regression.auc_30d" in metrics
    assert "logistic_regression.auc_90d" not in metrics
