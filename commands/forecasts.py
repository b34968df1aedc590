"""The command that forecasts revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import (
    AsOf,
    Json,
    OutFile,
    app,
    bad_arguments,
    bundle_for,
    chosen_as_of,
    out,
    print_json,
    progress,
    read_history,
    records,
    say_table,
    write_frame,
)

if TYPE_CHECKING:
    from features.history import History
    from training.bundle import Bundle
    from training.outlook import Outlook


@app.command("forecast")
def forecast_command(
    as_of: AsOf = "",
    period: Annotated[str, typer.Option(help="month or quarter")] = "month",
    periods: Annotated[int, typer.Option(min=1, max=24)] = 3,
    by: Annotated[str, typer.Option(help="owner,team,pipeline,source; comma-separated")] = "",
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
    if out_ is not None:
        write_frame(outlook.frame, out_)
    if json_:
        print_json(records(outlook.frame))
    else:
        say_outlook(outlook)


def outlook_of(
    history: History, bundle: Bundle, at: int, period: Any, periods: int, by: tuple[str, ...]
) -> Outlook:
    """Forecast with progress."""
    from training.outlook import make_outlook

    with progress("forecasting", 1, "seconds") as step:
        step("simulating 10,000 paths")
        return make_outlook(bundle, history, at, period=period, periods=periods, by=by)


def say_outlook(outlook: Outlook) -> None:
    """Print the forecast as a table, and what stands behind it."""
    unit = "revenue" if outlook.unit == "revenue" else "number of wins (no amounts in the history)"
    shown = ["booked", "open", "new", "mean", "p10", "p50", "p90"]
    digits = 0 if outlook.unit == "revenue" else 1
    rows = [
        (r["period"], r["scope"], r["scope_id"], *(f"{r[name]:,.{digits}f}" for name in shown))
        for r in outlook.frame.to_dict("records")
    ]
    heads: list[tuple[str, Any]] = [("period", "left"), ("scope", "left"), ("of", "left")]
    say_table(f"forecast: {unit}", heads + [(name, "right") for name in shown], rows)
    out.print(
        f"{outlook.open_deals:,} open deals, all counted; {outlook.without_amount:,} of "
        f"them without amount and {outlook.stale:,} stale. 80 % of outcomes should fall between "
        "p10 and p90",
        markup=False,
    )
