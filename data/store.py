"""The store: a folder of Delta tables and a manifest that says which version of each holds.

An import writes tables first and the manifest last, in one replacement: killed at any instant it
leaves the store as it was. Importing is an idempotent merge by key: twice gives the same store.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from data.arrow import digest, to_arrow
from data.contract import CONTRACT
from data.locking import LockedError, exclusive
from data.manifest import Stored, StoreError, Version, read_manifest, write_manifest
from data.merging import Change, upsert
from data.tables import Tables, conform

MANIFEST, LOCK = "manifest.json", ".lock"
ROW = "_dealcast_row"
"""Place of a row in its table: the order of the source tells changes of one instant apart."""
TIMEOUT = 60.0
"""Seconds an importer waits for another one."""


class StoreBusyError(StoreError):
    """Another import holds the store."""


class Store:
    """The accepted history of a workspace, versioned; readable while it is written.

    Parameters
    ----------
    root : folder of the store, made at the first import
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self) -> bool:
        """Whether anything was imported yet."""
        return bool(read_manifest(self.root / MANIFEST))

    def versions(self) -> list[Version]:
        """All versions with time, source and rows, oldest first.

        Raises
        ------
        StoreError
            Where nothing was imported yet, or the manifest is damaged.
        """
        versions = read_manifest(self.root / MANIFEST)
        if not versions:
            raise StoreError(f"no store at {self.root}: run `dealcast import SOURCE` first")
        return versions

    def version(self) -> str:
        """Return the identifier of the content: the data version of what is learned from it."""
        return self.versions()[-1].id

    def read(self, version: int | None = None) -> Tables:
        """Read the latest version, or the one of this number, with the dtypes of the contract.

        Raises
        ------
        StoreError
            Where there is no such version, or its files are damaged.
        """
        versions = {entry.number: entry for entry in self.versions()}
        number = max(versions) if version is None else version
        if number not in versions:
            raise StoreError(f"no version {number} in {self.root}; there are {sorted(versions)}")
        tables = versions[number].tables
        return Tables.of({name: self._read_table(name, tables[name]) for name in tables})

    def merge(
        self, tables: Tables, source: str, now: pd.Timestamp, timeout: float = TIMEOUT
    ) -> Version:
        """Merge tables by key and return the version that then holds.

        Nothing changed: no new version; the `changes` returned count every row as unchanged.

        Raises
        ------
        StoreBusyError
            Where another import did not end within `timeout` seconds.
        StoreError
            Where the store is damaged.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with exclusive(self.root / LOCK, timeout):
                return self._merge(tables, source, now)
        except LockedError as error:
            raise StoreBusyError(
                f"another import has held {self.root} for {timeout:g} seconds: "
                "wait until it is done and try again"
            ) from error

    def _merge(self, tables: Tables, source: str, now: pd.Timestamp) -> Version:
        versions = self._recovered(read_manifest(self.root / MANIFEST))
        stored = dict(versions[-1].tables) if versions else {}
        changes = {}
        for name, frame in tables.items():
            if len(frame):
                stored[name], changes[name] = self._merge_table(name, frame, stored.get(name))
        if versions and stored == versions[-1].tables:
            return replace(versions[-1], changes=changes)
        version = Version(len(versions) + 1, now.isoformat(), source, stored, changes)
        write_manifest(self.root / MANIFEST, [*versions, version])
        return version

    def _merge_table(
        self, name: str, frame: pd.DataFrame, stored: Stored | None
    ) -> tuple[Stored, Change]:
        table = CONTRACT[name]
        old = self._read_table(name, stored) if stored else conform(frame.iloc[:0], table)
        merged, change = upsert(old, frame, table)
        if stored and not change.any:
            return stored, change
        self._check_names(name, merged)
        arrow = to_arrow(merged)
        only_grown = not change.updated and merged.dtypes.equals(old.dtypes)
        self._write(name, arrow, first=len(old) if stored and only_grown else 0)
        with self._delta(name) as delta:
            return Stored(delta.version(), len(merged), digest(arrow)), change

    def _check_names(self, name: str, frame: pd.DataFrame) -> None:
        if twice := frame.columns[frame.columns.str.lower().duplicated()].tolist():
            raise StoreError(
                f"columns {twice} of {name} differ from another one in capitals alone, which "
                f"{self.root} cannot hold: name them in the source as they are named in the store"
            )

    def _write(self, name: str, arrow: pa.Table, first: int) -> None:
        """Write a table anew (`first` = 0), or append its rows from `first` on."""
        numbered = arrow.append_column(ROW, pa.array(np.arange(len(arrow)))).slice(first)
        if first:
            write_deltalake(self.root / name, numbered, mode="append")
        else:
            write_deltalake(self.root / name, numbered, mode="overwrite", schema_mode="overwrite")

    @contextmanager
    def _delta(self, name: str, version: int | None = None) -> Iterator[DeltaTable]:
        """Open a Delta table; whatever is wrong with its files is a StoreError."""
        try:
            yield DeltaTable(self.root / name, version=version)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise StoreError(
                f"table {name} of {self.root} is damaged ({error}): put the folder back from a "
                "backup, or remove it and import again"
            ) from error

    def _read_table(self, name: str, stored: Stored) -> pd.DataFrame:
        with self._delta(name, stored.delta) as delta:
            arrow = delta.to_pyarrow_dataset().to_table()
        rows = arrow[ROW].to_numpy()
        if (np.diff(rows) < 0).any():
            arrow = arrow.take(np.argsort(rows))
        return conform(arrow.drop_columns(ROW).to_pandas(), CONTRACT[name])

    def _recovered(self, versions: list[Version]) -> list[Version]:
        """Undo what a killed import wrote, for readers of the Delta tables without manifest."""
        known = versions[-1].tables if versions else {}
        for name in CONTRACT:
            if name not in known and (self.root / name / "_delta_log").is_dir():
                shutil.rmtree(self.root / name)
        restored = {name: self._restored(name, table) for name, table in known.items()}
        if restored == dict(known):
            return versions
        recovered = [*versions[:-1], replace(versions[-1], tables=restored)]
        write_manifest(self.root / MANIFEST, recovered)
        return recovered

    def _restored(self, name: str, stored: Stored) -> Stored:
        with self._delta(name) as delta:
            if delta.version() != stored.delta:
                delta.restore(stored.delta)
                delta.update_incremental()
            return replace(stored, delta=delta.version())
