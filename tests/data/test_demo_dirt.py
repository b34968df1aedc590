"""Each kind of dirt does what it says, and nothing else."""

from functools import cache

import pandas as pd
import pytest

from data.demo import World, simulate

END = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)


@cache
def tables(*dirt: str) -> dict[str, pd.DataFrame]:
    return simulate(
        World.draw(4), deals=1500, years=2, end=END, seed=4, dirt=frozenset(dirt)
    ).tables


def test_a_clean_export_is_recorded_at_once() -> None:
    history, activities = tables()["deal_history"], tables()["activities"]
    assert (history["recorded_at"] == history["changed_at"]).all()
    other = activities[activities["type"] != "meeting"]
    assert (other["recorded_at"] == other["occurred_at"]).all()


def test_late_logging_delays_what_is_known_but_not_what_happened() -> None:
    late, clean = tables("late_logged"), tables()
    wait = late["activities"]["recorded_at"] - clean["activities"]["recorded_at"]
    assert 0.03 < (wait > DAY / 2).mean() < 0.3
    assert (wait >= pd.Timedelta(0)).all()
    assert late["activities"]["occurred_at"].equals(clean["activities"]["occurred_at"])
    moved = late["deal_history"]["recorded_at"] > clean["deal_history"]["recorded_at"]
    stage = late["deal_history"]["property"] == "stage"
    assert 0.02 < moved[stage].mean() < 0.08


def test_what_was_changed_together_is_entered_together() -> None:
    history = tables("late_logged")["deal_history"]
    assert len(history.drop_duplicates(["deal_id", "changed_at"])) == len(
        history.drop_duplicates(["deal_id", "changed_at", "recorded_at"])
    )


def test_some_owners_log_later_than_others() -> None:
    late = tables("late_logged")["activities"].query("type != 'meeting'")
    share = (late["recorded_at"] > late["occurred_at"]).groupby(late["owner_id"]).mean()
    assert share.max() > 2 * share.min()


def test_backdating_moves_closings_before_the_day_they_were_entered() -> None:
    dirty, clean = tables("backdated"), tables()
    moved = dirty["deal_history"]["changed_at"] < clean["deal_history"]["changed_at"]
    assert set(dirty["deal_history"].loc[moved, "value"]) == {"closed_won", "closed_lost"}
    assert dirty["deal_history"]["recorded_at"].equals(clean["deal_history"]["recorded_at"])
    closings = dirty["deal_history"]["value"].isin(["closed_won", "closed_lost"])
    assert moved.sum() == pytest.approx(0.15 * closings.sum(), rel=0.3)


def test_backdated_deals_carry_the_earlier_date_but_never_one_before_creation() -> None:
    deals = tables("backdated")["deals"].dropna(subset="closed_at")
    before = tables()["deals"].set_index("deal_id").loc[deals["deal_id"], "closed_at"]
    assert (deals["closed_at"].to_numpy() < before.to_numpy()).mean() > 0.1
    assert (deals["closed_at"] > deals["created_at"]).all()


def test_missing_amounts_leaves_gaps_in_deals_and_history_alike() -> None:
    dirty, clean = tables("missing_amounts"), tables()
    assert dirty["deals"]["amount"].isna().mean() > clean["deals"]["amount"].isna().mean() + 0.05
    won = dirty["deals"].query("stage == 'closed_won'")
    assert 0 < won["amount"].isna().mean() < 0.15
    with_amount = dirty["deal_history"].query("property == 'amount'")["deal_id"]
    assert set(with_amount) == set(dirty["deals"].dropna(subset="amount")["deal_id"])


def test_duplicate_contacts_repeat_some_ids_and_some_people() -> None:
    contacts = tables("duplicate_contacts")["contacts"]
    assert contacts["contact_id"].duplicated().any()
    assert contacts["contact_id"].str.endswith("-2").any()
    assert len(contacts) == pytest.approx(1.04 * len(tables()["contacts"]), rel=0.02)


def test_a_bulk_import_makes_old_deals_known_on_one_day() -> None:
    history = tables("bulk_import")["deal_history"]
    late = history[history["recorded_at"] > history["changed_at"]]
    assert len(set(late["recorded_at"])) == 1
    assert late["deal_id"].nunique() > 50
    deals = tables("bulk_import")["deals"]
    assert deals["created_at"].equals(tables()["deals"]["created_at"])


def test_a_renamed_stage_has_two_names_in_the_history_and_one_in_the_deals() -> None:
    dirty = tables("renamed_stages")
    stage = dirty["deal_history"].query("property == 'stage'")
    old, new = (stage[stage["value"] == name]["changed_at"] for name in ("proposal", "offer sent"))
    assert old.max() < new.min()
    assert "proposal" not in set(dirty["deals"]["stage"])
    listed = dirty["stages"].groupby("stage")["position"].agg(set)
    assert listed["proposal"] == listed["offer sent"]


def test_leaking_columns_are_filled_at_closing_only() -> None:
    deals = tables("leaking_columns")["deals"]
    won = deals["stage"] == "closed_won"
    assert deals["win_reason"].notna().equals(won)
    assert deals["final_discount"].notna().equals(won)
    assert deals["loss_reason"].notna().equals(deals["stage"] == "closed_lost")


def test_without_their_flags_nothing_is_reopened() -> None:
    stage = tables()["deal_history"].query("property == 'stage'")
    closings = stage["value"].isin(["closed_won", "closed_lost"]).groupby(stage["deal_id"]).sum()
    assert closings.max() == 1


def test_dirt_on_the_tables_does_not_change_the_truth() -> None:
    dirty = tables("late_logged", "leaking_columns", "duplicate_contacts", "bulk_import")
    assert dirty["deals"]["stage"].equals(tables()["deals"]["stage"])
    assert dirty["deals"]["is_won"].equals(tables()["deals"]["is_won"])
