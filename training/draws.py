"""The draws of a simulation: which deals are won on each path, when, and what they bring.

Work is done in chunks of paths so small that memory is soon used again, and a draw by weight is
one look-up in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from features.windows import Floats, Ints

Singles = npt.NDArray[np.float32]
T = TypeVar("T", np.int64, np.float64)
PLACES = 1 << 16
"""Places of the table from which past wins are drawn; a weight is right to one of them."""


@dataclass(frozen=True)
class Wins:
    """Wins of a chunk of paths.

    Attributes
    ----------
    cell : (wins,) path of the chunk x periods + period; empty where `number` tells it
    deal : (wins,) open deal, or past win that a new one is like
    amount : (wins,) what it brings
    number : (periods, paths) how many there are of each, where they come in that order
    """

    cell: Ints
    deal: Ints
    amount: Floats
    number: Ints | None = None


def cumulative_hazards(won_by: Floats) -> Singles:
    """(periods + 1, deals) hazard up to the beginning of each period, and to the last one's end.

    Parameters
    ----------
    won_by : (deals, periods) chances of being won by the end of each period
    """
    passed = -np.log(1.0 - np.clip(won_by, 0.0, 1.0 - 1e-9))
    upto = np.zeros((won_by.shape[1] + 1, len(won_by)), np.float32)
    upto[1:] = np.maximum.accumulate(passed, axis=1).T
    return upto


def draw_open(rng: np.random.Generator, upto: Singles, moved: Floats) -> tuple[Ints, Ints]:
    """Deals won on a chunk of paths, each when its moved hazard passes an exponential draw.

    Periods that are moved alike (the months of a quarter) are passed in one step, and the month is
    looked up. Only draws that the largest factor of their path could pass are followed.

    Parameters
    ----------
    upto : what `cumulative_hazards` gives
    moved : (paths, periods) factors on the hazards

    Returns
    -------
    (wins,) deals, and (wins,) cells: path x periods + period
    """
    paths, periods = moved.shape
    factor = np.ascontiguousarray(moved.T, np.float32)
    draw = rng.standard_exponential((upto.shape[1], paths), dtype=np.float32)
    most = factor.max(axis=0, initial=0.0)
    near = np.flatnonzero(draw < upto[-1][:, None] * most)
    deal, path = np.divmod(near, max(paths, 1))
    left = draw.ravel()[near]
    found: list[tuple[Ints, Ints]] = []
    for begin, end in _alike(factor):
        speed = factor[begin].take(path)
        goal = left / speed + upto[begin].take(deal)
        won = goal <= upto[end].take(deal)
        mine, at = deal[won], goal[won]
        period = np.full(len(at), begin)
        for later in range(begin + 1, end):
            period += at > upto[later].take(mine)
        found.append((mine, path[won] * periods + period))
        still = np.flatnonzero(~won)
        deal, path = deal[still], path[still]
        left = (goal[still] - upto[end].take(deal)) * speed[still]
    deals, cells = (np.concatenate(part) for part in zip(*found, strict=True))
    return deals, cells


def _alike(factor: Singles) -> list[tuple[int, int]]:
    """Ranges of periods that have the same factor on every path."""
    new = [k for k in range(1, len(factor)) if not np.array_equal(factor[k], factor[k - 1])]
    return list(pairwise([0, *new, len(factor)]))


@dataclass(frozen=True)
class Past:
    """Past wins in places, each in as many of a period's as it has weight there.

    A place drawn at random is then a past win drawn by its weight.

    Attributes
    ----------
    win : (periods, PLACES) which past win; no places where there is none
    amount : (periods, PLACES) its amount
    """

    win: Ints
    amount: Floats

    @classmethod
    def of(cls, amounts: Floats, weights: Floats | None, periods: int) -> Past:
        """Fill the places; `weights` are (periods, past wins), without them all are alike."""
        if not len(amounts):
            return cls(np.zeros((periods, 0), np.int64), np.zeros((periods, 0)))
        by_period = np.ones((1, len(amounts))) if weights is None else weights
        upto = np.cumsum(by_period, axis=1)
        edges = np.rint(upto / upto[:, -1:] * PLACES).astype(np.int64)
        taken = np.diff(edges, axis=1, prepend=0)
        win = np.stack([np.repeat(np.arange(len(amounts)), row) for row in taken])
        shape = periods, PLACES
        return cls(np.broadcast_to(win, shape), np.broadcast_to(amounts[win], shape))


def draw_new(
    rng: np.random.Generator,
    wins: Floats,
    dispersion: float,
    past: Past,
    moved: Floats,
    *,
    named: bool = True,
) -> Wins:
    """Wins of deals not yet created: a number in each cell, each like a past win.

    Numbers are Poisson, or negative binomial where they are over-dispersed.

    Parameters
    ----------
    wins : (periods,) expected number
    moved : (paths, periods) factors on it
    named : whether to tell which past win each is like; the sum of all needs it not
    """
    mean = np.maximum(moved * wins, 0.0) if past.win.size else np.zeros(moved.shape)
    extra = dispersion - 1.0
    if extra > 1e-3:
        mean = rng.gamma(np.maximum(mean / extra, 1e-12)) * extra
    number = rng.poisson(mean.T)
    # A period at a time: its places fit into the cache.
    places = [rng.integers(0, PLACES, count, np.uint16) for count in number.sum(axis=1)]
    nobody = np.zeros(0, np.int64)
    deal = _taken(past.win, places) if named else nobody
    return Wins(nobody, deal, _taken(past.amount, places), number)


def _taken(table: npt.NDArray[T], places: Sequence[npt.NDArray[np.uint16]]) -> npt.NDArray[T]:
    """Look places up, those of each period in its row."""
    return np.concatenate([row.take(at) for row, at in zip(table, places, strict=True)])


def sum_up(wins: Wins, shape: tuple[int, int, int], code: Ints) -> Floats:
    """(paths, periods, members) sums of wins; `code` is the member of each deal or past win."""
    paths, periods, members = shape
    if wins.number is None:
        cell = wins.cell if members == 1 else wins.cell * members + code.take(wins.deal)
        return _summed(cell, wins.amount, paths * periods * members).reshape(shape)
    if members == 1:
        passed = np.concatenate([[0.0], np.cumsum(wins.amount)])
        end = np.cumsum(wins.number)
        sums = passed[end] - passed[end - wins.number.ravel()]
        return np.asarray(sums.reshape(periods, paths).T[:, :, None])
    first = (np.arange(periods * paths) * members).repeat(wins.number.ravel())
    sums = _summed(first + code.take(wins.deal), wins.amount, periods * paths * members)
    return np.asarray(sums.reshape(periods, paths, members).swapaxes(0, 1))


def _summed(cell: Ints, amount: Floats, cells: int) -> Floats:
    return np.bincount(cell, amount, minlength=cells).astype(float, copy=False)
