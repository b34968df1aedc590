"""Where the open deals are in a forecast: every one of them in exactly one line, none dropped.

A deal may be slipped, stale and without amount at once. It stands in the first line of `LINES`
that fits it, so that the lines add up to the open total; how many deals each line would fit in
all is counted beside it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.history import History
from features.windows import DAY, Bools, Floats
from training.outlook import Outlook

LINES = {
    "no amount": "no amount is known: counted at the usual amount of such deals",
    "stale": "no activity and no stage change for 60 days",
    "slipped": "the expected close date has passed",
    "beyond": "expected to close after the periods shown",
    "no date": "no expected close date",
    "in time": "expected to close within the periods shown",
}
"""Each line and what its deals have in common, in the order in which they are tried."""


def expected_by_period(outlook: Outlook) -> Floats:
    """(deals, periods) expected revenue of each open deal, in the order of `outlook.deals`.

    Chance of winning in the period times amount, each period scaled (shock and draws move the
    simulated mean a little) so that the deals add up to the forecast's `open` of the total.
    """
    steps = np.diff(outlook.deals.won_by, axis=1, prepend=0.0)
    plain: Floats = steps * outlook.deals.amount[:, None]
    frame = outlook.frame
    shown = frame[frame["scope"] == "total"].set_index("period")["open"]
    goal = shown.reindex(list(outlook.calendar.names)).to_numpy(float)
    total = plain.sum(axis=0)
    scale = np.divide(goal, total, out=np.ones_like(goal), where=total > 0)
    return np.asarray(plain * scale)


def deal_lines(history: History, outlook: Outlook) -> pd.DataFrame:
    """Rows by open deal: deal_id, owner_id, line, every trait, amount, expected_close, revenue.

    `inside` is the expected revenue within the periods of the forecast, `after` that of later
    ones. A deal's traits (columns named as the lines) may be several; `line` is the first.
    """
    snapshots, frame = outlook.scored.snapshots, outlook.scored.frame
    due = history.changes["expected_close_date"].last("value", snapshots.deal, snapshots.time)
    traits = _traits(outlook, due)
    inside = expected_by_period(outlook).sum(axis=1)
    ever = outlook.scored.incidence.won[:, -1] * outlook.deals.amount
    by_end = outlook.deals.won_by[:, -1] * outlook.deals.amount
    first = np.argmax(np.column_stack(list(traits.values())), axis=1)
    return pd.DataFrame(
        {
            "deal_id": frame["deal_id"],
            "owner_id": frame["owner_id"],
            "line": np.array(list(LINES), dtype=object)[first],
            **traits,
            "amount": frame["amount"],
            "expected_close": pd.to_datetime(due, unit="us", utc=True),
            "inside": inside,
            "after": np.maximum(ever - by_end, 0.0),
        }
    )


def _traits(outlook: Outlook, due: Floats) -> dict[str, Bools]:
    frame, calendar = outlook.scored.frame, outlook.calendar
    slipped, beyond, dateless = due + DAY <= calendar.as_of, due >= calendar.edges[-1], due != due
    return {
        "no amount": frame["amount_missing"].to_numpy(bool),
        "stale": frame["stale"].to_numpy(bool),
        "slipped": slipped,
        "beyond": beyond,
        "no date": dateless,
        "in time": ~(slipped | beyond | dateless),
    }


def lines(deals: pd.DataFrame) -> pd.DataFrame:
    """Sum `deal_lines` into a row a line: line, deals, amount, inside, after, in_all.

    Every line of `LINES` has its row, in that order. The first four columns of figures add up to
    all open deals; `in_all` counts the deals that the line fits, whichever line they stand in.
    """
    sums = deals.groupby("line")[["amount", "inside", "after"]].sum().reindex(list(LINES))
    count = deals["line"].value_counts().reindex(list(LINES))
    found = pd.DataFrame({"deals": count.fillna(0).astype(int), **sums.fillna(0.0)})
    found["in_all"] = [int(deals[name].sum()) for name in LINES]
    return found.rename_axis("line").reset_index()
