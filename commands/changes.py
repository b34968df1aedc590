"""The command that tells what changed in a forecast between two instants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer

from commands.common import (
    AsOf,
    Json,
    OutFile,
    WorkFailedError,
    app,
    bad_arguments,
    bundle_for,
    chosen_as_of,
    dated,
    micros,
    out,
    parse_as_of,
    print_json,
    progress,
    read_history,
    read_statements,
    records,
    say_table,
    write_frame,
)

if TYPE_CHECKING:
    from features.history import History
    from training.standing import Span
    from training.waterfall import Waterfall

WIDTH = 36
"""Characters of the picture from the lowest level to the highest."""
GROUPS = {
    "won": ("won",),
    "lost": ("lost",),
    "created": ("created",),
    "amount": ("amount up", "amount down"),
    "dates": ("pulled in", "pushed out"),
    "chance": ("chance up", "chance down", "no news"),
    "to come": ("not yet created",),
    "other": ("won elsewhere", "reopened or corrected", "model changed"),
}
"""Columns of the table by owner, and the bars that each sums."""


@app.command("changes")
def changes_command(
    since: Annotated[
        str, typer.Option("--since", help="the earlier date or instant", callback=dated)
    ],
    as_of: AsOf = "",
    period: Annotated[
        str, typer.Option(help="month or quarter (the one running at as-of), or its name: 2026-Q2")
    ] = "quarter",
    by: Annotated[str, typer.Option(help="owner: a row for each of them, too")] = "",
    top: Annotated[
        int, typer.Option(min=0, max=1_000, help="deals shown of each bar, the largest first")
    ] = 3,
    out_: OutFile = None,
    json_: Json = False,
) -> None:
    """Tell what changed in a forecast since then: won, lost, created, moved; and which deals."""
    if by not in {"", "owner"}:
        bad_arguments(f"--by {by}: allowed is owner")
    earlier = parse_as_of(since)
    if earlier is None:
        bad_arguments("--since is empty; write for example 2026-03-31")
    history, _ = read_history()
    at, span = _asked(micros(earlier), as_of, period, history)
    found = _waterfall(history, micros(earlier), at, span)
    if out_ is not None:
        write_frame(_deals(found, history), out_)
    if json_:
        print_json(_content(found, history, by))
    else:
        _say(found, history, by, top)


def _asked(since: int, as_of: str, period: str, history: History) -> tuple[int, Span]:
    """Instant and period that are asked."""
    from training.standing import PeriodError, Span

    at = chosen_as_of(as_of, history)
    if since >= at:
        bad_arguments(f"--since must be before the as-of, {_day(at)}")
    start = history.settings.fiscal_year_start_month
    if period in ("month", "quarter"):
        return at, Span.holding(at, "month" if period == "month" else "quarter", start)
    try:
        return at, Span.named(period, start)
    except PeriodError as error:
        bad_arguments(f"--period: {error}")


def _waterfall(history: History, since: int, at: int, span: Span) -> Waterfall:
    from training.standing import PeriodError
    from training.waterfall import waterfall

    first, second = bundle_for(since), bundle_for(at)
    with progress("comparing", 2, "seconds") as step:
        try:
            return waterfall(first, second, history, since, at, span, progress=step)
        except PeriodError as error:
            raise WorkFailedError(str(error)) from error


def _day(at: int) -> str:
    day = pd.Timestamp(at, unit="us", tz="UTC")
    return f"{day:%Y-%m-%d}" if day == day.normalize() else f"{day:%Y-%m-%d %H:%M}"


def _deals(found: Waterfall, history: History) -> pd.DataFrame:
    """Rows of the waterfall in the firm's currency, with names and dates."""
    rows = found.rows.copy()
    for name in ("cents", "cents_before", "cents_after"):
        rows[name] = rows[name] / 100
    for name in ("due_before", "due_after"):
        rows[name] = pd.to_datetime(rows[name], unit="us", utc=True).dt.strftime("%Y-%m-%d")
    deals = history.tables.deals.set_index("deal_id")
    accounts = _named(history.tables.accounts, "account_id")
    account = rows["deal_id"].map(deals["account_id"])
    rows.insert(2, "account", account.map(accounts).fillna(account).fillna(""))
    return rows.rename(
        columns={
            "cents": "change",
            "owner": "owner_id",
            "cents_before": "forecast_before",
            "cents_after": "forecast_after",
            "due_before": "expected_close_before",
            "due_after": "expected_close_after",
        }
    )


