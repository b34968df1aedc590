"""Answers drawn from a view, as plain types: numbers in full, missing values as null."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features.history import WON, History
from features.windows import Ints
from serving.listing import Listed, Sight, Wanted, listed, revenue_at_risk, whole_teams
from serving.messages import ForecastRequest, RankRequest, ScoreRequest
from serving.problems import problem
from serving.ranking import for_and_against
from serving.replies import Content
from serving.view import View, to_time
from training.changes_of_score import Changed

log = logging.getLogger("dealcast.serving")


def ranked(view: View, asked: RankRequest, sight: Sight = None) -> Content:
    """Answer with the daily list."""
    wanted = Wanted(
        owner=asked.owner,
        team=asked.team,
        pipelines=tuple(asked.pipeline),
        sources=tuple(asked.source),
        stages=tuple(asked.stage),
        amount_min=asked.amount_min,
        amount_max=asked.amount_max,
        order_by=asked.order_by,
        capacity=asked.capacity,
        shuffle=asked.shuffle,
        seed=asked.seed,
    )
    found = listed(view, wanted, sight)
    rows, usual = found.rows[: asked.top], found.usual[: asked.top]
    deals = _open_rows(view, rows, reasons=asked.reasons)
    risk, since = revenue_at_risk(view)[rows].tolist(), view.changed(rows)
    for place, deal in enumerate(deals):
        deal["rank"], deal["usual_rank"] = place + 1, int(usual[place]) + 1
        deal["revenue_at_risk"] = risk[place]
        deal["since_yesterday"] = since_then(view, 1, since[place])
    _log_shuffled(view, asked, found, deals)
    return {**head(view), "open_deals": found.open_deals, "deals": deals}


def _log_shuffled(view: View, asked: RankRequest, found: Listed, deals: list[Content]) -> None:
    """Say which deals stand elsewhere than usual, so that what came of it can be measured."""
    if asked.shuffle <= 0:
        return
    moved = {
        d["deal_id"]: [d["usual_rank"], d["rank"]] for d in deals if d["usual_rank"] != d["rank"]
    }
    log.info(
        "shuffled a list of %d deals as of %s, share %s, seed %s: from and to rank %s",
        len(found.rows),
        iso(view.instant),
        asked.shuffle,
        asked.seed,
        moved,
    )


def since_then(view: View, days: int, changed: Changed | None) -> Content:
    """Tell what changed for a deal since so many days before."""
    since = iso(view.instant - pd.Timedelta(days=days))
    if changed is None:
        because = ["it was not open then"]
        return {"since": since, "p_won_90": None, "points": 0.0, "because": because}
    return {
        "since": since,
        "p_won_90": changed.before,
        "points": changed.after - changed.before,
        "because": [str(change) for change in changed.changes],
    }


def scores(view: View, asked: ScoreRequest, sight: Sight = None) -> Content:
    """Answer with a row for each deal asked, closed ones included; all open ones by default."""
    ids = asked.deal_ids
    if ids is None:
        mine = view.deals["owner_id"].isin(sight) if sight is not None else slice(None)
        ids = view.deals.loc[mine, "deal_id"].tolist()
    return {**head(view), "deals": rows_of(view, ids, sight, reasons=asked.reasons)}


def rows_of(
    view: View, deal_ids: Sequence[str], sight: Sight = None, *, reasons: bool = True
) -> list[Content]:
    """Score, or say why there is none, for each deal.

    Raises
    ------
    ProblemError
        404 for deals that the store does not know, or not for this caller; all of them are named.
    """
    if unknown := [deal_id for deal_id in deal_ids if not view.knows(deal_id, sight)]:
        raise unknown_deals(unknown)
    found = [deal_id for deal_id in dict.fromkeys(deal_ids) if deal_id in view.place]
    rows = np.array([view.place[deal_id] for deal_id in found], np.int64)
    by_id = {row["deal_id"]: row for row in _open_rows(view, rows, reasons=reasons)}
    return [by_id.get(deal_id) or _not_open(view, deal_id) for deal_id in deal_ids]


def _open_rows(view: View, rows: Ints, *, reasons: bool) -> list[Content]:
    columns = {name: column[rows] for name, column in view.described.items()}
    if reasons:
        columns |= for_and_against(view.reasons(rows))
    return [{**row, "status": "open"} for row in _rows(columns)]


def unknown_deals(ids: Sequence[str]) -> Exception:
    """Make the problem of deals that are not in the store."""
    return problem(
        404,
        f"{len(ids)} of the deals asked are not in the store: {', '.join(ids[:5])}",
        "check the identifiers, import the deals, or send them whole to /predict",
        field="deal_ids",
        value=ids[0],
        errors=[{"field": "deal_ids", "value": deal_id} for deal_id in ids[:100]],
    )


def open_place(view: View, deal_id: str, sight: Sight = None) -> int:
    """Row of one open deal in the scores.

    Raises
    ------
    ProblemError
        404 for a deal that the store does not know, 409 for one that is not open.
    """
    if not view.knows(deal_id, sight):
        raise unknown_deals([deal_id])
    if deal_id in view.place:
        return view.place[deal_id]
    row = _not_open(view, deal_id)
    when = f" on {row['closed_at'][:10]}" if row["closed_at"] else ""
    raise problem(
        409,
        f"deal {deal_id} is {row['status']}{when} at {view.instant:%Y-%m-%d}",
        "only an open deal can be explained; ask with an as_of at which it was open",
        field="deal_id",
        value=deal_id,
    )


def _not_open(view: View, deal_id: str) -> Content:
    history, at = view.history, np.array([view.as_of])
    deal = np.array([history.position_of[deal_id]])
    if history.known_from[deal[0]] >= view.as_of:
        return {"deal_id": deal_id, "status": "not yet known", "closed_at": None}
    outcome = history.stages.last("outcome", deal, at)[0]
    closed = int(history.stages.last("happened", deal, at)[0])
    status = "won" if outcome == WON else "lost"
    return {"deal_id": deal_id, "status": status, "closed_at": iso(to_time(closed))}


def forecast(view: View, asked: ForecastRequest, sight: Sight = None) -> Content:
    """Answer with the forecast; for some owners alone, with their rows and their teams'."""
    by = tuple(dict.fromkeys(asked.by))
    if sight is not None and "owner" not in by:
        by = (*by, "owner")
    outlook = view.outlook(asked.period, asked.periods, by)
    frame, deals = outlook.frame, outlook.scored.frame
    if sight is not None:
        frame = frame[_rows_seen(view, frame, sight)]
        deals = deals[deals["owner_id"].isin(sight)]
    told = head(view)
    if outlook.fallback is not None:
        told["notes"].append(outlook.fallback.said)
    return {
        **told,
        "unit": outlook.unit,
        "open_deals": len(deals),
        "without_amount": int(deals["amount_missing"].sum()),
        "stale": int(deals["stale"].sum()),
        "rows": records(frame),
    }


