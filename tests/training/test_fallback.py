"""With few wins: what the backtest prefers is leant on, never far, and only on clear evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.history import History
from features.windows import DAY
from training.fallback import LARGEST, MONTHS, fall_back, moved, wanted
from training.forecast import (
    TOTAL,
    Booked,
    Calendar,
    NewDeals,
    OpenDeals,
    Spread,
    simulate_forecast,
)
from training.outlook import DIMENSIONS, make_outlook
from training.revenue_fallback import FEW_WINS, fallbacks, weight
from training.revenue_figures import blocks
from training.revenue_terms import learned_terms, tried, with_ends
from training.series import MONTHLY, Series


def asked(quarters=6, wins=10, rival=100.0, seed=0, actual=100.0):
    """Months and quarters of which ours says 150 (450) and AutoETS `rival` (three times that)."""
    rng = np.random.default_rng(seed)
    at = pd.date_range("2022-01-01", periods=3 * quarters, freq="MS", tz="UTC").as_unit("us")
    noise = rng.normal(0, 5, len(at))
    months = pd.DataFrame({"as_of": at, "kind": "month", "day": 0, "lead": 0, "wins": wins / 3})
    months = months.assign(period=[f"{t:%Y-%m}" for t in at], mean=150.0, actual=actual + noise)
    first = at[::3]
    whole = pd.DataFrame({"as_of": first, "kind": "quarter", "day": 1, "lead": 0, "wins": wins})
    whole = whole.assign(period=[f"{t:%Y}-Q{t.quarter}" for t in first], mean=450.0)
    whole = whole.assign(actual=3 * actual + noise[::3])
    rows = pd.concat([months, whole], ignore_index=True)
    rows["AutoETS"] = np.where(rows["kind"] == "month", rival, 3 * rival)
    rows = rows.assign(booked=0.0, open=50.0, new=rows["mean"] - 50.0, pit=0.5)
    return blocks(rows)


def on(rows):
    return [row["term"] for row in fallbacks(with_ends(rows)) if row["on"]]


def test_a_rival_that_is_closer_by_far_is_fallen_back_to_where_wins_are_few():
    assert on(asked()) == ["fall back to AutoETS"]
    assert on(asked(wins=FEW_WINS + 1)) == []
    assert on(asked(quarters=3)) == []


def test_a_rival_that_is_further_away_is_not_fallen_back_to():
    assert on(asked(rival=300.0)) == []


def test_a_rival_that_was_closer_in_one_quarter_alone_is_not_fallen_back_to():
    rows = asked(rival=150.0)
    lucky = rows["block"] == rows["block"].iloc[-1]
    rows.loc[lucky, "AutoETS"] = rows.loc[lucky, "actual"]
    rows.loc[~lucky, "AutoETS"] *= 1.005
    assert rows["AutoETS"].sub(rows["actual"]).abs().sum() < 50 * 36
    assert on(rows) == []


def test_only_the_closest_of_two_that_are_closer_is_fallen_back_to():
    rows = asked().assign(**{"run rate": lambda r: 1.1 * r["AutoETS"]})
    assert on(rows) == ["fall back to AutoETS"]


def test_few_quarters_make_no_large_weight():
    found = [weight(with_ends(asked(quarters=n)), "AutoETS") for n in (4, 8, 200)]
    assert 0.2 < found[0] < found[1] < 0.45
    assert found[2] > 0.9


def test_terms_hold_the_weight_of_what_was_known_alone():
    rows = asked(quarters=8)
    terms = tried(rows).assign(on=lambda t: t["term"] == "fall back to AutoETS")
    whole = learned_terms(rows, terms, int(pd.Timestamp("2025-01-01", tz="UTC").value // 1000))
    early = learned_terms(rows, terms, int(pd.Timestamp("2022-07-01", tz="UTC").value // 1000))
    later = rows.assign(actual=np.where(rows["as_of"] >= "2022-07-01", 900.0, rows["actual"]))
    same = learned_terms(later, terms, int(pd.Timestamp("2022-07-01", tz="UTC").value // 1000))
    assert 0 < early["fall back to AutoETS"] < whole["fall back to AutoETS"]
    assert same == early


def test_terms_without_a_preference_fall_back_to_nothing():
    assert wanted({"level": 1.0, "widening": 1.2}) is None
    assert wanted({"fall back to run rate": 0.2}) == ("run rate", 0.2)


def deals_of(open_revenue, new_wins):
    """Open deals that bring so much in the first month; new ones of an amount of 100 each."""
    won_by = np.full((1, MONTHS), 0.5)
    deals = OpenDeals(won_by, np.array([2 * open_revenue]), np.zeros(0), pd.DataFrame(index=[0]))
    amounts = np.full(3, 100.0)
    return deals, NewDeals(np.full(MONTHS, new_wins), 1.0, amounts, pd.DataFrame(index=range(3)))


@pytest.fixture
def says(monkeypatch):
    """Let AutoETS expect so much of the months ahead."""

    def said(total):
        monkeypatch.setitem(MONTHLY, "AutoETS", lambda _: np.full(MONTHS, total / MONTHS))

    return said


def test_the_sum_moves_by_the_weight_towards_the_series(says):
    says(1_500.0)
    deals, new = deals_of(600.0, 1.0)
    found = fall_back("AutoETS", 0.5, None, deals, new, 1.0)
    assert 600 + found.factor * 600 == pytest.approx((1_200 + 1_500) / 2)


def test_a_series_below_what_is_open_makes_new_deals_fewer_but_not_none(says):
    says(100.0)
    found = fall_back("AutoETS", 1.0, None, *deals_of(600.0, 1.0), 1.0)
    assert found.factor == 1 / LARGEST


def test_where_nothing_new_is_expected_nothing_is_moved(says):
    says(100.0)
    assert fall_back("AutoETS", 1.0, None, *deals_of(600.0, 0.0), 1.0).factor == 1.0


@pytest.fixture(scope="module")
def taught(bundle):
    terms = {"level": 1.0, "widening": 1.0, "fall back to run rate": 0.5}
    return replace(bundle, card={**bundle.card, "forecast": terms})


@pytest.fixture
def total_of(history, as_of):
    def total(bundle, **asked):
        found = make_outlook(bundle, history, as_of, paths=6_000, **asked)
        frame = found.frame[found.frame["scope"] == "total"].reset_index(drop=True)
        return found, frame

    return total


@pytest.fixture(scope="module")
def bundle(bundles):
    return bundles["full"]


@pytest.fixture(scope="module")
def as_of(cut):
    return cut


def test_the_forecast_is_drawn_half_way_to_the_run_rate(bundle, taught, history, as_of, total_of):
    plain = replace(bundle, card={**bundle.card, "forecast": {}})
    _, before = total_of(plain, periods=MONTHS)
    found, after = total_of(taught, periods=MONTHS)
    month = history.settings.fiscal_year_start_month
    series = Series(history, Calendar.of(as_of, "month", MONTHS, month), 0.0, True)
    rival = MONTHLY["run rate"](series).sum()
    to_come = (before["mean"] - before["booked"]).sum()
    assert 1 / LARGEST < found.fallback.factor < LARGEST
    assert abs(rival / to_come - 1) > 0.05
    goal = (to_come + rival) / 2
    assert (after["mean"] - after["booked"]).sum() == pytest.approx(goal, rel=0.03)
    assert after["open"].to_numpy() == pytest.approx(before["open"].to_numpy(), rel=0.05)


def test_it_is_the_same_whatever_is_asked_and_still_adds_up(taught, total_of):
    one, months = total_of(taught, periods=3, by=DIMENSIONS)
    two, _ = total_of(taught, period="quarter", periods=1)
    assert one.fallback == two.fallback
    for dimension in DIMENSIONS:
        rows = one.frame[one.frame["scope"] == dimension]
        parts = rows.groupby("period")[["booked", "open", "new", "mean"]].sum()
        for name in parts:
            whole = months.set_index("period")[name]
            assert parts[name].to_numpy() == pytest.approx(whole[parts.index].to_numpy(), rel=1e-4)
    assert (months[["open", "new", "p10"]] >= 0).all().all()


def test_without_terms_nothing_falls_back(bundle, total_of):
    found, _ = total_of(replace(bundle, card={**bundle.card, "forecast": {"level": 1.0}}))
    assert found.fallback is None


def test_what_comes_after_the_instant_moves_it_not(taught, history, as_of):
    deals = history.tables.deals
    known = deals[(deals["created_at"] < pd.Timestamp(as_of, unit="us", tz="UTC")).to_numpy()]
    changes = history.tables.deal_history
    early = changes["changed_at"] < pd.Timestamp(as_of, unit="us", tz="UTC")
    early &= changes["recorded_at"].fillna(changes["changed_at"]) < pd.Timestamp(
        as_of, unit="us", tz="UTC"
    )
    early &= changes["deal_id"].isin(known["deal_id"])
    cut = History.of(replace(history.tables, deals=known, deal_history=changes[early]))
    one = make_outlook(taught, history, as_of, paths=50).fallback
    two = make_outlook(taught, cut, as_of, paths=50).fallback
    assert one.factor == pytest.approx(two.factor, rel=0.02)


@pytest.mark.parametrize("wins", [(3.0, 5.0), (300.0, 500.0)])
def test_fewer_new_deals_vary_as_much_as_before_in_every_period(wins):
    amounts = np.exp(np.random.default_rng(0).normal(0, 1.0, 400))
    new = NewDeals(np.array(wins), 1.2, amounts, pd.DataFrame(index=range(400)))
    spread = Spread(shock=0.1, new=0.2, amount=0.1)
    mean, width = simulated(new, spread)
    for factor in (0.5, 0.8):
        less, same = simulated(*moved(new, spread, factor))
        assert less == pytest.approx(factor * mean, rel=0.03)
        assert same == pytest.approx(width, rel=0.08)
    more, kept = moved(new, spread, 1.5)
    assert kept == spread
    assert more.wins.tolist() == [1.5 * each for each in wins]


def simulated(new, spread):
    """(periods,) mean and standard deviation of what new deals alone bring, over 20,000 paths."""
    calendar = Calendar(0, np.array([0, 30 * DAY, 60 * DAY]), ("one", "two"), np.zeros(2, int))
    none = np.zeros(0)
    nobody = OpenDeals(np.zeros((0, 2)), none, none, new.labels.iloc[:0])
    nothing = Booked(none, new.labels.iloc[:0])
    found = simulate_forecast(calendar, nobody, new, nothing, paths=20_000, spread=spread)
    paths = found.new[TOTAL][:, :, 0].astype(float)
    return paths.mean(axis=0), paths.std(axis=0)
