"""The firms that buy: a pool drawn beforehand, opened one by one as their first deals come."""

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


class Opened:
    """Which accounts of the pool are known by now, and which have bought.

    An account comes back half a year after its first deal at the earliest. What happens today
    therefore cannot change who comes back within the next half year: the future can be simulated
    in many paths at once without a book of customers for each.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.count = 0
        self._opened: list[tuple[int, int]] = [(0, 0)]
        self._won: list[tuple[int, int]] = [(0, 0)]
        self._buyers = np.zeros(64, np.int64)

    def open(self, size: int, day: int) -> Ints:
        """Open the next accounts of the pool; starts again at the front when it is used up."""
        fresh = (self.count + np.arange(size)) % self._size
        self.count += size
        self._opened.append((day, min(self.count, self._size)))
        return fresh

    def resize(self, size: int) -> None:
        """Say that the pool has become larger."""
        self._size = size

    def bought(self, accounts: Ints, day: int) -> None:
        """Note who bought today."""
        size = self._won[-1][1]
        while size + len(accounts) > len(self._buyers):
            self._buyers = np.concatenate([self._buyers, np.zeros_like(self._buyers)])
        self._buyers[size : size + len(accounts)] = accounts
        self._won.append((day, size + len(accounts)))

    def back(self, size: int, day: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Pick accounts that come back today, and whether each is a customer (0 or 1).

        Returns empty arrays while nobody is known for half a year.
        """
        old, buyers = _by(self._opened, day - HALF_YEAR), _by(self._won, day - HALF_YEAR)
        if not old:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        picks = rng.integers(0, old, size)
        loyal = rng.random(size) < (CUSTOMERS_FIRST if buyers else 0.0)
        picks[loyal] = self._buyers[rng.integers(0, max(buyers, 1), loyal.sum())]
        return picks, loyal.astype(np.int64)


def _by(counts: list[tuple[int, int]], day: int) -> int:
    """Count reached by the end of a day."""
    place = np.searchsorted([d for d, _ in counts], day, side="right") - 1
    return counts[place][1] if place >= 0 else 0
