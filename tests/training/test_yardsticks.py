from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.history import WON
from features.vocabulary import learn_vocabulary
from training.yardsticks import LEAST_DEALS, usual_waits


@pytest.fixture(scope="module")
def vocabulary(history, cut):
    return learn_vocabulary(history, cut)


def test_usual_waits_are_those_of_the_tables(history, cut, panel, vocabulary):
    """Counted again with pandas: of snapshots of deals won later, days since the last inbound."""
    found = usual_waits(history, vocabulary, panel)
    assert found
    activities = history.tables.activities
    inbound = activities[activities["direction"] == "inbound"]
    known = inbound["recorded_at"].fillna(inbound["occurred_at"])
    changed = history.tables.deal_history
    entered = changed["recorded_at"].fillna(changed["changed_at"])
    stages = changed.assign(known=entered)[changed["property"] == "stage"]
    won = np.flatnonzero(panel.outcomes.kind == WON)
    rows = []
    for row in won:
        deal = history.deal_ids[panel.snapshots.deal[row]]
        at = pd.Timestamp(int(panel.snapshots.time[row]), unit="us", tz="UTC")
        mine = inbound[(inbound["deal_id"] == deal) & (known < at) & (inbound["occurred_at"] < at)]
        past = stages[(stages["deal_id"] == deal) & (stages["known"] < at)]
        if len(mine) and len(past):
            stage = past.sort_values("known", kind="stable")["value"].iloc[-1]
            rows.append((stage, (at - mine["occurred_at"].max()) / pd.Timedelta("1D")))
    expected = pd.DataFrame(rows, columns=["stage", "days"]).groupby("stage")["days"].median()
    for stage, days in found.items():
        assert days == pytest.approx(expected[stage], rel=1e-4)


def test_stages_with_few_won_deals_are_left_out(history, panel, vocabulary):
    few = np.unique(panel.snapshots.deal[panel.outcomes.kind == WON])[: LEAST_DEALS - 1]
    kind = np.where(np.isin(panel.snapshots.deal, few), panel.outcomes.kind, 0)
    rows = replace(panel, outcomes=replace(panel.outcomes, kind=kind))
    assert usual_waits(history, vocabulary, rows) == {}


def test_a_firm_that_logs_no_directions_has_no_usual_wait(make_history, vocabulary, panel):
    quiet = make_history(
        [{"created": pd.Timestamp("2024-01-01", tz="UTC"), "closed": pd.NaT, "won": None}]
    )
    assert usual_waits(quiet, vocabulary, panel) == {}
