"""The command that replays the past: backtest."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import (
    AsOf,
    Json,
    WorkFailedError,
    app,
    bad_arguments,
    chosen_as_of,
    err,
    out,
    print_json,
    progress,
    read_history,
    say_table,
    state,
)

if TYPE_CHECKING:
    from features.history import History
    from training.backtest import Backtest
    from training.backtest_findings import Findings
    from training.backtest_plan import Plan
    from training.origins import Past
    from training.tiers import Recipe

LONGEST_DAYS = 730
FOLDER = "backtests"


def horizons_of(text: str) -> tuple[int, ...]:
    """Horizons asked, as days; 0 for `ever`."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part != "ever" and not (part.isdecimal() and 1 <= int(part) <= LONGEST_DAYS):
            bad_arguments(
                f"--horizons {part!r}: allowed are days from 1 to {LONGEST_DAYS} and `ever`, for "
                "example 30,90,ever"
            )
        found.append(0 if part == "ever" else int(part))
    if not found:
        bad_arguments("--horizons is empty; write for example 30,90,ever")
    return tuple(dict.fromkeys(found))


@app.command("backtest")
def backtest_command(
    as_of: AsOf = "",
    origins: Annotated[
        int,
        typer.Option(
            min=0, max=60, help="months to replay; 0: as many as take about five minutes"
        ),
    ] = 0,
    horizons: Annotated[
        str, typer.Option(help="days, and ever; comma-separated")
    ] = "30,60,90,180,ever",
    candidates: Annotated[
        bool,
        typer.Option(
            "--candidates", help="also the other ways to learn the model (half as long again)"
        ),
    ] = False,
    out_: Annotated[
        Path | None, typer.Option("--out", help="folder of the report [default: the workspace]")
    ] = None,
    forecast: Annotated[
        bool,
        typer.Option("--forecast", help="replay the revenue forecast instead, quarter by quarter"),
    ] = False,
    json_: Json = False,
) -> None:
    """Replay the past month by month: what each way of predicting said, and what came."""
    asked = horizons_of(horizons)
    if out_ is not None and out_.exists() and not out_.is_dir():
        bad_arguments(f"--out {out_} is a file; give a folder")
    history, _ = read_history()
    at = chosen_as_of(as_of, history)
    started = time.monotonic()
    if forecast:
        _forecast(history, at, origins, out_, json_=json_)
        return
    test, found = _replayed(history, at, asked, origins or None, candidates=candidates)
    page = _kept(test, found, at, out_)
    if json_:
        print_json(found.to_json() | {"report": str(page)})
    else:
        say_backtest(test, found)
        out.print(f"report: {page} ({time.monotonic() - started:.0f} s)", markup=False)


def _replayed(
    history: History, at: int, asked: tuple[int, ...], origins: int | None, *, candidates: bool
) -> tuple[Backtest, Findings]:
    from training.backtest import run_backtest
    from training.backtest_findings import find
    from training.backtest_plan import plan_backtest
    from training.origins import Past

    past = Past.of(history, at)
    plan = plan_backtest(past, asked, origins, candidates=candidates, recipe=_recipe())
    if not plan.cuts:
        raise WorkFailedError(
            "the history is too short for a backtest: an origin needs three months and 30 closed "
            f"deals before it, and {min(h or LONGEST_DAYS for h in asked)} days and a month after "
            "it; ask shorter --horizons, or wait"
        )
    _say_plan(plan, past)
    with progress("backtest", plan.steps + 3, _minutes(plan.seconds)) as step:
        test = run_backtest(past, plan.cuts, plan.entries, plan.horizons, step, plan.absent)
        found = find(test, plan.served.name, plan.served.tiers, step)
    return test, found


def _recipe() -> Recipe:
    """How the champion learns; the default where there is none that can be read."""
    from training.bundle import BundleError
    from training.tiers import Recipe
    from training.tracking import Tracker

    try:
        champion = Tracker(state["workspace"]).champion()
    except BundleError:
        return Recipe()
    return Recipe(**((champion.card.get("recipe") if champion else None) or {}))


def _minutes(seconds: float) -> str:
    return "a minute" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _say_plan(plan: Plan, past: Past) -> None:
    from training.origins import within

    days = [_day(cut) for cut in sorted(plan.cuts)]
    err.print(
        f"{len(plan.cuts)} origins from {days[0]} to {days[-1]}, {len(plan.entries)} contenders, "
        f"{len(past.snapshots):,} snapshots: about {_minutes(plan.seconds)}",
        markup=False,
    )
    if late := [within(h) for h in plan.horizons if not plan.mature(past.as_of, h)]:
        err.print(
            f"no origin is old enough to judge who is won {' or '.join(late)}; ask more --origins "
            "if the history is long enough",
            markup=False,
        )


