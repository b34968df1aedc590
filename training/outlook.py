"""The forecast of a firm as of an instant: gathers what the simulation needs and runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.fiscal import Period
from features.history import WON, History
from features.snapshots import Snapshots
from features.windows import DAY, Floats, Ints
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
from training.scoring import Scored, current_owner, score, team_of
from training.series import Series
from training.shock import arrivals_at, shock_at
from training.targets import Targets, with_targets
from training.timing import calendar_days

DIMENSIONS = ("owner", "team", "pipeline", "source")
TEMPLATE_DAYS = 3 * 365
MOST_TEMPLATES = 10_000
AMOUNT_GROWTH_SD = 0.03
"""Prior standard deviation of a year's growth of amounts, log scale."""
TERMS = "forecast"
"""Name of what past forecasts have taught, on the card of a bundle."""
MOST_SHOCK = 0.8
UNREACHABLE_WINS = 400.0
"""This over the number of past wins is the weight of one of an age that a period cannot hold: few
wins cannot tell how amounts go with age. On 20 firms of some 1,400 wins and known truth the mean
amount was off by .060 (root mean square) at a weight of .02, by .054 at .3."""
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


def labels_of(history: History, deal: Ints, time: Ints) -> pd.DataFrame:
    """(n,) owner, team, pipeline and source of deals, as known at instants."""
    owner = current_owner(history, Snapshots(deal, time))
    rows = history.tables.deals.iloc[deal]
    return pd.DataFrame(
        {
            "owner": owner,
            "team": team_of(history, owner),
            "pipeline": rows["pipeline"].to_numpy(),
            "source": rows["source"].to_numpy(),
        }
    )


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


def _past_wins(history: History, as_of: int) -> Ints:
    """Closings won in the years before as-of (of all time where those are few): indices."""
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < as_of)
    recent = won & (closings.time >= as_of - TEMPLATE_DAYS * DAY)
    found = np.flatnonzero(recent if recent.sum() >= 30 else won)
    return found[:: max(1, int(np.ceil(len(found) / MOST_TEMPLATES)))]


def new_deals(
    history: History, as_of: int, calendar: Calendar, arrivals: Arrivals, priced: bool
) -> NewDeals:
    """Deals not yet created: how many will be won in each period, and what those are like."""
    closings = history.closings
    amounts, wins = _amounts(history, _past_wins(history, as_of), priced)
    amounts = amounts * _inflation(amounts, (as_of - closings.time[wins]) / (365.25 * DAY))
    expected = arrivals.wins_between(as_of, calendar.edges)
    segment = arrivals.segment[closings.group[wins]]
    age = (closings.values["happened"][wins] - history.created[closings.group[wins]]) / DAY
    return NewDeals(
        expected.sum(axis=0),
        arrivals.won.dispersion,
        amounts,
        labels_of(history, closings.group[wins], closings.time[wins]),
        _weights(_reachable(age, calendar), segment, expected),
    )


def _weights(reachable: Floats, segment: Ints, expected: Floats) -> Floats:
    """(periods, wins) weight of each past win, such that a segment has its share of a period.

    Shared out within segments, for a fast one has more wins of an age that is near.
    """
    of_segment = np.eye(len(expected))[segment]
    share: Floats = reachable / ((reachable @ of_segment) @ of_segment.T)
    return share * (expected[segment].T + 1e-12)


def _reachable(age: Floats, calendar: Calendar) -> Floats:
    """(periods, wins) how likely a deal created from as-of on is to be of an age in a period.

    Deals that take long are larger or smaller than others; those of months to come cannot be old.
    """
    end = calendar.ends_in_days[:, None]
    begin = np.concatenate([[[0.0]], end[:-1]])
    share: Floats = np.clip(end - np.maximum(begin, age), 0, None) / (end - begin)
    return share + min(UNREACHABLE_WINS / max(len(age), 1), 1.0)


def _inflation(amounts: Floats, years: Floats) -> Floats:
    """(wins,) factor that brings amounts of years ago to those of as-of; shrunk to 1."""
    if len(amounts) < 2:
        return np.ones(len(amounts))
    log, back = np.log(amounts), years - years.mean()
    residual = max(float(log.var()), 1e-9)
    growth = -float(back @ log) / (float(back @ back) + residual / AMOUNT_GROWTH_SD**2)
    return np.exp(growth * years)


def _booked(history: History, calendar: Calendar, priced: bool) -> Booked:
    """Wins of the first period that were known before as-of, by the date they happened."""
    closings = history.closings
    happened = closings.values["happened"]
    inside = standing_wins(history, calendar.as_of)
    wins = np.flatnonzero(inside & (happened >= calendar.edges[0]) & (happened < calendar.as_of))
    amounts = closing_amounts(history)[wins] if priced else np.ones(len(wins))
    labels = labels_of(history, closings.group[wins], closings.time[wins])
    return Booked(np.nan_to_num(amounts), labels)


def _amounts(history: History, wins: Ints, priced: bool) -> tuple[Floats, Ints]:
    """Amounts of wins, and the wins that have one."""
    if not priced:
        return np.ones(len(wins)), wins
    amounts = closing_amounts(history)[wins]
    has = ~np.isnan(amounts)
    return amounts[has], wins[has]
