"""The rivals of the speed comparison compute the same features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from experiments.feature_speed import CUT, _better, _one_deal
from experiments.speed_data import ACTIVITIES_A_DEAL, END, speed_tables
from experiments.speed_featuretools import features
from experiments.speed_report import (
    catalogue_lines,
    featuretools_lines,
    one_deal_line,
    rival_lines,
)
from experiments.speed_rivals import SUBSET, duckdb_sql, ours, pandas_asof, polars_asof
from features.history import History
from features.snapshots import panel


@pytest.fixture(scope="module")
def tables() -> Tables:
    return speed_tables(300)


@pytest.mark.parametrize("rival", [pandas_asof, duckdb_sql, polars_asof])
def test_rival_gives_the_same_values(tables: Tables, rival: object) -> None:
    if rival is polars_asof:
        pytest.importorskip("polars", reason="Polars comes with the dev extra")
    rows = panel(History.of(tables), CUT)
    assert callable(rival)
    pd.testing.assert_frame_equal(rival(tables, rows), ours(tables, rows), rtol=1e-5)
    assert len(SUBSET) == 25


def test_crm_for_speed_has_the_size_asked_for_and_no_future(tables: Tables) -> None:
    assert len(tables.deals) == 300
    assert len(tables.activities) == 300 * ACTIVITIES_A_DEAL
    for name, column in (("deal_history", "changed_at"), ("activities", "occurred_at")):
        assert (tables[name][column] < END).all()


def test_featuretools_gives_the_same_values(tables: Tables) -> None:
    pytest.importorskip("featuretools", reason="Featuretools needs a pandas older than ours")
    rows = panel(History.of(tables), CUT)
    found = features(dict(tables.items()), rows.deal, rows.time)[list(SUBSET)]
    pd.testing.assert_frame_equal(found, ours(tables, rows), rtol=1e-5)


def test_one_deal_is_measured_in_a_history_and_sent_whole(tables: Tables) -> None:
    found = _one_deal(tables, panel(History.of(tables), CUT), activities=20)
    assert min(found.values()) > 0
    assert f"through {found['features']} features" in one_deal_line(found)


def test_the_lighter_of_the_runs_is_reported() -> None:
    runs = iter([{"busy": 3.0}, {"busy": 2.0}, {"busy": 1.0}])
    assert _better(lambda: next(runs)) == {"busy": 2.0}


def test_report_compares_rates_and_says_where_values_differ() -> None:
    engine = {"rows": 100, "seconds": 2.0, "busy": 1.0, "above": 0.5, "sums": [1.0]}
    rival = engine | {"seconds": 4.0, "sums": [2.0]}
    lines = rival_lines({"ours": engine, "other": rival})
    assert any("| ours | 2.0 | 1.0 | 50 | 0.5 | yes |" in line for line in lines)
    assert any("| other | 4.0 | 1.0 | 25 | 0.5 | NO |" in line for line in lines)
    assert (
        "other was not measured: killed"
        in rival_lines({"ours": engine, "other": {"failed": "killed"}})[-1]
    )
    said = featuretools_lines({"ours": engine, "Featuretools": engine | {"seconds": 200.0}})
    assert "1 % sample" in said[-1]
    assert "100 times as many" in said[-1]
    assert "not measured" in featuretools_lines({})[-1]


def test_report_tells_how_time_grows_with_the_deals() -> None:
    parts = {"index": 1.0, "first": 1.0, "compute": 2.0, "features": 9, "peak": 1.0}
    small = parts | {"rows": 100, "seconds": 4.0, "busy": 2.5, "own": 2.0}
    large = parts | {"rows": 1000, "seconds": 48.0, "busy": 30.0, "own": 22.0}
    lines = catalogue_lines(1000, {"small": small, "large": large}, 0.5)
    assert "take 11.0 times the processor time of the program itself" in lines[-1]
    assert "(0.5 s and 8.0 s), 12.0 times, and 12.0 times the seconds" in lines[-1]
    assert np.any(["| 1,000 | 1,000 |" in line for line in lines])