def _day(cut: int) -> str:
    import pandas as pd

    return f"{pd.Timestamp(cut, unit='us', tz='UTC'):%Y-%m-%d}"


def _kept(test: Backtest, found: Findings, at: int, folder: Path | None) -> Path:
    """Write the report and log it; the path of its page."""
    from training.backtest_page import PAGE, ROWS, write_report
    from training.backtest_plan import log_backtest
    from training.tracking import Tracker

    place = folder or state["workspace"] / FOLDER / _day(at)
    files = write_report(test, found, place)
    logged = {name: path for name, path in files.items() if name != ROWS}
    log_backtest(Tracker(state["workspace"]), test, found, logged)
    return files[PAGE]


def say_backtest(test: Backtest, found: Findings) -> None:
    """Print the contenders at each horizon, the segments that are off and what it means."""
    from training.backtest_page import LISTS, TERMINAL, show
    from training.backtest_words import said
    from training.origins import within

    for horizon in found.horizons:
        frame = found.summary[found.summary["horizon"] == horizon]
        _say(f"won {within(horizon)}", show(frame, TERMINAL))
    _say(f"the top tenth of each rep's list, {within(found.main)}", show(found.lists, LISTS))
    for name, why in test.absent.items():
        out.print(f"{name}: {why}", markup=False)
    for line in said(found):
        out.print(f"- {line}", markup=False)


def _say(title: str, shown: dict[str, Any]) -> None:
    heads = [(head["text"], "left" if head["left"] else "right") for head in shown["heads"]]
    say_table(title, heads, [tuple(row) for row in shown["rows"]])
    out.print("")


def _forecast(history: History, at: int, months: int, folder: Path | None, *, json_: bool) -> None:
    """Replay the forecast, say how it did and keep the report."""
    from training.fallback import preferred
    from training.revenue_backtest import TooShortError, forecast_backtest
    from training.revenue_page import (
        PAGE,
        log_revenue,
        said,
        say_differences,
        say_summary,
        say_terms,
        write_revenue,
    )
    from training.revenue_past import MOST_QUARTERS, instants
    from training.revenue_terms import keep_terms, learned_terms
    from training.tracking import Tracker

    quarters = -(-months // 3) if months else MOST_QUARTERS
    asked = instants(history, at, quarters)
    steps = len({each.at for each in asked}) + quarters + 2
    with progress("forecast backtest", steps, "some minutes") as step:
        try:
            found = forecast_backtest(history, at, asked=asked, progress=step)
        except TooShortError as error:
            raise WorkFailedError(str(error)) from error
    files = write_revenue(found, folder or state["workspace"] / FOLDER / f"forecast-{_day(at)}")
    log_revenue(Tracker(state["workspace"]), found, files)
    terms = learned_terms(found.rows, found.terms, at)
    keep_terms(terms, state["workspace"] / FOLDER)
    if json_:
        frames = {"summary": found.summary, "differences": found.differences, "terms": found.terms}
        print_json(
            {name: json.loads(each.to_json(orient="records")) for name, each in frames.items()}
            | {"used": terms, "unit": found.unit, "said": said(found), "report": str(files[PAGE])}
        )
        return
    for kind in ("quarter", "month"):
        if (found.rows["kind"] == kind).any():
            _say_shown(f"asked: {kind}", say_summary(found, kind))
    _say_shown("differences", say_differences(found))
    _say_shown("tried on top", say_terms(found))
    for line in said(found):
        out.print(f"- {line}", markup=False)
    out.print(
        f"- From the next `dealcast train` on, forecasts use level x {terms['level']:.3f} and "
        f"intervals x {terms['widening']:.2f}.",
        markup=False,
    )
    if towards := preferred(terms):
        out.print(f"- {towards}", markup=False)
    out.print(f"report: {files[PAGE]}", markup=False)


def _say_shown(title: str, shown: dict[str, Any]) -> None:
    heads = [(head, "right" if k else "left") for k, head in enumerate(shown["heads"])]
    say_table(title, heads, [tuple(row) for row in shown["rows"]])
    out.print("")
