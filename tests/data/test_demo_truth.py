"""The truth of the demo agrees with what then happened."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from data.demo import Simulated, World, simulate, true_incidence, true_revenue

END = pd.Timestamp("2026-01-01", tz="UTC")
PROCESS = frozenset({"stale", "reopened"})
HORIZONS = (30, 90)


@cache
def firm(seed: int, deals: int = 6000, years: float = 3) -> Simulated:
    return simulate(World.draw(seed), deals=deals, years=years, end=END, seed=seed, dirt=PROCESS)


@cache
def incidence(seed: int, as_of: str) -> pd.DataFrame:
    return true_incidence(firm(seed), pd.Timestamp(as_of, tz="UTC"), HORIZONS, draws=80)


@cache
def calm(seed: int) -> Simulated:
    """A firm whose deals share no market, so that their outcomes are independent."""
    world = replace(World.draw(seed), market_sd=0.0)
    return simulate(world, deals=6000, years=3, end=END, seed=seed, dirt=PROCESS)


def first_closing(simulated: Simulated, as_of: pd.Timestamp) -> pd.DataFrame:
    """The next closing of each deal at or after an instant: index deal_id."""
    history = simulated.tables["deal_history"]
    closing = history[history["value"].isin(["closed_won", "closed_lost"])]
    return (
        closing[closing["changed_at"] >= as_of]
        .sort_values("changed_at")
        .drop_duplicates("deal_id")
        .set_index("deal_id")
    )


def happened(
    simulated: Simulated, deals: "pd.Series[str]", as_of: pd.Timestamp, days: int
) -> np.ndarray:
    rows = first_closing(simulated, as_of).reindex(deals)
    won = (rows["value"] == "closed_won") & (rows["changed_at"] < as_of + pd.Timedelta(days=days))
    return won.to_numpy()


def test_chances_are_probabilities_that_grow_with_the_horizon() -> None:
    p = incidence(1, "2025-03-01")
    assert ((p.drop(columns="deal_id") >= 0) & (p.drop(columns="deal_id") <= 1)).all(axis=None)
    for outcome in ("won", "lost"):
        assert (p[f"p_{outcome}_30"] <= p[f"p_{outcome}_90"]).all()
        assert (p[f"p_{outcome}_90"] <= p[f"p_{outcome}"]).all()
    assert (p["p_won"] + p["p_lost"] <= 1).all()
    assert (p["p_won"] + p["p_lost"]).mean() > 0.98


def test_the_truth_is_the_same_every_time() -> None:
    small = firm(2, deals=300, years=1)
    as_of = pd.Timestamp("2025-09-01", tz="UTC")
    first, second = (true_incidence(small, as_of, [90], draws=20) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_exactly_the_open_deals_are_told() -> None:
    history = firm(1).tables["deal_history"].query("property == 'stage'")
    history = history[history["changed_at"] < pd.Timestamp("2025-03-01", tz="UTC")]
    last = history.sort_values("changed_at").drop_duplicates("deal_id", keep="last")
    still = last[~last["value"].isin(["closed_won", "closed_lost"])]
    assert set(incidence(1, "2025-03-01")["deal_id"]) == set(still["deal_id"])


def test_a_deal_not_yet_known_is_not_told() -> None:
    simulated = simulate(
        World.draw(1), deals=600, years=2, end=END, seed=1, dirt=frozenset({"bulk_import"})
    )
    as_of = simulated.start + pd.Timedelta(days=150)
    told = true_incidence(simulated, as_of, [90], draws=2)["deal_id"]
    history = simulated.tables["deal_history"]
    first = history.groupby("deal_id")["recorded_at"].min()
    deals = simulated.tables["deals"]
    there = deals[(deals["created_at"] < as_of) & ~(deals["closed_at"] < as_of)]["deal_id"]
    unknown = there[first[there].to_numpy() >= as_of]
    assert len(unknown) > 0
    assert not set(unknown) & set(told)


@pytest.mark.parametrize("as_of", ["2019-01-01", "2027-01-01"])
def test_an_instant_outside_the_history_is_refused(as_of: str) -> None:
    with pytest.raises(ValueError, match="outside the simulated history"):
        true_incidence(firm(2, deals=300, years=1), pd.Timestamp(as_of, tz="UTC"), [30])


@cache
def calm_futures(seed: int, as_of: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two independent estimates of the chances: one to sort by, one to be judged."""
    when = pd.Timestamp(as_of, tz="UTC")
    first, second = (true_incidence(calm(seed), when, HORIZONS, draws=50, seed=k) for k in (0, 1))
    return first, second


