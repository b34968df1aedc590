"""The conversation: touches, answers, meetings, and how engagement lives on them."""

import numpy as np

from data.demo.log import Log
from data.demo.state import ALIVE, DEAD, Deals
from data.demo.world import World

STAGE_TOUCHES = np.array([0.8, 0.9, 1.1, 1.3, 1.4, 1.2])
CHASE_MEMORY = 0.8
MEETING_LEAD_DAYS = 6.0


def converse(
    world: World,
    deals: Deals,
    day: int,
    work: float,
    diligence: np.ndarray,
    rng: np.random.Generator,
    log: Log,
) -> None:
    """Let owners write and buyers answer for one day; changes the deals in place.

    Outbound touches follow the owner's diligence and the stage; answers follow engagement and
    what was sent these days; both move engagement, which otherwise returns to the deal's mood
    and sinks while the buyer is silent.
    """
    alive = deals.status == ALIVE
    effort = np.where(alive, 1.0, np.where(deals.status == DEAD, 0.12, 0.0))
    rate = world.touches * diligence * STAGE_TOUCHES[deals.stage] * effort * work
    sent = rng.poisson(rate)
    open_ear = np.where(alive, np.exp(0.7 * deals.engagement), 0.0)
    reply = (0.12 * world.touches + 0.18 * deals.chased) * open_ear * max(work, 0.15)
    heard = rng.poisson(np.minimum(reply, 3.0))
    met = alive & (deals.meeting == day)
    _book(world, deals, day, open_ear * work, rng, log)
    _involve(deals, (heard > 0) | met, rng)
    talk = np.flatnonzero((sent > 0) | (heard > 0))
    log.add(
        "touches",
        day,
        deal=deals.index[talk],
        owner=deals.owner[talk],
        contacts=deals.contacts[talk],
        sent=sent[talk],
        heard=heard[talk],
    )
    deals.chased = CHASE_MEMORY * deals.chased + sent
    deals.heard = np.where((heard > 0) | met, day, deals.heard)
    _feel(world, deals, day, heard > 0, met, rng)


def _book(
    world: World,
    deals: Deals,
    day: int,
    ease: np.ndarray,
    rng: np.random.Generator,
    log: Log,
) -> None:
    """Book meetings some days ahead, one at a time for a deal."""
    free = (deals.meeting <= day) & (deals.status == ALIVE)
    chance = 0.15 * world.touches * STAGE_TOUCHES[deals.stage] * ease * free
    new = np.flatnonzero(rng.random(len(deals)) < chance)
    ahead = 1 + rng.poisson(MEETING_LEAD_DAYS, len(new))
    held = day + ahead
    deals.meeting[new] = held
    log.add(
        "meetings",
        day,
        deal=deals.index[new],
        owner=deals.owner[new],
        contacts=deals.contacts[new],
        held=held,
    )


def _involve(deals: Deals, contact: np.ndarray, rng: np.random.Generator) -> None:
    """Now and then an answer or a meeting brings one more person in."""
    lively = np.flatnonzero(contact)
    more = lively[rng.random(len(lively)) < 0.10]
    deals.contacts[more] = np.minimum(deals.contacts[more] + 1, deals.people[more])


def _feel(
    world: World,
    deals: Deals,
    day: int,
    answered: np.ndarray,
    met: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Move engagement: back to the mood, down in silence, up with answers, and by chance."""
    keep = np.exp(-1 / world.engagement_days)
    level = deals.mood - 0.5 * np.clip((day - deals.heard - 7) / 23, 0, 2)
    shock = world.engagement_sd * np.sqrt(1 - keep**2) * rng.standard_normal(len(deals))
    jump = world.answer_jump * (answered + 1.5 * met)
    deals.engagement = np.clip(keep * deals.engagement + (1 - keep) * level + shock + jump, -3, 3)
