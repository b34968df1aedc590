"""Feedback and commits: what people say of deals, kept beside the model and never in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, insert, select

from serving.records import Records
from serving.records_audit import AuditLine, write_line
from serving.records_tables import feedback

COMMIT = "commit"
"""Kind of the feedback by which a rep commits to a deal, or to an amount, in a period."""

JsonValue = Any
"""Whatever JSON can hold."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody says of a deal, or commits to.

    Attributes
    ----------
    at : when it was said; kept in UTC
    by : who says it: the identifier of a key's owner, or of the key
    kind : `commit`, or another word for what is said, for example `correction`
    value : what is said, for example the amount committed; any JSON
    model_version, data_version : what the speaker saw
    deal_id : the deal; None where a commit is of an owner's whole period
    owner_id : whose deal or commit it is
    period : like 2026-05 or 2026-Q2, of a commit
    """

    at: datetime
    by: str
    kind: str
    value: JsonValue
    model_version: str
    data_version: str
    deal_id: str | None = None
    owner_id: str | None = None
    period: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Feedback(Said):
    """What was said, under its number: a higher one was said later."""

    id: int


def add_feedback(records: Records, said: Said, request_id: str = "") -> Feedback:
    """Keep what is said and the line of the audit, both or neither; give it with its number.

    Raises
    ------
    RecordsError
        Where it could not be kept; then nothing of it was.
    """
    line = AuditLine(said.at, said.by, said.kind, said.deal_id or "", "", request_id)
    with records.begin() as connection:
        asked = insert(feedback).values(**vars(said)).returning(*feedback.c)
        kept = connection.execute(asked).mappings().one()
        write_line(connection, line)
    return _feedback(kept)


def feedback_of(records: Records, deal_id: str) -> list[Feedback]:
    """Give all feedback on a deal, the newest first."""
    return _found(records, select(feedback).where(feedback.c.deal_id == deal_id))


def commits(
    records: Records, period: str | None = None, owner_ids: Iterable[str] | None = None
) -> list[Feedback]:
    """Give the commits that hold, the newest first: of each deal or owner the last in its period.

    Parameters
    ----------
    period : only of this period
    owner_ids : only of these owners; None for all
    """
    table = feedback.c
    last = (
        select(func.max(table.id))
        .where(table.kind == COMMIT)
        .group_by(table.deal_id, table.owner_id, table.period)
    )
    asked = select(feedback).where(table.id.in_(last))
    if period is not None:
        asked = asked.where(table.period == period)
    found = _found(records, asked)
    if owner_ids is None:
        return found
    allowed = set(owner_ids)
    return [each for each in found if each.owner_id in allowed]


def commits_said(records: Records) -> list[Feedback]:
    """Give every commit ever said, those taken back since too, the newest first."""
    return _found(records, select(feedback).where(feedback.c.kind == COMMIT))


def _found(records: Records, asked: Select[Any]) -> list[Feedback]:
    with records.begin() as connection:
        rows = connection.execute(asked.order_by(feedback.c.id.desc())).mappings().all()
    return [_feedback(row) for row in rows]


def _feedback(row: RowMapping) -> Feedback:
    return Feedback(**row)
