"""The forecast of a firm as of an instant: gathers what the simulation needs and runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.fiscal import Period
from features.history import History
from training.amount import closing_amounts
from training.arrivals import Arrivals
from training.booked import standing_wins
from training.bundle import Bundle
from training.fallback import MONTHS, Fallback, fall_back, moved, wanted
from training.forecast import (
    PATHS,
    Booked,
    Calendar,
    NewDeals,
    OpenDeals,
    Spread,
    forecast_table,
    simulate_forecast,
)
from training.new_deals import labels_of, new_deals
from training.scoring import Scored, score
from training.series import Series
from training.shock import arrivals_at, shock_at
from training.targets import Targets, with_targets
from training.timing import calendar_days

DIMENSIONS = ("owner", "team", "pipeline", "source")
TERMS = "forecast"
"""Name of what past forecasts have taught, on the card of a bundle."""
MOST_SHOCK = 0.8
OPEN_LEVEL_SD = 0.05
"""What the close model's level may be wrong by however many wins it has seen, log scale."""


@dataclass(frozen=True)
class Outlook:
    """A forecast with what must be said beside it.

    Attributes
    ----------
    frame : the table of `forecast_table`
    unit : `revenue` in the firm's currency, or `wins` where the history holds no won amount
    without_amount : open deals whose amount is not known; they count at the usual amount
    calendar : the periods of the table
    deals : what was simulated of each open deal, in the order of `scored.frame`
    scored : the scores behind it
    fallback : what deals not yet created were drawn to, where wins are few; else None
    """

    frame: pd.DataFrame
    unit: str
    open_deals: int
    without_amount: int
    stale: int
    calendar: Calendar
    deals: OpenDeals
    scored: Scored
    fallback: Fallback | None = None


def make_outlook(
    bundle: Bundle,
    history: History,
    as_of: int,
    *,
    period: Period = "month",
    periods: int = 3,
    by: Sequence[str] = (),
    paths: int = PATHS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    scored: Scored | None = None,
) -> Outlook:
    """Forecast `periods` periods from the one that holds `as_of` (microseconds) on."""
    scored = scored or score(bundle, history, as_of)
    calendar = Calendar.of(as_of, period, periods, history.settings.fiscal_year_start_month)
    priced = bundle.amount.wins > 0
    parts = parts_of(bundle, history, calendar, scored)
    simulation = simulate_forecast(
        calendar,
        parts.deals,
        parts.new,
        parts.booked,
        dimensions=by,
        paths=paths,
        seed=seed,
        spread=parts.spread,
        progress=progress,
    )
    deals = parts.deals
    return Outlook(
        with_targets(forecast_table(simulation), simulation, Targets.of(history)),
        "revenue" if priced else "wins",
        len(scored.frame),
        int(scored.frame["amount_missing"].sum()),
        int(scored.frame["stale"].sum()),
        calendar,
        deals,
        scored,
        parts.fallback,
    )


@dataclass(frozen=True)
class Parts:
    """What a forecast is simulated from."""

    deals: OpenDeals
    new: NewDeals
    booked: Booked
    spread: Spread
    fallback: Fallback | None = None


def parts_of(bundle: Bundle, history: History, calendar: Calendar, scored: Scored) -> Parts:
    """Gather them, with what a backtest has taught laid over them."""
    terms = bundle.card.get(TERMS, {})
    parts = _untaught(bundle, history, calendar, scored)
    fallback = _fallback(terms, bundle, history, calendar.as_of, scored)
    new, spread = parts.new, parts.spread
    if fallback is not None:
        new, spread = moved(new, spread, fallback.factor)
    return Parts(
        parts.deals, new, parts.booked, corrected(spread, parts.deals, new, terms), fallback
    )


def _untaught(bundle: Bundle, history: History, calendar: Calendar, scored: Scored) -> Parts:
    """Learn arrivals and shock as of the calendar's instant."""
    priced = bundle.amount.wins > 0
    arrivals = arrivals_at(history, calendar.as_of)
    new = new_deals(history, calendar.as_of, calendar, arrivals, priced)
    deals = _open(scored, bundle, history, calendar, arrivals, priced)
    spread = spread_of(shock_at(history, calendar.as_of), arrivals, new)
    return Parts(deals, new, _booked(history, calendar, priced), spread)


