"""What owners enter about a deal: the amount, and the date by which they hope to close."""

import numpy as np

from data.demo.calendar import Floats, Ints
from data.demo.log import Log
from data.demo.state import ALIVE, Deals
from data.demo.world import World

DUE_KNOWN = 0.7
OPTIMISM = 0.7
"""Owners expect a deal to take this share of what deals like it take."""
REVISE_PER_DAY = 0.004
PUSH = 0.18


def first_due(world: World, deals: Deals, day: int, rng: np.random.Generator) -> None:
    """Set the expected close date of new deals, where the owner sets one at all."""
    some = np.flatnonzero(rng.random(len(deals)) < DUE_KNOWN)
    deals.due[some] = _guess(world, deals.take(some), day, rng)


def advanced(
    world: World, deals: Deals, which: Ints, day: int, rng: np.random.Generator, log: Log
) -> None:
    """Stage entries make owners look again at the date, and enter or revise the amount."""
    dated = which[rng.random(len(which)) < 0.55]
    deals.due[dated] = _guess(world, deals.take(dated), day, rng)
    log.add("dues", day, deal=deals.index[dated], due=deals.due[dated])
    late = deals.stage[which] >= 2
    enter = ~deals.known[which] & (rng.random(len(which)) < np.where(late, 0.7, 0.25))
    change = deals.known[which] & (rng.random(len(which)) < 0.35)
    _revise(deals, which[change], -0.03, 0.22, day, rng, log)
    deals.known[which[enter]] = True
    _note_amounts(deals, which[enter], day, log)


def routine(world: World, deals: Deals, day: int, rng: np.random.Generator, log: Log) -> None:
    """Push dates that are near or over, and now and then revise an amount."""
    draw = rng.random(len(deals))
    alive = deals.status == ALIVE
    near = (deals.due >= 0) & (deals.due <= day + 1)
    push = np.flatnonzero(near & (draw < np.where(alive, PUSH, 0.01)))
    wait = np.ceil(np.exp(rng.normal(np.log(14 + 0.15 * world.cycle_days), 0.6, len(push))))
    deals.due[push] = day + wait.astype(np.int64)
    log.add("dues", day, deal=deals.index[push], due=deals.due[push])
    some = np.flatnonzero(alive & deals.known & (draw > 1 - REVISE_PER_DAY))
    _revise(deals, some, -0.02, 0.3, day, rng, log)


def settle(
    world: World, deals: Deals, won: Ints, day: int, rng: np.random.Generator, log: Log
) -> None:
    """Enter the amount at which the deals were won, less the discount."""
    discount = world.discount + world.discount_size * deals.size[won]
    deals.amount[won] += rng.normal(0, 0.08, len(won)) - np.maximum(discount, 0)
    deals.known[won] = True
    _note_amounts(deals, won, day, log)


def _revise(
    deals: Deals,
    which: Ints,
    mean: float,
    sd: float,
    day: int,
    rng: np.random.Generator,
    log: Log,
) -> None:
    deals.amount[which] += rng.normal(mean, sd, len(which))
    _note_amounts(deals, which, day, log)


def _note_amounts(deals: Deals, which: Ints, day: int, log: Log) -> None:
    log.add("amounts", day, deal=deals.index[which], amount=deals.amount[which])


def _guess(world: World, deals: Deals, day: int, rng: np.random.Generator) -> Ints:
    """Guess the closing day: remaining stages, sooner for what feels good, often a month end.

    The owner feels a part of quality and engagement, so that the date carries some of what is
    hidden.
    """
    depth = np.array([len(stages) for stages in world.stages.values()])[deals.pipeline]
    remain = OPTIMISM * world.cycle_days * (1 - deals.stage / depth)
    feel = -0.25 * (deals.quality + deals.engagement) - 0.5 * deals.pace
    days = 3 + remain * np.exp(feel + rng.normal(0, 0.4, len(deals)))
    return _round(day + days, rng)


def _round(days: Floats, rng: np.random.Generator) -> Ints:
    """Move half of the days to the next multiple of 30, as people name the end of a month."""
    ends = np.where(rng.random(len(days)) < 0.5, np.ceil(days / 30.4375) * 30.4375, days)
    return np.asarray(ends.astype(np.int64))
