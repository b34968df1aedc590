"""A history of five deals that can be read by eye, and the real data where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data.tables import Tables

NOW = pd.Timestamp("2024-07-01", tz="UTC")
REAL_DATA = Path(__file__).parents[1].parent / "shared" / "data"

# W is won, L is lost, O is open with a call logged ten days late, R was lost and reopened,
# S is stale: no amount, nothing since January.
DEALS = """
deal_id stage       created_at account_id owner_id source   amount closed_at  is_won
W       closed_won  2024-01-08 A1         ann      referral 1200   2024-03-15 true
L       closed_lost 2024-01-15 A2         bob      event    500    2024-02-20 false
O       proposal    2024-02-01 A1         ann      referral 800    -          -
R       qualified   2024-01-10 A3         bob      event    300    -          -
S       qualified   2024-01-20 A2         bob      outbound -      -          -
"""
DEAL_HISTORY = """
deal_id property value       changed_at recorded_at
W       stage    qualified   2024-01-08 -
W       amount   1000        2024-01-08 -
W       stage    proposal    2024-02-05 -
W       amount   1200        2024-02-05 -
W       stage    closed_won  2024-03-15 -
L       stage    qualified   2024-01-15 -
L       amount   500         2024-01-15 -
L       stage    closed_lost 2024-02-20 -
O       stage    qualified   2024-02-01 -
O       amount   800         2024-02-10 -
O       stage    proposal    2024-03-01 -
R       stage    qualified   2024-01-10 -
R       amount   300         2024-01-10 -
R       stage    closed_lost 2024-02-10 -
R       stage    qualified   2024-04-02 -
S       stage    qualified   2024-01-20 -
"""
ACTIVITIES = """
activity_id deal_id type    occurred_at direction contact_id owner_id recorded_at
1           W       email   2024-01-09  outbound  C1         ann      -
2           W       email   2024-01-10  inbound   C1         ann      -
3           W       meeting 2024-02-04  -         C1         ann      -
4           L       call    2024-01-16  outbound  C2         bob      -
5           O       call    2024-03-05  inbound   C3         ann      2024-03-15
6           O       email   2024-03-20  inbound   C1         ann      -
7           R       email   2024-04-03  inbound   C4         bob      -
8           S       email   2024-01-21  outbound  C2         bob      -
"""
ACCOUNTS = """
account_id industry  employees annual_revenue region
A1         software  200       5000000        Greece
A2         retail    40        900000         Thailand
A3         logistics 1500      80000000       Jordan
"""
CONTACTS = """
contact_id account_id title   seniority
C1         A1         CEO     executive
C2         A2         Buyer   staff
C3         A1         CTO     executive
C4         A3         Planner manager
"""
OWNERS = """
owner_id name email           team  manager_id hired_at
ann      Ann  ann@example.com north -          2022-05-01
bob      Bob  bob@example.com south ann        2023-09-01
"""
STAGES = """
pipeline stage       position outcome
default  qualified   1        open
default  proposal    2        open
default  closed_won  3        won
default  closed_lost 4        lost
"""
TARGETS = """
period  owner_id team amount
2024-Q3 ann      -    3000
2024-Q3 bob      -    2000
"""


def table(text: str) -> pd.DataFrame:
    """Text in columns, `-` where missing."""
    head, *rows = (line.split() for line in text.strip().splitlines())
    return pd.DataFrame(rows, columns=head, dtype="str").replace({"-": pd.NA})


@pytest.fixture
def five_frames() -> dict[str, pd.DataFrame]:
    """The five deals as text, as a source brings them."""
    return {
        "deals": table(DEALS).assign(pipeline="default", currency="EUR"),
        "deal_history": table(DEAL_HISTORY),
        "activities": table(ACTIVITIES),
        "accounts": table(ACCOUNTS),
        "contacts": table(CONTACTS),
        "owners": table(OWNERS),
        "stages": table(STAGES),
        "targets": table(TARGETS),
    }


@pytest.fixture
def five_deals(five_frames: dict[str, pd.DataFrame]) -> Tables:
    """W won, L lost, O open with a late-logged call, R reopened, S stale without an amount."""
    deals = five_frames["deals"]
    won = deals["is_won"].map({"true": True, "false": False})
    return Tables.of({**five_frames, "deals": deals.assign(is_won=won)})


@pytest.fixture
def now() -> pd.Timestamp:
    """An instant after everything in the five deals."""
    return NOW


@pytest.fixture
def five_folder(five_frames: dict[str, pd.DataFrame], tmp_path: Path) -> Path:
    """The five deals as a source: one CSV a table."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name, frame in five_frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(params=["bpic2012", "olist", "maven"])
def real_folder(request: pytest.FixtureRequest) -> Path:
    """Each real history; skipped where it is not at hand."""
    folder = REAL_DATA / request.param
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