def _rows_seen(view: View, frame: pd.DataFrame, sight: frozenset[str]) -> pd.Series:
    """Rows of owners in sight, and of teams of which every owner is in sight."""
    mine = (frame["scope"] == "owner") & frame["scope_id"].isin(sight)
    teams = whole_teams(view, sight)
    return mine | ((frame["scope"] == "team") & frame["scope_id"].isin(teams))


def head(view: View) -> Content:
    """Give what every answer tells; worked out once for a view."""
    known: Content | None = view.memo.get("head")
    if known is None:
        known = view.memo["head"] = {
            "as_of": iso(view.instant),
            "model_version": view.bundle.version,
            "data_version": view.data_version,
            "tier": view.bundle.tier,
            "currency": currency(view.history),
            "notes": view.notes,
        }
    return {**known, "notes": [*known["notes"]]}


def currency(history: History) -> str:
    """Give the currency of all amounts: of the settings, else the most frequent; empty if none."""

    def usual() -> str:
        told = Counter(history.whole.tables.deals["currency"].dropna().to_numpy(object))
        return min(told, key=lambda name: (-told[name], name), default="")

    return history.settings.currency or history.whole.index("currency", usual)


def records(frame: pd.DataFrame) -> list[Content]:
    """Rows as plain types; floats are not rounded."""
    return _rows({str(name): frame[name] for name in frame.columns})


def _rows(columns: Mapping[str, Any]) -> list[Content]:
    cells = {name: [plain(v) for v in _listed(column)] for name, column in columns.items()}
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def _listed(column: Any) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()


def plain(value: Any) -> Any:
    """Turn a cell into what JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return iso(value)
    if value is pd.NaT or value is pd.NA:
        return None
    return value


def iso(at: datetime) -> str:
    """Write a time as ISO-8601, UTC; one without a zone is of UTC."""
    return at.isoformat().removesuffix("+00:00") + "Z"
