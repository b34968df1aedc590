"""Deals not yet created, for the forecast: how many will be won when, and what those are like.

Past wins stand for them, each weighing as much as one of its segment and age is to be expected in
a period; their amounts are brought to those of today.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.history import WON, History
from features.outcomes import closed_at
from features.snapshots import Snapshots
from features.windows import DAY, Floats, Ints
from training.amount import closing_amounts
from training.arrivals import Arrivals
from training.forecast import Calendar, NewDeals
from training.moved_in import moved_deals
from training.scoring import current_owner, team_of

TEMPLATE_DAYS = 3 * 365
LEAST_TEMPLATES, MOST_TEMPLATES = 30, 10_000
AMOUNT_GROWTH_SD = 0.03
"""Prior standard deviation of a year's growth of amounts, log scale."""
UNREACHABLE_WINS = 400.0
"""This over the number of past wins is the weight of one of an age that a period cannot hold: few
wins cannot tell how amounts go with age. With next to no weight the mean amount was off by .045
and .049 (root mean square over 40 firms of the demo and 16 written apart, of known truth and some
1,400 and 2,200 wins), so by .044 and .043."""


def new_deals(
    history: History, as_of: int, calendar: Calendar, arrivals: Arrivals, priced: bool
) -> NewDeals:
    """Deals not yet created: how many will be won in each period, and what those are like."""
    closings = history.closings
    amounts, wins = _amounts(history, _past_wins(history, as_of), priced)
    expected = arrivals.wins_between(as_of, calendar.edges)
    segment = arrivals.segment[closings.group[wins]]
    happened = closed_at(history)[wins]
    age = (happened - history.created[closings.group[wins]]) / DAY
    years = (as_of - happened) / (365.25 * DAY)
    amounts = amounts * inflation(amounts, years, alike(segment, age))
    return NewDeals(
        expected.sum(axis=0),
        arrivals.won.dispersion,
        amounts,
        labels_of(history, closings.group[wins], closings.time[wins]),
        _weights(_reachable(age, calendar), segment, expected),
    )


def _past_wins(history: History, as_of: int) -> Ints:
    """Closings won in the years before as-of (of all time where those are few): indices.

    Not those of deals moved in from elsewhere, whose age is unknown.
    """
    closings = history.closings
    won = (closings.values["outcome"] == WON) & (closings.time < as_of)
    recent = won & (closings.values["happened"] >= as_of - TEMPLATE_DAYS * DAY)
    recent &= ~moved_deals(history, as_of)[closings.group]
    found = np.flatnonzero(recent if recent.sum() >= LEAST_TEMPLATES else won)
    return found[:: max(1, int(np.ceil(len(found) / MOST_TEMPLATES)))]


def _amounts(history: History, wins: Ints, priced: bool) -> tuple[Floats, Ints]:
    """Amounts of wins, and the wins that have one."""
    if not priced:
        return np.ones(len(wins)), wins
    amounts = closing_amounts(history)[wins]
    has = ~np.isnan(amounts)
    return amounts[has], wins[has]


def _weights(reachable: Floats, segment: Ints, expected: Floats) -> Floats:
    """(periods, wins) weight of each past win, such that a segment has its share of a period.

    Shared out within segments, for a fast one has more wins of an age that is near.
    """
    of_segment = np.eye(len(expected))[segment]
    share: Floats = reachable / (reachable @ of_segment)[:, segment]
    return share * (expected[segment].T + 1e-12)


def _reachable(age: Floats, calendar: Calendar) -> Floats:
    """(periods, wins) how likely a deal created from as-of on is to be of an age in a period.

    Deals that take long are larger or smaller than others; those of months to come cannot be old.
    """
    end = calendar.ends_in_days[:, None]
    begin = np.concatenate([[[0.0]], end[:-1]])
    share: Floats = np.clip(end - np.maximum(begin, age), 0, None) / (end - begin)
    return share + min(UNREACHABLE_WINS / max(len(age), 1), 1.0)


def alike(segment: Ints, age: Floats) -> Floats:
    """(wins, columns) what amounts go by besides time: segment, and how long a deal took in it."""
    of_segment = np.eye(int(segment.max(initial=0)) + 1)[segment]
    slow = np.log1p(np.maximum(age, 0))[:, None]
    return np.concatenate([of_segment, of_segment * slow], axis=1)


def inflation(amounts: Floats, years: Floats, alike: Floats) -> Floats:
    """(wins,) factor that brings amounts of years ago to those of as-of; shrunk to 1.

    Of wins that are `alike`: the first of a history are those of fast deals, whose amounts differ.
    """
    if len(amounts) < 2:
        return np.ones(len(amounts))
    both = np.stack([np.log(amounts), years], axis=1)
    log, back = (both - alike @ np.linalg.lstsq(alike, both, rcond=None)[0]).T
    residual = max(float(log.var()), 1e-9)
    growth = -float(back @ log) / (float(back @ back) + residual / AMOUNT_GROWTH_SD**2)
    found: Floats = np.exp(growth * years)
    return found


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
