"""Data health: what the store holds and lacks, what the gaps cost, and what every word means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from data.contract import CONTRACT
from data.manifest import StoreError
from data.rejections import Rejections, read_rejections
from data.store import Store
from features.dictionary import catalogue_rows
from features.health import Health, health
from serving.pages.asked import Asked, paged
from serving.pages.kept import day_of, kept
from serving.pages.tables import Column, Table
from serving.view import View, to_time

MOST_IMPORTS = 10
Row = dict[str, Any]
GAPS = (
    Column("missing"),
    Column("features", "count", title="col.features_off"),
    Column("families"),
)
COVERAGE = (
    Column("table"),
    Column("column", title="col.data_column"),
    Column("filled", "count"),
    Column("of", "count"),
    Column("share", "share", title="col.filled_share"),
    Column("meaning"),
)
IMPORTS = (
    Column("number", "count", title="col.version"),
    Column("time", "instant", title="col.at"),
    Column("source", title="col.from"),
    Column("inserted", "count"),
    Column("updated", "count"),
    Column("unchanged", "count"),
)
REJECTED = (
    Column("table"),
    Column("rule", title="col.broken_rule"),
    Column("rows", "count"),
    Column("reason"),
    Column("remedy"),
    Column("example"),
)
DICTIONARY = (
    Column("name", title="col.feature"),
    Column("family"),
    Column("unit"),
    Column("meaning"),
    Column("needs"),
    Column("why"),
    Column("read", "word"),
)


def data(view: View, asked: Asked) -> Row:
    """Give the state of the data, the gaps and their cost, the imports, and the dictionary."""
    history, day = view.history, to_time(day_of(view))
    found = kept(view, "health", lambda: health(history, day))
    words = _dictionary(view, asked, found)
    where = paged(len(words), asked)
    rejected = read_rejections(asked.workspace) if asked.workspace else None
    tables = {
        "gaps": Table("gaps", GAPS, _gaps(found)),
        "coverage": Table("coverage", COVERAGE, _coverage(found)),
        "imports": Table("imports", IMPORTS, _imports(asked)),
        "rejected": Table("rejected", REJECTED, _rejected(rejected)),
        "dictionary": Table("dictionary", DICTIONARY, words[where["first"] - 1 : where["last"]]),
    }
    return {
        **where,
        "tables": tables,
        "health": found,
        "findings": found.findings(),
        "remarks": found.notes(),
        "rejected": rejected,
        "rejected_at": None if rejected is None else pd.Timestamp(rejected.time),
        "families": sorted({row["family"] for row in catalogue_rows()}),
    }


def _gaps(found: Health) -> list[Row]:
    return [
        {"missing": missing, "features": features, "families": families}
        for missing, features, families in found.gap_rows()
    ]


def _coverage(found: Health) -> list[Row]:
    """Columns with how far they are filled, the emptiest first."""
    rows = []
    for name, part in found.filled.items():
        table, _, column = name.partition(".")
        meaning = {c.name: c.meaning for c in CONTRACT[table].columns}.get(column, "")
        told = {"table": table, "column": column, "filled": part.count, "of": part.of}
        rows.append({**told, "share": part.share, "meaning": meaning})
    return sorted(rows, key=lambda row: (row["share"] is None, row["share"], row["table"]))


def _imports(asked: Asked) -> list[Row]:
    if asked.workspace is None:
        return []
    try:
        versions = Store(asked.workspace / "store").versions()
    except StoreError:
        return []
    rows = []
    for version in reversed(versions if asked.whole else versions[-MOST_IMPORTS:]):
        changes = version.changes.values()
        sums = {
            name: sum(getattr(change, name) for change in changes)
            for name in ("inserted", "updated", "unchanged")
        }
        at = pd.Timestamp(version.time)
        # The folder's name tells an import apart; where on the disk it lay is for the file alone.
        source = version.source if asked.whole else Path(version.source).name or version.source
        rows.append({"number": version.number, "time": at, "source": source, **sums})
    return rows


def _rejected(found: Rejections | None) -> list[Row]:
    return [] if found is None else [vars(each) for each in found.found]


def _dictionary(view: View, asked: Asked, found: Health) -> list[Row]:
    """Features that pass the search and the family asked for, and whether the model reads each."""
    off = {name for gap in found.gaps for name in gap.features}
    read, query = set(view.bundle.features), asked.text("q").casefold()
    family = asked.text("family")
    rows = []
    for row in catalogue_rows():
        text = f"{row['name']} {row['meaning']} {row['why']}".casefold()
        if (query and query not in text) or (family and family != row["family"]):
            continue
        name = row["name"]
        state = "off" if name in off else "model" if name in read else "people"
        rows.append({**row, "read": state})
    return rows
