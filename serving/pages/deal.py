"""Deal: where one deal stands, where it is likely to go, how it came here, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.history import WON
from features.snapshots import Snapshots
from serving.answers import currency
from serving.pages.asked import Asked
from serving.pages.book import book_of
from serving.pages.charts import chart, series
from serving.pages.steps import next_step
from serving.pages.tables import Column, Table, shown
from serving.pages.talk import feedback_lines, supposing
from serving.pages.timeline import timeline_of
from serving.pages.today import since_yesterday
from serving.ranking import take
from serving.view import View, to_time
from training.insights.replay import replayed
from training.scoring import current_owner

WEEKS = 52
EVENTS = 40
REASONS = (Column("theme"), Column("text"), Column("contribution", "decimal"))
SERVED_DAYS = 5
"""Days of kept scores from which on they are shown; before, the past is replayed."""
SCORES = (Column("at", "instant"), Column("p_won_90", "chance"), Column("how", "word"))
CURVE = (Column("days", "count"), Column("p_won", "chance"), Column("p_lost", "chance"))


class UnknownDealError(LookupError):
    """No such deal, or none that the reader may see."""


def deal(view: View, asked: Asked, deal_id: str) -> dict[str, Any]:
    """Give all that is known of a deal; only an open one has a score.

    Raises
    ------
    UnknownDealError
        Where the store has no such deal before the instant, or the reader may not see it.
    """
    code = view.history.position_of.get(deal_id)
    if code is None or view.history.known_from[code] >= view.as_of:
        raise UnknownDealError(deal_id)
    asked_of = Snapshots(np.array([code]), np.array([view.as_of]))
    owner = current_owner(view.history, asked_of).iloc[0]
    if asked.sight is not None and owner not in asked.sight:
        raise UnknownDealError(deal_id)
    events = timeline_of(view, code, asked.words)
    begin = asked.number("from", 0, 0, len(events))
    shown_events = events if asked.whole else events[begin : begin + EVENTS]
    content: dict[str, Any] = {
        "deal_id": deal_id,
        "events": shown_events,
        "events_count": len(events),
        "events_from": begin,
        "events_next": begin + EVENTS if begin + EVENTS < len(events) else None,
        "currency": currency(view.history),
        "tables": {"timeline": Table("timeline", TIMELINE, shown_events)},
    }
    place = view.place.get(deal_id)
    if place is None:
        return {**content, "open": None, **_closed(view, code), "owner": owner}
    row = shown(book_of(view).iloc[[place]])[0]
    return {**content, **_open(view, asked, place, code, row, content["tables"])}


TIMELINE = (
    Column("at", "instant"),
    Column("kind"),
    Column("text"),
    Column("late_days", "days"),
)


def _closed(view: View, code: int) -> dict[str, Any]:
    """Name, outcome and day of a deal that is not open."""
    history, at = view.history, np.array([view.as_of])
    rows, one = history.tables.deals.iloc[[code]], np.array([code])
    name = rows["name"].iloc[0] if "name" in rows else None
    outcome = history.stages.last("outcome", one, at)[0]
    happened = history.stages.last("happened", one, at)[0]
    return {
        "name": name if isinstance(name, str) else rows["deal_id"].iloc[0],
        "outcome": "won" if outcome == WON else "lost",
        "closed_at": to_time(int(happened)),
    }


def _open(
    view: View, asked: Asked, place: int, code: int, row: dict[str, Any], tables: dict[str, Table]
) -> dict[str, Any]:
    reasons = view.reasons(np.array([place]))[0]
    largest = max((abs(r.contribution) for r in reasons), default=1.0)
    facts = view.scored.facts.iloc[place].to_dict()
    curve = _curve(view, place)
    told = [
        {"theme": r.theme, "text": r.text, "contribution": r.contribution,
         "width": 100 * abs(r.contribution) / largest}
        for r in reasons
    ]  # fmt: skip
    tables["reasons"] = Table("reasons", REASONS, told)
    tables["curve"] = Table("curve", CURVE, curve)
    past = _past(view, asked, code)
    tables["scores"] = Table("scores", SCORES, past)
    return {
        "name": row["name"],
        "open": row,
        **since_yesterday(view.changed(np.array([place]))[0]),
        "past": _past_chart(asked, past),
        "supposing": supposing(view, asked, row),
        "said": feedback_lines(asked, row["deal_id"]),
        "talks": asked.records is not None,
        "step": next_step(facts, row["flags"]),
        "reasons": told,
        "curve": curve_chart(asked, curve),
        "milestones": [c for c in curve if c["days"] in (28, 91, 182, 364)],
        "priced": view.bundle.amount.wins > 0,
    }


def _past(view: View, asked: Asked, code: int) -> list[dict[str, Any]]:
    """Scores day by day as they were served, or what today's model says of the weeks before."""
    deal_id = view.history.deal_ids[code]
    if asked.scores is not None:
        kept = asked.scores.of_deals([deal_id]).drop_duplicates("day", keep="last")
        kept = kept[kept["as_of"] <= view.instant]
        if len(kept) >= SERVED_DAYS:
            told = kept[["as_of", "p_won_90"]].rename(columns={"as_of": "at"})
            return shown(told.assign(how="served"))
    found = replayed(view.bundle, view.history, code, view.as_of)
    return [
        {"at": to_time(int(at)), "p_won_90": float(p), "how": "replayed"}
        for at, p in zip(found["time"], found["p_won"], strict=True)
    ]


def _past_chart(asked: Asked, past: list[dict[str, Any]]) -> str | None:
    if len(past) < 2:
        return None
    years = {row["at"].year for row in past}
    year = years.pop() if len(years) == 1 else None
    days = [asked.words.day(row["at"], year=year) for row in past]
    line = series(
        "line", asked.words("col.p_won_90"), [r["p_won_90"] for r in past], "won", dots=1
    )
    return chart(days, [line], format=".0%")


def _curve(view: View, place: int) -> list[dict[str, Any]]:
    days = np.arange(0, 7 * WEEKS + 1, 7)
    incidence = take(view.scored, np.array([place])).incidence
    won, lost = incidence.won_by(days)[0].tolist(), incidence.lost_by(days)[0].tolist()
    return [
        {"days": int(day), "p_won": w, "p_lost": lo, "p_open": max(1 - w - lo, 0.0)}
        for day, w, lo in zip(days, won, lost, strict=True)
    ]


def curve_chart(asked: Asked, curve: list[dict[str, Any]]) -> str:
    """Won, open and lost over the weeks ahead, stacked to one."""
    t = asked.words
    parts = [
        series("area", t(f"outcome.{name}"), [c[f"p_{name}"] for c in curve], name)
        for name in ("won", "open", "lost")
    ]
    weeks = [c["days"] / 7 for c in curve]
    return chart(
        weeks, parts, format=".0%", top=1, xtitle=t("deal.weeks_ahead"), linear=True, hover="x"
    )
