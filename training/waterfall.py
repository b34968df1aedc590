"""What changed: a period's forecast at two instants, and the deals behind the difference.

Every deal's movement goes into one bar, or into two where its amount changed: first the amount at
the old chance, then the chance at the new amount. One model stands on both sides, that of the
first instant, so that no bar is made of having trained again; where another answers at the second
instant, the difference between the two then is a bar of its own. Cents are whole numbers: begin
and bars add up to the end exactly, for the firm and for every owner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.history import History
from features.windows import Bools
from training.bundle import Bundle
from training.forecast import PATHS
from training.standing import (
    BOOKED,
    ELSEWHERE,
    LOST,
    STILL_OPEN,
    UNKNOWN,
    Span,
    Standing,
    stand,
)

BARS = {
    "won": "won within the period since: amount booked, less what was expected of it",
    "lost": "lost since: what was expected of it",
    "created": "not known at the first instant: booked, or expected by now",
    "amount up": "the CRM's amount changed, and more is expected for it",
    "amount down": "the CRM's amount changed, and less is expected for it",
    "pulled in": "the expected close date moved from after the period's end to before it",
    "pushed out": "the expected close date moved from before the period's end to after it, or the "
    "period ended while the deal was open",
    "chance up": "news of the deal made a win within the period likelier",
    "chance down": "news of the deal made a win within the period less likely",
    "no news": "nothing was recorded of the deal while time passed",
    "won elsewhere": "won since, but outside the period",
    "reopened or corrected": "closed at the first instant, and told otherwise since",
    "not yet created": "less time, or another pace, for deals that are still to come",
    "model changed": "another model answers at the second instant",
}
"""Each bar of a waterfall and its meaning, in the order of the picture."""


@dataclass(frozen=True)
class Waterfall:
    """The movement of one period between two instants; amounts in whole cents.

    Attributes
    ----------
    rows : bar, deal_id (empty for what is no deal's), owner (who owns it at the second instant),
        cents; and of the deal before and after: state, cents, amount (CRM), chance, due
    owners : (owner) begin and end in cents
    unit : `revenue` or `wins`
    """

    span: Span
    since: int
    as_of: int
    begin: int
    end: int
    rows: pd.DataFrame
    owners: pd.DataFrame
    unit: str

    def bars(self, owner: str | None = None) -> pd.DataFrame:
        """Rows (bar, cents, deals) of the firm or of one owner, every bar in its order."""
        rows = self.rows if owner is None else self.rows[self.rows["owner"] == owner]
        cents = rows.groupby("bar")["cents"].sum().reindex(list(BARS)).fillna(0)
        deals = rows.loc[rows["deal_id"] != "", "bar"].value_counts().reindex(list(BARS)).fillna(0)
        found = pd.DataFrame({"cents": cents, "deals": deals}).astype(np.int64)
        return found.rename_axis("bar").reset_index()


def waterfall(
    first: Bundle,
    second: Bundle,
    history: History,
    since: int,
    as_of: int,
    span: Span,
    *,
    paths: int = PATHS,
    progress: Callable[[str], None] = lambda _: None,
) -> Waterfall:
    """Explain the movement of a period's forecast from `since` to `as_of` (microseconds).

    Parameters
    ----------
    first, second : the bundles that answer at the two instants; often the same
    """
    if (first.amount.wins > 0) != (second.amount.wins > 0):
        first = second  # a count of wins cannot become revenue: the newer one tells both sides
    progress(f"forecast as of {pd.Timestamp(since, unit='us'):%Y-%m-%d}")
    before = stand(first, history, since, span, paths=paths)
    progress(f"forecast as of {pd.Timestamp(as_of, unit='us'):%Y-%m-%d}")
    after = stand(first, history, as_of, span, paths=paths)
    same = first is second or (first.version == second.version and first.cut == second.cut)
    final = after if same else stand(second, history, as_of, span, paths=paths)
    return compare(before, after, final, span, history)


def compare(
    before: Standing, after: Standing, final: Standing, span: Span, history: History
) -> Waterfall:
    """Put the movement between two standings into bars; `final` is `after` by the newer model."""
    both = _side_by_side(before, after, history)
    heard_of = _heard_of(history, before.as_of, after.as_of)
    over = before.as_of < span.end <= after.as_of
    rows = _deal_rows(both, span, heard_of, over=over)
    rows += [_owner_rows("not yet created", after.new.sub(before.new, fill_value=0))]
    rows += [
        _part(both, "model changed", final.deals["cents"] - after.deals["cents"]),
        _owner_rows("model changed", final.new.sub(after.new, fill_value=0)),
    ]
    found = pd.concat(rows, ignore_index=True)
    owner = both["owner"]
    ends = pd.DataFrame(
        {
            "begin": before.deals["cents"].groupby(owner).sum().add(before.new, fill_value=0),
            "end": final.deals["cents"].groupby(owner).sum().add(final.new, fill_value=0),
        }
    )
    return Waterfall(
        *(span, before.as_of, after.as_of, before.total, final.total, found),
        owners=ends.fillna(0).astype(np.int64).rename_axis("owner"),
        unit=after.unit,
    )


def _side_by_side(before: Standing, after: Standing, history: History) -> pd.DataFrame:
    """A row a deal with the columns of both standings; the owner is that of the second."""
    names = ("state", "cents", "amount", "expected", "due")
    columns = {
        f"{name}_{side}": standing.deals[name]
        for side, standing in (("before", before), ("after", after))
        for name in names
    }
    frame = pd.DataFrame({"deal_id": list(history.deal_ids), **columns})
    for side in ("before", "after"):
        worth = 100.0 * frame[f"expected_{side}"]
        chance = frame[f"cents_{side}"] / worth.where(worth > 0)
        frame[f"chance_{side}"] = chance.where(frame[f"state_{side}"] == STILL_OPEN)
    frame["owner"] = after.deals["owner"]
    frame["known"] = frame["state_after"] != UNKNOWN
    return frame


def _deal_rows(
    both: pd.DataFrame, span: Span, heard_of: Bools, *, over: bool
) -> list[pd.DataFrame]:
    """Rows of the bars made of deals: the amount's part first, then all the rest of a deal."""
    moved = both["cents_after"] - both["cents_before"]
    was, now = both["state_before"], both["state_after"]
    stayed = (was == STILL_OPEN) & (now == STILL_OPEN)
    of_amount = _by_amount(both, stayed)
    rest = moved - of_amount
    pulled = (both["due_before"] >= span.end) & (both["due_after"] < span.end)
    pushed = (both["due_before"] < span.end) & (both["due_after"] >= span.end)
    pushed |= stayed & over
    bar = np.select(
        [
            was == UNKNOWN,
            was != STILL_OPEN,
            now == BOOKED,
            now == LOST,
            now == ELSEWHERE,
            pulled,
            pushed,
            ~heard_of,
            rest > 0,
        ],
        [
            *("created", "reopened or corrected", "won", "lost", "won elsewhere"),
            *("pulled in", "pushed out", "no news", "chance up"),
        ],
        "chance down",
    )
    ended = now.isin([BOOKED, LOST]) & (was == STILL_OPEN)
    entered = (was == UNKNOWN) & both["known"]
    tell = (rest != 0) | ended | entered | (stayed & (pulled | pushed))
    return [
        _part(both, np.where(of_amount > 0, "amount up", "amount down"), of_amount),
        _part(both, bar, rest, tell),
    ]


def _by_amount(both: pd.DataFrame, stayed: pd.Series) -> pd.Series:
    """Cents a deal moved for its amount: the old chance times the change of what it would bring.

    Nothing where the CRM's amount is what it was: the model's own second thoughts are chance.
    """
    old, new = both["amount_before"], both["amount_after"]
    changed = stayed & (old != new) & ~(old.isna() & new.isna())
    step = 100.0 * both["chance_before"] * (both["expected_after"] - both["expected_before"])
    return step.where(changed).fillna(0.0).round().astype(np.int64)


def _heard_of(history: History, since: int, as_of: int) -> Bools:
    """(deals,) whether any fact of the deal became known in [since, as_of)."""
    deal = np.arange(history.size)
    count = np.zeros(history.size)
    for facts in (history.activities, history.stages, *history.changes.values()):
        count += facts.count(deal, np.full(history.size, as_of, np.int64))
        count -= facts.count(deal, np.full(history.size, since, np.int64))
    heard: Bools = count > 0
    return heard


def _part(
    both: pd.DataFrame, bar: Any, cents: pd.Series, tell: pd.Series | None = None
) -> pd.DataFrame:
    """Rows of the deals to tell: by default of those whose cents moved."""
    columns = [
        f"{name}_{side}"
        for name in ("state", "cents", "amount", "chance", "due")
        for side in ("before", "after")
    ]
    frame = both.assign(bar=bar, cents=cents)[["bar", "deal_id", "owner", "cents", *columns]]
    return frame[cents != 0 if tell is None else tell]


def _owner_rows(bar: str, cents: pd.Series) -> pd.DataFrame:
    """Rows of what is no deal's, by owner."""
    moved = cents[cents != 0].astype(np.int64)
    return pd.DataFrame(
        {"bar": bar, "deal_id": "", "owner": moved.index.astype(str), "cents": moved.to_numpy()}
    )
