"""The rivals of the speed comparison compute the same features."""

from __future__ import annotations

import pandas as pd
import pytest

from data.tables import Tables
from experiments.feature_speed import CUT
from experiments.speed_data import ACTIVITIES_A_DEAL, END, speed_tables
from experiments.speed_rivals import SUBSET, duckdb_sql, ours, pandas_asof
from features.history import History
from features.snapshots import panel


@pytest.fixture(scope="module")
def tables() -> Tables:
    return speed_tables(300)


@pytest.mark.parametrize("rival", [pandas_asof, duckdb_sql])
def test_rival_gives_the_same_values(tables: Tables, rival: object) -> None:
    rows = panel(History.of(tables), CUT)
    assert callable(rival)
    pd.testing.assert_frame_equal(rival(tables, rows), ours(tables, rows), rtol=1e-5)
    assert len(SUBSET) == 25


def test_crm_for_speed_has_the_size_asked_for_and_no_future(tables: Tables) -> None:
    assert len(tables.deals) == 300
    assert len(tables.activities) == 300 * ACTIVITIES_A_DEAL
    for name, column in (("deal_history", "changed_at"), ("activities", "occurred_at")):
        assert (tables[name][column] < END).all()
