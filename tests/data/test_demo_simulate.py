"""The simulated CRM: deterministic, plausible, and within the contract."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.demo import DEFAULT_DIRT, Simulated, World, simulate, write
from data.demo.dirt import DIRT
from data.demo.log import Log
from data.demo.simulate import live
from data.demo.state import ASLEEP
from data.sources import read_source
from data.validation import validate

END = pd.Timestamp("2026-01-01", tz="UTC")
NO_DIRT: frozenset[str] = frozenset()


def make(seed: int = 1, dirt: frozenset[str] = DEFAULT_DIRT, deals: int = 800) -> Simulated:
    return simulate(World.draw(seed), deals=deals, years=2, end=END, seed=seed, dirt=dirt)


@pytest.fixture(scope="module")
def clean() -> Simulated:
    return make(dirt=NO_DIRT)


@pytest.fixture(scope="module", params=[0, 1, 2])
def filthy(request: pytest.FixtureRequest) -> Simulated:
    return make(seed=request.param, dirt=DIRT)


def test_the_same_seed_gives_the_same_tables() -> None:
    first, second = make(dirt=DIRT), make(dirt=DIRT)
    for name, frame in first.tables.items():
        pd.testing.assert_frame_equal(frame, second.tables[name])


def test_different_seeds_give_different_histories_of_one_world() -> None:
    world = World.draw(1)
    first, second = (
        simulate(world, deals=300, years=1, end=END, seed=seed).tables["deals"] for seed in (1, 2)
    )
    assert len(first) != len(second) or not first["created_at"].equals(second["created_at"])


def test_the_number_of_deals_is_near_the_one_asked_for() -> None:
    assert len(make(deals=2000).tables["deals"]) == pytest.approx(2000, rel=0.2)


def test_unknown_dirt_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"unknown dirt \['mud'\].*late_logged"):
        make(dirt=frozenset({"mud"}))


def test_too_short_a_history_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.1 years"):
        simulate(World.draw(1), deals=10, years=0.1, end=END, seed=1)


def test_progress_rises_to_the_end() -> None:
    seen: list[float] = []
    simulate(World.draw(1), deals=50, years=1, end=END, seed=1, progress=seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.2
    assert 0.9 < seen[-1] <= 1


def test_even_a_handful_of_deals_is_a_crm() -> None:
    tables = simulate(World.draw(1), deals=3, years=1, end=END, seed=5, dirt=DIRT).tables
    assert 0 < len(tables["deals"]) < 20


def test_ids_are_unique(filthy: Simulated) -> None:
    for table, key in (
        ("deals", "deal_id"),
        ("activities", "activity_id"),
        ("accounts", "account_id"),
        ("owners", "owner_id"),
    ):
        assert filthy.tables[table][key].is_unique, table


def test_every_reference_is_found(filthy: Simulated) -> None:
    tables = filthy.tables
    for table, column, target in (
        ("deals", "account_id", "accounts"),
        ("deals", "owner_id", "owners"),
        ("deal_history", "deal_id", "deals"),
        ("activities", "deal_id", "deals"),
        ("activities", "contact_id", "contacts"),
        ("activities", "owner_id", "owners"),
        ("contacts", "account_id", "accounts"),
        ("targets", "owner_id", "owners"),
    ):
        key = "owner_id" if column == "owner_id" else column
        assert tables[table][column].dropna().isin(tables[target][key]).all(), (table, column)


def test_nothing_happens_after_the_end_but_meetings_booked_ahead(filthy: Simulated) -> None:
    tables = filthy.tables
    for table in ("deals", "deal_history", "activities", "owners"):
        times = tables[table].select_dtypes("datetimetz")
        for column in times.columns.drop(["expected_close_date", "occurred_at"], errors="ignore"):
            assert (times[column].dropna() < END).all(), (table, column)
    ahead = tables["activities"][tables["activities"]["occurred_at"] >= END]
    assert set(ahead["type"]) <= {"meeting"}


def test_nothing_is_recorded_before_it_happens_but_meetings(filthy: Simulated) -> None:
    history, activities = filthy.tables["deal_history"], filthy.tables["activities"]
    assert (history["recorded_at"] >= history["changed_at"]).all()
    other = activities[activities["type"] != "meeting"]
    assert (other["recorded_at"] >= other["occurred_at"]).all()


def test_no_deal_changes_before_it_is_created(filthy: Simulated) -> None:
    tables = filthy.tables
    created = tables["deals"].set_index("deal_id")["created_at"]
    history = tables["deal_history"]
    assert (history["changed_at"].to_numpy() >= history["deal_id"].map(created).to_numpy()).all()
    closed = tables["deals"].dropna(subset="closed_at")
    assert (closed["closed_at"] > closed["created_at"]).all()


def test_deals_hold_the_last_values_of_their_history(clean: Simulated) -> None:
    history = clean.tables["deal_history"].sort_values("changed_at", kind="stable")
    last = history.drop_duplicates(["deal_id", "property"], keep="last")
    deals = clean.tables["deals"].set_index("deal_id")
    for name in ("stage", "owner_id"):
        values = last[last["property"] == name].set_index("deal_id")["value"]
        assert deals[name].equals(values.reindex(deals.index).rename(name))
    amounts = last[last["property"] == "amount"].set_index("deal_id")["value"].astype(float)
    assert deals["amount"].dropna().to_dict() == amounts.to_dict()


def test_closed_deals_say_when_and_how(filthy: Simulated) -> None:
    deals = filthy.tables["deals"]
    closed = deals["stage"].isin(["closed_won", "closed_lost"])
    assert deals["closed_at"].notna().equals(closed)
    assert deals["is_won"].notna().equals(closed)
    assert (deals["is_won"].fillna(value=False) == (deals["stage"] == "closed_won")).all()


def test_every_stage_is_listed_for_its_pipeline(filthy: Simulated) -> None:
    deals, stages = filthy.tables["deals"], filthy.tables["stages"]
    listed = set(zip(stages["pipeline"], stages["stage"], strict=True))
    assert set(zip(deals["pipeline"], deals["stage"], strict=True)) <= listed


def test_a_deal_never_enters_two_stages_at_once(clean: Simulated) -> None:
    history = clean.tables["deal_history"]
    assert not history.duplicated(["deal_id", "property", "changed_at"]).any()


def test_most_names_are_not_ascii_and_several_scripts_are_used(clean: Simulated) -> None:
    names = clean.tables["accounts"]["name"]
    assert np.mean([not name.isascii() for name in names]) > 0.5
    text = "".join(names)
    for first, last in ("αω", "ая", "اي", "กฮ", "一龠"):
        assert any(first <= letter <= last for letter in text), (first, last)


def test_a_run_cut_short_is_the_beginning_of_the_whole(clean: Simulated) -> None:
    day = 500
    as_of = clean.start + pd.Timedelta(days=day)
    firm = live(clean, day, Log(frozenset()))
    alive = clean.tables["deals"].index[
        (clean.tables["deals"]["created_at"] < as_of)
        & ~(clean.tables["deals"]["closed_at"] < as_of)
    ]
    assert firm.deals.index[firm.deals.status != ASLEEP].tolist() == alive.tolist()


def test_targets_cover_every_quarter_and_the_next_one(clean: Simulated) -> None:
    targets = clean.tables["targets"]
    assert targets["period"].max() == "2026-Q2"
    assert (targets["amount"] > 0).all()
    teams = targets[targets["owner_id"].isna()]
    assert set(teams["team"]) == set(clean.tables["owners"]["team"])
    assert not targets.duplicated(["period", "owner_id", "team"]).any()


def test_the_folder_is_accepted_without_a_rejected_row(filthy: Simulated, tmp_path: Path) -> None:
    write(filthy, tmp_path)
    validated = validate(read_source(tmp_path), END)
    assert validated.rejected.empty, validated.rejected.head().to_string()
    assert len(validated.tables["activities"]) == len(filthy.tables["activities"])
