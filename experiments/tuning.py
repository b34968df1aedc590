"""A study of the close model's parameters over rolling origins: Optuna, paired and pruned.

A trial is a recipe; its loss is the mean log-loss over the origins. All trials answer about the
same snapshots, so a trial that falls behind the best one is given up after a few origins: the
pruner is Wilcoxon's signed-rank test on the losses at the origins both have seen (Wilcoxon 1945).
The newest origins are kept aside: they are never seen by the study and tell what tuning is worth,
for the best of many trials looks better than it is where it was chosen.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from features.windows import Floats
from training.boosted import DEFAULTS
from training.learners import Learner
from training.metrics import Difference, log_loss, paired
from training.origins import ByLearner, Known, Past, monthly_origins, origin_loss
from training.tiers import DEFAULT, Recipe, learner_of
from training.tracking import Tracker

Study = optuna.Study
HORIZONS = (30, 90)
UNTIL = max(HORIZONS)
"""Knots after the longest horizon, which is one, need not be fitted."""
SPACE: Mapping[str, tuple[str, float, float, bool]] = {
    "num_leaves": ("int", 3, 31, True),
    "min_data_in_leaf": ("int", 30, 400, True),
    "learning_rate": ("float", 0.02, 0.12, True),
    "lambda_l2": ("float", 1.0, 100.0, True),
    "feature_fraction": ("float", 0.15, 0.7, False),
    "l2": ("float", 100.0, 4_000.0, True),
    "weight": ("float", 0.2, 0.8, False),
}
"""Parameter -> kind, lowest, highest, whether on a log scale."""
TREES = tuple(name for name in SPACE if name not in {"l2", "weight"})
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
HEARTBEAT, GRACE = 15, 60
"""Seconds between signs of life of a trial, and after which it counts as killed."""


@dataclass(frozen=True)
class Arena:
    """What trials are judged on: origins for the study, newer ones kept aside; None of both known.

    Attributes
    ----------
    study, aside : what was known at each origin, newest first
    """

    study: tuple[Known, ...]
    aside: tuple[Known, ...]

    @classmethod
    def of(cls, past: Past, origins: int, aside: int) -> Arena:
        """Lay out `origins` for the study and `aside` newer ones.

        Raises
        ------
        ValueError
            Where the history has room for fewer than two origins beside those kept aside.
        """
        cuts = monthly_origins(past, origins + aside, HORIZONS)
        if len(cuts) < aside + 2:
            raise ValueError(
                f"the history has room for {len(cuts)} origins and tuning needs {aside + 2}: wait "
                "for a longer history; the defaults need no tuning"
            )
        known = [past.at(cut) for cut in cuts]
        return cls(tuple(known[aside:]), tuple(known[:aside]))


def recipe_of(params: Mapping[str, Any]) -> Recipe:
    """Recipe of a trial's parameters."""
    trees = {name: params[name] for name in TREES}
    return Recipe(trees, float(params["l2"]), float(params["weight"]))


def default_params() -> dict[str, Any]:
    """Parameters of the default recipe, as a trial."""
    return {**{name: DEFAULTS[name] for name in TREES}, "l2": DEFAULT.l2, "weight": DEFAULT.weight}


def contender(recipe: Recipe) -> ByLearner:
    """The full tier by a recipe, as origins ask it."""

    def learner(closed: int, categorical: tuple[str, ...]) -> Learner:
        return learner_of("full", categorical, closed, recipe)

    return ByLearner("trial", learner, UNTIL)


@contextmanager
def _calm() -> Iterator[None]:
    """Say nothing of trials, which the progress bar shows, nor of parts of Optuna that are new."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@_calm()
def open_study(place: Path, name: str, seed: int | None = None) -> optuna.Study:
    """Open a study, or go on with it: the default parameters are its first trial.

    Trials whose process was killed are told apart by their missing heartbeat and queued again.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{place.resolve().as_posix()}",
        engine_kwargs={"connect_args": {"timeout": 60}},
        heartbeat_interval=HEARTBEAT,
        grace_period=GRACE,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
            max_retry=2
        ),
    )
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(
            seed=os.getpid() if seed is None else seed, multivariate=False, constant_liar=True
        ),
        pruner=optuna.pruners.WilcoxonPruner(p_threshold=0.2, n_startup_steps=2),
    )
    study.enqueue_trial(default_params(), skip_if_exists=True)
    return study


