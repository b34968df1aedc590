"""A firm that lives: the one step from a day to the next, for history and truth alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.demo import arrivals, engagement, paperwork
from data.demo.accounts import Accounts, Opened
from data.demo.calendar import Calendar, Floats, Ints
from data.demo.hazards import ADVANCE, BACK, LOSE, WIN, Rates, fate
from data.demo.lexicon import SOURCES
from data.demo.log import Log
from data.demo.owners import Owners
from data.demo.state import ALIVE, ASLEEP, DEAD, Deals
from data.demo.world import World

REOPEN_DAYS = 45.0


@dataclass
class Firm:
    """A firm at the midnight before `day`.

    Attributes
    ----------
    intensity
        New deals a day for a calendar intensity of 1; 0 where no new deals shall come.
    market
        Log climate of each path, shape (paths,).
    born
        Deals created so far, which is the index of the next.
    """

    world: World
    calendar: Calendar
    rates: Rates
    owners: Owners
    accounts: Accounts
    opened: Opened
    intensity: float
    market: Floats
    deals: Deals
    born: int = 0
    day: int = 0

    def run(
        self,
        until: int,
        seed: tuple[int, ...],
        log: Log,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Live until the midnight before day `until`.

        Every day has a generator of its own made from `seed` and the day, so that a run cut
        short is the beginning of the longer one, to the last digit.
        """
        first = self.day
        while self.day < until:
            # SFC64: the fastest of numpy's generators; a new one each day costs 30 microseconds.
            self._step(np.random.Generator(np.random.SFC64([*seed, self.day])), log)
            self.day += 1
            if progress and self.day % 20 == 0:
                progress((self.day - first) / (until - first))

    def _step(self, rng: np.random.Generator, log: Log) -> None:
        """Live one day: talk, decide, close, file papers, then take in the new deals."""
        world, deals, day = self.world, self.deals, self.day
        work = float(self.calendar.work[day])
        self._climate(rng)
        self._replace(rng, log)
        engagement.converse(world, deals, day, work, self._diligence(), rng, log)
        drift = world.drift_shift * self.calendar.drifted[day]
        source = np.array(
            [world.source_effect[s] + drift * (s == world.drift_source) for s in SOURCES]
        )
        pull = self.owners.pull(world, day)[deals.owner] + source[deals.source]
        rush = self.calendar.win[day] + self.market[deals.path]
        clean = float(self.calendar.clean[day])
        event = fate(world, self.rates, deals, day, pull, rush, clean, work, rng)
        if work == 1:
            paperwork.routine(world, deals, day, rng, log)
        self._move(event, rng, log)
        self._close(event, rng, log)
        self._wake(log)
        self._take_in(rng, log)

    def _climate(self, rng: np.random.Generator) -> None:
        keep = np.exp(-1 / self.world.market_days)
        shock = self.world.market_sd * np.sqrt(1 - keep**2)
        self.market = keep * self.market + shock * rng.standard_normal(len(self.market))

    def _diligence(self) -> Floats:
        return np.asarray(self.owners.diligence[self.deals.owner])

    def _replace(self, rng: np.random.Generator, log: Log) -> None:
        """Give the open deals of those who leave today to colleagues of the team."""
        gone = np.flatnonzero(self.owners.left == self.day)
        if not len(gone):
            return
        orphans = np.flatnonzero(np.isin(self.deals.owner, gone) & (self.deals.status != ASLEEP))
        team = self.owners.team[self.deals.owner[orphans]]
        self.deals.owner[orphans] = self.owners.assign(team, self.day, rng)
        log.add(
            "owners", self.day, deal=self.deals.index[orphans], owner=self.deals.owner[orphans]
        )

    def _wake(self, log: Log) -> None:
        """Reopen lost deals whose day has come, a stage earlier and with new hope."""
        deals = self.deals
        back = np.flatnonzero((deals.status == ASLEEP) & (deals.wake == self.day))
        deals.status[back] = ALIVE
        deals.stage[back] = np.maximum(deals.stage[back] - 1, 0)
        deals.engagement[back] = 0.5
        deals.heard[back] = self.day
        self._enter(back, log)

    def _move(self, event: Ints, rng: np.random.Generator, log: Log) -> None:
        """Advance, step back, or revive what was left for dead."""
        deals = self.deals
        revived = np.flatnonzero((event == BACK) & (deals.status == DEAD))
        deals.status[revived] = ALIVE
        deals.heard[revived] = self.day
        ahead = np.flatnonzero(event == ADVANCE)
        deals.stage[ahead] += 1
        behind = np.setdiff1d(np.flatnonzero(event == BACK), revived)
        deals.stage[behind] -= 1
        self._enter(np.concatenate([ahead, behind]), log)
        paperwork.advanced(self.world, deals, ahead, self.day, rng, log)

    def _enter(self, which: Ints, log: Log) -> None:
        deals = self.deals
        deals.since[which] = self.day
        log.add(
            "stages",
            self.day,
            deal=deals.index[which],
            pipeline=deals.pipeline[which],
            stage=deals.stage[which],
        )

    def _close(self, event: Ints, rng: np.random.Generator, log: Log) -> None:
        """Close what was won or lost; a share of the lost stays open, dead, or sleeps."""
        deals = self.deals
        won = np.flatnonzero(event == WIN)
        paperwork.settle(self.world, deals, won, self.day, rng, log)
        lost = np.flatnonzero(event == LOSE)
        draw = rng.random(len(lost))
        # Who is dead already is closed by the clean-up; the living may be left open instead.
        stale = (deals.status[lost] == ALIVE) & (draw < self.world.stale_share)
        deals.status[lost[stale]] = DEAD
        lost = lost[~stale]
        for which, is_won in ((won, True), (lost, False)):
            log.add(
                "closed",
                self.day,
                deal=deals.index[which],
                path=deals.path[which],
                won=np.full(len(which), is_won),
                amount=deals.amount[which],
            )
        self.opened.bought(deals.account[won], self.day)
        sleep = lost[rng.random(len(lost)) < self.world.reopen_share]
        deals.status[sleep] = ASLEEP
        lag = 14 + rng.exponential(REOPEN_DAYS, len(sleep)).astype(np.int64)
        deals.wake[sleep] = self.day + lag
        keep = np.ones(len(deals), bool)
        keep[won] = False
        keep[lost] = deals.status[lost] == ASLEEP
        self.deals = deals.take(keep)

    def _take_in(self, rng: np.random.Generator, log: Log) -> None:
        if not self.intensity:
            return
        rate = self.intensity * float(self.calendar.arrivals[self.day])
        counts = arrivals.count(self.world, rate, self.market, rng)
        path = np.repeat(np.arange(len(counts)), counts)
        new = arrivals.arrive(
            self.world,
            self.accounts,
            self.opened,
            self.owners,
            path,
            self.born,
            self.day,
            rng,
            log,
        )
        self.born += len(new)
        self.deals = self.deals.join(new)
