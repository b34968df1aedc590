"""What models would have forecast at past instants, each learned on what was known then.

A registered model is seldom as old as the quarters that judgement is scored on. Here one is
learned as of each of them, as the backtest of the forecast does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from features.history import History
from training.origins import Past
from training.outlook import make_outlook
from training.revenue_past import knows_enough, light_bundle
from training.standing import Span


def refitted(
    history: History,
    as_of: int,
    asked: Sequence[tuple[int, Span]],
    progress: Callable[[str], None] = lambda _: None,
) -> pd.DataFrame | None:
    """Forecasts by owner, in the columns of `forecast_table`.

    Parameters
    ----------
    as_of : instant (microseconds) up to which the past is laid out; no answer depends on it
    asked : past instants, and the period that each is asked about

    Returns
    -------
    None where no instant has half a year and 30 closed deals before it.
    """
    able = [(at, span) for at, span in asked if knows_enough(history, at)]
    if not able:
        return None
    progress("laying out the past")
    past, frames = Past.of(history, as_of), []
    for at, span in able:
        progress(f"learning as of {pd.Timestamp(at, unit='us'):%Y-%m-%d}")
        bundle = light_bundle(past, at)
        outlook = make_outlook(bundle, history, at, period=span.kind, periods=1, by=("owner",))
        frames.append(outlook.frame)
    return pd.concat(frames, ignore_index=True)
