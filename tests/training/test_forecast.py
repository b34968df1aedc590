from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.forecast import (
    Booked,
    Calendar,
    NewDeals,
    OpenDeals,
    Spread,
    forecast_table,
    simulate_forecast,
)

AS_OF = pd.Timestamp("2024-05-20", tz="UTC")
MICROS = int(AS_OF.as_unit("us").asm8.astype("int64"))
DIMENSIONS = ("owner", "team", "pipeline", "source")
CALENDAR = Calendar.of(MICROS, "month", 3, 1)
STILL = Spread(shock=0.0)


def labels(count, seed=0):
    rng = np.random.default_rng(seed)
    names = {"owner": ["ann", "bob", "สมชาย"], "team": ["north", "south"]}
    names |= {"pipeline": ["new", "old"], "source": ["web", "event", None]}
    return pd.DataFrame({name: rng.choice(values, count) for name, values in names.items()})


def opened(count=40, seed=0, errors=()):
    rng = np.random.default_rng(seed)
    won_by = np.cumsum(rng.uniform(0, 0.2, (count, 3)), axis=1)
    amount = np.exp(rng.normal(8, 0.5, count))
    return OpenDeals(won_by, amount, np.array(errors, float), labels(count, seed))


NEW = NewDeals(
    np.array([0.5, 2.0, 4.0]), 1.5, np.array([900.0, 1100.0, 4000.0, 50.0]), labels(4, 1)
)
BOOKED = Booked(np.array([700.0, 300.0]), labels(2, 2))
NOTHING_OPEN = OpenDeals(np.zeros((0, 3)), np.zeros(0), np.zeros(0), labels(0))
NOTHING_NEW = NewDeals(np.zeros(3), 1.0, np.zeros(0), labels(0))
NOTHING_BOOKED = Booked(np.zeros(0), labels(0))


def simulated(open_deals=None, new=NEW, booked=BOOKED, paths=2000, seed=0, **named):
    return simulate_forecast(
        CALENDAR,
        opened() if open_deals is None else open_deals,
        new,
        booked,
        paths=paths,
        seed=seed,
        **named,
    )


@pytest.fixture(scope="module")
def simulation():
    return simulated(dimensions=DIMENSIONS)


@pytest.fixture(scope="module")
def table(simulation):
    return forecast_table(simulation)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_parts_add_up_to_the_total_on_every_path(simulation, dimension):
    for side in (simulation.open, simulation.new):
        assert side[dimension].sum(axis=2) == pytest.approx(side["total"][:, :, 0], rel=1e-5)
    assert simulation.booked[dimension].sum() == pytest.approx(1000.0)


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("column", ["booked", "open", "new", "mean"])
def test_parts_add_up_to_the_total_in_the_mean(table, dimension, column):
    by_period = table.groupby(["scope", "period"])[column].sum()
    assert by_period[dimension].to_numpy() == pytest.approx(
        by_period["total"].to_numpy(), rel=1e-5
    )


def test_mean_is_the_sum_of_booked_open_and_new(table):
    assert table["mean"].to_numpy() == pytest.approx(
        (table["booked"] + table["open"] + table["new"]).to_numpy()
    )


def test_quantiles_are_in_order_and_never_below_what_is_booked(table):
    assert (table["p10"] <= table["p50"]).all()
    assert (table["p50"] <= table["p90"]).all()
    assert (table["p10"] >= table["booked"] - 1e-6).all()


def test_what_is_booked_is_certain_and_of_the_first_period_alone(table):
    total = table[table["scope"] == "total"]
    assert total["booked"].tolist() == [1000.0, 0.0, 0.0]
    sure = forecast_table(simulated(NOTHING_OPEN, NOTHING_NEW, paths=50)).iloc[0]
    assert sure[["booked", "mean", "p10", "p50", "p90"]].tolist() == [1000.0] * 5


def test_rows_name_their_instant_period_and_scope(table):
    assert list(table.columns) == [
        *("as_of", "period", "scope", "scope_id", "booked", "open", "new"),
        *("mean", "p10", "p50", "p90"),
    ]
    assert set(table["scope"]) == {"total", "open", *DIMENSIONS}
    assert table["period"].unique().tolist() == ["2024-05", "2024-06", "2024-07"]
    assert (table["as_of"] == AS_OF).all()
    assert "สมชาย" in set(table["scope_id"])
    assert not table.duplicated(["period", "scope", "scope_id"]).any()


