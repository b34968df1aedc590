"""The daily hazards of a deal: to advance, to step back, to be won, to be lost."""

from dataclasses import dataclass

import numpy as np

from data.demo.calendar import Floats, Ints
from data.demo.state import DEAD, Deals
from data.demo.world import World

NOTHING, ADVANCE, BACK, WIN, LOSE = range(5)
MOVE, GAIN, SHED = 0.15, 0.3, -0.3
"""How much quality tells on advancing, on winning and on losing."""

WORKWEEK = 7 / 5
CUSTOMER_PACE = 0.6
BRISK, STRICT = 0.62, 1.9
"""Winners are faster, and survive more, than the average of a mixed crowd: what makes up for it."""
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
    leave = WORKWEEK * BRISK * stages / cycle * np.linspace(1.6, 0.75, stages)
    weight = np.linspace(0.7, 1.3, stages) / stages
    survive = np.exp(STRICT * np.log(win_rate) * weight)
    at_once = np.zeros(stages)
    at_once[-3:] = 0.1, 0.25, 1.0
    rates = np.empty((4, stages))
    rates[0] = leave * survive * (1 - at_once)
    rates[1] = np.where(np.arange(stages) > 0, 0.03 * leave, 0)
    rates[2] = leave * survive * at_once
    rates[3] = leave * (1 - survive)
    return rates


def fate(
    world: World,
    rates: Rates,
    deals: Deals,
    day: int,
    pull: Floats,
    rush: Floats,
    clean: float,
    work: float,
    rng: np.random.Generator,
) -> Ints:
    """Draw what happens to each deal today.

    Parameters
    ----------
    pull
        Quality from owner and source today, shape (deals,).
    rush
        Log effect of calendar and market on winning, shape (deals,).
    clean
        Hazard with which a dead deal is closed today.
    work
        Multiplier of the day: near 0 at weekends.

    Returns
    -------
    Codes NOTHING, ADVANCE, BACK, WIN or LOSE, shape (deals,). BACK of a DEAD deal revives it.
    """
    hazards = _hazards(world, rates, deals, day, pull, rush) * work
    dead = deals.status == DEAD
    if dead.any():
        hazards[:, dead] = np.array([[0.0], [REVIVE / world.cycle_days], [0.0], [clean]]) * work
    hazards[:, deals.status > DEAD] = 0
    ends = np.cumsum(hazards, axis=0)
    draw = -np.log1p(-rng.random(len(deals)))
    return np.where(draw < ends[-1], 1 + (_share(draw, ends[-1], rng) >= ends).sum(axis=0), 0)


def _share(draw: Floats, total: Floats, rng: np.random.Generator) -> Floats:
    """Where along the total hazard the event of the day falls, independent of the draw."""
    where = np.zeros(len(total))
    hit = np.flatnonzero(draw < total)
    where[hit] = rng.random(len(hit)) * total[hit]
    return where


def _hazards(
    world: World, rates: Rates, deals: Deals, day: int, pull: Floats, rush: Floats
) -> Floats:
    """Hazards of alive deals, shape (4, deals), in the order ADVANCE, BACK, WIN, LOSE."""
    place = deals.pipeline, deals.stage
    advance, win, lose = rates.advance[place], rates.win[place], rates.lose[place]
    merit = deals.quality + pull + world.engagement_effect * deals.engagement
    merit += world.contact_effect * (np.log2(deals.contacts) - 0.5)
    merit += world.exec_effect * (deals.contacts > deals.chief)
    ripe = (day - deals.since) * (advance + win + lose) / WORKWEEK
    hump = world.hump * (ripe * np.exp(1 - ripe) - 0.6) + deals.pace
    silent = np.clip((day - deals.heard - 7) / 23, 0, 3)
    due = np.where((deals.due >= 0) & (np.abs(deals.due - day) <= 5), 0.5, 0.0)
    return np.stack(
        [
            advance * np.exp(MOVE * merit + hump),
            rates.back[place],
            win * np.exp(GAIN * merit + hump + rush + due),
            lose * np.exp(SHED * merit + deals.pace + world.silence_effect * silent),
        ]
    )
