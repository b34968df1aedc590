"""Outcomes look forward only, and say when they are not yet known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data.tables import Tables
from features.history import LOST, OPEN, WON, History
from features.outcomes import Outcomes, outcomes
from features.snapshots import Snapshots

Instant = Callable[[str], int]
Of = Callable[[str, str, str], Outcomes]


@pytest.fixture
def of(five_deals: Tables, instant: Instant) -> Of:
    """Outcome of one deal as of a day, by what was known before a cut."""
    history = History.of(five_deals)

    def ask(deal: str, as_of: str, cut: str) -> Outcomes:
        chosen = Snapshots(np.array([history.position_of[deal]]), np.array([instant(as_of)]))
        return outcomes(history, chosen, instant(cut))

    return ask


def test_won_deal_is_won_after_so_many_days(of: Of) -> None:
    found = of("W", "2024-03-01", "2024-07-01")
    assert (found.kind[0], found.days[0]) == (WON, 14)
    assert found.won(30).tolist() == [1]
    assert found.lost(30).tolist() == [0]


def test_closing_at_the_end_of_the_horizon_is_not_within_it(of: Of) -> None:
    found = of("W", "2024-03-01", "2024-07-01")
    assert found.won(14).tolist() == [0]
    assert found.won(14.001).tolist() == [1]


def test_closing_at_the_instant_is_an_outcome_of_it(of: Of) -> None:
    found = of("W", "2024-03-15", "2024-07-01")
    assert (found.kind[0], found.days[0]) == (WON, 0)


def test_closing_known_at_the_cut_is_not_known_before_it(of: Of) -> None:
    found = of("W", "2024-03-01", "2024-03-15")
    assert found.kind[0] == OPEN
    assert np.isinf(found.days[0])
    assert found.won(14).tolist() == [0]
    assert np.isnan(found.won(15)[0])


def test_outcome_is_known_early_where_the_deal_closed(of: Of) -> None:
    found = of("L", "2024-02-01", "2024-03-01")
    assert found.lost(90).tolist() == [1]
    assert found.won(90).tolist() == [0]


def test_open_deal_has_no_outcome_beyond_what_was_watched(of: Of) -> None:
    found = of("S", "2024-06-01", "2024-07-01")
    assert found.won(30).tolist() == [0]
    assert np.isnan(found.won(31)[0])


def test_reopened_deal_has_the_outcome_of_what_follows(of: Of) -> None:
    assert of("R", "2024-02-01", "2024-07-01").kind[0] == LOST
    assert of("R", "2024-05-01", "2024-07-01").kind[0] == OPEN


def test_closing_backdated_before_the_instant_happens_at_it(
    build: Callable[..., Tables], instant: Instant
) -> None:
    tables = build(
        deals="""
        deal_id created_at
        D       2024-01-01
        """,
        deal_history="""
        deal_id property value      changed_at recorded_at
        D       stage    closed_won 2024-02-01 2024-03-01
        """,
    )
    chosen = Snapshots(np.array([0]), np.array([instant("2024-02-15")]))
    found = outcomes(History.of(tables), chosen, instant("2024-07-01"))
    assert (found.kind[0], found.days[0]) == (WON, 0)


def test_history_without_closings_has_open_outcomes(
    build: Callable[..., Tables], instant: Instant
) -> None:
    tables = build(
        deals="""
        deal_id created_at
        D       2024-01-01
        """
    )
    chosen = Snapshots(np.array([0]), np.array([instant("2024-02-15")]))
    found = outcomes(History.of(tables), chosen, instant("2024-07-01"))
    assert found.kind.tolist() == [OPEN]
    assert found.closing.tolist() == [-1]


@pytest.mark.parametrize(
    ("met", "logged", "days"),
    [
        ("2024-01-18", "-", 5),  # before the date stated: entered late, and true
        ("2024-01-25", "-", 20),  # the deal lived on: the date was filled in backwards
        ("2024-01-25", "2024-02-09", 5),  # not known when the closing was entered
        ("2024-02-10", "-", 5),  # afterwards
    ],
)
def test_deal_worked_on_after_the_date_stated_closed_when_that_was_entered(
    build: Callable[..., Tables], instant: Instant, met: str, logged: str, days: float
) -> None:
    history = History.of(
        build(
            deals="deal_id created_at\nD 2024-01-01",
            deal_history="""
            deal_id property value      changed_at recorded_at
            D       stage    lead       2024-01-01 -
            D       stage    closed_won 2024-01-20 2024-02-04
            """,
            activities=f"""
            activity_id deal_id type    occurred_at recorded_at
            1           D       meeting 2024-01-10  -
            2           D       meeting {met}  {logged}
            """,
        )
    )
    asked = Snapshots(np.array([0]), np.array([instant("2024-01-15")]))
    found = outcomes(history, asked, instant("2024-07-01"))
    assert (found.kind[0], found.days[0]) == (WON, days)
