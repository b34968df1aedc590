"""Data health: what a history covers and what its gaps cost."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from data.settings import Settings
from data.sources import read_source
from data.tables import Tables
from data.validation import validate
from features.catalogue import CATALOGUE
from features.health import Health, Part, health
from features.history import History


@pytest.fixture
def five(five_deals: Tables, now: pd.Timestamp) -> Health:
    return health(History.of(five_deals), now)


def of(tables: Tables, now: pd.Timestamp, **changed: pd.DataFrame) -> Health:
    """Health with some tables replaced."""
    return health(History.of(Tables.of({**dict(tables.items()), **changed})), now)


def test_five_deals_are_counted_as_they_are(five: Health) -> None:
    assert (five.open, five.won, five.lost) == (3, 1, 1)
    assert five.rows["activities"] == 8
    assert five.without_amount == Part(1, 5, 0.2)
    assert five.open_without_amount == Part(1, 3, 1 / 3)
    assert five.stale == Part(3, 3, 1.0)
    assert five.closed_without_activity == Part(0, 2, 0.0)
    assert five.closings_without_stages == Part(0, 3, 0.0)
    assert five.filled["activities.recorded_at"] == Part(1, 8, 0.125)


def test_activity_logged_late_is_counted_with_its_delay(five: Health) -> None:
    assert five.late == Part(1, 1, 1.0)
    assert five.late_median_days == 10.0
    assert any("more than a day late (median delay 10.0 days)" in s for s in five.findings())


def test_meeting_written_down_ahead_is_not_late(five_deals: Tables, now: pd.Timestamp) -> None:
    activities = five_deals.activities
    ahead = activities.assign(recorded_at=activities["occurred_at"] - pd.Timedelta(days=3))
    found = of(five_deals, now, activities=ahead)
    assert (found.late, found.late_median_days) == (Part(0, 8, 0.0), None)


def test_deal_with_a_recent_fact_is_not_stale(five_deals: Tables) -> None:
    early = health(History.of(five_deals), pd.Timestamp("2024-05-01", tz="UTC"))
    assert early.stale.count == 1  # S alone: O has its stage of March, R was reopened in April


def test_facts_of_later_than_now_are_not_counted(five_deals: Tables) -> None:
    early = health(History.of(five_deals), pd.Timestamp("2024-01-12", tz="UTC"))
    assert (early.open, early.won, early.lost) == (2, 0, 0)
    assert early.without_amount == Part(0, 2, 0.0)


def test_gap_names_the_column_and_the_features_that_need_it(
    five_deals: Tables, now: pd.Timestamp
) -> None:
    found = of(five_deals, now, activities=five_deals.activities.drop(columns="direction"))
    needing = {name for name, f in CATALOGUE.items() if "activities.direction" in f.needs}
    gap = next(gap for gap in found.gaps if gap.missing == "activities.direction")
    assert set(gap.features) == needing
    assert sum(gap.families.values()) == len(needing)
    assert ("activities.direction", len(needing), f"engagement {len(needing)}") in found.gap_rows()


def test_table_that_is_missing_is_one_gap(five_deals: Tables, now: pd.Timestamp) -> None:
    found = of(five_deals, now, activities=five_deals.activities.head(0))
    needing = {n for n, f in CATALOGUE.items() if any("activities." in need for need in f.needs)}
    gaps = {gap.missing: set(gap.features) for gap in found.gaps}
    assert gaps["activities"] == needing
    assert not any(missing.startswith("activities.") for missing in gaps)
    assert not any("activit" in line for line in found.findings())


def test_gaps_begin_with_the_one_that_costs_most(five_deals: Tables, now: pd.Timestamp) -> None:
    found = of(
        five_deals,
        now,
        owners=five_deals.owners.head(0),
        activities=five_deals.activities.head(0),
    )
    counts = [len(gap.features) for gap in found.gaps]
    assert counts == sorted(counts, reverse=True)
    assert found.gaps[0].missing == "activities"


def test_complete_history_has_no_gap(demo_tables: Tables, now: pd.Timestamp) -> None:
    found = health(History.of(demo_tables), now)
    assert (found.gaps, found.switched_off, found.gap_rows()) == ((), 0, [])


def test_complete_column_is_not_listed(five: Health) -> None:
    listed = [name for name, _ in five.partly_rows()]
    assert "activities.direction" in listed
    assert "activities.contact_id" not in listed
    assert five.filled["activities.contact_id"].share == 1.0
    assert "deals.deal_id" not in five.filled


def test_empty_close_time_of_an_open_deal_is_no_gap(five: Health) -> None:
    assert five.filled["deals.closed_at"] == Part(2, 3, 2 / 3)  # R was closed before it reopened


def test_amount_of_the_export_alone_is_told(five_deals: Tables, now: pd.Timestamp) -> None:
    rows = five_deals.deal_history
    found = of(five_deals, now, deal_history=rows[rows["property"] != "amount"])
    assert (found.without_amount.count, found.amount_in_deals_only) == (5, 4)
    assert any("deals.amount has one for 4 of them" in line for line in found.findings())


def test_closing_without_stage_history_is_counted(five_deals: Tables, now: pd.Timestamp) -> None:
    rows = five_deals.deal_history
    found = of(five_deals, now, deal_history=rows[rows["deal_id"] != "W"])
    assert found.closings_without_stages == Part(1, 3, 1 / 3)


def test_closed_deal_without_activity_is_counted(five_deals: Tables, now: pd.Timestamp) -> None:
    rows = five_deals.activities
    found = of(five_deals, now, activities=rows[rows["deal_id"] != "L"])
    assert found.closed_without_activity == Part(1, 2, 0.5)


def half_closed(column: str) -> Tables:
    """A hundred deals of one day, every other one lost; the closed ones alone have the column."""
    deals = pd.DataFrame({"deal_id": [f"D{n}" for n in range(100)], "created_at": "2024-01-08"})
    closed = deals.index % 2 == 0
    return Tables.of(
        {
            "deals": deals.assign(
                stage=pd.Series("closed_lost", deals.index).where(closed, "qualified"),
                closed_at=pd.Series("2024-02-05", deals.index).where(closed),
                is_won=pd.Series(False, deals.index).where(closed),
                **{column: pd.Series("event", deals.index).where(closed)},
            )
        }
    )


def test_column_filled_in_at_closing_is_named_and_left_out(now: pd.Timestamp) -> None:
    found = health(History.of(half_closed("source")), now)
    assert list(found.filled_at_closing) == ["deals.source"]
    assert "deals.source" in {need for name in found.unread for need in CATALOGUE[name].needs}
    assert any(line.startswith("deals.source is blank in 100%") for line in found.findings())


def test_custom_column_fixed_at_creation_is_judged_too(now: pd.Timestamp) -> None:
    settings = Settings(fixed_at_creation=["deals.reason"])
    found = health(History.of(half_closed("reason"), settings), now)
    assert list(found.filled_at_closing) == ["deals.reason"]


def test_stage_under_a_new_name_is_said(now: pd.Timestamp) -> None:
    created = pd.date_range("2023-01-01", periods=40, freq="7D", tz="UTC")
    ids = [f"D{n}" for n in range(40)]
    deals = pd.DataFrame({"deal_id": ids, "stage": "lead", "created_at": created})
    names = ["lead"] * 20 + ["inquiry"] * 20
    changes = pd.DataFrame(
        {"deal_id": ids, "property": "stage", "value": names, "changed_at": created}
    )
    found = health(History.of(Tables.of({"deals": deals, "deal_history": changes})), now)
    assert found.renamed == {"inquiry": "lead"}
    assert any("'inquiry' is taken for 'lead'" in said for said in found.findings())


def test_what_touches_most_comes_first(five: Health) -> None:
    lines = five.findings()
    stale = next(n for n, line in enumerate(lines) if "stale" in line)
    amounts = next(n for n, line in enumerate(lines) if "no amount" in line)
    assert stale < amounts


@pytest.mark.parametrize(
    ("count", "total", "words"),
    [
        (1, 13_087, "1 of 13,087 (<1%)"),
        (13_086, 13_087, "13,086 of 13,087 (>99%)"),
        (2, 4, "2 of 4 (50%)"),
        (0, 4, "0 of 4 (0%)"),
        (0, 0, "0 of 0"),
    ],
)
def test_none_and_all_are_said_only_of_none_and_all(count: int, total: int, words: str) -> None:
    assert str(Part.where([True] * count + [False] * (total - count))) == words


def everything(found: Health) -> list[str]:
    """All that a person would read."""
    rows = [*found.gap_rows(), *found.partly_rows()]
    texts = [found.title(), found.gaps_title(), *found.findings(), *found.notes()]
    return [*texts, *(str(row) for row in rows)]


def test_deals_alone_are_enough(five_deals: Tables, now: pd.Timestamp) -> None:
    found = health(History.of(Tables.of({"deals": five_deals.deals})), now)
    assert found.closings_without_stages == Part(2, 2, 1.0)
    assert not any(name.startswith("deal_history") for name in found.filled)
    assert "5 deals (3 open, 1 won, 1 lost)" in found.title()
    assert not any("nan" in text for text in everything(found))


def test_history_without_a_deal_is_described(five_deals: Tables, now: pd.Timestamp) -> None:
    nothing = health(History.of(Tables.empty()), now)
    assert nothing.findings() == ["no deal was accepted: there is nothing to learn from"]
    assert nothing.late.share is None
    assert nothing.gaps
    assert nothing.gap_rows() == []
    orphans = of(five_deals, now, deals=five_deals.deals.head(0))
    assert orphans.rows["activities"] == 8
    assert everything(nothing)
    assert everything(orphans)


def test_json_holds_what_people_read(five: Health) -> None:
    found = json.loads(json.dumps(five.to_json(), allow_nan=False))
    assert found["stale"] == {"count": 3, "of": 3, "share": 1.0}
    assert found["rows"]["deals"] == 5
    assert found["gaps"][0].keys() == {"missing", "features", "families"}


def test_real_history_is_described(real_folder: Path) -> None:
    tables = validate(read_source(real_folder), pd.Timestamp("2026-01-01", tz="UTC")).tables
    history = History.of(tables)
    assert history.last_fact is not None
    found = health(history, history.last_fact.ceil("D"))
    assert found.open + found.won + found.lost == len(tables.deals)
    assert 0 < found.switched_off < found.features
    assert json.dumps(found.to_json(), allow_nan=False)
