"""Sources and ICP: where deals come from, what becomes of them, who buys, what a good lead is."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serving.answers import currency
from serving.pages.asked import Asked
from serving.pages.charts import chart, series, sparkline
from serving.pages.kept import day_of, kept
from serving.pages.tables import Column, Table, shown
from serving.pages.words import Words
from serving.view import View, to_time
from training.insights.profile import fit_by_band, profile
from training.insights.rules import Condition, Definition, good_lead
from training.insights.segments import answer_speed, present_dimensions, segments

MOST_SHOWN = 15
RATE = {"low": "win_rate_low", "high": "win_rate_high"}
SEGMENTS = (
    Column("segment"),
    Column("closed", "count"),
    Column("won", "count"),
    Column("win_rate", "share", **RATE),
    Column("lift", "points"),
    Column("trend", "points"),
    Column("spark", "spark", title="col.quarters"),
    Column("revenue", "money", title="col.won_revenue"),
    Column("amount", "money", title="col.won_amount"),
    Column("days", "days", title="col.won_days"),
    Column("answer_hours", "hours"),
    Column("answered_fast", "share"),
)
SPEED = (
    Column("band", "word", title="col.answer_band"),
    Column("closed", "count"),
    Column("won", "count"),
    Column("win_rate", "share", **RATE),
)
PROFILE = (
    Column("trait", "word"),
    Column("label", title="col.band_label"),
    Column("closed", "count"),
    Column("won", "count"),
    Column("win_rate", "share", **RATE),
    Column("rating", "word"),
)
FIT = (
    Column("rating", "word"),
    Column("closed", "count"),
    Column("won", "count"),
    Column("win_rate", "share", **RATE),
    Column("amount", "money", title="col.won_amount"),
    Column("open", "count", title="col.open_now"),
)
RULES = (
    Column("rule"),
    Column("leads", "count"),
    Column("win_rate", "share", title="col.rule_rate"),
    Column("checked_leads", "count"),
    Column("checked_win_rate", "share"),
)


def sources(view: View, asked: Asked) -> dict[str, Any]:
    """Give the segments of a dimension, the speed of the hand-over, the profile and the rules."""
    history, day, t = view.history, day_of(view), asked.words
    dimensions = present_dimensions(history)
    by = asked.choice("by", dimensions, dimensions[0] if dimensions else "")
    found = kept(view, f"segments:{by}", lambda: segments(history, day, by)) if by else None
    speed = kept(view, "speed", lambda: answer_speed(history, day))
    traits = kept(view, "profile", lambda: profile(history, view.bundle.vocabulary, day))
    fit = kept(view, "fit", lambda: fit_by_band(history, view.bundle.vocabulary, day))
    lead = kept(view, "rules", lambda: good_lead(history, day))
    speed = speed.assign(band=[str(k) for k in speed["band"]])
    tables = {
        "segments": _segments(found, whole=asked.whole),
        "speed": Table("speed", SPEED, shown(speed) if history.has("activities.type") else []),
        "profile": Table("profile", PROFILE, shown(traits)),
        "fit": Table("fit", FIT, shown(fit) if len(traits) else []),
        "rules": Table("rules", RULES, _rules(lead, t)),
    }
    return {
        "tables": tables,
        "dimensions": dimensions,
        "by": by,
        "closed": 0 if found is None else int(found.get("closed", pd.Series(dtype=int)).sum()),
        "plot": _plot(tables["segments"].rows, t),
        "speed_plot": _plot(tables["speed"].rows, t, name="band", words="band"),
        "summary": _summary(traits),
        "lead": _lead(lead),
        "currency": currency(history),
    }


def _segments(found: pd.DataFrame | None, *, whole: bool) -> Table:
    if found is None or not len(found):
        return Table("segments", SEGMENTS, [])
    part = found if whole else found.head(MOST_SHOWN)
    drawn = part.assign(spark=[sparkline(values) for values in part["quarters"]])
    return Table("segments", SEGMENTS, shown(drawn), len(found))


def _plot(rows: Any, t: Words, name: str = "segment", words: str = "") -> str:
    """Win rates with their intervals, and the firm's beside them."""
    labels = [t.known(f"{words}.{row[name]}", str(row[name])) for row in rows]
    y = [row["win_rate"] for row in rows]
    bounds = {key: [row[f"win_rate_{key}"] for row in rows] for key in ("low", "high")}
    closed = sum(row["closed"] for row in rows)
    firm = sum(row["won"] for row in rows) / closed if closed else None
    dots = series("dots", t("col.win_rate"), y, "won", **bounds)
    lines = [firm] if firm is not None else []
    edges = [*bounds["low"], *bounds["high"], *lines]
    reach = [max(min(edges) - 0.02, 0.0), min(max(edges) + 0.02, 1.0)] if edges else None
    return chart(labels, [dots], horizontal=True, format=".0%", lines=lines, range=reach)


def _summary(traits: pd.DataFrame) -> list[dict[str, str]]:
    """The bands that buy more than usual, and those that buy less, by trait."""
    found = []
    ordered = traits.sort_values("win_rate", ascending=False, kind="stable")
    for trait in traits["trait"].unique():
        part = ordered[ordered["trait"] == trait]
        good = part.loc[part["rating"].isin(["good", "ideal"]), "label"].tolist()
        weak = part.loc[part["rating"].isin(["poor", "weak"]), "label"].tolist()
        if good or weak:
            found.append({"trait": str(trait), "good": ", ".join(good), "weak": ", ".join(weak)})
    return found


def _rules(lead: Definition | None, t: Words) -> list[dict[str, Any]]:
    if lead is None:
        return []
    return [
        {
            "rule": t("rule.and").join(condition_text(c, t) for c in rule.conditions)
            or t("rule.every"),
            "leads": rule.leads,
            "win_rate": rule.win_rate,
            "checked_leads": rule.checked_leads,
            "checked_win_rate": rule.checked_win_rate,
        }
        for rule in lead.rules
    ]


def condition_text(condition: Condition, t: Words) -> str:
    """Write a condition in the reader's language."""
    value = condition.value
    told = value if isinstance(value, str) else f"{value:,.0f}"
    key = f"rule.{condition.test.replace(' ', '_')}"
    return t(key, column=t(f"trait.{condition.column}"), value=told)


def _lead(lead: Definition | None) -> dict[str, Any] | None:
    if lead is None:
        return None
    good, others = float(lead.good.mean[0]), float(lead.others.mean[0])
    return {
        "days": lead.horizon_days,
        "share": lead.share,
        "good": good,
        "good_low": float(lead.good.low[0]),
        "good_high": float(lead.good.high[0]),
        "others": others,
        "others_low": float(lead.others.low[0]),
        "others_high": float(lead.others.high[0]),
        "times": good / others if others > 0 else None,
        "learned": lead.learned,
        "checked": lead.checked,
        "since": to_time(lead.since),
        "holds": bool(lead.good.low[0] > lead.others.high[0]),
    }