Progress = Callable[[str], None]


@_calm()
def run_study(study: optuna.Study, arena: Arena, trials: int, progress: Progress) -> None:
    """Run until the study has so many finished trials, those of other processes counted."""
    optuna.storages.fail_stale_trials(study)

    def told(study: optuna.Study, _: FrozenTrial) -> None:
        done = len(study.get_trials(deepcopy=False, states=FINISHED))
        if done >= trials:
            study.stop()
        progress(_standing(study, done))

    if len(study.get_trials(deepcopy=False, states=FINISHED)) < trials:
        study.optimize(lambda trial: _loss(trial, arena), callbacks=[told])


def _standing(study: optuna.Study, done: int) -> str:
    best = study.best_value if _complete(study) else float("nan")
    return f"{done} trials, best log-loss {best:.5f}"


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _loss(trial: optuna.Trial, arena: Arena) -> float:
    """Mean loss over the origins; given up where the pruner says so."""
    params = {name: _suggested(trial, name) for name in SPACE}
    asked = contender(recipe_of(params))
    losses = []
    for step, known in enumerate(arena.study):
        losses.append(origin_loss(known, asked, HORIZONS))
        trial.report(losses[-1], step)
        if step + 1 < len(arena.study) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(losses))


def _suggested(trial: optuna.Trial, name: str) -> float:
    kind, low, high, log = SPACE[name]
    if kind == "int":
        return trial.suggest_int(name, int(low), int(high), log=log)
    return trial.suggest_float(name, low, high, log=log)


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of each parameter in what varies among the losses (fANOVA); empty with few trials."""
    complete = _complete(study)
    if len(complete) < 4 or len({trial.value for trial in complete}) < 2:
        return {}
    return dict(optuna.importance.get_param_importances(study))


def worth(arena: Arena, recipe: Recipe) -> Difference:
    """Log-loss of the default recipe less that of another on the origins kept aside, in pairs.

    Origins are four weeks apart; the rows of a deal are told as one story.
    """
    deals, gains = [], []
    for known in arena.aside:
        answers = [
            contender(each).fit(known, HORIZONS)(known.features) for each in (DEFAULT, recipe)
        ]
        rows = known.mature(max(HORIZONS))
        losses = [_losses(known, answer)[rows] for answer in answers]
        deals.append(known.asked.deal[rows])
        gains.append(losses[0] - losses[1])
    return paired(np.concatenate(deals), np.concatenate(gains))


def _losses(known: Known, answer: Floats) -> Floats:
    found: Floats = np.mean(
        [log_loss(known.labels(h), answer[:, column]) for column, h in enumerate(HORIZONS)], axis=0
    )
    return found


def origins_seen(trials: Sequence[FrozenTrial]) -> list[int]:
    """Origins that each trial was asked at before it ended or was given up."""
    return [len(trial.intermediate_values) for trial in trials]


def logged(tracker: Tracker, study: optuna.Study, gain: Difference, page: Path) -> str:
    """Log the study to MLflow, each trial as a run inside it; the id of the outer run."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    parent = tracker.record(
        f"tune {study.study_name}",
        params={f"best.{name}": value for name, value in study.best_params.items()},
        metrics={
            "log_loss": study.best_value,
            "gain_aside": gain.mean,
            "gain_aside_standard_error": gain.standard_error,
            "trials": float(len(trials)),
            "pruned": float(sum(trial.state == TrialState.PRUNED for trial in trials)),
        },
        files={"page": page},
    )
    for trial in trials:
        steps = {f"log_loss_origin_{n}": v for n, v in trial.intermediate_values.items()}
        mean = float(np.mean(list(trial.intermediate_values.values())))
        tracker.record(
            f"trial {trial.number} {trial.state.name.lower()}",
            params=trial.params,
            metrics={**steps, "log_loss": mean},
            files={},
            parent=parent,
        )
    return parent
