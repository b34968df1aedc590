"""What the last import left out, by reason: kept beside the store, for people to mend."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from data.whole import write_whole

FILE = "rejected.json"


@dataclass(frozen=True)
class Rejection:
    """Rows of one table that broke one rule."""

    table: str
    rule: str
    rows: int
    reason: str
    remedy: str
    example: str


@dataclass(frozen=True)
class Rejections:
    """What an import, or an attempt at one, left out.

    Attributes
    ----------
    time : instant of the import, ISO-8601
    imported : whether the other rows went into the store
    """

    time: str
    source: str
    imported: bool
    found: tuple[Rejection, ...]

    @classmethod
    def of(
        cls, rejected: pd.DataFrame, source: str, now: pd.Timestamp, *, imported: bool
    ) -> Rejections:
        """Count the lines that validation rejected (`Validated.rejected`) by table and rule."""
        found = []
        for (table, rule), part in rejected.groupby(["table", "rule"], sort=False):
            first = part.iloc[0]
            where = f"row {first['row']}, {first['column']} = {str(first['value'])[:80]!r}"
            words = (str(first["reason"]), str(first["remedy"]), where)
            found.append(Rejection(str(table), str(rule), len(part), *words))
        return cls(now.isoformat(), source, imported, tuple(found))


def keep_rejections(workspace: Path, rejections: Rejections) -> None:
    """Write what was left out, whole or not at all; the last import's takes its place."""
    text = json.dumps(asdict(rejections), ensure_ascii=False, indent=1)
    write_whole(text, workspace / FILE)


def read_rejections(workspace: Path) -> Rejections | None:
    """Read what the last import left out; None where nothing is kept, or nothing readable."""
    try:
        told = json.loads((workspace / FILE).read_text(encoding="utf-8"))
        found = tuple(Rejection(**each) for each in told.pop("found"))
        return Rejections(**told, found=found)
    except (OSError, ValueError, TypeError, KeyError):
        return None
