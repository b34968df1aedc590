"""Engagement on a conversation that can be read by eye."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data.tables import Tables

Build = Callable[..., Tables]
Ask = Callable[..., float]
DEALS = """
deal_id created_at
D       2024-01-01
E       2024-01-01
"""
# A call logged five days late, a meeting booked ahead, two answers (after 1 and 3 days).
ACTIVITIES = """
activity_id deal_id type    occurred_at direction contact_id recorded_at
1           D       email   2024-01-02  outbound  C1         -
2           D       email   2024-01-03  inbound   C1         -
3           D       call    2024-01-10  outbound  C2         2024-01-15
4           D       note    2024-01-12  -         -          -
5           D       email   2024-01-18  inbound   C2         -
6           D       email   2024-01-20  outbound  C1         -
7           D       email   2024-01-21  outbound  C1         -
8           D       meeting 2024-03-01  -         C3         2024-01-25
"""
CONTACTS = """
contact_id seniority
C1         manager
C2         VP_Sales
C3         staff
"""


@pytest.fixture(scope="module")
def tables(build: Build) -> Tables:
    return build(deals=DEALS, activities=ACTIVITIES, contacts=CONTACTS)


@pytest.mark.parametrize(
    ("name", "as_of", "value"),
    [
        ("activities_count", "2024-01-03", 1),
        ("activities_count", "2024-01-13", 3),
        ("activities_count", "2024-01-16", 4),
        ("activities_7d_count", "2024-01-09", 2),
        ("activities_7d_count", "2024-01-16", 2),
        ("calls_7d_count", "2024-01-17", 1),
        ("calls_7d_count", "2024-01-18", 0),
        ("inbound_30d_count", "2024-02-01", 2),
        ("outbound_count", "2024-02-01", 4),
        ("inbound_emails_30d_count", "2024-02-01", 2),
        ("outbound_emails_count", "2024-01-21", 2),
        ("outbound_calls_7d_count", "2024-01-17", 1),
        ("inbound_calls_count", "2024-02-01", 0),
        ("inbound_share", "2024-02-01", 2 / 6),
        ("inbound_30d_share", "2024-02-10", 1 / 3),
        ("meetings_count", "2024-02-01", 0),
        ("meetings_count", "2024-03-02", 1),
        ("meetings_ahead_count", "2024-01-25", 0),
        ("meetings_ahead_count", "2024-02-01", 1),
        ("meetings_ahead_count", "2024-03-01", 1),
        ("meetings_ahead_count", "2024-03-02", 0),
        ("days_since_last_activity", "2024-01-14", 2),
        ("days_since_last_call", "2024-01-16", 6),
        ("days_since_last_inbound", "2024-02-01", 14),
        ("days_since_last_meeting", "2024-02-01", np.nan),
        ("days_to_first_inbound", "2024-01-03", np.nan),
        ("days_to_first_inbound", "2024-02-01", 2),
        ("days_to_answer_last", "2024-01-10", 1),
        ("days_to_answer_last", "2024-02-01", 8),
        ("days_to_answer_median", "2024-02-01", 4.5),
        ("unanswered_count", "2024-01-16", 1),
        ("unanswered_count", "2024-01-19", 0),
        ("unanswered_count", "2024-02-01", 2),
        ("contacts_count", "2024-02-01", 2),
        ("contacts_30d_count", "2024-01-16", 2),
        ("contacts_30d_count", "2024-02-03", 2),
        ("contacts_30d_count", "2024-02-18", 1),
        ("contacts_30d_count", "2024-02-22", 0),
        ("contacts_90d_count", "2024-03-02", 3),
        ("new_contacts_30d_count", "2024-01-20", 2),
        ("new_contacts_30d_count", "2024-02-05", 1),
        ("highest_seniority", "2024-01-05", 1),
        ("highest_seniority", "2024-02-01", 3),
        ("longest_silence", "2024-01-13", 9),
        ("silence_against_longest", "2024-02-01", np.log(12 / 10)),
        ("usual_gap", "2024-01-13", 12 / 4),
        ("silence_against_own", "2024-01-14", 2 / (13 / 4 + 1)),
        ("pace_30d_change", "2024-02-05", np.log(6 / 3)),
        ("pace_14d_against_own", "2024-01-22", np.log(6 / 14 / (8 / 35))),
        ("inflation_flag", "2024-02-01", 0),
    ],
)
def test_conversation_reads_as_it_was_known(
    tables: Tables, ask: Ask, name: str, as_of: str, value: float
) -> None:
    assert ask(tables, name, "D", as_of) == pytest.approx(value, nan_ok=True, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activities_count", 0),
        ("unanswered_count", 0),
        ("contacts_90d_count", 0),
        ("days_since_last_activity", np.nan),
        ("days_to_answer_median", np.nan),
        ("highest_seniority", np.nan),
        ("longest_silence", np.nan),
        ("inbound_share", np.nan),
        ("silence_against_own", 31 / 32),
    ],
)
def test_deal_without_activities_has_none(
    tables: Tables, ask: Ask, name: str, value: float
) -> None:
    assert ask(tables, name, "E", "2024-02-01") == pytest.approx(value, nan_ok=True)


def test_many_touches_without_an_answer_are_inflation(build: Build, ask: Ask) -> None:
    calls = "\n".join(f"{n} D call 2024-01-0{n} outbound" for n in range(2, 7))
    tables = build(
        deals=DEALS, activities=f"activity_id deal_id type occurred_at direction\n{calls}"
    )
    assert ask(tables, "inflation_flag", "D", "2024-01-06") == 0
    assert ask(tables, "inflation_flag", "D", "2024-01-07") == 1


def test_activities_are_compared_with_won_deals_at_the_same_age(build: Build, ask: Ask) -> None:
    deals = """
    deal_id created_at
    W       2024-01-01
    D       2024-03-01
    """
    changes = """
    deal_id property value      changed_at
    W       stage    lead       2024-01-01
    W       stage    closed_won 2024-02-15
    D       stage    lead       2024-03-01
    """
    activities = """
    activity_id deal_id type  occurred_at
    1           W       email 2024-01-03
    2           W       email 2024-01-05
    3           W       email 2024-01-12
    4           D       email 2024-03-02
    """
    tables = build(deals=deals, deal_history=changes, activities=activities)
    # At 7 days W had two activities; at 14 days three.
    assert ask(tables, "activities_against_won", "D", "2024-03-09") == pytest.approx(np.log(2 / 3))
    assert ask(tables, "activities_against_won", "D", "2024-03-16") == pytest.approx(np.log(2 / 4))
    assert np.isnan(ask(tables, "activities_against_won", "W", "2024-02-10"))


@pytest.mark.parametrize(
    ("entered", "won", "at_7_days", "at_14_days"),
    [
        ("2024-01-01", "2024-02-15", np.log(2 / 3), np.log(2 / 3)),
        # Won after ten days, entered five weeks later: it was not open at 14 days.
        ("2024-01-01", "2024-01-11", np.log(2 / 3), np.nan),
        ("2024-02-20", "2024-02-15", np.nan, np.nan),
    ],
)
def test_won_deals_are_looked_back_at_while_they_were_open_and_known(
    build: Build, ask: Ask, entered: str, won: str, at_7_days: float, at_14_days: float
) -> None:
    deals = """
    deal_id created_at
    W       2024-01-01
    D       2024-03-01
    """
    changes = f"""
    deal_id property value      changed_at recorded_at
    W       stage    lead       2024-01-01 {entered}
    W       stage    closed_won {won}      {max(entered, "2024-02-15")}
    D       stage    lead       2024-03-01 -
    """
    activities = f"""
    activity_id deal_id type  occurred_at recorded_at
    1           W       email 2024-01-03  {max(entered, "2024-01-03")}
    2           W       email 2024-01-05  {max(entered, "2024-01-05")}
    4           D       email 2024-03-02  -
    """
    tables = build(deals=deals, deal_history=changes, activities=activities)
    for as_of, value in (("2024-03-09", at_7_days), ("2024-03-16", at_14_days)):
        found = ask(tables, "activities_against_won", "D", as_of)
        assert found == pytest.approx(value, nan_ok=True)


def test_activity_logged_late_neither_makes_a_silence_nor_an_answer_slow(
    build: Build, ask: Ask
) -> None:
    activities = """
    activity_id deal_id type  occurred_at direction recorded_at
    1           D       email 2024-01-02  outbound  -
    2           D       email 2024-01-20  outbound  -
    3           D       call  2024-01-04  outbound  2024-01-22
    4           D       email 2024-01-25  inbound   -
    """
    tables = build(deals=DEALS, activities=activities)
    assert ask(tables, "longest_silence", "D", "2024-01-24") == 18
    assert ask(tables, "longest_silence", "D", "2024-02-01") == 18
    assert ask(tables, "days_to_answer_last", "D", "2024-02-01") == 5


def test_activities_logged_in_one_go_follow_in_the_order_in_which_they_happened(
    build: Build, ask: Ask
) -> None:
    activities = """
    activity_id deal_id type  occurred_at direction recorded_at
    1           D       email 2024-01-09  inbound   2024-01-12
    2           D       email 2024-01-03  inbound   2024-01-12
    3           D       call  2024-01-08  outbound  2024-01-12
    """
    tables = build(deals=DEALS, activities=activities)
    assert ask(tables, "longest_silence", "D", "2024-01-13") == 5
    assert ask(tables, "days_to_answer_last", "D", "2024-01-13") == 1
    assert ask(tables, "unanswered_count", "D", "2024-01-13") == 0


def test_activity_that_became_known_with_its_deals_owner_is_that_owners(
    build: Build, ask: Ask
) -> None:
    changes = """
    deal_id property value changed_at recorded_at
    D       owner_id ann   2024-01-02 2024-01-10
    W       owner_id ann   2024-01-02 2024-01-10
    """
    activities = """
    activity_id deal_id type  occurred_at recorded_at
    1           D       email 2024-01-05  2024-01-10
    2           W       email 2024-01-06  2024-01-10
    3           W       email 2024-01-07  2024-01-10
    """
    deals = "deal_id created_at\nD 2024-01-01\nW 2024-01-01"
    tables = build(deals=deals, deal_history=changes, activities=activities)
    assert ask(tables, "owner_attention_share", "D", "2024-01-12") == pytest.approx(1 / 3)


def test_contact_entered_twice_is_one_person(build: Build, ask: Ask) -> None:
    people = """
    contact_id account_id name email       seniority
    C1         X          Ann  a@x.example manager
    C2         X          Ann  A@X.example VP_Sales
    C3         X          Ann  b@x.example staff
    C9         X          Ann  -           staff
    """
    tables = build(deals=DEALS, activities=ACTIVITIES, contacts=people)
    assert ask(tables, "contacts_count", "D", "2024-02-01") == 1
    assert ask(tables, "contacts_90d_count", "D", "2024-03-02") == 2
    assert ask(tables, "new_contacts_30d_count", "D", "2024-02-05") == 0
    assert ask(tables, "highest_seniority", "D", "2024-01-05") == 3


def test_contacts_of_one_name_without_address_are_two(build: Build, ask: Ask) -> None:
    people = """
    contact_id account_id name email
    C1         X          Ann  -
    C2         X          Ann  -
    """
    tables = build(deals=DEALS, activities=ACTIVITIES, contacts=people)
    assert ask(tables, "contacts_count", "D", "2024-02-01") == 2
