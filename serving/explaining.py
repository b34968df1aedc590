"""Answers about one deal: why it has its score, and how the score came to be over the days."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from serving.answers import head, open_place, plain, records, rows_of, since_then
from serving.listing import Sight
from serving.messages import ExplainRequest
from serving.records import Records
from serving.records_feedback import Feedback, feedback_of
from serving.replies import Content, KeptScore
from serving.scores import Scores
from serving.view import View

CURVE_STEP = 7
CURVE_DAYS = 364


def explained(
    view: View,
    asked: ExplainRequest,
    kept: Scores | None = None,
    said: Records | None = None,
    sight: Sight = None,
) -> Content:
    """Answer with the reasons, the curve, the kept scores and the feedback of one deal.

    Raises
    ------
    ProblemError
        404 for a deal that the store does not know, 409 for one that is not open.
    """
    place = open_place(view, asked.deal_id, sight)
    row = np.array([place])
    found = view.explained(row)[0]
    return {
        **head(view),
        "deal": rows_of(view, [asked.deal_id])[0],
        "base": found.base,
        "groups": dict(found.groups),
        "reasons": [
            {
                "theme": reason.theme,
                "contribution": reason.contribution,
                "points": reason.points,
                "text": reason.text,
            }
            for reason in found.reasons
        ],
        "since_yesterday": since_then(view, 1, view.changed(row)[0]),
        "scores": [] if kept is None else _kept(kept, asked.deal_id),
        "feedback": [line(each) for each in feedback_of(said, asked.deal_id)] if said else [],
        "curve": _curve(view, place),
        "facts": records(view.scored.facts.iloc[[place]])[0],
    }


def _kept(scores: Scores, deal_id: str) -> list[Content]:
    return records(scores.of_deals([deal_id])[list(KeptScore.model_fields)])


def line(said: Feedback) -> Content:
    """Write a line of feedback."""
    at = said.at.isoformat().replace("+00:00", "Z")
    return {**asdict(said), "at": at, "value": plain(said.value)}


def _curve(view: View, row: int) -> list[Content]:
    days = np.arange(0, CURVE_DAYS + 1, CURVE_STEP)
    incidence = view.scored.incidence
    won, lost = incidence.won_by(days)[row].tolist(), incidence.lost_by(days)[row].tolist()
    return [
        {"days": day, "p_won": p_won, "p_lost": p_lost}
        for day, p_won, p_lost in zip(days.tolist(), won, lost, strict=True)
    ]
