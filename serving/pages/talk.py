"""What a reader says to a deal's page: what if, and feedback; read from forms, told in words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from data.contract import ACTIVITY_TYPES
from features.history import OPEN
from serving.messages import FeedbackRequest, WhatIfRequest
from serving.pages.asked import Asked
from serving.problems import ProblemError
from serving.records_feedback import feedback_of
from serving.supposing import supposed
from serving.view import View

SUPPOSED = ("if_stage", "if_amount", "if_date", "if_activity", "if_direction")
KINDS = ("correction", "commit", "note")


def supposing(view: View, asked: Asked, row: Mapping[str, Any]) -> dict[str, Any]:
    """Give what may be supposed of a deal and, where something is, what the score would be."""
    stages = view.history.stages
    ends = set(stages.values["stage"][stages.values["outcome"] != OPEN].astype(int).tolist())
    place = view.bundle.vocabulary.stage_position
    names = [name for code, name in enumerate(view.history.stage_names) if code not in ends]
    told = {name: asked.text(name) for name in SUPPOSED}
    found: dict[str, Any] = {
        "stages": sorted(names, key=lambda name: place.get(name, 99.0)),
        "activities": ACTIVITY_TYPES,
        **told,
        "answer": None,
        "wrong": "",
    }
    if not any(told[name] for name in SUPPOSED[:-1]):
        return found
    try:
        found["answer"] = supposed(view, _what_if(row["deal_id"], told), asked.sight)
    except ProblemError as error:
        found["wrong"] = error.problem.detail
    except (ValidationError, ValueError) as error:
        found["wrong"] = str(error).split("\n", maxsplit=1)[0]
    return found


def _what_if(deal_id: str, told: Mapping[str, str]) -> WhatIfRequest:
    activity = None
    if told["if_activity"]:
        direction = (
            told["if_direction"] if told["if_direction"] in ("inbound", "outbound") else None
        )
        activity = {"type": told["if_activity"], "direction": direction}
    return WhatIfRequest.model_validate(
        {
            "deal_id": deal_id,
            "stage": told["if_stage"] or None,
            "amount": number(told["if_amount"]),
            "expected_close_date": told["if_date"] or None,
            "activity": activity,
        }
    )


def number(text: str) -> float | None:
    """Read a number as people write it; None for an empty text.

    >>> number("12,500.5"), number(" "), number("3 000")
    (12500.5, None, 3000.0)
    """
    plain = text.replace(",", "").replace(" ", "").replace("\u202f", "").strip("€$£฿¥₹%")
    return float(plain) if plain else None


def said(deal_id: str, form: Mapping[str, str]) -> FeedbackRequest:
    """Read feedback from a form: a correction is a probability in per cent, a commit an amount.

    Raises
    ------
    ValueError
        Where the form makes no sense; the message says what.
    """
    kind = form.get("kind", "note")
    value: float | None = None
    with suppress(ValueError):
        value = number(form.get("value", ""))
    if kind == "correction":
        if value is None or not 0 <= value <= 100:
            raise ValueError("0 - 100 %")
        value /= 100
    if kind == "note" and not form.get("note", "").strip():
        raise ValueError("…")
    told = {"kind": kind, "deal_id": deal_id, "value": value, "note": form.get("note", "")[:2000]}
    return FeedbackRequest.model_validate(told)


def feedback_lines(asked: Asked, deal_id: str) -> list[dict[str, Any]]:
    """What people said of a deal, the newest first."""
    if asked.records is None:
        return []
    return [
        {"at": each.at, "by": each.by, "kind": each.kind, "value": each.value, "note": each.note}
        for each in feedback_of(asked.records, deal_id)
    ]