def test_row_of_the_open_deals_is_the_total_without_booked_and_new(table):
    scope = table.set_index(["scope", "period"])
    assert scope.loc["open", "mean"].tolist() == scope.loc["total", "open"].tolist()
    assert (scope.loc["open", ["booked", "new"]] == 0).all(axis=None)


def test_mean_of_the_open_deals_is_chance_times_amount():
    deals = opened(errors=[-0.4, 0.0, 0.4])
    found = simulated(deals, paths=20_000, spread=STILL).open["total"][:, :, 0]
    steps = np.diff(deals.won_by, axis=1, prepend=0)
    expected = deals.amount @ steps
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - expected) < 4 * error).all()


def test_shared_shock_widens_the_interval_and_hardly_moves_the_mean():
    deals = opened(400)
    still, shaken = (
        simulated(deals, NOTHING_NEW, NOTHING_BOOKED, spread=Spread(sd)).open["total"][:, 0, 0]
        for sd in (0.0, 0.3)
    )
    assert shaken.std() > 1.5 * still.std()
    assert shaken.mean() == pytest.approx(still.mean(), rel=0.05)


def test_shock_is_shared_by_the_months_of_a_quarter_and_not_beyond():
    calendar = Calendar.of(MICROS, "month", 4, 1)
    assert calendar.quarter.tolist() == [0, 0, 1, 1]
    won_by = np.tile([0.2, 0.4, 0.6, 0.8], (3000, 1))
    deals = OpenDeals(won_by, np.ones(3000), np.zeros(0), labels(3000))
    new = NewDeals(np.array([50.0] * 4), 1.0, np.ones(1), labels(1))
    found = simulate_forecast(
        calendar, deals, new, NOTHING_BOOKED, paths=3000, seed=0, spread=Spread(0.3)
    )
    together = np.corrcoef(found.new["total"][:, :, 0].T)
    assert together[0, 1] > 0.5
    assert abs(together[0, 2]) < 0.1


def test_over_dispersed_arrivals_vary_as_much_as_they_should():
    new = replace(NEW, wins=np.array([20.0, 20.0, 20.0]), dispersion=3.0, amounts=np.ones(4))
    found = simulated(NOTHING_OPEN, new, paths=8000, spread=STILL).new["total"][:, 0, 0]
    assert found.mean() == pytest.approx(20, rel=0.02)
    assert found.var() == pytest.approx(60, rel=0.1)


def test_same_seed_gives_the_same_paths_and_another_one_others():
    first, again, other = (simulated(seed=seed, paths=300).open["total"] for seed in (5, 5, 6))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_no_open_deals_leave_booked_and_new():
    table = forecast_table(simulated(NOTHING_OPEN, dimensions=("owner",)))
    assert (table["open"] == 0).all()
    assert table.loc[table["scope"] == "total", "new"].gt(0).all()


def test_no_win_ever_leaves_nothing_to_come():
    hopeless = replace(opened(), won_by=np.zeros((40, 3)))
    new = replace(NOTHING_NEW, wins=np.array([3.0, 3.0, 3.0]))
    table = forecast_table(simulated(hopeless, new, NOTHING_BOOKED, dimensions=("team",)))
    assert (table[["mean", "p10", "p90"]] == 0).all(axis=None)


def test_nothing_at_all_is_a_forecast_of_nothing():
    nothing = simulated(NOTHING_OPEN, NOTHING_NEW, NOTHING_BOOKED, dimensions=DIMENSIONS)
    assert (forecast_table(nothing)["mean"] == 0).all()


def test_deal_sure_to_be_won_is_won_once_on_every_path():
    sure = OpenDeals(np.array([[0.5, 1.0, 1.0]]), np.array([10.0]), np.zeros(0), labels(1))
    found = simulated(sure, NOTHING_NEW, NOTHING_BOOKED, spread=STILL).open["total"][:, :, 0]
    assert set(np.unique(found)) == {0.0, 10.0}
    assert (found.sum(axis=1) == 10.0).all()
    assert found[:, 0].mean() == pytest.approx(5.0, abs=0.4)


