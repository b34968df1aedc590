"""The data contract: the tables and columns a source may bring, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "text", "time", "date", "number", "bool"]

ACTIVITY_TYPES = ("email", "call", "meeting", "note", "task")
DIRECTIONS = {"inbound": "inbound", "outbound": "outbound", "in": "inbound", "out": "outbound"}
"""What a source may write (in any case), and the word the tables hold."""
OUTCOMES = ("open", "won", "lost")
CLOSED_STAGES = {"closed_won": "won", "closed_lost": "lost"}
"""Stages known without a `stages` table, and how a deal in them ended."""
DTYPES: dict[Kind, str] = {
    "id": "str",
    "text": "str",
    "time": "datetime64[us, UTC]",
    "date": "datetime64[us, UTC]",
    "number": "float64",
    "bool": "boolean",
}
"""The pandas dtype of each kind; a date is midnight UTC."""


@dataclass(frozen=True)
class Column:
    """One column: its name, what its values are, whether every row must have one, its meaning."""

    name: str
    kind: Kind
    required: bool
    meaning: str

    @property
    def dtype(self) -> str:
        """Name of the pandas dtype that holds it."""
        return DTYPES[self.kind]


@dataclass(frozen=True)
class Table:
    """One table: the columns that identify a row, all columns, whether a source must bring it."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The contract's column names, in order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        """Return the column of this name; KeyError for a custom one."""
        return {column.name: column for column in self.columns}[name]


def _must(name: str, kind: Kind, meaning: str) -> Column:
    return Column(name, kind, required=True, meaning=meaning)


def _may(name: str, kind: Kind, meaning: str) -> Column:
    return Column(name, kind, required=False, meaning=meaning)


DEALS = Table(
    "deals",
    ("deal_id",),
    (
        _must("deal_id", "id", "the deal"),
        _must("stage", "text", "stage at the export"),
        _must("created_at", "time", "when the deal was created"),
        _may("account_id", "id", "the company that would buy"),
        _may("owner_id", "id", "the rep who owns it at the export"),
        _may("pipeline", "text", "the pipeline it belongs to"),
        _may("source", "text", "where it came from"),
        _may("deal_type", "text", "new, renewal, expansion ..."),
        _may("amount", "number", "amount at the export, in `currency`"),
        _may("currency", "text", "currency of its amounts"),
        _may("expected_close_date", "date", "day the rep expects it to close, at the export"),
        _may("closed_at", "time", "when it was won or lost"),
        _may("is_won", "bool", "true when won, false when lost, empty while open"),
    ),
    required=True,
)
DEAL_HISTORY = Table(
    "deal_history",
    ("deal_id", "property", "changed_at", "value"),
    (
        _must("deal_id", "id", "the deal that changed"),
        _must("property", "text", "stage, amount, expected_close_date, owner_id or a custom one"),
        _must("value", "text", "the value from then on"),
        _must("changed_at", "time", "when it changed"),
        _may("recorded_at", "time", "when the change became known; empty: when it was made"),
    ),
)
ACTIVITIES = Table(
    "activities",
    ("activity_id",),
    (
        _must("activity_id", "id", "the activity"),
        _must("deal_id", "id", "the deal it is about"),
        _must("type", "text", "email, call, meeting, note or task"),
        _must("occurred_at", "time", "when it took, or will take, place"),
        _may("direction", "text", "inbound (from the buyer) or outbound; also in, out"),
        _may("contact_id", "id", "the person on the buyer's side"),
        _may("owner_id", "id", "the rep"),
        _may("recorded_at", "time", "when it became known; empty: when it took place"),
    ),
)
ACCOUNTS = Table(
    "accounts",
    ("account_id",),
    (
        _must("account_id", "id", "the company"),
        _may("industry", "text", "its industry"),
        _may("employees", "number", "number of employees"),
        _may("annual_revenue", "number", "revenue a year"),
        _may("region", "text", "where it is"),
    ),
)
CONTACTS = Table(
    "contacts",
    ("contact_id",),
    (
        _must("contact_id", "id", "the person"),
        _may("account_id", "id", "the company the person works for"),
        _may("title", "text", "job title"),
        _may("seniority", "text", "rank in the company"),
    ),
)
OWNERS = Table(
    "owners",
    ("owner_id",),
    (
        _must("owner_id", "id", "the rep"),
        _may("name", "text", "the rep's name"),
        _may("email", "text", "the rep's address"),
        _may("team", "text", "the rep's team"),
        _may("manager_id", "id", "the owner who leads the rep"),
        _may("hired_at", "date", "first day at the firm"),
    ),
)
STAGES = Table(
    "stages",
    ("pipeline", "stage"),
    (
        _must("pipeline", "text", "the pipeline"),
        _must("stage", "text", "the stage, as deals and history name it"),
        _must("position", "number", "place in the funnel, the first is lowest"),
        _must("outcome", "text", "open, won or lost"),
    ),
)
TARGETS = Table(
    "targets",
    ("period", "owner_id", "team"),
    (
        _must("period", "text", "month (2025-01) or quarter (2025-Q1)"),
        _must("amount", "number", "the quota"),
        _may("owner_id", "id", "the rep it is for"),
        _may("team", "text", "the team it is for"),
    ),
)

CONTRACT: dict[str, Table] = {
    table.name: table
    for table in (
        DEALS,
        DEAL_HISTORY,
        ACTIVITIES,
        ACCOUNTS,
        CONTACTS,
        OWNERS,
        STAGES,
        TARGETS,
    )
}
