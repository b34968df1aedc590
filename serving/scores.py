"""Scores that were served, kept: a Delta table in the workspace, a row a deal and scoring.

Only ever added to, and partitioned by day: the daily history of a deal's scores stays, whatever
data and models come after. A scoring is kept once for each data version, model version and day,
by whichever process comes first; it is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from data.arrow import to_arrow
from data.locking import LockedError, exclusive

FOLDER = "scores"
WAIT_SECONDS = 5.0
"""How long a scoring waits for another process to keep its own."""
TIME = pa.timestamp("us", tz="UTC")
TEXTS = ("data_version", "model_version", "tier", "deal_id", "owner_id", "team", "stage")
NUMBERS = (
    *(f"p_{side}{end}" for side in ("won", "lost") for end in ("_30", "_60", "_90", "_180", "")),
    *("p_won_quarter", "amount", "expected_amount", "expected_revenue_90", "priority"),
)
SCHEMA = pa.schema(
    [
        ("day", pa.string()),
        ("scored_at", TIME),
        ("as_of", TIME),
        *((name, pa.string()) for name in TEXTS),
        *((name, pa.float64()) for name in NUMBERS),
        ("close_date_p50", TIME),
    ]
)


class ScoresError(RuntimeError):
    """Scores could be neither kept nor read; the message says why and what to do."""


class Scores:
    """The kept scores of a workspace.

    Parameters
    ----------
    workspace : its folder `scores` is made when the first scoring is kept
    """

    def __init__(self, workspace: Path) -> None:
        self.root = workspace / FOLDER

    def keep(self, frame: pd.DataFrame, data_version: str, now: pd.Timestamp) -> bool:
        """Keep a scoring; whether it was new.

        Parameters
        ----------
        frame : a row a deal as `training.scoring` makes them, all as of one instant

        Raises
        ------
        ScoresError
            Where it could not be written; then nothing of it was.
        """
        if not len(frame):
            return False
        rows = _rows(frame, data_version, now)
        try:
            with exclusive(self.root.with_suffix(".lock"), WAIT_SECONDS):
                if self._has(rows):
                    return False
                write_deltalake(self.root, rows, mode="append", partition_by=["day"])
                return True
        except (DeltaError, OSError, pa.ArrowException, LockedError) as error:
            reason = str(error) or "another process holds them"
            raise ScoresError(
                f"the scores could not be kept in {self.root} ({reason}): make room, or let this "
                "program write there; it is tried anew"
            ) from error

    def of_deals(self, deal_ids: list[str]) -> pd.DataFrame:
        """All kept scores of some deals, the oldest first."""
        found = self._read(ds.field("deal_id").isin(deal_ids))
        return found.sort_values(["as_of", "scored_at", "deal_id"], ignore_index=True)

    def before(self, as_of: pd.Timestamp) -> pd.DataFrame:
        """The last scoring of the latest day before that of `as_of`; empty where there is none."""
        today = f"{as_of:%Y-%m-%d}"
        days = [day for day in self.days() if day < today]
        if not days:
            return _empty()
        found = self._read(ds.field("day") == days[-1])
        last = found["scored_at"] == found["scored_at"].max()
        rows: pd.DataFrame = found[last].reset_index(drop=True)
        return rows

    def days(self) -> list[str]:
        """Days of which scores are kept, the first first."""
        table = self._table()
        if table is None:
            return []
        return sorted({str(part["day"]) for part in table.partitions()})

    def _has(self, rows: pa.Table) -> bool:
        """Whether this day has a scoring by the same model on the same data."""
        if self._table() is None:
            return False
        first = {name: rows[name][0].as_py() for name in ("day", "data_version", "model_version")}
        return bool(len(self._read(_all_equal(first), ["deal_id"])))

    def _table(self) -> DeltaTable | None:
        if not (self.root / "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(self.root)
        except (DeltaError, OSError) as error:
            raise ScoresError(
                f"the scores kept in {self.root} cannot be read ({error}): put the folder back "
                "from a backup, or move it away to begin anew"
            ) from error

    def _read(self, wanted: ds.Expression, columns: list[str] | None = None) -> pd.DataFrame:
        table = self._table()
        if table is None:
            return _empty()
        found = table.to_pyarrow_dataset().to_table(columns or SCHEMA.names, filter=wanted)
        rows: pd.DataFrame = found.to_pandas()
        return rows


def _empty() -> pd.DataFrame:
    frame: pd.DataFrame = SCHEMA.empty_table().to_pandas()
    return frame


def _all_equal(values: Mapping[str, str]) -> ds.Expression:
    wanted = ds.scalar(value=True)
    for name, value in values.items():
        wanted &= ds.field(name) == value
    return wanted


def _rows(frame: pd.DataFrame, data_version: str, now: pd.Timestamp) -> pa.Table:
    as_of = frame["as_of"].iloc[0]
    told = frame.assign(day=f"{as_of:%Y-%m-%d}", scored_at=now, data_version=data_version)
    told = told[SCHEMA.names].sort_values("deal_id")
    return to_arrow(told).cast(SCHEMA)
