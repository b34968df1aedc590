"""Frames as Arrow tables and back, without loss."""

from __future__ import annotations

import hashlib

import pandas as pd
import pyarrow as pa

ZONED = pa.timestamp("us", "UTC")


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Every column of a frame as Arrow; missing is null; times are microseconds UTC.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError
        For a column of mixed values.
    """
    return pa.table({name: _column(frame[name]) for name in frame.columns})


def _column(values: pd.Series) -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        utc = values.dt.tz_convert("UTC").dt.tz_localize(None).dt.as_unit("us")
        return pa.array(utc, from_pandas=True).cast(ZONED)
    if isinstance(values.dtype, pd.StringDtype):
        return pa.array(values, pa.large_string(), from_pandas=True)
    return pa.array(values, from_pandas=True)


def digest(table: pa.Table) -> str:
    """Hash of the columns, their types and all values in their order: 32 hexadecimal digits."""
    sink = _Hash()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return sink.hash.hexdigest()


class _Hash:
    """A file that only remembers the hash of what was written."""

    closed = False

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to close."""
