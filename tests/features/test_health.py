"""Data health: what a history covers and what its gaps cost."""

from __future__ import annotations

import pandas as pd

from data.tables import Tables
from features.catalogue import CATALOGUE
from features.health import gap_lines, health_lines
from features.history import History


def test_five_deals_are_described_as_they_are(five_deals: Tables, now: pd.Timestamp) -> None:
    lines = health_lines(History.of(five_deals), now)
    assert "1 of 8 (12%) activities were logged more than a day late" in lines
    assert "1 of 3 (33%) open deals have no amount" in lines
    assert "2 of 3 (67%) open deals are stale: nothing for 90 days" in lines
    assert "0 of 2 (0%) closed deals have no activity" in lines
    assert any(
        line.startswith("activities: 8 rows") and "recorded_at 12%" in line for line in lines
    )


def test_gap_names_what_is_missing_and_what_it_switches_off(five_deals: Tables) -> None:
    frames = dict(five_deals.items())
    frames["activities"] = frames["activities"].drop(columns="contact_id")
    lines = gap_lines(History.of(Tables.of(frames)))
    needing = [name for name, f in CATALOGUE.items() if "activities.contact_id" in f.needs]
    line = next(line for line in lines if line.startswith("no activities.contact_id: "))
    assert f"{len(needing)} features off (contacts_30d_count" in line
    assert any(line.startswith("no deal_history.expected_close_date: ") for line in lines)


def test_complete_history_has_no_gap(demo_tables: Tables) -> None:
    assert gap_lines(History.of(demo_tables)) == []


def test_nothing_is_described_without_shares(now: pd.Timestamp) -> None:
    lines = health_lines(History.of(Tables.empty()), now)
    assert "deals: 0 rows" in lines
    assert "0 of 0 open deals have no amount" in lines