def _named(table: pd.DataFrame, key: str) -> dict[str, str]:
    if "name" not in table:
        return {}
    rows = table.dropna(subset=[key, "name"]).drop_duplicates(key)
    return dict(zip(rows[key], rows["name"].astype(str), strict=True))


def _content(found: Waterfall, history: History, by: str) -> dict[str, Any]:
    """Everything, for programs."""
    from training.waterfall import BARS

    bars = found.bars()
    content = {
        "period": found.span.name,
        "since": pd.Timestamp(found.since, unit="us", tz="UTC").isoformat(),
        "as_of": pd.Timestamp(found.as_of, unit="us", tz="UTC").isoformat(),
        "unit": found.unit,
        "begin": found.begin / 100,
        "end": found.end / 100,
        "bars": [
            {"bar": bar, "change": cents / 100, "deals": int(deals), "meaning": BARS[bar]}
            for bar, cents, deals in bars.itertuples(index=False)
        ],
        "deals": records(_deals(found, history)),
    }
    if by:
        content["owners"] = [
            {
                "owner_id": owner,
                "begin": begin / 100,
                "end": end / 100,
                "bars": dict(zip(bars["bar"], found.bars(owner)["cents"] / 100, strict=True)),
            }
            for owner, begin, end in found.owners.itertuples()
        ]
    return content


def _say(found: Waterfall, history: History, by: str, top: int) -> None:
    digits = 0 if found.unit == "revenue" else 1
    out.print(
        f"what changed in {found.span.name} ({found.unit}) from {_day(found.since)} to "
        f"{_day(found.as_of)}",
        markup=False,
    )
    for line in picture(found, digits):
        out.print(line, markup=False)
    out.print("")
    _say_commits(found, history)
    if by:
        _say_owners(found, history, digits)
    if top:
        _say_deals(found, history, top, digits)


def picture(found: Waterfall, digits: int) -> list[str]:
    """Lines of text with floating bars: solid where the forecast rises, shaded where it falls."""
    bars = found.bars()
    bars = bars[(bars["cents"] != 0) | (bars["deals"] > 0)]
    level = found.begin + np.concatenate([[0], np.cumsum(bars["cents"])])
    low, high = float(min(level.min(), 0.0)), float(level.max())
    if level.min() > 0.5 * high:
        low = 0.9 * float(level.min())  # a long common stem says nothing
    unit = max(high - low, 1.0) / WIDTH
    place = np.round((level - low) / unit).astype(int)
    figures = [f"{found.begin / 100:,.{digits}f}"]
    figures += [f"{cents / 100:+,.{digits}f}" for cents in bars["cents"]]
    figures += [f"{found.end / 100:,.{digits}f}"]
    names = [_day(found.since), *bars["bar"], _day(found.as_of)]
    notes = ["", *(f"{deals:,} deals" if deals else "" for deals in bars["deals"]), ""]
    drawn = ["█" * place[0], *map(_floating, place[:-1], place[1:]), "█" * place[-1]]
    wide, long = max(map(len, names)), max(map(len, figures))
    return [
        f"  {name:<{wide}}  {figure:>{long}}  {bar:<{WIDTH}}  {note}".rstrip()
        for name, figure, bar, note in zip(names, figures, drawn, notes, strict=True)
    ]


def _floating(start: int, end: int) -> str:
    if start == end:
        return " " * max(start - 1, 0) + "│"
    return " " * min(start, end) + ("█" if end > start else "░") * abs(end - start)