def test_progress_goes_up_to_one():
    told = []
    simulated(opened(9000), paths=1000, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("start_month", "names", "begin"),
    [
        (1, ("2024-Q2", "2024-Q3"), "2024-04-01"),
        (2, ("2025-Q2", "2025-Q3"), "2024-05-01"),
        (7, ("2024-Q4", "2025-Q1"), "2024-04-01"),
        (6, ("2024-Q4", "2025-Q1"), "2024-03-01"),
    ],
)
def test_quarters_follow_the_fiscal_year(start_month, names, begin):
    calendar = Calendar.of(MICROS, "quarter", 2, start_month)
    assert calendar.names == names
    assert pd.Timestamp(calendar.edges[0], unit="us") == pd.Timestamp(begin)
    assert calendar.quarter.tolist() == [0, 1]


def test_months_are_named_over_the_turn_of_the_year():
    december = int(pd.Timestamp("2024-12-31T23:00", tz="UTC").as_unit("us").asm8.astype("int64"))
    calendar = Calendar.of(december, "month", 2, 1)
    assert calendar.names == ("2024-12", "2025-01")
    assert calendar.ends_in_days == pytest.approx([1 / 24, 31 + 1 / 24])


def test_deals_without_an_amount_vary_as_such_deals_did():
    deals = replace(
        OpenDeals(np.ones((2, 3)), np.array([100.0, 100.0]), np.zeros(1), labels(2)),
        guessed=np.array([False, True]),
        guessed_errors=np.array([-1.0, 0.0, 1.0]),
    )
    found = simulated(deals, NOTHING_NEW, NOTHING_BOOKED, paths=6000, spread=STILL)
    total = found.open["total"][:, 0, 0]
    assert len(np.unique(total.round(3))) == 3
    assert total.mean() == pytest.approx(200, rel=0.02)
    assert total.min() > 100


def test_new_deals_are_like_the_past_wins_that_weigh_most():
    new = replace(NEW, weights=np.array([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 3]]))
    found = simulated(NOTHING_OPEN, new, NOTHING_BOOKED, paths=20_000, spread=STILL)
    mean = found.new["total"][:, 2, 0].mean() / NEW.wins[2]
    assert mean == pytest.approx((4000 + 3 * 50) / 4, rel=0.05)
    first = found.new["total"][:, 1, 0].mean() / NEW.wins[1]
    assert first == pytest.approx(900, rel=0.05)


@pytest.mark.parametrize("side", ["open", "new"])
def test_a_model_that_may_be_wrong_widens_its_side_and_leaves_the_mean(side):
    deals, new = opened(400), replace(NEW, wins=np.full(3, 80.0), amounts=np.ones(4))
    name = {"open": "opened", "new": "new"}[side]
    still, unsure = (
        getattr(simulated(deals, new, NOTHING_BOOKED, spread=spread), side)["total"][:, 0, 0]
        for spread in (STILL, replace(STILL, **{name: 0.4}))
    )
    assert unsure.std() > 1.5 * still.std()
    assert unsure.mean() == pytest.approx(still.mean(), rel=0.06)


def test_what_a_model_may_be_wrong_by_is_the_same_in_every_period():
    new = replace(NEW, wins=np.full(3, 500.0), amounts=np.ones(4), dispersion=1.0)
    found = simulated(NOTHING_OPEN, new, spread=replace(STILL, new=0.3)).new["total"][:, :, 0]
    assert np.corrcoef(found.T)[0, 2] > 0.9


def test_amounts_of_new_deals_may_be_wrong_together():
    new = replace(NEW, wins=np.full(3, 500.0), amounts=np.ones(4), dispersion=1.0)
    found = simulated(NOTHING_OPEN, new, spread=replace(STILL, amount=0.3)).new["total"][:, :, 0]
    assert np.corrcoef(found.T)[0, 2] > 0.9
    assert found.mean() == pytest.approx(500, rel=0.04)
