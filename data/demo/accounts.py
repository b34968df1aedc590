"""The firms that buy: a pool drawn beforehand, opened one by one as their first deals come."""

from bisect import bisect_right
from copy import deepcopy
from dataclasses import dataclass, fields

import numpy as np

from data.demo import lexicon
from data.demo.calendar import Floats, Ints
from data.demo.world import World

HALF_YEAR = 180
CUSTOMERS_FIRST = 0.7
EMPLOYEES = np.array([25.0, 250.0, 3000.0])


@dataclass(frozen=True)
class Accounts:
    """A pool of accounts, arrays of shape (accounts,).

    Attributes
    ----------
    segment, industry, region
        Codes into the lexicon.
    employees
        Head count.
    fit
        Hidden quality shared by all deals of the account.
    people, chief
        Number of contacts, and the place of the first chief among them (`people` for none).
    """

    segment: Ints
    industry: Ints
    region: Ints
    employees: Floats
    fit: Floats
    people: Ints
    chief: Ints

    @classmethod
    def draw(cls, world: World, size: int, rng: np.random.Generator) -> "Accounts":
        """Draw a pool of `size` accounts."""
        segment = rng.choice(
            len(lexicon.SEGMENTS), size, p=[world.segment_share[s] for s in lexicon.SEGMENTS]
        )
        people = 1 + rng.poisson(np.array([1.0, 2.0, 3.5])[segment])
        return cls(
            segment=segment,
            industry=rng.integers(0, len(lexicon.INDUSTRIES), size),
            region=rng.choice(
                len(lexicon.REGIONS), size, p=[world.region_share[r] for r in lexicon.REGIONS]
            ),
            employees=np.ceil(EMPLOYEES[segment] * np.exp(rng.normal(0, 0.6, size))),
            fit=world.account_sd * rng.standard_normal(size),
            people=people,
            chief=np.minimum(rng.geometric(0.3, size) - 1, people),
        )

    def __len__(self) -> int:
        return len(self.segment)

    def head(self, size: int) -> "Accounts":
        """Keep the first accounts of the pool."""
        return Accounts(*(getattr(self, f.name)[:size] for f in fields(self)))

    def join(self, other: "Accounts") -> "Accounts":
        """Put another pool behind this one."""
        return Accounts(
            *(
                np.concatenate([getattr(self, f.name), getattr(other, f.name)])
                for f in fields(self)
            )
        )


class Book:
    """The accounts of a pool that are known by now, and those which have bought.

    An account comes back half a year after its first deal at the earliest. What happens today
    therefore cannot change who comes back within the next half year: the future can be simulated
    in many paths at once without a book of customers for each.

    Attributes
    ----------
    pool
        All accounts, known or yet to come.
    """

    def __init__(self, pool: Accounts) -> None:
        self.pool = pool
        self._opened, self._won = _Tally(), _Tally()
        self._buyers: list[Ints] = []

    @property
    def size(self) -> int:
        """Number of accounts known."""
        return min(self._opened.total, len(self.pool))

    def extended(self, fresh: Accounts) -> "Book":
        """Copy the book with other accounts to come than those of the pool."""
        book = deepcopy(self)
        book.pool = self.pool.head(self.size).join(fresh)
        return book

    def open(self, count: int, day: int) -> Ints:
        """Open the next accounts of the pool; starts again at its front when it is used up."""
        fresh = (self._opened.total + np.arange(count)) % len(self.pool)
        self._opened.add(count, day)
        return fresh

    def bought(self, accounts: Ints, day: int) -> None:
        """Note who bought today."""
        self._buyers.append(accounts)
        self._won.add(len(accounts), day)

    def back(self, count: int, day: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Pick accounts that come back today, and whether each is a customer (0 or 1).

        Returns empty arrays while nobody is known for half a year.
        """
        old, bought = self._opened.by(day - HALF_YEAR), self._won.by(day - HALF_YEAR)
        if not old:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        picks = rng.integers(0, min(old, len(self.pool)), count)
        loyal = rng.random(count) < (CUSTOMERS_FIRST if bought else 0.0)
        places = rng.integers(0, max(bought, 1), int(loyal.sum()))
        picks[loyal] = self._all_buyers()[places]
        return picks, loyal.astype(np.int64)

    def _all_buyers(self) -> Ints:
        """Put the buyers of all days into one array, once for each time it is asked."""
        if len(self._buyers) != 1:
            self._buyers = [np.concatenate([np.empty(0, np.int64), *self._buyers])]
        return self._buyers[0]


class _Tally:
    """A count that grows from day to day."""

    def __init__(self) -> None:
        self._days: list[int] = []
        self._totals: list[int] = [0]

    @property
    def total(self) -> int:
        return self._totals[-1]

    def add(self, count: int, day: int) -> None:
        self._days.append(day)
        self._totals.append(self.total + count)

    def by(self, day: int) -> int:
        """Count reached by the end of a day."""
        return self._totals[bisect_right(self._days, day)]