def _say_commits(found: Waterfall, history: History) -> None:
    """What reps were committed to at both instants, where they say it."""
    from training.judgement_scores import judgement_sums

    if found.unit != "revenue":
        return
    stated = read_statements()
    said = [judgement_sums(history, at, [found.span], stated) for at in (found.since, found.as_of)]
    if not any((each["best_case"] > each["booked"]).any() for each in said):
        return
    sums = [each[["commit", "best_case"]].sum() for each in said]
    told = ", ".join(
        f"{words} {sums[0][name]:,.0f} then, {sums[1][name]:,.0f} now"
        for name, words in (("commit", "booked + commit"), ("best_case", "with best case"))
    )
    out.print(f"what reps said of it: {told}\n", markup=False)


def _say_owners(found: Waterfall, history: History, digits: int) -> None:
    names = _named(history.tables.owners, "owner_id")
    rows = []
    for owner, begin, end in found.owners.itertuples():
        bars = found.bars(owner).set_index("bar")["cents"]
        parts = [int(bars[list(group)].sum()) for group in GROUPS.values()]
        figures = [f"{cents / 100:+,.{digits}f}" if cents else "·" for cents in parts]
        ends = [f"{cents / 100:,.{digits}f}" for cents in (begin, end)]
        rows.append((names.get(owner, owner) or "(nobody)", ends[0], *figures, ends[1]))
    heads: list[tuple[str, Any]] = [("owner now", "left"), (_day(found.since), "right")]
    heads += [(name, "right") for name in (*GROUPS, _day(found.as_of))]
    say_table("by owner", heads, rows)
    out.print("")


def _say_deals(found: Waterfall, history: History, top: int, digits: int) -> None:
    deals = _deals(found, history)
    owners = _named(history.tables.owners, "owner_id")
    for bar in found.bars()["bar"]:
        rows = deals[(deals["bar"] == bar) & (deals["deal_id"] != "")]
        if not len(rows):
            continue
        out.print(f"{bar}: {rows['change'].sum():+,.{digits}f}, {len(rows):,} deals", markup=False)
        order = rows["change"].abs().sort_values(ascending=False, kind="stable").index
        for row in rows.loc[order[:top]].to_dict("records"):
            owner = owners.get(row["owner_id"], row["owner_id"])
            out.print(
                f"  {row['change']:>+12,.{digits}f}  {row['deal_id']}  {row['account']}  "
                f"({owner}): {_story(row, digits)}",
                markup=False,
            )


def _story(row: dict[Any, Any], digits: int) -> str:
    """What happened to a deal, in a few words."""
    bar, was, now = row["bar"], row["forecast_before"], row["forecast_after"]
    if bar in {"won", "lost", "won elsewhere"}:
        then = f"{was:,.{digits}f} was expected"
        return f"{then}, {now:,.{digits}f} booked" if bar == "won" else then
    if bar in {"created", "reopened or corrected"}:
        ending = f", {row['state_before']} before" if bar != "created" else ""
        told = f"{row['state_after']}, {now:,.{digits}f} expected"
        if row["state_after"] == "won":
            told = f"won, {now:,.{digits}f} booked"
        return told + ending
    if bar.startswith("amount"):
        return f"amount {_money(row['amount_before'])} to {_money(row['amount_after'])}"
    return f"{_dates(row)}chance {_share(row['chance_before'])} to {_share(row['chance_after'])}"


def _dates(row: dict[Any, Any]) -> str:
    before, after = row["expected_close_before"], row["expected_close_after"]
    same = before == after or (pd.isna(before) and pd.isna(after))
    return "" if same else f"close date {_or_none(before)} to {_or_none(after)}, "


def _or_none(text: Any) -> str:
    return "none" if pd.isna(text) else str(text)


def _money(amount: float) -> str:
    return "none" if np.isnan(amount) else f"{amount:,.0f}"


def _share(chance: float) -> str:
    return "none" if np.isnan(chance) else f"{chance:.0%}"
