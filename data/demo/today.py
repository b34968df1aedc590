"""One day of the simulation: everything a step needs besides the deals."""

from dataclasses import dataclass

import numpy as np

from data.demo.calendar import Calendar
from data.demo.log import Log
from data.demo.state import Array
from data.demo.world import World


@dataclass(frozen=True)
class Today:
    """The day being lived.

    Attributes
    ----------
    world, calendar
        The firm's parameters and the effects of the calendar.
    day
        Days since the start.
    rng
        The generator of this day.
    log
        Where events are noted.
    """

    world: World
    calendar: Calendar
    day: int
    rng: np.random.Generator
    log: Log

    @property
    def work(self) -> float:
        """Multiplier of what people do: 1, or near 0 at weekends."""
        return float(self.calendar.work[self.day])

    def note(self, kind: str, **columns: Array) -> None:
        """Note events of today."""
        self.log.add(kind, self.day, **columns)
