"""New deals: how many come on a day, from whom, and what is decided about them at birth."""

import numpy as np

from data.demo import lexicon
from data.demo.accounts import Accounts, Opened
from data.demo.calendar import Floats, Ints
from data.demo.log import Log
from data.demo.owners import Owners
from data.demo.paperwork import first_due
from data.demo.state import ALIVE, Deals
from data.demo.world import World

NEW, RENEWAL, EXPANSION = range(3)
MARKET_ON_ARRIVALS = 0.7


def count(world: World, rate: float, market: Floats, rng: np.random.Generator) -> Ints:
    """Draw the number of new deals in each path: Poisson with a gamma-distributed mean."""
    shape = world.arrival_shape
    mean = rate * np.exp(MARKET_ON_ARRIVALS * market) * rng.gamma(shape, 1 / shape, len(market))
    return rng.poisson(mean)


def arrive(
    world: World,
    accounts: Accounts,
    opened: Opened,
    owners: Owners,
    path: Ints,
    first: int,
    day: int,
    rng: np.random.Generator,
    log: Log,
) -> Deals:
    """Make the new deals of a day, one for each element of `path`.

    Parameters
    ----------
    first
        Index of the first of them; the others follow.
    """
    account, kind = _buyers(world, opened, len(path), day, rng)
    source = rng.choice(
        len(lexicon.SOURCES), len(path), p=[world.source_share[s] for s in lexicon.SOURCES]
    )
    owner = owners.assign(accounts.region[account] % world.teams, day, rng)
    deals = _born(world, accounts, account, kind, source, owner, path, day, rng)
    deals.index = first + np.arange(len(path))
    first_due(world, deals, day, rng)
    log.add(
        "created",
        day,
        deal=deals.index,
        account=account,
        deal_type=kind,
        source=source,
        pipeline=deals.pipeline,
        owner=owner,
        stage=deals.stage,
        amount=deals.amount,
        known=deals.known,
        due=deals.due,
        foreign=rng.random(len(path)) < world.other_share,
        quiet=rng.random(len(path)) < world.few_share,
    )
    return deals


def _buyers(
    world: World, opened: Opened, size: int, day: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Accounts and deal types of the day; who has bought renews or expands."""
    back, loyal = opened.back(rng.binomial(size, world.repeat_share), day, rng)
    kind = np.where(rng.random(len(back)) < 0.45, RENEWAL, EXPANSION) * loyal
    fresh = opened.open(size - len(back), day)
    return (
        np.concatenate([fresh, back]),
        np.concatenate([np.full(len(fresh), NEW), kind]),
    )


def _born(
    world: World,
    accounts: Accounts,
    account: Ints,
    kind: Ints,
    source: Ints,
    owner: Ints,
    path: Ints,
    day: int,
    rng: np.random.Generator,
) -> Deals:
    """Draw the state in which deals begin."""
    n = len(account)
    segment = accounts.segment[account]
    size = rng.standard_normal(n)
    quality = accounts.fit[account] + world.noise_sd * rng.standard_normal(n)
    quality += np.array([world.segment_effect[s] for s in lexicon.SEGMENTS])[segment]
    quality += np.array([world.industry_effect[i] for i in lexicon.INDUSTRIES])[
        accounts.industry[account]
    ]
    quality += np.array([world.type_effect[t] for t in lexicon.DEAL_TYPES])[kind]
    quality -= world.size_effect * size
    mood = 0.3 * quality + 0.3 * rng.standard_normal(n)
    median = np.array([world.segment_amount[s] for s in lexicon.SEGMENTS])[segment]
    log_amount = np.log(median) + _head_start(accounts, account) + world.amount_sd * size
    pipeline = (kind != NEW).astype(np.int64) * (len(world.stages) - 1)
    return Deals(
        index=np.zeros(n, np.int64),
        path=path,
        account=account,
        pipeline=pipeline,
        source=source,
        owner=owner,
        quality=quality,
        pace=-0.12 * size + 0.25 * rng.standard_normal(n),
        size=size,
        mood=mood,
        chief=accounts.chief[account],
        people=accounts.people[account],
        stage=(rng.random(n) < np.where(source == 1, 0.5, 0.15)).astype(np.int64),
        since=np.full(n, day),
        engagement=mood + world.engagement_sd * rng.standard_normal(n),
        heard=np.full(n, day),
        chased=np.zeros(n),
        contacts=np.ones(n, np.int64),
        meeting=np.full(n, -1),
        amount=log_amount,
        known=rng.random(n) < world.amount_known,
        due=np.full(n, -1),
        status=np.full(n, ALIVE),
        wake=np.zeros(n, np.int64),
    )


def _head_start(accounts: Accounts, account: Ints) -> Floats:
    """Log amount above the segment's median for a head count above the segment's usual."""
    usual = np.array([25.0, 250.0, 3000.0])[accounts.segment[account]]
    return np.asarray(0.4 * np.log(accounts.employees[account] / usual))
