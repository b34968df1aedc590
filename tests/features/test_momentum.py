"""Momentum on a deal that goes forward, back, is lost and comes again."""

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
W       2023-10-01
L       2023-10-01
"""
STAGES = """
pipeline stage       position outcome
default  qualified   1        open
default  proposal    2        open
default  negotiation 3        open
default  closed_won  4        won
default  closed_lost 5        lost
"""
# W stayed 19 days in qualified and 9 in proposal; L was lost after 29 days in qualified.
HISTORY = """
deal_id property            value       changed_at recorded_at
D       stage               qualified   2024-01-01 -
D       stage               negotiation 2024-01-11 -
D       stage               proposal    2024-01-21 2024-01-23
D       stage               closed_lost 2024-02-01 -
D       stage               qualified   2024-02-11 -
D       expected_close_date 2024-02-01  2024-01-01 -
D       expected_close_date 2024-02-15  2024-01-20 -
D       expected_close_date 2024-02-10  2024-01-25 2024-01-28
W       stage               qualified   2023-10-01 -
W       stage               proposal    2023-10-20 -
W       stage               closed_won  2023-10-29 -
L       stage               qualified   2023-10-01 -
L       stage               closed_lost 2023-10-30 -
"""


@pytest.fixture(scope="module")
def tables(build: Build) -> Tables:
    return build(deals=DEALS, deal_history=HISTORY, stages=STAGES)


@pytest.mark.parametrize(
    ("name", "as_of", "value"),
    [
        ("stage_position", "2024-01-05", 0),
        ("stage_position", "2024-01-22", 2),
        ("stage_position", "2024-01-24", 1),
        ("stage_code", "2024-01-22", 2),
        ("age_days", "2024-01-22", 21),
        ("days_in_stage", "2024-01-22", 11),
        ("days_in_stage", "2024-01-24", 3),
        ("stage_life_share", "2024-01-22", 11 / 21),
        ("stage_changes_count", "2024-01-22", 2),
        ("steps_back_count", "2024-01-24", 1),
        ("last_step", "2024-01-22", 2),
        ("last_step", "2024-01-24", -1),
        ("speed", "2024-01-22", 2 / 28 * 30),
        ("reopened_count", "2024-01-24", 0),
        ("reopened_count", "2024-02-12", 1),
        ("days_to_close_date", "2024-01-15", 17),
        ("days_to_close_date", "2024-01-27", 19),
        ("days_to_close_date", "2024-02-12", -2),
        ("overdue_flag", "2024-01-27", 0),
        ("overdue_flag", "2024-02-12", 1),
        ("pushes_count", "2024-01-29", 1),
        ("pushed_days", "2024-01-29", 9),
        ("days_since_close_date_change", "2024-01-29", 4),
        ("promised_cycle", "2024-01-15", 31),
        ("stage_usual_stay", "2024-01-05", np.log1p(19)),
        ("stay_against_kept", "2024-01-05", np.log(5 / 20)),
        ("stay_against_lost", "2024-01-05", np.log(5 / 30)),
        ("age_against_cycle", "2024-01-15", np.log(15 / 29)),
        # Two ended stays in qualified, one went on; 4 days in, within 30 more; shrunk by 5 to 1/2.
        ("stage_exit_30d_rate", "2024-01-05", (1 + 5 * 0.5) / (2 + 5)),
        # One of the two firm's closings was won, one of two that reached qualified.
        ("stage_win_rate", "2024-01-05", (1 + 20 * 0.5) / (2 + 20)),
        ("stage_win_rate_lift", "2024-01-24", (1 + 20 * 0.5) / (1 + 20) - 0.5),
    ],
)
def test_momentum_reads_as_it_was_known(
    tables: Tables, ask: Ask, name: str, as_of: str, value: float
) -> None:
    assert ask(tables, name, "D", as_of) == pytest.approx(value, abs=1e-9)


def test_stay_longer_than_any_has_no_forecast_of_its_own(tables: Tables, ask: Ask) -> None:
    assert ask(tables, "stage_exit_30d_rate", "L", "2023-12-31") == pytest.approx(0.5)
    # Of three ended stays in qualified two went on; none was as long as this one.
    assert ask(tables, "stage_exit_30d_rate", "D", "2024-08-30") == pytest.approx(2 / 3)


def test_deal_without_a_close_date_has_no_promise(tables: Tables, ask: Ask) -> None:
    assert np.isnan(ask(tables, "days_to_close_date", "W", "2023-10-10"))
    assert ask(tables, "pushes_count", "W", "2023-10-10") == 0
    assert ask(tables, "overdue_flag", "W", "2023-10-10") == 0
