"""Pipeline: what stands in each stage and how long, what flowed, slipped, covers, and is dead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.windows import Ints
from serving.answers import currency
from serving.pages.asked import Asked, deal_address
from serving.pages.book import book_of, chosen, options
from serving.pages.charts import chart, series
from serving.pages.kept import kept
from serving.pages.scope import scope_of, told_whole, whose_deals
from serving.pages.tables import Column, Table, shown
from serving.ranking import take
from serving.view import View
from training.insights.stages import FLOW_DAYS, promised, slipped, stage_table, to_close_out
from training.outlook import Outlook

SHOWN = 15
QUARTERS = 3
STAGES = (
    Column("stage"),
    Column("deals", "count"),
    Column("amount", "money"),
    Column("expected", "money", title="col.expected_revenue_90"),
    Column("days", "days", title="col.days_in_stage"),
    Column("usual", "days", title="col.usual_stay"),
    Column("fresh", "count"),
    Column("ageing", "count"),
    Column("old", "count"),
    Column("entered", "count"),
    Column("advanced", "count"),
    Column("back", "count"),
    Column("won", "count"),
    Column("lost", "count"),
)
COVERAGE = (
    Column("period", "period"),
    Column("target", "money"),
    Column("booked", "money"),
    Column("remaining", "money"),
    Column("promised", "money"),
    Column("coverage", "times"),
    Column("open", "money", title="col.open_expected"),
    Column("new", "money", title="col.new_expected"),
    Column("p_target", "chance"),
)
DEAL = (Column("name", link="href"), Column("owner"), Column("stage"), Column("amount", "money"))
SLIPPED = (
    *DEAL,
    Column("slip", "word"),
    Column("was", "day"),
    Column("now", "day"),
    Column("p_won_quarter", "chance"),
)
CLOSE_OUT = (
    *DEAL,
    Column("p_won", "chance"),
    Column("age_days", "days"),
    Column("days_since_activity", "days"),
)


def pipeline(view: View, asked: Asked) -> dict[str, Any]:
    """Give the stages, what slipped, the coverage of the target, and the deals to close out."""
    rows = np.sort(chosen(view, asked))
    scored, whose = take(view.scored, rows), whose_deals(view, asked)
    stages = stage_table(view.history, scored, view.bundle.vocabulary, view.as_of, whose)
    stages["stage"] = stages["stage"].replace("", asked.words("deal.no_stage"))
    outlook = kept(
        view,
        f"quarters:{view.as_of}",
        lambda: view.outlook("quarter", QUARTERS, ("team", "owner")),
    )
    late = slipped(view.history, scored, int(outlook.calendar.edges[1]), view.as_of)
    dead = to_close_out(scored)
    book = book_of(view).iloc[rows].reset_index(drop=True)
    pushed, idle = _slipped(book, late), _deals(book.iloc[dead.to_numpy()])
    limit = None if asked.whole else SHOWN
    tables = {
        "stages": Table("stages", STAGES, shown(stages)),
        "coverage": Table("coverage", COVERAGE, _coverage(view, outlook, rows, asked)),
        "slipped": Table("slipped", SLIPPED, pushed[:limit], len(pushed)),
        "close_out": Table("close_out", CLOSE_OUT, idle[:limit], len(idle)),
    }
    return {
        "tables": tables,
        "count": len(rows),
        "amount": float(np.nansum(book["amount"])),
        "expected": float(np.nansum(book["expected_revenue_90"])),
        "old": int(stages["old"].sum()) if len(stages) else 0,
        "slipped": len(late),
        "slipped_amount": float(np.nansum(book["amount"].iloc[late["row"]])),
        "dead": len(dead),
        "dead_amount": float(np.nansum(book["amount"].iloc[dead])),
        "dead_expected": float(np.nansum(book["expected_revenue_90"].iloc[dead])),
        "flow_days": FLOW_DAYS,
        "plot": _plot(asked, stages),
        "options": options(view, asked),
        "filtered": bool(asked.text("owner") or asked.text("team") or asked.text("pipeline")),
        "priced": view.bundle.amount.wins > 0,
        "currency": currency(view.history),
    }


def _coverage(view: View, outlook: Outlook, rows: Ints, asked: Asked) -> list[dict[str, Any]]:
    """Target, what is booked, what the open deals promise by the CRM and by the model."""
    frame, scope = outlook.frame, scope_of(view, asked)
    if not told_whole(view, asked, scope):
        return []
    found = frame[(frame["scope"] == scope[0]) & (frame["scope_id"] == scope[1])]
    if not found["target"].notna().any():
        return []
    result = []
    for k, row in enumerate(shown(found)):
        begin, end = int(outlook.calendar.edges[k]), int(outlook.calendar.edges[k + 1])
        amount = float(promised(view.history, take(view.scored, rows), begin, end).sum())
        target = row["target"]
        left = None if target is None else max(target - row["booked"], 0.0)
        coverage = amount / left if left else None
        result.append({**row, "promised": amount, "remaining": left, "coverage": coverage})
    return result


def _deals(book: pd.DataFrame) -> list[dict[str, Any]]:
    links = [deal_address(deal_id) for deal_id in book["deal_id"]]
    names = ["name", "owner", "stage", "amount", "p_won", "p_won_quarter", "age_days"]
    return shown(book[[*names, "days_since_activity", "deal_id"]].assign(href=links))


def _slipped(book: pd.DataFrame, late: pd.DataFrame) -> list[dict[str, Any]]:
    """Slipped deals, the largest first."""
    rows = book.iloc[late["row"]]
    deals = _deals(rows)
    for deal, other in zip(deals, shown(late), strict=True):
        deal |= {"slip": other["kind"], "was": other["was"], "now": other["now"]}
    return sorted(deals, key=lambda deal: (-(deal["amount"] or 0.0), deal["deal_id"]))


def _plot(asked: Asked, stages: pd.DataFrame) -> str:
    """Open deals by stage, parted by how long they stand there."""
    t = asked.words
    parts = (("fresh", "won"), ("ageing", "new"), ("old", "lost"))
    bars = [
        series("bar", t(f"col.{name}"), stages[name].tolist() if len(stages) else [], colour)
        for name, colour in parts
    ]
    names = stages["stage"].tolist() if len(stages) else []
    return chart(names, bars, horizontal=True, stacked=True)
