"""The command that scores what reps were committed to, beside the model."""

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
    chosen_as_of,
    out,
    print_json,
    progress,
    read_history,
    read_statements,
    records,
    say_table,
    state,
    write_frame,
)

if TYPE_CHECKING:
    from features.history import History
    from training.judgement_scores import Accuracy
    from training.standing import Span

DAY = 86_400_000_000


@app.command("judgement")
def judgement_command(
    as_of: AsOf = "",
    quarters: Annotated[
        int, typer.Option(min=1, max=40, help="quarters back from as-of that are over")
    ] = 8,
    day: Annotated[
        int, typer.Option(min=0, max=91, help="day of the quarter on which all are asked")
    ] = 30,
    refit: Annotated[
        bool,
        typer.Option(
            help="learn a model as of each quarter that is older than any registered one"
        ),
    ] = True,
    out_: OutFile = None,
    json_: Json = False,
) -> None:
    """Score what reps were committed to in past quarters against what came, beside the model."""
    from training.judgement_scores import accuracy, judged_past

    history, _ = read_history()
    at = chosen_as_of(as_of, history)
    asked = _asked(history, at, quarters, day)
    with progress("judging", len(asked) + 2, "about half a minute a quarter") as step:
        model, learned = _model(history, at, asked, step, refit=refit)
        step("comparing with what came")
        past = judged_past(history, asked, at, said=read_statements(), model=model)
    if not len(past) or not (past["deals"].sum() or past["stated"].notna().any()):
        name = history.settings.forecast_category
        raise WorkFailedError(
            f"the history holds no commit in the {len(asked)} quarters before: deal_history has "
            f"no property {name!r} with a commit in it; `dealcast settings` shows the names read "
            "(forecast_category, commit_words)"
        )
    if out_ is not None:
        write_frame(past, out_)
    firm, owners = accuracy(past), accuracy(past, by_owner=True)
    if json_:
        print_json(
            {
                "firm": firm.to_json(),
                "by_owner": owners.to_json(),
                "rows": records(past),
                "refitted": learned,
            }
        )
    else:
        _say(past, firm, owners, day, learned)


def _asked(history: History, at: int, quarters: int, day: int) -> list[tuple[int, Span]]:
    """The asked day of every whole quarter before as-of, the latest last."""
    from training.standing import Span

    month = history.settings.fiscal_year_start_month
    found, first = [], int(history.created.min()) if history.size else at
    span = Span.holding(at, "quarter", month)
    for _ in range(quarters):
        span = Span.holding(span.begin - 1, "quarter", month)
        if span.begin + day * DAY > first:
            found.append((min(span.begin + day * DAY, span.end - 1), span))
    return found[::-1]


def _model(
    history: History, cut: int, asked: list[tuple[int, Span]], step: Any, *, refit: bool
) -> tuple[pd.DataFrame | None, list[str]]:
    """Forecasts of the model as of then, and the quarters for which one was learned now.

    A registered model answers where one is old enough: none that knew more.
    """
    from training.outlook import make_outlook
    from training.refitted import refitted
    from training.tracking import Tracker

    tracker, frames, older = Tracker(state["workspace"]), [], []
    for at, span in asked:
        bundle = tracker.bundle_for(at)
        if bundle is None or bundle.cut > at:
            older.append((at, span))
            continue
        step(f"forecast of {span.name}")
        outlook = make_outlook(bundle, history, at, period="quarter", periods=1, by=("owner",))
        frames.append(outlook.frame)
    found = refitted(history, cut, older, step) if refit else None
    learned = sorted(found["period"].unique()) if found is not None else []
    frames += [] if found is None else [found]
    return (pd.concat(frames, ignore_index=True) if frames else None), learned


def _say(
    past: pd.DataFrame, firm: Accuracy, owners: Accuracy, day: int, learned: list[str]
) -> None:
    names = ["booked", "deals", "won", "commit", "best_case", "stated", "model", "actual"]
    sums = past.groupby("period")[names].sum(min_count=1)
    rows = [
        (
            period,
            int(row["deals"]),
            int(row["won"]),
            *(_figure(row[name]) for name in (names[0], *names[3:])),
        )
        for period, row in sums.iterrows()
    ]
    heads: list[tuple[str, Any]] = [("quarter", "left")]
    heads += [(name, "right") for name in ("committed deals", "of them won", "booked then")]
    heads += [(name, "right") for name in ("booked + commit", "with best case", "stated")]
    heads += [("model", "right"), ("came", "right")]
    say_table(f"asked on day {day} of each quarter", heads, rows)
    out.print(
        f"\n{firm.won:,} of {firm.deals:,} committed deals were won in their quarter"
        + (
            f": {firm.hit_rate:.0%} (90 % interval {firm.low:.0%} to {firm.high:.0%})"
            if firm.deals
            else ""
        ),
        markup=False,
    )
    for words, found in (("of the firm", firm), ("of each owner", owners)):
        told = [
            f"{name.replace('_', ' ')} {found.wape[name]:.0%} (bias {found.bias[name]:+.0%})"
            for name in found.wape
            if found.compared[name]
        ]
        out.print(f"error (WAPE) of the sums {words}: {', '.join(told)}", markup=False)
    if learned:
        out.print(
            f"no registered model is as old as {', '.join(learned)}: there the model is one "
            "learned on what was known on the day asked",
            markup=False,
        )
    if not firm.compared["model"]:
        out.print(
            "no registered model is as old as these quarters, and none was learned for them: that "
            "needs half a year and 30 closed deals before them, and no --no-refit",
            markup=False,
        )
    elif firm.compared["model"] < firm.compared["commit"]:
        out.print(
            f"the model is judged on the {firm.compared['model']} of {firm.compared['commit']} "
            "quarters that have a model as old as they are",
            markup=False,
        )


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:,.0f}"
