"""How deals live: interest strays about what the deal is worth, and progress follows it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.windows import Floats, Ints

SOURCES = ("webinar", "partner", "เว็บไซต์", "cold call", "trade fair", "referral 🤝")
REGIONS = ("DACH", "Iberia", "Nordics", "الشرق الأوسط", "UK")
INDUSTRIES = ("food", "logistics", "health", "energy", "retail", "public", "media", "banking")
PIPELINES = ("New business", "Renewals")
STAGES = (("Qualify", "Discover", "Propose", "Negotiate"), ("Renewal due", "Quote"))
"""Open stages of each of PIPELINES, the first lowest."""
FIRST_STEP = 1.0
"""Progress at which the second stage begins; one more for each that follows."""
SLOW_RETURN, STRAY = 1 / 45, 0.09
"""Of interest, a day: share of the way back to the deal's worth, and standard deviation."""
WEEKDAYS = np.array([1.0, 1.2, 1.1, 1.0, 0.8, 0.0, 0.0])
ARRIVALS_BY_WEEKDAY = np.array([1.3, 1.1, 1.0, 1.0, 0.7, 0.05, 0.05])
FUTURE_DAYS = 1_100
"""Days after the end of the history for which there is a calendar."""

Column = npt.NDArray[Any]


@dataclass
class Deals:
    """Deals that are open, one place each; days count from the first of the history.

    Attributes
    ----------
    index, path : which deal, and in which of several futures
    account, source, owner, pipeline : codes
    worth, pace : level that interest comes back to; log speed
    interest, progress, reached : as of today; the stage reached
    amount : log of what would be paid
    """

    index: Ints
    path: Ints
    account: Ints
    source: Ints
    owner: Ints
    pipeline: Ints
    worth: Floats
    pace: Floats
    interest: Floats
    progress: Floats
    reached: Ints
    amount: Floats

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: Column) -> Deals:
        """Copy those chosen by a mask or by places."""
        return Deals(*(getattr(self, f.name)[which] for f in fields(self)))

    def join(self, others: Deals) -> Deals:
        """Put others behind these."""
        pairs = ((getattr(self, f.name), getattr(others, f.name)) for f in fields(self))
        return Deals(*map(np.concatenate, pairs))

    def copies(self, paths: int) -> Deals:
        """Each deal once in each of so many futures."""
        found = self.take(np.tile(np.arange(len(self)), paths))
        found.path = np.repeat(np.arange(paths), len(self))
        return found


