"""The forecast replayed: what it would have said at instants of the past, and what then came.

The close model and the amounts are learned anew at the start of each past quarter; every instant
is answered by the newest model learned before it, arrivals and calendar being learned as of the
instant itself. Asked are the quarter that runs (at its day 1, 30, 60 and 80) and the months ahead
(at the start of each month).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.fiscal import Period, boundaries
from features.history import History
from features.vocabulary import learn_vocabulary
from features.windows import DAY, Floats, Ints
from training.amount import fit_amount
from training.booked import actuals
from training.bundle import Bundle
from training.close import fit_close
from training.forecast import TOTAL, Calendar, Simulation, simulate_forecast
from training.origins import Past
from training.outlook import Parts, parts_of
from training.scoring import Scored, score
from training.tiers import learner_of, tier_for
from training.validation import LEAST_CLOSED

DAYS_OF_QUARTER = (1, 30, 60, 80)
LEADS = 6
"""Months ahead that are asked at the start of each month; the running one is lead 0."""
MOST_QUARTERS = 6
LEAST_DAYS = 180
"""Days of history that the first origin must have behind it."""
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
PATHS = 2_000
KEY = ("as_of", "kind", "day", "period", "lead")


@dataclass(frozen=True)
class Asked:
    """An instant, and what is asked there.

    Attributes
    ----------
    at : instant in microseconds
    day : day of the quarter (1, 30, 60, 80) whose total is asked; 0 where months are
    """

    at: int
    day: int

    @property
    def kind(self) -> Period:
        """`quarter` or `month`."""
        return "quarter" if self.day else "month"


def quarter_starts(history: History, as_of: int, most: int = MOST_QUARTERS) -> list[int]:
    """Starts of past quarters, oldest first, with enough history before them."""
    start_month = history.settings.fiscal_year_start_month
    running = int(boundaries(as_of, "quarter", 1, start_month)[0])
    found = [running] if as_of > running else []
    for _ in range(most + 1 - len(found)):
        found.append(
            int(boundaries((found[-1] if found else running) - DAY, "quarter", 1, start_month)[0])
        )
    return sorted(q for q in found if knows_enough(history, q))


def knows_enough(history: History, at: int) -> bool:
    """Whether an instant has half a year and 30 closed deals before it: enough to learn from."""
    first = int(history.known_from.min(initial=at)) + LEAST_DAYS * DAY
    return at >= first and int((history.closings.time < at).sum()) >= LEAST_CLOSED


def instants(history: History, as_of: int, most: int = MOST_QUARTERS) -> list[Asked]:
    """Everything asked before `as_of` that has a first answer by then, in order of time."""
    start_month = history.settings.fiscal_year_start_month
    found = []
    for begin in quarter_starts(history, as_of, most):
        end = int(boundaries(begin, "quarter", 1, start_month)[1])
        found += [Asked(begin + (day - 1) * DAY, day) for day in DAYS_OF_QUARTER if end <= as_of]
        months = boundaries(begin, "month", 3)
        found += [
            Asked(int(at), 0) for at in months[:3] if boundaries(int(at), "month", 1)[1] <= as_of
        ]
    return sorted(found, key=lambda asked: (asked.at, asked.day))


@dataclass(frozen=True)
class Answered:
    """What the forecast said of one instant, with what it was made of.

    Attributes
    ----------
    rows : one a period, columns of `replay`
    calendar, parts, scored, bundle : behind it, for rivals and terms
    """

    asked: Asked
    rows: pd.DataFrame
    calendar: Calendar
    parts: Parts
    scored: Scored
    bundle: Bundle


def light_bundle(past: Past, cut: int) -> Bundle:
    """A bundle learned on what was known at `cut`, without its validation."""
    known = past.at(cut)
    tier = tier_for(known.closed)
    close = fit_close(
        known.panel, learner_of(tier, known.categorical, known.closed), known.longest
    )
    columns = tuple(map(str, known.panel.features.columns))
    vocabulary = learn_vocabulary(past.history, cut)
    amount = fit_amount(past.history, known.panel)
    return Bundle(tier, columns, vocabulary, close, close, amount, cut)


Progress = Callable[[str], None]


def replay(
    past: Past,
    asked: Sequence[Asked],
    progress: Progress = lambda _: None,
    look: Callable[[Answered], pd.DataFrame] = lambda answered: answered.rows,
) -> pd.DataFrame:
    """Answer every instant, in order of time.

    Parameters
    ----------
    look : makes the rows of an instant from what was answered; rivals are asked here

    Returns
    -------
    A row an instant and period: as_of, kind, day, period, lead, booked, open, new, mean, sd, a
    column of quantiles a level (`q10`), actual, wins (their number in the period), pit (share of
    paths below what came).
    """
    origins = quarter_starts(past.history, past.as_of)
    bundle, scored, at, frames = None, None, 0, []
    for number, each in enumerate(asked, 1):
        cut = max(q for q in origins if q <= each.at)
        if bundle is None or bundle.cut != cut:
            progress(f"learning as of {_day(cut)}")
            bundle = light_bundle(past, cut)
        if scored is None or at != each.at:
            progress(f"forecasting {_day(each.at)} ({number} of {len(asked)})")
            scored, at = score(bundle, past.history, each.at), each.at
        frames.append(look(_answer(past, each, bundle, scored)))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(KEY))


def _day(at: int) -> str:
    return f"{pd.Timestamp(at, unit='us', tz='UTC'):%Y-%m-%d}"


def _answer(past: Past, asked: Asked, bundle: Bundle, scored: Scored) -> Answered:
    start_month = past.history.settings.fiscal_year_start_month
    periods = 1 if asked.day else LEADS
    calendar = Calendar.of(asked.at, asked.kind, periods, start_month)
    parts = parts_of(bundle, past.history, calendar, scored)
    found = simulate_forecast(
        calendar, parts.deals, parts.new, parts.booked, paths=PATHS, spread=parts.spread
    )
    came, wins = actuals(past.history, past.as_of, calendar.edges, priced=bundle.amount.wins > 0)
    rows = _rows(asked, calendar, found, came, wins)
    over = calendar.edges[1:] <= past.as_of
    return Answered(asked, rows[over].reset_index(drop=True), calendar, parts, scored, bundle)


def _rows(
    asked: Asked, calendar: Calendar, found: Simulation, came: Floats, wins: Ints
) -> pd.DataFrame:
    periods = np.arange(len(calendar.names))
    booked = np.where(periods == 0, found.booked[TOTAL][0], 0.0)
    opened, new = (side[TOTAL][:, :, 0].astype(float) for side in (found.open, found.new))
    paths = opened + new + booked
    levels = np.quantile(paths, LEVELS, axis=0)
    below = (paths < came).mean(axis=0) + (paths == came).mean(axis=0) / 2
    return pd.DataFrame(
        {
            "as_of": pd.Timestamp(asked.at, unit="us", tz="UTC"),
            "kind": asked.kind,
            "day": asked.day,
            "period": calendar.names,
            "lead": periods,
            "booked": booked,
            "open": opened.mean(axis=0),
            "new": new.mean(axis=0),
            "mean": paths.mean(axis=0),
            "sd": paths.std(axis=0),
            **{f"q{round(100 * level):02d}": q for level, q in zip(LEVELS, levels, strict=True)},
            "actual": came,
            "wins": wins,
            "pit": below,
        }
    )
