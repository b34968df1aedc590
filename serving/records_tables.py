"""The tables of what is written while serving, alike on sqlite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

VERSION = 1
"""Version of this schema; a database of a higher one was written by a newer dealcast."""


class Instant(TypeDecorator[datetime]):
    """A time with a zone; kept and given back in UTC, on sqlite too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Move a time to UTC, as a plain datetime whatever its class."""
        return None if value is None else datetime.fromisoformat(value.isoformat()).astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Say the zone, which sqlite does not keep."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Text(TypeDecorator[str]):
    """Text of any script; what no database keeps (NUL, halves of surrogate pairs) is replaced."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        """Replace what cannot be kept."""
        if value is None:
            return None
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


metadata = MetaData()

schema = Table("dealcast_schema", metadata, Column("version", Integer, primary_key=True))

feedback = Table(
    "dealcast_feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("deal_id", Text),
    Column("owner_id", Text),
    Column("period", Text),
    Column("value", JSON(none_as_null=True)),
    Column("note", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Index("dealcast_feedback_of_deal", "deal_id"),
    Index("dealcast_feedback_of_period", "kind", "period"),
)
"""Only ever added to: a later line corrects an earlier one, and both stay."""

audit = Table(
    "dealcast_audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Index("dealcast_audit_at", "at"),
)

keys = Table(
    "dealcast_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("owner_id", Text),
    Column("label", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
