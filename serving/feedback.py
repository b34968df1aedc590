"""Feedback: what a person says of a deal or commits to, kept and audited beside the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from fastapi import Request

from serving.answers import head, unknown_deals
from serving.explaining import line
from serving.listing import Sight
from serving.messages import FeedbackRequest
from serving.names import UnknownNameError
from serving.problems import problem
from serving.ranking import owner_names
from serving.records import Records, RecordsError
from serving.records_feedback import COMMIT, Said, add_feedback
from serving.replies import Content
from serving.view import View

NOBODY = "local"


@dataclass(frozen=True)
class By:
    """Who says something, in which request."""

    name: str = NOBODY
    request_id: str = ""

    @classmethod
    def of(cls, request: Request) -> By:
        """Read what access control has put beside the request."""
        caller = getattr(request.state, "caller", None)
        request_id = str(getattr(request.state, "request_id", ""))
        return cls(str(getattr(caller, "by", NOBODY)), request_id)


def kept(
    view: View,
    asked: FeedbackRequest,
    records: Records | None,
    by: By,
    now: pd.Timestamp,
    sight: Sight = None,
) -> Content:
    """Keep a line, with its audit, and answer with it.

    Raises
    ------
    ProblemError
        404 for a deal that the store does not know, 422 where it is not said of what.
    RecordsError
        Where it could not be kept.
    """
    if records is None:
        raise RecordsError("this service keeps no records; start it by `dealcast serve`")
    owner = _checked(view, asked, sight)
    said = Said(
        at=now,
        by=by.name,
        kind=asked.kind,
        value=asked.value,
        model_version=view.bundle.version,
        data_version=view.data_version,
        deal_id=asked.deal_id,
        owner_id=owner,
        period=asked.period,
        note=asked.note,
    )
    found = add_feedback(records, said, by.request_id)
    return {**head(view), "kept": line(found)}


def _checked(view: View, asked: FeedbackRequest, sight: Sight) -> str | None:
    """Owner whose deal, or whose period, is spoken of."""
    if asked.deal_id is not None:
        if not view.knows(asked.deal_id, sight):
            raise unknown_deals([asked.deal_id])
        return view.owners[view.history.position_of[asked.deal_id]]
    if asked.kind != COMMIT:
        raise _missing("deal_id", f"a {asked.kind} is of a deal", "name the deal_id")
    if asked.owner_id is None:
        raise _missing("owner_id", "a commit is of a deal or of an owner", "name one of the two")
    if asked.period is None:
        raise _missing("period", "a commit of an owner is for a period", "name it like 2026-06")
    known = owner_names(view.history)
    if asked.owner_id not in known or (sight is not None and asked.owner_id not in sight):
        raise UnknownNameError("owner_id", asked.owner_id, [])
    return asked.owner_id


def _missing(field: str, detail: str, remedy: str) -> Any:
    return problem(422, detail, remedy, field=field)
