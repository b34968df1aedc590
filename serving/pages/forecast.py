"""Forecast: what will close, by when, made of what, against the target, and what changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from features.fiscal import Period
from features.windows import DAY
from serving.answers import currency
from serving.answers import forecast as answer
from serving.figures import short
from serving.messages import ForecastRequest
from serving.pages.asked import Asked, deal_address
from serving.pages.book import book_of, options
from serving.pages.charts import chart, series
from serving.pages.judged import beside
from serving.pages.kept import kept
from serving.pages.scope import Scope, members_of, owner_called, scope_of, told_whole, whose_deals
from serving.pages.tables import Column, Table, shown
from serving.view import View
from training.insights.past import won_by_period
from training.lines import expected_by_period
from training.standing import Span
from training.waterfall import Waterfall, waterfall

BY: tuple[Literal["team", "owner"], ...] = ("team", "owner")
PERIODS = ("3", "6", "12")
PAST = 9
SINCE_DAYS = 7
MOST_DEALS = 50
FIGURES = (
    Column("booked", "money"),
    Column("open", "money", title="col.open_expected"),
    Column("new", "money", title="col.new_expected"),
    Column("mean", "money", low="p10", high="p90", title="col.forecast"),
    Column("target", "money"),
    Column("gap", "money"),
    Column("p_target", "chance"),
)
BY_PERIOD = (Column("period", "period", link="href"), *FIGURES)
ROLL_UP = (Column("member", link="href"), *FIGURES)
DEALS = (
    Column("name", link="href"),
    Column("owner"),
    Column("stage"),
    Column("amount", "money"),
    Column("p_period", "chance"),
    Column("expected", "money", title="col.expected_in"),
    Column("close_date_p50", "day"),
)
BRIDGE = (
    Column("bar", "word"),
    Column("value", "money", title="col.change"),
    Column("deals", "count"),
)
Row = dict[str, Any]


def forecast(view: View, asked: Asked) -> dict[str, Any]:
    """Give the periods ahead, the roll-up of one of them, and the waterfall since last week."""
    scope, member = scope_of(view, asked)
    period = _kind(view, asked, scope, member)
    periods = int(asked.choice("periods", PERIODS, PERIODS[0]))
    told = _told(view, asked, period, periods)
    names = list(dict.fromkeys(row["period"] for row in told["rows"]))
    chosen = asked.choice("period", names, names[0] if names else "")
    rows = [
        {**row, "href": asked.link(period=row["period"])}
        for row in told["rows"]
        if (row["scope"], row["scope_id"]) == (scope, member)
    ]
    head = next((row for row in rows if row["period"] == chosen), None)
    members = _roll_up(view, asked, told["rows"], chosen)
    tables = {
        "periods": Table("periods", _columns(BY_PERIOD, rows), rows),
        "roll_up": Table("roll_up", _columns(ROLL_UP, members), members),
        "period_deals": _deals(view, asked, period, periods, names, chosen),
    }
    return {
        "tables": tables,
        "kind": period,
        "month": _month(view, asked, scope, member),
        "periods": periods,
        "chosen": chosen,
        "head": head,
        "scope": scope,
        "member": _called(view, scope, member),
        "unit": told["unit"],
        "open_deals": told["open_deals"],
        "without_amount": told["without_amount"],
        "stale": told["stale"],
        "fallback": view.outlook(period, periods, BY).fallback,
        "plot": _plot(view, asked, period, rows) if rows else None,
        "options": options(view, asked),
        "currency": currency(view.history) if told["unit"] == "revenue" else "",
        **_changes(view, asked, tables, (scope, member)),
        **beside(view, asked, tables, told["rows"], period, chosen),
    }


def _told(view: View, asked: Asked, period: Period, periods: int) -> dict[str, Any]:
    """Answer of the service, worked out once."""
    request = ForecastRequest(period=period, periods=periods, by=list(BY))
    whose = "all" if asked.sight is None else ",".join(sorted(asked.sight))
    key = f"forecast:{period}:{periods}:{view.as_of}:{whose}"
    return kept(view, key, lambda: answer(view, request, asked.sight))


def _kind(view: View, asked: Asked, scope: str, member: str) -> Period:
    """Months or quarters, as asked; else quarters where they have a target."""
    if asked.text("kind") in ("month", "quarter"):
        return "quarter" if asked.text("kind") == "quarter" else "month"
    rows = _told(view, asked, "quarter", int(PERIODS[0]))["rows"]
    has = any(row["target"] for row in rows if (row["scope"], row["scope_id"]) == (scope, member))
    return "quarter" if has else "month"


def _month(view: View, asked: Asked, scope: str, member: str) -> Row | None:
    """The running month of whoever is at the head."""
    rows = _told(view, asked, "month", int(PERIODS[0]))["rows"]
    return next((r for r in rows if (r["scope"], r["scope_id"]) == (scope, member)), None)


def _columns(columns: tuple[Column, ...], rows: list[Row]) -> tuple[Column, ...]:
    """Columns, without those of targets where there is none."""
    if any(row["target"] for row in rows):
        return columns
    return tuple(column for column in columns if column.key not in ("target", "gap", "p_target"))


def _called(view: View, scope: str, member: str) -> str:
    return owner_called(view, member) if scope == "owner" else member


def _roll_up(view: View, asked: Asked, rows: list[Row], chosen: str) -> list[Row]:
    """Teams of the firm, or owners of a team (or of whoever is in sight without one)."""
    kind, wanted = scope_of(view, asked)
    if kind == "owner":
        return []
    members = members_of(view, asked)
    level = "owner" if wanted or not any(row["scope"] == "team" for row in rows) else "team"
    found = []
    for row in rows:
        member = row["scope_id"]
        if row["scope"] != level or row["period"] != chosen:
            continue
        if level == "owner" and members is not None and member not in members:
            continue
        name = _called(view, level, member) or asked.words(f"forecast.no_{level}")
        link = asked.link(**{level: member}) if member else None
        found.append({**row, "member": name, "href": link})
    return sorted(found, key=lambda row: -row["mean"])


def _deals(
    view: View, asked: Asked, period: Period, periods: int, names: list[str], chosen: str
) -> Table:
    """Open deals behind the period, the largest expectation first."""
    if not names:
        return Table("period_deals", DEALS, [])
    outlook = view.outlook(period, periods, BY)
    k = names.index(chosen)
    chance = np.diff(outlook.deals.won_by, axis=1, prepend=0.0)[:, k]
    book = book_of(view).assign(expected=expected_by_period(outlook)[:, k], p_period=chance)
    mask = whose_deals(view, asked)
    if mask is not None:
        book = book[mask[view.scored.snapshots.deal]]
    book = book.sort_values(["expected", "deal_id"], ascending=[False, True])
    part = book if asked.whole else book.head(MOST_DEALS if asked.text("owner") else 10)
    links = [deal_address(deal_id) for deal_id in part["deal_id"]]
    columns = [column.key for column in DEALS]
    rows = shown(part[[*columns, "deal_id"]].assign(href=links))
    return Table("period_deals", DEALS, rows, len(book))


def _plot(view: View, asked: Asked, period: Period, rows: list[Row]) -> str:
    """Won in the past; booked, open and new ahead; the band of p10 to p90; the targets."""
    t = asked.words
    priced = view.bundle.amount.wins > 0
    past = won_by_period(
        view.history, view.as_of, period, PAST, priced=priced, whose=whose_deals(view, asked)
    )
    gap = [None] * len(past)
    names = [t.period(name) for name in (*past["period"], *(row["period"] for row in rows))]
    parts = [series("bar", t("forecast.past"), [*past["won"], *[None] * len(rows)], "grey")]
    for name in ("booked", "open", "new"):
        colour = {"booked": "booked", "open": "won", "new": "new"}[name]
        y = [*gap, *(row[name] for row in rows)]
        parts.append(series("bar", t(f"forecast.{name}"), y, colour))
    parts.append(
        series(
            "dots",
            t("forecast.range"),
            [*gap, *(row["p50"] for row in rows)],
            "ink",
            low=[*gap, *(row["p10"] for row in rows)],
            high=[*gap, *(row["p90"] for row in rows)],
            size=6,
        )
    )
    if any(row["target"] for row in rows):
        y = [*gap, *(row["target"] for row in rows)]
        parts.append(series("dots", t("col.target"), y, "target", symbol="line-ew-open", size=34))
    return chart(names, parts, stacked=True)


def _changes(view: View, asked: Asked, tables: dict[str, Table], scope: Scope) -> dict[str, Any]:
    """Waterfall of the running quarter since last week, of the firm, a team or an owner."""
    if not told_whole(view, asked, scope):
        return {"bridge": None}
    month = view.history.settings.fiscal_year_start_month
    span = Span.holding(view.as_of, "quarter", month)
    since = view.as_of - SINCE_DAYS * DAY
    found = kept(
        view,
        f"waterfall:{view.as_of}",
        lambda: waterfall(view.bundle, view.bundle, view.history, since, view.as_of, span),
    )
    bars = _bars(found, members_of(view, asked))
    tables["bridge"] = Table("bridge", BRIDGE, bars)
    return {
        "bridge": _bridge_plot(asked, bars),
        "bridge_period": span.name,
        "bridge_change": (bars[-1]["value"] - bars[0]["value"]) if bars else 0.0,
    }


def _bars(found: Waterfall, members: frozenset[str] | None) -> list[Row]:
    """Begin, the bars that moved, end; in whole units of the forecast, of some owners or all."""
    ends = (found.begin, found.end)
    if members is not None:
        own = found.owners[found.owners.index.isin(members)].sum()
        ends = (int(own["begin"]), int(own["end"]))
        found = replace(found, rows=found.rows[found.rows["owner"].isin(members)])
    moved = found.bars()
    rows: list[Row] = [{"bar": "begin", "value": ends[0] / 100, "deals": None, "sum": True}]
    rows += [
        {"bar": each["bar"], "value": each["cents"] / 100, "deals": each["deals"]}
        for each in moved[moved["cents"] != 0].to_dict("records")
    ]
    return [*rows, {"bar": "end", "value": ends[1] / 100, "deals": None, "sum": True}]


def _bridge_plot(asked: Asked, bars: list[Row]) -> str:
    """Bars that hang where the one before ended: up, down, and the two ends."""
    level, bases, heights, colours = 0.0, [], [], []
    for bar in bars:
        if bar.get("sum"):
            level, base, height, colour = bar["value"], 0.0, bar["value"], "booked"
        else:
            base, height = level, bar["value"]
            level += height
            colour = "won" if height >= 0 else "lost"
        bases.append(base)
        heights.append(height)
        colours.append(colour)
    names = [asked.words(f"bar.{bar['bar']}") for bar in bars]
    texts = [
        short(h) if bar.get("sum") or h < 0 else f"+{short(h)}"
        for bar, h in zip(bars, heights, strict=True)
    ]
    one = series(
        "bar",
        asked.words("forecast.bridge"),
        heights,
        "won",
        base=bases,
        colours=colours,
        text=texts,
    )
    tops = [base + max(height, 0) for base, height in zip(bases, heights, strict=True)]
    lows = [base + min(height, 0) for base, height in zip(bases, heights, strict=True)][1:-1]
    low = min(lows, default=0.0)
    room = max(tops, default=1.0)
    reach = [max(low - 0.5 * (room - low), 0.0), room * 1.05]
    return chart(names, [one], range=reach)
