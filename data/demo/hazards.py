"""The daily hazards of a deal: to advance, to step back, to be won, to be lost."""

from dataclasses import dataclass

import numpy as np

from data.demo.calendar import Floats, Ints
from data.demo.state import DEAD, Deals
from data.demo.today import Today
from data.demo.world import World

NOTHING, ADVANCE, BACK, WIN, LOSE = range(5)
MOVE, GAIN, SHED = 0.15, 0.28, -0.28
"""How much quality tells on advancing, on winning and on losing."""

WORKWEEK = 7 / 5
CUSTOMER_PACE = 0.6
BRISK, STRICT = 0.5, 2.0
"""Winners are faster and survive more often than a mixed crowd; these make up for it."""
DUE_NEAR, DUE_EFFECT = 5, 0.5
"""Within so many days of the expected close date winning is likelier, on the log scale."""
REVIVE = 0.3
"""Chance that a dead deal revives within the time of a cycle, roughly."""


@dataclass(frozen=True)
class Rates:
    """Base daily hazards on a working day, shape (pipelines, stages); 0 beyond the last stage."""

    advance: Floats
    back: Floats
    win: Floats
    lose: Floats

    @classmethod
    def of(cls, world: World) -> "Rates":
        """Derive the hazards from cycle length and win rate.

        A deal leaves each of S stages with hazard S / cycle; to be won it must survive all of
        them, so that the share lost in each is a share of -log(win rate), more in early stages.
        """
        depth = max(map(len, world.stages.values()))
        rates = np.zeros((4, len(world.stages), depth))
        for pipeline, stages in enumerate(world.stages.values()):
            cycle = world.cycle_days * (CUSTOMER_PACE if pipeline else 1.0)
            rates[:, pipeline, : len(stages)] = _chain(len(stages), cycle, world.win_rate)
        return cls(*rates)


def _chain(stages: int, cycle: float, win_rate: float) -> Floats:
    """Advance, back, win and lose of one pipeline, shape (4, stages)."""
    leave = WORKWEEK * BRISK * stages / cycle * np.linspace(2.0, 0.65, stages)
    weight = np.linspace(0.6, 1.4, stages) / stages
    survive = np.exp(STRICT * np.log(win_rate) * weight)
    at_once = np.zeros(stages)
    at_once[-3:] = 0.1, 0.25, 1.0
    rates = np.empty((4, stages))
    rates[0] = leave * survive * (1 - at_once)
    rates[1] = np.where(np.arange(stages) > 0, 0.03 * leave, 0)
    rates[2] = leave * survive * at_once
    rates[3] = leave * (1 - survive)
    return rates


def fate(today: Today, rates: Rates, deals: Deals, pull: Floats, market: Floats) -> Ints:
    """Draw what happens to each deal today.

    Parameters
    ----------
    pull
        Quality from owner and source today, shape (deals,).
    market
        Log effect of the market on winning, shape (deals,).

    Returns
    -------
    Codes NOTHING, ADVANCE, BACK, WIN or LOSE, shape (deals,). BACK of a DEAD deal revives it.
    """
    hazards = _hazards(today, rates, deals, pull, market) * today.work
    dead = deals.status == DEAD
    clean = today.calendar.clean[today.day]
    revive = REVIVE / today.world.cycle_days
    hazards[:, dead] = np.array([[0.0], [revive], [0.0], [clean]]) * today.work
    hazards[:, deals.status > DEAD] = 0
    ends = np.cumsum(hazards, axis=0)
    event = np.full(len(deals), NOTHING)
    hit = np.flatnonzero(-np.log1p(-today.rng.random(len(deals))) < ends[-1])
    where = today.rng.random(len(hit)) * ends[-1, hit]
    event[hit] = ADVANCE + (where >= ends[:, hit]).sum(axis=0)
    return event


def _hazards(today: Today, rates: Rates, deals: Deals, pull: Floats, market: Floats) -> Floats:
    """Hazards of alive deals, shape (4, deals), in the order ADVANCE, BACK, WIN, LOSE."""
    world, day = today.world, today.day
    place = deals.pipeline, deals.stage
    advance, win, lose = rates.advance[place], rates.win[place], rates.lose[place]
    merit = deals.quality + pull + world.engagement_effect * deals.engagement
    merit += world.contact_effect * (np.log2(deals.contacts) - 0.5)
    merit += world.exec_effect * (deals.contacts > deals.chief)
    ripe = (day - deals.since) * (advance + win + lose) / WORKWEEK
    hump = world.hump * (ripe * np.exp(1 - ripe) - 0.6) + deals.pace
    patience = np.clip(0.3 + 0.7 * ripe, 0.3, 1.7)
    silent = np.clip((day - deals.heard - 7) / 23, 0, 3)
    due = np.where((deals.due >= 0) & (np.abs(deals.due - day) <= DUE_NEAR), DUE_EFFECT, 0.0)
    rush = today.calendar.win[day] + market + due
    return np.stack(
        [
            advance * np.exp(MOVE * merit + hump),
            rates.back[place],
            win * np.exp(GAIN * merit + hump + rush),
            lose * patience * np.exp(SHED * merit + deals.pace + world.silence_effect * silent),
        ]
    )
