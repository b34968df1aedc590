"""The conversation: touches, answers, meetings, and how engagement lives on them."""

import numpy as np

from data.demo.calendar import Bools, Floats
from data.demo.state import ALIVE, DEAD, Deals
from data.demo.today import Today

STAGE_TOUCHES = np.array([0.8, 0.9, 1.1, 1.3, 1.4, 1.2])
CHASE_MEMORY = 0.8
MEETING_LEAD_DAYS = 6.0
DEAD_EFFORT = 0.05
UNASKED, ANSWERS = 0.12, 0.11
"""Inbound a day: for each touch of the firm's usual rate, and for each recent touch."""
MEETINGS = 0.15
"""Meetings booked for each touch of the firm's usual rate."""
EAR = 0.7
"""How much engagement tells on answering and on accepting meetings."""
MORE_PEOPLE = 0.10
MOST_A_DAY = 3.0


def converse(today: Today, deals: Deals, diligence: Floats) -> None:
    """Let owners write and buyers answer for one day; changes the deals in place.

    Outbound touches follow the owner's diligence and the stage; answers follow engagement and
    what was sent these days; both move engagement, which otherwise returns to the deal's mood
    and sinks while the buyer is silent.
    """
    world, work, rng = today.world, today.work, today.rng
    alive = deals.status == ALIVE
    effort = np.where(alive, 1.0, np.where(deals.status == DEAD, DEAD_EFFORT, 0.0))
    rate = world.touches * diligence * STAGE_TOUCHES[deals.stage] * effort * work
    sent = rng.poisson(rate)
    open_ear = np.where(alive, np.exp(EAR * deals.engagement), 0.0)
    reply = (UNASKED * world.touches + ANSWERS * deals.chased) * open_ear * max(work, 0.15)
    heard = rng.poisson(np.minimum(reply, MOST_A_DAY))
    met = alive & (deals.meeting == today.day)
    _book(today, deals, open_ear * work)
    _involve(deals, (heard > 0) | met, rng)
    talk = np.flatnonzero((sent > 0) | (heard > 0))
    today.note(
        "touches",
        deal=deals.index[talk],
        owner=deals.owner[talk],
        contacts=deals.contacts[talk],
        sent=sent[talk],
        heard=heard[talk],
    )
    deals.chased = CHASE_MEMORY * deals.chased + sent
    deals.heard = np.where((heard > 0) | met, today.day, deals.heard)
    _feel(today, deals, heard > 0, met)


def _book(today: Today, deals: Deals, ease: Floats) -> None:
    """Book meetings some days ahead, one at a time for a deal."""
    rng = today.rng
    free = (deals.meeting <= today.day) & (deals.status == ALIVE)
    chance = MEETINGS * today.world.touches * STAGE_TOUCHES[deals.stage] * ease * free
    new = np.flatnonzero(rng.random(len(deals)) < chance)
    ahead = 1 + rng.poisson(MEETING_LEAD_DAYS, len(new))
    held = today.day + ahead
    deals.meeting[new] = held
    today.note(
        "meetings",
        deal=deals.index[new],
        owner=deals.owner[new],
        contacts=deals.contacts[new],
        held=held,
    )


def _involve(deals: Deals, contact: Bools, rng: np.random.Generator) -> None:
    """Now and then an answer or a meeting brings one more person in."""
    lively = np.flatnonzero(contact)
    more = lively[rng.random(len(lively)) < MORE_PEOPLE]
    deals.contacts[more] = np.minimum(deals.contacts[more] + 1, deals.people[more])


def _feel(today: Today, deals: Deals, answered: Bools, met: Bools) -> None:
    """Move engagement: back to the mood, down in silence, up with answers, and by chance."""
    world = today.world
    keep = np.exp(-1 / world.engagement_days)
    level = deals.mood - 0.5 * np.clip((today.day - deals.heard - 7) / 23, 0, 2)
    shock = world.engagement_sd * np.sqrt(1 - keep**2) * today.rng.standard_normal(len(deals))
    jump = world.answer_jump * (answered + 1.5 * met)
    deals.engagement = np.clip(keep * deals.engagement + (1 - keep) * level + shock + jump, -3, 3)
