"""New deals: how many come on a day, from whom, and what is decided about them at birth."""

import numpy as np

from data.demo import paperwork
from data.demo.accounts import EMPLOYEES, Accounts, Book
from data.demo.calendar import Floats, Ints
from data.demo.lexicon import DEAL_TYPES, INDUSTRIES, SEGMENTS, SOURCES
from data.demo.owners import Owners
from data.demo.state import ALIVE, Deals
from data.demo.today import Today
from data.demo.world import World

NEW, RENEWAL, EXPANSION = range(3)
RENEWALS = 0.45
REFERRAL = SOURCES.index("referral")
MARKET_ON_ARRIVALS = 0.7


def count(world: World, rate: float, market: Floats, rng: np.random.Generator) -> Ints:
    """Draw the number of new deals in each path: Poisson with a gamma-distributed mean."""
    shape = world.arrival_shape
    mean = rate * np.exp(MARKET_ON_ARRIVALS * market) * rng.gamma(shape, 1 / shape, len(market))
    return rng.poisson(mean)


def arrive(today: Today, book: Book, owners: Owners, path: Ints, first: int) -> Deals:
    """Make the new deals of a day, one for each element of `path`.

    Parameters
    ----------
    first
        Index of the first of them; the others follow.
    """
    world, rng = today.world, today.rng
    account, kind = _buyers(today, book, len(path))
    deals = _born(today, book.pool, account, kind)
    # Those who come back stand last: mixed, so that every path gets its share of them.
    deals.path = rng.permutation(path) if path.any() else path
    deals.index = first + np.arange(len(path))
    deals.owner = owners.assign(book.pool.region[account] % world.teams, today.day, rng)
    paperwork.first_due(today, deals)
    today.note(
        "created",
        deal=deals.index,
        account=account,
        deal_type=kind,
        source=deals.source,
        pipeline=deals.pipeline,
        owner=deals.owner,
        stage=deals.stage,
        amount=deals.amount,
        known=deals.known,
        due=deals.due,
        foreign=rng.random(len(path)) < world.other_share,
        quiet=rng.random(len(path)) < world.few_share,
    )
    return deals


def _buyers(today: Today, book: Book, count: int) -> tuple[Ints, Ints]:
    """Accounts and deal types of the day; who has bought renews or expands."""
    rng = today.rng
    back, loyal = book.back(rng.binomial(count, today.world.repeat_share), today.day, rng)
    kind = np.where(rng.random(len(back)) < RENEWALS, RENEWAL, EXPANSION) * loyal
    fresh = book.open(count - len(back), today.day)
    return np.concatenate([fresh, back]), np.concatenate([np.full(len(fresh), NEW), kind])


def _born(today: Today, pool: Accounts, account: Ints, kind: Ints) -> Deals:
    """Draw the state in which deals begin; index, path and owner are left 0."""
    world, rng, n = today.world, today.rng, len(account)
    size = rng.standard_normal(n)
    quality = _fit(world, pool, account, kind) - world.size_effect * size
    quality += world.noise_sd * rng.standard_normal(n)
    mood = 0.3 * quality + 0.3 * rng.standard_normal(n)
    source = rng.choice(len(SOURCES), n, p=_by_code(world.source_share, SOURCES))
    head_start = np.where(source == REFERRAL, 0.5, 0.15)
    zeros = np.zeros(n, np.int64)
    return Deals(
        index=zeros,
        path=zeros,
        account=account,
        pipeline=(kind != NEW) * (len(world.stages) - 1),
        source=source,
        owner=zeros,
        quality=quality,
        pace=-0.12 * size + 0.25 * rng.standard_normal(n),
        size=size,
        mood=mood,
        chief=pool.chief[account],
        people=pool.people[account],
        stage=(rng.random(n) < head_start).astype(np.int64),
        since=np.full(n, today.day),
        engagement=mood + world.engagement_sd * rng.standard_normal(n),
        heard=np.full(n, today.day),
        chased=np.zeros(n),
        contacts=np.ones(n, np.int64),
        meeting=np.full(n, -1),
        amount=_usual_amount(world, pool, account) + world.amount_sd * size,
        known=rng.random(n) < world.amount_known,
        due=np.full(n, -1),
        status=np.full(n, ALIVE),
        wake=np.zeros(n, np.int64),
    )


def _fit(world: World, pool: Accounts, account: Ints, kind: Ints) -> Floats:
    """Quality that comes with the account and the deal type."""
    return (
        pool.fit[account]
        + _by_code(world.segment_effect, SEGMENTS)[pool.segment[account]]
        + _by_code(world.industry_effect, INDUSTRIES)[pool.industry[account]]
        + _by_code(world.type_effect, DEAL_TYPES)[kind]
    )


def _usual_amount(world: World, pool: Accounts, account: Ints) -> Floats:
    """Log amount to expect: the segment's, more for a head count above the segment's usual."""
    segment = pool.segment[account]
    above = np.log(pool.employees[account] / EMPLOYEES[segment])
    usual = np.log(_by_code(world.segment_amount, SEGMENTS))
    return np.asarray(usual[segment] + 0.4 * above)


def _by_code(values: dict[str, float], names: tuple[str, ...]) -> Floats:
    """Values in the order of the codes."""
    return np.array([values[name] for name in names])
