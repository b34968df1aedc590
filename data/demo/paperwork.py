"""What owners enter about a deal: the amount, and the date by which they hope to close."""

import numpy as np

from data.demo.calendar import Ints
from data.demo.state import ALIVE, Deals
from data.demo.today import Today

DUE_KNOWN, DUE_AT_STAGE = 0.7, 0.55
OPTIMISM = 0.7
"""Owners expect a deal to take this share of what deals like it take."""
REVISE_PER_DAY = 0.004
PUSH, PUSH_DEAD = 0.18, 0.01
"""Daily chance that a date which is near or over is moved."""
ENTER, ENTER_LATE, REVISE = 0.25, 0.7, 0.35
"""Chance at a stage entry that an amount is entered (from the third stage on), or revised."""


def first_due(today: Today, deals: Deals) -> None:
    """Set the expected close date of new deals, where the owner sets one at all."""
    some = np.flatnonzero(today.rng.random(len(deals)) < DUE_KNOWN)
    deals.due[some] = _guess(today, deals.take(some))


def advanced(today: Today, deals: Deals, which: Ints) -> None:
    """Stage entries make owners look again at the date, and enter or revise the amount."""
    rng = today.rng
    dated = which[rng.random(len(which)) < DUE_AT_STAGE]
    deals.due[dated] = _guess(today, deals.take(dated))
    today.note("dues", deal=deals.index[dated], due=deals.due[dated])
    late = deals.stage[which] >= 2
    enter = ~deals.known[which] & (rng.random(len(which)) < np.where(late, ENTER_LATE, ENTER))
    change = deals.known[which] & (rng.random(len(which)) < REVISE)
    _revise(today, deals, which[change], -0.03, 0.22)
    deals.known[which[enter]] = True
    _note_amounts(today, deals, which[enter])


def routine(today: Today, deals: Deals) -> None:
    """Push dates that are near or over, and now and then revise an amount."""
    world, day, rng = today.world, today.day, today.rng
    draw = rng.random(len(deals))
    alive = deals.status == ALIVE
    near = (deals.due >= 0) & (deals.due <= day + 1)
    push = np.flatnonzero(near & (draw < np.where(alive, PUSH, PUSH_DEAD)))
    wait = np.ceil(np.exp(rng.normal(np.log(14 + 0.15 * world.cycle_days), 0.6, len(push))))
    deals.due[push] = day + wait.astype(np.int64)
    today.note("dues", deal=deals.index[push], due=deals.due[push])
    some = np.flatnonzero(alive & deals.known & (draw > 1 - REVISE_PER_DAY))
    _revise(today, deals, some, -0.02, 0.3)


def settle(today: Today, deals: Deals, won: Ints) -> None:
    """Enter the amount at which the deals were won, less the discount."""
    world = today.world
    discount = world.discount + world.discount_size * deals.size[won]
    deals.amount[won] += today.rng.normal(0, 0.08, len(won)) - np.maximum(discount, 0)
    deals.known[won] = True
    _note_amounts(today, deals, won)


def _revise(today: Today, deals: Deals, which: Ints, mean: float, sd: float) -> None:
    deals.amount[which] += today.rng.normal(mean, sd, len(which))
    _note_amounts(today, deals, which)


def _note_amounts(today: Today, deals: Deals, which: Ints) -> None:
    today.note("amounts", deal=deals.index[which], amount=deals.amount[which])


def _guess(today: Today, deals: Deals) -> Ints:
    """Guess the closing day: remaining stages, sooner for what feels good, often a month end.

    The owner feels a part of quality and engagement, so that the date carries some of what is
    hidden.
    """
    world, rng = today.world, today.rng
    depth = np.array([len(stages) for stages in world.stages.values()])[deals.pipeline]
    remain = OPTIMISM * world.cycle_days * (1 - deals.stage / depth)
    feel = -0.25 * (deals.quality + deals.engagement) - 0.5 * deals.pace
    days = 3 + remain * np.exp(feel + rng.normal(0, 0.4, len(deals)))
    return _round(today, today.day + days.astype(np.int64))


def _round(today: Today, days: Ints) -> Ints:
    """Move half of the days to the end of their month, as people name it."""
    ends = today.calendar.month_end
    last = ends[np.minimum(days, len(ends) - 1)]
    return np.where(today.rng.random(len(days)) < 0.5, last, days)
