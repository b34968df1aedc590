"""Deals sent whole: validated like an import, then set among those of the store for one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.contract import CONTRACT
from data.sources import raw_tables
from data.tables import OF_A_DEAL, Tables, conform
from data.validation import Validated, validate
from features.arrivals import Arriving
from features.guests import received
from features.history import History
from serving.messages import SentDeal
from serving.problems import problem
from serving.sent_plain import plain
from serving.view import View, to_micros

NESTED = {"deal_history": "history", "activities": "activities"}
MOST_ERRORS = 100


@dataclass(frozen=True)
class Sent:
    """The rows of sent deals as text, and where in the message each of them stood."""

    frames: dict[str, pd.DataFrame]
    paths: dict[str, list[str]]

    @classmethod
    def of(cls, deals: Sequence[SentDeal]) -> Sent:
        """Lay the messages out as the tables of the contract."""
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in OF_A_DEAL}
        paths: dict[str, list[str]] = {name: [] for name in OF_A_DEAL}
        for place, deal in enumerate(deals):
            rows["deals"].append(deal.model_dump(exclude={"history", "activities"}))
            paths["deals"].append(f"deals[{place}]")
            for table, name in NESTED.items():
                for number, item in enumerate(getattr(deal, name)):
                    rows[table].append({"deal_id": deal.deal_id, **item.model_dump()})
                    paths[table].append(f"deals[{place}].{name}[{number}]")
        for number, row in enumerate(rows["activities"]):
            row["activity_id"] = row["activity_id"] or f"sent-{number}"
        return cls({name: _as_text(rows[name]) for name in rows if rows[name]}, paths)


def with_sent(view: View, deals: Sequence[SentDeal], now: pd.Timestamp, *, pinned: bool) -> View:
    """Make a view of the sent deals, which stand among those of the store, in the place of theirs.

    It is as of the view's instant; or as of `now` where something sent became known later, unless
    the instant is pinned.

    Raises
    ------
    ProblemError
        422 where a value breaks a rule of the import; every fault is in its `errors`.
    """
    new = plain(deals, now, view) or Arriving.of(judged(deals, now, view.history.tables))
    later = not pinned and new.latest >= view.as_of
    as_of = to_micros(now) if later else view.as_of
    return hosted(view, new, as_of, (*view.notices, *_unread(new)))


def judged(deals: Sequence[SentDeal], now: pd.Timestamp, store: Tables) -> Tables:
    """Tables of sent deals, by the rules of the import.

    Raises
    ------
    ProblemError
        422 where a value breaks one.
    """
    sent = Sent.of(deals)
    validated = validate(raw_tables(sent.frames, "the request"), now, store, odd=False)
    if len(validated.rejected):
        raise _rejected(validated, sent)
    return Tables(
        **{
            name: _like(frame, store[name], sent.frames.get(name, pd.DataFrame()))
            for name, frame in validated.tables.items()
        }
    )


def hosted(view: View, new: Arriving, as_of: int, notices: tuple[str, ...]) -> View:
    """Make a view of deals that stand, for one answer, among those of another view's store."""
    guests = received(view.history, new)
    if guests is not None:
        found = View.of(guests, view.bundle, view.data_version, as_of, notices)
    else:
        found = _among(view, new.tables(), as_of, notices)
    found.memo["usual"] = view.usual
    return found


def _among(view: View, new: Tables, as_of: int, notices: tuple[str, ...]) -> View:
    """Index the deals together with the store's: what is closed changes statistics of others."""
    ids = new.deals["deal_id"]
    tables = _joined(view.history.tables, without(view.history.tables, ids), new)
    history = History.of(tables, view.history.settings)
    codes = np.array([history.position_of[deal_id] for deal_id in ids], np.int64)
    return View.of(history, view.bundle, view.data_version, as_of, notices, codes)


def _as_text(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, dtype=object)
    return frame.map(_text).astype("str")


def _text(value: Any) -> Any:
    """Write a value as a CSV would hold it; numbers in full."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def without(tables: Tables, deal_ids: pd.Series) -> Tables:
    """Leave out the deals that come anew."""
    frames = {
        name: frame[~frame["deal_id"].isin(deal_ids)] if name in OF_A_DEAL else frame
        for name, frame in tables.items()
    }
    return Tables(**{name: frame.reset_index(drop=True) for name, frame in frames.items()})


def _joined(store: Tables, kept: Tables, new: Tables) -> Tables:
    """Store and new rows; a deal that was in the store keeps its place among the deals."""
    frames = dict(store.items())
    for name in OF_A_DEAL:
        both = pd.concat([kept[name], new[name]], ignore_index=True)
        frames[name] = conform(both, CONTRACT[name])
    order = pd.concat([store.deals["deal_id"], new.deals["deal_id"]]).drop_duplicates()
    deals = frames["deals"].set_index("deal_id").loc[order].reset_index()
    return Tables(**{**frames, "deals": deals})


def _like(rows: pd.DataFrame, stored: pd.DataFrame, text: pd.DataFrame) -> pd.DataFrame:
    """Give custom columns the dtype that they have in the store."""
    for name in rows.columns.intersection(stored.columns):
        wanted = stored[name].dtype
        if rows[name].dtype == wanted:
            continue
        if wanted == "float64":
            rows = rows.assign(**{name: pd.to_numeric(text[name], errors="coerce")})
        else:
            rows = rows.assign(**{name: text[name].astype(wanted)})
    return rows


def _unread(new: Arriving) -> list[str]:
    """Say where a deal tells an amount that its history does not: no model reads it there."""
    changes = zip(new.changes["deal_id"], new.changes["property"], strict=True)
    told = {deal_id for deal_id, name in changes if name == "amount"}
    known = zip(new.deals["deal_id"], new.deals["amount"], strict=True)
    untold = [i for i, amount in known if amount is not None and i not in told]
    if not untold:
        return []
    ids = ", ".join(untold[:3])
    return [
        f"{len(untold)} sent deals ({ids}) have an amount that their history does not tell, and "
        "so it is not read: send the change of the property `amount` with its time in `history`"
    ]


def _rejected(validated: Validated, sent: Sent) -> Exception:
    faults = [
        {
            "field": f"{sent.paths[row['table']][row['row'] - 1]}.{row['column']}",
            "value": row["value"],
            "detail": row["reason"],
            "remedy": row["remedy"],
        }
        for row in validated.rejected.head(MOST_ERRORS).to_dict("records")
    ]
    first = faults[0]
    return problem(
        422,
        f"{first['field']}: {first['detail']}",
        first["remedy"],
        field=first["field"],
        value=first["value"],
        errors=faults,
    )
