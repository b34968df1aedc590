"""Deals sent whole have the features they would have in the store, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.tables import OF_A_DEAL, Tables
from features.arrivals import Arriving
from features.at import At
from features.catalogue import CATALOGUE
from features.custom import custom_features
from features.guests import GuestHistory, guests_at, received
from features.history import OPEN, History
from features.pipeline import available_features, compute_features
from features.snapshots import open_deals
from features.vocabulary import Vocabulary, learn_vocabulary
from features.windows import DAY, Floats, Ints

AS_OF = "2025-06-27"
Instant = Callable[[str], int]


def without(tables: Tables, ids: list[str]) -> Tables:
    frames = {n: f[~f["deal_id"].isin(ids)] if n in OF_A_DEAL else f for n, f in tables.items()}
    return Tables.of(frames)


def sent_whole(store: Tables, sent: Tables) -> GuestHistory:
    """Receive deals that are sent to a store."""
    guests = received(History.of(store), Arriving.of(sent))
    assert guests is not None
    return guests


def values(at: At, names: list[str]) -> dict[str, Floats]:
    """Each feature in full precision."""
    features = CATALOGUE | custom_features(at.vocabulary)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: np.asarray(features[name].compute(at), float) for name in names}


def assert_as_in_the_store(
    whole: History,
    guests: GuestHistory,
    words: Vocabulary,
    as_of: int | Ints,
    ids: list[str],
    asked: Ints | None = None,
) -> None:
    """Compare every feature of guests, all or those `asked` (codes), each as of an instant."""
    names = list(available_features(whole, words))
    assert list(guests.deal_ids) == ids
    asked = np.arange(len(ids)) if asked is None else asked
    at = np.broadcast_to(np.array(as_of), len(asked))
    found = values(guests_at(guests, words, asked, at, names), names)
    deal = np.array([whole.position_of[ids[code]] for code in asked])
    expected = values(At(whole, words, deal, at), names)
    for name in names:
        # Only NaN may differ from itself: every other bit counts.
        assert np.array_equal(
            np.nan_to_num(found[name], nan=-9e99).view(np.int64),
            np.nan_to_num(expected[name], nan=-9e99).view(np.int64),
        ), name


@pytest.fixture(scope="module")
def history(demo_tables: Tables) -> History:
    return History.of(demo_tables)


@pytest.fixture(scope="module")
def as_of(instant: Instant) -> int:
    return instant(AS_OF)


@pytest.fixture(scope="module")
def words(history: History, as_of: int) -> Vocabulary:
    return learn_vocabulary(history, as_of)


@pytest.fixture(scope="module")
def ids(history: History, as_of: int) -> list[str]:
    """Open deals that have never been closed, not even later."""
    deal = open_deals(history, as_of).deal
    every = np.full(len(deal), 2**61)
    never = ~(history.stages.last("outcome", deal, every) > OPEN)
    never &= history.closings.count(deal, every) == 0
    return [history.deal_ids[code] for code in deal[never]]


def test_guests_one_by_one_are_as_in_the_store(
    demo_tables: Tables, history: History, words: Vocabulary, as_of: int, ids: list[str]
) -> None:
    met = 0
    for deal_id in ids[:: len(ids) // 5]:
        store = History.of(without(demo_tables, [deal_id]))
        guests = received(store, Arriving.of(demo_tables.select([deal_id])))
        if guests is not None:
            assert_as_in_the_store(history, guests, words, as_of, [deal_id])
            met += 1
    assert met > 3


def test_guests_in_a_renamed_stage_are_as_in_the_store(
    demo_tables: Tables, as_of: int, ids: list[str]
) -> None:
    changes = demo_tables.deal_history
    new = (changes["value"] == "proposal") & (changes["changed_at"] >= "2024-10-01")
    renamed = changes.assign(value=changes["value"].mask(new, "offer"))
    tables = replace(demo_tables, deal_history=renamed, stages=demo_tables.stages[:0])
    whole, chosen = History.of(tables), ids[:6]
    words = learn_vocabulary(whole, as_of)
    assert words.renamed == {"offer": "proposal"}
    sent = tables.select(chosen)
    for store in (tables, without(tables, chosen)):
        guests = sent_whole(store, sent)
        assert_as_in_the_store(whole, guests, words, as_of, list(sent.deals["deal_id"]))


def test_contacts_of_one_address_are_one_person_for_guests_too(
    demo_tables: Tables, as_of: int, words: Vocabulary, ids: list[str]
) -> None:
    people = demo_tables.contacts
    tables = replace(demo_tables, contacts=people.assign(email=people["account_id"]))
    whole, sent = History.of(tables), tables.select(ids[:6])
    guests = sent_whole(without(tables, ids[:6]), sent)
    assert_as_in_the_store(whole, guests, words, as_of, list(sent.deals["deal_id"]))


def test_guests_that_come_together_see_each_other(
    demo_tables: Tables, history: History, words: Vocabulary, as_of: int, ids: list[str]
) -> None:
    chosen = ids[:8]
    sent = demo_tables.select(chosen)
    guests = sent_whole(without(demo_tables, chosen), sent)
    assert_as_in_the_store(history, guests, words, as_of, list(sent.deals["deal_id"]))


def test_guests_are_counted_as_of_the_instant_of_each(
    demo_tables: Tables, history: History, words: Vocabulary, as_of: int, ids: list[str]
) -> None:
    chosen = ids[:8]
    sent = demo_tables.select(chosen)
    names = list(sent.deals["deal_id"])
    instants = as_of - np.arange(len(chosen)) % 3 * 20 * DAY
    for store in (without(demo_tables, chosen), demo_tables):
        guests = sent_whole(store, sent)
        assert_as_in_the_store(history, guests, words, instants, names)


def test_guest_that_is_not_known_yet_is_no_open_deal_of_its_account_and_owner(
    demo_tables: Tables, words: Vocabulary, ids: list[str]
) -> None:
    changes = demo_tables.deal_history
    age = demo_tables.deals.set_index("deal_id").loc[ids, "created_at"].sort_values()
    pair = [age.index[0], age.index[-1]]
    owners = (changes["property"] == "owner_id") & changes["deal_id"].isin(pair)
    deals = demo_tables.deals
    account = deals["account_id"].mode()[0]
    tables = replace(
        demo_tables,
        deals=deals.assign(
            account_id=deals["account_id"].mask(deals["deal_id"].isin(pair), account)
        ),
        deal_history=changes.assign(
            value=changes["value"].mask(owners, changes.loc[owners, "value"].iloc[0])
        ),
    )
    whole, sent = History.of(tables), tables.select(pair)
    guests = sent_whole(without(tables, pair), sent)
    names = list(sent.deals["deal_id"])
    older = names.index(pair[0])
    since = int(guests.known_from[1 - older])
    instants = since + np.array([-DAY, 0, 1, DAY])
    asked = np.full(len(instants), older)
    assert_as_in_the_store(whole, guests, words, instants, names, asked)
    beside = "account_open_beside_count"
    found = values(guests_at(guests, words, asked, instants, [beside]), [beside])[beside]
    assert np.diff(found).tolist() == [0, 1, 0]


def test_facts_of_guests_count_from_the_instant_after_they_were_known(
    demo_tables: Tables, history: History, words: Vocabulary, as_of: int, ids: list[str]
) -> None:
    chosen = ids[:8]
    sent = demo_tables.select(chosen)
    guests = sent_whole(without(demo_tables, chosen), sent)
    events, stages = guests.activities, guests.stages
    facts = [(events.group, events.time), (events.group, events.values["recorded"])]
    facts.append((stages.group, stages.time))
    deal = np.concatenate([group for group, _ in facts])
    time = np.concatenate([np.asarray(at, np.int64) for _, at in facts])
    kept = (time > guests.known_from[deal]) & (time < as_of)
    deal, time = np.unique([deal[kept], time[kept]], axis=1)
    assert (events.values["meeting"] & (events.values["recorded"] < events.time)).any()
    for instants in (time, time + 1):
        assert_as_in_the_store(history, guests, words, instants, list(sent.deals["deal_id"]), deal)


def test_guest_takes_the_place_of_the_deal_of_its_name(
    demo_tables: Tables, history: History, words: Vocabulary, as_of: int, ids: list[str]
) -> None:
    chosen = ids[:6]
    sent = demo_tables.select(chosen)
    other = sent.deal_history.assign(value=sent.deal_history["value"])
    doubled = other["property"] == "amount"
    other.loc[doubled, "value"] = (other.loc[doubled, "value"].astype(float) * 2).astype("str")
    sent = replace(
        sent, deal_history=other, activities=sent.activities.iloc[::2].reset_index(drop=True)
    )
    frames = dict(without(demo_tables, chosen).items())
    changed = {n: pd.concat([frames[n], sent[n]], ignore_index=True) for n in OF_A_DEAL}
    whole = History.of(Tables.of({**frames, **changed}))
    guests = received(history, Arriving.of(sent))
    assert guests is not None
    assert guests.replaced.size == len(chosen)
    assert_as_in_the_store(whole, guests, words, as_of, list(sent.deals["deal_id"]))


def test_guests_leave_the_store_as_it_was(
    demo_tables: Tables, words: Vocabulary, as_of: int, ids: list[str]
) -> None:
    store = History.of(demo_tables)
    names = list(available_features(store, words))
    at = At(store, words, open_deals(store, as_of).deal, open_deals(store, as_of).time)
    before = values(at, names)
    guests = received(store, Arriving.of(demo_tables.select(ids[:3])))
    assert guests is not None
    here = open_deals(guests, as_of)
    assert compute_features(guests, words, here).shape == (3, len(names))
    again = At(store, words, at.deal, at.time)
    for name, found in values(again, names).items():
        np.testing.assert_array_equal(found, before[name])


REOPENED = 5


@pytest.fixture(scope="module")
def opened_again(demo_tables: Tables, history: History, as_of: int, ids: list[str]) -> Tables:
    """The same CRM, in which the oldest of the open deals were lost and reopened of late."""
    changes = demo_tables.deal_history
    oldest = sorted(ids, key=lambda each: history.created[history.position_of[each]])[:REOPENED]
    stages = changes[(changes["property"] == "stage") & changes["deal_id"].isin(oldest)]
    last = stages.sort_values("changed_at").drop_duplicates("deal_id", keep="last")
    now = pd.Timestamp(as_of, unit="us", tz="UTC")
    lost, back = (
        last.assign(value=value, changed_at=now - pd.Timedelta(days=days), recorded_at=pd.NaT)
        for value, days in (("closed_lost", 30), (last["value"], 20))
    )
    return replace(demo_tables, deal_history=pd.concat([changes, lost, back], ignore_index=True))


@pytest.fixture(scope="module")
def again(opened_again: Tables) -> History:
    return History.of(opened_again)


@pytest.fixture(scope="module")
def reopened(again: History, as_of: int) -> list[str]:
    """Open deals that had been closed, and have not been closed since."""
    deal = open_deals(again, as_of).deal
    every = np.full(len(deal), 2**61)
    kept = ~(again.stages.last("outcome", deal, every) > OPEN)
    kept &= again.closings.count(deal, every) > 0
    found = [again.deal_ids[code] for code in deal[kept]]
    assert len(found) >= REOPENED
    return found


def test_guests_that_were_closed_and_reopened_are_as_in_the_store(
    opened_again: Tables, again: History, as_of: int, ids: list[str], reopened: list[str]
) -> None:
    sent = opened_again.select(list({*reopened, *ids[:3]}))
    guests = sent_whole(opened_again, sent)
    assert len(guests.closings.time) >= REOPENED
    words = learn_vocabulary(again, as_of)
    assert_as_in_the_store(again, guests, words, as_of, list(sent.deals["deal_id"]))


def test_reopened_guest_may_bring_what_came_after_its_closing(
    opened_again: Tables, again: History, as_of: int, reopened: list[str]
) -> None:
    sent = opened_again.select(reopened[:1])
    closed = again.closings.only(np.array([again.position_of[reopened[0]]])).time[-1]
    more = opened_again.activities.iloc[[0]].assign(
        activity_id="one more",
        deal_id=reopened[0],
        occurred_at=pd.Timestamp(closed + DAY, unit="us", tz="UTC"),
        recorded_at=pd.NaT,
    )
    sent = replace(sent, activities=pd.concat([sent.activities, more], ignore_index=True))
    frames = dict(without(opened_again, reopened[:1]).items())
    changed = {n: pd.concat([frames[n], sent[n]], ignore_index=True) for n in OF_A_DEAL}
    guests = received(again, Arriving.of(sent))
    assert guests is not None
    whole = History.of(Tables.of({**frames, **changed}))
    words = learn_vocabulary(again, as_of)
    assert_as_in_the_store(whole, guests, words, as_of, reopened[:1])


@pytest.mark.parametrize("what", ["amount", "activity", "stage", "source", "new", "never"])
def test_guest_whose_closing_is_not_the_stores_is_left_to_a_new_index(
    opened_again: Tables, again: History, reopened: list[str], what: str
) -> None:
    deal_id = next(each for each in reopened if len(opened_again.select([each]).activities))
    sent, store = opened_again.select([deal_id]), again
    deals, changes, activities = sent.deals.copy(), sent.deal_history.copy(), sent.activities
    of_stage = changes["property"] == "stage"
    if what == "amount":
        row = changes[of_stage].iloc[[0]].assign(property="amount", value="12345.67")
        changes = pd.concat([changes, row], ignore_index=True)
    elif what == "activity":
        activities = activities.sort_values("occurred_at")[1:].reset_index(drop=True)
    elif what == "stage":
        first = changes[of_stage]["changed_at"].idxmin()
        changes.loc[first, "changed_at"] += pd.Timedelta(seconds=1)
    elif what == "source":
        others = opened_again.deals["source"]
        deals["source"] = others[others != deals["source"].iloc[0]].iloc[0]
    elif what == "new":
        store = History.of(without(opened_again, [deal_id]))
    else:
        changes = changes[changes["value"] != "closed_lost"].reset_index(drop=True)
    other = replace(sent, deals=deals, deal_history=changes, activities=activities)
    assert received(again, Arriving.of(sent)) is not None
    assert received(store, Arriving.of(other)) is None


@pytest.mark.parametrize("column", ["owner", "stage", "source", "closed"])
def test_guest_that_the_store_cannot_place_is_left_to_a_new_index(
    demo_tables: Tables, history: History, ids: list[str], column: str
) -> None:
    sent = demo_tables.select([ids[0]])
    deals, changes = sent.deals.copy(), sent.deal_history.copy()
    if column == "owner":
        changes.loc[changes["property"] == "owner_id", "value"] = "nobody"
    elif column == "stage":
        changes.loc[changes["property"] == "stage", "value"] = "a new stage"
    elif column == "source":
        deals["source"] = "a new source"
    else:
        changes.loc[changes["property"] == "stage", "value"] = "closed_lost"
    assert received(history, Arriving.of(sent)) is not None
    assert received(history, Arriving.of(replace(sent, deals=deals, deal_history=changes))) is None