@dataclass(frozen=True)
class Firm:
    """What is true of a firm: effects on the worth of a deal, and its calendar.

    Attributes
    ----------
    source, industry, region, owner : effect of each on the worth
    size, industry_of, region_of, hidden : of each account: log size, codes, what nobody enters
    speed : factor on how fast deals progress, are signed and are given up
    arrivals : (days,) deals expected to be created a day
    work, signing, clearing : (days,) how much is done; factors on signing and on giving up
    source_share, drift : of each source: share of deals; by how much their worth may drift
    """

    start: pd.Timestamp
    speed: float
    source: Floats
    industry: Floats
    region: Floats
    owner: Floats
    size: Floats
    industry_of: Ints
    region_of: Ints
    hidden: Floats
    arrivals: Floats
    work: Floats
    signing: Floats
    clearing: Floats
    source_share: Floats
    drift: Floats

    @classmethod
    def draw(
        cls, seed: int, deals: int, days: int, start: pd.Timestamp, speed: float = 1.0
    ) -> Firm:
        """Draw a firm that may expect so many deals in so many days."""
        rng = np.random.default_rng([seed, 0])
        dates = pd.date_range(start, periods=days + FUTURE_DAYS, freq="D")
        accounts, owners = max(20, deals // 2), max(3, deals // 400)
        weekday = np.asarray(dates.day_of_week)
        to_month_end = np.asarray(dates.days_in_month - dates.day)
        last_month = np.asarray(dates.month % 3 == 0)
        season = 0.12 * np.sin(2 * np.pi * (np.asarray(dates.day_of_year) / 365 + rng.random()))
        growth = rng.normal(0.08, 0.08) * np.arange(len(dates)) / 365
        rush = 1 + rng.uniform(0.5, 2) * (to_month_end < 4) * np.where(last_month, 2, 1)
        arrivals = np.exp(season + growth) * ARRIVALS_BY_WEEKDAY[weekday]
        moved = rng.permutation([0.8, -0.8, *[0.0] * (len(SOURCES) - 2)])
        return cls(
            start=start,
            speed=speed,
            source=rng.normal(0, 0.4, len(SOURCES)),
            industry=rng.normal(0, 0.25, len(INDUSTRIES)),
            region=rng.normal(0, 0.2, len(REGIONS)),
            owner=rng.normal(0, 0.25, owners),
            size=rng.normal(0, 1, accounts),
            industry_of=rng.integers(0, len(INDUSTRIES), accounts),
            region_of=rng.integers(0, len(REGIONS), accounts),
            hidden=rng.normal(0, 0.25, accounts),
            arrivals=arrivals * deals / arrivals[:days].sum(),
            work=WEEKDAYS[weekday],
            signing=np.asarray(rush, float),
            clearing=np.where(to_month_end < 3, 3.0, 0.8),
            source_share=rng.dirichlet(np.full(len(SOURCES), 3.0)),
            drift=moved,
        )

    def fresh(self, day: int, paths: int, rng: np.random.Generator, drifts: int) -> Deals:
        """Deals created on a day in each of so many futures; sources drift from `drifts` on."""
        path = np.repeat(np.arange(paths), rng.poisson(self.arrivals[day], paths))
        n = len(path)
        account = rng.integers(0, len(self.size), n)
        source = rng.choice(len(SOURCES), n, p=self.source_share)
        owner, pipeline = rng.integers(0, len(self.owner), n), (rng.random(n) < 0.25).astype(int)
        size = self.size[account]
        worth = (
            self.source[source]
            + (day >= drifts) * self.drift[source]
            + self.industry[self.industry_of[account]]
            + self.region[self.region_of[account]]
            + self.owner[owner]
            + self.hidden[account]
            + 0.5 * pipeline
            + rng.normal(0, 0.25, n)
        )
        return Deals(
            index=np.full(n, -1),
            path=path,
            account=account,
            source=source,
            owner=owner,
            pipeline=pipeline,
            worth=worth,
            pace=-0.2 * size + rng.normal(0, 0.25, n),
            interest=worth + rng.normal(0, 0.6, n),
            progress=rng.exponential(0.3, n),
            reached=np.zeros(n, int),
            amount=9.0 + 0.7 * size + 0.5 * pipeline + rng.normal(0, 0.7, n),
        )


@dataclass(frozen=True)
class Day:
    """What a day did to the deals that were open in the morning: masks."""

    moved: Column
    won: Column
    lost: Column


def live_a_day(firm: Firm, deals: Deals, day: int, rng: np.random.Generator) -> Day:
    """Move deals on by a day, in place; who is won or lost is left to be taken out."""
    n, work, speed = len(deals), firm.work[day], firm.speed
    deals.interest += SLOW_RETURN * (deals.worth - deals.interest) + STRAY * rng.normal(size=n)
    drift = 0.03 * speed * np.exp(deals.pace + 0.5 * deals.interest)
    deals.progress += work * drift + 0.08 * np.sqrt(work) * rng.normal(size=n)
    np.maximum(deals.progress, 0, out=deals.progress)
    last = np.array([len(stages) - 1 for stages in STAGES])[deals.pipeline]
    reached = np.minimum((deals.progress // FIRST_STEP).astype(int), last)
    moved = reached > deals.reached
    deals.reached = np.maximum(deals.reached, reached)
    deals.amount[moved] += rng.normal(-0.02, 0.15, int(moved.sum()))
    signs = 0.035 * speed * work * firm.signing[day] * np.exp(0.7 * deals.interest)
    leaves = 0.004 * speed * firm.clearing[day] * np.exp(-0.9 * deals.interest)
    chance = rng.random((2, n))
    won = (deals.reached == last) & (chance[0] < -np.expm1(-signs))
    lost = ~won & (chance[1] < -np.expm1(-leaves))
    deals.amount[won] += rng.normal(-0.06, 0.1, int(won.sum()))
    return Day(moved, won, lost)
