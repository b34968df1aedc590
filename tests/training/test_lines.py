from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.lines import LINES, deal_lines, expected_by_period, lines
from training.outlook import make_outlook

AS_OF = int(pd.Timestamp("2024-05-20", tz="UTC").as_unit("us").asm8.astype("int64"))


@pytest.fixture(scope="module")
def outlook(bundles, history):
    return make_outlook(bundles["full"], history, AS_OF, paths=500)


@pytest.fixture(scope="module")
def deals(history, outlook):
    return deal_lines(history, outlook)


def open_total(outlook):
    return outlook.frame[outlook.frame["scope"] == "total"]["open"]


def test_every_open_deal_is_in_exactly_one_line(deals, outlook):
    assert deals["deal_id"].tolist() == outlook.scored.frame["deal_id"].tolist()
    assert lines(deals)["deals"].sum() == outlook.open_deals


def test_lines_add_up_to_the_open_total(deals, outlook):
    assert lines(deals)["inside"].sum() == pytest.approx(open_total(outlook).sum(), abs=0.01)
    assert lines(deals)["amount"].sum() == pytest.approx(outlook.scored.frame["amount"].sum())


def test_deals_add_up_to_the_open_total_of_each_period(outlook):
    found = expected_by_period(outlook).sum(axis=0)
    assert found == pytest.approx(open_total(outlook).to_numpy(), abs=0.01)


def test_deal_stands_in_the_first_line_that_fits(deals):
    for name in LINES:
        mine = deals[deals["line"] == name]
        assert mine[name].all()
        before = list(LINES)[: list(LINES).index(name)]
        assert not mine[before].any(axis=None)


def test_traits_are_counted_whatever_line_a_deal_stands_in(deals, outlook):
    found = lines(deals).set_index("line")
    assert list(found.index) == list(LINES)
    assert found.loc["no amount", "in_all"] == outlook.without_amount
    assert found.loc["stale", "in_all"] == outlook.stale
    assert (found["in_all"] >= found["deals"]).all()
    assert (found["deals"] > 0).sum() >= 4


def test_slipped_in_time_and_beyond_are_told_by_the_date(deals, outlook):
    instant = pd.Timestamp(AS_OF, unit="us", tz="UTC")
    end = pd.Timestamp(outlook.calendar.edges[-1], unit="us", tz="UTC")
    due = deals["expected_close"]
    assert (deals["slipped"] == (due < instant.normalize())).all()
    assert (deals["beyond"] == (due >= end)).all()
    assert (deals["no date"] == due.isna()).all()
    assert (deals[["slipped", "beyond", "no date", "in time"]].sum(axis=1) == 1).all()


def test_what_comes_after_the_window_shrinks_as_the_window_grows(bundles, history, deals):
    longer = make_outlook(bundles["full"], history, AS_OF, periods=9, paths=200)
    after = deal_lines(history, longer)["after"]
    assert (after >= 0).all()
    assert after.sum() < deals["after"].sum()
    assert np.isfinite(deals[["inside", "after"]].to_numpy()).all()


def test_nothing_open_leaves_lines_of_nothing(bundles, make_history):
    at = pd.Timestamp("2024-04-01", tz="UTC")
    rows = {"created": [at] * 3, "closed": [at + pd.Timedelta("9D")] * 3, "won": [True] * 3}
    history = make_history({**rows, "amount": [100.0] * 3})
    outlook = make_outlook(bundles["full"], history, AS_OF, paths=50)
    found = lines(deal_lines(history, outlook))
    assert found["line"].tolist() == list(LINES)
    assert (found[["deals", "amount", "inside", "after", "in_all"]] == 0).all(axis=None)
