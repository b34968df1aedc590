"""The open deals as the pages need them: one frame a view, made once, and choices out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.windows import Bools, Ints
from serving.names import plain
from serving.pages.asked import Asked
from serving.view import View

ORDERS: Mapping[str, tuple[str, bool]] = {
    "priority": ("priority", False),
    "chance": ("p_won_90", False),
    "revenue": ("expected_revenue_90", False),
    "amount": ("amount", False),
    "closing": ("close_date_p50", True),
    "falling": ("fall", False),
    "quiet": ("days_since_activity", False),
    "age": ("age_days", False),
    "name": ("plain_name", True),
}
"""How a list may be ordered: by which column, and whether the smallest comes first."""
LANES = ("falling", "silent", "overdue", "no amount", "stale", "single contact")
"""What asks for attention: the flags of the list, and a fall of the probability."""
FALLING = 0.05
"""Fall of the probability of winning within 90 days, over a week, that asks for attention."""
DIMENSIONS = ("owner_id", "team", "stage", "pipeline", "source")


def book_of(view: View) -> pd.DataFrame:
    """Scores of the open deals with what a reader chooses them by; row i is row i of the scores.

    Adds to `View.deals`: source, pipeline, deal_type, currency, `own_amount` (in the deal's
    currency), `search` and `plain_name` (folded text), and a column `flag:<word>` for each lane.
    """
    if "book" not in view.memo:
        view.memo["book"] = _book(view)
    found: pd.DataFrame = view.memo["book"]
    return found


def _book(view: View) -> pd.DataFrame:
    frame, history = view.deals, view.history
    told = history.tables.deals.iloc[view.scored.snapshots.deal].reset_index(drop=True)
    rate = told["currency"].map(history.settings.rates).astype(float).fillna(1.0).to_numpy()
    names = [frame[name].astype("str").fillna("") for name in ("name", "account", "deal_id")]
    search = names[0] + "\n" + names[1] + "\n" + names[2]
    flags, fall = frame["flags"], view.fall
    lanes = {f"flag:{lane}": [lane in each for each in flags] for lane in LANES}
    lanes["flag:falling"] = (fall >= FALLING).tolist()
    return frame.assign(
        source=told["source"],
        pipeline=told["pipeline"],
        deal_type=told["deal_type"],
        currency=told["currency"],
        own_amount=frame["amount"].to_numpy(float) / rate,
        search=[plain(text) for text in search],
        plain_name=[plain(text) for text in names[0]],
        fall=fall,
        **lanes,
    )


def seen_by(view: View, asked: Asked) -> Bools:
    """(deals,) open deals that the reader may see."""
    if asked.sight is None:
        return np.ones(len(view.scored.frame), bool)
    return np.array(view.scored.frame["owner_id"].isin(asked.sight), bool)


def chosen(view: View, asked: Asked) -> Ints:
    """Rows of the book that pass every filter of the address, in the order asked for."""
    book = book_of(view)
    kept = seen_by(view, asked)
    for name in DIMENSIONS:
        if wanted := asked.text(name.removesuffix("_id")):
            kept &= (book[name] == wanted).to_numpy(bool, na_value=False)
    if query := plain(asked.text("q")):
        kept &= np.array([query in text for text in book["search"]], bool)
    if lane := asked.choice("lane", LANES):
        kept &= book[f"flag:{lane}"].to_numpy(bool)
    order = _ordered(view, asked.choice("sort", ORDERS, "priority"))
    return order[kept[order]]


def _ordered(view: View, name: str) -> Ints:
    """All rows of the book in an order, ties by identifier; sorted once a view."""
    orders: dict[str, Ints] = view.memo.setdefault("orders", {})
    if name not in orders:
        column, ascending = ORDERS[name]
        keys = book_of(view)[[column, "deal_id"]]
        ordered = keys.sort_values([column, "deal_id"], ascending=[ascending, True], kind="stable")
        orders[name] = ordered.index.to_numpy(np.int64)
    return orders[name]


def options(view: View, asked: Asked) -> dict[str, list[tuple[str, str]]]:
    """What a list may be filtered by: (value, text with its number of deals) of each dimension."""
    known: dict[Any, dict[str, list[tuple[str, str]]]] = view.memo.setdefault("options", {})
    if asked.sight not in known:
        known[asked.sight] = _options(view, asked)
    return known[asked.sight]


def _options(view: View, asked: Asked) -> dict[str, list[tuple[str, str]]]:
    book = book_of(view).loc[seen_by(view, asked), [*DIMENSIONS, "owner"]]
    named = book.drop_duplicates("owner_id")
    called = dict(zip(named["owner_id"], named["owner"], strict=True))
    found = {}
    for name in DIMENSIONS:
        counts = book[name].value_counts()
        names = called if name == "owner_id" else {}
        pairs = [
            (str(value), f"{names.get(value, value)} ({n:,})")
            for value, n in counts.items()
            if value
        ]
        if name == "stage":
            place = view.bundle.vocabulary.stage_position
            pairs.sort(key=lambda pair: place.get(pair[0], np.inf))
        else:
            pairs.sort(key=lambda pair: plain(pair[1]))
        found[name.removesuffix("_id")] = pairs
    return found
