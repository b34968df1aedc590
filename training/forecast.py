"""The revenue forecast by simulation: booked + open deals + deals not yet created.

On each path every open deal is won in a period (or not) by its incidence, at its expected amount
times an error that the amount model has made; deals not yet created win at a Poisson rate and look
like a past win of their pipeline. One shock a fiscal quarter is shared by all deals of a path:
without it intervals are too narrow, for deals do not fail independently. What the models may be
wrong by is drawn once a path. Every roll-up sums the same paths, so parts add up to the whole on
each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.fiscal import Period, boundaries, period_name
from features.windows import DAY, Bools, Floats, Ints

Sums = npt.NDArray[np.float32]

PATHS = 10_000
CHUNK_CELLS = 4_000_000
SHOCK_SD = 0.1
"""Standard deviation of a quarter's shock (log scale) where none was learned."""


@dataclass(frozen=True)
class OpenDeals:
    """What the simulation needs of the deals open at as-of.

    Attributes
    ----------
    won_by : (deals, periods) P(won by the end of each period)
    amount : (deals,) mean amount if won, in the unit of the forecast
    errors : log errors of the amounts, drawn from at random
    labels : (deals,) rows with a column for each dimension of roll-up
    guessed : (deals,) whether no amount is known; without it all are
    guessed_errors : log errors of the amounts of such deals
    """

    won_by: Floats
    amount: Floats
    errors: Floats
    labels: pd.DataFrame
    guessed: Bools | None = None
    guessed_errors: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class NewDeals:
    """Deals not yet created.

    Attributes
    ----------
    wins : (periods,) expected wins in each period
    dispersion : variance of their number over its mean, at least 1
    amounts, labels : past wins, the likes of which will come
    weights : (periods, past wins) how likely each is to come again; without it all are alike
    """

    wins: Floats
    dispersion: float
    amounts: Floats
    labels: pd.DataFrame
    weights: Floats | None = None


@dataclass(frozen=True)
class Booked:
    """Wins of the first period known before as-of: amount and labels of each."""

    amounts: Floats
    labels: pd.DataFrame


@dataclass(frozen=True)
class Spread:
    """What moves many deals of a path together: standard deviations on the log scale.

    Attributes
    ----------
    shock : of a fiscal quarter, shared by open and new deals
    opened, new : of the level of the wins of open deals and of those not yet created, which the
        models may have wrong
    amount : of the mean amount of deals not yet created
    """

    shock: float = SHOCK_SD
    opened: float = 0.0
    new: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True)
class Calendar:
    """Periods asked: their edges in microseconds, names and the fiscal quarter of each."""

    as_of: int
    edges: Ints
    names: tuple[str, ...]
    quarter: Ints

    @classmethod
    def of(cls, as_of: int, period: Period, periods: int, start_month: int) -> Calendar:
        """Period that holds `as_of` and those after it; the first counts from `as_of` on."""
        edges = boundaries(as_of, period, periods, start_month)
        names = tuple(period_name(int(e), period, start_month) for e in edges[:-1])
        quarters = [period_name(int(e), "quarter", start_month) for e in edges[:-1]]
        return cls(as_of, edges, names, pd.factorize(np.array(quarters, object))[0])

    @property
    def ends_in_days(self) -> Floats:
        """(periods,) days from as-of to the end of each period."""
        days: Floats = (self.edges[1:] - self.as_of) / DAY
        return days


@dataclass(frozen=True)
class Simulation:
    """Sums by path: `parts[dimension]` is (paths, periods, members); members named beside it."""

    calendar: Calendar
    open: dict[str, Sums]
    new: dict[str, Sums]
    booked: dict[str, Floats]
    members: dict[str, tuple[str, ...]]


TOTAL = "total"


