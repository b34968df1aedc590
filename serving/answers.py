"""Answers drawn from a view, as plain types: numbers in full, missing values as null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.history import WON, History
from serving.messages import (
    Content,
    ExplainRequest,
    ForecastRequest,
    RankRequest,
    ScoreRequest,
)
from serving.problems import problem
from serving.ranking import listed, rank, with_reasons
from serving.view import View, to_time

CURVE_STEP = 7
CURVE_DAYS = 364


def ranked(view: View, asked: RankRequest) -> Content:
    """Answer with the daily list."""
    frame = rank(
        view.bundle,
        view.scored,
        view.history,
        owner=asked.owner,
        team=asked.team,
        top=asked.top,
        explain=view.reasons,
    )
    count = len(listed(view.scored, view.history, owner=asked.owner, team=asked.team))
    deals = [{**row, "status": "open"} for row in records(frame)]
    return {**head(view), "open_deals": count, "deals": deals}


def scores(view: View, asked: ScoreRequest) -> Content:
    """Answer with a row for each deal asked, closed ones included; all open ones by default."""
    ids = view.deals["deal_id"].tolist() if asked.deal_ids is None else asked.deal_ids
    return {**head(view), "deals": rows_of(view, ids, reasons=asked.reasons)}


def rows_of(view: View, deal_ids: Sequence[str], *, reasons: bool = True) -> list[Content]:
    """Score, or say why there is none, for each deal.

    Raises
    ------
    ProblemError
        404 for deals that the store does not know; all of them are named.
    """
    known = view.history.position_of
    if unknown := [deal_id for deal_id in deal_ids if deal_id not in known]:
        raise unknown_deals(unknown)
    found = [deal_id for deal_id in dict.fromkeys(deal_ids) if deal_id in view.place]
    rows = np.array([view.place[deal_id] for deal_id in found], np.int64)
    frame = view.deals.iloc[rows].reset_index(drop=True)
    if reasons:
        frame = with_reasons(frame, view.reasons(rows))
    by_id = {row["deal_id"]: {**row, "status": "open"} for row in records(frame)}
    return [by_id.get(deal_id) or _not_open(view, deal_id) for deal_id in deal_ids]


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


def _not_open(view: View, deal_id: str) -> Content:
    history, at = view.history, np.array([view.as_of])
    deal = np.array([history.position_of[deal_id]])
    if history.known_from[deal[0]] >= view.as_of:
        return {"deal_id": deal_id, "status": "not yet known", "closed_at": None}
    outcome = history.stages.last("outcome", deal, at)[0]
    closed = int(history.stages.last("happened", deal, at)[0])
    status = "won" if outcome == WON else "lost"
    return {"deal_id": deal_id, "status": status, "closed_at": iso(to_time(closed))}


def forecast(view: View, asked: ForecastRequest) -> Content:
    """Answer with the forecast."""
    outlook = view.outlook(asked.period, asked.periods, tuple(dict.fromkeys(asked.by)))
    return {
        **head(view),
        "unit": outlook.unit,
        "open_deals": outlook.open_deals,
        "without_amount": outlook.without_amount,
        "stale": outlook.stale,
        "rows": records(outlook.frame),
    }


def explained(view: View, asked: ExplainRequest) -> Content:
    """Answer with the reasons and the curve of one deal.

    Raises
    ------
    ProblemError
        404 for a deal that the store does not know, 409 for one that is not open.
    """
    row = rows_of(view, [asked.deal_id])[0]
    if row["status"] != "open":
        when = f" on {row['closed_at'][:10]}" if row["closed_at"] else ""
        raise problem(
            409,
            f"deal {asked.deal_id} is {row['status']}{when} at {view.instant:%Y-%m-%d}",
            "only an open deal can be explained; ask with an as_of at which it was open",
            field="deal_id",
            value=asked.deal_id,
        )
    place = view.place[asked.deal_id]
    reasons = view.reasons(np.array([place]))[0]
    return {
        **head(view),
        "deal": row,
        "reasons": [
            {"theme": r.theme, "contribution": r.contribution, "text": r.text} for r in reasons
        ],
        "curve": _curve(view, place),
        "facts": records(view.scored.facts.iloc[[place]])[0],
    }


def _curve(view: View, row: int) -> list[Content]:
    days = np.arange(0, CURVE_DAYS + 1, CURVE_STEP)
    incidence = view.scored.incidence
    won, lost = incidence.won_by(days)[row].tolist(), incidence.lost_by(days)[row].tolist()
    return [
        {"days": day, "p_won": p_won, "p_lost": p_lost}
        for day, p_won, p_lost in zip(days.tolist(), won, lost, strict=True)
    ]


def head(view: View) -> Content:
    """Give what every answer tells."""
    return {
        "as_of": iso(view.instant),
        "model_version": view.bundle.version,
        "data_version": view.data_version,
        "tier": view.bundle.tier,
        "currency": currency(view.history),
        "notes": view.notes,
    }


def currency(history: History) -> str:
    """Give the currency of all amounts: of the settings, else the most frequent; empty if none."""
    told = history.tables.deals["currency"].dropna()
    usual = "" if told.empty else str(told.mode().iloc[0])
    return history.settings.currency or usual


def records(frame: pd.DataFrame) -> list[Content]:
    """Rows as plain types; floats are not rounded."""
    columns = {str(name): [plain(v) for v in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """Turn a cell into what JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, pd.Timestamp):
        return iso(value)
    if value is pd.NaT or value is pd.NA:
        return None
    return value


def iso(at: pd.Timestamp) -> str:
    """Write a time as ISO-8601, UTC."""
    return at.isoformat().replace("+00:00", "Z")
