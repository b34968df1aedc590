"""Commands that answer deal by deal: score, rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer

from commands.common import (
    AsOf,
    Json,
    OutFile,
    WorkFailedError,
    app,
    bundle_for,
    chosen_as_of,
    err,
    out,
    print_json,
    progress,
    read_clock,
    read_history,
    records,
    say_gaps,
    say_table,
    state,
    write_frame,
)

if TYPE_CHECKING:
    from features.history import History
    from training.bundle import Bundle


@app.command("score")
def score_command(
    as_of: AsOf = "",
    out_: OutFile = None,
    json_: Json = False,
) -> None:
    """Score every open deal: probabilities by date, revenue, close dates, reasons."""
    from training.reasons import reason_texts
    from training.scoring import score

    history, data_version = read_history()
    at = chosen_as_of(as_of, history)
    bundle = bundle_for(at)
    with progress("scoring", 2, "seconds") as step:
        step("computing features and probabilities")
        scored = score(bundle, history, at)
        step("writing reasons")
        frame = scored.frame.assign(reasons=reason_texts(bundle, scored))
    if not as_of:
        _keep(scored.frame, data_version)
    if out_ is not None:
        write_frame(frame, out_)
    if json_:
        print_json(records(frame))
    else:
        _say_scores(bundle, frame, at)


def _keep(frame: pd.DataFrame, data_version: str) -> None:
    """Keep the scores of now for the daily history; a failure is told and stops nothing."""
    from serving.scores import Scores, ScoresError

    try:
        Scores(state["workspace"]).keep(frame, data_version, read_clock())
    except ScoresError as error:
        err.print(f"note: {error}", markup=False)


def _say_scores(bundle: Bundle, frame: pd.DataFrame, at: int) -> None:
    day = pd.Timestamp(at, unit="us", tz="UTC")
    out.print(
        f"{len(frame):,} open deals as of {day:%Y-%m-%d %H:%M} UTC, model version "
        f"{bundle.version}, tier {bundle.tier}",
        markup=False,
    )
    if bundle.tier == "table":
        out.print(f"note: {bundle.card['reason']}", markup=False)
    say_gaps(bundle)
    if not len(frame):
        return
    names = [f"p_won_{h}" for h in (30, 60, 90, 180)] + ["p_won_quarter", "p_won"]
    rows = [
        (
            name,
            f"{frame[name].mean():.3f}",
            f"{frame[name].sum():,.1f}",
            f"{frame[name].max():.3f}",
        )
        for name in names
    ]
    heads = ("probability", "mean", "expected wins", "highest")
    say_table("scores", [(h, "right") for h in heads], rows)
    missing, stale = int(frame["amount_missing"].sum()), int(frame["stale"].sum())
    out.print(f"{missing:,} without amount and {stale:,} stale deals are included", markup=False)


@app.command("rank")
def rank_command(
    owner: Annotated[str, typer.Option(help="owner's id or name")] = "",
    team: Annotated[str, typer.Option(help="team's name")] = "",
    top: Annotated[int, typer.Option(min=1, max=100_000)] = 10,
    as_of: AsOf = "",
    json_: Json = False,
) -> None:
    """Print the daily list: the deals to work today, with reasons."""
    history, _ = read_history()
    at = chosen_as_of(as_of, history)
    say_rank(history, bundle_for(at), at, owner, team, top, json_=json_)


def say_rank(
    history: History, bundle: Bundle, at: int, owner: str, team: str, top: int, *, json_: bool
) -> None:
    """Print the daily list of an owner, a team or everyone."""
    from serving.names import UnknownNameError
    from serving.ranking import rank
    from training.scoring import score

    scored = score(bundle, history, at)
    try:
        ranked = rank(bundle, scored, history, owner=owner or None, team=team or None, top=top)
    except UnknownNameError as error:
        raise WorkFailedError(str(error)) from error
    if json_:
        print_json(records(ranked))
        return
    if bundle.tier == "table":
        out.print(f"note: {bundle.card['reason']}", markup=False)
    say_gaps(bundle)
    for row in ranked.to_dict("records"):
        _say_deal(row)


def _say_deal(row: Mapping[Any, Any]) -> None:
    amount = "no amount" if pd.isna(row["amount"]) else f"{row['amount']:,.0f}"
    revenue = row["expected_revenue_90"]
    expected = "" if pd.isna(revenue) else f", expects {revenue:,.0f} within 90 days"
    flags = f"  [{', '.join(row['flags'])}]" if row["flags"] else ""
    out.print(
        f"{row['rank']:>3}. {row['deal_id']}  {row['account']}  ({row['stage']}, {amount})",
        markup=False,
    )
    out.print(
        f"     wins within 90 days: {row['p_won_90']:.0%}{expected}; likely close "
        f"{row['close_date_p50']:%Y-%m-%d} ({row['close_date_p10']:%m-%d} to "
        f"{row['close_date_p90']:%Y-%m-%d}){flags}",
        markup=False,
    )
    for text in row["reasons_for"]:
        out.print(f"     + {text}", markup=False)
    for text in row["reasons_against"]:
        out.print(f"     - {text}", markup=False)
