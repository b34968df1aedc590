"""The true parameters of a drawn firm."""

import json

import numpy as np
import pytest

from data.demo import World

WORLDS = [World.draw(seed) for seed in range(40)]


def test_a_world_survives_json() -> None:
    assert all(World.from_json(world.to_json()) == world for world in WORLDS[:10])


def test_an_unknown_parameter_is_refused() -> None:
    raw = json.loads(World.demo().to_json()) | {"luck": 1.0}
    with pytest.raises(TypeError, match="luck"):
        World.from_json(json.dumps(raw))


def test_the_same_seed_draws_the_same_firm() -> None:
    assert World.draw(3) == World.draw(3)


def test_different_seeds_draw_really_different_firms() -> None:
    cycles = np.array([world.cycle_days for world in WORLDS])
    rates = np.array([world.win_rate for world in WORLDS])
    growth = np.array([world.growth for world in WORLDS])
    assert cycles.min() < 35
    assert cycles.max() > 90
    assert rates.min() < 0.18
    assert rates.max() > 0.33
    assert growth.min() < 0.05
    assert growth.max() > 0.45


def test_drawn_parameters_stay_plausible() -> None:
    for world in WORLDS:
        assert 20 <= world.cycle_days <= 120
        assert 0.12 <= world.win_rate <= 0.40
        assert -0.10 <= world.growth <= 0.60
        for shares in (world.source_share, world.segment_share, world.region_share):
            assert sum(shares.values()) == pytest.approx(1)
        assert sum(world.arrival_season) == pytest.approx(0, abs=1e-9)


def test_the_demo_has_two_pipelines_and_two_currencies() -> None:
    world = World.demo()
    assert list(world.stages) == ["new_business", "customers"]
    assert world.currency != world.other_currency
    assert world.other_share > 0
