from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.tables import Tables
from features.history import History
from training.forecast import (
    Booked,
    Calendar,
    NewDeals,
    OpenDeals,
    Spread,
    forecast_table,
    simulate_forecast,
)
from training.targets import Targets, months_of, with_targets

OWNERS = {"ann": "north", "bob": "north", "cid": "south", "dee": None}


def targets(rows, start_month=1):
    """Targets from rows (period, owner, team, amount)."""
    columns = ["period", "owner_id", "team", "amount"]
    owners = pd.DataFrame({"owner_id": list(OWNERS), "team": list(OWNERS.values())})
    tables = Tables.of({"targets": pd.DataFrame(rows, columns=columns), "owners": owners})
    return Targets.of(History.of(tables, Settings(fiscal_year_start_month=start_month)))


def test_own_row_comes_before_any_sum():
    found = targets(
        [
            ("2025-Q1", "ann", None, 10),
            ("2025-Q1", None, "north", 70),
            ("2025-Q1", None, None, 500),
        ]
    )
    assert found.amount("2025-Q1", "owner", "ann") == 10
    assert found.amount("2025-Q1", "team", "north") == 70
    assert found.amount("2025-Q1", "total") == 500


def test_team_without_target_has_the_sum_of_its_owners_and_the_firm_that_of_its_teams():
    found = targets(
        [
            ("2025-Q1", "ann", None, 10),
            ("2025-Q1", "bob", None, 20),
            ("2025-Q1", None, "south", 40),
            ("2025-Q1", "cid", None, 33),
            ("2025-Q1", "dee", None, 5),
        ]
    )
    assert found.amount("2025-Q1", "team", "north") == 30
    assert found.amount("2025-Q1", "team", "south") == 40
    assert found.amount("2025-Q1", "total") == 30 + 40 + 5


def test_quarter_is_the_sum_of_its_three_months_or_nothing():
    months = [(f"2025-{m:02d}", "ann", None, 10 * m) for m in (1, 2, 3, 4, 5)]
    found = targets(months)
    assert found.amount("2025-Q1", "owner", "ann") == 60
    assert np.isnan(found.amount("2025-Q2", "owner", "ann"))
    assert found.amount("2025-Q1", "total") == 60


def test_month_has_no_share_of_its_quarter():
    found = targets([("2025-Q1", "ann", None, 60)])
    assert np.isnan(found.amount("2025-01", "owner", "ann"))
    assert np.isnan(found.amount("2025-01", "total"))


@pytest.mark.parametrize("scope", ["pipeline", "source", "open"])
def test_pipelines_sources_and_open_deals_have_no_target(scope):
    assert np.isnan(targets([("2025-Q1", None, None, 60)]).amount("2025-Q1", scope, ""))


@pytest.mark.parametrize(
    ("start", "months"),
    [
        (1, ["2025-01", "2025-02", "2025-03"]),
        (2, ["2024-02", "2024-03", "2024-04"]),
        (11, ["2024-11", "2024-12", "2025-01"]),
    ],
)
def test_months_of_a_quarter_follow_the_fiscal_year(start, months):
    assert months_of("2025-Q1", start) == months
    rows = [(month, None, "north", 1.0) for month in months]
    assert targets(rows, start).amount("2025-Q1", "team", "north") == 3.0


@pytest.fixture(scope="module")
def simulation():
    at = int(pd.Timestamp("2025-02-10", tz="UTC").as_unit("us").asm8.astype("int64"))
    calendar = Calendar.of(at, "quarter", 2, 1)
    labels = pd.DataFrame({"owner": ["ann", "bob"], "team": ["north", "north"]})
    deals = OpenDeals(np.array([[0.4, 0.6], [0.5, 0.5]]), np.array([100.0, 50.0]), [], labels)
    new = NewDeals(np.zeros(2), 1.0, np.zeros(0), labels.iloc[:0])
    booked = Booked(np.array([30.0]), labels.iloc[:1])
    return simulate_forecast(
        calendar,
        deals,
        new,
        booked,
        dimensions=("owner", "team"),
        paths=20_000,
        spread=Spread(shock=0.0),
    )


def test_chance_of_reaching_a_target_is_that_of_the_paths(simulation):
    rows = [("2025-Q1", "ann", None, 130), ("2025-Q1", "bob", None, 0)]
    frame = with_targets(forecast_table(simulation), simulation, targets(rows))
    found = frame.set_index(["scope", "scope_id", "period"])
    ann = found.loc[("owner", "ann", "2025-Q1")]
    assert ann["p_target"] == pytest.approx(0.4, abs=0.015)
    assert ann["gap"] == pytest.approx(ann["mean"] - 130)
    assert found.loc[("owner", "bob", "2025-Q1"), "p_target"] == 1.0
    assert found.loc[("total", "", "2025-Q1"), "target"] == 130
    assert (
        found.loc[[("owner", "ann", "2025-Q2")], ["target", "gap", "p_target"]]
        .isna()
        .all(axis=None)
    )


def test_higher_target_is_never_likelier(simulation):
    table = forecast_table(simulation)
    chances = [
        with_targets(table, simulation, targets([("2025-Q1", None, None, amount)]))["p_target"][0]
        for amount in (0, 30, 80, 131, 180, 500)
    ]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0
    assert chances[-1] == 0.0


def test_columns_of_the_forecast_stay_first_and_unchanged(simulation):
    table = forecast_table(simulation)
    frame = with_targets(table, simulation, replace(targets([]), rows={}))
    assert list(frame.columns) == [*table.columns, "target", "gap", "p_target"]
    pd.testing.assert_frame_equal(frame[table.columns], table)
