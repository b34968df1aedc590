"""The audit: who did what, and which reads were denied; only ever added to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from serving.records import Records
from serving.records_tables import audit


@dataclass(frozen=True)
class AuditLine:
    """One line of the audit.

    Attributes
    ----------
    at : when, UTC
    by : identifier of the key that asked, `local` where keys are off, `command line`
    action : what was done, for example `feedback`, `denied read`, `key created`
    target : what it was done to: the identifier of a deal or a key, an address
    """

    at: datetime
    by: str
    action: str
    target: str
    detail: str = ""
    request_id: str = ""


def add_audit(records: Records, line: AuditLine) -> None:
    """Add a line.

    Raises
    ------
    RecordsError
        Where it could not be kept; what is to be audited must then not be done.
    """
    with records.begin() as connection:
        write_line(connection, line)


def write_line(connection: Connection, line: AuditLine) -> None:
    """Add a line within a transaction: what is audited and its line are both kept, or neither."""
    connection.execute(insert(audit).values(**vars(line)))


def audit_lines(records: Records, limit: int = 100) -> list[AuditLine]:
    """Give the last lines, the newest first."""
    columns = [audit.c[name] for name in AuditLine.__dataclass_fields__]
    asked = select(*columns).order_by(audit.c.id.desc()).limit(limit)
    with records.begin() as connection:
        rows = connection.execute(asked).mappings().all()
    return [AuditLine(**row) for row in rows]
