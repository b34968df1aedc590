"""The people who sell: teams, skill, diligence, who is hired when and who leaves."""

from dataclasses import dataclass

import numpy as np

from data.demo.calendar import DAYS_PER_YEAR, Floats, Ints
from data.demo.world import World

NEVER = 10**9
ROOKIE_DAYS = 120
LEAVE_PER_YEAR = 0.10


@dataclass(frozen=True)
class Owners:
    """All owners there ever will be, arrays of shape (owners,); managers come first, one a team.

    Attributes
    ----------
    team
        Code of the team; the manager of team k is owner k.
    hired, left
        Days since the start; negative before it, NEVER for those who stay.
    skill
        Quality they add to their deals.
    diligence
        Multiplier of their touches; about 1.
    """

    team: Ints
    hired: Ints
    left: Ints
    skill: Floats
    diligence: Floats

    @classmethod
    def draw(cls, world: World, deals: int, days: int, rng: np.random.Generator) -> "Owners":
        """Draw as many owners as the yearly number of deals keeps busy."""
        yearly = deals / (days / DAYS_PER_YEAR)
        size = world.teams + max(world.teams, round(yearly / world.deals_per_owner))
        first = np.arange(size) < world.teams
        hired = np.where(
            first | (rng.random(size) < 0.55),
            -rng.integers(200, 3000, size),
            rng.integers(0, days, size),
        )
        stay = rng.exponential(DAYS_PER_YEAR / LEAVE_PER_YEAR, size).astype(np.int64)
        left = np.maximum(hired, 0) + 120 + stay
        return cls(
            team=np.arange(size) % world.teams,
            hired=hired,
            left=np.where(first | (left > days), NEVER, left),
            skill=world.owner_sd * rng.standard_normal(size),
            diligence=np.exp(rng.normal(-0.05, 0.3, size)),
        )

    def pull(self, world: World, day: int) -> Floats:
        """Quality each owner adds today: skill, less what a rookie still lacks."""
        tenure = np.maximum(day - self.hired, 0)
        return self.skill - world.rookie * np.exp(-tenure / ROOKIE_DAYS)

    def assign(self, team: Ints, day: int, rng: np.random.Generator) -> Ints:
        """Pick an owner at work today from each team asked for, shape of `team`."""
        here = np.flatnonzero((self.hired <= day) & (self.left > day))
        order = here[np.argsort(self.team[here], kind="stable")]
        counts = np.bincount(self.team[here], minlength=int(self.team.max()) + 1)
        starts = np.cumsum(counts) - counts
        picks = (rng.random(len(team)) * counts[team]).astype(np.int64)
        return np.asarray(order[starts[team] + picks])
