"""The forecast judged on the past: `forecast_backtest` replays, compares and tries its terms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.history import History
from training.amount import closing_amounts
from training.booked import standing_wins
from training.origins import Past
from training.revenue_figures import Revenue, blocks, differences, summary
from training.revenue_past import MOST_QUARTERS, Asked, Progress, instants, replay
from training.revenue_rivals import with_rivals
from training.revenue_terms import tried

USUAL_VARIATION = 1.2
"""Standard deviation of amounts over their mean, where the history tells none."""


class TooShortError(ValueError):
    """The history holds no period that could be replayed; the message says what is needed."""


def forecast_backtest(
    history: History,
    as_of: int,
    *,
    quarters: int = MOST_QUARTERS,
    asked: list[Asked] | None = None,
    progress: Progress = lambda _: None,
) -> Revenue:
    """Replay the forecast of past quarters and judge it beside its rivals.

    Parameters
    ----------
    quarters : past quarters to replay, at most; `asked` names the instants instead

    Raises
    ------
    TooShortError
        Where no past quarter has half a year and 30 closed deals before it.
    """
    asked = instants(history, as_of, quarters) if asked is None else asked
    if not asked:
        raise TooShortError(
            "the history is too short to replay its forecast: a quarter needs half a year and 30 "
            "closed deals before it, and its first month over; wait, or import more history"
        )
    start_month = history.settings.fiscal_year_start_month
    progress("laying out the past")
    past = Past.of(history, as_of)
    rows = replay(past, asked, progress, lambda found: with_rivals(history, found))
    rows = blocks(rows, start_month)
    variation, unit = variation_of(history, as_of)
    return Revenue(
        as_of,
        unit,
        rows,
        variation,
        summary(rows, variation),
        differences(rows),
        tried(rows, start_month),
    )


def variation_of(history: History, as_of: int) -> tuple[float, str]:
    """Standard deviation of won amounts over their mean, and the unit that is forecast."""
    amounts = pd.Series(closing_amounts(history)[standing_wins(history, as_of)]).dropna()
    if not len(amounts):
        return 0.0, "wins"
    spread = float(amounts.std() / amounts.mean()) if len(amounts) > 30 else USUAL_VARIATION
    return float(np.nan_to_num(spread, nan=USUAL_VARIATION)), "revenue"
