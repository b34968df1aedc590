"""Today: the deals in the order in which they are worth working, and what to do with each."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.windows import Ints
from serving.answers import currency
from serving.pages.asked import Asked, paged
from serving.pages.book import LANES, ORDERS, book_of, chosen, options, seen_by
from serving.pages.steps import next_step
from serving.pages.tables import Column, Table, shown
from serving.view import View
from training.changes_of_score import Changed

CAPACITY = 10
TELLING = 0.01
"""Movement of the probability since yesterday that is worth telling."""
COLUMNS = (
    Column("rank", "count"),
    Column("deal_id"),
    Column("name", link="href"),
    Column("account"),
    Column("owner"),
    Column("team"),
    Column("stage"),
    Column("source"),
    Column("own_amount", "money"),
    Column("currency"),
    Column("amount", "money"),
    Column("p_won_30", "chance"),
    Column("p_won_90", "chance"),
    Column("p_won_quarter", "chance"),
    Column("p_won", "chance"),
    Column("expected_revenue_90", "money"),
    Column("close_date_p10", "day"),
    Column("close_date_p50", "day"),
    Column("close_date_p90", "day"),
    Column("expected_close_date", "day"),
    Column("age_days", "days"),
    Column("days_since_activity", "days"),
    Column("flags"),
)


def today(view: View, asked: Asked) -> dict[str, Any]:
    """Give a page of the list with reasons and steps, the lanes, and what the list is worth."""
    rows = chosen(view, asked)
    where = paged(len(rows), asked)
    part = rows[where["first"] - 1 : where["last"]]
    deals = shown(
        book_of(view).iloc[part].assign(rank=np.arange(where["first"], where["last"] + 1))
    )
    if not asked.whole:
        deals = _explained(view, part, deals)
    return {
        **where,
        "deals": deals,
        "tables": {"deals": Table("deals", COLUMNS, deals)},
        "worth": _worth(view, asked, rows),
        "lanes": _lanes(view, asked),
        "options": options(view, asked),
        "orders": list(ORDERS),
        "filtered": any(asked.text(name) for name in FILTERS),
        "priced": view.bundle.amount.wins > 0,
        "currency": currency(view.history),
    }


FILTERS = ("owner", "team", "stage", "pipeline", "source", "q", "lane")


def _explained(view: View, rows: Ints, deals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    reasons, facts = view.reasons(rows), view.scored.facts.iloc[rows].to_dict("records")
    moved = view.changed(rows)
    return [
        {
            **deal,
            **since_yesterday(change),
            "step": next_step(fact, deal["flags"]),
            "reasons_for": [r.text for r in each if r.contribution > 0],
            "reasons_against": [r.text for r in each if r.contribution <= 0],
        }
        for deal, each, fact, change in zip(deals, reasons, facts, moved, strict=True)
    ]


def since_yesterday(change: Changed | None) -> dict[str, Any]:
    """Give the points that the probability moved since yesterday, and what moved it."""
    if change is None:
        return {"moved": None, "because": []}
    points = change.after - change.before
    told = [str(each) for each in change.changes] if abs(points) >= TELLING else []
    return {"moved": points, "because": told}


def _worth(view: View, asked: Asked, rows: Ints) -> dict[str, Any]:
    """What the list is worth in 90 days, and the share that the first deals by capacity carry."""
    book = book_of(view)[["expected_revenue_90", "p_won_90", "amount"]].iloc[rows]
    capacity = asked.number("capacity", CAPACITY, 1, 200)
    value = book["expected_revenue_90"].fillna(0.0)
    value = value if value.sum() > 0 else book["p_won_90"]
    total = float(value.sum())
    return {
        "revenue": float(np.nansum(book["expected_revenue_90"])),
        "wins": float(book["p_won_90"].sum()),
        "amount": float(np.nansum(book["amount"])),
        "capacity": capacity,
        "share": float(value.iloc[:capacity].sum()) / total if total > 0 else None,
    }


def _lanes(view: View, asked: Asked) -> list[dict[str, Any]]:
    """Count the deals of the reader that need attention, by what is wrong with them."""
    book = book_of(view)
    revenue = book["expected_revenue_90"].to_numpy(float)
    mine = seen_by(view, asked)
    for name in ("owner_id", "team"):
        if wanted := asked.text(name.removesuffix("_id")):
            mine &= (book[name] == wanted).to_numpy(bool, na_value=False)
    found = [(lane, mine & book[f"flag:{lane}"].to_numpy(bool)) for lane in LANES]
    return [
        {
            "lane": lane,
            "count": int(mask.sum()),
            "revenue": float(np.nansum(revenue[mask])),
            "on": asked.text("lane") == lane,
        }
        for lane, mask in found
        if mask.any()
    ]
