"""A firm that lives: the one step from a day to the next, for history and truth alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.demo import arrivals, engagement, paperwork
from data.demo.accounts import Book
from data.demo.calendar import Calendar, Floats, Ints
from data.demo.hazards import ADVANCE, BACK, LOSE, WIN, Rates, fate
from data.demo.lexicon import SOURCES
from data.demo.log import Log
from data.demo.owners import Owners
from data.demo.state import ALIVE, ASLEEP, DEAD, Deals
from data.demo.today import Today
from data.demo.world import World

REOPEN_DAYS = 45.0


@dataclass
class Firm:
    """A firm at the midnight before `day`.

    Attributes
    ----------
    book
        Accounts known, and to come.
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
    book: Book
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
            rng = np.random.Generator(np.random.SFC64([*seed, self.day]))
            self._step(Today(self.world, self.calendar, self.day, rng, log))
            self.day += 1
            if progress and self.day % 20 == 0:
                progress((self.day - first) / (until - first))

    def _step(self, today: Today) -> None:
        """Live one day: talk, decide, close, file papers, then take in the new deals."""
        deals = self.deals
        self._climate(today)
        self._replace(today)
        engagement.converse(today, deals, self.owners.diligence[deals.owner])
        market = self.market[deals.path]
        event = fate(today, self.rates, deals, self._pull(today), market)
        if today.work == 1:
            paperwork.routine(today, deals)
        self._move(today, event)
        self._close(today, event)
        self._wake(today)
        self._take_in(today)

    def _pull(self, today: Today) -> Floats:
        """Quality that owner and source add today, shape (deals,)."""
        effects = dict(self.world.source_effect)
        if self.calendar.drifted[self.day]:
            effects[self.world.drift_source] += self.world.drift_shift
        source = np.array([effects[name] for name in SOURCES])
        owner = self.owners.pull(self.world, today.day)
        pull: Floats = owner[self.deals.owner] + source[self.deals.source]
        return pull

    def _climate(self, today: Today) -> None:
        """Let the market of each path drift for a day."""
        keep = np.exp(-1 / self.world.market_days)
        shock = self.world.market_sd * np.sqrt(1 - keep**2)
        self.market = keep * self.market + shock * today.rng.standard_normal(len(self.market))

    def _replace(self, today: Today) -> None:
        """Give the deals of those who leave today to colleagues of the team."""
        gone = np.flatnonzero(self.owners.left == self.day)
        if not len(gone):
            return
        deals = self.deals
        orphans = np.flatnonzero(np.isin(deals.owner, gone))
        team = self.owners.team[deals.owner[orphans]]
        deals.owner[orphans] = self.owners.assign(team, self.day, today.rng)
        today.note("owners", deal=deals.index[orphans], owner=deals.owner[orphans])

    def _wake(self, today: Today) -> None:
        """Reopen lost deals whose day has come, a stage earlier and with new hope."""
        deals = self.deals
        back = np.flatnonzero((deals.status == ASLEEP) & (deals.wake == self.day))
        deals.status[back] = ALIVE
        deals.stage[back] = np.maximum(deals.stage[back] - 1, 0)
        deals.engagement[back] = 0.5
        deals.heard[back] = self.day
        self._enter(today, back)

    def _move(self, today: Today, event: Ints) -> None:
        """Advance, step back, or revive what was left for dead."""
        deals = self.deals
        behind = (event == BACK) & (deals.status == ALIVE)
        revived = (event == BACK) & (deals.status == DEAD)
        deals.status[revived] = ALIVE
        deals.heard[revived] = self.day
        ahead = event == ADVANCE
        deals.stage += ahead.astype(np.int64) - behind
        self._enter(today, np.flatnonzero(ahead | behind))
        paperwork.advanced(today, deals, np.flatnonzero(ahead))

    def _enter(self, today: Today, which: Ints) -> None:
        """Note that these deals have reached another stage."""
        deals = self.deals
        deals.since[which] = self.day
        today.note(
            "stages",
            deal=deals.index[which],
            pipeline=deals.pipeline[which],
            stage=deals.stage[which],
        )

    def _close(self, today: Today, event: Ints) -> None:
        """Close what was won or lost; a part of the lost is only left for dead."""
        deals = self.deals
        won, lost = np.flatnonzero(event == WIN), np.flatnonzero(event == LOSE)
        paperwork.settle(today, deals, won)
        # What is dead already is closed by the clean-up; the living may be left open instead.
        stale = today.rng.random(len(lost)) < self.world.stale_share
        stale &= deals.status[lost] == ALIVE
        deals.status[lost[stale]] = DEAD
        lost = lost[~stale]
        self._note_closed(today, won, is_won=True)
        self._note_closed(today, lost, is_won=False)
        self.book.bought(deals.account[won], self.day)
        self._sleep(today, lost)
        keep = np.ones(len(deals), bool)
        keep[won] = False
        keep[lost] = deals.status[lost] == ASLEEP
        self.deals = deals.take(keep)

    def _note_closed(self, today: Today, which: Ints, *, is_won: bool) -> None:
        deals = self.deals
        today.note(
            "closed",
            deal=deals.index[which],
            path=deals.path[which],
            won=np.full(len(which), is_won),
            amount=deals.amount[which],
        )

    def _sleep(self, today: Today, lost: Ints) -> None:
        """Choose those of the lost that will be reopened, and the day."""
        sleep = lost[today.rng.random(len(lost)) < self.world.reopen_share]
        lag = 14 + today.rng.exponential(REOPEN_DAYS, len(sleep)).astype(np.int64)
        self.deals.status[sleep] = ASLEEP
        self.deals.wake[sleep] = self.day + lag

    def _take_in(self, today: Today) -> None:
        """Add the new deals of the day."""
        if not self.intensity:
            return
        rate = self.intensity * float(self.calendar.arrivals[self.day])
        counts = arrivals.count(self.world, rate, self.market, today.rng)
        path = np.repeat(np.arange(len(counts)), counts)
        new = arrivals.arrive(today, self.book, self.owners, path, self.born)
        self.born += len(new)
        self.deals = self.deals.join(new)
