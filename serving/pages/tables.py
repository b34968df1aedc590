"""Tables of a page: shown as HTML, and given as CSV with the numbers in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from serving.answers import plain

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters by which a spreadsheet takes a text for a formula."""


@dataclass(frozen=True)
class Column:
    """A column: its key in the rows, how it is written, and where a cell leads.

    Attributes
    ----------
    kind : text, name, money, chance, share, count, decimal, figures, days, day, instant or spark
    link : key of the address in the row
    low, high : keys of an interval shown beside the value
    """

    key: str
    kind: str = "text"
    link: str = ""
    low: str = ""
    high: str = ""
    title: str = ""

    @property
    def label(self) -> str:
        """Key of its title in the catalogue."""
        return self.title or f"col.{self.key}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that belong into a file."""
        return tuple(key for key in (self.key, self.low, self.high) if key)


@dataclass(frozen=True)
class Table:
    """A table by name, with rows as plain mappings; `count` of all where it holds the first."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    count: int = 0

    @property
    def cut(self) -> bool:
        """Whether the file holds more rows than the page."""
        return self.count > len(self.rows)


def to_csv(table: Table) -> str:
    """Write a table as CSV: keys as heads, numbers in full, times in ISO-8601, UTF-8 for Excel."""
    heads = [key for column in table.columns if column.kind != "spark" for key in column.keys]
    stream = io.StringIO()
    stream.write("\ufeff")
    writer = csv.writer(stream)
    writer.writerow(heads)
    writer.writerows([_cell(row.get(key)) for key in heads] for row in table.rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """Write a value; a text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, list | tuple):
        return _cell("; ".join(map(str, value)))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    if value is None or value is pd.NaT:
        return ""
    found = plain(value)
    return "" if found is None else found


def shown(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as mappings; missing values are None."""
    return [
        {str(key): None if _missing(value) else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _missing(value: Any) -> bool:
    return value is None or (not isinstance(value, list | tuple | dict) and bool(pd.isna(value)))
