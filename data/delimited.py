"""CSV as text, plain or gzipped, inspected before it is parsed.

What a person did wrong (saved as Excel, wrong encoding, a quote left open) is named with its line
and its remedy. Nothing is interpreted: every value stays text, and is missing where empty.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from data.columns import FileError

HEAD = 1 << 16
"""Bytes looked at before the rest of a file is read."""
BLOCK = 1 << 24
MANY = 5
"""Bad lines named in a message before it says how many more there are."""

Lines = npt.NDArray[np.int64]

SIGNATURES = (
    (b"PK\x03\x04", "a zip or Excel (xlsx) file; save it as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel (xls) file; save it as CSV in UTF-8"),
    (b"\x1f\x8b", "a gzip file; name it .csv.gz"),
    (b"PAR1", "a Parquet file; name it .parquet"),
    (b"%PDF", "a PDF; export the table as CSV"),
    (b"\xff\xfe", "text in UTF-16; convert it: iconv -f utf-16 -t utf-8"),
    (b"\xfe\xff", "text in UTF-16; convert it: iconv -f utf-16 -t utf-8"),
)


def read_delimited(path: Path) -> tuple[pa.Table, Lines]:
    """Read a `.csv` or `.csv.gz`: text columns, and the line on which each row begins.

    Raises
    ------
    FileError
        With every reason why the file is no CSV in UTF-8 with as many values a line as columns.
    """
    return _read_csv(_text_bytes(path))


def _text_bytes(path: Path) -> bytes:
    """All bytes of a CSV file, unpacked; the first are looked at before the rest is read."""
    opened = gzip.open if path.name.endswith(".gz") else Path.open
    try:
        with opened(path, "rb") as stream:
            head = stream.read(HEAD)
            _check_head(head)
            data = head + stream.read()
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileError("is not a gzip file; compress it again, or name it .csv") from error
    except EOFError as error:
        raise FileError("is a truncated gzip file; copy or export it again") from error
    _check_text(data)
    return data


def _check_head(head: bytes) -> None:
    for signature, meaning in SIGNATURES:
        if head.startswith(signature):
            raise FileError(f"is {meaning}")
    if b"\0" in head:
        raise FileError("is binary (it holds NUL bytes); export the table as CSV in UTF-8")
    if not head.removeprefix(codecs.BOM_UTF8).strip():
        raise FileError("is empty; a table without rows still needs its header")


def _check_text(data: bytes) -> None:
    nul = data.find(b"\0")
    if nul >= 0:
        raise FileError(f"line {_line_at(data, nul)}: a NUL byte; export the table again as CSV")
    at = _first_not_utf8(data)
    if at is not None:
        raise FileError(
            f"line {_line_at(data, at)}, byte {at + 1}: {data[at : at + 1]!r} is not UTF-8; "
            "if the file is Latin-1 convert it: iconv -f latin1 -t utf-8"
        )


def _line_at(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _first_not_utf8(data: bytes) -> int | None:
    """Position of the first byte that is not UTF-8, block by block to spare memory."""
    at, view = 0, memoryview(data)
    while at < len(data):
        block = view[at : at + BLOCK]
        try:
            at += codecs.utf_8_decode(block, "strict", at + BLOCK >= len(data))[1]
        except UnicodeDecodeError as error:
            return at + error.start
    return None


def _read_csv(data: bytes) -> tuple[pa.Table, Lines]:
    header = _header(data)
    ragged: list[pa.csv.InvalidRow] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    arrow = pyarrow.csv.read_csv(
        pa.BufferReader(data if data.endswith(b"\n") else data + b"\n"),
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.large_string()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    if ragged:
        raise FileError(*_ragged(data, len(header)))
    _check_quotes(data)
    return arrow, _row_lines(data, arrow.num_rows)


def _records(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Lines on which the records begin, and their values; blank lines are no records."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=""))
    begins = 1
    for record in reader:
        if record:
            yield begins, record
        begins = reader.line_num + 1


def _header(data: bytes) -> list[str]:
    header = next(_records(data))[1]
    problems = [
        f"column {i} of the header has no name" for i, name in enumerate(header, 1) if not name
    ]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    problems += [
        f"column `{name}` stands {header.count(name)} times in the header" for name in repeated
    ]
    if problems:
        raise FileError(*problems)
    return header


def _ragged(data: bytes, width: int) -> list[str]:
    bad = [(at, len(record)) for at, record in _records(data) if len(record) != width]
    named = [f"line {at} has {got} values; the header has {width}" for at, got in bad[:MANY]]
    if len(bad) > MANY:
        named.append(f"and {len(bad) - MANY} more lines with a wrong number of values")
    return [f"{line}; quote values that hold commas" for line in named[:1]] + named[1:]


def _check_quotes(data: bytes) -> None:
    """Refuse a quote that never closes: it would swallow the rest of the file as one value."""
    if data.count(b'"') % 2 == 0:
        return
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    begins = 1
    try:
        for _ in reader:
            begins = reader.line_num + 1
    except csv.Error as error:
        raise FileError(f"line {begins}: a quote is opened and never closed ({error})") from error


def _row_lines(data: bytes, rows: int) -> Lines:
    """(rows,) the line on which each row begins; counted only where values or gaps span lines."""
    if data.count(b"\n") + (not data.endswith(b"\n")) == rows + 1:
        return np.arange(2, rows + 2)
    lines = np.fromiter((at for at, _ in islice(_records(data), 1, None)), np.int64)
    return lines if len(lines) == rows else np.arange(2, rows + 2)
