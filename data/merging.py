"""Upsert by key, in memory: what a table holds after an import, and how much of it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.contract import Table
from data.tables import as_dtype, conform, missing

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """Rows of one table that an import brought."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def any(self) -> bool:
        """Whether the table is another than before."""
        return bool(self.inserted or self.updated)


def upsert(old: pd.DataFrame, new: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, Change]:
    """Merge new rows into the old by the key of the table.

    Rows keep their place; inserted ones follow in their order. A row replaces the row of its key
    whole, but a custom column that the new rows do not have keeps its old values. Where new rows
    repeat a key the last one counts.
    """
    if old.equals(new):
        return old, Change(unchanged=len(old))
    old, new = _alike(old, new)
    new, at = _places(old, new, list(table.key))
    for name in old.columns.difference(new.columns):
        new[name] = old[name].reindex(at).array
    new = new.reindex(columns=old.columns)
    known = at >= 0
    changed = np.zeros(len(new), bool)
    changed[known] = differing(old.take(at[known]), new[known])
    order = np.arange(len(old))
    order[at[changed]] = len(old) + np.flatnonzero(changed)
    order = np.concatenate([order, len(old) + np.flatnonzero(~known)])
    merged = conform(pd.concat([old, new], ignore_index=True).take(order), table)
    inserted, updated = int((~known).sum()), int(changed.sum())
    return merged, Change(inserted, updated, len(new) - inserted - updated)


def differing(left: pd.DataFrame, right: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) where rows of two frames of the same columns differ; missing equals missing."""
    differs = np.zeros(len(left), bool)
    for name in left.columns:
        a, b = left[name].reset_index(drop=True), right[name].reset_index(drop=True)
        unequal = (a != b).fillna(value=True).to_numpy(bool)
        differs |= unequal & ~(a.isna() & b.isna()).to_numpy()
    return differs


def _places(old: pd.DataFrame, new: pd.DataFrame, key: list[str]) -> tuple[pd.DataFrame, Places]:
    """Keep the last new row of each key, and find its place in the old frame; -1 where none."""
    keys = pd.concat([old[key], new[key]], ignore_index=True)
    group = keys.groupby(key, dropna=False, sort=False).ngroup().to_numpy()
    place = np.full(group.max(initial=-1) + 1, -1)
    place[group[: len(old)]] = np.arange(len(old))
    theirs = group[len(old) :]
    last = ~pd.Series(theirs).duplicated(keep="last").to_numpy()
    return new[last].reset_index(drop=True), place[theirs[last]]


def _alike(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give both frames one dtype a column, and the old one the columns that are new."""
    names = old.columns.union(new.columns, sort=False)
    dtypes = {name: _common(old, new, name) for name in names}
    old = old.assign(**{name: missing(old.index) for name in names.difference(old.columns)})
    return _cast(old, dtypes)[list(names)], _cast(new, dtypes)


def _common(old: pd.DataFrame, new: pd.DataFrame, name: str) -> str:
    sides: Mapping[str, pd.Series] = {
        str(frame[name].dtype): frame[name] for frame in (old, new) if name in frame
    }
    told = [dtype for dtype, values in sides.items() if values.notna().any()] or list(sides)
    return told[0] if len(told) == 1 else "str"


def _cast(frame: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    other = [name for name in frame.columns if str(frame[name].dtype) != dtypes[name]]
    return frame.assign(**{name: _as(frame[name], dtypes[name]) for name in other})


def _as(values: pd.Series, dtype: str) -> pd.Series:
    return number_text(values) if dtype == "str" else as_dtype(values, dtype)


def number_text(numbers: pd.Series) -> pd.Series:
    """Numbers as a person writes them: 12, not 12.0; missing stays missing."""
    return numbers.map(lambda number: f"{number:.15g}", na_action="ignore").astype("str")
