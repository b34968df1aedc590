"""Beside the forecast: what reps commit to, and how past forecasts did against their rivals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from features.fiscal import Period
from serving.pages.asked import Asked
from serving.pages.kept import kept
from serving.pages.scope import members_of, owner_called
from serving.pages.tables import Column, Table, shown
from serving.records_feedback import commits
from serving.view import View
from training.insights.stored import newest_forecast
from training.judgement import STATEMENT
from training.judgement_scores import judgement_sums
from training.standing import Span

Row = dict[str, Any]
COMMITS = (
    Column("name", title="col.owner"),
    Column("booked", "money"),
    Column("deals", "count", title="col.committed_deals"),
    Column("commit", "money"),
    Column("best_case", "money"),
    Column("stated", "money"),
    Column("mean", "money", low="p10", high="p90", title="col.forecast"),
    Column("target", "money"),
)
ACCURACY = (
    Column("name", title="col.contender"),
    Column("n", "count", title="col.instants"),
    Column("wape", "share"),
    Column("bias", "share"),
    Column("coverage", "share", title="col.interval_coverage"),
)


def beside(
    view: View, asked: Asked, tables: dict[str, Table], rows: list[Row], kind: Period, period: str
) -> Row:
    """Add the tables `commits` and `accuracy`; empty where nothing of the kind is known."""
    sums = _sums(view, asked, period) if period else None
    told = [] if sums is None else _commits(view, sums, rows, period)
    tables["commits"] = Table("commits", COMMITS, told)
    workspace = asked.workspace
    found = kept(view, "forecasts", lambda: newest_forecast(workspace)) if workspace else None
    past = [] if found is None else shown(found[1][found[1]["kind"] == kind])
    tables["accuracy"] = Table("accuracy", ACCURACY, [{"coverage": None, **row} for row in past])
    return {
        "accuracy_day": found[0] if found else "",
        "committed": 0.0 if sums is None else float(sums["commit"].sum()),
        "best_case": 0.0 if sums is None else float(sums["best_case"].sum()),
    }


def _sums(view: View, asked: Asked, period: str) -> pd.DataFrame:
    """What the owners asked for and in sight have booked and committed to, a row each."""
    span = Span.named(period, view.history.settings.fiscal_year_start_month)
    sums = judgement_sums(view.history, view.as_of, [span], _stated(asked))
    members = members_of(view, asked)
    return sums if members is None else sums[sums["owner_id"].isin(members)]


def _commits(view: View, sums: pd.DataFrame, rows: list[Row], period: str) -> list[Row]:
    """Owners who have committed to something, beside the model's forecast of each."""
    spoken = (sums["deals"] > 0) | (sums["best_case"] > sums["commit"]) | sums["stated"].notna()
    sums = sums[spoken & (sums["owner_id"] != "")]
    own = {r["scope_id"]: r for r in rows if r["scope"] == "owner" and r["period"] == period}
    found = []
    for row in shown(sums):
        model = own.get(row["owner_id"], {})
        told = {key: model.get(key) for key in ("mean", "p10", "p90", "target")}
        found.append({**row, **told, "name": owner_called(view, row["owner_id"])})
    return sorted(found, key=lambda row: -row["commit"])


def _stated(asked: Asked) -> pd.DataFrame | None:
    """What was committed to on the pages, in the columns that judgement reads."""
    if asked.records is None:
        return None
    rows = [vars(each) for each in commits(asked.records)]
    return pd.DataFrame(rows).reindex(columns=list(STATEMENT)) if rows else None