def _fallback(
    terms: Mapping[str, float], bundle: Bundle, history: History, as_of: int, scored: Scored
) -> Fallback | None:
    """What the terms fall back to as of an instant: the same whatever periods are asked."""
    asked = wanted(terms)
    if asked is None:
        return None
    ahead = Calendar.of(as_of, "month", MONTHS, history.settings.fiscal_year_start_month)
    parts = _untaught(bundle, history, ahead, scored)
    series = Series(history, ahead, 0.0, bundle.amount.wins > 0)
    return fall_back(*asked, series, parts.deals, parts.new, float(terms.get("level", 1.0)))


def corrected(
    spread: Spread, deals: OpenDeals, new: NewDeals, terms: Mapping[str, float]
) -> Spread:
    """Lay what a backtest of the forecast has learned over the spread.

    `widening` multiplies the standard deviation of a period's total: what chance and shocks do not
    give must be drawn beside them.
    """
    wider = float(terms.get("widening", 1.0))
    steps = np.diff(deals.won_by, axis=1, prepend=0.0)
    mean = steps.T @ deals.amount + new.wins * new.amounts.mean() if len(new.amounts) else new.wins
    square = float((new.amounts**2).mean()) if len(new.amounts) else 0.0
    chance = steps.T @ deals.amount**2 + new.wins * square
    variation = np.sqrt(chance) / np.maximum(mean, 1e-9)
    usual = min(float(np.median(variation)), 1.0)
    usual = usual**2 + spread.shock**2 + spread.new**2
    total = float(np.sqrt(max(wider**2 - 1.0, 0.0) * usual))
    return replace(spread, total=min(total, MOST_SHOCK), level=float(terms.get("level", 1.0)))


def _open(
    scored: Scored,
    bundle: Bundle,
    history: History,
    calendar: Calendar,
    arrivals: Arrivals,
    priced: bool,
) -> OpenDeals:
    amount = scored.expected_amount if priced else np.ones(len(scored.frame))
    days = calendar_days(scored.incidence, arrivals.won, calendar.as_of, calendar.ends_in_days)
    none = np.zeros(0)
    return OpenDeals(
        scored.incidence.won_by(days),
        amount,
        bundle.amount.ratio.errors if priced else none,
        labels_of(history, scored.snapshots.deal, scored.snapshots.time),
        scored.frame["amount_missing"].to_numpy(bool),
        bundle.amount.level.errors if priced else none,
    )


def spread_of(shock: float, arrivals: Arrivals, new: NewDeals) -> Spread:
    """What the models may be wrong by, from the number of wins behind them."""
    wins = max(len(new.amounts), 1)
    return Spread(
        shock=shock,
        opened=float(np.hypot(OPEN_LEVEL_SD, 1 / np.sqrt(wins))),
        new=arrivals.level_sd,
        amount=min(_mean_error(new), 0.5),
    )


def _mean_error(new: NewDeals) -> float:
    """Relative standard error of the mean amount, by the number of wins that weigh."""
    if new.weights is None or not len(new.amounts):
        return 0.0
    weight = new.weights.sum(axis=0) / new.weights.sum()
    mean = float(weight @ new.amounts)
    spread = float(weight @ (new.amounts - mean) ** 2)
    return float(np.sqrt(spread * (weight @ weight)) / max(mean, 1e-9))


def _booked(history: History, calendar: Calendar, priced: bool) -> Booked:
    """Wins of the first period that were known before as-of, by the date they happened."""
    closings = history.closings
    happened = closings.values["happened"]
    inside = standing_wins(history, calendar.as_of)
    wins = np.flatnonzero(inside & (happened >= calendar.edges[0]) & (happened < calendar.as_of))
    amounts = closing_amounts(history)[wins] if priced else np.ones(len(wins))
    labels = labels_of(history, closings.group[wins], closings.time[wins])
    return Booked(np.nan_to_num(amounts), labels)
