from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from serving.pages.asked import Asked
from serving.pages.scope import FIRM, members_of, owner_called, scope_of, told_whole, whose_deals
from serving.view import View, to_micros
from training.train import train

Ask = Callable[..., Asked]


@pytest.fixture
def ask(now: pd.Timestamp) -> Ask:
    """Ask with filters and a sight."""
    return lambda sight=None, **params: Asked("/", params, now, sight=sight)


@pytest.fixture
def view(five_deals: Tables, now: pd.Timestamp) -> View:
    """The five deals; ann and bob are of the north, and so is cy, who has none; dee is alone."""
    owners = pd.DataFrame(
        {
            "owner_id": ["ann", "bob", "cy", "dee"],
            "name": ["Ann", "Bob", None, "Dee"],
            "team": ["north", "north", "north", "south"],
        }
    )
    tables = Tables.of({**dict(five_deals.items()), "owners": owners})
    history = History.of(tables)
    return View.of(history, train(history, to_micros(now)).bundle, "five", to_micros(now))


def seen(*owners: str) -> frozenset[str]:
    return frozenset(owners)


@pytest.mark.parametrize(
    ("sight", "params", "scope"),
    [
        (None, {}, FIRM),
        (None, {"team": "north"}, ("team", "north")),
        (None, {"team": "north", "owner": "bob"}, ("owner", "bob")),
        (seen("bob"), {}, ("owner", "bob")),
        (seen("ann", "bob", "cy"), {}, ("team", "north")),
        (seen("ann", "dee"), {}, FIRM),
    ],
)
def test_a_page_begins_with_all_that_the_reader_sees(
    sight: frozenset[str] | None, params: dict[str, str], scope: Any, view: View, ask: Ask
) -> None:
    assert scope_of(view, ask(sight, **params)) == scope


def test_a_team_is_told_to_who_sees_every_owner_of_it(view: View, ask: Ask) -> None:
    north = ("team", "north")
    assert told_whole(view, ask(), north)
    assert told_whole(view, ask(seen("ann", "bob", "cy")), north)
    assert not told_whole(view, ask(seen("ann", "bob")), north)
    assert told_whole(view, ask(seen("ann", "bob")), ("owner", "ann"))
    assert not told_whole(view, ask(seen("ann", "bob")), ("owner", "cy"))
    assert not told_whole(view, ask(seen("ann", "dee")), FIRM)


def test_members_are_of_the_team_asked_for_and_in_sight(view: View, ask: Ask) -> None:
    assert members_of(view, ask()) is None
    assert members_of(view, ask(team="north")) == {"ann", "bob", "cy"}
    assert members_of(view, ask(seen("ann", "dee"), team="north")) == {"ann"}
    assert members_of(view, ask(owner="dee", team="north")) == set()


def test_deals_are_those_of_the_members(view: View, ask: Ask) -> None:
    assert whose_deals(view, ask()) is None
    mine = whose_deals(view, ask(owner="ann"))
    assert mine is not None
    assert sorted(view.history.deal_ids[k] for k in mine.nonzero()[0]) == ["O", "W"]


def test_an_owner_without_a_name_is_called_by_the_identifier(view: View) -> None:
    assert (owner_called(view, "ann"), owner_called(view, "cy")) == ("Ann", "cy")
    assert owner_called(view, "nobody") == "nobody"