def simulate_forecast(
    calendar: Calendar,
    open_deals: OpenDeals,
    new_deals: NewDeals,
    booked: Booked,
    *,
    dimensions: Sequence[str] = (),
    paths: int = PATHS,
    seed: int = 0,
    spread: Spread | None = None,
    progress: Callable[[float], None] | None = None,
) -> Simulation:
    """Simulate; time is linear in open deals x paths x periods, memory in chunks of paths."""
    rng = np.random.default_rng(seed)
    periods = len(calendar.names)
    every = pd.concat([open_deals.labels, new_deals.labels, booked.labels], ignore_index=True)
    codes, members = _members(every, dimensions)
    cut = np.cumsum([len(open_deals.labels), len(new_deals.labels)])
    split = {d: np.split(code, cut) for d, code in codes.items()}
    shape = {d: (paths, periods, len(members[d])) for d in codes}
    totals = {side: {d: np.zeros(shape[d], np.float32) for d in codes} for side in ("open", "new")}
    moved = _moved(rng, spread or Spread(), calendar.quarter, paths)
    step = max(1, CHUNK_CELLS // max(len(open_deals.amount), 1))
    for begin in range(0, paths, step):
        part = slice(begin, min(begin + step, paths))
        wins = _open_wins(rng, open_deals, moved.opened[part])
        _add(totals["open"], part, wins, {d: s[0] for d, s in split.items()})
        wins = _new_wins(rng, new_deals, moved.new[part], moved.amount[part])
        _add(totals["new"], part, wins, {d: s[1] for d, s in split.items()})
        if progress:
            progress(part.stop / paths)
    sums = {
        d: np.bincount(s[2], booked.amounts, minlength=len(members[d])).astype(float)
        for d, s in split.items()
    }
    return Simulation(calendar, totals["open"], totals["new"], sums, members)


@dataclass(frozen=True)
class _Moved:
    """Factors on the hazards (paths, periods) of open and new deals, and on amounts (paths,)."""

    opened: Floats
    new: Floats
    amount: Floats


def _moved(rng: np.random.Generator, spread: Spread, quarter: Ints, paths: int) -> _Moved:
    """Draw what moves the deals of each path together; every factor has a mean of 1."""

    def factors(sd: float, count: int) -> Floats:
        return np.exp(rng.normal(-(sd**2) / 2, sd, (paths, count)))

    shock = factors(spread.shock, int(quarter.max()) + 1)[:, quarter]
    opened, new, amount = (factors(sd, 1) for sd in (spread.opened, spread.new, spread.amount))
    return _Moved(shock * opened, shock * new, amount[:, 0])


def _members(
    labels: pd.DataFrame, dimensions: Sequence[str]
) -> tuple[dict[str, Ints], dict[str, tuple[str, ...]]]:
    codes = {TOTAL: np.zeros(len(labels), np.int64)}
    members: dict[str, tuple[str, ...]] = {TOTAL: ("",)}
    for dimension in dimensions:
        code, names = pd.factorize(labels[dimension].fillna("").astype(str), sort=True)
        codes[dimension], members[dimension] = code.astype(np.int64), tuple(names)
    return codes, members


@dataclass(frozen=True)
class Wins:
    """Wins of a chunk of paths: path, period, deal (or template) and amount of each."""

    path: Ints
    period: Ints
    deal: Ints
    amount: Floats
    paths: int


def _open_wins(rng: np.random.Generator, deals: OpenDeals, moved: Floats) -> Wins:
    """Each deal is won when its cumulative hazard, moved, passes an exponential draw.

    Only draws that the largest hazard of the path could pass are followed through the periods.
    """
    paths, count = len(moved), len(deals.amount)
    survival = 1 - np.clip(deals.won_by, 0, 1 - 1e-9)
    hazard = np.diff(-np.log(survival), axis=1, prepend=0.0).clip(min=0).astype(np.float32)
    factor = np.ascontiguousarray(moved.T, np.float32)
    draw = rng.standard_exponential((count, paths), dtype=np.float32)
    most = factor.max(axis=0, initial=0.0)
    deal, path = np.nonzero(draw < hazard.sum(axis=1)[:, None] * most)
    left = draw[deal, path]
    found: list[tuple[Ints, Ints, Ints]] = []
    for k in range(hazard.shape[1]):
        left -= hazard[deal, k] * factor[k, path]
        won = left <= 0
        found.append((deal[won], path[won], np.full(int(won.sum()), k)))
        deal, path, left = deal[~won], path[~won], left[~won]
    deal, path, period = (np.concatenate(part) for part in zip(*found, strict=True))
    return Wins(path, period, deal, _amounts_drawn(rng, deals, deal), paths)


def _amounts_drawn(rng: np.random.Generator, deals: OpenDeals, deal: Ints) -> Floats:
    """(wins,) expected amounts times errors like those made before, of mean 1."""
    amount = deals.amount[deal]
    guessed = np.zeros(len(deals.amount), bool) if deals.guessed is None else deals.guessed
    for errors, rows in ((deals.errors, ~guessed), (deals.guessed_errors, guessed)):
        which = np.flatnonzero(rows[deal])
        if len(errors) and len(which):
            factor = np.exp(errors) / np.exp(errors).mean()
            amount[which] *= factor[rng.integers(0, len(errors), len(which))]
    return amount


def _new_wins(rng: np.random.Generator, deals: NewDeals, moved: Floats, amount: Floats) -> Wins:
    """Numbers of wins are Poisson, or negative binomial where arrivals are over-dispersed."""
    paths = len(moved)
    mean = np.maximum(moved * deals.wins, 0.0)
    if not len(deals.amounts):
        mean = np.zeros_like(mean)
    extra = deals.dispersion - 1.0
    if extra > 1e-3:
        mean = rng.gamma(np.maximum(mean / extra, 1e-12)) * extra
    number = rng.poisson(mean)
    path = np.repeat(np.repeat(np.arange(paths), number.shape[1]), number.ravel())
    period = np.repeat(np.tile(np.arange(number.shape[1]), paths), number.ravel())
    template = _templates(rng, deals, period)
    amounts = deals.amounts[template] * amount[path] if len(path) else np.zeros(0)
    return Wins(path, period, template, amounts, paths)


def _templates(rng: np.random.Generator, deals: NewDeals, period: Ints) -> Ints:
    """(wins,) past wins that new ones, each of a period, are like."""
    if deals.weights is None:
        return rng.integers(0, max(len(deals.amounts), 1), len(period))
    found = np.zeros(len(period), np.int64)
    for k, weights in enumerate(deals.weights):
        of_period, upto = np.flatnonzero(period == k), np.cumsum(weights)
        at = rng.random(len(of_period)) * upto[-1] if len(upto) else np.zeros(0)
        found[of_period] = np.searchsorted(upto, at, side="right")
    return found


def _add(totals: dict[str, Sums], part: slice, wins: Wins, codes: dict[str, Ints]) -> None:
    for dimension, total in totals.items():
        _, periods, members = total.shape
        cell = (wins.path * periods + wins.period) * members + codes[dimension][wins.deal]
        summed = np.bincount(cell, wins.amount, minlength=wins.paths * periods * members)
        total[part] = summed.reshape(wins.paths, periods, members)


def forecast_table(simulation: Simulation) -> pd.DataFrame:
    """Rows by period, scope and member: booked, open, new, mean, p10, p50, p90.

    `scope` is `total`, `open` (revenue of the deals open at as-of alone), or a dimension.
    """
    rows = [
        _row(simulation, dimension, member, k, name)
        for dimension in simulation.members
        for member in range(len(simulation.members[dimension]))
        for k, name in enumerate(simulation.calendar.names)
    ]
    rows += [_open_row(simulation, k, name) for k, name in enumerate(simulation.calendar.names)]
    frame = pd.DataFrame(rows)
    as_of = pd.Timestamp(simulation.calendar.as_of, unit="us", tz="UTC")
    frame.insert(0, "as_of", as_of)
    return frame


def _row(
    simulation: Simulation, dimension: str, member: int, k: int, name: str
) -> dict[str, object]:
    booked = float(simulation.booked[dimension][member]) if k == 0 else 0.0
    opened = simulation.open[dimension][:, k, member].astype(float)
    new = simulation.new[dimension][:, k, member].astype(float)
    p10, p50, p90 = np.quantile(booked + opened + new, [0.1, 0.5, 0.9])
    return {
        "period": name,
        "scope": dimension,
        "scope_id": simulation.members[dimension][member],
        "booked": booked,
        "open": opened.mean(),
        "new": new.mean(),
        "mean": booked + opened.mean() + new.mean(),
        "p10": p10,
        "p50": p50,
        "p90": p90,
    }


def _open_row(simulation: Simulation, k: int, name: str) -> dict[str, object]:
    opened = simulation.open[TOTAL][:, k, 0].astype(float)
    p10, p50, p90 = np.quantile(opened, [0.1, 0.5, 0.9])
    mean = opened.mean()
    return {
        "period": name, "scope": "open", "scope_id": "", "booked": 0.0, "open": mean, "new": 0.0,
        "mean": mean, "p10": p10, "p50": p50, "p90": p90,
    }  # fmt: skip
