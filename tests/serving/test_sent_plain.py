"""Messages in plain form: the tables of the import's rules, and nothing that they would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from serving.messages import SentDeal
from serving.problems import ProblemError
from serving.sent import judged
from serving.sent_plain import plain
from serving.view import View

pytestmark = pytest.mark.slow
DEAL = {"deal_id": "n", "stage": "qualified", "created_at": "2026-03-01"}
CHANGE = {"property": "amount", "value": 12_000, "changed_at": "2026-03-02"}
CALL = {"type": "call", "occurred_at": "2026-03-20T10:00:00Z"}

TIMES = [
    *("2026-03-01", "2026-03-01T09:00:00", "2026-03-01 09:00:00.5+05:30", "2026-03-01T10:11:12Z"),
    *("2026-03-01T10:11:12.123456Z", "2026-03", "20260301", "2026-03-01T24:00:00Z", "2026-02-30"),
    *("2026-03-01T10:11Z", "1969-12-31", "2101-01-01", "2027-01-01", "2026-W10", "today", " "),
    *("2026-03-01T10:11:12.1234567Z", "2026-03-01t10:11:12z", "2026-03-01T10:11:60Z"),
]
WORDS = ["call", "Call", " call", "E-mail", "ｃall", "KALL", " "]
VALUES = [
    1,
    1.5,
    -1,
    1e16,
    1e-7,
    True,
    "12.50",
    "1,5",
    "-3",
    "1e3",
    "nan",
    "lead",
    "\u2003",
    " x ",
]
PLAIN = [1, 1.5, "12.50", "-3", "1e3"]


@pytest.fixture(scope="module")
def view(engine) -> View:
    return engine.view()


def both(view: View, *deals: dict[str, Any]) -> tuple[Tables | None, Tables | None]:
    """Tables of the messages in plain form, and by the rules; None where they are refused."""
    sent = [SentDeal.model_validate(deal) for deal in deals]
    now = view.instant
    try:
        by_rules = judged(sent, now, view.history.tables)
    except ProblemError:
        by_rules = None
    found = plain(sent, now, view)
    return found and found.tables(), by_rules


def assert_same(plain: Tables | None, by_rules: Tables | None) -> None:
    """Assert that what is plain is what the rules make of it."""
    if plain is None:
        return
    assert by_rules is not None
    for name, frame in plain.items():
        pd.testing.assert_frame_equal(frame, by_rules[name], check_index_type="exact")


def message(view: View, row: int) -> dict[str, Any]:
    """A deal of the store as a message."""
    deal_id = view.deals["deal_id"].iloc[row]
    tables = view.history.tables.select([deal_id])
    deal, changes, activities = (
        [
            {name: _plain(value) for name, value in row.items() if not pd.isna(value)}
            for row in tables[name].to_dict("records")
        ]
        for name in ("deals", "deal_history", "activities")
    )
    without = [{k: v for k, v in row.items() if k != "deal_id"} for row in changes]
    return {
        **deal[0],
        "history": without,
        "activities": [{k: v for k, v in row.items() if k != "deal_id"} for row in activities],
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def test_deals_of_the_store_are_plain_and_give_the_tables_of_the_rules(view) -> None:
    messages = [message(view, row) for row in range(25)]
    for each in messages:
        plain, by_rules = both(view, each)
        assert plain is not None
        assert_same(plain, by_rules)
    plain, by_rules = both(view, *messages)
    assert plain is not None
    assert_same(plain, by_rules)


def test_a_deal_that_was_closed_and_reopened_is_plain(view) -> None:
    passed = [
        {**CHANGE, "property": "stage", "value": stage, "changed_at": at}
        for stage, at in (("closed_lost", "2026-01-05"), (DEAL["stage"], "2026-01-20"))
    ]
    plain, by_rules = both(view, {**DEAL, "history": passed})
    assert plain is not None
    assert_same(plain, by_rules)


def test_a_deal_of_the_least_is_plain(view) -> None:
    plain, by_rules = both(view, DEAL)
    assert plain is not None
    assert_same(plain, by_rules)


@pytest.mark.parametrize("time", TIMES)
def test_a_time_is_read_as_the_rules_read_it_or_left_to_them(view, time) -> None:
    booked = {**CALL, "occurred_at": time, "recorded_at": "2026-03-01"}
    for deal in (
        {**DEAL, "created_at": time},
        {**DEAL, "expected_close_date": time},
        {**DEAL, "history": [{**CHANGE, "changed_at": time}]},
        {**DEAL, "history": [{**CHANGE, "property": "expected_close_date", "value": time}]},
        {**DEAL, "activities": [{**CALL, "occurred_at": time}]},
        {**DEAL, "activities": [booked, {**CALL, "recorded_at": time}]},
    ):
        assert_same(*both(view, deal))


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_read_as_the_rules_read_it_or_left_to_them(view, value) -> None:
    for name in ("amount", "stage", "owner_id", "mood"):
        change = {**CHANGE, "property": name, "value": value}
        assert_same(*both(view, {**DEAL, "history": [change]}))
    for name in ("name", "mood", "account_id", "stage"):
        if isinstance(value, str) or name in {"name", "mood"}:
            assert_same(*both(view, {**DEAL, name: value}))
    if not isinstance(value, str | bool):
        assert_same(*both(view, {**DEAL, "amount": float(value)}))


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_read_as_the_rules_read_it_or_left_to_them(view, word) -> None:
    assert_same(*both(view, {**DEAL, "activities": [{**CALL, "type": word}]}))
    assert_same(*both(view, {**DEAL, "activities": [{**CALL, "direction": word}]}))


@pytest.mark.parametrize(
    "deals",
    [
        [DEAL, DEAL],
        [{**DEAL, "stage": "qualifid"}],
        [{**DEAL, "is_won": True}],
        [{**DEAL, "stage": "closed_won"}],
        [{**DEAL, "activities": [{**CALL, "activity_id": "a"}] * 2}],
        [{**DEAL, "activities": [{**CALL, "activity_id": "sent-1"}, CALL]}],
        [{**DEAL, "deal_id": "\u2003"}],
    ],
)
def test_what_the_rules_refuse_is_left_to_them(view, deals) -> None:
    plain, by_rules = both(view, *deals)
    assert plain is None
    assert by_rules is None


def test_a_change_said_twice_is_kept_once(view) -> None:
    twice = {**DEAL, "history": [CHANGE, {**CHANGE, "recorded_at": "2026-03-05"}, CHANGE]}
    plain, by_rules = both(view, twice)
    assert plain is not None
    assert len(plain.deal_history) == 1
    assert_same(plain, by_rules)


def test_values_drawn_at_random_are_read_as_the_rules_read_them(view) -> None:
    rng = np.random.default_rng(11)
    plain = 0
    for _ in range(80):
        draw = lambda among: among[rng.integers(len(among))]  # noqa: E731
        deal = {
            **DEAL,
            "created_at": draw(TIMES[:5]),
            "history": [
                {"property": draw(("amount", "mood")), "value": draw(PLAIN), "changed_at": time}
                for time in rng.choice(TIMES[:6], 2)
            ],
            "activities": [{"type": draw(WORDS[:2]), "occurred_at": draw(TIMES[:5])}],
        }
        found = both(view, deal)
        plain += found[0] is not None
        assert_same(*found)
    assert plain > 5
