"""Reps' forecast categories: bold, of some use, and nothing else of the demo is touched."""

import pandas as pd
import pytest

from data.demo import Simulated, World, simulate
from data.demo.dirt import DIRT
from data.demo.judgement import CATEGORIES, PROPERTY, with_judgement

END = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture(scope="module", params=[frozenset({"stale"}), DIRT], ids=["clean", "dirty"])
def simulated(request: pytest.FixtureRequest) -> Simulated:
    return simulate(World.demo(), deals=1500, years=2, end=END, seed=3, dirt=request.param)


def test_all_other_rows_stay_as_they_were(simulated: Simulated) -> None:
    history = simulated.tables["deal_history"]
    others = history[history["property"] != PROPERTY].reset_index(drop=True)
    again = with_judgement(simulated.tables | {"deal_history": others}, simulated.seed)
    pd.testing.assert_frame_equal(again["deal_history"], history)
    for name in set(simulated.tables) - {"deal_history"}:
        assert again[name] is simulated.tables[name]


def test_category_changes_and_is_one_of_three(simulated: Simulated) -> None:
    history = simulated.tables["deal_history"]
    said = history[history["property"] == PROPERTY]
    assert set(said["value"]) == set(CATEGORIES)
    ordered = said.sort_values(["deal_id", "changed_at"], kind="stable")
    assert (ordered.groupby("deal_id")["value"].shift() != ordered["value"]).all()
    assert ordered.groupby("deal_id").size().max() > 1
    assert not said.duplicated(["deal_id", "changed_at"]).any()


def test_what_is_said_is_known_when_the_deal_is_and_not_later_than_it_is_recorded(
    simulated: Simulated,
) -> None:
    history = simulated.tables["deal_history"]
    known = history[history["property"] != PROPERTY].groupby("deal_id")["recorded_at"].min()
    said = history[history["property"] == PROPERTY]
    assert (said["recorded_at"] >= said["deal_id"].map(known)).all()
    assert (said["recorded_at"] >= said["changed_at"]).all()


def test_commits_are_won_more_often_than_others_but_not_as_often_as_said() -> None:
    simulated = simulate(World.demo(), deals=6000, years=3, end=END, seed=3)
    won = {category: [] for category in CATEGORIES}
    for at in pd.date_range("2024-02-01", "2025-11-01", freq="QS-FEB", tz="UTC"):
        open_, in_time = _at(simulated, at)
        for category in CATEGORIES:
            won[category].append(in_time[open_[PROPERTY] == category])
    rate = {category: float(pd.concat(found).mean()) for category, found in won.items()}
    assert rate["pipeline"] < rate["best_case"] < rate["commit"]
    assert 0.3 < rate["commit"] < 0.8


def _at(simulated: Simulated, at: pd.Timestamp) -> "tuple[pd.DataFrame, pd.Series[bool]]":
    """Open deals due by the end of the quarter with what is known, and which are won by then."""
    history, deals = simulated.tables["deal_history"], simulated.tables["deals"]
    rows = history[history["recorded_at"] < at].sort_values("changed_at", kind="stable")
    last = rows.drop_duplicates(["deal_id", "property"], keep="last")
    known = last.pivot_table(index="deal_id", columns="property", values="value", aggfunc="first")
    end = at.tz_localize(None).to_period("Q").end_time.tz_localize("UTC")
    due = pd.to_datetime(known["expected_close_date"], utc=True) <= end
    found = known[due & ~known["stage"].isin(["closed_won", "closed_lost"])]
    outcome = deals.set_index("deal_id").loc[found.index]
    return found, outcome["is_won"].fillna(value=False).astype(bool) & (
        outcome["closed_at"] <= end
    )
