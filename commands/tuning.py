"""The command that tunes the close model: tune."""

from __future__ import annotations

import re
from dataclasses import replace
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
    out,
    print_json,
    progress,
    read_history,
    say_table,
    state,
)
from commands.models import decided

if TYPE_CHECKING:
    from experiments.tuning import Arena, Study
    from features.history import History
    from training.metrics import Difference
    from training.tiers import Recipe

FOLDER = "tuning"
NAME = re.compile(r"[\w.-]{1,80}")


def _study_name(text: str) -> str:
    if text and not NAME.fullmatch(text):
        bad_arguments(f"--study {text!r}: letters, digits, `_`, `-` and `.`, at most 80")
    return text


@app.command("tune")
def tune_command(
    as_of: AsOf = "",
    trials: Annotated[
        int, typer.Option(min=1, max=10_000, help="trials that the study shall have in the end")
    ] = 30,
    origins: Annotated[
        int, typer.Option(min=2, max=24, help="months of the past that trials are judged at")
    ] = 5,
    aside: Annotated[
        int, typer.Option(min=1, max=12, help="newer months kept aside for the last word")
    ] = 3,
    study: Annotated[
        str,
        typer.Option(
            help="name of the study; the same name goes on with it [default: data and as-of]",
            callback=_study_name,
        ),
    ] = "",
    json_: Json = False,
) -> None:
    """Search better parameters of the close model (Optuna); a winner is trained as challenger.

    Killed, it goes on where it was when called again; called in several processes at once, they
    share the trials. The default parameters are the first trial.
    """
    from experiments.tuning import open_study, recipe_of, worth

    history, data_version = read_history()
    at = chosen_as_of(as_of, history)
    arena = _arena(history, at, origins, aside)
    name = study or f"{data_version}-{at // 86_400_000_000}"
    found = open_study(state["workspace"] / FOLDER / "studies.db", name)
    _search(found, arena, trials)
    recipe = recipe_of(found.best_params)
    with progress("judging", 1, "half a minute") as step:
        step(f"default and winner at {len(arena.aside)} origins kept aside")
        gain = worth(arena, recipe)
    said = _said(gain, len(arena.aside))
    page = _reported(found, arena, gain, said)
    registered = _registered(history, at, data_version, recipe) if gain.better else ""
    if json_:
        print_json(
            {
                "study": name,
                "best": found.best_params,
                "log_loss": found.best_value,
                "gain_aside": {"mean": gain.mean, "standard_error": gain.standard_error},
                "version": registered or None,
                "report": str(page),
            }
        )
    else:
        _say(found, said, page)


def _arena(history: History, at: int, origins: int, aside: int) -> Arena:
    from experiments.tuning import Arena
    from training.origins import Past
    from training.tiers import tier_for
    from training.train import closed_deals

    closed = closed_deals(history, at)
    if tier_for(closed) != "full":
        raise WorkFailedError(
            f"{closed:,} closed deals are too few to tune on: with fewer than 1,000 the careful "
            "defaults of `dealcast train` are used, and a search would find noise"
        )
    with progress("laying out the past", 1, "seconds") as step:
        step("snapshots and features of all origins")
        try:
            return Arena.of(Past.of(history, at), origins, aside)
        except ValueError as error:
            raise WorkFailedError(str(error)) from error


def _search(study: Study, arena: Arena, trials: int) -> None:
    from experiments.tuning import FINISHED, run_study

    done = len(study.get_trials(deepcopy=False, states=FINISHED))
    left = max(trials - done, 0)
    usual = "ten to twenty seconds a trial and origin"
    with progress(f"tuning {study.study_name}", max(left, 1), usual) as step:
        step(f"{done} trials are there, {left} to go")
        run_study(study, arena, trials, step)


def _said(gain: Difference, aside: int) -> str:
    word = "lower" if gain.mean > 0 else "higher"
    judged = (
        f"On {aside} newer months that the study never saw, the best trial's log-loss is {word} "
        f"than the defaults' by {abs(gain.mean):.5f} +- {gain.standard_error:.5f} nats a "
        f"snapshot, over {gain.deals:,} deals"
    )
    if gain.better:
        return (
            f"{judged}: better by more than one standard error, so it is trained as a challenger."
        )
    return f"{judged}: not better by more than one standard error, so the defaults stay."


def _reported(study: Study, arena: Arena, gain: Difference, said: str) -> Path:
    from experiments.tuning import logged
    from experiments.tuning_page import write_page
    from training.tracking import Tracker

    with progress("reporting", 1, "seconds") as step:
        step("writing the page, logging every trial to MLflow")
        page = write_page(study, arena, said, state["workspace"] / FOLDER / study.study_name)
        logged(Tracker(state["workspace"]), study, gain, page)
    return page


def _registered(history: History, at: int, data_version: str, recipe: Recipe) -> str:
    """Refit the winner to the as-of, register it, and let it meet the champion."""
    from training.report import log_training
    from training.tracking import Tracker
    from training.train import STEPS, train

    with progress("training the winner", STEPS, "under a minute for 6,000 deals") as step:
        trained = train(history, at, step, recipe)
        step("logging to MLflow")
        tracker = Tracker(state["workspace"])
        bundle = log_training(tracker, trained, data_version)
        step("comparing with the champion")
        decision = decided(tracker, history, replace(trained, bundle=bundle))
        if decision.promote:
            tracker.promote(bundle.version)
    word = "champion" if decision.promote else "not champion"
    out.print(f"version {bundle.version} by the winner's recipe: {word}: {decision.reason}")
    return bundle.version


def _say(study: Study, said: str, page: Path) -> None:
    from experiments.tuning import SPACE, default_params

    default, best = default_params(), study.best_params
    heads: list[tuple[str, Any]] = [("parameter", "left"), ("default", "right")]
    rows = [(name, f"{default[name]:g}", f"{best[name]:.4g}") for name in SPACE]
    say_table(f"study {study.study_name}", [*heads, ("best trial", "right")], rows)
    out.print(said, markup=False)
    out.print(f"report: {page}", markup=False)
