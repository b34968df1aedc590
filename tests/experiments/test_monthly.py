from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from data.demo import World, simulate
from data.tables import Tables
from experiments.monthly import (
    OURS,
    YARDSTICKS,
    Month,
    month_starts,
    next_months,
    run_rate,
    stage_rate,
    wape,
    won_between,
)
from features.history import History
from features.snapshots import open_deals
from features.windows import DAY

AS_OF = int(pd.Timestamp("2024-05-01", tz="UTC").as_unit("us").asm8.astype("int64"))
END = int(pd.Timestamp("2024-06-01", tz="UTC").as_unit("us").asm8.astype("int64"))


@pytest.fixture(scope="module")
def history():
    end = pd.Timestamp("2024-07-01", tz="UTC")
    firm = simulate(World.demo(seed=7), deals=700, years=1.5, end=end, seed=7)
    return History.of(Tables.of(firm.tables))


def asked(history, unit):
    return SimpleNamespace(
        unit=unit,
        calendar=SimpleNamespace(as_of=AS_OF),
        scored=SimpleNamespace(snapshots=open_deals(history, AS_OF)),
    )


def test_what_is_won_is_split_by_the_months_without_rest(history):
    halves = [won_between(history, a, b, "revenue") for a, b in ((0, AS_OF), (AS_OF, END))]
    assert sum(halves) == pytest.approx(won_between(history, 0, END, "revenue"))
    assert won_between(history, 0, END, "wins") == int(won_between(history, 0, END, "wins"))


@pytest.mark.parametrize("unit", ["revenue", "wins"])
def test_run_rate_is_the_daily_rate_of_late_times_the_days(history, unit):
    recent = won_between(history, AS_OF - 91 * DAY, AS_OF, unit, AS_OF)
    assert run_rate(history, asked(history, unit), END) == pytest.approx(recent / 91 * 31)


@pytest.mark.parametrize("unit", ["revenue", "wins"])
def test_stage_rate_is_a_part_of_what_is_open(history, unit):
    outlook = asked(history, unit)
    found = stage_rate(history, outlook, END)
    snapshots = outlook.scored.snapshots
    amount = history.changes["amount"].last("value", snapshots.deal, snapshots.time)
    whole = pd.Series(amount).sum() if unit == "revenue" else len(snapshots)
    assert 0 < found < whole


def test_yardsticks_know_nothing_of_later(history):
    cut = pd.Timestamp("2024-05-01", tz="UTC")
    tables = history.tables
    rows = tables.deal_history
    known = {name: tables[name] for name in ("stages", "owners", "accounts")}
    deals = tables.deals[tables.deals["created_at"] < cut]
    deals = deals.assign(stage="lead", is_won=pd.NA, closed_at=pd.NaT)
    past = rows[rows["recorded_at"].fillna(rows["changed_at"]) < cut]
    past = past[past["deal_id"].isin(deals["deal_id"])]
    short = History.of(Tables.of({**known, "deals": deals, "deal_history": past}))
    for rate in (run_rate, stage_rate):
        whole = rate(history, asked(history, "revenue"), END)
        assert rate(short, asked(short, "revenue"), END) == pytest.approx(whole)


def test_wape_is_the_error_over_what_came():
    months = [
        Month("2024-01", "table", "wins", {OURS: forecast}, 0, 1, actual)
        for forecast, actual in ((8.0, 10.0), (33.0, 30.0))
    ]
    assert wape(months, OURS) == pytest.approx(5 / 40)


def test_months_are_asked_on_their_first_days():
    assert month_starts("2011-12-01", 3) == ["2011-12-01", "2012-01-01", "2012-02-01"]


@pytest.mark.slow
def test_month_is_forecast_from_what_was_known_and_beside_what_came(history):
    told = []
    (month,) = next_months(history, ["2024-05-01"], told.append)
    assert month.name == "2024-05"
    assert set(month.forecasts) == {OURS, *YARDSTICKS}
    assert month.p10 <= month.p90
    assert month.actual == pytest.approx(won_between(history, AS_OF, END, "revenue"))
    assert told == ["as of 2024-05-01: training on what was known"]
