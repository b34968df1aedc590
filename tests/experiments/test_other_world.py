from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.sources import raw_tables
from data.validation import validate
from experiments.other_world.dirt import DIRT, KINDS, NEW_NAME, OLD_NAME
from experiments.other_world.living import OtherFirm
from experiments.worlds import Dirt
from features.history import History
from features.pipeline import compute_features
from features.snapshots import open_deals
from features.vocabulary import learn_vocabulary

END = pd.Timestamp("2025-03-31", tz="UTC")
BEFORE = END - pd.Timedelta(days=120)


@cache
def other(*kinds: str, deals: int = 1_200) -> OtherFirm:
    return OtherFirm.simulate(4, deals=deals, years=2, end=END, dirt=frozenset(kinds))


def told_by(firm: OtherFirm) -> History:
    return History.of(validate(raw_tables(firm.tables, "other"), END, None).tables, Settings())


def features_of(firm: OtherFirm) -> pd.DataFrame:
    history, at = told_by(firm), int(BEFORE.as_unit("us").asm8.astype("int64"))
    return compute_features(history, learn_vocabulary(history, at), open_deals(history, at))


def test_a_firm_lives_the_same_life_every_time():
    again = OtherFirm.simulate(4, deals=1_200, years=2, end=END)
    for name, table in other().tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    assert len(other().tables["deals"]) == pytest.approx(1_200, abs=150)


def test_nothing_of_its_export_is_rejected_and_every_deal_ends_once():
    found = validate(raw_tables(other().tables, "other"), END, None)
    assert found.counts == {}
    history = other().tables["deal_history"]
    ends = history[history["value"].isin(["Won", "Lost"])]
    assert ends["deal_id"].is_unique
    closed = other().tables["deals"].set_index("deal_id")["closed_at"].dropna()
    assert set(ends["deal_id"]) == set(closed.index)
    last = history.groupby("deal_id")["changed_at"].max()
    assert (last[closed.index] <= closed + pd.Timedelta(hours=1)).all()


def test_true_chances_are_those_of_the_deals_open_then_and_say_what_came():
    firm = other()
    truth = firm.incidence(BEFORE, (30, 90), draws=200).set_index("deal_id")
    deals = firm.tables["deals"].set_index("deal_id")
    is_open = (deals["created_at"] < BEFORE) & ~(deals["closed_at"] < BEFORE)
    assert set(truth.index) == set(deals.index[is_open])
    assert (truth["p_won_30"] <= truth["p_won_90"]).all()
    assert (truth["p_won_90"] <= truth["p_won"]).all()
    won = (deals.loc[truth.index, "stage"] == "Won") & (
        deals.loc[truth.index, "closed_at"] < BEFORE + pd.Timedelta(days=90)
    )
    p = truth["p_won_90"]
    assert abs(won.sum() - p.sum()) < 3 * np.sqrt((p * (1 - p)).sum())
    assert p[won].mean() > p[~won].mean() + 0.1


def test_wins_to_come_are_of_open_deals_and_of_new_ones():
    firm, draws = other(), 40
    came = firm.wins(BEFORE, months=3, draws=draws)
    truth = firm.incidence(BEFORE, (), draws=100)
    known = came["deal_id"].dropna()
    assert set(known) <= set(truth["deal_id"])
    assert came["month"].between(0, 2).all()
    assert came["path"].nunique() == draws
    assert came["deal_id"].isna().any()
    deals = firm.tables["deals"]
    won = deals.loc[deals["stage"] == "Won", "closed_at"]
    won = won.between(BEFORE, pd.Timestamp("2025-03-01", tz="UTC"), inclusive="left").sum()
    each = came.groupby("path").size()
    assert abs(won - each.mean()) < 4 * each.std()


UNSEEN = ("leaks", "archived", "renamed stage")


@pytest.mark.parametrize("kind", UNSEEN)
def test_what_the_export_alone_tells_and_a_new_name_of_a_stage_change_no_feature(kind):
    clean, spoiled = features_of(other()), features_of(other(kind))
    pd.testing.assert_frame_equal(clean, spoiled)


@pytest.mark.parametrize("kind", [name for name in DIRT if name not in UNSEEN])
def test_each_other_kind_of_dirt_shows_in_the_features_and_loses_no_deal(kind):
    clean, spoiled = features_of(other()), features_of(other(kind))
    known = told_by(other(kind)).tables
    assert set(known.deals["deal_id"]) == set(other().tables["deals"]["deal_id"])
    assert not clean.equals(spoiled)


def test_drifting_sources_change_what_is_true():
    steady, drifting = (other(*kinds).incidence(END, (90,), 50) for kinds in ((), ("drift",)))
    assert not steady.equals(drifting)


def test_a_stage_is_renamed_and_deals_moved_in_bear_the_day():
    names = other("renamed stage").tables["deal_history"]["value"]
    assert {OLD_NAME, NEW_NAME} <= set(names)
    assert OLD_NAME not in set(other("renamed stage").tables["stages"]["stage"])
    created = other("moved in").tables["deals"]["created_at"].dt.normalize()
    assert created.value_counts().iloc[0] > 10 * created.value_counts().iloc[1]


def test_there_is_dirt_for_every_word():
    assert set(KINDS) == set(Dirt)
    assert KINDS["all"] == {*DIRT, "drift"}
