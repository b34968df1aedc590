from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.history import WON
from features.windows import DAY
from training.backtest import Entry, run_backtest
from training.baselines import CrmPercentages, DirectLogistic, StageAgeTable
from training.origins import EVER, MONTH_DAYS, Contender, monthly_origins


class ByAge(Contender):
    """Says a probability that only time moves."""

    name = "by age"

    def fit(self, known, horizons):  # noqa: ARG002 - the same whatever is known
        def answer(features):
            age = features["age_days"].to_numpy(float)
            return np.repeat((0.5 / (1 + age / 10))[:, None], len(horizons), axis=1)

        return answer


def test_each_snapshot_is_asked_once_in_the_month_after_its_origin(replayed):
    rows = replayed.rows
    assert not rows.duplicated(["deal", "time"]).any()
    assert (rows["time"] >= rows["origin"]).all()
    assert (rows["time"] < rows["origin"] + MONTH_DAYS * DAY).all()
    assert len(replayed.origins) == 3


def test_a_contender_asked_at_some_origins_and_horizons_is_nan_elsewhere(replayed):
    p = replayed.answers[DirectLogistic.name]
    asked = replayed.rows["origin"].isin([replayed.origins[0], replayed.origins[2]])
    assert (np.isfinite(p[:, 0]) == asked).all()
    assert np.isnan(p[:, 1:]).all()
    assert np.isfinite(replayed.answers[StageAgeTable.name]).all()


def test_only_mature_rows_are_judged(replayed):
    assert replayed.judged(StageAgeTable.name, 90).all()
    assert not replayed.judged(StageAgeTable.name, EVER).any()
    assert not replayed.judged(DirectLogistic.name, 90).any()


def test_rows_tell_what_was_known_then_and_what_came(replayed, history):
    rows = replayed.rows
    won = rows[rows["label_90"] == 1]
    assert won["won_amount"].notna().mean() > 0.5
    assert rows.loc[~np.isfinite(rows["days"]), "won_amount"].isna().all()
    sample = rows.sample(40, random_state=1)
    for row in sample.itertuples():
        assert row.deal_id == history.deal_ids[row.deal]
        at = np.array([row.time])
        stage = history.stages.last("stage", np.array([row.deal]), at)[0]
        assert row.stage == history.stage_names[int(stage)]
        amount = history.changes["amount"].last("value", np.array([row.deal]), at)[0]
        assert amount == row.amount or (np.isnan(amount) and np.isnan(row.amount))


def test_progress_is_told_of_every_fit(past):
    told = []
    cuts = monthly_origins(past, 2)
    run_backtest(past, cuts, [Entry(CrmPercentages()), Entry(ByAge())], (30,), told.append)
    assert told == [
        f"origin {n} of 2: {name}" for n in (1, 2) for name in ("CRM stage percentages", "by age")
    ]


def test_stability_is_of_deals_to_which_nothing_happened(past, history):
    cuts = monthly_origins(past, 2)
    test = run_backtest(past, cuts, [Entry(CrmPercentages()), Entry(ByAge())], (90,))
    moved = test.stability.set_index(["name", "origin"])
    assert (moved.loc["CRM stage percentages", "mean"] == 0).all()
    assert (moved.loc["by age", "mean"] > 0).all()
    assert (moved.loc["by age", "mean"] < 0.05).all()
    for cut in cuts:
        from features.snapshots import open_deals

        now = open_deals(history, cut)
        events = [history.activities, history.stages, *history.changes.values()]
        quiet = [
            not any(
                ((e.time >= cut) & (e.time < cut + DAY) & (e.group == deal)).any() for e in events
            )
            for deal in now.deal
        ]
        assert moved.loc[("by age", cut), "deals"] == sum(quiet)


def test_frame_has_times_and_a_column_for_each_answer(replayed):
    frame = replayed.to_frame()
    assert len(frame) == len(replayed.rows)
    assert isinstance(frame["origin"].dtype, pd.DatetimeTZDtype)
    assert f"p_30 | {StageAgeTable.name}" in frame
    assert f"p_ever | {StageAgeTable.name}" in frame
    assert frame["deal_id"].notna().all()


def test_labels_agree_with_the_outcome(replayed, history):
    rows = replayed.rows
    closings = history.closings
    index = closings.next_index(rows["deal"].to_numpy(), rows["time"].to_numpy())
    kind = np.where(index >= 0, closings.values["outcome"][index], 0)
    won = (kind == WON) & (rows["days"] < 30)
    assert rows["label_30"].tolist() == won.astype(float).tolist()


def test_the_order_of_contenders_is_kept(replayed):
    assert list(replayed.answers) == [StageAgeTable.name, CrmPercentages.name, DirectLogistic.name]
    assert set(replayed.seconds) == set(replayed.answers)
    assert replayed.seconds[StageAgeTable.name] > 0
    assert pytest.approx(0, abs=1) == replayed.seconds[CrmPercentages.name]
