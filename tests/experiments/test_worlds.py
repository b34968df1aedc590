from __future__ import annotations

from data.demo import World
from experiments.worlds import HIDDEN, SHOWN, telling


def test_what_is_hidden_shrinks_and_what_shows_matters_more():
    world = World.draw(5)
    found = telling(world)
    assert found.noise_sd == HIDDEN * world.noise_sd
    assert found.source_effect == {k: SHOWN * v for k, v in world.source_effect.items()}
    assert found.touches > world.touches
    assert (found.win_rate, found.cycle_days) == (world.win_rate, world.cycle_days)
