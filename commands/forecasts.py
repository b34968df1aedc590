"""The command that forecasts revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer

from commands.common import (
    AsOf,
    Json,
    OutFile,
    app,
    bad_arguments,
    bundle_for,
    chosen_as_of,
    err,
    out,
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
    from training.bundle import Bundle
    from training.outlook import Outlook

SHOWN = ("booked", "open", "new", "mean", "p10", "p50", "p90")


@app.command("forecast")
def forecast_command(
    as_of: AsOf = "",
    period: Annotated[str, typer.Option(help="month or quarter")] = "month",
    periods: Annotated[int, typer.Option(min=1, max=24)] = 3,
    by: Annotated[str, typer.Option(help="owner,team,pipeline,source; comma-separated")] = "",
    lines: Annotated[
        bool,
        typer.Option(
            "--lines", help="only where the open deals stand; --out writes them deal by deal"
        ),
    ] = False,
    out_: OutFile = None,
    json_: Json = False,
) -> None:
    """Forecast what will close by period: booked, open and not yet created, with intervals."""
    from training.outlook import DIMENSIONS

    if period not in {"month", "quarter"}:
        bad_arguments(f"--period {period!r}: allowed are month and quarter")
    dimensions = tuple(filter(None, (part.strip() for part in by.split(","))))
    if unknown := set(dimensions) - set(DIMENSIONS):
        bad_arguments(f"--by {', '.join(sorted(unknown))}: allowed are {', '.join(DIMENSIONS)}")
    history, _ = read_history()
    at = chosen_as_of(as_of, history)
    outlook = outlook_of(history, bundle_for(at), at, period, periods, dimensions)
    if lines:
        _answer_lines(outlook, history, out_, json_=json_)
        return
    if out_ is not None:
        write_frame(outlook.frame, out_)
    if json_:
        print_json(records(outlook.frame))
    else:
        say_outlook(outlook, history)
    if outlook.fallback is not None and (json_ or out_ is not None):
        # The table has no place for it.
        err.print(outlook.fallback.said, markup=False)


def outlook_of(
    history: History, bundle: Bundle, at: int, period: Any, periods: int, by: tuple[str, ...]
) -> Outlook:
    """Forecast with progress."""
    from training.outlook import make_outlook

    with progress("forecasting", 1, "seconds") as step:
        step("simulating 10,000 paths")
        return make_outlook(bundle, history, at, period=period, periods=periods, by=by)


def _answer_lines(outlook: Outlook, history: History, out_: OutFile, *, json_: bool) -> None:
    from training.lines import deal_lines
    from training.lines import lines as summed

    deals = deal_lines(history, outlook)
    if out_ is not None:
        write_frame(deals, out_)
    if json_:
        print_json(records(summed(deals)))
    else:
        _say_lines(outlook, history)


def say_outlook(outlook: Outlook, history: History) -> None:
    """Print the forecast, what stands behind it and what reps say beside it."""
    for scope in dict.fromkeys(["total", "open", *outlook.frame["scope"]]):
        rows = outlook.frame[outlook.frame["scope"] == scope]
        _say_rows(outlook, rows, str(scope), _names(history, str(scope)))
        out.print("")
    _say_lines(outlook, history)
    _say_judgement(outlook, history)
    out.print(
        f"\n{outlook.open_deals:,} open deals, all counted; {outlook.without_amount:,} of "
        f"them without amount and {outlook.stale:,} stale. 80 % of outcomes should fall between "
        "p10 and p90",
        markup=False,
    )
    if outlook.fallback is not None:
        out.print(outlook.fallback.said, markup=False)


def _say_rows(outlook: Outlook, rows: pd.DataFrame, scope: str, names: dict[str, str]) -> None:
    """Print the rows of one scope; columns of targets only where there is one."""
    digits = 0 if outlook.unit == "revenue" else 1
    unit = "revenue" if outlook.unit == "revenue" else "number of wins (no amounts in the history)"
    title = {"total": f"forecast: {unit}", "open": "of it, from the deals that are open now"}
    whole, aimed = scope in title, bool(rows["target"].notna().any())
    rows = rows if whole else rows.sort_values(["scope_id", "period"], kind="stable")
    shown = [name for name in SHOWN if scope != "open" or name not in {"booked", "open", "new"}]
    heads: list[tuple[str, Any]] = [] if whole else [(scope, "left")]
    heads += [("period", "left"), *((name, "right") for name in shown)]
    heads += [(name, "right") for name in ("target", "gap", "chance")] * aimed
    cells = [
        (
            *([] if whole else [names.get(row["scope_id"], row["scope_id"]) or "(none)"]),
            row["period"],
            *(f"{row[name]:,.{digits}f}" for name in shown),
            *(_aim(row, digits) if aimed else ()),
        )
        for row in rows.to_dict("records")
    ]
    say_table(title.get(scope, f"by {scope}"), heads, cells)


def _aim(row: dict[Any, Any], digits: int) -> tuple[str, str, str]:
    """Target, gap to it and chance of reaching it, as text."""
    if pd.isna(row["target"]):
        return "-", "-", "-"
    chance = "reached" if row["booked"] >= row["target"] else chance_text(row["p_target"])
    return f"{row['target']:,.{digits}f}", f"{row['gap']:+,.{digits}f}", chance


def chance_text(chance: float) -> str:
    """Per cent; what is neither sure nor impossible is never told as 100% or 0%."""
    if 0 < chance < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= chance < 1 else f"{chance:.0%}"


def _names(history: History, scope: str) -> dict[str, str]:
    """Names of owners by identifier; other scopes are names already."""
    owners = history.tables.owners
    if scope != "owner" or "name" not in owners:
        return {}
    named = owners.dropna(subset=["name"]).drop_duplicates("owner_id")
    return dict(zip(named["owner_id"], named["name"].astype(str), strict=True))


def _say_lines(outlook: Outlook, history: History) -> None:
    from training.lines import LINES, deal_lines
    from training.lines import lines as summed

    found = summed(deal_lines(history, outlook))
    digits = 0 if outlook.unit == "revenue" else 1
    last = outlook.calendar.names[-1]
    heads: list[tuple[str, Any]] = [("line", "left"), ("deals", "right"), ("amount", "right")]
    heads += [(f"expected to {last}", "right"), ("later", "right"), ("so in all", "right")]
    sums = found.sum(numeric_only=True)
    whole = {"line": "all open deals", **sums.to_dict(), "in_all": ""}
    rows = [
        (
            row["line"],
            int(row["deals"]),
            f"{row['amount']:,.0f}",
            *(f"{row[name]:,.{digits}f}" for name in ("inside", "after")),
            row["in_all"],
            LINES.get(str(row["line"]), ""),
        )
        for row in [*found.to_dict("records"), whole]
    ]
    say_table("where the open deals stand", [*heads, ("", "left")], rows)


def _say_judgement(outlook: Outlook, history: History) -> None:
    """Print what reps commit to, where they say it, beside the model's mean."""
    from training.judgement_scores import judgement_sums
    from training.standing import Span

    month = history.settings.fiscal_year_start_month
    spans = [Span.named(name, month) for name in outlook.calendar.names]
    sums = judgement_sums(history, outlook.calendar.as_of, spans, read_statements())
    spoken = (sums["best_case"] > sums["booked"]) | sums["stated"].notna()
    if outlook.unit != "revenue" or not spoken.any():
        return
    found = sums.groupby("period")[["deals", "commit", "best_case", "stated"]].sum(min_count=1)
    mean = outlook.frame[outlook.frame["scope"] == "total"].set_index("period")["mean"]
    rows = [
        (
            name,
            int(found["deals"].get(name, 0)),
            *(f"{found[column].get(name, 0.0):,.0f}" for column in ("commit", "best_case")),
            "-" if pd.isna(said := found["stated"].get(name, np.nan)) else f"{said:,.0f}",
            f"{mean[name]:,.0f}",
        )
        for name in outlook.calendar.names
    ]
    heads: list[tuple[str, Any]] = [("period", "left"), ("committed deals", "right")]
    heads += [(name, "right") for name in ("booked + commit", "with best case", "stated")]
    heads += [("our mean", "right")]
    out.print("")
    say_table("what reps say, beside it", heads, rows)
