"""Team: reps on equal terms, what strong ones do differently, and hints, as association."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pandas as pd

from serving.answers import currency
from serving.pages.asked import Asked
from serving.pages.charts import chart, series
from serving.pages.kept import day_of, kept
from serving.pages.tables import Column, Table, shown
from serving.pages.words import Words
from serving.view import View
from training.insights.habits import Habit, compare_habits, habits_of
from training.insights.reps import Performance, performance

CLEAR = 0.1
"""Share of random orders of the reps below which a habit is called clear."""
MEASURES = {"win_rate": "share", "days": "days", "revenue_ratio": "times"}
REPS = (
    Column("name", link="href", title="col.owner"),
    Column("team"),
    Column("closed", "count"),
    Column("won", "count"),
    Column("expected_wins", "count"),
    Column("raw_win_rate", "share"),
    Column("win_rate", "share", low="win_rate_low", high="win_rate_high", title="col.equal_rate"),
    Column("verdict", "word"),
    Column("days", "days", low="days_low", high="days_high", title="col.equal_days"),
    Column("revenue", "money", title="col.won_revenue"),
    Column("expected_revenue", "money"),
    Column("revenue_ratio", "times", low="revenue_ratio_low", high="revenue_ratio_high"),
)
HABITS = (
    Column("habit", "word"),
    Column("strong", "decimal"),
    Column("others", "decimal"),
    Column("correlation", "decimal"),
    Column("p", "decimal"),
    Column("reps", "count"),
    Column("clear", "word"),
)


class DeniedError(PermissionError):
    """The reader sees too few owners for what the page compares."""


def team(view: View, asked: Asked) -> dict[str, Any]:
    """Give the reps by a measure with intervals, how much of it is chance, and the habits.

    Raises
    ------
    DeniedError
        For a reader with fewer than two owners in sight.
    """
    if asked.sight is not None and len(asked.sight) < 2:
        raise DeniedError
    history, day, t = view.history, day_of(view), asked.words
    vocabulary = view.bundle.vocabulary
    found = kept(view, "reps", lambda: performance(history, vocabulary, day))
    by = asked.choice("by", MEASURES, "win_rate")
    if found is None:
        empty = {"reps": Table("reps", REPS, []), "habits": Table("habits", HABITS, [])}
        return {"tables": empty, "reps": None, "by": by, "measures": list(MEASURES)}
    habits = kept(view, "habits", lambda: _habits(view, found, day))
    frame = _frame(found, asked)
    tables = {
        "reps": Table("reps", REPS, shown(frame)),
        "habits": Table("habits", HABITS, [_habit_row(each) for each in habits]),
    }
    chance = found.chance["revenue" if by == "revenue_ratio" else by]
    return {
        "tables": tables,
        "reps": len(frame),
        "by": by,
        "measures": list(MEASURES),
        "base": found.base,
        "usual_days": found.usual_days,
        "chance": chance,
        "apart": int((frame["verdict"] != "usual").sum()),
        "plot": _plot(frame, by, found, t),
        "hints": [row for row in tables["habits"].rows if row["clear"] == "yes"],
        "currency": currency(history),
    }


def _frame(found: Performance, asked: Asked) -> pd.DataFrame:
    """Reps the reader may see, of the team asked for, with a verdict on the win rate."""
    frame = found.frame
    if asked.sight is not None:
        frame = frame[frame["owner_id"].isin(asked.sight)]
    if wanted := asked.text("team"):
        frame = frame[frame["team"] == wanted]
    above, below = frame["win_rate_low"] > found.base, frame["win_rate_high"] < found.base
    verdict = pd.Series("usual", frame.index).mask(above, "above").mask(below, "below")
    links = [f"/?{urlencode({'owner': owner})}" for owner in frame["owner_id"]]
    return frame.assign(verdict=verdict, href=links)


def _habits(view: View, found: Performance, day: int) -> list[Habit]:
    code = {owner: k for k, owner in enumerate(view.history.owners.names)}
    result = found.frame.set_index("owner_id")["win_rate"].rename(index=code)
    return compare_habits(habits_of(view.history, day), result)


def _habit_row(habit: Habit) -> dict[str, Any]:
    return {
        "habit": habit.name,
        "strong": habit.strong,
        "others": habit.others,
        "correlation": habit.correlation,
        "p": habit.p,
        "reps": habit.reps,
        "clear": "yes" if habit.p < CLEAR else "no",
        "more": habit.correlation > 0,
    }


def _plot(frame: pd.DataFrame, by: str, found: Performance, t: Words) -> str:
    """Reps in order with their intervals, and the usual value as a line."""
    usual = {"win_rate": found.base, "days": found.usual_days, "revenue_ratio": 1.0}[by]
    ordered = frame.sort_values(by, ascending=by == "days")
    names = [f"{name} ({n})" for name, n in zip(ordered["name"], ordered["closed"], strict=True)]
    bounds = {key: ordered[f"{by}_{key}"].tolist() for key in ("low", "high")}
    dots = series("dots", t(f"measure.{by}"), ordered[by].tolist(), "won", **bounds)
    shape = {"win_rate": ".0%", "days": ".0f", "revenue_ratio": ".2f"}[by]
    return chart(
        names, [dots], horizontal=True, format=shape, lines=[usual], range=_range(ordered, by)
    )


def _range(frame: pd.DataFrame, by: str) -> list[float]:
    low, high = float(frame[f"{by}_low"].min()), float(frame[f"{by}_high"].max())
    room = 0.08 * (high - low)
    return [max(low - room, 0.0), high + room]
