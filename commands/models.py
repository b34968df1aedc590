"""Commands that make models and choose the one that is served: train, promote, rollback, card."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import (
    AsOf,
    Json,
    WorkFailedError,
    app,
    chosen_as_of,
    out,
    print_json,
    progress,
    read_history,
    say_table,
    state,
)

if TYPE_CHECKING:
    from features.history import History
    from training.bundle import Bundle
    from training.champion import Decision
    from training.tracking import Tracker
    from training.train import Trained


@app.command("train")
def train_command(as_of: AsOf = "", json_: Json = False) -> None:
    """Fit and validate a bundle on what was known then; the champion moves only if it wins."""
    card = train_now(as_of, quiet=json_)
    if json_:
        print_json(card)


def train_now(as_of: str, *, quiet: bool = False) -> dict[str, Any]:
    """Train, log, register, decide who is champion; the card of the bundle, told unless quiet."""
    from commands.backtests import FOLDER as BACKTESTS
    from training.outlook import TERMS
    from training.report import log_training
    from training.revenue_terms import kept_terms
    from training.tracking import Tracker
    from training.train import STEPS, train

    history, data_version = read_history()
    at = chosen_as_of(as_of, history)
    started = time.monotonic()
    with progress("training", STEPS, "under a minute for 6,000 deals") as step:
        trained = train(history, at, step)
        if terms := kept_terms(state["workspace"] / BACKTESTS, at):
            # The whole forecast replayed says more than what training replays of it.
            card = {**trained.bundle.card, TERMS: terms}
            trained = replace(trained, bundle=replace(trained.bundle, card=card))
        step("logging to MLflow")
        tracker = Tracker(state["workspace"])
        bundle = log_training(tracker, trained, data_version)
        step("comparing with the champion")
        decision = decided(tracker, history, replace(trained, bundle=bundle))
        if decision.promote:
            tracker.promote(bundle.version)
    if not quiet:
        _say_trained(bundle, decision.promote, decision.reason, time.monotonic() - started)
    moved = {"champion": decision.promote, "champion_reason": decision.reason}
    return {**bundle.card, "version": bundle.version, **moved}


def decided(tracker: Tracker, history: History, trained: Trained) -> Decision:
    """Compare with the champion; one that this version cannot read any more gives way."""
    from training.bundle import BundleError
    from training.champion import Decision, compare, decide

    days = history.settings.champion_days
    try:
        champion = tracker.champion()
        comparison = compare(history, champion, trained) if champion is not None else None
        return decide(champion, trained.bundle, comparison, days)
    except BundleError:
        return Decision(True, "the champion before it cannot be read any more")


def _say_trained(bundle: Bundle, promoted: bool, reason: str, seconds: float) -> None:
    from training.card import pipeline_lines

    out.print(
        f"version {bundle.version}, tier {bundle.tier}, trained in {seconds:.0f} s: "
        f"{bundle.card['reason']}",
        markup=False,
    )
    for line in pipeline_lines(bundle.card):
        out.print(line, markup=False)
    validation = bundle.card["validation"]
    if validation:
        rows = [
            (
                f"{h} days",
                f"{f['deals']:,.0f}",
                f"{f['log_loss']:.4f}",
                f"{f['table_log_loss']:.4f}",
                f"{f['auc']:.3f}",
                f"{f['table_auc']:.3f}",
                f"{f['auc_won_lost']:.3f}",
                f"{f['observed_expected']:.2f}",
            )
            for h, f in validation["figures"].items()
        ]
        heads = (
            *("won within", "deals", "log-loss", "of the table", "AUC", "of the table"),
            *("AUC won v lost", "O/E"),
        )
        title = "out of time: model against stage x age table"
        say_table(title, [(h, "right") for h in heads], rows)
    for column, seen in bundle.card["distrusted"].items():
        out.print(
            f"note: {column} is filled in when deals close ({seen}): it would tell the outcome, "
            "so no model reads it",
            markup=False,
        )
    word = "champion" if promoted else "not champion"
    out.print(f"{word}: {reason}", markup=False)


@app.command("promote")
def promote_command(version: str) -> None:
    """Make a registered VERSION the champion by hand."""
    from training.tracking import Tracker

    tracker = Tracker(state["workspace"])
    bundle = tracker.load(version)
    tracker.promote(version)
    out.print(f"version {version} (tier {bundle.tier}) is now the champion", markup=False)


@app.command("rollback")
def rollback_command() -> None:
    """Make the champion before this one the champion again."""
    from training.tracking import Tracker

    tracker = Tracker(state["workspace"])
    before = tracker.replaced_by_champion()
    if not before:
        raise WorkFailedError(
            "there is no champion to go back to: none has been replaced yet; `dealcast promote "
            "VERSION` takes any registered version"
        )
    bundle = tracker.load(before)
    tracker.promote(before)
    out.print(f"version {before} (tier {bundle.tier}) is the champion again", markup=False)


@app.command("card")
def card_command(
    version: Annotated[
        str, typer.Argument(help="a registered version [default: the champion]")
    ] = "",
    json_: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print as Markdown")] = False,
) -> None:
    """Print the model card: what the model is, how good it was and where it stops."""
    from training.card import card_markdown, card_of
    from training.tracking import Tracker

    tracker = Tracker(state["workspace"])
    bundle = tracker.load(version) if version else tracker.champion()
    if bundle is None:
        raise WorkFailedError(f"no model in {state['workspace']} yet; run `dealcast train` first")
    if json_:
        print_json({"version": bundle.version, "cut": bundle.cut, **bundle.card})
    elif markdown:
        out.print(card_markdown(bundle), markup=False, end="")
    else:
        out.print(f"Model version {bundle.version}", markup=False)
        for title, lines in card_of(bundle):
            out.print(f"\n{title}", markup=False)
            for line in lines:
                out.print(f"  - {line}", markup=False)
