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

from features.beside import side_by_side
from features.fiscal import Period, boundaries, period_name
from features.windows import DAY, Bools, Floats, Ints
from training.draws import Past, Wins, cumulative_hazards, draw_new, draw_open, sum_up

Sums = npt.NDArray[np.float32]

PATHS = 10_000
CHUNK_CELLS = 500_000
"""Deals, or wins, times paths worked on at once: so few that memory is soon used again."""
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
    total : of what every quarter brings beyond that, as a backtest has learned
    level : factor on the hazards of all deals; what a backtest has learned of the bias
    """

    shock: float = SHOCK_SD
    opened: float = 0.0
    new: float = 0.0
    amount: float = 0.0
    total: float = 0.0
    level: float = 1.0


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
    upto, past = cumulative_hazards(open_deals.won_by), _past(new_deals)
    step = max(1, int(CHUNK_CELLS / max(len(open_deals.amount), new_deals.wins.sum(), 1)))
    begins = range(0, paths, step)

    def walk(chunk: tuple[int, np.random.Generator]) -> None:
        part, own = slice(chunk[0], min(chunk[0] + step, paths)), chunk[1]
        deal, cell = draw_open(own, upto, moved.opened[part])
        wins = Wins(cell, deal, _amounts_drawn(own, open_deals, deal))
        _add(totals["open"], part, wins, {d: s[0] for d, s in split.items()})
        expected = new_deals.wins, new_deals.dispersion
        wins = draw_new(own, *expected, past, moved.new[part], named=bool(dimensions))
        _add(totals["new"], part, wins, {d: s[1] for d, s in split.items()})

    # Every chunk has a stream of its own: what is drawn does not depend on which is first.
    for share in side_by_side(walk, list(zip(begins, rng.spawn(len(begins)), strict=True))):
        if progress:
            progress(share)
    for dimension in codes:
        totals["open"][dimension] *= moved.total[:, :, None]
        totals["new"][dimension] *= moved.total[:, :, None] * moved.amount[:, None, None]
    sums = {
        d: np.bincount(s[2], booked.amounts, minlength=len(members[d])).astype(float)
        for d, s in split.items()
    }
    return Simulation(calendar, totals["open"], totals["new"], sums, members)


@dataclass(frozen=True)
class _Moved:
    """Factors on hazards of open and new deals and on what all bring, (paths, periods) each.

    `amount` (paths,) is a factor on the amounts of new deals.
    """

    opened: Floats
    new: Floats
    total: Sums
    amount: Sums


def _moved(rng: np.random.Generator, spread: Spread, quarter: Ints, paths: int) -> _Moved:
    """Draw what moves the deals of each path together; factors have a mean of 1, or `level`."""

    def factors(sd: float, count: int) -> Floats:
        return np.exp(rng.normal(-(sd**2) / 2, sd, (paths, count)))

    quarters = int(quarter.max()) + 1
    shock = factors(spread.shock, quarters)[:, quarter]
    opened, new, amount = (factors(sd, 1) for sd in (spread.opened, spread.new, spread.amount))
    total = factors(spread.total, quarters)[:, quarter].astype(np.float32)
    shock = shock * spread.level
    return _Moved(shock * opened, shock * new, total, amount[:, 0].astype(np.float32))


def _members(
    labels: pd.DataFrame, dimensions: Sequence[str]
) -> tuple[dict[str, Ints], dict[str, tuple[str, ...]]]:
    codes = {TOTAL: np.zeros(len(labels), np.int64)}
    members: dict[str, tuple[str, ...]] = {TOTAL: ("",)}
    for dimension in dimensions:
        code, names = pd.factorize(labels[dimension].fillna("").astype(str), sort=True)
        codes[dimension], members[dimension] = code.astype(np.int64), tuple(names)
    return codes, members


def _past(deals: NewDeals) -> Past:
    """Past wins that new ones will be like."""
    return Past.of(deals.amounts, deals.weights, len(deals.wins))


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


def _add(totals: dict[str, Sums], part: slice, wins: Wins, codes: dict[str, Ints]) -> None:
    for dimension, total in totals.items():
        shape = (part.stop - part.start, *total.shape[1:])
        total[part] = sum_up(wins, shape, codes[dimension])


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
