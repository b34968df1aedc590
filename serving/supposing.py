"""What if: the score of an open deal were its stage, amount, close date or activities others."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from data.contract import CONTRACT
from data.tables import Tables, conform
from features.arrivals import Arriving
from features.windows import SECOND
from serving.answers import head, open_place, rows_of
from serving.listing import Sight
from serving.messages import WhatIfRequest
from serving.names import find_ids
from serving.problems import problem
from serving.refusals import ISO_DAY
from serving.replies import Content
from serving.sent import hosted
from serving.view import View, to_time
from training.changes_of_score import points_text
from training.explanation import points_each

MIN_YEAR, MAX_YEAR = 1970, 2100
READING = (
    "This is how deals that came to look like this have fared: an association in the firm's "
    "history. It does not say that making the change would cause the difference."
)


def supposed(view: View, asked: WhatIfRequest, sight: Sight = None) -> Content:
    """Answer with the score as it is, and as it would be after the supposed change.

    Raises
    ------
    ProblemError
        404 for a deal that the store does not know, 409 for one that is not open, 422 where
        nothing is supposed, or what is supposed breaks a rule of the import.
    """
    place = open_place(view, asked.deal_id, sight)
    other = hosted(view, Arriving.of(_supposed_tables(view, asked)), view.as_of, view.notices)
    before = rows_of(view, [asked.deal_id])[0]
    after = rows_of(other, [asked.deal_id])[0]
    if after["status"] != "open":
        raise problem(
            422,
            f"stage: the deal would be {after['status']}, and what is closed has no score",
            "suppose a stage in which a deal is open",
            field="stage",
            value=asked.stage,
        )
    return {
        **head(view),
        "deal": before,
        "supposed": after,
        "points": after["p_won_90"] - before["p_won_90"],
        "revenue": _difference(after["expected_revenue_90"], before["expected_revenue_90"]),
        "because": _because(view, other, place, other.place[asked.deal_id]),
        "reading": READING,
    }


def _supposed_tables(view: View, asked: WhatIfRequest) -> Tables:
    """The deal's rows of the store, and what is supposed in the second before the instant."""
    at, deal_id = to_time(view.as_of - SECOND), asked.deal_id
    told = {
        "stage": _known_stage(view, asked.stage),
        "amount": asked.amount,
        "expected_close_date": _iso_day(asked.expected_close_date),
    }
    changes = [
        {"deal_id": deal_id, "property": name, "value": _text(value), "changed_at": at}
        for name, value in told.items()
        if value is not None
    ]
    activities = []
    if asked.activity is not None:
        row = {**asked.activity.model_dump(), "deal_id": deal_id, "occurred_at": at}
        activities.append({**row, "activity_id": "supposed"})
    if not changes and not activities:
        raise problem(
            422,
            "nothing is supposed",
            "give a stage, an amount, an expected_close_date or an activity",
            allowed="at least one of stage, amount, expected_close_date, activity",
        )
    stored = view.history.tables.select([deal_id])
    added = {"deal_history": changes, "activities": activities}
    frames = {
        name: conform(pd.concat([stored[name], _frame(rows, name)]), CONTRACT[name])
        for name, rows in added.items()
        if rows
    }
    return replace(stored, **frames)


def _frame(rows: list[dict[str, Any]], name: str) -> pd.DataFrame:
    return conform(pd.DataFrame(rows), CONTRACT[name])


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _known_stage(view: View, stage: str | None) -> str | None:
    if stage is None or stage in view.history.stage_names:
        return stage
    names = {name: [name] for name in view.history.stage_names}
    return min(find_ids("stage", stage, names))


def _iso_day(text: str | None) -> str | None:
    """Check an expected close date."""
    if text is None:
        return None
    with suppress(ValueError, OverflowError):
        if ISO_DAY.match(text) and MIN_YEAR <= pd.Timestamp(text).year <= MAX_YEAR:
            return text
    raise problem(
        422,
        f"expected_close_date {text[:50]!r} is no date",
        "write it like 2026-03-31",
        field="expected_close_date",
        value=text,
        allowed=f"ISO-8601, {MIN_YEAR} to {MAX_YEAR}",
    )


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _because(view: View, other: View, before: int, after: int) -> list[str]:
    """Themes that moved the probability, the largest part first."""
    old = view.explained(np.array([before]))[0]
    new = other.explained(np.array([after]))[0]
    worth = float(points_each(np.array([old.p_won_90]), np.array([new.p_won_90]))[0])
    moved = {name: (new.groups[name] - old.groups.get(name, 0.0)) * worth for name in new.groups}
    told = sorted(moved, key=lambda name: -abs(moved[name]))
    return [f"{name}: {points_text(moved[name])}" for name in told if abs(moved[name]) >= 0.001]
