"""The accepted tables: typed, complete in their columns, as every layer above reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

import pandas as pd

from data.contract import CONTRACT, DTYPES, Table

OF_A_DEAL = ("deals", "deal_history", "activities")


@dataclass(frozen=True)
class Tables:
    """The eight tables of the contract.

    A table the source did not bring is an empty frame; a column it did not bring is all missing;
    custom columns follow those of the contract. The dtypes are those of `contract.DTYPES`; a
    custom column is float64 or str. Every index is 0..n-1.
    """

    deals: pd.DataFrame
    deal_history: pd.DataFrame
    activities: pd.DataFrame
    accounts: pd.DataFrame
    contacts: pd.DataFrame
    owners: pd.DataFrame
    stages: pd.DataFrame
    targets: pd.DataFrame

    @classmethod
    def empty(cls) -> Tables:
        """Tables without a row."""
        return cls.of({})

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame]) -> Tables:
        """Complete frames that hold right values: absent tables and columns added, dtypes set.

        Raises
        ------
        KeyError
            For a table that the contract does not know.
        """
        if unknown := set(frames) - set(CONTRACT):
            raise KeyError(f"unknown tables {sorted(unknown)}; allowed are {list(CONTRACT)}")
        return cls(
            **{
                name: conform(frames.get(name, pd.DataFrame()), table)
                for name, table in CONTRACT.items()
            }
        )

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return the table of this name; KeyError names the ones there are."""
        if name not in CONTRACT:
            raise KeyError(f"no table {name!r}; the contract has {list(CONTRACT)}")
        frame: pd.DataFrame = getattr(self, name)
        return frame

    def items(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Pairs of name and frame, in the order of the contract."""
        return ((field.name, self[field.name]) for field in fields(self))

    def present(self, table: str, column: str | None = None) -> bool:
        """Whether a table has a row, or one of its columns a value that is not missing."""
        frame = self[table]
        if column is None:
            return len(frame) > 0
        return column in frame and bool(frame[column].notna().any())

    def select(self, deal_ids: Iterable[str]) -> Tables:
        """Keep these deals with their history and activities; the other tables stay whole."""
        wanted = set(deal_ids)
        frames = {
            name: frame[frame["deal_id"].isin(wanted)] if name in OF_A_DEAL else frame
            for name, frame in self.items()
        }
        return Tables(**{name: frame.reset_index(drop=True) for name, frame in frames.items()})


def conform(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Give a frame the contract's columns and dtypes, custom columns last."""
    columns = {
        column.name: as_dtype(frame.get(column.name, missing(frame.index)), column.dtype)
        for column in table.columns
    }
    customs = {
        name: as_dtype(frame[name], custom_dtype(frame[name]))
        for name in frame.columns
        if name not in columns
    }
    return pd.DataFrame(columns | customs).reset_index(drop=True)


def custom_dtype(values: pd.Series) -> str:
    """Dtype of a custom column: float64 for numbers, str for everything else."""
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return "float64" if number else "str"


def as_dtype(values: pd.Series, dtype: str) -> pd.Series:
    """Cast a column; times may come as text, with or without zone."""
    if dtype == DTYPES["time"]:
        return pd.to_datetime(values, utc=True, format="ISO8601").dt.as_unit("us")
    return values.astype(pd.api.types.pandas_dtype(dtype))


def missing(index: pd.Index) -> pd.Series:
    """Return a column of text that says nothing."""
    return pd.Series(pd.NA, index=index, dtype="str")