@pytest.mark.slow
@pytest.mark.parametrize("days", HORIZONS)
def test_true_chances_are_calibrated_decile_by_decile(days: int) -> None:
    # Sorted by the estimate that is judged, the lowest decile would hold the unlucky estimates.
    by, told, seen = [], [], []
    for seed in (1, 2, 5):
        for as_of in ("2023-10-01", "2024-04-01", "2024-10-01", "2025-04-01"):
            first, second = calm_futures(seed, as_of)
            by.append(first[f"p_won_{days}"].to_numpy())
            told.append(second[f"p_won_{days}"].to_numpy())
            when = pd.Timestamp(as_of, tz="UTC")
            seen.append(happened(calm(seed), second["deal_id"], when, days))
    order = np.argsort(np.concatenate(by), kind="stable")
    chance, won = np.concatenate(told)[order], np.concatenate(seen)[order]
    for p, y in zip(np.array_split(chance, 10), np.array_split(won, 10), strict=True):
        assert abs(y.sum() - p.sum()) < 3.5 * np.sqrt((p * (1 - p)).sum() + 1)
    assert abs(won.sum() - chance.sum()) < 3 * np.sqrt((chance * (1 - chance)).sum())


@pytest.mark.slow
def test_true_chances_are_neither_useless_nor_all_knowing() -> None:
    from sklearn.metrics import roc_auc_score

    as_of = pd.Timestamp("2025-02-01", tz="UTC")
    areas = []
    for seed in (1, 2, 5):
        p = incidence(seed, "2025-02-01")
        areas.append(roc_auc_score(happened(firm(seed), p["deal_id"], as_of, 90), p["p_won_90"]))
    assert 0.7 < np.mean(areas) < 0.88


def test_revenue_has_a_row_for_every_path_and_month() -> None:
    small = firm(2, deals=300, years=1)
    revenue = true_revenue(small, pd.Timestamp("2025-09-15", tz="UTC"), months=4, draws=25)
    assert len(revenue) == 100
    assert not revenue.duplicated(["path", "month"]).any()
    assert (revenue["revenue"] >= 0).all()


@pytest.mark.slow
def test_revenue_that_happened_lies_within_the_paths() -> None:
    inside = []
    for seed in (1, 2, 3, 5, 6):
        for start in ("2024-06-01", "2025-01-01"):
            as_of = pd.Timestamp(start, tz="UTC")
            paths = true_revenue(firm(seed), as_of, months=4, draws=60)
            low, high = (paths.groupby("month")["revenue"].quantile(q) for q in (0.05, 0.95))
            actual = booked(firm(seed), as_of, 4)
            inside += list((actual >= low.to_numpy()) & (actual <= high.to_numpy()))
    assert 0.75 <= np.mean(inside) <= 1


def booked(simulated: Simulated, as_of: pd.Timestamp, months: int) -> np.ndarray:
    """Revenue won in each calendar month from an instant on, main currency."""
    deals, world = simulated.tables["deals"], simulated.world
    won = deals[deals["is_won"].fillna(value=False) & (deals["closed_at"] >= as_of)]
    rate = np.where(won["currency"] == world.other_currency, world.other_rate, 1.0)
    month = won["closed_at"].dt.tz_localize(None).dt.to_period("M")
    first = as_of.tz_localize(None).to_period("M")
    sums = (won["amount"] * rate).groupby(month).sum()
    return sums.reindex([first + k for k in range(months)], fill_value=0.0).to_numpy()


def test_paths_of_the_future_get_their_share_of_returning_customers():
    paths = true_revenue(calm(3), END, months=4, draws=60)
    total = paths.groupby("path")["revenue"].sum().to_numpy()
    # Were they given to the last paths alone, these would bring far more than the first.
    late, early = total[30:], total[:30]
    error = np.hypot(late.std(), early.std()) / np.sqrt(30)
    assert abs(late.mean() - early.mean()) < 3.5 * error
