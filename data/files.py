"""One file of a source as text: CSV, gzipped CSV or Parquet, or why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from data.columns import FileError, check_columns
from data.contract import Table
from data.delimited import Lines, read_delimited

ENDINGS = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class RawTable:
    """One table as the file says it: text, missing where empty.

    Attributes
    ----------
    frame : every column `str`, index 0..n-1
    file : name of the file, for messages
    lines : (n,) line on which each row begins; the header is line 1 (in Parquet the first row is)
    """

    frame: pd.DataFrame
    file: str
    lines: Lines


def read_table(path: Path, table: Table) -> RawTable:
    """Read one file of the contract.

    Raises
    ------
    FileError
        With every reason why this file cannot be this table.
    """
    if path.name.endswith(".parquet"):
        arrow = _read_parquet(path)
        lines = np.arange(1, arrow.num_rows + 1)
    else:
        arrow, lines = read_delimited(path)
    check_columns(arrow.column_names, table)
    return RawTable(as_text(arrow), path.name, lines)


def as_text(arrow: pa.Table) -> pd.DataFrame:
    """Turn any Arrow columns into text as a CSV would hold it; FileError for nested ones."""
    columns = {}
    problems = []
    for name in arrow.column_names:
        try:
            columns[name] = _column_as_text(arrow[name])
        except pa.ArrowNotImplementedError:
            problems.append(f"column `{name}` holds {arrow[name].type}; allowed are plain values")
    if problems:
        raise FileError(*problems)
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


def _column_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _column_as_text(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    elif pa.types.is_timestamp(kind):
        zone = "UTC" if kind.tz else None
        column = column.cast(pa.timestamp("us", zone), safe=False)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise pa.ArrowNotImplementedError
    return column.cast(pa.large_string())


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pyarrow.parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise FileError(f"is not a whole Parquet file ({error}); write it again") from error
