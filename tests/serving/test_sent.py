"""Deals sent whole: measured beside the store's own, to the last digit, not indexed anew."""

from dataclasses import replace

import pandas as pd
import pytest

from data.tables import Tables
from features.arrivals import Arriving
from serving import sent
from serving.answers import rows_of
from serving.sent import hosted
from serving.view import View

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def view(engine) -> View:
    return engine.view()


def deal(view: View, deal_id: str, **changes: object) -> Tables:
    """A deal of the store, with changes made of it at the last minute."""
    tables = view.history.tables.select([deal_id])
    frame = tables.deal_history
    for name, value in changes.items():
        row = {"deal_id": deal_id, "property": name, "value": str(value)}
        at = {"changed_at": view.instant - pd.Timedelta(minutes=1)}
        frame = pd.concat([frame, pd.DataFrame([{**row, **at}])], ignore_index=True)
    return Tables.of(
        {"deals": tables.deals, "deal_history": frame, "activities": tables.activities}
    )


def both(view: View, new: Tables, monkeypatch) -> list[list[dict]]:
    """Rows of the deals as guests, and indexed together with the store."""
    ids = new.deals["deal_id"].tolist()
    guests = rows_of(hosted(view, Arriving.of(new), view.as_of, ()), ids)
    with monkeypatch.context() as patched:
        patched.setattr(sent, "received", lambda *_: None)
        among = rows_of(hosted(view, Arriving.of(new), view.as_of, ()), ids)
    return [guests, among]


def test_a_deal_in_another_state_is_scored_as_if_it_had_been_imported(view, monkeypatch) -> None:
    for deal_id in view.deals["deal_id"].iloc[:3]:
        new = deal(view, deal_id, amount=43_210.5)
        guests, among = both(view, new, monkeypatch)
        assert guests == among
        assert guests[0]["amount"] == 43_210.5


def test_a_deal_without_activities_is_silent_as_it_is_in_the_store(view, monkeypatch) -> None:
    youngest = view.deals.sort_values("age_days")["deal_id"].iloc[0]
    new = deal(view, youngest, amount=9_000.0)
    new = replace(new, activities=new.activities.iloc[:0])
    guests, among = both(view, new, monkeypatch)
    assert guests == among
    assert "silent" in guests[0]["flags"]


def test_a_new_deal_is_scored_as_if_it_had_been_imported(view, monkeypatch) -> None:
    stored = deal(view, view.deals["deal_id"].iloc[5])
    frames = {
        "deals": stored.deals.assign(deal_id="new"),
        "deal_history": stored.deal_history.assign(deal_id="new"),
        "activities": stored.activities.assign(
            deal_id="new", activity_id="new-" + stored.activities["activity_id"]
        ),
    }
    guests, among = both(view, Tables.of(frames), monkeypatch)
    assert guests == among
    assert guests[0]["status"] == "open"


def test_a_deal_that_was_closed_and_reopened_is_scored_too(view) -> None:
    deals = view.history.tables.deals
    closed = str(deals.loc[deals["is_won"].fillna(value=False), "deal_id"].iloc[0])
    new = deal(view, closed, stage="proposal")
    found = rows_of(hosted(view, Arriving.of(new), view.as_of, ()), [closed])[0]
    assert found["status"] == "open"
    assert found["stage"] == "proposal"
