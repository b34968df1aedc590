"""From a world to the tables its CRM would export."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.demo import activities, export, people
from data.demo import dirt as dirty
from data.demo.accounts import Accounts, Book
from data.demo.calendar import DAYS_PER_YEAR, Calendar
from data.demo.firm import Firm
from data.demo.hazards import Rates
from data.demo.judgement import with_judgement
from data.demo.log import Log
from data.demo.owners import Owners
from data.demo.stamps import Stamps
from data.demo.state import Deals
from data.demo.targets import targets
from data.demo.world import World

DEFAULT_DIRT = frozenset({"late_logged", "missing_amounts", "reopened", "stale"})
FUTURE_DAYS = 1500
"""Days after the end for which the calendar is worked out, so that the future can be simulated."""


@dataclass(frozen=True)
class Simulated:
    """A simulated CRM: its export and all it takes to live it again.

    Attributes
    ----------
    tables
        The eight tables of the contract, as they stand at `end`.
    world, deals, years, end, seed, dirt
        What it was simulated from.
    """

    tables: dict[str, pd.DataFrame]
    world: World
    deals: int
    years: float
    end: pd.Timestamp
    seed: int
    dirt: frozenset[str]

    @property
    def days(self) -> int:
        """Whole days of history."""
        return round(self.years * DAYS_PER_YEAR)

    @property
    def start(self) -> pd.Timestamp:
        """Midnight of the first day."""
        return self.end.normalize() - pd.Timedelta(days=self.days)


def simulate(
    world: World,
    *,
    deals: int = 6000,
    years: float = 3,
    end: pd.Timestamp,
    seed: int,
    dirt: frozenset[str] = DEFAULT_DIRT,
    progress: Callable[[float], None] | None = None,
) -> Simulated:
    """Simulate a firm and export its CRM.

    Parameters
    ----------
    world
        The true parameters.
    deals
        Expected number of deals; that of one history varies by some per cent.
    years
        Length of the history.
    end
        Instant of the export, UTC; the last day simulated is the one before its midnight.
    seed
        Of this history; one world can have many.
    dirt
        What is wrong with the data: names in ``data.demo.dirt.DIRT``.
    progress
        Called with the share of days done, from 0 to 1.

    Raises
    ------
    ValueError
        For unknown dirt, or less than one deal or half a year.
    """
    _check(deals, years, dirt)
    simulated = Simulated({}, world, deals, years, end.normalize(), seed, frozenset(dirt))
    log = Log()
    firm = live(simulated, simulated.days, log, progress)
    rng = np.random.default_rng([seed, 0xF2])
    stamps = Stamps(simulated.start, seed)
    tables = people.tables(firm, rng, stamps)
    tables |= export.deal_tables(firm, log, stamps, tables["accounts"], rng)
    tables["activities"] = activities.table(firm, log, stamps, rng)
    tables["targets"] = targets(tables, simulated.start, simulated.end)
    tables = dirty.apply(tables, simulated.dirt, simulated.end, seed)
    return replace(simulated, tables=with_judgement(tables, seed))


def _check(deals: int, years: float, dirt: frozenset[str]) -> None:
    unknown = sorted(dirt - dirty.DIRT)
    if unknown:
        raise ValueError(f"unknown dirt {unknown}; allowed are {sorted(dirty.DIRT)}")
    if deals < 1 or years < 0.5:
        raise ValueError(
            f"got {deals} deals over {years} years; at least 1 deal and half a year are needed"
        )


def found(simulated: Simulated) -> Firm:
    """Found the firm: the state before the first day."""
    world = _with_process_dirt(simulated.world, simulated.dirt)
    days, seed = simulated.days, simulated.seed
    drift_day = max(0, days - 365) if "drift" in simulated.dirt else days + FUTURE_DAYS - 1
    calendar = Calendar.of(world, simulated.start, days + FUTURE_DAYS, drift_day)
    rng = np.random.default_rng([seed, 0xF0])
    pool = round(1.25 * simulated.deals) + 500
    return Firm(
        world=world,
        calendar=calendar,
        rates=Rates.of(world),
        owners=Owners.draw(world, simulated.deals, days, rng),
        book=Book(Accounts.draw(world, pool, rng)),
        intensity=simulated.deals / float(calendar.arrivals[:days].sum()),
        market=np.zeros(1),
        deals=Deals.none(),
    )


def live(
    simulated: Simulated, day: int, log: Log, progress: Callable[[float], None] | None = None
) -> Firm:
    """Live the history again until the midnight before `day`; the same every time."""
    firm = found(simulated)
    firm.run(day, (simulated.seed, 1), log, progress)
    return firm


def _with_process_dirt(world: World, dirt: frozenset[str]) -> World:
    """Switch off the bad habits that were not asked for."""
    return replace(
        world,
        stale_share=world.stale_share if "stale" in dirt else 0.0,
        reopen_share=world.reopen_share if "reopened" in dirt else 0.0,
        drift_shift=world.drift_shift if "drift" in dirt else 0.0,
    )
