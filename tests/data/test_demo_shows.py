"""The true parameters show in the data that come of them."""

from dataclasses import replace

import pandas as pd
import pytest

from data.demo import Simulated, World, simulate

END = pd.Timestamp("2026-01-01", tz="UTC")
PROCESS = frozenset({"stale", "reopened"})


@pytest.fixture(scope="module")
def deals() -> pd.DataFrame:
    world = replace(
        World.demo(),
        growth=0.5,
        source_effect={
            "inbound_web": 0.0,
            "referral": 1.5,
            "outbound": -1.5,
            "event": 0.0,
            "partner": 0.0,
            "paid_search": 0.0,
        },
        quarter_end=1.2,
    )
    return run(world).tables["deals"]


def run(world: World, dirt: frozenset[str] = PROCESS) -> Simulated:
    return simulate(world, deals=6000, years=3, end=END, seed=11, dirt=dirt)


def win_rate(deals: pd.DataFrame, by: str) -> "pd.Series[float]":
    closed = deals.dropna(subset="closed_at")
    return closed["is_won"].astype(float).groupby(closed[by]).mean()


def test_good_sources_win_more(deals: pd.DataFrame) -> None:
    rate = win_rate(deals, "source")
    assert rate["referral"] > rate["inbound_web"] + 0.05
    assert rate["inbound_web"] > rate["outbound"] + 0.05


def test_customers_win_more_than_strangers(deals: pd.DataFrame) -> None:
    rate = win_rate(deals, "deal_type")
    assert rate["renewal"] > rate["new"]


def test_wins_pile_up_at_the_end_of_a_quarter(deals: pd.DataFrame) -> None:
    closed = deals[deals["is_won"].fillna(value=False)]["closed_at"].dt.tz_localize(None)
    left = (closed.dt.to_period("Q").dt.end_time - closed).dt.days
    assert (left < 7).mean() > 1.8 * 7 / 91


def test_the_firm_grows(deals: pd.DataFrame) -> None:
    years = deals["created_at"].dt.year.value_counts()
    assert years[2025] / years[2023] == pytest.approx(1.5**2, rel=0.3)


def test_weekends_are_quiet(deals: pd.DataFrame) -> None:
    day = deals["created_at"].dt.day_of_week
    assert 0 < (day >= 5).mean() < 0.1


def test_a_slower_world_is_slower_and_a_luckier_one_wins_more() -> None:
    slow, fast = (
        run(replace(World.demo(), cycle_days=days)).tables["deals"] for days in (100.0, 25.0)
    )
    for deals, days in ((slow, 100), (fast, 25)):
        won = deals[deals["is_won"].fillna(value=False)]
        median = (won["closed_at"] - won["created_at"]).dt.days.median()
        assert median == pytest.approx(days, rel=0.4)
    poor, rich = (run(replace(World.demo(), win_rate=r)).tables["deals"] for r in (0.12, 0.4))
    assert rich["is_won"].mean() > poor["is_won"].mean() + 0.12


def test_a_drifting_source_loses_its_quality_in_the_last_year() -> None:
    world = replace(World.demo(), drift_source="referral", drift_shift=-3.0)
    deals = run(world, dirt=frozenset({"drift"})).tables["deals"]
    mine = deals[deals["source"] == "referral"]
    before = mine[mine["created_at"] < END - pd.Timedelta(days=500)]
    after = mine[mine["created_at"] > END - pd.Timedelta(days=365)]
    assert after["is_won"].mean() < before["is_won"].mean() - 0.1


def test_some_losses_are_reopened_and_some_of_those_are_won() -> None:
    tables = run(World.demo()).tables
    stage = (
        tables["deal_history"].query("property == 'stage'").sort_values(["deal_id", "changed_at"])
    )
    lost = stage["value"] == "closed_lost"
    again = stage.loc[lost & (stage["deal_id"] == stage["deal_id"].shift(-1)), "deal_id"]
    assert len(again) > 50
    outcome = tables["deals"].set_index("deal_id").loc[again.unique(), "is_won"]
    assert 0 < outcome.mean() < 1


def test_engaged_buyers_answer_more_and_buy_more() -> None:
    tables = run(World.demo()).tables
    inbound = tables["activities"].query("direction == 'inbound'").groupby("deal_id").size()
    deals = tables["deals"].dropna(subset="closed_at").set_index("deal_id")
    days = (deals["closed_at"] - deals["created_at"]).dt.days
    pace = inbound.reindex(deals.index, fill_value=0) / days
    old = days > 30
    won, lost = (pace[old & (deals["is_won"] == flag)].mean() for flag in (True, False))
    assert won > 1.2 * lost


def silent_share(tables: dict[str, pd.DataFrame]) -> float:
    """Share of the deals open at the end of which nothing was heard for two months."""
    heard = tables["activities"].query("direction == 'inbound'").groupby("deal_id")["occurred_at"]
    open_ = tables["deals"][tables["deals"]["closed_at"].isna()].set_index("deal_id")
    last = heard.max().reindex(open_.index).fillna(open_["created_at"])
    return float((last < END - pd.Timedelta(days=60)).mean())


def test_deals_left_for_dead_stay_open_and_silent() -> None:
    world = replace(World.demo(), stale_share=0.5, few_share=0.0)
    stale, fresh = (
        silent_share(run(world, dirt=dirt).tables) for dirt in (PROCESS, frozenset[str]())
    )
    assert stale > fresh + 0.15
