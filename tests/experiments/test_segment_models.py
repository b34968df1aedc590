from __future__ import annotations

import numpy as np
import pytest

from data.demo import World, simulate
from experiments.close_truth import END
from experiments.segment_models import joined, run, turned, worlds


def test_turned_firm_differs_in_the_sign_of_its_effects_alone():
    world = World.draw(104)
    other = turned(world)
    assert other != world
    assert other.engagement_effect == -world.engagement_effect
    assert other.source_effect == {k: -effect for k, effect in world.source_effect.items()}
    assert (other.win_rate, other.cycle_days) == (world.win_rate, world.cycle_days)
    assert turned(other) == world


@pytest.mark.parametrize("kind", ["turned", "strangers"])
def test_two_firms_share_a_crm_each_in_a_pipeline_of_its_own(kind):
    firms = {
        prefix: simulate(world, deals=40, years=1, end=END, seed=1)
        for prefix, world in worlds(kind, 104).items()
    }
    tables = joined(firms)
    deals = tables["deals"]
    assert set(deals["pipeline"]) == {"north", "south"}
    assert (deals["deal_id"].str[0] == deals["pipeline"].str[0]).all()
    assert deals["deal_id"].is_unique
    owners = tables["deal_history"].query("property == 'owner_id'")
    assert set(owners["value"]) <= set(tables["owners"]["owner_id"])
    assert set(tables["accounts"]["account_id"]) >= set(deals["account_id"].dropna())


def test_drawn_firm_stays_as_it_is():
    assert worlds("drawn", 104) == {"": World.draw(104)}


@pytest.mark.slow
def test_both_models_of_each_pipeline_are_compared():
    rows = list(run("turned", 104, 700))
    assert [row["pipeline"] for row in rows] == ["north", "south"]
    assert all(
        np.isfinite(row[which]) and row[which] < 1 for row in rows for which in ("all", "own")
    )
    assert all(not row["served"] for row in rows)
