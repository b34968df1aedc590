"""Source, size, people, account and calendar on five closed deals and two open ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from data.settings import Settings
from data.tables import Tables

Build = Callable[..., Tables]
Ask = Callable[..., float]
DEALS = """
deal_id created_at account_id source   deal_type currency
A       2023-01-01 X          event    new       EUR
B       2023-02-01 X          event    new       EUR
C       2023-03-01 Y          referral new       EUR
D       2023-04-01 X          event    new       EUR
E       2023-05-01 -          -        new       EUR
"""
# A won after 59 days for 1000, B lost, C won after 92 days for 400 (entered two months late).
HISTORY = """
deal_id property value       changed_at recorded_at
A       stage    lead        2023-01-01 -
A       amount   800         2023-01-01 -
A       amount   1000        2023-02-01 -
A       owner_id ann         2023-01-01 -
A       stage    closed_won  2023-03-01 -
B       stage    lead        2023-02-01 -
B       owner_id ann         2023-02-01 -
B       amount   1500        2023-02-01 -
B       stage    closed_lost 2023-04-15 -
C       stage    lead        2023-03-01 -
C       owner_id bob         2023-03-01 -
C       amount   400         2023-03-01 -
C       stage    closed_won  2023-06-01 2023-08-01
D       stage    lead        2023-04-01 -
D       owner_id bob         2023-04-01 -
D       amount   3000        2023-04-01 -
D       amount   2000        2023-05-01 2023-05-20
D       owner_id ann         2023-05-10 -
E       stage    lead        2023-05-01 -
E       owner_id ann         2023-05-01 -
"""
ACCOUNTS = """
account_id industry employees annual_revenue region
X          software 30        200000         Greece
Y          retail   3000      -              Jordan
"""
OWNERS = """
owner_id team  hired_at
ann      north 2022-05-01
bob      north -
"""


@pytest.fixture(scope="module")
def tables(build: Build) -> Tables:
    return build(deals=DEALS, deal_history=HISTORY, accounts=ACCOUNTS, owners=OWNERS)


BASE_JUNE = 2 / 4  # one of two closings known won, and two pseudo-deals
EVENT_JUNE = (1 + 20 * BASE_JUNE) / 22
JUNE, SEPTEMBER = "2023-06-15", "2023-09-01"


@pytest.mark.parametrize(
    ("name", "as_of", "value"),
    [
        ("source_win_rate", "2023-04-02", (1 + 20 * 2 / 3) / 21),
        ("source_win_rate", JUNE, EVENT_JUNE),
        ("source_win_rate_lift", SEPTEMBER, (1 + 20 * 3 / 5) / 22 - 3 / 5),
        ("segment_win_rate", JUNE, (1 + 20 * EVENT_JUNE) / 22),
        ("source_closed_log_count", JUNE, np.log(3)),
        ("source_won_log_days", JUNE, np.log(60)),
        ("source_won_days_lift", SEPTEMBER, (np.log(60) - np.log(93)) / 2 / 21),
        ("source_won_median_days", JUNE, 59),
        ("source_won_log_amount", JUNE, np.log(1000)),
        ("source_win_rate_trend", JUNE, 0.0),
        ("log_amount", "2023-05-10", np.log(3000)),
        ("log_amount", JUNE, np.log(2000)),
        ("amount_missing_flag", JUNE, 0),
        ("amount_change", JUNE, np.log(2 / 3)),
        ("amount_last_change", JUNE, np.log(2 / 3)),
        ("amount_cuts_count", JUNE, 1),
        ("amount_raises_count", JUNE, 0),
        ("days_since_amount_change", JUNE, 45),
        ("amount_against_owner", JUNE, np.log(2000 / 1000)),
        ("amount_against_segment", JUNE, np.log(2000 / 1000)),
        ("amount_against_account", JUNE, np.log(2000 / 1000)),
        ("amount_against_revenue", JUNE, np.log(2000 / 200_000)),
        # Open with an amount in June: C (its win not known yet) and D.
        ("amount_rank_open", JUNE, 0.75),
        ("amount_rank_open", SEPTEMBER, 0.5),
        ("owner_win_rate", JUNE, (1 + 20 * BASE_JUNE) / 22),
        ("owner_win_rate_lift", "2023-05-01", (0 + 20 * BASE_JUNE) / 20 - BASE_JUNE),
        ("owner_closed_log_count", JUNE, np.log(3)),
        ("owner_open_count", "2023-05-02", 2),
        ("owner_open_count", JUNE, 2),
        ("owner_load_against_team", JUNE, np.log(3 / 2.5)),
        ("owner_tenure_days", JUNE, 410),
        ("owner_changes_count", "2023-05-10", 0),
        ("owner_changes_count", JUNE, 1),
        ("days_since_owner_change", JUNE, 36),
        ("team_win_rate_lift", JUNE, 0.0),
        ("team_closed_log_count", JUNE, np.log(3)),
        ("team_tenure_days", JUNE, 410),
        ("team_changes_count", JUNE, 0),
        ("days_since_team_change", JUNE, np.nan),
        ("source_won_days_trend", JUNE, 0.0),
        ("account_won_count", JUNE, 1),
        ("account_lost_count", JUNE, 1),
        ("account_win_rate_lift", "2023-04-02", (1 + 20 * 2 / 3) / 21 - 2 / 3),
        ("account_open_beside_count", "2023-04-02", 1),
        ("account_open_beside_count", JUNE, 0),
        ("log_employees", JUNE, np.log(31)),
        ("employees_fit", "2023-04-02", np.log(43 / 20) - np.log(2)),
        ("month", JUNE, 6),
        ("month_end_days", JUNE, 16),
        ("quarter_end_days", JUNE, 16),
        ("quarter_rush_30d_days", JUNE, 7),
        ("quarter_rush_62d_days", "2023-04-26", 3),
        ("month_rush_30d_days", "2023-02-27T12:00:00", 3),
        ("month_rush_30d_days", "2023-03-02", 4),
        ("month_rush_30d_days", "2023-04-29", 3),
        ("season_sine", "2023-01-01", 0),
        ("season_cosine", "2023-07-02T12:00:00", -1),
        ("year_win_rate_trend", JUNE, 0),
    ],
)
def test_statistics_read_as_they_were_known(
    tables: Tables, ask: Ask, name: str, as_of: str, value: float
) -> None:
    assert ask(tables, name, "D", as_of) == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source_win_rate", BASE_JUNE),
        ("amount_missing_flag", 1),
        ("amount_rank_open", np.nan),
        ("log_amount", np.nan),
        ("account_won_count", 0),
        ("account_open_beside_count", 0),
        ("amount_against_account", np.nan),
        ("industry_fit", 0),
        ("icp_fit", 0),
        ("icp_band", 2),
    ],
)
def test_deal_without_account_source_and_amount_is_usual(
    tables: Tables, ask: Ask, name: str, value: float
) -> None:
    assert ask(tables, name, "E", JUNE) == pytest.approx(value, nan_ok=True)


def test_fiscal_quarter_starts_where_the_settings_say(tables: Tables, ask: Ask) -> None:
    february = Settings(fiscal_year_start_month=2)
    assert ask(tables, "quarter_end_days", "D", JUNE, settings=february) == 16 + 31
    assert ask(tables, "quarter_rush_30d_days", "D", JUNE, settings=february) == 0
    assert ask(tables, "quarter_rush_62d_days", "D", JUNE, settings=february) == 7


def test_amount_in_another_currency_is_compared_in_the_firms(build: Build, ask: Ask) -> None:
    tables = build(deals=DEALS.replace("EUR", "THB"), deal_history=HISTORY)
    rates = Settings(rates={"THB": 0.025})
    assert ask(tables, "log_amount", "D", JUNE, settings=rates) == pytest.approx(np.log(50))
    assert ask(tables, "amount_against_owner", "D", JUNE, settings=rates) == pytest.approx(
        np.log(2)
    )


def test_year_trend_compares_the_last_365_days_with_ever(tables: Tables, ask: Ask) -> None:
    # As of April 2024: B and C are of the last year, A is not.
    ever = (2 + 20 * 3 / 5) / 23
    assert ask(tables, "year_win_rate_trend", "D", "2024-04-01") == pytest.approx(
        (1 + 20 * ever) / 22 - ever
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deal_type_won_days_trend", np.log(93 / 60) / 2 / 21),
        ("deal_type_won_amount_trend", np.log(400 / 1000) / 2 / 21),
        ("source_won_days_trend", 0.0),
        ("team_win_rate_trend", (1 + 20 * (2 + 20 * 3 / 5) / 23) / 22 - (2 + 20 * 3 / 5) / 23),
    ],
)
def test_trend_compares_the_wins_of_365_days_with_those_of_ever(
    tables: Tables, ask: Ask, name: str, value: float
) -> None:
    assert ask(tables, name, "D", "2024-04-01") == pytest.approx(value)


def test_closing_entered_late_is_of_the_year_in_which_it_happened(
    tables: Tables, ask: Ask
) -> None:
    # C was won on the first of June and entered in August.
    name, ever = "deal_type_won_days_trend", np.log(60 * 93) / 2
    within = (np.log(93) + 20 * ever) / 21 - ever
    assert ask(tables, name, "D", "2024-05-31") == pytest.approx(within)
    assert ask(tables, name, "D", "2024-06-01") == pytest.approx(0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("owner_win_rate", (1 + 20 * BASE_JUNE) / 22),
        ("owner_closed_log_count", np.log(3)),
        ("team_closed_log_count", np.log(3)),
        ("source_won_log_amount", np.log(1000)),
        ("amount_against_owner", np.log(2000 / 1000)),
    ],
)
def test_deal_entered_when_all_was_over_counts_for_who_owned_it_and_by_its_amount(
    build: Build, ask: Ask, name: str, value: float
) -> None:
    imported = HISTORY + "A amount 5000 2023-03-01 -\n"
    lines = [
        line[:-1] + "2023-03-05" if line.startswith("A ") else line
        for line in imported.splitlines()
    ]
    tables = build(deals=DEALS, deal_history="\n".join(lines), owners=OWNERS)
    assert ask(tables, name, "D", JUNE) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source_won_log_days", np.log(60)),
        ("source_won_median_days", 59),
        ("owner_closed_log_count", np.log(4)),
        ("source_closed_log_count", np.log(4)),
        ("source_won_log_amount", (np.log(1000) + np.log(600)) / 2),
    ],
)
def test_deal_won_the_moment_it_was_created_tells_no_time_to_win(
    build: Build, ask: Ask, name: str, value: float
) -> None:
    deals = DEALS + "M 2023-03-09 X event new EUR\n"
    moved_in = """M stage closed_won 2023-03-09 -
M owner_id ann 2023-03-09 -
M amount 600 2023-03-09 -
"""
    tables = build(deals=deals, deal_history=HISTORY + moved_in, owners=OWNERS)
    assert ask(tables, name, "D", JUNE) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "as_of", "value"),
    [
        ("team_changes_count", "2023-05-10", 0),
        ("team_changes_count", JUNE, 1),
        ("days_since_team_change", JUNE, 36),
        ("team_won_days_lift", SEPTEMBER, np.log(60 / 93) / 2),
        ("team_tenure_days", "2023-05-10", 100),
        ("team_tenure_days", "2022-12-31", np.nan),
    ],
)
def test_deal_handed_to_another_team_stands_with_that_team(
    build: Build, ask: Ask, name: str, as_of: str, value: float
) -> None:
    owners = OWNERS.replace("bob      north -", "bob      south 2023-01-30")
    tables = build(deals=DEALS, deal_history=HISTORY, owners=owners)
    assert ask(tables, name, "D", as_of) == pytest.approx(value, nan_ok=True)
