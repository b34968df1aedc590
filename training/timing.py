"""When within a horizon deals are won: the calendar's rush laid over curves that are smooth.

The close model answers at knots some weeks apart. What it expects between two of them is spread
over the days by how the mean curve falls off and by what each day brings (ends of months and
quarters, weekends, season); what it says at the knots from 30 days on stays as it is. Of those
before them is read which deals come first; how many come in a quarter's last days the calendar
tells better, for it knows every day of the past and not only those a week apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from features.windows import DAY, Floats
from training.daily import DayShape
from training.incidence import FIRST, KNOTS, Incidence

FIRM = tuple(knot for knot in KNOTS if knot >= FIRST)
"""Knots at which answers stay as they are."""


@dataclass(frozen=True, eq=False)
class WhenWon:
    """When open deals are won within a horizon, as a model was told of it by its cut.

    It is the same for every deal: a deal's score does not depend on who is asked beside it.

    Attributes
    ----------
    won : what a day brings in wins
    usual : (knots + 1,) mean curve of the deals that were open at the cut
    """

    won: DayShape
    usual: Floats
    tail_days: float

    def days(self, as_of: int, horizons: tuple[float, ...]) -> Floats:
        """(horizons,) days at which curves of won tell what comes within horizons of an instant.

        The answers from 30 days on stay as they are; to the end of a quarter most comes late.
        """
        return np.array(_days(self, as_of, horizons))

    def to_json(self) -> dict[str, Any]:
        """Plain types for the bundle."""
        return {
            "start_month": self.won.start_month,
            "rush": self.won.rush,
            "effects": self.won.effects.tolist(),
            "usual": self.usual.tolist(),
            "tail_days": self.tail_days,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> WhenWon:
        """Read back what `to_json` wrote."""
        effects, usual = (np.array(found[name], float) for name in ("effects", "usual"))
        shape = DayShape(int(found["start_month"]), bool(found["rush"]), effects)
        return cls(shape, usual, float(found["tail_days"]))


@lru_cache(maxsize=64)
def _days(when: WhenWon, as_of: int, horizons: tuple[float, ...]) -> list[float]:
    curve = Incidence(when.usual[None], np.zeros_like(when.usual)[None], when.tail_days)
    moved = calendar_days(curve, when.won, as_of, np.array(horizons))
    pairs = zip(horizons, moved.tolist(), strict=True)
    return [asked if asked in FIRM else at for asked, at in pairs]


def calendar_days(incidence: Incidence, won: DayShape, as_of: int, days: Floats) -> Floats:
    """(horizons,) the days at which the curves must be asked for what comes within `days`.

    Between firm knots as much of the mean curve's rise has passed as of what the days bring.

    Parameters
    ----------
    won : what a day brings in wins
    days : horizons from `as_of` (microseconds)
    """
    if not len(incidence):
        return days
    last = float(max(days.max(initial=0.0), incidence.knots[-1]))
    begin = as_of // DAY * DAY
    midnight = np.arange(begin, as_of + int(np.ceil(last) + 1) * DAY, DAY)
    ends = (midnight + DAY - as_of) / DAY
    length = np.minimum(ends, 1.0)
    shape = np.exp(won.shape(midnight))
    knots = np.array([0.0, *FIRM])
    curve = replace(incidence, won=incidence.won.mean(axis=0, keepdims=True))
    weight = shape * length * _falling(curve, knots, ends, np.concatenate([[0.0], ends]), shape)
    passed = np.concatenate([[0.0], np.cumsum(weight)])
    grid = np.concatenate([[0.0], ends])
    every = np.union1d(grid, incidence.knots)
    usual = curve.won_by(every)[0] + 1e-9 * every
    at_knots, asked = np.interp(knots, grid, passed), np.interp(days, grid, passed)
    inside = np.interp(np.interp(asked, at_knots, np.interp(knots, every, usual)), usual, every)
    year = np.exp(won.shape(as_of + np.arange(365) * DAY)).mean()
    busy = np.concatenate([[0.0], np.cumsum(shape * length)]) / year
    beyond = np.interp(days, grid, busy) - np.interp(knots[-1], grid, busy)
    found: Floats = np.where(days > knots[-1], knots[-1] + np.maximum(beyond, 0.0), inside)
    return found


def _falling(curve: Incidence, knots: Floats, ends: Floats, grid: Floats, shape: Floats) -> Floats:
    """(days,) wins a day of a curve, the calendar's effect taken out, smooth over days."""
    busy = np.interp(knots, grid, np.concatenate([[0.0], np.cumsum(shape * np.diff(grid))]))
    steps = np.diff(curve.won_by(knots)[0])
    density = np.maximum(steps, 1e-9) / np.maximum(np.diff(busy), 1e-9)
    middle, day = (knots[1:] + knots[:-1]) / 2, ends - 0.5
    fallen = np.maximum(day - middle[-1], 0.0) / curve.tail_days
    found: Floats = np.exp(np.interp(day, middle, np.log(density)) - fallen)
    return found
