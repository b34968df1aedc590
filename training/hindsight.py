"""How wide the intervals must be, by what the forecast would have said of its own past.

To replay the whole forecast takes minutes (`dealcast backtest --forecast`); every training replays
what moves all deals together. As of instants a month apart arrivals, lives of deals, amounts and
shock are learned from what was known then; the months after are simulated from these alone, open
deals by the life of their cohort; where what came fell among the paths says how much wider the
intervals must be.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from features.history import History
from features.windows import DAY, Floats, Ints
from training.booked import actuals
from training.forecast import TOTAL, Booked, Calendar, OpenDeals, simulate_forecast
from training.moved_in import moved_deals
from training.new_deals import new_deals
from training.outlook import spread_of
from training.shock import LEAST_DAYS, MONTH_DAYS, arrivals_at, shock_at
from training.widening import widening

MONTHS = 3
"""Months ahead that are simulated at each instant."""
MOST_ORIGINS = 24
LEAST_WINS = 10
"""Wins that an instant must have behind it: fewer are no model of amounts."""
PATHS = 1_000
COLUMNS = ("as_of", "ends", "block", "lead", "pit")


def learned_widening(history: History, as_of: int, *, priced: bool) -> dict[str, float]:
    """Factor on the spread of the paths (`widening`) and the instants behind it (`origins`)."""
    past = replayed(history, as_of, priced=priced)
    return {"widening": widening(past), "origins": float(past["as_of"].nunique())}


def replayed(history: History, as_of: int, *, priced: bool) -> pd.DataFrame:
    """A row an instant and month after it that was over by `as_of`, newest instant first.

    Columns
    -------
    as_of, ends : the instant, and the end of the month (microseconds)
    block : quarter that the instant lies in, counted back: its months hang together
    lead : months from the instant to the month
    pit : share of the paths below what came, by what is known at `as_of`
    """
    begin = int(history.known_from.min(initial=as_of)) + LEAST_DAYS * DAY
    cuts = [as_of - k * MONTH_DAYS * DAY for k in range(1, MOST_ORIGINS + 1)]
    rows = [
        (cut, end, (k // 3), lead, pit)
        for k, cut in enumerate(cut for cut in cuts if cut >= begin)
        for lead, (end, pit) in enumerate(_answered(history, cut, as_of, priced=priced))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answered(history: History, cut: int, as_of: int, *, priced: bool) -> list[tuple[int, float]]:
    """End and pit of each month after a cut that is over."""
    midnight = -(-cut // DAY) * DAY
    edges = midnight + np.arange(MONTHS + 1) * MONTH_DAYS * DAY
    paths = _paths(history, cut, edges, priced=priced)
    if paths is None:
        return []
    # Arrivals and lives leave out deals that were moved in, so they are no part of what came.
    moved = moved_deals(history, as_of)
    came, _ = actuals(history, as_of, edges, priced=priced, without=moved)
    pits = (paths < came).mean(axis=0) + (paths == came).mean(axis=0) / 2
    ended = zip(edges[1:], pits, strict=True)
    return [(int(end), float(pit)) for end, pit in ended if end <= as_of]


def _paths(history: History, cut: int, edges: Ints, *, priced: bool) -> Floats | None:
    """(paths, months) of what all deals bring; None where too few wins were known."""
    names = tuple(f"month {k}" for k in range(MONTHS))
    calendar = Calendar(cut, edges, names, np.zeros(MONTHS, np.int64))
    arrivals = arrivals_at(history, cut)
    new = new_deals(history, cut, calendar, arrivals, priced)
    if len(new.amounts) < LEAST_WINS:
        return None
    spread = spread_of(shock_at(history, cut), arrivals, new)
    # Open deals are among them, so wins of any age are what is to come.
    every = replace(new, wins=arrivals.wins_of_all(MONTH_DAYS, MONTHS), weights=None)
    none = np.zeros(0)
    nobody = OpenDeals(np.zeros((0, MONTHS)), none, none, new.labels.iloc[:0])
    nothing = Booked(none, new.labels.iloc[:0])
    found = simulate_forecast(calendar, nobody, every, nothing, paths=PATHS, spread=spread)
    return np.asarray(found.new[TOTAL][:, :, 0], float)
