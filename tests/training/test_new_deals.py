from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from tests.training.drawn import dated_back, won_in_a_week
from training.forecast import Calendar
from training.moved_in import moved_deals
from training.new_deals import alike, inflation, labels_of, new_deals
from training.outlook import DIMENSIONS
from training.shock import arrivals_at

MIDDLE = pd.Timestamp("2024-05-20", tz="UTC")


@pytest.fixture(scope="module")
def as_of():
    return int(MIDDLE.as_unit("us").asm8.astype("int64"))


def test_new_deals_of_a_pipeline_have_its_share_of_each_period(history, as_of):
    calendar = Calendar.of(as_of, "month", 3, 1)
    arrivals = arrivals_at(history, as_of)
    found = new_deals(history, as_of, calendar, arrivals, priced=True)
    expected = arrivals.wins_between(as_of, calendar.edges)
    assert len(expected) > 1
    deals = history.tables.deals
    segment = dict(zip(deals["pipeline"], arrivals.segment, strict=True))
    of_win = found.labels["pipeline"].map(segment).to_numpy()
    for number, wins in enumerate(expected):
        weight = found.weights[:, of_win == number].sum(axis=1)
        assert weight == pytest.approx(wins, rel=1e-6)


def test_wins_of_deals_moved_in_stand_for_no_new_deals(history, as_of, monkeypatch):
    calendar = Calendar.of(as_of, "month", 3, 1)
    arrivals = arrivals_at(history, as_of)
    few = np.arange(len(history.created)) % 3 == 0
    plain = new_deals(history, as_of, calendar, arrivals, priced=True)
    assert not moved_deals(history, as_of).any()
    monkeypatch.setattr("training.new_deals.moved_deals", lambda *_: few)
    without = new_deals(history, as_of, calendar, arrivals, priced=True)
    assert 0 < len(without.amounts) < len(plain.amounts)


def moved_in_whole(firm, day):
    """The firm's history with all that happened before a day entered on it, the rest at once."""
    tables = dict(firm.tables)
    for name, happened in (("deal_history", "changed_at"), ("activities", "occurred_at")):
        known = tables[name][happened].clip(lower=day)
        tables[name] = tables[name].assign(recorded_at=known)
    return History.of(Tables.of(tables))


def test_what_was_moved_in_with_its_history_is_as_old_as_it_is(firm, as_of):
    calendar = Calendar.of(as_of, "month", 3, 1)
    at_once, moved = (moved_in_whole(firm, MIDDLE - pd.Timedelta(days=n)) for n in (9999, 60))
    plain, found = (
        new_deals(each, as_of, calendar, arrivals_at(at_once, as_of), priced=True)
        for each in (at_once, moved)
    )
    assert len(plain.amounts) == len(found.amounts)
    assert np.sort(found.amounts) == pytest.approx(np.sort(plain.amounts))


def test_age_of_a_win_is_that_at_which_it_closed_and_no_date_filled_in(make_history, as_of):
    usual = make_history(won_in_a_week(np.full(300, 3.0), MIDDLE).assign(amount=100.0))
    calendar = Calendar.of(as_of, "month", 3, 1)
    found, right = (
        new_deals(each, as_of, calendar, arrivals_at(usual, as_of), priced=True).weights
        for each in (dated_back(usual, 0.5, 6), usual)
    )
    assert found == pytest.approx(right)


def test_losses_that_were_moved_in_are_not_all_of_the_last_half_year(firm, history, as_of):
    moved = arrivals_at(moved_in_whole(firm, MIDDLE - pd.Timedelta(days=170)), as_of)
    assert moved.again.sum() <= 1.2 * arrivals_at(history, as_of).again.sum()


def test_amounts_of_years_ago_are_brought_to_those_of_today():
    rng = np.random.default_rng(0)
    years, segment = rng.uniform(0, 3, 20_000), rng.integers(0, 2, 20_000)
    age = rng.exponential(60, 20_000)
    amount = np.exp(9 + segment + 0.3 * np.log1p(age) - 0.08 * years)
    found = inflation(amount, years, alike(segment, age))
    assert np.log(found) == pytest.approx(0.08 * years, abs=1e-3)
    noisy = amount[:50] * rng.lognormal(0, 1.5, 50)
    few = inflation(noisy, years[:50], alike(segment, age)[:50])
    assert np.abs(np.log(few)).max() < 0.03


def test_a_history_that_begins_with_fast_deals_shows_no_inflation():
    rng = np.random.default_rng(1)
    begun = rng.uniform(0, 3, 40_000)
    segment = rng.integers(0, 2, 40_000)
    age = rng.exponential(np.where(segment == 1, 20, 200))
    years = begun - age / 365.25
    seen = years > 0
    amount = np.exp(9 - 1.5 * segment + 0.2 * np.log1p(age) + rng.normal(0, 0.3, 40_000))
    amount, years, segment, age = (x[seen] for x in (amount, years, segment, age))
    rough = inflation(amount, years, np.ones((len(amount), 1)))
    assert np.abs(np.log(rough)).max() > 0.1
    assert np.abs(np.log(inflation(amount, years, alike(segment, age)))).max() < 0.03


def test_labels_are_those_known_at_the_instant(history, cut):
    deal = np.arange(20)
    labels = labels_of(history, deal, np.full(20, cut))
    owners = history.tables.owners.set_index("owner_id")["team"]
    assert list(labels.columns) == list(DIMENSIONS)
    assert labels["team"].tolist() == owners.reindex(labels["owner"]).tolist()
    assert labels["source"].tolist() == history.tables.deals["source"][:20].tolist()
