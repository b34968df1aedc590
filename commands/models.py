"""Commands that make models and choose the one that is served: train, promote."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from commands.common import (
    AsOf,
    Json,
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
    from training.bundle import Bundle
    from training.champion import Decision
    from training.tracking import Tracker


@app.command("train")
def train_command(as_of: AsOf = "", json_: Json = False) -> None:
    """Fit and validate a bundle on what was known then; the champion moves only if it wins."""
    card = train_now(as_of)
    if json_:
        print_json(card)


def train_now(as_of: str) -> dict[str, Any]:
    """Train, log, register, decide who is champion; the card of the bundle."""
    from training.report import log_training
    from training.tracking import Tracker
    from training.train import STEPS, train

    history, data_version = read_history()
    at = chosen_as_of(as_of, history)
    started = time.monotonic()
    with progress("training", STEPS, "under a minute for 6,000 deals") as step:
        trained = train(history, at, step)
        step("logging to MLflow")
        tracker = Tracker(state["workspace"])
        bundle = log_training(tracker, trained, data_version)
        decision = _decision(tracker, bundle)
        if decision.promote:
            tracker.promote(bundle.version)
    _say_trained(bundle, decision.promote, decision.reason, time.monotonic() - started)
    return {**bundle.card, "version": bundle.version, "champion": decision.promote}


def _decision(tracker: Tracker, bundle: Bundle) -> Decision:
    """Compare with the champion; one that this version cannot read any more gives way."""
    from training.bundle import BundleError
    from training.champion import Decision, decide

    try:
        return decide(tracker.champion(), bundle)
    except BundleError:
        return Decision(True, "the champion before it cannot be read any more")


def _say_trained(bundle: Bundle, promoted: bool, reason: str, seconds: float) -> None:
    out.print(
        f"version {bundle.version}, tier {bundle.tier}, trained in {seconds:.0f} s: "
        f"{bundle.card['reason']}",
        markup=False,
    )
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
