from __future__ import annotations

import pandas as pd
import pytest

from data.demo import World, simulate
from data.tables import Tables
from experiments.monthly import OURS, YARDSTICKS, Month, month_starts, next_months, wape
from features.history import History


@pytest.fixture(scope="module")
def firm():
    end = pd.Timestamp("2024-07-01", tz="UTC")
    return simulate(World.demo(seed=7), deals=700, years=1.5, end=end, seed=7)


def test_wape_is_the_error_over_what_came():
    months = [
        Month("2024-01", "table", "wins", {OURS: forecast}, 0, 1, actual)
        for forecast, actual in ((8.0, 10.0), (33.0, 30.0))
    ]
    assert wape(months, OURS) == pytest.approx(5 / 40)


def test_months_are_asked_on_their_first_days():
    assert month_starts("2011-12-01", 3) == ["2011-12-01", "2012-01-01", "2012-02-01"]


@pytest.mark.slow
def test_month_is_forecast_from_what_was_known_and_stands_beside_what_came(firm):
    told = []
    (month,) = next_months(History.of(Tables.of(firm.tables)), ["2024-05-01"], told.append)
    assert (month.name, month.unit) == ("2024-05", "revenue")
    assert set(month.forecasts) == {OURS, *YARDSTICKS}
    assert min(month.forecasts.values()) > 0
    assert month.p10 <= month.p90
    deals = firm.tables["deals"]
    won = deals[deals["is_won"].fillna(value=False).astype(bool)]
    in_may = won["closed_at"].dt.strftime("%Y-%m") == "2024-05"

    assert month.actual == pytest.approx(won.loc[in_may, "amount"].sum())
    assert told == ["as of 2024-05-01: training on what was known"]
