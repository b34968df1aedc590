from __future__ import annotations

import pandas as pd

from data.demo import World
from experiments.worlds import HIDDEN, SHOWN, Dirt, Kind, known_firm, telling


def test_what_is_hidden_shrinks_and_what_shows_matters_more():
    world = World.draw(5)
    found = telling(world)
    assert found.noise_sd == HIDDEN * world.noise_sd
    assert found.source_effect == {k: SHOWN * v for k, v in world.source_effect.items()}
    assert found.touches > world.touches
    assert (found.win_rate, found.cycle_days) == (world.win_rate, world.cycle_days)


def test_each_kind_is_drawn_and_tells_its_truth():
    end = pd.Timestamp("2025-02-01", tz="UTC")
    asked = end - pd.Timedelta(days=10)
    for kind in Kind:
        firm = known_firm(kind, 3, 300, end)
        assert firm.end == end
        truth = firm.incidence(asked, (30,), draws=5)
        assert {"deal_id", "p_won_30", "p_won"} <= set(truth.columns)
        assert set(truth["deal_id"]) <= set(firm.tables["deals"]["deal_id"])
        assert set(firm.wins(asked, 2, draws=5)["month"]) <= {0, 1}
    dirty = [known_firm(Kind.OTHER, 3, 300, end, dirt).tables["deals"].columns for dirt in Dirt]
    assert ["contract_no" in columns for columns in dirty] == [False, False, False, True]


def test_deals_of_a_slow_firm_take_longer_to_win():
    end = pd.Timestamp("2025-02-01", tz="UTC")
    days = []
    for kind in (Kind.OTHER, Kind.SLOW):
        deals = known_firm(kind, 3, 600, end, Dirt.NONE).tables["deals"]
        won = deals[deals["is_won"].fillna(value=False).astype(bool)]
        days.append((won["closed_at"] - won["created_at"]).dt.days.median())
    assert days[1] > 1.8 * days[0]
