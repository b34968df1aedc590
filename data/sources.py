"""Sources: a folder of the contract as text, or every problem of all its files at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data.arrow import to_arrow
from data.columns import FileError, alike, check_columns
from data.contract import CONTRACT
from data.files import ENDINGS, RawTable, as_text, read_table


class SourceError(ValueError):
    """A source that cannot be read; the message has a bullet for every problem of every file."""

    def __init__(self, source: str, problems: list[str]) -> None:
        bullets = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"{source} cannot be read:\n{bullets}")
        self.problems = tuple(problems)


@dataclass(frozen=True)
class RawTables:
    """What a source says, as text and not yet judged.

    Attributes
    ----------
    source : where it came from, for messages and the store's list of versions
    tables : the tables it brought, by name
    unread : files in the folder that look like tables and are none of the contract
    """

    source: str
    tables: Mapping[str, RawTable]
    unread: tuple[str, ...] = ()


def read_source(path: Path) -> RawTables:
    """Read a folder with one file a table: `deals.csv`, `deals.csv.gz` or `deals.parquet`.

    Raises
    ------
    SourceError
        With every problem of all files: missing, twice, broken, wrongly encoded, wrong columns.
    """
    files, problems = _find(path)
    tables = {}
    for name, file in files.items():
        try:
            tables[name] = read_table(file, CONTRACT[name])
        except FileError as error:
            problems += [f"{file.name}: {problem}" for problem in error.problems]
        except OSError as error:
            problems.append(f"{file.name}: cannot be opened ({error.strerror}); check its rights")
    if problems:
        raise SourceError(str(path), problems)
    return RawTables(str(path), tables, tuple(_table_files(path, known=False)))


def raw_tables(frames: Mapping[str, pd.DataFrame], source: str) -> RawTables:
    """Take frames in memory for a source, so that they can be validated like files.

    Raises
    ------
    SourceError
        For an unknown table, a missing required column or a column of mixed or nested values.
    """
    tables, problems = {}, []
    for name, frame in frames.items():
        try:
            tables[name] = _raw_table(name, frame)
        except (FileError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise SourceError(source, problems)
    return RawTables(source, tables)


def _raw_table(name: str, frame: pd.DataFrame) -> RawTable:
    if name not in CONTRACT:
        raise FileError(f"is no table of the contract; allowed are {', '.join(CONTRACT)}")
    check_columns(list(frame.columns), CONTRACT[name])
    text = as_text(to_arrow(frame))
    return RawTable(text, name, np.arange(1, len(text) + 1))


def _find(path: Path) -> tuple[dict[str, Path], list[str]]:
    """Find the file of every table; problems where it is none, or more than one."""
    if not path.exists():
        raise SourceError(str(path), ["there is no such folder; check the path"])
    if not path.is_dir():
        raise SourceError(str(path), ["is a file; name the folder that holds deals.csv"])
    files, problems = {}, []
    for name, table in CONTRACT.items():
        found = [path / f"{name}{ending}" for ending in ENDINGS]
        found = [file for file in found if file.is_file()]
        if len(found) > 1:
            names = ", ".join(file.name for file in found)
            problems.append(f"table `{name}` is there {len(found)} times ({names}); keep one")
        elif found:
            files[name] = found[0]
        elif table.required:
            problems.append(_no_file(name, path))
    return files, problems


def _no_file(name: str, path: Path) -> str:
    allowed = ", ".join(f"{name}{ending}" for ending in ENDINGS)
    others = sorted(file.name for file in path.iterdir())
    like = alike(name, _table_files(path, known=False), 0.5)
    hint = f"did you mean `{like}`?" if like else f"found {', '.join(others[:10]) or 'nothing'}"
    return f"no file of the required table `{name}`; allowed are {allowed}; {hint}"


def _table_files(path: Path, *, known: bool) -> list[str]:
    """Names of files that end like a table, and are (or are not) one of the contract."""
    wanted = {f"{name}{ending}" for name in CONTRACT for ending in ENDINGS}
    names = sorted(file.name for file in path.iterdir() if file.is_file())
    return [name for name in names if name.endswith(ENDINGS) and (name in wanted) is known]
